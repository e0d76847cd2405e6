//! What becomes of an item: it counts, is ignored by a rule, or is refused.

use std::borrow::Cow;

use super::when::{When, shown};
use super::{REPLACED, Reading, Said};
use crate::sales::cells::{MILLI, NoQuantity};
use crate::sales::columns::{Asked, BoundRule};
use crate::sales::facts;
use crate::sales::goods::{Goods, Place};
use crate::sales::harvest::{FileTally, NO_HOUR, Rejected, Sale, Sink};
use crate::sales::lines::Line;
use crate::sales::moment::Resolution;
use crate::sales::records::Rows;
use crate::sales::shape::Shape;

impl<'a, S: Sink> Reading<'a, S> {
    /// The row passed all rules: it counts unless a cell of it cannot.
    pub(super) fn count(
        &mut self,
        rows: &impl Rows,
        mut said: Said<'_>,
        sku: &[u8],
        order_name: Option<u64>,
    ) {
        if self.is_kit(sku, order_name) {
            return self.ignore(rows, &said, "kit_parent");
        }
        if let Place::Other(place) = said.sku {
            match self.shelf.other(place) {
                Goods::Empty if matches!(said.milli, Err(NoQuantity::Empty)) => {
                    return self.ignore(rows, &said, "no_item");
                }
                Goods::Empty => return self.ignore(rows, &said, "empty_sku"),
                Goods::Damaged { says, .. } => {
                    let says = says.clone();
                    return self.refuse(rows, &said, says);
                }
                Goods::One(_) | Goods::Bundle { .. } => {}
            }
        }
        let milli = match said.milli {
            Ok(milli) if milli < 0 => return self.ignore(rows, &said, "return"),
            Ok(0) => return self.ignore(rows, &said, "zero_quantity"),
            Ok(milli) => milli,
            Err(why) => return self.refuse(rows, &said, no_quantity(why).to_owned()),
        };
        let Ok(when) = said.when else {
            return self.refuse(rows, &said, self.no_time(rows));
        };
        if when.utc_s > self.terms.latest_s {
            return self.refuse(rows, &said, "the time is in the future".to_owned());
        }
        if self.replaced && memchr::memmem::find(said.order, REPLACED).is_some() {
            return self.refuse(
                rows,
                &said,
                "the order holds bytes that the file's encoding does not know".to_owned(),
            );
        }
        if !self.beside.is_alone() {
            let channel = self.harvest.channels.word(said.channel.0);
            if self.beside.holds(channel, when.utc_s) {
                return self.ignore(rows, &said, "in_other_export");
            }
        }
        if self.is_repeated(rows) {
            return self.ignore(rows, &said, "duplicate");
        }
        let numeric = self
            .shape
            .columns
            .sku
            .is_some_and(|column| rows.is_number(column));
        self.harvest.tally.odd.numeric_skus += u64::from(numeric);
        if said.note.is_empty() && numeric {
            said.note = Cow::Borrowed("sku_numeric_cell_leading_zeros_lost?");
        }
        if said.note.is_empty() {
            said.note = Cow::Borrowed(when.note);
        }
        if self.terms.end_s.is_some_and(|end_s| when.utc_s >= end_s) {
            return self.ignore(rows, &said, "outside_window");
        }
        self.sell(rows, &said, when, milli, order_name);
    }

    #[inline]
    pub(super) fn sell(
        &mut self,
        rows: &impl Rows,
        said: &Said<'_>,
        when: When,
        milli: i64,
        order_name: Option<u64>,
    ) {
        let tally = &mut self.harvest.tally;
        tally.counted += 1;
        tally.odd.fractions += u64::from(milli % MILLI != 0);
        see_time(tally, when);
        self.beside.see(said.channel.0, when.utc_s);
        self.days.note(when.hour.div_euclid(24));
        if self.terms.lines {
            self.line(rows, said, true, &said.note.clone());
        }
        let order = if S::ORDERS {
            self.order_key(rows, said, order_name)
        } else {
            0
        };
        let line = match self
            .shape
            .columns
            .line
            .filter(|_| S::ORDERS)
            .map(|column| rows.cell(column).trim_ascii())
        {
            Some(cell) if !cell.is_empty() && cell != b"0" => short_hash(cell),
            _ => 0,
        };
        let mut sale = Sale {
            order,
            line,
            sku: 0,
            channel: said.channel.0,
            hour: when.hour,
            second: if S::SECONDS {
                u16::try_from(when.utc_s.rem_euclid(3_600)).unwrap_or(0)
            } else {
                0
            },
            milli: u32::try_from(milli).unwrap_or(u32::MAX),
            day_hours: when.day_hours,
            further: false,
        };
        match said.sku {
            Place::One(sku) => {
                sale.sku = sku;
                self.harvest.sink.sale(sale);
            }
            Place::Other(place) => {
                let Goods::Bundle { parts, .. } = self.shelf.other(place) else {
                    return;
                };
                for (sku, units) in parts {
                    sale.sku = *sku;
                    sale.milli = u32::try_from(milli * i64::from(*units)).unwrap_or(u32::MAX);
                    self.harvest.sink.sale(sale);
                    sale.further = true;
                }
            }
        }
    }

    /// What tells this order from all others.
    pub(super) fn order_key(
        &self,
        rows: &impl Rows,
        said: &Said<'_>,
        order_name: Option<u64>,
    ) -> u64 {
        let Some(name) = order_name else {
            // Without a name each row is an order of its own.
            let place = [rows.line().to_le_bytes(), self.begin.to_le_bytes()];
            return facts::hash(place.as_flattened()) ^ facts::hash(self.path.as_bytes());
        };
        let key = self
            .shape
            .columns
            .key
            .map(|column| self.filled(rows, column, order_name));
        let name = match key {
            Some(key) if !key.is_empty() => facts::hash(key),
            _ => name,
        };
        name ^ said.channel.1
    }

