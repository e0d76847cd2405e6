//! What a listing should show now: a pure function of stock, plan and time, with its explanation.
//!
//! The order of the arithmetic is rule R21: eligible locations, what is available per item, minus the buffer, held to the
//! most that may be shown, down to whole sale units, never below zero. A bundle shows what its scarcest component
//! allows, computed per component first (rule R26). The parts of the explanation add up to the quantity.

use serde::{Deserialize, Serialize};

use super::buffer::BufferRule;
use super::clock::Timestamp;
use super::ids::{LocationId, Sku};
use super::promise::capacity_left;
use super::quantity::{Balance, Quantity};
use super::stock::Balances;

/// One named part of an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is, such as `on_hand main` or `buffer (tier)`.
    pub name: String,
    /// Units that it adds; negative takes away.
    pub units: Balance,
}

/// A quantity as the sum of named parts, in the order in which they were applied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// The parts.
    pub parts: Vec<Part>,
    /// Units owed at locations that others do not pay for (rule R18); 0 or more.
    pub shortage: Balance,
    /// The scarcest component, for a bundle.
    pub limited_by: Option<Sku>,
}

impl Explanation {
    /// The sum of the parts.
    pub fn sum(&self) -> Balance {
        self.parts
            .iter()
            .fold(0, |sum: Balance, part| sum.saturating_add(part.units))
    }

    fn add(&mut self, name: impl Into<String>, units: Balance) {
        if units != 0 {
            self.parts.push(Part {
                name: name.into(),
                units,
            });
        }
    }
}

/// What a listing should show, why, and until when that holds by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Units of the listing.
    pub quantity: Quantity,
    /// How it comes about.
    pub because: Explanation,
    /// When it changes by time alone, if it does.
    pub until: Option<Timestamp>,
}

/// One SKU that feeds a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The goods.
    pub sku: Sku,
    /// Units of it in one unit of the listing, 1 or more.
    pub units: u32,
    /// What the eligible locations hold; a location that does not stock it is missing and counts as 0.
    pub places: Vec<(LocationId, Balances)>,
    /// The last receipt or count, for shares; current stock if there is none.
    pub reference: Option<Balance>,
    /// What is kept back of it here, and which rule says so.
    pub buffer: (BufferRule, &'static str),
    /// Units set aside by holds whose time is past, although that is not entered yet.
    pub ended: Vec<(LocationId, Balance)>,
    /// What may be sold that is not there.
    pub beyond: Beyond,
    /// When any of this changes by time alone.
    pub until: Option<Timestamp>,
}

/// What may be sold of a SKU that is not there (rule R19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beyond {
    /// Units that may be owed.
    pub backorder: u32,
    /// Units that can be made in a day, and by how much orders of today lowered what is available; `None`: it is not made
    /// to order.
    pub made: Option<(u32, Balance)>,
}

/// Everything that decides what a listing shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The SKUs that feed it; none: nothing can be promised.
    pub feeds: Vec<Feed>,
    /// The most that it may show.
    pub max_shown: Option<Quantity>,
}

/// What the listing should show.
pub fn desired(plan: &Plan) -> Desired {
    let candidates = plan.feeds.iter().map(|feed| (promise(feed), feed));
    let Some(((shown, mut because), feed)) =
        candidates.min_by(|((a, _), x), ((b, _), y)| a.cmp(b).then_with(|| x.sku.cmp(&y.sku)))
    else {
        return Desired {
            quantity: Quantity::ZERO,
            because: Explanation::default(),
            until: None,
        };
    };
    if plan.feeds.len() > 1 {
        because.limited_by = Some(feed.sku.clone());
    }
    let most = plan
        .max_shown
        .map_or(i64::from(Quantity::clamped(i64::MAX)), i64::from);
    let held = shown.min(most);
    because.add("max_shown", held.saturating_sub(shown));
    Desired {
        quantity: Quantity::clamped(held),
        because,
        until: plan.feeds.iter().filter_map(|feed| feed.until).min(),
    }
}

