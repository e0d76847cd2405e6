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
    /// Up to so many are never stopped: in a small shop one listing is a large share.
    pub free: usize,
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
}

/// What was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// Set to nothing, not only lowered.
    pub zeroed: bool,
    /// How many.
    pub listings: usize,
    /// Of how many.
    pub of: usize,
    /// The share that is allowed.
    pub most: Share,
    /// All that would be lowered: the number to allow.
    pub lowered: usize,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.zeroed { "set to 0" } else { "lowered" };
        write!(
            f,
            "{} of {} listings would be {what} ({}), and {} is believed without asking; nothing was sent; hint: look at \
             the lines, then repeat it with --yes-lower {}",
            self.listings,
            self.of,
            Share::of(self.listings, self.of),
            self.most,
            self.lowered
        )
    }
}

/// Stops what would lower too many of the `of` listings that were looked at. `allowed`: somebody has said that so many may
/// be lowered.
pub fn brake(
    changes: impl IntoIterator<Item = Change>,
    of: usize,
    brakes: Brakes,
    allowed: Option<usize>,
) -> Option<Stopped> {
    let (mut lowered, mut zeroed) = (0_usize, 0_usize);
    for change in changes {
        lowered = lowered.saturating_add(usize::from(change.lowers()));
        zeroed = zeroed.saturating_add(usize::from(change.zeroes()));
    }
    if allowed.is_some_and(|allowed| lowered <= allowed) {
        return None;
    }
    let stop = |zeroes, listings, most| Stopped {
        zeroed: zeroes,
        listings,
        of,
        most,
        lowered,
    };
    let too_many = |listings: usize, most| listings > brakes.free && Share::of(listings, of) > most;
    if too_many(zeroed, brakes.zero_max) {
        return Some(stop(true, zeroed, brakes.zero_max));
    }
    too_many(lowered, brakes.lower_max).then(|| stop(false, lowered, brakes.lower_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRAKES: Brakes = Brakes {
        lower_max: Share::from_millionths(100_000),
        zero_max: Share::from_millionths(50_000),
        free: 2,
    };

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
        stopped: Option<(bool, usize)>,
    ) {
        let found = brake(changes, of, BRAKES, allowed);
        assert_eq!(found.map(|s| (s.zeroed, s.listings)), stopped, "{found:?}");
    }

    #[test]
    fn mass_lowering_and_zeroing_stop() {
        check(to(10, 5, 4), 100, None, None);
        check(to(11, 5, 4), 100, None, Some((false, 11)));
        check(to(6, 5, 0), 100, None, Some((true, 6)));
        check(to(5, 5, 0), 100, None, None);
        check(to(90, 5, 9), 100, None, None);
    }

    #[test]
    fn a_few_are_never_stopped_and_what_is_not_known_lowers_nothing() {
        check(to(2, 5, 0), 2, None, None);
        check(to(3, 5, 0), 3, None, Some((true, 3)));
        check(vec![Change { from: None, to: 0 }; 50], 50, None, None);
        check(to(50, 0, 0), 50, None, None);
        check(to(50, -3, 0), 50, None, None);
    }

    #[test]
    fn somebody_may_mean_it() {
        check(to(11, 5, 4), 100, Some(11), None);
        check(to(11, 5, 4), 100, Some(10), Some((false, 11)));
        check(to(60, 5, 0), 100, Some(60), None);
        let says = brake(to(11, 5, 4), 100, BRAKES, None).unwrap().to_string();
        assert!(
            says.contains("11 of 100") && says.contains("--yes-lower 11"),
            "{says}"
        );
    }
}
