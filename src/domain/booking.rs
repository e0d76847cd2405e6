//! What is known of one order, and what it should have done to the books.
//!
//! The record keeps the states that an order was seen in, by version. Everything that is booked is a function of that
//! set, so that messages may come in any order and any number of times (design D1).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::LineId;
use super::order::{
    Known, LineTarget, OrderSnapshot, Standing, Version, better_baseline, standing,
};
use super::stock::{Basis, Count, Movement, Overflow, effect};

/// Most states that are kept of one order. More come only from a shop that edits one order without end; then one in the
/// middle is dropped, which neither the newest state nor a usual baseline is.
pub const STATES_MAX: usize = 64;

/// One state of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    version: Version,
    read_at: Option<Timestamp>,
    /// In the order of line ids.
    lines: Vec<(LineId, LineTarget)>,
}

impl State {
    fn of(snapshot: &OrderSnapshot) -> Self {
        let lines = snapshot
            .lines
            .iter()
            .map(|line| (line.line.clone(), line.target));
        Self {
            version: snapshot.version,
            read_at: snapshot.read_at,
            lines: lines.collect(),
        }
    }

    fn line(&self, line: &LineId) -> Option<LineTarget> {
        self.lines
            .iter()
            .find(|(id, _)| id == line)
            .map(|(_, target)| *target)
    }
}

/// What is known of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// When it was placed: the earliest time that any message named.
    pub placed_at: Timestamp,
    states: Vec<State>,
}

impl OrderRecord {
    /// The record of an order of which one snapshot is known.
    pub fn first(snapshot: &OrderSnapshot) -> Self {
        Self {
            placed_at: snapshot.placed_at,
            states: vec![State::of(snapshot)],
        }
    }

    /// Takes in one more snapshot (a tidy one) and says how it stands to what was known.
    pub fn learn(&mut self, snapshot: &OrderSnapshot) -> Standing {
        self.placed_at = self.placed_at.min(snapshot.placed_at);
        let newest = self.states.last().map(|state| Known {
            version: state.version,
            read_at: state.read_at,
            targets: &state.lines,
        });
        let found = standing(snapshot, newest);
        let new = State::of(snapshot);
        match self
            .states
            .binary_search_by_key(&snapshot.version, |state| state.version)
        {
            Ok(known) => {
                if let Some(old) = self.states.get_mut(known)
                    && (new.read_at, &new.lines) > (old.read_at, &old.lines)
                {
                    *old = new;
                }
            }
            Err(place) => self.states.insert(place, new),
        }
        if self.states.len() > STATES_MAX {
            self.states.remove(STATES_MAX / 2);
        }
        found
    }

    /// The newest version.
    pub fn version(&self) -> Version {
        let none = Version {
            at: self.placed_at,
            rank: 0,
        };
        self.states.last().map_or(none, |state| state.version)
    }

    /// Every line that any state had.
    pub fn lines(&self) -> impl Iterator<Item = &LineId> {
        let lines = self.states.iter().flat_map(|state| &state.lines);
        let all: BTreeSet<_> = lines.map(|(line, _)| line).collect();
        all.into_iter()
    }

    /// What should be true of a line now. Of a line that the newest state does not have nothing is promised and nothing
    /// is taken; what it shipped stays shipped.
    pub fn target(&self, line: &LineId) -> LineTarget {
        let newest = self.states.last().and_then(|state| state.line(line));
        newest.unwrap_or_else(|| {
            let last = self.states.iter().rev().find_map(|state| state.line(line));
            LineTarget {
                committed: 0,
                taken_by_channel: 0,
                ..last.unwrap_or_default()
            }
        })
    }

    /// What a count already holds of a line; `None` if the order was not placed before it.
    pub fn baseline(&self, line: &LineId, counted_at: Timestamp) -> Option<LineTarget> {
        if self.placed_at >= counted_at {
            return None;
        }
        let best = self.states.iter().reduce(|best, next| {
            if better_baseline(next.version, best.version, counted_at) {
                next
            } else {
                best
            }
        })?;
        Some(best.line(line).unwrap_or_default())
    }

