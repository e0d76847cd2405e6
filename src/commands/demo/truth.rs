//! What must be true at the end of the demo, from the marketplaces' journals alone: our own books have no part in it.

use std::collections::BTreeMap;

use crate::domain::ids::ChannelId;
use crate::sandbox::{Entry, Happening};

/// How far the clocks of a marketplace and of the listener may be apart, in ms.
const CLOCKS_MS: i64 = 1_000;

/// What is left of one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Left {
    /// Physically there: the opening, less what was shipped.
    pub(super) on_hand: i64,
    /// For sale: less what was sold, and what was cancelled is back.
    pub(super) available: i64,
}

/// What is left of each SKU.
pub(super) fn left<'a>(
    opening: impl Iterator<Item = (String, i64)>,
    logs: impl Iterator<Item = &'a [Entry]>,
) -> BTreeMap<String, Left> {
    let whole = |units| Left {
        on_hand: units,
        available: units,
    };
    let mut found: BTreeMap<_, _> = opening.map(|(sku, units)| (sku, whole(units))).collect();
    for log in logs {
        // What each order holds, until it leaves the house or is cancelled.
        let mut held: BTreeMap<u64, Vec<(&str, i64)>> = BTreeMap::new();
        for entry in log {
            match &entry.happening {
                Happening::Sale {
                    order, sku, units, ..
                } => {
                    held.entry(*order).or_default().push((sku, *units));
                    found.entry(sku.clone()).or_default().available -= units;
                }
                Happening::Cancelled {
                    order, sku, units, ..
                }
                | Happening::Refunded {
                    order,
                    sku,
                    units,
                    restocked: true,
                    ..
                } => {
                    let left = found.entry(sku.clone()).or_default();
                    left.available += units;
                    let lines = held.get_mut(order).map_or(&mut [][..], Vec::as_mut_slice);
                    match lines.iter_mut().find(|(held, _)| held == sku) {
                        Some((_, held)) => *held -= units,
                        // It had been shipped, and is back on the shelf.
                        None => left.on_hand += units,
                    }
                }
                Happening::Fulfilled { order } => {
                    for (sku, units) in held.remove(order).unwrap_or_default() {
                        found.entry(sku.to_owned()).or_default().on_hand -= units;
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// A push that the listener holds for applied.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    pub(super) channel: ChannelId,
    pub(super) sku: String,
    pub(super) quantity: i64,
    pub(super) sent_ms: i64,
    pub(super) answered_ms: i64,
}

/// Units of each SKU that a marketplace sold beyond the number that the listener holds for applied there: sold after our
/// lower number, for which there is no excuse.
pub(super) fn sold_beyond(log: &[Entry], applied: &[Applied]) -> BTreeMap<String, i64> {
    let names: BTreeMap<u64, &str> = log
        .iter()
        .filter_map(|entry| match &entry.happening {
            Happening::Sale { item, sku, .. } => Some((*item, sku.as_str())),
            _ => None,
        })
        .collect();
    // Only what did not take effect tells more than the journal.
    let mut phantom: Vec<_> = applied
        .iter()
        .filter(|push| !took_effect(push, log, &names))
        .collect();
    phantom.sort_by_key(|push| push.answered_ms);
    let mut phantom = phantom.into_iter().peekable();
    let (mut most, mut beyond) = (BTreeMap::<&str, i64>::new(), BTreeMap::new());
    for entry in log {
        while let Some(push) = phantom.next_if(|push| push.answered_ms < entry.at_ms) {
            let most = most.entry(&push.sku).or_insert(push.quantity);
            *most = push.quantity.min(*most);
        }
        match &entry.happening {
            Happening::Write { item, to, .. } => {
                if let Some(sku) = names.get(item) {
                    most.insert(sku, *to);
                }
            }
            Happening::Sale { sku, units, .. } => {
                if let Some(most) = most.get_mut(sku.as_str()) {
                    *most -= units;
                    *beyond.entry(sku.clone()).or_default() += (-*most).max(0);
                    *most = (*most).max(0);
                }
            }
            Happening::Cancelled { sku, units, .. } => {
                if let Some(most) = most.get_mut(sku.as_str()) {
                    *most += units;
                }
            }
            _ => {}
        }
    }
    beyond.retain(|_, units| *units > 0);
    beyond
}

/// Whether the journal has a write of this quantity while the call ran.
fn took_effect(push: &Applied, log: &[Entry], names: &BTreeMap<u64, &str>) -> bool {
    let during = push.sent_ms - CLOCKS_MS..=push.answered_ms + CLOCKS_MS;
    log.iter().any(|entry| {
        during.contains(&entry.at_ms)
            && matches!(entry.happening, Happening::Write { item, to, .. }
                if to == push.quantity && names.get(&item) == Some(&push.sku.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(happenings: Vec<(i64, Happening)>) -> Vec<Entry> {
        let entry = |(n, (at_ms, happening))| Entry {
            sequence: n,
            at_ms,
            happening,
        };
        (1..).zip(happenings).map(entry).collect()
    }

    fn sale(order: u64, units: i64) -> Happening {
        Happening::Sale {
            order,
            line: 1,
            sku: "A".into(),
            item: 7,
            units,
            shown_before: 0,
            shown_after: 0,
        }
    }

    fn cancelled(order: u64, units: i64) -> Happening {
        Happening::Cancelled {
            order,
            sku: "A".into(),
            item: 7,
            units,
        }
    }

    fn write(to: i64) -> Happening {
        Happening::Write {
            item: 7,
            location: 0,
            from: 0,
            to,
            raise: false,
        }
    }

    #[test]
    fn a_cancel_and_a_shipment_count_like_a_sale() {
        let one = log(vec![
            (1, sale(1, 2)),
            (2, sale(2, 3)),
            (3, cancelled(1, 2)),
            (4, Happening::Fulfilled { order: 2 }),
        ]);
        let two = log(vec![(2, sale(1, 1)), (5, cancelled(9, 4))]);
        let logs = [one.as_slice(), two.as_slice()];
        let found = left([("A".to_owned(), 10)].into_iter(), logs.into_iter());
        let expected = Left {
            on_hand: 10 - 3 + 4,
            available: 10 - 3 - 1 + 4,
        };
        assert_eq!(found["A"], expected);
    }

    #[track_caller]
    fn beyond(happenings: Vec<(i64, Happening)>, quantity: i64, units: i64) {
        let push = Applied {
            channel: ChannelId::new("shop").unwrap(),
            sku: "A".into(),
            quantity,
            sent_ms: 10_000,
            answered_ms: 10_100,
        };
        let found = sold_beyond(&log(happenings), &[push]);
        assert_eq!(found.get("A").copied().unwrap_or(0), units);
    }

    #[test]
    fn what_is_sold_after_a_number_that_never_arrived_is_counted() {
        beyond(vec![(20_000, sale(1, 5))], 3, 2);
        beyond(vec![(9_000, sale(1, 5)), (20_000, sale(2, 3))], 3, 0);
        // It took effect, and a later raise was sold.
        beyond(
            vec![
                (10_050, write(3)),
                (20_000, sale(1, 3)),
                (30_000, write(5)),
                (40_000, sale(2, 5)),
            ],
            3,
            0,
        );
        // What came back may be sold again.
        beyond(vec![(20_000, cancelled(1, 2)), (30_000, sale(2, 5))], 3, 0);
    }
}
