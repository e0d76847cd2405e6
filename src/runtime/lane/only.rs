//! Which listings a lane may send to, where a run is for some of them alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::desired::Desired;
use crate::domain::ids::ListingKey;
use crate::domain::policy::Policy;
use crate::domain::tier::Tier;
use crate::ledger::tables::ListingState;

/// Which listings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Only {
    /// All of them.
    #[default]
    All,
    /// Those whose fastest goods are of one of these tiers.
    Tiers(BTreeSet<Tier>),
    /// These.
    Listings(BTreeSet<ListingKey>),
    /// These, and each only while it should show exactly this: what moved since the plan was made stays for the next run.
    Exactly(BTreeMap<ListingKey, i64>),
}

impl Only {
    /// As [`Only::allows`], of a listing as it is in the books.
    pub(super) fn allows_state(
        &self,
        state: &ListingState,
        policy: &Policy,
        desired: &Desired,
    ) -> bool {
        *self == Self::All
            || self.allows(
                &state.key,
                policy.fastest(&state.feeds),
                i64::from(desired.quantity),
            )
    }

    /// Whether a listing may be sent to, with the tier of its fastest goods and what it should show now.
    pub fn allows(&self, key: &ListingKey, tier: Tier, desired: i64) -> bool {
        match self {
            Self::All => true,
            Self::Tiers(tiers) => tiers.contains(&tier),
            Self::Listings(keys) => keys.contains(key),
            Self::Exactly(planned) => planned.get(key) == Some(&desired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ChannelId, ListingId};

    #[test]
    fn a_plan_allows_what_it_says_and_nothing_else() {
        let key = |listing: &str| ListingKey {
            channel: ChannelId::new("web").unwrap(),
            listing: ListingId::new(listing).unwrap(),
        };
        let exactly = Only::Exactly(BTreeMap::from([(key("7"), 3)]));
        assert!(exactly.allows(&key("7"), Tier::A, 3));
        assert!(!exactly.allows(&key("7"), Tier::A, 2), "it moved");
        assert!(!exactly.allows(&key("8"), Tier::A, 3));
        let slow = Only::Tiers(BTreeSet::from([Tier::B, Tier::C]));
        assert!(slow.allows(&key("7"), Tier::C, 3) && !slow.allows(&key("7"), Tier::A, 3));
        assert!(Only::All.allows(&key("7"), Tier::A, 3));
        assert!(!Only::Listings(BTreeSet::from([key("8")])).allows(&key("7"), Tier::A, 3));
    }
}
