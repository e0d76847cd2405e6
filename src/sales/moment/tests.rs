use super::*;

fn shown(moment: Moment) -> String {
    let at = chrono::DateTime::from_timestamp(moment.wall_s, 0).unwrap();
    let offset = moment
        .offset_s
        .map_or_else(String::new, |s| format!(" {s:+}"));
    format!(
        "{}{offset} {}",
        at.format("%Y-%m-%d %H:%M:%S"),
        moment.resolution.word()
    )
}

#[test]
fn every_form_that_was_seen_is_read() {
    use DayOrder::{DayFirst, MonthFirst};
    for (text, order, expected) in [
        (
            "2026-11-01T05:30:00+00:00",
            None,
            "2026-11-01 05:30:00 +0 second",
        ),
        (
            "2026-11-01T00:05:00+09:00",
            None,
            "2026-11-01 00:05:00 +32400 second",
        ),
        (
            "2025-12-06 10:37:33 -0500",
            None,
            "2025-12-06 10:37:33 -18000 second",
        ),
        ("2010-12-01 08:26", None, "2010-12-01 08:26:00 minute"),
        ("2026-11-01", None, "2026-11-01 00:00:00 day"),
        ("20261101", None, "2026-11-01 00:00:00 day"),
        ("Sep-07-26", None, "2026-09-07 00:00:00 day"),
        ("01-Sep-26", None, "2026-09-01 00:00:00 day"),
        ("Sep-30-26 23:45:00", None, "2026-09-30 23:45:00 second"),
        (
            "12/15/2025 9:30:33 AM",
            Some(MonthFirst),
            "2025-12-15 09:30:33 second",
        ),
        (
            "11/01/2026 12:05:00 AM",
            Some(MonthFirst),
            "2026-11-01 00:05:00 second",
        ),
        (
            "11/01/2026 12:05 PM",
            Some(MonthFirst),
            "2026-11-01 12:05:00 minute",
        ),
        (
            "05/11/2026 08:15:30",
            Some(DayFirst),
            "2026-11-05 08:15:30 second",
        ),
        ("25.10.2026 02:30", None, "2026-10-25 02:30:00 minute"),
        (
            "01.09.2026 10:22:11 UTC",
            None,
            "2026-09-01 10:22:11 +0 second",
        ),
        (
            "Jun 8, 2025 10:23:05 PM PDT",
            None,
            "2025-06-08 22:23:05 -25200 second",
        ),
        ("1. März 2026", None, "2026-03-01 00:00:00 day"),
        (
            "05-Sep-2026 14:22:10 IST",
            None,
            "2026-09-05 14:22:10 +19800 second",
        ),
        ("2026/11/01 05:30", None, "2026-11-01 05:30:00 minute"),
        ("2026年11月1日 5:30", None, "2026-11-01 05:30:00 minute"),
    ] {
        let found = any(text, order).map(shown);
        assert_eq!(found.as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "2026-11-01T25:00:00Z",
        "12",
        "13:30",
        "1/2",
        "2026-11-01 10:00 Mars",
        "11/01/2026 13:00 PM",
        "2026-11-01T05:30:00Zx",
        "99/99/2026",
        "é:é",
    ] {
        assert_eq!(
            any(text, Some(DayOrder::DayFirst)),
            Err(NoMoment::Not),
            "{text}"
        );
    }
    assert_eq!(any("05/11/2026", None), Err(NoMoment::Order));
}

#[test]
fn a_number_above_twelve_tells_the_order() {
    assert_eq!(numbers("13/11/2026"), Some(((13, 11), false)));
    assert_eq!(numbers("10/31/2026 7:03:11 PM"), Some(((10, 31), true)));
    assert_eq!(numbers("2026-11-01"), None);
    assert_eq!(numbers("25.10.2026"), None, "dots have the day first");
}

#[test]
fn days_of_a_workbook_are_days() {
    assert_eq!(
        shown(from_serial(46_327.0).unwrap()),
        "2026-11-01 00:00:00 day"
    );
    assert_eq!(
        shown(from_serial(46_327.5).unwrap()),
        "2026-11-01 12:00:00 second"
    );
    assert_eq!(from_serial(3.0), None);
}
