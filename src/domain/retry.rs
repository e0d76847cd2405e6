//! When to try again, and when to stop: decisions only, the due times live in the store.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;

/// Longest wait that a platform may impose on us, in ms; a larger `Retry-After` is held to it (rule R57).
pub const WAIT_MAX_MS: u64 = 3_600_000;

/// A list of waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// Milliseconds before attempt 2, 3, …; when they are used up, it is a dead letter, tried at the pace of the last.
    pub waits_ms: Vec<u64>,
    /// Most that is added by chance, in percent.
    pub jitter_pct: u8,
}

impl Default for Ladder {
    /// 1 s, 5 s, 30 s, 2 min, 10 min, and up to 20 % more: the published schedule.
    fn default() -> Self {
        Self {
            waits_ms: vec![1_000, 5_000, 30_000, 120_000, 600_000],
            jitter_pct: 20,
        }
    }
}

impl Ladder {
    /// When to try again after `failed` failures (1 or more); `None`: the waits are used up.
    ///
    /// `dice` is between 0 and 999 and spreads the tries.
    pub fn next(&self, failed: u32, now: Timestamp, dice: u16) -> Option<Timestamp> {
        let index = usize::try_from(failed.checked_sub(1)?).ok()?;
        Some(self.after(*self.waits_ms.get(index)?, now, dice))
    }

    /// When to try again once the waits are used up: at the pace of the last.
    pub fn last(&self, now: Timestamp, dice: u16) -> Timestamp {
        let wait = self.waits_ms.last().copied().unwrap_or(WAIT_MAX_MS);
        self.after(wait, now, dice)
    }

    fn after(&self, wait_ms: u64, now: Timestamp, dice: u16) -> Timestamp {
        let most = wait_ms.saturating_mul(u64::from(self.jitter_pct)) / 100;
        let extra = most.saturating_mul(u64::from(dice.min(999))) / 1000;
        now.plus(i64::try_from(wait_ms.saturating_add(extra)).unwrap_or(i64::MAX))
    }
}

/// Reads `Retry-After`: seconds (with a fraction, too) or an HTTP date. Past or absurd values are held to bounds.
///
/// Returns milliseconds, at most [`WAIT_MAX_MS`]; `None` if it says nothing usable.
///
/// Source: RFC 9110 §10.2.3; the traps are public reports of clients that slept seconds as milliseconds.
pub fn retry_after(text: &str, now: Timestamp) -> Option<u64> {
    let text = text.trim();
    if let Some((whole, part)) = text.split_once('.').or(Some((text, "")))
        && !whole.is_empty()
        && whole.bytes().all(|b| b.is_ascii_digit())
        && part.bytes().all(|b| b.is_ascii_digit())
    {
        let seconds = whole.parse::<u64>().unwrap_or(u64::MAX);
        let millis: u64 = format!("{part:0<3}")
            .chars()
            .take(3)
            .collect::<String>()
            .parse()
            .ok()?;
        return Some(
            seconds
                .saturating_mul(1000)
                .saturating_add(millis)
                .min(WAIT_MAX_MS),
        );
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let wait = Timestamp::from_millis(date.timestamp_millis()).since(now);
    u64::try_from(wait)
        .ok()
        .filter(|wait| *wait > 0)
        .map(|wait| wait.min(WAIT_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let ladder = Ladder::default();
        let now = Timestamp::from_millis(0);
        let found: Vec<_> = (1..=6)
            .map(|n| ladder.next(n, now, 0).map(Timestamp::millis))
            .collect();
        assert_eq!(
            found,
            [
                Some(1_000),
                Some(5_000),
                Some(30_000),
                Some(120_000),
                Some(600_000),
                None
            ]
        );
        assert_eq!(ladder.next(1, now, 999).unwrap().millis(), 1_199);
        assert_eq!(ladder.next(0, now, 0), None);
        assert_eq!(ladder.last(now, 0).millis(), 600_000);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("2026-11-25T03:20:00Z").unwrap();
        let check = |text, expected| assert_eq!(retry_after(text, now), expected, "{text}");
        check("60", Some(60_000));
        check("2.0", Some(2_000));
        check("0", Some(0));
        check("Wed, 25 Nov 2026 03:20:30 GMT", Some(30_000));
        check("Wed, 25 Nov 2026 03:19:30 GMT", None);
        check("99999999999999999999", Some(WAIT_MAX_MS));
        check("soon", None);
        check("", None);
        check("-5", None);
    }
}
