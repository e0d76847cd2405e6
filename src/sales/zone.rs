//! Wall clocks to instants. Once a year an hour happens twice and another one not at all (rule R78).

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// What a wall clock means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wall {
    /// One instant, in seconds.
    Once(i64),
    /// It happened twice.
    Twice(i64, i64),
    /// It did not happen: the clock went over it. This is the same time after the jump.
    Never(i64),
}

/// A zone, with what it said last: rows that follow one another are mostly within one hour.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    tz: Tz,
    /// An hour of the wall clock that has one offset all through, and that offset in seconds.
    hour: Option<(i64, i64)>,
}

impl Zone {
    pub(super) const fn new(tz: Tz) -> Self {
        Self { tz, hour: None }
    }

    pub(super) const fn tz(&self) -> Tz {
        self.tz
    }

    /// What seconds of the wall clock mean.
    pub(super) fn utc(&mut self, wall_s: i64) -> Wall {
        let hour = wall_s.div_euclid(3_600);
        if let Some((known, offset_s)) = self.hour
            && known == hour
        {
            return Wall::Once(wall_s - offset_s);
        }
        let found = self.looked_up(wall_s);
        if let Wall::Once(utc_s) = found {
            let offset_s = wall_s - utc_s;
            let same = |wall: i64| self.looked_up(wall) == Wall::Once(wall - offset_s);
            if same(hour * 3_600) && same(hour * 3_600 + 3_599) {
                self.hour = Some((hour, offset_s));
            }
        }
        found
    }

    fn looked_up(&self, wall_s: i64) -> Wall {
        let Some(wall) = naive(wall_s) else {
            return Wall::Once(wall_s);
        };
        match self.tz.from_local_datetime(&wall) {
            chrono::LocalResult::Single(at) => Wall::Once(at.timestamp()),
            chrono::LocalResult::Ambiguous(a, b) => {
                let (a, b) = (a.timestamp(), b.timestamp());
                Wall::Twice(a.min(b), a.max(b))
            }
            chrono::LocalResult::None => Wall::Never(wall_s - self.offset_before(wall_s)),
        }
    }

    /// The offset that held before the clock was moved.
    fn offset_before(&self, wall_s: i64) -> i64 {
        (1..=24)
            .find_map(|hours| {
                let earlier = naive(wall_s - hours * 3_600)?;
                let at = self.tz.from_local_datetime(&earlier).earliest()?;
                Some(i64::from(at.offset().fix().local_minus_utc()))
            })
            .unwrap_or(0)
    }

    /// The wall clock of an instant.
    pub(super) fn wall(&self, utc_s: i64) -> i64 {
        naive(utc_s).map_or(utc_s, |utc| {
            let offset = self.tz.offset_from_utc_datetime(&utc).fix();
            utc_s + i64::from(offset.local_minus_utc())
        })
    }
}

fn naive(seconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds, 0).map(|at| at.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
            .unwrap()
            .and_utc()
            .timestamp()
    }

    #[test]
    fn an_hour_happens_twice_in_autumn_and_never_in_spring() {
        let mut zone = Zone::new(chrono_tz::Europe::Berlin);
        for (wall, expected) in [
            ("2018-10-28 01:30:00", Wall::Once(at("2018-10-27 23:30:00"))),
            (
                "2018-10-28 02:30:00",
                Wall::Twice(at("2018-10-28 00:30:00"), at("2018-10-28 01:30:00")),
            ),
            ("2018-10-28 03:00:00", Wall::Once(at("2018-10-28 02:00:00"))),
            ("2019-03-31 01:59:59", Wall::Once(at("2019-03-31 00:59:59"))),
            (
                "2019-03-31 02:30:00",
                Wall::Never(at("2019-03-31 01:30:00")),
            ),
            ("2019-03-31 03:00:00", Wall::Once(at("2019-03-31 01:00:00"))),
        ] {
            assert_eq!(zone.utc(at(wall)), expected, "{wall}");
            assert_eq!(zone.utc(at(wall)), expected, "{wall}, asked again");
        }
    }

    #[test]
    fn zones_that_move_by_half_an_hour_are_right() {
        let mut zone = Zone::new(chrono_tz::Australia::Lord_Howe);
        // The clock goes back by 30 minutes at 02:00.
        assert!(matches!(zone.utc(at("2026-04-05 01:10:00")), Wall::Once(_)));
        assert!(matches!(
            zone.utc(at("2026-04-05 01:40:00")),
            Wall::Twice(_, _)
        ));
        let utc = at("2026-07-01 12:00:00");
        assert_eq!(zone.utc(zone.wall(utc)), Wall::Once(utc));
    }
}
