//! Timings and their slots, over clock changes in several zones.

use super::*;
use chrono::TimeZone as _;

type Day = (i32, u32, u32);

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn timing(text: &str, zone: &str) -> Timing {
    Timing::parse(text, zone.parse().unwrap()).unwrap()
}

/// The slots of a local day, as local wall times.
fn slots_of(timing: &Timing, zone: &str, day: Day) -> Vec<String> {
    let zone: Tz = zone.parse().unwrap();
    let noon = |days: i64| {
        let noon = zone
            .with_ymd_and_hms(day.0, day.1, day.2, 12, 0, 0)
            .unwrap();
        Timestamp::from_millis(noon.timestamp_millis()).plus(days * 86_400_000)
    };
    let (mut from, end) = (noon(-1), noon(1));
    let mut found = Vec::new();
    while let Some(slot) = timing.next_after(from).filter(|slot| *slot < end) {
        let local = DateTime::from_timestamp_millis(slot.millis())
            .unwrap()
            .with_timezone(&zone);
        if local.date_naive() == chrono::NaiveDate::from_ymd_opt(day.0, day.1, day.2).unwrap() {
            found.push(local.format("%H:%M").to_string());
        }
        from = slot;
    }
    found
}

#[track_caller]
fn check_day(line: &str, zone: &str, day: Day, expected: &[&str]) {
    let found = slots_of(&timing(line, zone), zone, day);
    assert_eq!(found, expected, "{line} in {zone} on {day:?}");
}

/// Both nights of a year, in zones that change at 2, at 1, at midnight, by half an hour, and in the south.
const NIGHTS: &[(&str, Day, Day)] = &[
    ("Europe/Berlin", (2026, 3, 29), (2026, 10, 25)),
    ("Europe/Dublin", (2026, 3, 29), (2026, 10, 25)),
    ("America/New_York", (2026, 3, 8), (2026, 11, 1)),
    ("Australia/Sydney", (2026, 10, 4), (2026, 4, 5)),
    ("Australia/Lord_Howe", (2026, 10, 4), (2026, 4, 5)),
    ("America/Santiago", (2026, 9, 6), (2026, 4, 4)),
    ("Africa/Cairo", (2026, 4, 24), (2026, 10, 29)),
];

