//! The seller's plan: which tier, which buffer and which places hold for a listing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::buffer::Buffers;
use super::clock::Timestamp;
use super::desired::{Beyond, Desired, Feed, Plan, Terms, allowed, desired};
use super::ids::{ChannelId, LocationId, Sku};
use super::promise::Promises;
use super::quantity::{Balance, Quantity};
use super::stock::Balances;
use super::tier::Tier;

/// One SKU that feeds a listing, with what the books say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supply {
    /// The goods.
    pub sku: Sku,
    /// Units of it in one unit of the listing.
    pub units: u32,
    /// Its version.
    pub version: i64,
    /// Its tier, if it is classified.
    pub tier: Option<Tier>,
    /// What each place holds, and the last receipt or count there.
    pub places: Vec<(LocationId, Balances, Option<Balance>)>,
    /// Whether anybody counts it (rule R20).
    pub tracked: bool,
    /// When all this was read.
    pub as_of: Timestamp,
    /// Units that each place sets aside by holds with an end, and when that is.
    pub holds: Vec<(LocationId, u32, Timestamp)>,
    /// By how much orders of the day of making lowered what is available.
    pub ordered_today: Balance,
}

impl Supply {
    /// Goods of which nothing is known yet but this.
    pub fn new(sku: Sku, units: u32, version: i64) -> Self {
        Self {
            sku,
            units,
            version,
            tier: None,
            places: Vec::new(),
            tracked: true,
            as_of: Timestamp::default(),
            holds: Vec::new(),
            ordered_today: 0,
        }
    }
}

/// What the seller decided.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// What is kept back.
    pub buffers: Buffers,
    /// The category of a SKU.
    pub categories: BTreeMap<Sku, String>,
    /// Tiers that are pinned by hand.
    pub pins: BTreeMap<Sku, Tier>,
    /// The tier of what is not classified; `None` is A, the safe side.
    pub unclassified: Option<Tier>,
    /// Places that each channel sells from, best first.
    pub places: BTreeMap<ChannelId, Vec<LocationId>>,
    /// What may be sold that is not there.
    pub promises: Promises,
}

impl Policy {
    /// The tier that holds for a SKU: the pinned one, else the classified one, else the default.
    pub fn tier(&self, sku: &Sku, classified: Option<Tier>) -> Tier {
        self.pins
            .get(sku)
            .copied()
            .or(classified)
            .or(self.unclassified)
            .unwrap_or(Tier::A)
    }

    /// The fastest tier of what feeds a listing: it decides the lane.
    pub fn fastest(&self, supplies: &[Supply]) -> Tier {
        supplies
            .iter()
            .map(|supply| self.tier(&supply.sku, supply.tier))
            .min()
            .unwrap_or(Tier::A)
    }

    /// What decides the quantity of a listing of `channel`, with a location of its `own` or the channel's places. What
    /// nobody counts limits nothing.
    pub fn plan(&self, channel: &ChannelId, own: Option<&LocationId>, supplies: &[Supply]) -> Plan {
        let counted = supplies.iter().filter(|supply| supply.tracked);
        Plan {
            feeds: counted
                .map(|supply| self.feed(channel, own, supply))
                .collect(),
            max_shown: None,
        }
    }

    fn feed(&self, channel: &ChannelId, own: Option<&LocationId>, supply: &Supply) -> Feed {
        let places = self.places.get(channel);
        let eligible = |location: &LocationId| match own {
            Some(own) => own == location,
            None => places.is_some_and(|places| places.contains(location)),
        };
        let here = supply
            .places
            .iter()
            .filter(|(location, ..)| eligible(location));
        let references: Vec<_> = here
            .clone()
            .filter_map(|(_, _, reference)| *reference)
            .collect();
        let sum = |units: &mut dyn Iterator<Item = Balance>| {
            units.fold(0, |sum: Balance, next| sum.saturating_add(next))
        };
        let incoming = sum(&mut here.clone().map(|(_, balances, _)| balances.incoming));
        let holds = supply
            .holds
            .iter()
            .filter(|(location, ..)| eligible(location));
        let (ended, kept): (Vec<_>, Vec<_>) =
            holds.partition(|(_, _, until)| *until <= supply.as_of);
        let made = self
            .promises
            .daily
            .get(&supply.sku)
            .map(|daily| (*daily, supply.ordered_today));
        let day_ends = made
            .filter(|(_, ordered)| *ordered != 0)
            .map(|_| self.promises.day(supply.as_of).1);
        let holds_end = kept.iter().map(|(_, _, until)| *until);
        let category = self.categories.get(&supply.sku).map(String::as_str);
        let tier = self.tier(&supply.sku, supply.tier);
        let (rule, from) = self.buffers.rule(&supply.sku, category, tier, channel);
        Feed {
            sku: supply.sku.clone(),
            units: supply.units,
            places: here
                .map(|(location, balances, _)| (location.clone(), *balances))
                .collect(),
            reference: (!references.is_empty()).then(|| sum(&mut references.iter().copied())),
            buffer: (rule, from.word()),
            ended: ended
                .iter()
                .map(|(location, units, _)| (location.clone(), i64::from(*units)))
                .collect(),
            beyond: Beyond {
                backorder: self.promises.cap(&supply.sku, incoming),
                made,
            },
            until: holds_end.chain(day_ends).min(),
        }
    }

