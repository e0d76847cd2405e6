//! What the demo says at its end, counted from the marketplaces' journals and from the books.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::super::seller::Seller;
use super::town::Town;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, OrderId};
use crate::exit::Failure;
use crate::ledger::tables::{AuditEntry, Selection, Wanted};
use crate::output::{Cell, Out};
use crate::sandbox::{Entry, Fault, Goods, Happening, Marketplace};

/// The summary; its keys are those of the documented `demo` JSON.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) seed: u32,
    pub(super) channels: Vec<ChannelSummary>,
    pub(super) sales: usize,
    pub(super) webhooks: usize,
    pub(super) duplicates: u64,
    pub(super) pushes: usize,
    pub(super) oversold_units: i64,
    pub(super) oversold_units_avoidable: i64,
    pub(super) lost_events: usize,
    pub(super) converged: bool,
    pub(super) latency_ms: Latency,
    pub(super) invariants: Invariants,
    pub(super) faults: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct ChannelSummary {
    pub(super) channel: ChannelId,
    pub(super) platform: &'static str,
    pub(super) sales: usize,
    pub(super) pushes: usize,
    pub(super) shown: i64,
    pub(super) desired: i64,
}

/// From the message's arrival to the other channel's answer.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p95: u64,
    pub(super) p99: u64,
    /// How many took at most so many ms; `None`: longer.
    #[serde(skip)]
    pub(super) spread: Vec<(Option<u64>, u64)>,
}