#[test]
fn a_daily_job_runs_once_on_both_nights_whatever_its_time() {
    for (zone, spring, autumn) in NIGHTS {
        for hour in 0..24 {
            for minute in [0, 15, 30, 59] {
                let timing = timing(&format!("{minute} {hour} * * *"), zone);
                for day in [spring, autumn] {
                    let found = slots_of(&timing, zone, *day);
                    assert_eq!(found.len(), 1, "{hour}:{minute} {zone} {day:?}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn an_hourly_job_runs_every_real_hour_on_both_nights() {
    for (zone, spring, autumn) in NIGHTS {
        for (line, hours) in [("0 * * * *", 1), ("1h", 1)] {
            let timing = timing(line, zone);
            for day in [spring, autumn] {
                let zone: Tz = zone.parse().unwrap();
                let noon = zone
                    .with_ymd_and_hms(day.0, day.1, day.2, 12, 0, 0)
                    .unwrap();
                let mut from = Timestamp::from_millis(noon.timestamp_millis()).plus(-86_400_000);
                for _ in 0..36 {
                    let next = timing.next_after(from).unwrap();
                    let gap = next.since(from);
                    // Where the clock changes by half an hour, full hours of the wall are half an hour apart or one and
                    // a half, and nothing is left out.
                    let half = zone == Tz::Australia__Lord_Howe && line != "1h";
                    let longest = if half { 5_400_000 } else { hours * 3_600_000 };
                    assert!(
                        gap <= longest && gap > 0,
                        "{line} in {zone}: {from} to {next}"
                    );
                    from = next;
                }
            }
        }
    }
}

#[test]
fn times_that_a_clock_change_skips_or_repeats() {
    let (spring, autumn) = ((2026, 3, 8), (2026, 11, 1));
    check_day("30 2 * * *", "America/New_York", spring, &["03:00"]);
    check_day("30 1 * * *", "America/New_York", autumn, &["01:30"]);
    check_day(
        "0 2,14 * * *",
        "America/New_York",
        spring,
        &["03:00", "14:00"],
    );
    check_day(
        "0 1,13 * * *",
        "America/New_York",
        autumn,
        &["01:00", "13:00"],
    );
    check_day(
        "0 0-3 * * *",
        "America/New_York",
        autumn,
        &["00:00", "01:00", "01:00", "02:00", "03:00"],
    );
}

#[test]
fn the_wall_clock_time_stays_after_a_clock_change() {
    for day in [
        (2025, 3, 29),
        (2025, 3, 30),
        (2025, 3, 31),
        (2025, 10, 26),
        (2025, 10, 27),
    ] {
        check_day("0 18 * * *", "Europe/Dublin", day, &["18:00"]);
    }
}

#[test]
fn sunday_is_0_and_7_and_has_a_name() {
    let sunday = at("2026-11-22T06:00:00Z");
    for line in ["0 6 * * 0", "0 6 * * 7", "0 6 * * SUN"] {
        let next = timing(line, "UTC").next_after(at("2026-11-20T00:00:00Z"));
        assert_eq!(next, Some(sunday), "{line}");
    }
}

#[track_caller]
fn check_due(line: &str, last: &str, now: &str, expected: Option<(&str, u32)>) {
    let found = timing(line, "Europe/Berlin").due(at(last), at(now));
    let found = found.map(|due| (due.slot, due.missed));
    assert_eq!(
        found,
        expected.map(|(slot, missed)| (at(slot), missed)),
        "{line}"
    );
}

#[test]
fn missed_slots_make_one_run() {
    let last = "2026-11-25T10:00:00Z";
    check_due("5m", last, "2026-11-25T10:04:59Z", None);
    check_due(
        "5m",
        last,
        "2026-11-25T10:05:00Z",
        Some(("2026-11-25T10:05:00Z", 0)),
    );
    check_due(
        "5m",
        last,
        "2026-11-25T16:03:00Z",
        Some(("2026-11-25T16:00:00Z", 71)),
    );
    check_due(
        "0 3 * * *",
        "2026-11-20T02:00:00Z",
        "2026-11-25T09:00:00Z",
        Some(("2026-11-25T02:00:00Z", 4)),
    );
    check_due("off", last, "2036-11-25T10:00:00Z", None);
}

#[test]
fn a_gap_of_years_is_not_counted_to_its_end() {
    let now = at("2036-11-25T10:00:30Z");
    for line in ["1m", "* * * * *"] {
        let due = timing(line, "UTC")
            .due(at("2026-11-25T10:00:00Z"), now)
            .unwrap();
        assert_eq!(
            (due.slot, due.missed),
            (at("2036-11-25T10:00:00Z"), MISSED_MAX)
        );
    }
}

#[test]
fn a_clock_that_was_years_ahead_does_not_stop_the_schedule() {
    let now = at("2026-11-25T10:00:00Z");
    assert_eq!(Timing::believed(at("2036-11-25T10:00:00Z"), now), now);
    let hour_ahead = at("2026-11-25T11:00:00Z");
    assert_eq!(Timing::believed(hour_ahead, now), hour_ahead);
    // An hour back: nothing runs a second time.
    check_due("5m", "2026-11-25T11:00:00Z", "2026-11-25T10:00:00Z", None);
}

#[test]
fn timings_are_read_and_written() {
    for (text, again) in [
        ("90s", "90s"),
        ("5m", "5m"),
        ("every 3h", "3h"),
        ("120m", "2h"),
        ("1d", "1d"),
        ("off", "off"),
        ("30 3 * * *", "30 3 * * *"),
    ] {
        assert_eq!(timing(text, "UTC").to_string(), again);
    }
    for text in [
        "",
        "5",
        "0m",
        "8d",
        "soon",
        "* * * *",
        "61 * * * *",
        "0 0 * * * *",
        "0 0 30 2 *",
    ] {
        assert!(Timing::parse(text, Tz::UTC).is_err(), "{text}");
    }
}
