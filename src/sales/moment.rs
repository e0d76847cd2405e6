//! Times as exports write them. One reader takes every form that was seen; what a date of numbers means is decided for the
//! whole file and told to it.

use chrono::{NaiveDate, NaiveTime};
use serde::Serialize;

use super::profile::DayOrder;

/// How exactly a time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// To the second.
    Second,
    /// To the minute.
    Minute,
    /// Only the day is known.
    Day,
    /// The time of the settlement, not of the sale.
    Posted,
    /// Not known.
    None,
}

impl Resolution {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Posted => "posted",
            Self::None => "none",
        }
    }
}

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds of the wall clock since 1970-01-01 00:00.
    pub(super) wall_s: i64,
    /// Seconds that the wall clock is ahead of UTC, if that is written.
    pub(super) offset_s: Option<i32>,
    /// How exactly it is known.
    pub(super) resolution: Resolution,
}

/// Why a time cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMoment {
    /// Day or month may come first, and that is not decided.
    Order,
    /// It is no time.
    Not,
}

const DAY_S: i64 = 86_400;

/// Reads `2026-11-01T05:30:00Z` and what looks like it, without looking at anything else.
#[inline]
pub(super) fn iso(text: &[u8]) -> Option<Moment> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, ref rest @ ..] = text else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let days = days(year, two(m1, m2)?, two(d1, d2)?)?;
    let day = Moment {
        wall_s: days * DAY_S,
        offset_s: None,
        resolution: Resolution::Day,
    };
    let &[b'T' | b' ', h1, h2, b':', n1, n2, ref rest @ ..] = rest else {
        return rest.is_empty().then_some(day);
    };
    let (hour, minute) = (two(h1, h2)?, two(n1, n2)?);
    let (second, resolution, rest) = match rest {
        [b':', s1, s2, rest @ ..] => (two(*s1, *s2)?, Resolution::Second, fraction(rest)),
        rest => (0, Resolution::Minute, rest),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(Moment {
        wall_s: day.wall_s + i64::from(hour * 3_600 + minute * 60 + second),
        offset_s: offset(rest)?,
        resolution,
    })
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i32::from(tens) * 10 + i32::from(ones))
}

fn days(year: i32, month: i32, day: i32) -> Option<i64> {
    let (month, day) = (u32::try_from(month).ok()?, u32::try_from(day).ok()?);
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some(date.and_time(NaiveTime::MIN).and_utc().timestamp() / DAY_S)
}

/// What follows a fraction of a second.
fn fraction(rest: &[u8]) -> &[u8] {
    let [b'.' | b',', digits @ ..] = rest else {
        return rest;
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit());
    end.and_then(|end| digits.get(end..)).unwrap_or_default()
}

/// `Z`, `+09:00`, ` -0500`, or nothing.
#[expect(
    clippy::option_option,
    reason = "nothing written is not the same as something wrong"
)]
fn offset(rest: &[u8]) -> Option<Option<i32>> {
    match rest.trim_ascii() {
        [] => Some(None),
        [b'Z' | b'z'] => Some(Some(0)),
        [sign @ (b'+' | b'-'), h1, h2, rest @ ..] => {
            let minutes = match rest {
                [] => 0,
                [b':', m1, m2] | [m1, m2] => two(*m1, *m2)?,
                _ => return None,
            };
            let seconds = two(*h1, *h2)? * 3_600 + minutes * 60;
            Some(Some(if *sign == b'-' { -seconds } else { seconds }))
        }
        _ => None,
    }
}

/// Reads any form that was seen.
///
/// # Errors
/// [`NoMoment`] if it is no time, or `order` would have to be known.
pub(super) fn any(text: &str, order: Option<DayOrder>) -> Result<Moment, NoMoment> {
    let text = text.trim();
    if let Some(moment) = iso(text.as_bytes()) {
        return Ok(moment);
    }
    let parts = Parts::of(text).ok_or(NoMoment::Not)?;
    let days = parts.date(order)?;
    let (seconds, resolution) = match parts.clock {
        None => (0, Resolution::Day),
        Some((hour, minute, None)) => (hour * 3_600 + minute * 60, Resolution::Minute),
        Some((hour, minute, Some(second))) => {
            (hour * 3_600 + minute * 60 + second, Resolution::Second)
        }
    };
    Ok(Moment {
        wall_s: days * DAY_S + i64::from(seconds),
        offset_s: parts.offset_s,
        resolution,
    })
}

