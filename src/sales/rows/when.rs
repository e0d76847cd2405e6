//! The time of a row: its instant, or the day that is all that is known.

use std::borrow::Cow;

use super::{DAY_S, HOUR_BYTES, Reading, Stop};
use crate::sales::cells;
use crate::sales::error::SalesError;
use crate::sales::facts::{self, Direction};
use crate::sales::harvest::Sink;
use crate::sales::moment::{self, Moment, NoMoment, Resolution};
use crate::sales::profile::DayOrder;
use crate::sales::records::Rows;
use crate::sales::zone::{Wall, Zone};

/// A time, understood.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) utc_s: i64,
    pub(super) hour: i32,
    /// Seconds of the wall clock at which the day begins, if only that is known.
    pub(super) day_s: Option<i64>,
    pub(super) day_hours: u8,
    pub(super) resolution: Resolution,
    pub(super) note: &'static str,
}

impl<S: Sink> Reading<'_, S> {
    #[inline]
    pub(super) fn when(&mut self, rows: &impl Rows) -> Result<Result<When, NoMoment>, Stop> {
        let columns = &self.shape.columns;
        let Some(column) = columns.time else {
            return self.day_total();
        };
        let mut cell = rows.cell(column);
        let first_row;
        if cell.is_empty() && self.orders_matter {
            first_row = self
                .filled(rows, column, facts::order_name(columns, rows))
                .to_vec();
            cell = &first_row;
        }
        let alone = columns.clock.is_none() && columns.zone.is_none();
        if alone && let Some(when) = self.same_hour(cell) {
            return Ok(Ok(when));
        }
        if alone
            && self.last_time.0 == cell
            && let Some(when) = self.last_time.1
        {
            return Ok(Ok(when));
        }
        let moment = match moment::iso(cell) {
            Some(moment) if columns.clock.is_none() => Ok(moment),
            _ => self.written(rows, column, cell)?,
        };
        let moment = match moment {
            Ok(moment) => moment,
            Err(why) => return Ok(Err(why)),
        };
        let when = self.instant(moment, columns.zone.map(|column| rows.cell(column)))?;
        if let (true, Some(0), Some(hour)) = (alone, moment.offset_s, cell.first_chunk()) {
            self.last_hour = (*hour, when.utc_s.div_euclid(3_600) * 3_600);
        }
        if alone && when.note.is_empty() {
            self.last_time.0.clear();
            self.last_time.0.extend_from_slice(cell);
            self.last_time.1 = Some(when);
        }
        Ok(Ok(when))
    }

    /// A time such as `2026-11-01T05:30:00Z` in the hour of the last one: most rows of an export.
    #[inline]
    pub(super) fn same_hour(&mut self, cell: &[u8]) -> Option<When> {
        let (hour, rest) = cell.split_first_chunk::<HOUR_BYTES>()?;
        let &[m1, m2, b':', s1, s2, b'Z'] = rest else {
            return None;
        };
        if *hour != self.last_hour.0 || self.shape.profile.time.posted {
            return None;
        }
        let digit = |byte: u8| Some(i64::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10);
        let (minute, second) = (digit(m1)? * 10 + digit(m2)?, digit(s1)? * 10 + digit(s2)?);
        if minute > 59 || second > 59 {
            return None;
        }
        let utc_s = self.last_hour.1 + minute * 60 + second;
        self.last_s = Some(utc_s);
        Some(When {
            utc_s,
            hour: hour_of(self.last_hour.1),
            day_s: None,
            day_hours: 0,
            resolution: Resolution::Second,
            note: "",
        })
    }

    /// A time in any form.
    pub(super) fn written(
        &self,
        rows: &impl Rows,
        column: usize,
        cell: &[u8],
    ) -> Result<Result<Moment, NoMoment>, Stop> {
        let cell = String::from_utf8_lossy(cell);
        let date = cells::trimmed(&cell);
        if rows.is_number(column)
            && let Some(moment) = date.parse().ok().and_then(moment::from_serial)
        {
            return Ok(Ok(moment));
        }
        let text = joined(
            date,
            self.shape.columns.clock.map(|column| rows.cell(column)),
        );
        let order = self
            .facts
            .and_then(|facts| facts.order(self.shape, self.terms));
        let by_clock = || {
            let upper = text.to_ascii_uppercase();
            if upper.ends_with("AM") || upper.ends_with("PM") {
                DayOrder::MonthFirst
            } else {
                DayOrder::DayFirst
            }
        };
        match moment::any(&text, order) {
            Err(NoMoment::Order) if self.facts.is_none() => Err(Stop::NeedFacts),
            Err(NoMoment::Order) if self.shape.profile.time.by_clock => {
                Ok(moment::any(&text, Some(by_clock())))
            }
            Err(NoMoment::Order) => {
                let disagree = self.facts.is_some_and(|facts| facts.dates_disagree);
                let says = if disagree {
                    "some of its dates have the day first and some the month"
                } else {
                    "its dates can be read with the day or the month first"
                };
                Err(self.ask(says, "say --dates day-first or --dates month-first"))
            }
            other => Ok(other),
        }
    }

    /// The instant or the day of a written time.
    #[inline]
    pub(super) fn instant(
        &mut self,
        moment: Moment,
        zone_cell: Option<&[u8]>,
    ) -> Result<When, Stop> {
        let posted = self.shape.profile.time.posted;
        if moment.resolution == Resolution::Day {
            let resolution = if posted {
                Resolution::Posted
            } else {
                Resolution::Day
            };
            return Ok(self.day(moment.wall_s, zone_cell, resolution));
        }
        let (utc_s, note) = match moment.offset_s {
            Some(offset_s) => (moment.wall_s - i64::from(offset_s), ""),
            None => self.local(moment.wall_s, zone_cell)?,
        };
        self.last_s = Some(utc_s);
        if posted {
            let wall_s = self
                .zones
                .of(zone_cell)
                .map_or(utc_s, |zone| zone.wall(utc_s));
            let day = self.day(
                wall_s.div_euclid(DAY_S) * DAY_S,
                zone_cell,
                Resolution::Posted,
            );
            return Ok(When {
                utc_s,
                day_s: None,
                ..day
            });
        }
        Ok(When {
            utc_s,
            hour: hour_of(utc_s),
            day_s: None,
            day_hours: 0,
            resolution: moment.resolution,
            note,
        })
    }

    pub(super) fn local(
        &mut self,
        wall_s: i64,
        zone_cell: Option<&[u8]>,
    ) -> Result<(i64, &'static str), Stop> {
        let Some(zone) = self.zones.of(zone_cell) else {
            let hint = "say the shop's zone, such as --tz Europe/London";
            return Err(Stop::Failed(SalesError::file(
                self.path,
                "its times have no zone",
                hint,
            )));
        };
        let wall = zone.utc(wall_s);
        let direction = match (wall, self.facts) {
            (Wall::Twice(..), None) => return Err(Stop::NeedFacts),
            (_, Some(facts)) => facts.direction,
            (_, None) => Direction::Mixed,
        };
        let (utc_s, twice) = facts::chosen(wall, self.last_s, direction);
        let note = if twice {
            self.harvest.tally.odd.ambiguous += 1;
            "ambiguous_local_time"
        } else if matches!(wall, Wall::Never(_)) {
            self.harvest.tally.odd.missing += 1;
            "nonexistent_local_time"
        } else {
            ""
        };
        Ok((utc_s, note))
    }

    /// A local day. Without a zone it is taken as a day in UTC.
    pub(super) fn day(
        &mut self,
        wall_s: i64,
        zone_cell: Option<&[u8]>,
        resolution: Resolution,
    ) -> When {
        let begin = |zone: Option<&mut Zone>, wall_s: i64| match zone.map(|zone| zone.utc(wall_s)) {
            None => wall_s,
            Some(Wall::Once(at) | Wall::Twice(at, _) | Wall::Never(at)) => at,
        };
        let utc_s = begin(self.zones.of(zone_cell), wall_s);
        let next_s = begin(self.zones.of(zone_cell), wall_s + DAY_S);
        When {
            utc_s,
            hour: hour_of(utc_s),
            day_s: Some(wall_s),
            day_hours: u8::try_from((next_s - utc_s) / 3_600).unwrap_or(24),
            resolution,
            note: "",
        }
    }

    pub(super) fn day_total(&mut self) -> Result<Result<When, NoMoment>, Stop> {
        match self.terms.day_s {
            Some(day_s) => Ok(Ok(self.day(day_s, None, Resolution::Day))),
            None => Err(Stop::Failed(SalesError::file(
                self.path,
                format!("a {} does not say its day", self.shape.profile.about),
                "say it, such as --date 2026-11-25",
            ))),
        }
    }

    pub(super) fn no_time(&self, rows: &impl Rows) -> String {
        let column = self.shape.columns.time.unwrap_or_default();
        let text = String::from_utf8_lossy(rows.cell(column)).into_owned();
        if cells::trimmed(&text).is_empty() {
            "the time is empty".to_owned()
        } else {
            format!("{:?} is no time", short(&text))
        }
    }
}

/// Date and clock as one text.
pub(in crate::sales) fn joined<'t>(date: &'t str, clock: Option<&[u8]>) -> Cow<'t, str> {
    let clock = clock.map(String::from_utf8_lossy);
    match clock.as_deref().map(cells::trimmed) {
        None | Some("") => Cow::Borrowed(date),
        Some(clock) => Cow::Owned(format!("{} {clock}", cells::trimmed(date))),
    }
}

pub(super) fn hour_of(utc_s: i64) -> i32 {
    i32::try_from(utc_s.div_euclid(3_600)).unwrap_or(i32::MAX)
}

pub(super) fn shown(when: When) -> String {
    let format = if when.day_s.is_some() {
        "%Y-%m-%d"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    let seconds = when.day_s.unwrap_or(when.utc_s);
    chrono::DateTime::from_timestamp(seconds, 0)
        .map_or_else(String::new, |at| at.format(format).to_string())
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
