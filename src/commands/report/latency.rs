//! `report latency`: how long sales take to reach the other channels, from what was sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DAY_MS, day_text, footer, real, write_page};
use crate::cli::ReportDays;
use crate::commands::seller::Seller;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingKey, Sku};
use crate::domain::tier::Tier;
use crate::exit::{Failure, Found};
use crate::ledger::tables::{AuditEntry, Selection};
use crate::output::chart::{Bar, Bars, Bound, Chart};
use crate::output::html::{Figure, Page, Part, Tone, Verdict};
use crate::output::{Cell, Out};

/// The word that its JSON begins with.
const SCHEMA: &str = "onhand.report_latency/1";
const HEADERS: &[&str] = &[
    "channel",
    "tier",
    "pushes",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "max ms",
    "from message p95 ms",
];
/// Sync classes of the trade: the latency that each stays below, in ms, and its name.
const CLASSES: [(i64, &str); 4] = [
    (5_000, "real_time"),
    (60_000, "near_real_time"),
    (300_000, "fast_batch"),
    (900_000, "standard_batch"),
];

/// Half, 95 % and 99 % of the times are at most these, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Times {
    pub(super) p50: i64,
    pub(super) p95: i64,
    pub(super) p99: i64,
    pub(super) max: i64,
}

impl Times {
    /// By the nearest rank; `None` if there are none.
    pub(super) fn of(mut times: Vec<i64>) -> Option<Self> {
        times.sort_unstable();
        let max = *times.last()?;
        let at = |pct: usize| {
            let rank = (times.len() * pct).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied().unwrap_or(max)
        };
        Some(Self {
            p50: at(50),
            p95: at(95),
            p99: at(99),
            max,
        })
    }
}

/// One quantity that a channel took.
#[derive(Debug, Clone)]
pub(super) struct Push {
    pub(super) at: Timestamp,
    channel: ChannelId,
    listing: String,
    /// The fastest of the SKUs behind it.
    tier: Tier,
    skus: Vec<Sku>,
    sold_at: Option<Timestamp>,
    received_at: Option<Timestamp>,
    verified_at: Option<Timestamp>,
}

impl Push {
    /// From the sale to the channel's answer, in ms.
    pub(super) fn since_sale(&self) -> Option<i64> {
        self.sold_at.map(|sold| self.at.since(sold).max(0))
    }

    fn since_receipt(&self) -> Option<i64> {
        self.received_at.map(|at| self.at.since(at).max(0))
    }

    fn to_verified(&self) -> Option<i64> {
        Some(self.verified_at?.since(self.sold_at?).max(0))
    }
}

/// What a push is told by in the audit.
#[derive(Debug, Deserialize)]
struct Detail {
    listing: String,
    outcome: String,
    sold_at: Option<Timestamp>,
    received_at: Option<Timestamp>,
    sent_at: Timestamp,
    answered_at: Timestamp,
}

/// Pushes that were applied since a time, by the time of their answer.
pub(super) async fn pushes(seller: &Seller, since: Timestamp) -> Result<Vec<Push>, Failure> {
    let pins = seller.settings.tiers.pin.clone();
    let usual = seller.settings.tiers.default;
    let found = seller.ledger.read(move |tables| {
        let tiers = tables.tiers()?;
        let tier = |sku: &Sku| {
            let kept = tiers.get(sku).map(|kept| kept.kept.tier);
            pins.get(sku).copied().or(kept).unwrap_or(usual)
        };
        // A listing that several SKUs feed is told of once for each.
        let mut found: BTreeMap<(Timestamp, ChannelId, String), Push> = BTreeMap::new();
        tables.audit_since("push", since, &mut |entry| {
            take(&mut found, entry, &tier);
        })?;
        let mut reads: BTreeMap<(ChannelId, String), Vec<Timestamp>> = BTreeMap::new();
        tables.audit_since("read", since, &mut |entry| note_read(&mut reads, entry))?;
        for state in tables.listings(&Selection::default())? {
            let ListingKey { channel, listing } = state.key;
            let seen = reads
                .entry((channel, listing.as_str().to_owned()))
                .or_default();
            seen.extend(state.verified_at);
        }
        for push in found.values_mut() {
            let seen = reads.get(&(push.channel.clone(), push.listing.clone()));
            let seen = seen.into_iter().flatten().copied();
            push.verified_at = seen.filter(|at| *at >= push.at).min();
        }
        Ok(found.into_values().collect::<Vec<_>>())
    });
    let mut found = found.await?;
    found.sort_by_key(|push| push.at);
    Ok(found)
}