/// What a date says of the order of its numbers: `(first, second)`, and whether the clock has AM and PM. Nothing if the
/// order is plain.
pub(super) fn numbers(text: &str) -> Option<((i32, i32), bool)> {
    let parts = Parts::of(text.trim())?;
    match parts.words.as_slice() {
        [Word::Number(a, _), Word::Number(b, _), Word::Number(_, _)]
            if !parts.dotted && *a <= 31 && *b <= 31 =>
        {
            Some(((*a, *b), parts.half_days))
        }
        _ => None,
    }
}

/// A part of a date.
#[derive(Debug, Clone, Copy)]
enum Word {
    /// A number and how many digits it has.
    Number(i32, usize),
    /// A month.
    Month(i32),
}

/// A time, taken apart.
struct Parts {
    words: Vec<Word>,
    dotted: bool,
    clock: Option<(i32, i32, Option<i32>)>,
    half_days: bool,
    offset_s: Option<i32>,
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let (date, clock) = match text.find(':') {
            None => (text, None),
            Some(colon) => {
                let before = text.get(..colon)?;
                let hour_at = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| {
                    at + before
                        .get(at..)
                        .and_then(|s| s.chars().next())
                        .map_or(1, char::len_utf8)
                });
                (text.get(..hour_at)?, text.get(hour_at..))
            }
        };
        let date = date.trim_end_matches([' ', ',', 'T', '\u{a0}', '\u{202f}']);
        let mut words = Vec::with_capacity(3);
        for word in date.split([' ', '-', '/', '.', ',', '\u{a0}', '年', '月', '日']) {
            if word.is_empty() {
                continue;
            }
            words.push(match word.parse() {
                Ok(number) if word.bytes().all(|b| b.is_ascii_digit()) => {
                    Word::Number(number, word.len())
                }
                _ if is_weekday(word) => continue,
                _ => Word::Month(month(word)?),
            });
        }
        let mut parts = Self {
            dotted: date.contains('.') && !date.contains(['/', '-']),
            words,
            clock: None,
            half_days: false,
            offset_s: None,
        };
        if let Some(clock) = clock {
            parts.read_clock(clock)?;
        }
        Some(parts)
    }

    /// `9:30:33 AM`, `23:45`, `22:23:05 PDT`, `10:22:11 UTC`.
    fn read_clock(&mut self, text: &str) -> Option<()> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.')
            .unwrap_or(text.len());
        let (digits, mut rest) = (text.get(..end)?, text.get(end..)?.trim());
        let mut numbers = digits.split(':');
        let mut hour: i32 = numbers.next()?.parse().ok()?;
        let minute: i32 = numbers.next()?.parse().ok()?;
        let second = match numbers.next() {
            None => None,
            Some(text) => Some(text.split('.').next()?.parse::<i32>().ok()?),
        };
        let upper = rest.to_ascii_uppercase();
        for (mark, noon) in [("AM", false), ("PM", true), ("A.M.", false), ("P.M.", true)] {
            let Some(after) = upper.strip_prefix(mark) else {
                continue;
            };
            if !(1..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + if noon { 12 } else { 0 };
            self.half_days = true;
            rest = rest.get(upper.len() - after.len()..)?.trim();
            break;
        }
        if numbers.next().is_some()
            || !(0..24).contains(&hour)
            || !(0..60).contains(&minute)
            || !(0..=60).contains(&second.unwrap_or(0))
        {
            return None;
        }
        self.clock = Some((hour, minute, second));
        self.offset_s = match rest {
            "" => None,
            zone => Some(abbreviated(zone).or_else(|| offset(zone.as_bytes()).flatten())?),
        };
        Some(())
    }

    fn date(&self, order: Option<DayOrder>) -> Result<i64, NoMoment> {
        let full = |year: i32, digits: usize| match digits {
            4 => Some(year),
            2 => Some(2_000 + year),
            _ => None,
        };
        let (year, month, day) = match self.words.as_slice() {
            &[
                Word::Number(year, 4),
                Word::Number(month, _),
                Word::Number(day, _),
            ]
            | &[
                Word::Month(month),
                Word::Number(day, 1 | 2),
                Word::Number(year, 4),
            ]
            | &[
                Word::Number(day, 1 | 2),
                Word::Month(month),
                Word::Number(year, 4),
            ]
            | &[
                Word::Number(year, 4),
                Word::Month(month),
                Word::Number(day, 1 | 2),
            ] => (year, month, day),
            &[
                Word::Month(month),
                Word::Number(day, 1 | 2),
                Word::Number(year, n),
            ]
            | &[
                Word::Number(day, 1 | 2),
                Word::Month(month),
                Word::Number(year, n),
            ] => (full(year, n).ok_or(NoMoment::Not)?, month, day),
            &[Word::Number(packed, 8)] => (packed / 10_000, packed / 100 % 100, packed % 100),
            &[
                Word::Number(a, 1 | 2),
                Word::Number(b, 1 | 2),
                Word::Number(year, n),
            ] => {
                let year = full(year, n).ok_or(NoMoment::Not)?;
                match order {
                    _ if self.dotted => (year, b, a),
                    Some(DayOrder::DayFirst) => (year, b, a),
                    Some(DayOrder::MonthFirst) => (year, a, b),
                    None => return Err(NoMoment::Order),
                }
            }
            _ => return Err(NoMoment::Not),
        };
        days(year, month, day).ok_or(NoMoment::Not)
    }
}