/// What one SKU allows, in units of the listing, 0 or more.
fn promise(feed: &Feed) -> (Balance, Explanation) {
    let mut because = Explanation::default();
    let pool = pool(feed, &mut because);
    let (rule, from) = feed.buffer;
    let terms = Terms {
        reference: feed.reference,
        rule,
        beyond: feed.beyond,
        units: feed.units,
    };
    let allowed = allowed(pool, because.shortage, &terms);
    because.add(format!("buffer ({from})"), allowed.kept.saturating_neg());
    because.add("backorders allowed", i64::from(feed.beyond.backorder));
    because.add("backorders taken", allowed.owed.saturating_neg());
    if let (Some((daily, _)), Some(left)) = (feed.beyond.made, allowed.made) {
        because.add("made to order in a day", i64::from(daily));
        because.add(
            "ordered of that today",
            left.saturating_sub(i64::from(daily)),
        );
    }
    because.add(
        format!("whole units of {}", feed.units),
        allowed.sold_as.saturating_sub(allowed.left),
    );
    (allowed.sold_as, because)
}

/// What decides how much of a pool may be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// The last receipt or count; the pool if there is none.
    pub(super) reference: Option<Balance>,
    /// What is kept back.
    pub(super) rule: BufferRule,
    /// What may be sold that is not there.
    pub(super) beyond: Beyond,
    /// Units of the goods in one unit of the listing.
    pub(super) units: u32,
}

/// How much of a pool may be shown, step by step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    /// Kept back by the buffer.
    kept: Balance,
    /// Of the backorders that are allowed, those that are taken.
    owed: Balance,
    /// What can still be made today.
    made: Option<Balance>,
    /// What is left for sale, in units of the goods.
    left: Balance,
    /// The same in whole units of the listing, 0 or more.
    pub(super) sold_as: Balance,
}

/// The arithmetic of rule R21, from what is for sale and what is owed at other places.
pub(super) fn allowed(pool: Balance, shortage: Balance, terms: &Terms) -> Allowed {
    let kept = terms.rule.kept(terms.reference.unwrap_or(pool)).min(pool);
    let cap = i64::from(terms.beyond.backorder);
    let owed = shortage.min(cap);
    let available = pool.saturating_sub(shortage);
    let made = terms
        .beyond
        .made
        .map(|(daily, ordered)| capacity_left(daily, available, ordered));
    let beyond = cap.saturating_sub(owed).saturating_add(made.unwrap_or(0));
    let left = pool.saturating_sub(kept).saturating_add(beyond);
    Allowed {
        kept,
        owed,
        made,
        left,
        sold_as: left.checked_div(i64::from(terms.units)).unwrap_or(0),
    }
}