fn take(
    found: &mut BTreeMap<(Timestamp, ChannelId, String), Push>,
    entry: AuditEntry,
    tier: &dyn Fn(&Sku) -> Tier,
) {
    let detail = serde_json::from_value::<Detail>(entry.detail);
    let channel = entry.channel.as_deref().map(ChannelId::new);
    let (Ok(detail), Some(Ok(channel)), Ok(sku)) = (detail, channel, Sku::new(&entry.subject))
    else {
        return;
    };
    if detail.outcome != "applied" {
        return;
    }
    let tier = tier(&sku);
    let key = (detail.sent_at, channel.clone(), detail.listing.clone());
    let push = found.entry(key).or_insert(Push {
        at: detail.answered_at,
        channel,
        listing: detail.listing,
        tier,
        skus: Vec::new(),
        sold_at: detail.sold_at,
        received_at: detail.received_at,
        verified_at: None,
    });
    push.tier = push.tier.min(tier);
    push.skus.push(sku);
}

fn note_read(reads: &mut BTreeMap<(ChannelId, String), Vec<Timestamp>>, entry: AuditEntry) {
    let detail = serde_json::from_value::<Detail>(entry.detail);
    let channel = entry.channel.as_deref().map(ChannelId::new);
    if let (Ok(detail), Some(Ok(channel))) = (detail, channel)
        && detail.outcome == "read"
    {
        let seen = reads.entry((channel, detail.listing)).or_default();
        seen.push(detail.answered_at);
    }
}

/// One channel and tier.
#[derive(Debug, Serialize)]
struct Row {
    channel: ChannelId,
    tier: Tier,
    count: usize,
    from_sale_ms: Option<Times>,
    from_receipt_ms: Option<Times>,
    to_verified_ms: Option<Times>,
}

#[derive(Debug, Serialize)]
struct Answer {
    /// By 95 % of the sales; null if nothing was sent for one.
    sync_class: Option<&'static str>,
    since: Timestamp,
    until: Timestamp,
    pushes: Vec<Row>,
    /// From a sale to the last channel that was corrected for it.
    sale_to_last_channel_ms: Option<Times>,
}

/// The class of the trade that this latency belongs to.
fn class(p95_ms: i64) -> &'static str {
    let found = CLASSES.iter().find(|(below, _)| p95_ms < *below);
    found.map_or("legacy_batch", |(_, name)| name)
}

fn answered(pushes: &[Push], since: Timestamp, until: Timestamp) -> Answer {
    let mut groups: BTreeMap<(&ChannelId, Tier), Vec<&Push>> = BTreeMap::new();
    let mut last: BTreeMap<(&Sku, Timestamp), Timestamp> = BTreeMap::new();
    for push in pushes {
        groups
            .entry((&push.channel, push.tier))
            .or_default()
            .push(push);
        for (sku, sold) in push.skus.iter().zip(std::iter::repeat(push.sold_at)) {
            if let Some(sold) = sold {
                let at = last.entry((sku, sold)).or_insert(push.at);
                *at = push.at.max(*at);
            }
        }
    }
    let row = |((channel, tier), pushes): ((&ChannelId, Tier), Vec<&Push>)| {
        let times = |of: fn(&Push) -> Option<i64>| {
            Times::of(pushes.iter().filter_map(|push| of(push)).collect())
        };
        Row {
            channel: channel.clone(),
            tier,
            count: pushes.len(),
            from_sale_ms: times(Push::since_sale),
            from_receipt_ms: times(Push::since_receipt),
            to_verified_ms: times(Push::to_verified),
        }
    };
    let to_last = last.iter().map(|((_, sold), at)| at.since(*sold).max(0));
    let to_last = Times::of(to_last.collect());
    Answer {
        sync_class: to_last.map(|times| class(times.p95)),
        since,
        until,
        pushes: groups.into_iter().map(row).collect(),
        sale_to_last_channel_ms: to_last,
    }
}

