//! Which of our places Shopify's locations are, and what of an order line is where.
//!
//! A sale at a till is at its till (rule R12), goods that were put back are where they were put (rules R7 and R9), and the
//! rest is where Shopify's fulfilment orders send it from (rule R44). What a message does not place, an earlier one may
//! have placed; else it is at the channel's own place.

use std::collections::BTreeMap;

use crate::channels::Fault;
use crate::domain::ids::LocationId;
use crate::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Part};

use super::orders::{LineFacts, OrderFacts, Restock};
use super::{Shopify, ids};

/// Which of our places Shopify's locations are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Places {
    ours: BTreeMap<u64, LocationId>,
    /// Locations beside the channel's own one that have listings of their own, in the order of the settings.
    pub(super) further: Vec<u64>,
}

impl Places {
    /// Of pairs in the order of the settings, for a channel whose own location is `own`. A place that several locations
    /// are is shown at the first of them only: the same units must not be for sale twice in one shop.
    pub(super) fn new(pairs: Vec<(u64, LocationId)>, own: Option<u64>) -> Self {
        let mut shown: Vec<&LocationId> = Vec::new();
        let mut further = Vec::new();
        shown.extend(
            pairs
                .iter()
                .find(|pair| Some(pair.0) == own)
                .map(|pair| &pair.1),
        );
        for (theirs, place) in &pairs {
            if Some(*theirs) != own && !shown.contains(&place) {
                shown.push(place);
                further.push(*theirs);
            }
        }
        Self {
            further,
            ours: pairs.into_iter().collect(),
        }
    }

    /// Our place that a location is.
    pub(super) fn ours(&self, theirs: u64) -> Option<&LocationId> {
        self.ours.get(&theirs)
    }

    /// Every location that the settings name.
    pub(super) fn theirs(&self) -> impl Iterator<Item = u64> {
        self.ours.keys().copied()
    }
}

impl Shopify {
    /// Whether goods of this shop are at several places of ours, so that it matters where an order is sent from.
    pub(super) fn has_places(&self) -> bool {
        !self.places.further.is_empty()
    }

    /// The order's state, with everything where it is.
    pub(super) fn snapshot(&self, facts: &OrderFacts) -> Result<OrderSnapshot, Fault> {
        let mut snapshot = facts.reduce(&self.channel)?;
        for line in &mut snapshot.lines {
            let id = ids::number(line.line.as_str());
            if let Some(found) = facts.lines.iter().find(|found| Some(found.id) == id) {
                place(line, found, facts, &self.places);
            }
        }
        Ok(snapshot)
    }
}

/// Says where a line is.
fn place(line: &mut LineSnapshot, found: &LineFacts, order: &OrderFacts, places: &Places) {
    let counted = |units: i64| if found.counted() { units } else { 0 };
    let mut parts: BTreeMap<&LocationId, Part> = BTreeMap::new();
    let assigned = order.assigned.iter().filter(|one| one.line == found.id);
    for one in assigned.filter(|_| !order.over_the_counter) {
        let Some(place) = places.ours(one.location) else {
            continue;
        };
        let part = parts.entry(place).or_insert_with(|| nothing_at(place));
        part.target.committed = part.target.committed.saturating_add(one.open);
        part.target.shipped = part.target.shipped.saturating_add(one.sent);
        let taken = i64::from(one.open).saturating_add(i64::from(one.sent));
        part.taken = part.taken.saturating_add(counted(taken));
    }
    // Of equal ones the first in the order of names.
    let most = parts
        .iter()
        .rev()
        .max_by_key(|(_, part)| (part.target.committed, part.target.shipped));
    let till = order.location.filter(|_| order.over_the_counter);
    let till = till.and_then(|till| places.ours(till));
    line.location = till.or(most.map(|(place, _)| *place)).cloned();
    let back = order
        .refunds
        .iter()
        .filter(|refund| refund.line == found.id);
    for refund in back.filter(|refund| refund.restock.came_back()) {
        let Some(place) = refund.location.and_then(|theirs| places.ours(theirs)) else {
            continue;
        };
        let part = parts.entry(place).or_insert_with(|| nothing_at(place));
        part.target.returned = part.target.returned.saturating_add(refund.quantity);
        let given_back = counted(i64::from(refund.quantity));
        part.taken = part.taken.saturating_sub(given_back);
    }
    let rest = line.location.as_ref();
    line.elsewhere = parts
        .into_values()
        .filter(|part| Some(&part.location) != rest && *part != nothing_at(&part.location))
        .collect();
}

fn nothing_at(place: &LocationId) -> Part {
    Part {
        location: place.clone(),
        target: LineTarget::default(),
        damaged: 0,
        taken: 0,
    }
}

