//! When a dirty listing gets its turn: now or with the next batch, and which one first.
//!
//! Quotas let through fewer calls than a busy hour wants, so the order decides how much is oversold. A tier alone is the
//! wrong priority (rule R90): an A item with 5,000 on the shelf is safe on a slow lane, a C item at its last unit is not.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::tier::Tier;

/// How a change travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// At once.
    Now,
    /// With the next batch of its tier.
    Batch(Tier),
}

/// How often batches run, and what escalates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneRules {
    /// Milliseconds between batches of tier B.
    pub batch_b_ms: i64,
    /// Milliseconds between batches of tier C.
    pub batch_c_ms: i64,
    /// At or below so many units, shown or wanted, every listing is urgent.
    pub near_empty: i64,
    /// A dirty listing older than this goes before any risk, so that none starves.
    pub age_max_ms: i64,
}

/// What is known of a dirty listing when lanes are chosen. All quantities are in units of the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dirty {
    /// Of the goods.
    pub tier: Tier,
    /// What it should show.
    pub desired: i64,
    /// What we believe it shows; `None` if we cannot say.
    pub shown: Option<i64>,
    /// The largest buffer that any rule keeps back of it.
    pub buffer: i64,
    /// Since when it is dirty.
    pub since: Timestamp,
}

/// Units an hour at the upper end of a tier; what an unclassified fast seller may lose while it waits.
const fn rate_per_hour(tier: Tier) -> i64 {
    match tier {
        Tier::A => 60,
        Tier::B => 10,
        Tier::C => 2,
    }
}

/// The lane of one listing.
///
/// Escalates to [`Lane::Now`] when it could run out before its batch: when what is left is at most what sells until then,
/// at the upper end of its tier, or near empty. A tier A change that cannot matter (shown and wanted both above three
/// times the buffer plus what sells in a batch) travels with the batch of tier B.
pub fn lane(dirty: Dirty, rules: LaneRules) -> Lane {
    let Some(shown) = dirty.shown else {
        return Lane::Now;
    };
    let least = shown.min(dirty.desired);
    let (batch, wait_ms) = match dirty.tier {
        Tier::A | Tier::B => (Tier::B, rules.batch_b_ms),
        Tier::C => (Tier::C, rules.batch_c_ms),
    };
    let sold = sold_within(dirty.tier, wait_ms);
    let needed = match dirty.tier {
        Tier::A => dirty.buffer.saturating_add(sold).saturating_mul(3),
        Tier::B | Tier::C => dirty.buffer.saturating_add(sold),
    };
    if least <= needed.max(rules.near_empty) {
        Lane::Now
    } else {
        Lane::Batch(batch)
    }
}

/// Units that sell within so many milliseconds, rounded up.
fn sold_within(tier: Tier, ms: i64) -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    let sold = rate_per_hour(tier)
        .saturating_mul(ms.max(0))
        .saturating_add(HOUR_MS.saturating_sub(1));
    sold.checked_div(HOUR_MS).unwrap_or(0)
}

/// When its turn comes: now, or at the end of its lane's interval.
pub fn due(lane: Lane, since: Timestamp, rules: LaneRules) -> Timestamp {
    match lane {
        Lane::Now => since,
        Lane::Batch(Tier::A | Tier::B) => since.plus(rules.batch_b_ms),
        Lane::Batch(Tier::C) => since.plus(rules.batch_c_ms),
    }
}

/// The order of turns: smaller goes first.
///
/// What waited too long, then what shows more than there is (by how much of it is missing), then by how soon it could
/// run out, then by age.
pub fn urgency(dirty: Dirty, now: Timestamp, rules: LaneRules) -> (u8, i64, Timestamp) {
    if now.since(dirty.since) > rules.age_max_ms {
        return (0, 0, dirty.since);
    }
    let excess = dirty
        .shown
        .map_or(1, |shown| shown.saturating_sub(dirty.desired));
    let left = dirty.desired.max(0).saturating_add(1);
    let seconds_left = left
        .saturating_mul(3600)
        .checked_div(rate_per_hour(dirty.tier))
        .unwrap_or(0);
    (if excess > 0 { 1 } else { 2 }, seconds_left, dirty.since)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: LaneRules = LaneRules {
        batch_b_ms: 60_000,
        batch_c_ms: 300_000,
        near_empty: 3,
        age_max_ms: 600_000,
    };

    fn dirty(tier: Tier, shown: Option<i64>, desired: i64) -> Dirty {
        Dirty {
            tier,
            desired,
            shown,
            buffer: 0,
            since: Timestamp::from_millis(0),
        }
    }

    #[track_caller]
    fn check(tier: Tier, shown: Option<i64>, desired: i64, expected: Lane) {
        assert_eq!(
            lane(dirty(tier, shown, desired), RULES),
            expected,
            "{tier} {shown:?} -> {desired}"
        );
    }

    #[test]
    fn what_can_run_out_before_its_batch_goes_now() {
        check(Tier::A, Some(3), 2, Lane::Now);
        check(Tier::A, Some(500), 499, Lane::Batch(Tier::B));
        check(Tier::A, Some(500), 2, Lane::Now);
        check(Tier::B, Some(40), 39, Lane::Batch(Tier::B));
        check(Tier::B, Some(3), 2, Lane::Now);
        check(Tier::C, Some(40), 39, Lane::Batch(Tier::C));
        check(Tier::C, Some(1), 0, Lane::Now);
        check(Tier::C, Some(0), 50, Lane::Now);
        check(Tier::C, None, 50, Lane::Now);
    }

    #[test]
    fn what_shows_too_much_goes_first_and_nothing_starves() {
        let now = Timestamp::from_millis(1000);
        let last_c = urgency(dirty(Tier::C, Some(2), 0), now, RULES);
        let safe_a = urgency(dirty(Tier::A, Some(5001), 5000), now, RULES);
        let raise = urgency(dirty(Tier::A, Some(1), 5), now, RULES);
        assert!(
            last_c < safe_a,
            "the last unit of a slow item before a fast one with plenty"
        );
        assert!(safe_a < raise, "lowers before raises");
        let old = Dirty {
            since: Timestamp::from_millis(-700_000),
            ..dirty(Tier::C, Some(10), 900)
        };
        assert!(
            urgency(old, now, RULES) < last_c,
            "what waited too long goes before all"
        );
    }
}
