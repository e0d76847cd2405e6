//! What was asked, and what the store knows of it: reference stocks, and how often stock ran out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::cli::{self, Latency, Simulate};
use crate::commands::seller::Seller;
use crate::commands::sheet::{self, needed};
use crate::domain::clock::Timestamp;
use crate::domain::cost::MONTH_DAYS;
use crate::domain::ids::Sku;
use crate::domain::oversell::scenario::Grid;
use crate::domain::quantity::Balance;
use crate::exit::Failure;
use crate::ledger::StoreError;
use crate::ledger::tables::{EntryLine, Selection, Tables};

/// Milliseconds of a month.
const MONTH_MS: f64 = MONTH_DAYS * 86_400_000.0;
/// Days that the store has to have seen before it is asked how often stock runs out (rule R93).
const SEEN_DAYS_LEAST: i64 = 14;
const DAY_MS: i64 = 86_400_000;

/// The scenarios that were asked for, each once.
pub(super) fn grid(args: &Simulate) -> Grid {
    let mut grid = Grid {
        modes: args.mode.modes(),
        latencies_ms: Vec::new(),
        buffers: Vec::new(),
        peak: args.peak,
    };
    // What the seller has now is a point of the curve.
    for latency in args.latency.iter().chain(&args.current) {
        if !grid.latencies_ms.contains(&latency.ms) {
            grid.latencies_ms.push(latency.ms);
        }
    }
    for buffer in &args.buffer {
        if !grid.buffers.contains(buffer) {
            grid.buffers.push(*buffer);
        }
    }
    grid
}

/// A latency in seconds.
#[expect(clippy::cast_precision_loss, reason = "at most a week")]
pub(super) fn seconds(latency: Latency) -> f64 {
    latency.ms as f64 / 1_000.0
}

/// Which SKUs are looked at.
pub(super) fn pattern(args: &Simulate) -> Result<Option<glob::Pattern>, Failure> {
    let made = args.sku.as_deref().map(glob::Pattern::new).transpose();
    made.map_err(|error| {
        Failure::call(format!(
            "read --sku: {error}; hint: * stands for any text, ? for one character"
        ))
    })
}

/// How often stock runs out while it is listed, per month.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stockouts {
    /// Nobody said.
    Unknown,
    /// So often over all SKUs that are looked at, wherever units are sold.
    All(f64),
    /// By SKU; one that is not named does not run out.
    BySku {
        per_month: BTreeMap<String, f64>,
        source: &'static str,
    },
}

impl Stockouts {
    /// Where it is known from.
    pub(super) const fn source(&self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::All(_) => Some("flag"),
            Self::BySku { source, .. } => Some(source),
        }
    }

    /// As it was said; the file is read.
    pub(super) fn said(args: &Simulate) -> Result<Option<Self>, Failure> {
        match &args.stockouts {
            None => Ok(None),
            Some(cli::Stockouts::PerMonth(number)) => Ok(Some(Self::All(*number))),
            Some(cli::Stockouts::File(path)) => Ok(Some(Self::BySku {
                per_month: per_month(path)?,
                source: "file",
            })),
        }
    }
}

fn per_month(path: &Path) -> Result<BTreeMap<String, f64>, Failure> {
    let sheet = sheet::read(path, &[needed("sku"), needed("per_month")])?;
    let wrong = |line: u64, reason: String| {
        Failure::call(format!("read {}:{line}: {reason}", path.display()))
    };
    if let Some(row) = sheet.rejected.first() {
        return Err(wrong(row.line, row.reason.clone()));
    }
    let mut found = BTreeMap::new();
    for row in &sheet.rows {
        let sku = sheet
            .name(row, "sku")
            .map_err(|reason| wrong(row.line, reason))?;
        let text = sheet.field(row, "per_month").unwrap_or_default().trim();
        let number = text.parse::<f64>().ok();
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        let number = number.ok_or_else(|| {
            let reason = format!("per_month is {text:?}; hint: a number of 0 or more, such as 0.5");
            wrong(row.line, reason)
        })?;
        if found.insert(sku.clone(), number).is_some() {
            return Err(wrong(row.line, format!("{sku} is there twice")));
        }
    }
    Ok(found)
}

/// What the store knows.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The stock that a share is taken of, by SKU.
    pub(super) references: BTreeMap<String, Balance>,
    /// How often stock ran out per month, by SKU, if the store was there long enough.
    pub(super) stockouts: Option<BTreeMap<String, f64>>,
}

