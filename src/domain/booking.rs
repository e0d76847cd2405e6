//! What is known of one order, and what it should have done to the books.
//!
//! The record keeps the states that an order was seen in, by version. Everything that is booked is a function of that
//! set, so that messages may come in any order and any number of times (design D1).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{LineId, LocationId};
use super::order::{
    Known, LineTarget, OrderSnapshot, Part, Pending, Standing, Version, better_baseline, standing,
};
use super::stock::{Count, Movement, Overflow, effect};

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
    /// Of lines of which the channel said where they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    places: BTreeMap<LineId, Whereabouts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
}

/// Where the channel says that a line is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
struct Whereabouts {
    /// What is not elsewhere.
    location: Option<LocationId>,
    elsewhere: Vec<Part>,
}

/// What is true of a line at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Here {
    /// In units of the listing.
    pub target: LineTarget,
    /// Of what was returned here, units that are not for sale.
    pub damaged: u32,
    /// What the platform took from the number that it shows for this place.
    pub taken: i64,
}

impl Whereabouts {
    /// What of a line's `target` is at a place, if what the channel does not place is at `rest`. A part says where something
    /// is, not how much there is: that is said by the whole.
    fn at(&self, target: LineTarget, place: &LocationId, rest: &LocationId) -> Here {
        let mut left = Here {
            target,
            damaged: 0,
            taken: i64::from(target.taken_by_channel),
        };
        let mut here = Here::default();
        for part in &self.elsewhere {
            let there = Here {
                target: LineTarget {
                    shipped: part.target.shipped.min(left.target.shipped),
                    committed: part.target.committed.min(left.target.committed),
                    returned: part.target.returned.min(left.target.returned),
                    taken_by_channel: 0,
                },
                damaged: part.damaged,
                taken: part.taken,
            };
            left = left.without(there);
            if part.location == *place {
                here = here.and(there);
            }
        }
        if self.location.as_ref().unwrap_or(rest) == place {
            here = here.and(left);
        }
        here.target.taken_by_channel = 0;
        here
    }
}

impl Here {
    fn and(self, more: Self) -> Self {
        Self {
            target: LineTarget {
                shipped: self.target.shipped.saturating_add(more.target.shipped),
                committed: self.target.committed.saturating_add(more.target.committed),
                returned: self.target.returned.saturating_add(more.target.returned),
                taken_by_channel: 0,
            },
            damaged: self.damaged.saturating_add(more.damaged),
            taken: self.taken.saturating_add(more.taken),
        }
    }

    /// What is left when a part of it is elsewhere.
    fn without(self, part: Self) -> Self {
        Self {
            target: LineTarget {
                shipped: self.target.shipped.saturating_sub(part.target.shipped),
                committed: self.target.committed.saturating_sub(part.target.committed),
                returned: self.target.returned.saturating_sub(part.target.returned),
                taken_by_channel: 0,
            },
            damaged: self.damaged,
            taken: self.taken.saturating_sub(part.taken),
        }
    }
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
            places: snapshot
                .lines
                .iter()
                .filter(|line| line.location.is_some() || !line.elsewhere.is_empty())
                .map(|line| {
                    let whereabouts = Whereabouts {
                        location: line.location.clone(),
                        elsewhere: line.elsewhere.clone(),
                    };
                    (line.line.clone(), whereabouts)
                })
                .collect(),
            pending: snapshot.pending,
        }
    }

    /// Of two states of one version the heavier one stands, so that any order of arrival ends alike.
    fn weight(&self) -> impl Ord {
        let places: Vec<_> = self.places.iter().collect();
        (self.read_at, &self.lines, self.pending, places)
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
    /// The end of its time as a pending order that was entered as past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lapsed: Option<Timestamp>,
}