/// Where the bars of the report end, in ms.
const SPREAD_MS: &[u64] = &[20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Invariants {
    Held(&'static str),
    Broken(Vec<String>),
}

fn sales(log: &[Entry]) -> usize {
    log.iter()
        .filter(|entry| matches!(entry.happening, Happening::Sale { .. }))
        .count()
}

fn writes(log: &[Entry]) -> usize {
    log.iter()
        .filter(|entry| matches!(entry.happening, Happening::Write { .. }))
        .count()
}

/// Listings that do not show what they should: channel, listing, shown, desired.
pub(super) async fn wrong(town: &Town, seller: &Seller) -> Result<Vec<String>, Failure> {
    let rows = levels(town, seller).await?;
    let bad = rows
        .into_iter()
        .filter(|row| row.shown != row.desired && !(row.desired == 0 && row.shown <= 0));
    Ok(bad
        .map(|row| {
            format!(
                "{} shows {} of {}, should {}",
                row.channel, row.shown, row.sku, row.desired
            )
        })
        .collect())
}

struct Level {
    channel: ChannelId,
    sku: String,
    shown: i64,
    desired: i64,
}

async fn levels(town: &Town, seller: &Seller) -> Result<Vec<Level>, Failure> {
    let states = seller
        .ledger
        .read(|tables| tables.listings(&Selection::default()))
        .await?;
    let markets = town.markets();
    let mut found = Vec::new();
    for state in states {
        let (Some(market), Some(sku)) = (markets.get(&state.key.channel), state.their_sku.clone())
        else {
            continue;
        };
        let own = state
            .mapping
            .as_ref()
            .and_then(|mapping| mapping.location.as_ref());
        let desired = seller.policy.desired(&state.key.channel, own, &state.feeds);
        let shown = market.shown(Goods::Sku(&sku)).unwrap_or(0);
        found.push(Level {
            channel: state.key.channel,
            sku,
            shown,
            desired: i64::from(desired.quantity),
        });
    }
    Ok(found)
}

impl Summary {
    /// Counts everything.
    pub(super) async fn of(
        seed: u32,
        town: &Town,
        seller: &Seller,
        converged: bool,
    ) -> Result<Self, Failure> {
        let markets = town.markets();
        let logs: BTreeMap<_, _> = markets
            .iter()
            .map(|(id, market)| (id.clone(), market.log()))
            .collect();
        let levels = levels(town, seller).await?;
        let channel = |(id, market): (&ChannelId, &std::sync::Arc<dyn Marketplace>)| {
            let log = logs.get(id).map_or(&[] as &[Entry], Vec::as_slice);
            let own = || levels.iter().filter(|level| level.channel == *id);
            ChannelSummary {
                channel: id.clone(),
                platform: market.platform(),
                sales: sales(log),
                pushes: writes(log),
                shown: own().map(|level| level.shown).sum(),
                desired: own().map(|level| level.desired).sum(),
            }
        };
        let channels: Vec<_> = markets.iter().map(channel).collect();
        let pushes = audit_of_pushes(seller).await?;
        let stock = seller.ledger.read(|tables| tables.stock()).await?;
        let oversold = |sku: &str| -> i64 {
            let rows = stock.iter().filter(|row| row.sku.as_str() == sku);
            rows.map(|row| row.balances.available().min(0).saturating_neg())
                .sum()
        };
        let unproven: BTreeSet<_> = pushes
            .iter()
            .filter(|push| unproven_raise(push))
            .map(|push| &push.subject)
            .collect();
        let mut broken = seller.ledger.verify().await?;
        broken.extend(wrong(town, seller).await?);
        let all: Vec<_> = logs.values().flatten().collect();
        Ok(Self {
            seed,
            sales: channels.iter().map(|channel| channel.sales).sum(),
            pushes: channels.iter().map(|channel| channel.pushes).sum(),
            channels,
            webhooks: all
                .iter()
                .filter(|entry| matches!(entry.happening, Happening::DeliverySent { .. }))
                .count(),
            duplicates: markets
                .values()
                .map(|m| {
                    m.fault_counts()
                        .get(&Fault::DuplicateDelivery)
                        .copied()
                        .unwrap_or(0)
                })
                .sum(),
            oversold_units: stock
                .iter()
                .map(|row| row.balances.available().min(0).saturating_neg())
                .sum(),
            oversold_units_avoidable: unproven.into_iter().map(|sku| oversold(sku)).sum(),
            lost_events: lost(seller, &logs).await?,
            converged,
            latency_ms: latency(&pushes),
            invariants: if broken.is_empty() {
                Invariants::Held("ok")
            } else {
                Invariants::Broken(broken)
            },
            faults: fault_names(&markets),
        })
    }

    /// Whether everything held.
    pub(super) fn good(&self) -> bool {
        let held = matches!(self.invariants, Invariants::Held(_));
        held && self.converged && self.lost_events == 0 && self.oversold_units_avoidable == 0
    }

    /// Writes it out.
    pub(super) fn say(&self, out: &mut Out) -> Result<(), Failure> {
        let row = |channel: &ChannelSummary| {
            vec![
                Cell::from(channel.channel.as_str()),
                Cell::from(channel.platform),
                whole(channel.sales),
                whole(channel.pushes),
                Cell::Whole(channel.shown),
                Cell::Whole(channel.desired),
            ]
        };
        let rows: Vec<_> = self.channels.iter().map(row).collect();
        out.result(
            "onhand.demo/1",
            self,
            &["channel", "platform", "sales", "pushes", "shown", "desired"],
            &rows,
        )?;
        let latency = &self.latency_ms;
        out.note(format!(
            "{} sales, {} webhooks ({} sent twice on purpose), {} pushes; message to corrected channel: p50 {} ms, p95 {} ms, p99 {} ms",
            self.sales, self.webhooks, self.duplicates, self.pushes, latency.p50, latency.p95, latency.p99,
        ));
        out.note(format!(
            "oversold: {} units, of which avoidable: {}; lost events: {}; converged: {}",
            self.oversold_units, self.oversold_units_avoidable, self.lost_events, self.converged,
        ));
        match &self.invariants {
            Invariants::Held(_) => out.note("every invariant held"),
            Invariants::Broken(broken) => {
                for line in broken {
                    out.warning(line);
                }
            }
        }
        Ok(())
    }
}

fn whole(count: usize) -> Cell {
    Cell::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}

fn fault_names(
    markets: &BTreeMap<ChannelId, std::sync::Arc<dyn Marketplace>>,
) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (fault, count) in markets.values().flat_map(|market| market.fault_counts()) {
        *sums.entry(format!("{fault:?}")).or_default() += count;
    }
    sums
}

async fn audit_of_pushes(seller: &Seller) -> Result<Vec<AuditEntry>, Failure> {
    let found = seller.ledger.read(|tables| {
        let mut all = Vec::new();
        for sku in tables.skus()? {
            all.extend(
                tables
                    .audit_of(sku.as_str())?
                    .into_iter()
                    .filter(|row| row.kind == "push"),
            );
        }
        Ok(all)
    });
    Ok(found.await?)
}

fn time(value: &serde_json::Value) -> Option<Timestamp> {
    value.as_str().and_then(Timestamp::parse)
}

/// A push beyond what the channel was believed to show, without a comparison by the platform and without a read of its
/// orders since that belief (design D8).
fn unproven_raise(push: &AuditEntry) -> bool {
    let detail = &push.detail;
    let (known, unknown) = (&detail["before"]["Known"], &detail["before"]["Unknown"]);
    let stand_in = known["quantity"]
        .as_i64()
        .or_else(|| unknown["last"].as_i64());
    let as_of = time(&known["as_of"]).or_else(|| time(&unknown["as_of"]));
    let raises = detail["quantity"]
        .as_i64()
        .zip(stand_in)
        .is_none_or(|(sent, shown)| sent > shown);
    let compared = detail["compares"] == true && !known.is_null() && detail["stale"] == false;
    let read = time(&detail["orders_read_at"])
        .zip(as_of)
        .is_some_and(|(read, known)| read > known);
    raises && !compared && !read
}

fn latency(pushes: &[AuditEntry]) -> Latency {
    let mut times = Histogram::<u64>::new(3).expect("3 digits are allowed");
    for push in pushes
        .iter()
        .filter(|push| push.detail["outcome"] == "applied")
    {
        let from = time(&push.detail["received_at"]);
        if let Some((from, to)) = from.zip(time(&push.detail["answered_at"])) {
            times.saturating_record(u64::try_from(to.since(from)).unwrap_or(0));
        }
    }
    let at = |share| times.value_at_quantile(share);
    Latency {
        p50: at(0.50),
        p95: at(0.95),
        p99: at(0.99),
        spread: spread(&times),
    }
}

fn spread(times: &Histogram<u64>) -> Vec<(Option<u64>, u64)> {
    let mut counts = vec![0; SPREAD_MS.len() + 1];
    for step in times.iter_recorded() {
        let place = SPREAD_MS.partition_point(|end| *end < step.value_iterated_to());
        if let Some(count) = counts.get_mut(place) {
            *count += step.count_since_last_iteration();
        }
    }
    let ends = SPREAD_MS.iter().copied().map(Some).chain([None]);
    ends.zip(counts).collect()
}

/// Orders of the marketplaces that the books do not have.
async fn lost(seller: &Seller, logs: &BTreeMap<ChannelId, Vec<Entry>>) -> Result<usize, Failure> {
    let mut orders = BTreeSet::new();
    for (id, log) in logs {
        for entry in log {
            if let Happening::Sale { order, .. } = entry.happening
                && let Ok(order) = OrderId::new(&order.to_string())
            {
                orders.insert((id.clone(), order));
            }
        }
    }
    let wanted = Wanted {
        orders: orders.clone(),
        ..Wanted::default()
    };
    let books = seller
        .ledger
        .read(move |tables| tables.gather(&wanted))
        .await?;
    Ok(orders
        .iter()
        .filter(|key| !books.orders.contains_key(*key))
        .count())
}