    /// What the listing should show.
    pub fn desired(
        &self,
        channel: &ChannelId,
        own: Option<&LocationId>,
        supplies: &[Supply],
    ) -> Desired {
        desired(&self.plan(channel, own, supplies))
    }

    /// As [`Policy::desired`] for a listing of the channel's places that one SKU feeds, in `units`, without saying why: for
    /// whoever compares millions. `None`: nobody counts it.
    pub fn quantity(&self, channel: &ChannelId, supply: &Supply, units: u32) -> Option<Quantity> {
        if !supply.tracked {
            return None;
        }
        let places = self.places.get(channel);
        let mut sums = Sums::default();
        for (location, balances, reference) in &supply.places {
            if places.is_some_and(|places| places.contains(location)) {
                let holds = supply.holds.iter();
                let ended = holds
                    .filter(|(place, _, until)| place == location && *until <= supply.as_of)
                    .fold(0, |sum: Balance, (_, units, _)| {
                        sum.saturating_add(i64::from(*units))
                    });
                sums.add(balances, ended, *reference);
            }
        }
        let category = self.categories.get(&supply.sku).map(String::as_str);
        let tier = self.tier(&supply.sku, supply.tier);
        let made = self.promises.daily.get(&supply.sku);
        let terms = Terms {
            reference: sums.reference,
            rule: self.buffers.rule(&supply.sku, category, tier, channel).0,
            beyond: Beyond {
                backorder: self.promises.cap(&supply.sku, sums.incoming),
                made: made.map(|daily| (*daily, supply.ordered_today)),
            },
            units,
        };
        let shown = allowed(sums.pool, sums.shortage, &terms).sold_as;
        Some(Quantity::clamped(shown))
    }

    /// The most that any rule keeps back of a listing, in units of the listing, rounded up.
    pub fn largest_buffer(&self, supplies: &[Supply]) -> Balance {
        let kept = supplies.iter().map(|supply| {
            let reference = supply
                .places
                .iter()
                .filter_map(|(_, _, reference)| *reference);
            let whole = reference.fold(0, |sum: Balance, next| sum.saturating_add(next));
            let units = i64::from(supply.units).max(1);
            let kept = self
                .buffers
                .largest(whole)
                .saturating_add(units)
                .saturating_sub(1);
            kept.checked_div(units).unwrap_or(0)
        });
        kept.max().unwrap_or(0)
    }
}

/// What places hold together.
#[derive(Debug, Default)]
struct Sums {
    pool: Balance,
    shortage: Balance,
    reference: Option<Balance>,
    incoming: Balance,
}

