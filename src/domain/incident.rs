//! More was promised than there is: which order lines lost, and what became of them (rules R16 and R91).
//!
//! Goods go to the orders that were placed first, by the channels' time. What is left over when nothing is left lost. An
//! incident is a fact of the books at a moment: who lost is found anew whenever the stock of a short SKU moves, and an
//! order line is in one incident only, however often it loses and is saved again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{ChannelId, LineId, LocationId, OrderId};
use super::quantity::Balance;
use super::stock::Balances;

/// An order line, by its names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineKey {
    /// Whose.
    pub channel: ChannelId,
    /// Which order.
    pub order: OrderId,
    /// Which line; `None` where people name only the order.
    pub line: Option<LineId>,
}

/// An order line that was promised units and has not got them yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    /// Which.
    pub key: LineKey,
    /// When the order was placed, by the channel's clock.
    pub placed_at: Timestamp,
    /// Units of the SKU that are promised.
    pub units: Balance,
}

/// Units of an order line that are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which.
    pub key: LineKey,
    /// When the order was placed.
    pub placed_at: Timestamp,
    /// How many of its units are missing.
    pub units: Balance,
}

/// How a line that lost was helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Goods came.
    Restock,
    /// It was cancelled.
    Cancel,
    /// The buyer took something else.
    Substitution,
    /// It was shipped after all.
    Shipped,
}

impl Remedy {
    /// Those that people may name, with their words.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("restock", Self::Restock),
        ("cancel", Self::Cancel),
        ("substitution", Self::Substitution),
    ];

    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Restock => "restock",
            Self::Cancel => "cancel",
            Self::Substitution => "substitution",
            Self::Shipped => "shipped",
        }
    }
}

/// How a line was helped, when, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helped {
    /// How.
    pub how: Remedy,
    /// When.
    pub at: Timestamp,
    /// Who said so; `None`: the books themselves.
    pub by: Option<String>,
}

/// An order line of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostLine {
    /// Which.
    #[serde(flatten)]
    pub key: LineKey,
    /// When the order was placed.
    pub placed_at: Timestamp,
    /// The most units that it ever lacked: a line that loses again is not counted again.
    pub units: Balance,
    /// What became of it.
    pub helped: Option<Helped>,
}

/// Places that stand in for each other, because some channel sells from both of them.
///
/// `eligible` are the places of each channel; the answer has every place of them in exactly one set.
pub fn pools<'p>(
    eligible: impl IntoIterator<Item = &'p [LocationId]>,
) -> Vec<BTreeSet<LocationId>> {
    let mut pools: Vec<BTreeSet<LocationId>> = Vec::new();
    for places in eligible {
        let mut joined: BTreeSet<LocationId> = places.iter().cloned().collect();
        let (met, apart): (Vec<_>, Vec<_>) = pools
            .into_iter()
            .partition(|pool| !pool.is_disjoint(&joined));
        joined.extend(met.into_iter().flatten());
        pools = apart;
        if !joined.is_empty() {
            pools.push(joined);
        }
    }
    pools.sort();
    pools
}

/// Units that are owed beyond what may be owed: 0 if all is well.
pub fn owed(held: Balances, cap: u32) -> Balance {
    held.available()
        .saturating_add(i64::from(cap))
        .saturating_neg()
        .max(0)
}

/// Which lines lack how many of their units: `supply` goes to those that were placed first, and among equal times by
/// their names.
pub fn losers(supply: Balance, mut open: Vec<Promised>) -> Vec<Lost> {
    open.sort_by(|a, b| (a.placed_at, &a.key).cmp(&(b.placed_at, &b.key)));
    let mut left = supply.max(0);
    let mut lost = Vec::new();
    for line in open {
        let got = line.units.min(left);
        left = left.saturating_sub(got);
        let units = line.units.saturating_sub(got);
        if units > 0 {
            lost.push(Lost {
                key: line.key,
                placed_at: line.placed_at,
                units,
            });
        }
    }
    lost
}

