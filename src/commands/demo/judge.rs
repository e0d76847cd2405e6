//! What the demo says at its end, counted from the marketplaces' journals and from the books.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::super::seller::Seller;
use super::second::SecondAct;
use super::town::{self, Town};
use super::truth::{self, Applied};
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
    /// What happened to the stock between two sales.
    pub(super) second_act: Option<SecondAct>,
    /// What a comparison of every channel with the books found at the end; `None`: it could not read all of it.
    pub(super) reconcile: Option<Reconciled>,
}

/// The figures of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Reconciled {
    pub(super) compared: usize,
    pub(super) in_flight: usize,
    pub(super) drifted: usize,
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

type Logs = BTreeMap<ChannelId, Vec<Entry>>;

fn logs(town: &Town) -> Logs {
    let log = |(id, market): (ChannelId, std::sync::Arc<dyn Marketplace>)| (id, market.log());
    town.markets().into_iter().map(log).collect()
}

/// What is not as it must be, in words: books that differ from what the journals add up to, and listings that show
/// something else than that or than what the books say.
pub(super) async fn wrong(town: &Town, seller: &Seller) -> Result<Vec<String>, Failure> {
    let logs = logs(town);
    let left = truth::left(town::opening(), logs.values().map(Vec::as_slice));
    let stock = seller.ledger.read(|tables| tables.stock()).await?;
    let mut bad = Vec::new();
    for (sku, left) in &left {
        let rows = || stock.iter().filter(|row| row.sku.as_str() == sku);
        let on_hand: i64 = rows().map(|row| row.balances.on_hand).sum();
        let available: i64 = rows().map(|row| row.balances.available()).sum();
        if (on_hand, available) != (left.on_hand, left.available) {
            bad.push(format!(
                "the books have {on_hand} of {sku} on hand and {available} for sale, the marketplaces' journals leave {} \
                 and {}",
                left.on_hand, left.available
            ));
        }
    }
    for row in levels(town, seller).await? {
        let left = left.get(&row.sku).copied().unwrap_or_default();
        for must in [row.desired, left.available.max(0)] {
            if row.shown.max(0) != must {
                bad.push(format!(
                    "{} shows {} of {}, should {must}",
                    row.channel, row.shown, row.sku
                ));
            }
        }
    }
    bad.dedup();
    Ok(bad)
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
        reconcile: Option<Reconciled>,
    ) -> Result<Self, Failure> {
        let markets = town.markets();
        let logs = logs(town);
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
        let avoidable = avoidable(seller, &pushes, &logs)?;
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
            oversold_units_avoidable: avoidable
                .into_iter()
                .map(|(sku, most)| oversold(&sku).min(most))
                .sum(),
            lost_events: lost(seller, &logs).await?,
            converged,
            latency_ms: latency(&pushes),
            invariants: if broken.is_empty() {
                Invariants::Held("ok")
            } else {
                Invariants::Broken(broken)
            },
            faults: fault_names(&markets),
            second_act: None,
            reconcile,
        })
    }

    /// Whether everything held.
    pub(super) fn good(&self) -> bool {
        let held = matches!(self.invariants, Invariants::Held(_))
            && self.second_act.as_ref().is_none_or(SecondAct::good);
        let right = self.reconcile.is_some_and(|found| found.drifted == 0);
        held && right
            && self.converged
            && self.lost_events == 0
            && self.oversold_units_avoidable == 0
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
        match self.reconcile {
            Some(found) => out.note(format!(
                "reconcile: {} of {} listings compared differ, {} in flight",
                found.drifted, found.compared, found.in_flight
            )),
            None => out.warning("reconcile: not every channel could be read"),
        }
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

/// At most so many oversold units of each SKU could have been avoided: all of them where a raise was sent without evidence,
/// else those that were sold after our lower number was held for applied.
fn avoidable(
    seller: &Seller,
    pushes: &[AuditEntry],
    logs: &Logs,
) -> Result<BTreeMap<String, i64>, Failure> {
    let mut found = BTreeMap::new();
    let applied: Vec<_> = pushes.iter().filter_map(applied).collect();
    for (id, log) in logs {
        let own: Vec<_> = applied
            .iter()
            .filter(|push| push.channel == *id)
            .cloned()
            .collect();
        for (sku, units) in truth::sold_beyond(log, &own) {
            *found.entry(sku).or_default() += units;
        }
        let visible_after_ms = seller.profile(id)?.orders_visible_after_ms;
        for push in pushes {
            let own = push.channel.as_deref() == Some(id.as_str());
            if own && unproven_raise(push, visible_after_ms) {
                found.insert(push.subject.clone(), i64::MAX);
            }
        }
    }
    Ok(found)
}

/// A push that is held for applied.
fn applied(push: &AuditEntry) -> Option<Applied> {
    let detail = &push.detail;
    if detail["outcome"] != "applied" {
        return None;
    }
    Some(Applied {
        channel: ChannelId::new(push.channel.as_deref()?).ok()?,
        sku: push.subject.clone(),
        quantity: detail["quantity"].as_i64()?,
        sent_ms: time(&detail["sent_at"])?.millis(),
        answered_ms: time(&detail["answered_at"])?.millis(),
    })
}

/// A push beyond what the channel was believed to show, without a comparison by the platform and without a read of its
/// orders since that belief, late enough to hold what had been sold by then (design D8).
fn unproven_raise(push: &AuditEntry, visible_after_ms: i64) -> bool {
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
        .is_some_and(|(read, known)| read > known.plus(visible_after_ms));
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
async fn lost(seller: &Seller, logs: &Logs) -> Result<usize, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn push(read_at_ms: i64) -> AuditEntry {
        let at = Timestamp::from_millis;
        AuditEntry {
            id: 1,
            at: at(9),
            kind: "push".to_owned(),
            channel: Some("shop".to_owned()),
            subject: "A".to_owned(),
            detail: serde_json::json!({
                "quantity": 9,
                "before": { "Known": { "quantity": 5, "as_of": at(1_000) } },
                "orders_read_at": at(read_at_ms),
                "compares": false,
                "stale": false,
            }),
        }
    }

    #[test]
    fn a_raise_needs_a_read_of_orders_that_holds_what_was_sold_by_then() {
        for (read_at_ms, visible_after_ms, unproven) in [
            (1_000, 0, true),
            (1_001, 0, false),
            (1_500, 500, true),
            (1_501, 500, false),
        ] {
            assert_eq!(
                unproven_raise(&push(read_at_ms), visible_after_ms),
                unproven,
                "read at {read_at_ms}, visible after {visible_after_ms}"
            );
        }
    }
}