/// Tells it.
pub(super) async fn latency(
    args: &ReportDays,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let until = seller.now();
    let since = until.plus(-DAY_MS * i64::from(args.days));
    let answer = answered(&pushes(seller, since).await?, since, until);
    let rows: Vec<_> = answer.pushes.iter().map(row).collect();
    out.result(SCHEMA, &answer, HEADERS, &rows)?;
    out.note(sentence(&answer));
    write_page(args.out.as_deref(), || page(&answer))?;
    Ok(Found::Nothing)
}

fn row(row: &Row) -> Vec<Cell> {
    let of = |times: Option<Times>, get: fn(Times) -> i64| Cell::from(times.map(get));
    vec![
        row.channel.as_str().into(),
        row.tier.letter().into(),
        Cell::Whole(i64::try_from(row.count).unwrap_or(i64::MAX)),
        of(row.from_sale_ms, |times| times.p50),
        of(row.from_sale_ms, |times| times.p95),
        of(row.from_sale_ms, |times| times.p99),
        of(row.from_sale_ms, |times| times.max),
        of(row.from_receipt_ms, |times| times.p95),
    ]
}

fn sentence(answer: &Answer) -> String {
    match (answer.sync_class, answer.sale_to_last_channel_ms) {
        (Some(class), Some(times)) => format!(
            "95 % of the sales were on every channel within {} ms: {}",
            times.p95,
            class.replace('_', " ")
        ),
        _ => "nothing was sent for a sale in this time".to_owned(),
    }
}

fn page(answer: &Answer) -> Page {
    let mut figures = Vec::new();
    if let Some(times) = answer.sale_to_last_channel_ms {
        let ms = |value: i64| format!("{value} ms");
        let means = "From the sale, by the channel's clock, to the answer of the last other channel that was corrected for it.";
        figures = vec![
            Figure::new("Half within", ms(times.p50)).meaning(means),
            Figure::new("95 % within", ms(times.p95)).meaning(means),
            Figure::new("99 % within", ms(times.p99)).meaning(means),
            Figure::new("Slowest", ms(times.max)).meaning(means),
        ];
    }
    #[expect(clippy::cast_precision_loss, reason = "a length on a picture")]
    let bar = |row: &Row| {
        let p95 = row.from_sale_ms.map_or(0, |times| times.p95);
        Bar::new(format!("{}, tier {}", row.channel, row.tier), p95 as f64)
            .saying(format!("{p95} ms"))
    };
    Page {
        title: "How long sales take to reach the other channels".to_owned(),
        about: format!("{} to {}.", day_text(answer.since), day_text(answer.until)),
        verdict: Some(Verdict {
            says: format!("{}.", sentence(answer)),
            tone: Tone::Plain,
        }),
        figures,
        parts: vec![
            Part::Chart {
                title: "95 % within, by channel and tier".to_owned(),
                about: "From the sale to the channel's answer. Real time is below 5 seconds."
                    .to_owned(),
                chart: Chart::Bars(Bars {
                    unit: "ms".to_owned(),
                    bars: answer.pushes.iter().map(bar).collect(),
                    bounds: near_bound(answer),
                }),
            },
            Part::Table {
                title: "By channel and tier".to_owned(),
                headers: HEADERS.to_vec(),
                rows: answer.pushes.iter().map(row).collect(),
            },
        ],
        footer: footer(answer.until),
    }
}

/// The line of real time, unless everything is far below it.
fn near_bound(answer: &Answer) -> Vec<Bound> {
    let most = answer
        .pushes
        .iter()
        .filter_map(|row| row.from_sale_ms)
        .map(|times| times.p95)
        .max();
    let near = most.is_some_and(|most| most > 500);
    near.then(|| Bound::new("real time below 5 s", real(5_000)))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        let times = Times::of((1..=100).rev().collect()).unwrap();
        assert_eq!(
            (times.p50, times.p95, times.p99, times.max),
            (50, 95, 99, 100)
        );
        let one = Times::of(vec![7]).unwrap();
        assert_eq!((one.p50, one.max), (7, 7));
        assert_eq!(Times::of(Vec::new()), None);
    }

    #[test]
    fn classes_are_those_of_the_trade() {
        for (ms, name) in [
            (4_999, "real_time"),
            (5_000, "near_real_time"),
            (60_000, "fast_batch"),
            (899_999, "standard_batch"),
            (900_000, "legacy_batch"),
        ] {
            assert_eq!(class(ms), name);
        }
    }
}