impl Known {
    /// Asks the store.
    pub(super) async fn read(seller: &Seller, ask_stockouts: bool) -> Result<Self, Failure> {
        let stock = seller.ledger.read(|tables| tables.stock()).await?;
        let mut known = Self::default();
        for line in &stock {
            let here = line.reference.unwrap_or(line.balances.on_hand);
            *known
                .references
                .entry(line.sku.as_str().to_owned())
                .or_default() += here;
        }
        if ask_stockouts {
            let listings = seller
                .ledger
                .read(|tables| tables.listings(&Selection::default()))
                .await?;
            let listed: BTreeSet<Sku> = listings
                .into_iter()
                .filter_map(|listing| listing.mapping.map(|mapping| mapping.sku))
                .collect();
            let skus = listed.into_iter().collect();
            known.stockouts = ran_out(seller, skus).await?;
        }
        Ok(known)
    }
}

/// SKUs in one reading of the store.
const SKUS_PER_READ: usize = 500;

/// How often the stock of these listed SKUs ran out per month; nothing if the store has seen too few days.
async fn ran_out(
    seller: &Seller,
    skus: Vec<Sku>,
) -> Result<Option<BTreeMap<String, f64>>, Failure> {
    let mut counts: Vec<(String, u32)> = Vec::with_capacity(skus.len());
    let mut first: Option<Timestamp> = None;
    for chunk in skus.chunks(SKUS_PER_READ) {
        let chunk = chunk.to_vec();
        let read = move |tables: &mut dyn Tables| {
            let one = |sku: &Sku| {
                let entries = tables.entries_of_sku(sku)?;
                let since = entries.iter().map(|line| line.entry.at).min();
                Ok((sku.as_str().to_owned(), times_out(&entries), since))
            };
            chunk
                .iter()
                .map(one)
                .collect::<Result<Vec<_>, StoreError>>()
        };
        for (sku, times, since) in seller.ledger.read(read).await? {
            first = first.into_iter().chain(since).min();
            counts.push((sku, times));
        }
    }
    let seen_ms = first.map_or(0, |first| seller.now().millis() - first.millis());
    if seen_ms < SEEN_DAYS_LEAST * DAY_MS {
        return Ok(None);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "some years are far below 2^52 ms"
    )]
    let months = seen_ms as f64 / MONTH_MS;
    let rate = |(sku, count): (String, u32)| (sku, f64::from(count) / months);
    Ok(Some(counts.into_iter().map(rate).collect()))
}

/// How often what is available of a SKU, over all places, fell from some to none.
fn times_out(entries: &[EntryLine]) -> u32 {
    let mut by_time: Vec<_> = entries
        .iter()
        .map(|line| (line.entry.at, line.id, line))
        .collect();
    by_time.sort_by_key(|(at, id, _)| (*at, *id));
    let (mut available, mut times) = (0_i64, 0);
    for (_, _, line) in by_time {
        let moved = line.entry.movement;
        let before = available;
        available += moved.on_hand - moved.committed - moved.set_aside;
        times += u32::from(before > 0 && available <= 0);
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::LocationId;
    use crate::domain::stock::{Cause, Movement, StockEntry};

    #[test]
    fn a_stockout_is_a_fall_from_some_to_none() {
        let line = |id: i64, at: i64, on_hand: i64, committed: i64| EntryLine {
            id,
            entry: StockEntry {
                sku: Sku::new("A").unwrap(),
                location: LocationId::new("main").unwrap(),
                movement: Movement {
                    on_hand,
                    committed,
                    ..Movement::default()
                },
                at: Timestamp::from_millis(at),
                cause: Cause::SeenByCount {
                    counted_at: Timestamp::from_millis(at),
                },
            },
            recorded_at: Timestamp::from_millis(at),
        };
        // Opened with 2; both promised; one shipped, which changes nothing; 5 more; oversold by 1; as many again.
        let entries = [
            line(1, 0, 2, 0),
            line(2, 10, 0, 2),
            line(3, 20, -1, -1),
            line(4, 30, 5, 0),
            line(5, 40, 0, 6),
            line(6, 50, 0, 1),
        ];
        assert_eq!(times_out(&entries), 2);
        // They are not written in the order of time.
        let mut late = entries.to_vec();
        late.reverse();
        assert_eq!(times_out(&late), 2);
        assert_eq!(times_out(&[]), 0);
    }
}
