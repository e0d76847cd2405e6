//! When jobs run: slots of cron lines and of plain intervals, and which of them are due.
//!
//! A slot is a moment that follows from the timing alone. `now` and the last slot that was had are arguments, so that clock
//! changes, a machine that slept and a process that was down are all the same question: which slots lie between the two?
//! However many they are, the job runs once (rule R98).
//!
//! Cron lines are read in a zone: a daily job runs once per local day, also where its time is skipped or repeated by a
//! clock change; a line with `*` or steps follows real time, so that an hourly job runs every real hour. Plain intervals
//! know no zone: their slots are multiples since 1970.

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::clock::Timestamp;

/// Slots that are counted one by one after a gap; longer gaps are told as at least so many.
const MISSED_MAX: u32 = 10_000;
/// Fixed times that one line may name, such as the 4 of `0,30 2,14 * * *`.
const FIXED_MAX: usize = 96;
/// Longest interval, in seconds: a week.
const EVERY_MAX_S: i64 = 7 * 86_400;
/// A last slot further ahead than this is of a clock that was wrong, in ms: two days, more than any clock change.
const AHEAD_MAX_MS: i64 = 2 * 86_400_000;

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timing {
    /// Never.
    Off,
    /// At multiples of so many milliseconds.
    Every(i64),
    /// By a cron line.
    Cron(Line),
}

/// A cron line in its zone.
#[derive(Debug, Clone)]
pub struct Line {
    text: String,
    zone: Tz,
    patterns: Vec<Cron>,
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.zone) == (&other.text, other.zone)
    }
}

impl Eq for Line {}

/// A text that is no timing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no timing: {why}")]
pub struct NotATiming {
    /// What was written.
    pub text: String,
    /// Why it cannot be.
    pub why: String,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The newest slot that has passed: the one to run for.
    pub slot: Timestamp,
    /// Slots before it that passed without a run.
    pub missed: u32,
}

impl Timing {
    /// Reads `off`, an interval such as `90s`, `5m`, `3h` or `1d`, or a cron line of five fields (weekdays as in crontab: 0
    /// and 7 are Sunday).
    ///
    /// # Errors
    /// [`NotATiming`] with the reason.
    pub fn parse(text: &str, zone: Tz) -> Result<Self, NotATiming> {
        let text = text.trim();
        let refused = |why: String| NotATiming {
            text: text.to_owned(),
            why,
        };
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Some(seconds) = interval_s(text) {
            return match seconds {
                1..=EVERY_MAX_S => Ok(Self::Every(seconds.saturating_mul(1_000))),
                _ => Err(refused(
                    "an interval is between 1 second and 7 days".to_owned(),
                )),
            };
        }
        let patterns = patterns(text).map_err(refused)?;
        let line = Line {
            text: text.to_owned(),
            zone,
            patterns,
        };
        if line.next_after(Timestamp::default()).is_none() {
            return Err(refused("no day ever matches it".to_owned()));
        }
        Ok(Self::Cron(line))
    }

    /// The first slot after a moment; `None` if there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Off => None,
            Self::Every(ms) => {
                let n = after.millis().checked_div_euclid(*ms)?.checked_add(1)?;
                Some(Timestamp::from_millis(n.checked_mul(*ms)?))
            }
            Self::Cron(line) => line.next_after(after),
        }
    }

    /// What is due `now`, if the last slot that was had is `last`. `None`: nothing yet.
    pub fn due(&self, last: Timestamp, now: Timestamp) -> Option<Due> {
        let mut due: Option<Due> = None;
        let mut from = last;
        while let Some(slot) = self.next_after(from).filter(|slot| *slot <= now) {
            let missed = due.map_or(0, |due| due.missed.saturating_add(1));
            due = Some(Due { slot, missed });
            if missed >= MISSED_MAX {
                // What lies between is not counted any more: the newest slot is the one just before now.
                let newest = self.newest(slot, now);
                return Some(Due {
                    slot: newest,
                    missed,
                });
            }
            from = slot;
        }
        due
    }

    fn newest(&self, after: Timestamp, now: Timestamp) -> Timestamp {
        match self {
            Self::Off => after,
            Self::Every(ms) => {
                let n = now.millis().checked_div_euclid(*ms).unwrap_or(0);
                Timestamp::from_millis(n.saturating_mul(*ms)).max(after)
            }
            Self::Cron(line) => line.last_before(now).map_or(after, |slot| slot.max(after)),
        }
    }

    /// The last slot as it counts now: one far ahead was written by a clock that was wrong, and begins anew.
    pub fn believed(last: Timestamp, now: Timestamp) -> Timestamp {
        if last.since(now) > AHEAD_MAX_MS {
            now
        } else {
            last
        }
    }

    /// The zone of a cron line.
    pub fn zone(&self) -> Option<Tz> {
        match self {
            Self::Off | Self::Every(_) => None,
            Self::Cron(line) => Some(line.zone),
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Every(ms) => {
                let seconds = ms.checked_div(1_000).unwrap_or(0);
                let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
                let fits = |(length, _): &(i64, &str)| seconds.checked_rem(*length) == Some(0);
                let (length, unit) = units.into_iter().find(fits).unwrap_or((1, "s"));
                write!(f, "{}{unit}", seconds.checked_div(length).unwrap_or(0))
            }
            Self::Cron(line) => f.write_str(&line.text),
        }
    }
}

impl Line {
    fn at(&self, at: Timestamp) -> Option<DateTime<Tz>> {
        let utc: DateTime<Utc> = DateTime::from_timestamp_millis(at.millis())?;
        Some(utc.with_timezone(&self.zone))
    }

    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let from = self.at(after)?;
        let next = |cron: &Cron| cron.find_next_occurrence(&from, false).ok();
        let slots = self.patterns.iter().filter_map(next);
        let first = slots.map(|slot| Timestamp::from_millis(slot.timestamp_millis()));
        first.min()
    }

    fn last_before(&self, now: Timestamp) -> Option<Timestamp> {
        let from = self.at(now)?;
        let last = |cron: &Cron| cron.find_previous_occurrence(&from, true).ok();
        let slots = self.patterns.iter().filter_map(last);
        slots
            .map(|slot| Timestamp::from_millis(slot.timestamp_millis()))
            .max()
    }
}

/// Seconds of an interval such as `5m`, if the text is one.
fn interval_s(text: &str) -> Option<i64> {
    let bare = text.strip_prefix("every ").unwrap_or(text).trim();
    let unit = bare.chars().next_back()?;
    let length = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number = bare.strip_suffix(unit)?.trim();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = number.parse().unwrap_or(i64::MAX);
    Some(number.saturating_mul(length))
}

/// The patterns of a line. One that names fixed times becomes a pattern for each of them: only a single fixed time is kept
/// to once a day by a clock change.
fn patterns(text: &str) -> Result<Vec<Cron>, String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let parse = |line: &str| parser.parse(line).map_err(|error| error.to_string());
    let whole = parse(text)?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, rest @ ..] = fields.as_slice() else {
        return Ok(vec![whole]);
    };
    let plain = |field: &str| {
        field
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b',')
    };
    if !plain(minutes) || !plain(hours) {
        return Ok(vec![whole]);
    }
    let mut found = Vec::new();
    for hour in hours.split(',') {
        for minute in minutes.split(',') {
            found.push(parse(&format!("{minute} {hour} {}", rest.join(" ")))?);
        }
    }
    if found.len() > FIXED_MAX {
        return Err(format!("it names more than {FIXED_MAX} times of a day"));
    }
    Ok(found)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;