impl OrderRecord {
    /// The record of an order of which one snapshot is known.
    pub fn first(snapshot: &OrderSnapshot) -> Self {
        Self {
            placed_at: snapshot.placed_at,
            states: vec![State::of(snapshot)],
            lapsed: None,
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
                    && new.weight() > old.weight()
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
    /// is taken; what it shipped stays shipped. A pending order whose time is past promises nothing.
    pub fn target(&self, line: &LineId) -> LineTarget {
        let newest = self.states.last().and_then(|state| state.line(line));
        let mut target = newest.unwrap_or_else(|| {
            let last = self.states.iter().rev().find_map(|state| state.line(line));
            LineTarget {
                committed: 0,
                taken_by_channel: 0,
                ..last.unwrap_or_default()
            }
        });
        if let Some(until) = self.pending_until()
            && self.lapsed >= Some(until)
        {
            target.committed = 0;
        }
        target
    }

    /// Until when the order promises its units, if it is pending.
    pub fn pending_until(&self) -> Option<Timestamp> {
        self.states.last()?.pending?;
        let ends = self.states.iter().rev().map_while(|state| state.pending);
        let mut said = ends.filter_map(|pending| match pending {
            Pending::Until(until) => Some(until),
            Pending::AsBefore => None,
        });
        said.next()
    }

    /// When the order's promise ends by time alone, if that was not entered yet.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.pending_until()
            .filter(|until| self.lapsed < Some(*until))
    }

    /// Its time as a pending order is past.
    pub fn lapse(&mut self, until: Timestamp) {
        self.lapsed = self.lapsed.max(Some(until));
    }

    /// Every place that any state names for a line.
    pub fn places(&self, line: &LineId) -> BTreeSet<LocationId> {
        let known = self
            .states
            .iter()
            .filter_map(|state| state.places.get(line));
        known
            .flat_map(|known| {
                let parts = known.elsewhere.iter().map(|part| &part.location);
                known.location.iter().chain(parts)
            })
            .cloned()
            .collect()
    }

    /// Where what the channel does not place is: where the newest state that says anything says, else `fallback`.
    fn rest<'a>(&'a self, line: &LineId, fallback: &'a LocationId) -> &'a LocationId {
        let mut said = self.states.iter().rev().filter_map(|state| {
            let known = state.places.get(line)?;
            known.location.as_ref()
        });
        said.next().unwrap_or(fallback)
    }

    /// What of a line's `target` is at a place, as one state has it. One that says nothing of places leaves everything where
    /// the newest one that does has it.
    fn here(
        &self,
        (state, target): (Option<&State>, LineTarget),
        line: &LineId,
        (place, fallback): (&LocationId, &LocationId),
    ) -> Here {
        let said = |state: &'_ State| state.places.contains_key(line);
        let newest = || self.states.iter().rev().find(|state| said(state));
        let said = state.filter(|state| said(state)).or_else(newest);
        let none = Whereabouts::default();
        let known = said.and_then(|state| state.places.get(line));
        known
            .unwrap_or(&none)
            .at(target, place, self.rest(line, fallback))
    }

    fn now(&self, line: &LineId, at: (&LocationId, &LocationId)) -> Here {
        self.here((self.states.last(), self.target(line)), line, at)
    }

    /// What the platform took for a line from the number that it shows for the first of these places, if what the channel
    /// never placed is at the second.
    pub fn taken_at(&self, line: &LineId, at: (&LocationId, &LocationId)) -> i64 {
        let newest = self.states.last();
        if newest.is_none_or(|state| state.line(line).is_none()) {
            return 0;
        }
        self.now(line, at).taken
    }

    /// The state that a count saw; `None` if the order was not placed before it.
    fn baseline_state(&self, counted_at: Timestamp) -> Option<&State> {
        if self.placed_at >= counted_at {
            return None;
        }
        self.states.iter().reduce(|best, next| {
            if better_baseline(next.version, best.version, counted_at) {
                next
            } else {
                best
            }
        })
    }

    /// What a line should have done, at the first of these places, to one SKU that it needs `units` of, counted there as
    /// `count` says. What the channel never placed is at the second.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn effect_at(
        &self,
        line: &LineId,
        places: (&LocationId, &LocationId),
        count: Option<Count>,
        units: u32,
    ) -> Result<Movement, Overflow> {
        let baseline = count.and_then(|Count { at, basis }| {
            let state = self.baseline_state(at)?;
            let before = state.line(line).unwrap_or_default();
            Some((self.here((Some(state), before), line, places), basis))
        });
        effect(self.now(line, places), baseline, units)
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
    use crate::domain::stock::Basis;

    fn line(n: u8) -> LineId {
        LineId::new(&n.to_string()).unwrap()
    }

    fn snapshot(at: i64, lines: &[(u8, u32, u32, u32)]) -> OrderSnapshot {
        OrderSnapshot {
            read_at: None,
            pending: None,
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
                    elsewhere: Vec::new(),
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

    fn main_place() -> LocationId {
        LocationId::new("main").unwrap()
    }

    fn effect(record: &OrderRecord, line: &LineId, count: Option<Count>, units: u32) -> Movement {
        let place = main_place();
        record
            .effect_at(line, (&place, &place), count, units)
            .unwrap()
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
            let found = effect(&record, &line(n), count, 1);
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
                let found = effect(&straight, line, count, 2);
                prop_assert!(found.committed >= 0);
                prop_assert_eq!(found, effect(&other, line, count, 2));
            }
        }
    }
}