/// What becomes of the lines of an incident: those that lose now are in it once, those that do not any more were helped.
/// `promised` says how many units a line is promised now, `shipped` which lines were shipped.
///
/// What a person said of a line stands, whatever the books say.
pub fn follow(
    known: &[LostLine],
    lost: &[Lost],
    promised: &BTreeMap<LineKey, Balance>,
    shipped: &BTreeSet<LineKey>,
    now: Timestamp,
) -> Vec<LostLine> {
    let mut lines: BTreeMap<LineKey, LostLine> = known
        .iter()
        .map(|line| (line.key.clone(), line.clone()))
        .collect();
    for lost in lost {
        // What people told of the order without naming its line is this line.
        let whole_order = LineKey {
            line: None,
            ..lost.key.clone()
        };
        lines.remove(&whole_order);
        let line = lines.entry(lost.key.clone()).or_insert_with(|| LostLine {
            key: lost.key.clone(),
            placed_at: lost.placed_at,
            units: lost.units,
            helped: None,
        });
        line.units = line.units.max(lost.units);
        if line
            .helped
            .as_ref()
            .is_some_and(|helped| helped.by.is_none())
        {
            line.helped = None;
        }
    }
    for line in lines.values_mut() {
        let loses = lost.iter().any(|lost| lost.key == line.key);
        if loses || line.helped.is_some() || line.key.line.is_none() {
            continue;
        }
        let how = if promised.get(&line.key).is_some_and(|units| *units > 0) {
            Remedy::Restock
        } else if shipped.contains(&line.key) {
            Remedy::Shipped
        } else {
            Remedy::Cancel
        };
        line.helped = Some(Helped {
            how,
            at: now,
            by: None,
        });
    }
    let mut lines: Vec<_> = lines.into_values().collect();
    lines.sort_by(|a, b| (a.placed_at, &a.key).cmp(&(b.placed_at, &b.key)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(order: &str) -> LineKey {
        LineKey {
            channel: ChannelId::new("shop").unwrap(),
            order: OrderId::new(order).unwrap(),
            line: Some(LineId::new("1").unwrap()),
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn promised(rows: &[(&str, i64, i64)]) -> Vec<Promised> {
        let row = |&(order, ms, units): &(&str, i64, i64)| Promised {
            key: key(order),
            placed_at: at(ms),
            units,
        };
        rows.iter().map(row).collect()
    }

    #[track_caller]
    fn check(supply: i64, open: &[(&str, i64, i64)], expected: &[(&str, i64)]) {
        let found = losers(supply, promised(open));
        let found: Vec<_> = found
            .iter()
            .map(|lost| (lost.key.order.as_str(), lost.units))
            .collect();
        assert_eq!(found, expected);
    }

    /// Rule R16: the order lines that lost, by channel order time.
    #[test]
    fn r16_the_last_to_order_loses() {
        check(1, &[("late", 20, 1), ("early", 10, 1)], &[("late", 1)]);
        check(
            3,
            &[("a", 10, 2), ("b", 20, 2), ("c", 30, 2)],
            &[("b", 1), ("c", 2)],
        );
        check(-2, &[("a", 10, 1)], &[("a", 1)]);
        check(5, &[("a", 10, 2)], &[]);
        check(1, &[("b", 10, 1), ("a", 10, 1)], &[("b", 1)]);
    }

    /// Rule R91: what is sold within the cap is a backorder and no incident.
    #[test]
    fn r91_backorders_within_the_cap_are_none() {
        let held = |on_hand, committed| Balances {
            on_hand,
            committed,
            ..Balances::default()
        };
        assert_eq!(owed(held(0, 3), 3), 0);
        assert_eq!(owed(held(0, 4), 3), 1);
        assert_eq!(owed(held(5, 4), 0), 0);
        assert_eq!(owed(held(1, 4), 0), 3);
    }

    #[test]
    fn places_of_one_channel_are_one_pool() {
        let place = |text| LocationId::new(text).unwrap();
        let (a, b) = ([place("a"), place("b")], [place("b"), place("c")]);
        let (d, none) = ([place("d")], []);
        let found = pools([&a[..], &d[..], &b[..], &none[..]]);
        let sizes: Vec<_> = found.iter().map(BTreeSet::len).collect();
        assert_eq!(sizes, [3, 1]);
    }

    #[test]
    fn r91_a_line_is_counted_once_and_a_persons_word_stands() {
        let lost = |order: &str, units| Lost {
            key: key(order),
            placed_at: at(10),
            units,
        };
        let open = |rows: &[(&str, i64)]| rows.iter().map(|(o, n)| (key(o), *n)).collect();
        let none = BTreeSet::new();
        let first = follow(&[], &[lost("a", 1)], &open(&[("a", 1)]), &none, at(20));
        let saved = follow(&first, &[], &open(&[("a", 1)]), &none, at(30));
        assert_eq!(saved[0].helped.as_ref().unwrap().how, Remedy::Restock);
        let again = follow(&saved, &[lost("a", 1)], &open(&[("a", 1)]), &none, at(40));
        assert_eq!((again.len(), again[0].units), (1, 1));
        assert_eq!(again[0].helped, None);
        let cancelled = follow(&again, &[], &open(&[]), &none, at(50));
        assert_eq!(cancelled[0].helped.as_ref().unwrap().how, Remedy::Cancel);
        let shipped = BTreeSet::from([key("a")]);
        let shipped = follow(&again, &[], &open(&[]), &shipped, at(50));
        assert_eq!(shipped[0].helped.as_ref().unwrap().how, Remedy::Shipped);
        let mut said = again;
        said[0].helped = Some(Helped {
            how: Remedy::Substitution,
            at: at(45),
            by: Some("ann".to_owned()),
        });
        let after = follow(&said, &[lost("a", 1)], &open(&[("a", 1)]), &none, at(60));
        assert_eq!(after[0].helped.as_ref().unwrap().how, Remedy::Substitution);
    }
}
