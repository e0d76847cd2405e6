//! Points in time as whole milliseconds, and where they come from.
//!
//! The core never asks what time it is: it is told. Whoever has to know holds a [`Clock`]; the program's stands in
//! `runtime`, tests and the simulation bring their own.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later by so many milliseconds; stops at the ends of the scale.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to here; negative if it is not earlier.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339, such as `2026-11-25T03:20:38Z` or `2026-11-25T04:20:38+01:00`.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| Self(at.timestamp_millis()))
    }

    /// Reads `2026-11-25T03:20:38` as UTC, as WooCommerce writes its `_gmt` fields; takes RFC 3339 too.
    pub fn parse_utc(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| {
            let naive = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
            Some(Self(naive.and_utc().timestamp_millis()))
        })
    }

    /// Whole seconds as `2026-11-25T03:20:38Z`, for platforms that refuse fractions.
    pub fn to_seconds_text(self) -> String {
        self.date_time().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    fn date_time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(
            &self
                .date_time()
                .to_rfc3339_opts(SecondsFormat::Millis, true),
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_utc(&text)
            .ok_or_else(|| serde::de::Error::custom("not a time such as 2026-11-25T03:20:38Z"))
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock, for stamps; it may jump.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        let same = Timestamp::parse("2026-11-25T03:20:38Z").unwrap();
        assert_eq!(Timestamp::parse("2026-11-25T04:20:38+01:00"), Some(same));
        assert_eq!(Timestamp::parse_utc("2026-11-25T03:20:38"), Some(same));
        assert_eq!(same.to_string(), "2026-11-25T03:20:38.000Z");
        assert_eq!(same.to_seconds_text(), "2026-11-25T03:20:38Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
