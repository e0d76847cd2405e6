//! When a run stops and asks: it would lower or zero more listings than can be meant (rules R71 and R72).

use serde::{Deserialize, Serialize};

use super::drift::Share;

/// How much of a run is believed without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brakes {
    /// Listings that may be lowered, as a share of those looked at.
    pub lower_max: Share,
    /// Listings that may be set to nothing, as a share of those looked at.
    pub zero_max: Share,
    /// Units that may be taken away, as a share of those that are shown: a few listings can be most of the stock.
    pub units_max: Share,
    /// Up to so many listings are never stopped: in a small shop one listing is a large share.
    pub free: usize,
}

/// What the changes are a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Whole {
    /// Listings that were looked at.
    pub listings: usize,
    /// Units that they show, or should show.
    pub units: u64,
}

/// One number that would change: what buyers see, or what the books hold of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What it is now; `None`: not known.
    pub from: Option<i64>,
    /// What it would become.
    pub to: i64,
}

impl Change {
    fn lowers(self) -> bool {
        self.from.is_some_and(|from| self.to < from)
    }

    fn zeroes(self) -> bool {
        self.lowers() && self.to <= 0
    }

    /// Units that nobody could buy any more.
    fn takes(self) -> u64 {
        let shown = self.from.unwrap_or(0).max(0);
        u64::try_from(shown.saturating_sub(self.to.max(0))).unwrap_or(0)
    }
}

/// Which brake it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Brake {
    /// Too many listings would be lowered.
    Lowered,
    /// Too many listings would be set to nothing.
    Zeroed,
    /// Too many units would be taken away.
    Units,
}

/// What was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// By which brake.
    pub brake: Brake,
    /// How many listings, or units.
    pub part: u64,
    /// Of how many.
    pub of: u64,
    /// The share that is allowed.
    pub most: Share,
    /// All listings that would be lowered: the number to allow.
    pub lowered: usize,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.brake {
            Brake::Lowered => "listings would be lowered",
            Brake::Zeroed => "listings would be set to 0",
            Brake::Units => "units would be taken away",
        };
        write!(
            f,
            "{} of {} {what} ({}), and {} is believed without asking; nothing was sent; hint: look at the lines, then repeat \
             it with --yes-lower {}",
            self.part,
            self.of,
            Share::of(self.part, self.of),
            self.most,
            self.lowered
        )
    }
}

/// Stops what would lower too much of the `whole` that was looked at. `allowed`: somebody has said that so many listings
/// may be lowered.
pub fn brake(
    changes: impl IntoIterator<Item = Change>,
    whole: Whole,
    brakes: Brakes,
    allowed: Option<usize>,
) -> Option<Stopped> {
    let (mut lowered, mut zeroed, mut units) = (0_usize, 0_usize, 0_u64);
    for change in changes {
        lowered = lowered.saturating_add(usize::from(change.lowers()));
        zeroed = zeroed.saturating_add(usize::from(change.zeroes()));
        units = units.saturating_add(change.takes());
    }
    if lowered <= brakes.free || allowed.is_some_and(|allowed| lowered <= allowed) {
        return None;
    }
    let count = |listings: usize| u64::try_from(listings).unwrap_or(u64::MAX);
    let listings = count(whole.listings);
    [
        // What is set to nothing is counted by itself: one in a hundred is not stopped because many are lowered.
        (Brake::Zeroed, count(zeroed), listings, brakes.zero_max),
        (Brake::Lowered, count(lowered), listings, brakes.lower_max),
        (Brake::Units, units, whole.units, brakes.units_max),
    ]
    .into_iter()
    .find(|(brake, part, of, most)| {
        let few = *brake == Brake::Zeroed && zeroed <= brakes.free;
        !few && Share::of(*part, *of) > *most
    })
    .map(|(brake, part, of, most)| Stopped {
        brake,
        part,
        of,
        most,
        lowered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRAKES: Brakes = Brakes {
        lower_max: Share::from_millionths(100_000),
        zero_max: Share::from_millionths(50_000),
        units_max: Share::from_millionths(300_000),
        free: 2,
    };

    /// A catalogue that shows so many of each listing.
    fn whole(listings: usize, of_each: u64) -> Whole {
        Whole {
            listings,
            units: of_each.saturating_mul(u64::try_from(listings).unwrap()),
        }
    }

    fn to(n: usize, from: i64, to: i64) -> Vec<Change> {
        let change = Change {
            from: Some(from),
            to,
        };
        vec![change; n]
    }

    #[track_caller]
    fn check(
        changes: Vec<Change>,
        of: usize,
        allowed: Option<usize>,
        stopped: Option<(Brake, u64)>,
    ) {
        let found = brake(changes, whole(of, 50), BRAKES, allowed);
        assert_eq!(found.map(|s| (s.brake, s.part)), stopped, "{found:?}");
    }

    #[test]
    fn mass_lowering_and_zeroing_stop() {
        check(to(10, 5, 4), 100, None, None);
        check(to(11, 5, 4), 100, None, Some((Brake::Lowered, 11)));
        check(to(6, 5, 0), 100, None, Some((Brake::Zeroed, 6)));
        check(to(5, 5, 0), 100, None, None);
        check(to(90, 5, 9), 100, None, None);
    }

    #[test]
    fn r72_a_few_listings_can_be_most_of_the_stock() {
        let look = |changes, of_each| brake(changes, whole(100, of_each), BRAKES, None);
        assert_eq!(look(to(5, 60, 1), 10), None, "295 of 1,000");
        let stopped = look(to(5, 70, 1), 10).unwrap();
        assert_eq!(
            (stopped.brake, stopped.part, stopped.of),
            (Brake::Units, 345, 1_000)
        );
        let says = stopped.to_string();
        assert!(
            says.contains("345 of 1000 units would be taken away (34.5%)"),
            "{says}"
        );
        assert_eq!(look(to(2, 900, 0), 10), None, "so few are never stopped");
        assert_eq!(look(to(5, -70, 0), 10), None, "nothing was for sale");
    }

    #[test]
    fn a_few_are_never_stopped_and_what_is_not_known_lowers_nothing() {
        check(to(2, 5, 0), 2, None, None);
        check(to(3, 5, 0), 3, None, Some((Brake::Zeroed, 3)));
        check(vec![Change { from: None, to: 0 }; 50], 50, None, None);
        check(to(50, 0, 0), 50, None, None);
        check(to(50, -3, 0), 50, None, None);
    }

    #[test]
    fn somebody_may_mean_it() {
        check(to(11, 5, 4), 100, Some(11), None);
        check(to(11, 5, 4), 100, Some(10), Some((Brake::Lowered, 11)));
        check(to(60, 5, 0), 100, Some(60), None);
        let says = brake(to(11, 5, 4), whole(100, 50), BRAKES, None);
        let says = says.unwrap().to_string();
        assert!(
            says.contains("11 of 100") && says.contains("--yes-lower 11"),
            "{says}"
        );
    }
}