/// What its places have for sale. A place that owes units must not eat another place's stock, and must not disappear.
fn pool(feed: &Feed, because: &mut Explanation) -> Balance {
    let mut pool: Balance = 0;
    for (location, balances) in &feed.places {
        because.add(format!("on_hand {location}"), balances.on_hand);
        because.add(
            format!("committed {location}"),
            balances.committed.saturating_neg(),
        );
        because.add(
            format!("set_aside {location}"),
            balances.set_aside.saturating_neg(),
        );
        let ended = feed.ended.iter().filter(|(place, _)| place == location);
        let ended = ended.fold(0, |sum: Balance, (_, units)| sum.saturating_add(*units));
        because.add(format!("holds that ended {location}"), ended);
        let available = balances.available().saturating_add(ended);
        if available < 0 {
            because.add(format!("owed {location}"), available.saturating_neg());
            because.shortage = because.shortage.saturating_add(available.saturating_neg());
        }
        pool = pool.saturating_add(available.max(0));
    }
    pool
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers of the tests' own"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(sku: &str, units: u32, places: &[(i64, i64)], buffer: &str) -> Feed {
        Feed {
            sku: Sku::new(sku).unwrap(),
            units,
            places: places
                .iter()
                .enumerate()
                .map(|(n, &(on_hand, committed))| {
                    let location = LocationId::new(&format!("l{n}")).unwrap();
                    (
                        location,
                        Balances {
                            on_hand,
                            committed,
                            ..Balances::default()
                        },
                    )
                })
                .collect(),
            reference: None,
            buffer: (buffer.parse().unwrap(), "default"),
            ended: Vec::new(),
            beyond: Beyond::default(),
            until: None,
        }
    }

    /// Rule R18, with the numbers of a shop whose first place owed four.
    #[test]
    fn r18_a_place_that_owes_does_not_eat_another_and_does_not_disappear() {
        let found = check(vec![feed("A", 1, &[(1, 5), (3, 0)], "0")], 3);
        assert_eq!(found.because.shortage, 4);
        let owed = found.because.parts.iter().find(|p| p.name == "owed l0");
        assert_eq!(owed.unwrap().units, 4);
    }

    /// Rule R19: what may be sold is what is available and the cap; never endless.
    #[test]
    fn r19_backorders_end_at_their_cap() {
        let capped = |places: &[(i64, i64)], cap| {
            let mut feed = feed("A", 1, places, "0");
            feed.beyond.backorder = cap;
            vec![feed]
        };
        check(capped(&[(0, 0)], 5), 5);
        check(capped(&[(2, 0)], 5), 7);
        check(capped(&[(0, 3)], 5), 2);
        check(capped(&[(0, 9)], 5), 0);
        check(capped(&[(3, 0), (0, 4)], 5), 4);
    }

    #[test]
    fn r19_what_is_made_to_order_ends_with_the_day() {
        let made = |on_hand, committed, ordered| {
            let mut feed = feed("A", 1, &[(on_hand, committed)], "0");
            feed.beyond.made = Some((10, ordered));
            vec![feed]
        };
        check(made(0, 0, 0), 10);
        check(made(0, 10, 3), 7);
        check(made(4, 3, 3), 11);
        check(made(4, 6, 6), 8);
        check(made(0, 40, 12), 0);
    }

    #[test]
    fn r11_a_hold_that_ended_is_for_sale_before_anybody_wrote_it_down() {
        let mut one = feed("A", 1, &[(5, 0)], "0");
        one.places[0].1.set_aside = 2;
        let mut ended = one.clone();
        ended.ended = vec![(ended.places[0].0.clone(), 2)];
        one.until = Some(Timestamp::from_millis(70));
        let before = check(vec![one], 3);
        assert_eq!(before.until, Some(Timestamp::from_millis(70)));
        assert_eq!(check(vec![ended], 5).until, None);
    }

    #[track_caller]
    fn check(feeds: Vec<Feed>, expected: i64) -> Desired {
        let found = desired(&Plan {
            feeds,
            max_shown: None,
        });
        assert_eq!(i64::from(found.quantity), expected, "{:?}", found.because);
        assert_eq!(
            found.because.sum(),
            expected,
            "the parts do not add up: {:?}",
            found.because
        );
        found
    }

    #[test]
    fn what_is_shown_is_available_less_the_buffer() {
        check(vec![feed("A", 1, &[(10, 3)], "0")], 7);
        check(vec![feed("A", 1, &[(10, 3)], "2")], 5);
        check(vec![feed("A", 1, &[(9, 0)], "10%")], 8);
        check(vec![feed("A", 1, &[(1, 0)], "3")], 0);
        check(vec![feed("A", 1, &[(0, 10)], "0")], 0);
        check(vec![], 0);
        check(vec![feed("A", 1, &[], "0")], 0);
    }

    #[test]
    fn multipacks_show_whole_packs() {
        check(vec![feed("A", 6, &[(17, 0)], "0")], 2);
        check(vec![feed("A", 6, &[(5, 0)], "0")], 0);
    }

    #[test]
    fn a_bundle_shows_what_its_scarcest_component_allows() {
        // Components first, then one minimum: A owes 6, so nothing can be shown, whatever B holds.
        let found = check(
            vec![
                feed("A", 2, &[(8, 14)], "0"),
                feed("B", 2, &[(4258, 168)], "0"),
            ],
            0,
        );
        assert_eq!(found.because.limited_by.unwrap().as_str(), "A");
        check(
            vec![feed("A", 2, &[(8, 0)], "0"), feed("B", 1, &[(3, 0)], "0")],
            3,
        );
        check(vec![feed("C", 3, &[(5, 0)], "0")], 1);
    }

    #[test]
    fn a_maximum_is_a_part_of_the_sum() {
        let plan = Plan {
            feeds: vec![feed("A", 1, &[(50, 0)], "0")],
            max_shown: Some(Quantity::clamped(20)),
        };
        let found = desired(&plan);
        assert_eq!((found.quantity.units(), found.because.sum()), (20, 20));
    }

    proptest! {
        #[test]
        fn the_parts_always_add_up_and_never_promise_too_much(
            places in prop::collection::vec((-1000i64..1000, 0i64..1000), 0..4),
            units in 1u32..12,
            keep in 0u32..20,
            share in 0u32..10_000,
        ) {
            let mut one = feed("A", units, &places, "0");
            one.buffer.0 = BufferRule { units: keep, basis_points: share };
            let pool: i64 = places.iter().map(|(h, c)| (h - c).max(0)).sum();
            let found = desired(&Plan { feeds: vec![one], max_shown: None });
            prop_assert_eq!(found.because.sum(), i64::from(found.quantity));
            prop_assert!(i64::from(found.quantity) * i64::from(units) <= (pool - i64::from(keep)).max(0));
        }
    }
}