impl Sums {
    /// Adds one place. What it owes is no stock of the others (rule R18).
    fn add(&mut self, balances: &Balances, ended: Balance, reference: Option<Balance>) {
        let available = balances.available().saturating_add(ended);
        self.pool = self.pool.saturating_add(available.max(0));
        let owed = available.min(0).saturating_neg();
        self.shortage = self.shortage.saturating_add(owed);
        self.incoming = self.incoming.saturating_add(balances.incoming);
        if let Some(reference) = reference {
            self.reference = Some(self.reference.unwrap_or(0).saturating_add(reference));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::promise::Backorder;

    /// One SKU with whatever the books can say of it, and the seller's plan for it.
    fn any_supply() -> impl Strategy<Value = (Supply, Policy)> {
        let units = -20_i64..60;
        let place = (
            "[abc]",
            [units.clone(), 0..9, 0..9, 0..30],
            proptest::option::of(0_i64..80),
        );
        let hold = ("[abc]", 1_u32..9, 0_i64..20);
        let rule = "[0-9]|[1-9][0-9]%|[1-9]% min [0-9]";
        (
            proptest::collection::vec(place, 0..4),
            proptest::collection::vec(hold, 0..3),
            [rule, rule, rule],
            proptest::option::of(0_u32..12),
            proptest::option::of(proptest::option::of(0_u32..12)),
            (any::<bool>(), 0_i64..9),
        )
            .prop_map(
                |(places, holds, rules, daily, backorder, (tracked, ordered))| {
                    let sku = Sku::new("A").unwrap();
                    let [sku_rule, tier_rule, default] = rules.map(|rule| rule.parse().unwrap());
                    let mut policy = policy();
                    policy.buffers.default = default;
                    policy.buffers.tier.insert(Tier::B, tier_rule);
                    if ordered > 4 {
                        policy.buffers.sku.insert(sku.clone(), sku_rule);
                    }
                    policy
                        .places
                        .values_mut()
                        .for_each(|own| *own = vec![id("a"), id("b")]);
                    let cap =
                        backorder.map(|cap| cap.map_or(Backorder::Incoming, Backorder::Units));
                    policy
                        .promises
                        .backorder
                        .extend(cap.map(|cap| (sku.clone(), cap)));
                    policy
                        .promises
                        .daily
                        .extend(daily.map(|daily| (sku.clone(), daily)));
                    let mut seen = BTreeMap::new();
                    for (place, [on_hand, committed, set_aside, incoming], reference) in places {
                        let balances = Balances {
                            on_hand,
                            committed,
                            set_aside,
                            incoming,
                        };
                        seen.insert(id(&place), (balances, reference));
                    }
                    let supply = Supply {
                        tier: (ordered % 2 == 0).then_some(Tier::B),
                        places: seen
                            .into_iter()
                            .map(|(place, (held, last))| (place, held, last))
                            .collect(),
                        tracked,
                        as_of: Timestamp::from_millis(10),
                        holds: holds
                            .into_iter()
                            .map(|(place, units, until)| {
                                (id(&place), units, Timestamp::from_millis(until))
                            })
                            .collect(),
                        ordered_today: ordered,
                        ..Supply::new(sku, 1, 1)
                    };
                    (supply, policy)
                },
            )
    }

    proptest! {
        #[test]
        fn the_quantity_is_the_same_with_and_without_reasons((supply, policy) in any_supply(), units in 1_u32..4) {
            let shop = ChannelId::new("shop").unwrap();
            let whole = Supply { units, ..supply.clone() };
            let desired = policy.desired(&shop, None, &[whole]);
            let expected = supply.tracked.then_some(desired.quantity);
            prop_assert_eq!(policy.quantity(&shop, &supply, units), expected);
        }
    }

    fn id(text: &str) -> LocationId {
        LocationId::new(text).unwrap()
    }

    fn supply(places: &[(&str, i64, Option<i64>)]) -> Supply {
        let row = |&(place, on_hand, reference): &(&str, i64, Option<i64>)| {
            (
                id(place),
                Balances {
                    on_hand,
                    ..Balances::default()
                },
                reference,
            )
        };
        Supply {
            tier: Some(Tier::B),
            places: places.iter().map(row).collect(),
            ..Supply::new(Sku::new("A").unwrap(), 1, 1)
        }
    }

    fn policy() -> Policy {
        let shop = ChannelId::new("shop").unwrap();
        Policy {
            places: BTreeMap::from([(shop, vec![id("main"), id("east")])]),
            ..Policy::default()
        }
    }

    #[track_caller]
    fn check(policy: &Policy, own: Option<&str>, supplies: &[Supply], expected: u32) {
        let own = own.map(id);
        let found = policy.desired(&ChannelId::new("shop").unwrap(), own.as_ref(), supplies);
        assert_eq!(found.quantity.units(), expected, "{:?}", found.because);
    }

    #[test]
    fn only_eligible_places_count() {
        let supplies = [supply(&[
            ("main", 4, None),
            ("east", 3, None),
            ("returns", 50, None),
        ])];
        check(&policy(), None, &supplies, 7);
        check(&policy(), Some("east"), &supplies, 3);
        check(&policy(), Some("nowhere"), &supplies, 0);
    }

    #[test]
    fn a_share_is_of_the_reference_and_not_of_what_is_left() {
        let mut policy = policy();
        policy.buffers.default = "10%".parse().unwrap();
        check(&policy, None, &[supply(&[("main", 5, Some(100))])], 0);
        check(&policy, None, &[supply(&[("main", 50, Some(100))])], 40);
        check(&policy, None, &[supply(&[("main", 5, None)])], 4);
    }

    #[test]
    fn a_pin_overrides_what_was_classified() {
        let mut policy = policy();
        let sku = Sku::new("A").unwrap();
        assert_eq!(policy.tier(&sku, None), Tier::A);
        assert_eq!(policy.tier(&sku, Some(Tier::C)), Tier::C);
        policy.pins.insert(sku.clone(), Tier::B);
        assert_eq!(policy.tier(&sku, Some(Tier::C)), Tier::B);
    }
}