    /// The first rule that holds.
    #[inline]
    pub(super) fn rule(
        &self,
        rows: &impl Rows,
        said: &Said<'_>,
        order: Option<u64>,
    ) -> Option<&'a BoundRule> {
        let shape: &'a Shape = self.shape;
        shape.columns.rules.iter().find(|rule| {
            rule.when.iter().all(|condition| match condition.asked {
                Asked::Column(column) => condition.of(self.filled(rows, column, order)),
                Asked::Order => condition.of(said.order),
                Asked::Sku
                    if matches!(said.sku, Place::One(_)) && condition.only_filled.is_some() =>
                {
                    condition.only_filled == Some(true)
                }
                Asked::Sku => condition.of(self.sku_text(said.sku).as_bytes()),
                #[expect(clippy::cast_precision_loss, reason = "compared with small bounds")]
                Asked::Quantity => said
                    .milli
                    .is_ok_and(|milli| condition.bounds(milli as f64 / 1_000.0)),
            })
        })
    }

    pub(super) fn sku_text(&self, place: Place) -> &str {
        let other = match place {
            Place::One(name) => return self.harvest.skus.word(name),
            Place::Other(place) => self.shelf.other(place),
        };
        match other {
            Goods::Empty => "",
            Goods::One(name) | Goods::Bundle { name, .. } => self.harvest.skus.word(*name),
            Goods::Damaged { text, .. } => text,
        }
    }

    pub(super) fn is_kit(&self, sku: &[u8], order: Option<u64>) -> bool {
        self.facts.is_some_and(|facts| {
            !facts.parents.is_empty()
                && facts
                    .parents
                    .contains(&facts::parent_key(order.unwrap_or(0), sku))
        })
    }

    /// Whether a row repeats one of this file in every column that makes a line what it is.
    pub(super) fn is_repeated(&mut self, rows: &impl Rows) -> bool {
        let once = &self.shape.columns.once;
        if once.is_empty() {
            return false;
        }
        let key = once
            .iter()
            .enumerate()
            .fold(0, |key: u64, (place, &column)| {
                let place = u32::try_from(place).unwrap_or(0);
                key ^ facts::hash(rows.cell(column).trim_ascii()).rotate_left(place * 7)
            });
        !self.once.insert(key)
    }

    pub(super) fn ignore(&mut self, rows: &impl Rows, said: &Said<'_>, reason: &str) {
        let number = self.harvest.reasons.number(reason);
        let hour = said.when.map_or(NO_HOUR, |when| when.hour);
        if let Ok(when) = said.when {
            see_time(&mut self.harvest.tally, when);
        }
        let sum = self.harvest.ignored.entry((number, hour)).or_default();
        sum.0 += 1;
        sum.1 += said.milli.unwrap_or(0);
        if self.terms.lines {
            self.line(rows, said, false, reason);
        }
    }

    pub(super) fn refuse(&mut self, rows: &impl Rows, said: &Said<'_>, reason: String) {
        if self.terms.lines {
            self.line(rows, said, false, &reason);
        }
        self.reject(rows.line(), reason);
    }

    pub(super) fn reject(&mut self, line: u64, reason: impl Into<String>) {
        self.harvest.tally.rejected += 1;
        self.harvest.rejected.push(Rejected {
            file: self.file,
            line,
            reason: reason.into(),
        });
    }

    pub(super) fn line(&mut self, rows: &impl Rows, said: &Said<'_>, counted: bool, reason: &str) {
        let channel_cell = self
            .shape
            .columns
            .channel
            .map(|column| rows.cell(column).trim_ascii());
        // A row that does not count is not given a channel that it does not name.
        let nowhere = !counted && channel_cell.is_some_and(<[u8]>::is_empty);
        let channel = if nowhere {
            ""
        } else {
            self.harvest.channels.word(said.channel.0)
        };
        let line = Line {
            file: self.file,
            stands_at: rows.line(),
            order: String::from_utf8_lossy(said.order).into_owned(),
            sku: self.sku_text(said.sku).to_owned(),
            milli: said.milli.ok(),
            at: said.when.ok().map(shown),
            hour: said.when.map_or(NO_HOUR, |when| when.hour),
            resolution: said.when.map_or(Resolution::None, |when| when.resolution),
            channel: channel.to_owned(),
            counted,
            reason: reason.to_owned(),
            sale: counted.then(|| self.harvest.sink.len()),
        };
        self.harvest.lines.push(line);
    }
}

fn see_time(tally: &mut FileTally, when: When) {
    // A day may have sold until its end.
    let last_s = if when.day_s.is_some() {
        when.utc_s + i64::from(when.day_hours) * 3_600 - 1
    } else {
        when.utc_s
    };
    tally.first_s = Some(
        tally
            .first_s
            .map_or(when.utc_s, |first| first.min(when.utc_s)),
    );
    tally.last_s = Some(tally.last_s.map_or(last_s, |last| last.max(last_s)));
    if !tally.resolutions.contains(&when.resolution) {
        tally.resolutions.push(when.resolution);
    }
}

/// A hash that is never 0.
fn short_hash(cell: &[u8]) -> u32 {
    let [_, _, _, _, a, b, c, d] = facts::hash(cell).to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) | 1
}

const fn no_quantity(why: NoQuantity) -> &'static str {
    match why {
        NoQuantity::Empty => "the quantity is empty",
        NoQuantity::TooMany => "the quantity is larger than four million: that is another column",
        NoQuantity::Sign | NoQuantity::Not => "the quantity is no number",
    }
}