impl Restock {
    /// Whether goods that had left came back.
    fn came_back(self) -> bool {
        match self {
            Self::Return | Self::Legacy => true,
            Self::Cancel | Self::No => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::assigned::Assigned;
    use super::super::orders::RefundFacts;
    use super::super::script::{LOCATION, settings};
    use super::super::settings::read;
    use super::*;
    use crate::domain::clock::Timestamp;

    fn shop() -> Shopify {
        let mut settings = settings();
        settings.locations = ["main", "store", "till"]
            .map(|name| LocationId::new(name).unwrap())
            .into();
        let places = format!("{LOCATION}=main,109=store,110=till,111=store");
        settings.options.insert("places".into(), places);
        read(&settings).unwrap()
    }

    fn order(units: (u32, u32, u32)) -> OrderFacts {
        OrderFacts {
            id: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(1),
            cancelled: false,
            over_the_counter: false,
            test: false,
            location: None,
            lines: vec![LineFacts {
                id: 9,
                variant: Some(5),
                sku: "MUG-1".into(),
                quantity: units.0,
                current: units.1,
                unfulfilled: units.2,
                tracked: true,
            }],
            refunds: Vec::new(),
            assigned: Vec::new(),
        }
    }

    fn assigned(location: u64, open: u32, sent: u32) -> Assigned {
        Assigned {
            line: 9,
            location,
            open,
            sent,
        }
    }

    fn refund(restock: Restock, quantity: u32, location: Option<u64>) -> RefundFacts {
        RefundFacts {
            line: 9,
            quantity,
            restock,
            location,
        }
    }

    /// The line's place, and per part: place, committed, shipped, returned, taken.
    #[track_caller]
    fn check(order: &OrderFacts, place: Option<&str>, parts: &[(&str, [u32; 3], i64)]) {
        let snapshot = shop().snapshot(order).unwrap();
        let line = snapshot.lines.first().unwrap();
        assert_eq!(line.location.as_ref().map(LocationId::as_str), place);
        let found: Vec<_> = line
            .elsewhere
            .iter()
            .map(|part| {
                let target = part.target;
                let units = [target.committed, target.shipped, target.returned];
                (part.location.as_str(), units, part.taken)
            })
            .collect();
        assert_eq!(found, parts);
    }

    #[test]
    fn a_place_that_two_locations_are_is_shown_once() {
        let places = shop().places;
        assert_eq!(places.further, [109, 110]);
        assert_eq!(places.ours(111), places.ours(109));
        assert_eq!(places.theirs().count(), 4);
    }

    #[test]
    fn r44_a_line_is_where_its_fulfilment_orders_send_it_from() {
        let mut sold = order((3, 3, 3));
        check(&sold, None, &[]);
        sold.assigned = vec![assigned(109, 3, 0)];
        check(&sold, Some("store"), &[]);
        sold.assigned = vec![assigned(LOCATION, 2, 0), assigned(109, 1, 0)];
        check(&sold, Some("main"), &[("store", [1, 0, 0], 1)]);
        sold.assigned = vec![
            assigned(109, 1, 0),
            assigned(111, 1, 0),
            assigned(999, 1, 0),
        ];
        check(&sold, Some("store"), &[]);
        let mut shipped = order((3, 3, 1));
        shipped.assigned = vec![assigned(LOCATION, 1, 0), assigned(109, 0, 2)];
        check(&shipped, Some("main"), &[("store", [0, 2, 0], 2)]);
        shipped.lines.first_mut().unwrap().tracked = false;
        check(&shipped, Some("main"), &[("store", [0, 2, 0], 0)]);
    }

    #[test]
    fn r7_r9_what_was_put_back_is_where_it_was_put() {
        let mut back = order((3, 2, 0));
        back.refunds = vec![refund(Restock::Return, 1, Some(109))];
        check(&back, None, &[("store", [0, 0, 1], -1)]);
        back.assigned = vec![assigned(LOCATION, 0, 3)];
        check(&back, Some("main"), &[("store", [0, 0, 1], -1)]);
        back.assigned = vec![assigned(109, 0, 3)];
        check(&back, Some("store"), &[]);
        for (restock, location) in [
            (Restock::Return, None),
            (Restock::Return, Some(999)),
            (Restock::No, Some(109)),
            (Restock::Cancel, Some(109)),
        ] {
            back.assigned = Vec::new();
            back.refunds = vec![refund(restock, 1, location)];
            check(&back, None, &[]);
        }
    }

    /// Rule R12: at its till, where the settings say which place that is.
    #[test]
    fn r12_a_till_sale_is_booked_at_its_till() {
        for (over_the_counter, location, expected) in [
            (true, Some(110), Some("till")),
            (true, Some(999), None),
            (true, None, None),
            (false, Some(110), None),
        ] {
            let mut sale = order((2, 2, 2));
            (sale.over_the_counter, sale.location) = (over_the_counter, location);
            check(&sale, expected, &[]);
        }
    }
}