/// Days of a workbook since 1899-12-30, as ISO text.
pub(super) fn from_serial(serial: f64) -> Option<Moment> {
    if !(20_000.0..80_000.0).contains(&serial) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between 20,000 and 80,000 days"
    )]
    let wall_s = ((serial - 25_569.0) * 86_400.0).round() as i64;
    let resolution = if wall_s % DAY_S == 0 {
        Resolution::Day
    } else {
        Resolution::Second
    };
    Some(Moment {
        wall_s,
        offset_s: None,
        resolution,
    })
}

/// Offsets of abbreviations that exports use; they also tell the two halves of an autumn night apart.
fn abbreviated(zone: &str) -> Option<i32> {
    let hours = match zone.trim_matches(['(', ')']) {
        "UTC" | "GMT" | "WET" | "Z" => 0.0,
        "BST" | "CET" | "MEZ" | "WEST" | "IST/Dublin" => 1.0,
        "CEST" | "MESZ" | "EET" => 2.0,
        "EEST" => 3.0,
        "PST" | "AKDT" => -8.0,
        "PDT" | "MST" => -7.0,
        "MDT" | "CST" => -6.0,
        "CDT" | "EST" => -5.0,
        "EDT" => -4.0,
        "AKST" => -9.0,
        "HST" => -10.0,
        "BRT" => -3.0,
        "IST" => 5.5,
        "SGT" | "AWST" => 8.0,
        "JST" => 9.0,
        "AEST" => 10.0,
        "AEDT" => 11.0,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "whole half hours")]
    Some((hours * 3_600.0) as i32)
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let lower = word.to_lowercase();
    DAYS.iter()
        .any(|day| lower.starts_with(day) && lower.ends_with("day") || lower == *day)
}

/// The month of a word in the languages of the marketplaces.
fn month(word: &str) -> Option<i32> {
    const MONTHS: [&[&str]; 12] = [
        &["jan", "jän", "ene", "gen", "janv", "enero", "gennaio"],
        &["feb", "fév", "fev"],
        &["mar", "mär", "mrz", "maa", "mrt"],
        &["apr", "avr", "abr"],
        &["may", "mai", "mei", "mag"],
        &["jun", "juin", "giu"],
        &["jul", "juil", "lug"],
        &["aug", "aoû", "aou", "ago"],
        &["sep", "set"],
        &["oct", "okt", "ott", "out"],
        &["nov"],
        &["dec", "dez", "déc", "dic"],
    ];
    let lower = word.trim_end_matches('.').to_lowercase();
    if lower.chars().count() < 3 || !lower.chars().all(char::is_alphabetic) {
        return None;
    }
    let found = MONTHS
        .iter()
        .position(|names| names.iter().any(|name| lower.starts_with(name)))?;
    i32::try_from(found + 1).ok()
}

#[cfg(test)]
mod tests;
