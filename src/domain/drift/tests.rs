//! Tables of what a difference is, of what is done about it, and of the rate.

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// A listing that should show 5 and was believed to; both looks see 10, long after everything.
fn seen() -> Compared {
    Compared {
        desired: 5,
        shown: Shown::Known {
            quantity: 5,
            as_of: at(1_000),
        },
        previous: Some(7),
        verified_at: None,
        dirty: false,
        moved_at: Some(at(500)),
        order_found: None,
        unbuffered: 5,
        promised: 0,
        first: Look::Shows(10),
        second: Look::Shows(10),
        looked_at: at(1_000_000),
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Compared), expected: Option<Class>) {
    let mut seen = seen();
    change(&mut seen);
    assert_eq!(classify(&seen, 60_000), expected, "{seen:?}");
}

#[test]
fn what_shows_what_it_should_is_no_difference() {
    check(|s| s.second = Look::Shows(5), None);
    check(|s| (s.desired, s.second) = (0, Look::Shows(-3)), None);
    check(
        |s| (s.first, s.second) = (Look::Absent, Look::Shows(5)),
        None,
    );
}

#[test]
fn what_moves_or_changed_a_moment_ago_is_in_flight() {
    check(|s| s.first = Look::Shows(9), Some(Class::InFlight));
    check(|s| s.first = Look::NotCounted, Some(Class::InFlight));
    check(|s| s.moved_at = Some(at(950_000)), Some(Class::InFlight));
    check(
        |s| {
            s.shown = Shown::Known {
                quantity: 5,
                as_of: at(990_000),
            }
        },
        Some(Class::InFlight),
    );
    check(|s| s.order_found = Some(at(999_000)), Some(Class::InFlight));
    check(|s| s.moved_at = Some(at(940_000)), Some(Class::Edited));
}

#[test]
fn a_sale_that_nobody_told_of_is_a_sale() {
    check(
        |s| (s.order_found, s.moved_at, s.dirty) = (Some(at(2_000)), Some(at(999_999)), true),
        Some(Class::SaleFound),
    );
}

#[test]
fn what_was_sent_and_never_seen_was_not_applied() {
    check(|s| s.previous = Some(10), Some(Class::NotApplied));
    check(|s| s.dirty = true, Some(Class::NotApplied));
    check(
        |s| {
            s.shown = Shown::Known {
                quantity: 10,
                as_of: at(1_000),
            }
        },
        Some(Class::NotApplied),
    );
}

#[test]
fn what_was_seen_after_it_was_sent_was_edited_since() {
    check(
        |s| (s.previous, s.verified_at) = (Some(10), Some(at(2_000))),
        Some(Class::Edited),
    );
    check(|_| (), Some(Class::Edited));
    check(
        |s| (s.unbuffered, s.verified_at) = (10, Some(at(2_000))),
        Some(Class::Edited),
    );
}

#[test]
fn a_number_that_is_off_by_the_settings_is_named_so() {
    check(|s| s.unbuffered = 10, Some(Class::Buffer));
    check(|s| s.promised = 5, Some(Class::GrossNet));
    check(
        |s| (s.promised, s.first, s.second) = (2, Look::Shows(3), Look::Shows(3)),
        Some(Class::GrossNet),
    );
}

#[test]
fn absent_is_not_zero_and_unknown_is_unknown() {
    check(|s| s.second = Look::Absent, Some(Class::NotListed));
    check(
        |s| (s.desired, s.second) = (0, Look::Absent),
        Some(Class::NotListed),
    );
    check(|s| s.second = Look::NotCounted, Some(Class::NotListed));
    for dirty in [true, false] {
        check(
            |s| {
                s.dirty = dirty;
                s.shown = Shown::Unknown {
                    last: Some(5),
                    as_of: at(1_000),
                };
            },
            Some(Class::Unknown),
        );
    }
}

#[test]
fn each_class_has_its_repair() {
    use Class::{Buffer, Edited, GrossNet, InFlight, NotApplied, NotListed, SaleFound, Unknown};
    for (class, desired, shows, edits, expected) in [
        (SaleFound, 3, Some(5), Edits::Report, Repair::Push),
        (NotApplied, 3, Some(5), Edits::Report, Repair::Push),
        (Unknown, 3, Some(5), Edits::Report, Repair::Push),
        (Edited, 5, Some(10), Edits::PushBack, Repair::Push),
        (Edited, 5, Some(10), Edits::Adjust, Repair::Adjust(5)),
        (Edited, 5, Some(2), Edits::Adjust, Repair::Adjust(-3)),
        (Edited, 5, Some(10), Edits::Report, Repair::Tell),
        (Buffer, 5, Some(10), Edits::PushBack, Repair::Push),
        (GrossNet, 5, Some(3), Edits::PushBack, Repair::Tell),
        (InFlight, 5, Some(10), Edits::PushBack, Repair::Tell),
        (NotListed, 5, None, Edits::PushBack, Repair::Tell),
    ] {
        assert_eq!(repair(class, desired, shows, edits), expected, "{class:?}");
    }
}

#[test]
fn the_rate_leaves_out_what_is_in_flight() {
    let mut tally = Tally::default();
    for class in [
        None,
        None,
        Some(Class::Edited),
        Some(Class::InFlight),
        Some(Class::NotListed),
        Some(Class::NotApplied),
    ] {
        tally.count(class);
    }
    assert_eq!((tally.compared, tally.drifted()), (4, 2));
    assert_eq!(tally.rate().to_string(), "50%");
    assert_eq!(Tally::default().rate(), Share::default());
    let mut twice = tally.clone();
    twice.add(&tally);
    assert_eq!((twice.compared, twice.of(Class::InFlight)), (8, 2));
}

#[test]
fn shares_are_read_and_written() {
    for (text, millionths, again) in [
        ("1%", 10_000, "1%"),
        ("0.1%", 1_000, "0.1%"),
        ("0.0001 %", 1, "0.0001%"),
        ("100%", 1_000_000, "100%"),
        ("0%", 0, "0%"),
    ] {
        let share: Share = text.parse().unwrap();
        assert_eq!(
            (share.millionths(), share.to_string().as_str()),
            (millionths, again)
        );
    }
    for text in ["1", "", "%", "-1%", "101%", "1,5%", "0.00001%", "1e2%"] {
        assert!(text.parse::<Share>().is_err(), "{text}");
    }
    assert_eq!(
        Share::of(1, 3_000_000),
        Share::from_millionths(1),
        "never nothing"
    );
}

#[test]
fn the_lines_of_the_trade() {
    let lines = |part, whole| {
        Health::of(
            Share::of(part, whole),
            Share::from_millionths(1_000),
            Share::from_millionths(10_000),
        )
    };
    assert_eq!(lines(0, 10), Health::Healthy);
    assert_eq!(lines(1, 2_000), Health::Healthy);
    assert_eq!(lines(1, 1_000), Health::Watch);
    assert_eq!(lines(1, 100), Health::Watch);
    assert_eq!(lines(2, 100), Health::Alarm);
}