    /// What a line should have done to one SKU that it needs `units` of, counted as `count` says.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn effect(
        &self,
        line: &LineId,
        count: Option<Count>,
        units: u32,
    ) -> Result<Movement, Overflow> {
        let baseline =
            count.and_then(|Count { at, basis }| Some((self.baseline(line, at)?, basis)));
        let (target, baseline) = (
            self.target(line),
            baseline.map(|(before, basis): (LineTarget, Basis)| (before, basis)),
        );
        effect(target, baseline, units)
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers of the tests' own"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::{ChannelId, OrderId};
    use crate::domain::order::LineSnapshot;

    fn line(n: u8) -> LineId {
        LineId::new(&n.to_string()).unwrap()
    }

    fn snapshot(at: i64, lines: &[(u8, u32, u32, u32)]) -> OrderSnapshot {
        OrderSnapshot {
            read_at: None,
            channel: ChannelId::new("shop").unwrap(),
            order: OrderId::new("500").unwrap(),
            version: Version {
                at: Timestamp::from_millis(at),
                rank: 0,
            },
            placed_at: Timestamp::from_millis(1),
            lines: lines
                .iter()
                .map(|&(n, committed, shipped, returned)| LineSnapshot {
                    line: line(n),
                    listing: None,
                    sku: "A".into(),
                    location: None,
                    target: LineTarget {
                        committed,
                        shipped,
                        returned,
                        taken_by_channel: 0,
                    },
                })
                .collect(),
        }
        .tidy()
    }

    fn record(snapshots: &[OrderSnapshot]) -> OrderRecord {
        let mut record = OrderRecord::first(snapshots.first().unwrap());
        for snapshot in snapshots {
            record.learn(snapshot);
        }
        record
    }

    #[track_caller]
    fn check(snapshots: &[OrderSnapshot], count: Option<i64>, expected: &[(u8, i64, i64)]) {
        let record = record(snapshots);
        let count = count.map(|at| Count {
            at: Timestamp::from_millis(at),
            basis: Basis::OnHand,
        });
        for &(n, on_hand, committed) in expected {
            let found = record.effect(&line(n), count, 1).unwrap();
            assert_eq!(
                (found.on_hand, found.committed),
                (on_hand, committed),
                "line {n}"
            );
        }
    }

    #[test]
    fn three_messages_of_one_order_book_it_once() {
        let (paid, processing) = (snapshot(2, &[(1, 2, 0, 0)]), snapshot(3, &[(1, 2, 0, 0)]));
        check(
            &[paid.clone(), processing.clone(), paid, processing],
            None,
            &[(1, 0, 2)],
        );
    }

    #[test]
    fn edits_raise_lower_and_remove_lines() {
        let placed = snapshot(2, &[(1, 1, 0, 0)]);
        let edited = snapshot(3, &[(1, 2, 0, 0), (2, 1, 0, 0)]);
        let removed = snapshot(4, &[(1, 2, 0, 0)]);
        check(
            &[placed.clone(), edited.clone()],
            None,
            &[(1, 0, 2), (2, 0, 1)],
        );
        check(&[placed, edited, removed], None, &[(1, 0, 2), (2, 0, 0)]);
    }

    #[test]
    fn a_removed_line_keeps_what_it_shipped() {
        check(
            &[snapshot(2, &[(1, 1, 2, 0)]), snapshot(3, &[])],
            None,
            &[(1, -2, 0)],
        );
    }

    #[test]
    fn a_cancel_that_comes_first_books_nothing() {
        check(
            &[snapshot(5, &[(1, 0, 0, 0)]), snapshot(2, &[(1, 2, 0, 0)])],
            None,
            &[(1, 0, 0)],
        );
    }

    #[test]
    fn the_count_decides_what_left_before_it() {
        let (open, shipped) = (snapshot(2, &[(1, 3, 0, 0)]), snapshot(8, &[(1, 0, 3, 0)]));
        check(&[open.clone(), shipped.clone()], Some(5), &[(1, -3, 0)]);
        check(&[shipped.clone(), open.clone()], Some(5), &[(1, -3, 0)]);
        check(&[open, shipped.clone()], Some(9), &[(1, 0, 0)]);
        check(&[shipped], Some(5), &[(1, 0, 0)]);
    }

    #[test]
    fn a_line_that_was_added_after_the_count_leaves_the_shelf() {
        let (before, after) = (
            snapshot(2, &[(1, 1, 0, 0)]),
            snapshot(8, &[(1, 1, 0, 0), (2, 0, 4, 0)]),
        );
        check(
            &[after.clone(), before.clone()],
            Some(5),
            &[(1, 0, 1), (2, -4, 0)],
        );
        check(&[before, after], Some(5), &[(1, 0, 1), (2, -4, 0)]);
    }

    #[test]
    fn endless_edits_stay_bounded() {
        let many: Vec<_> = (1..=1000).map(|at| snapshot(at, &[(1, 1, 0, 0)])).collect();
        assert_eq!(record(&many).states.len(), STATES_MAX);
    }

    fn any_snapshot() -> impl Strategy<Value = OrderSnapshot> {
        let lines = prop::collection::vec((0u8..3, 0u32..4, 0u32..4, 0u32..4), 0..4);
        let read = prop::option::of(1i64..4);
        (1i64..8, read, lines).prop_map(|(at, read, lines)| OrderSnapshot {
            read_at: read.map(Timestamp::from_millis),
            ..snapshot(at, &lines)
        })
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_of_messages_gives_the_same_record(
            snapshots in prop::collection::vec(any_snapshot(), 1..6),
            seed in prop::collection::vec(any::<prop::sample::Index>(), 12),
            count in prop::option::of(1i64..9),
        ) {
            let straight = record(&snapshots);
            let mut shuffled = snapshots.clone();
            for (n, index) in seed.iter().enumerate() {
                let (a, b) = (n % shuffled.len(), index.index(shuffled.len()));
                shuffled.swap(a, b);
            }
            shuffled.extend(snapshots.clone());
            let other = record(&shuffled);
            prop_assert_eq!(&straight, &other);
            let count = count.map(|at| Count { at: Timestamp::from_millis(at), basis: Basis::Available });
            for line in straight.lines() {
                let found = straight.effect(line, count, 2).unwrap();
                prop_assert!(found.committed >= 0);
                prop_assert_eq!(found, other.effect(line, count, 2).unwrap());
            }
        }
    }
}
