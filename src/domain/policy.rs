//! The seller's plan: which tier, which buffer and which places hold for a listing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::buffer::Buffers;
use super::desired::{Desired, Feed, Plan, desired};
use super::ids::{ChannelId, LocationId, Sku};
use super::quantity::Balance;
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

    /// What decides the quantity of a listing of `channel`, with a location of its `own` or the channel's places.
    pub fn plan(&self, channel: &ChannelId, own: Option<&LocationId>, supplies: &[Supply]) -> Plan {
        let places = self.places.get(channel);
        let eligible = |location: &LocationId| match own {
            Some(own) => own == location,
            None => places.is_some_and(|places| places.contains(location)),
        };
        let feed = |supply: &Supply| {
            let here = supply
                .places
                .iter()
                .filter(|(location, ..)| eligible(location));
            let references: Vec<_> = here
                .clone()
                .filter_map(|(_, _, reference)| *reference)
                .collect();
            let category = self.categories.get(&supply.sku).map(String::as_str);
            let tier = self.tier(&supply.sku, supply.tier);
            let (rule, from) = self.buffers.rule(&supply.sku, category, tier, channel);
            Feed {
                sku: supply.sku.clone(),
                units: supply.units,
                places: here
                    .map(|(location, balances, _)| (location.clone(), *balances))
                    .collect(),
                reference: (!references.is_empty()).then(|| {
                    references
                        .iter()
                        .fold(0, |sum: Balance, next| sum.saturating_add(*next))
                }),
                buffer: (rule, from.word()),
            }
        };
        Plan {
            feeds: supplies.iter().map(feed).collect(),
            max_shown: None,
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let places = places.iter().map(row).collect();
        Supply {
            sku: Sku::new("A").unwrap(),
            units: 1,
            version: 1,
            tier: Some(Tier::B),
            places,
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
