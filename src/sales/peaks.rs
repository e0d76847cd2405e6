//! The largest clock hours, without holding rows.

use super::harvest::{NO_HOUR, Sale, Sink};

/// Sales that wait to be added together.
const PENDING: usize = 64;

/// The units of each SKU and clock hour, without holding rows: exports are nearly in the order of time, so that a SKU's
/// current hour is summed in place and leaves a number when the next one begins.
#[derive(Debug, Default)]
pub(super) struct Peaks {
    now: Vec<Running>,
    /// Finished hours, each with its SKU.
    finished: Vec<(u64, Sum)>,
    /// Time went back for some SKU, so that an hour may be there twice.
    unsorted: bool,
    /// Sales on their way to `now`: added together, they wait for the memory once.
    pending: Vec<(u32, Running)>,
}

/// What was sold in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    /// Thousandths.
    pub(super) milli: u32,
    /// Rows of exports.
    pub(super) rows: u32,
}

/// The hour that a SKU is in.
#[derive(Debug, Clone, Copy)]
struct Running {
    hour: i32,
    sum: Sum,
}

/// SKU and hour in one number that sorts by SKU, then hour.
const fn hour_key(sku: u32, hour: i32) -> u64 {
    ((sku as u64) << 32) | (hour.cast_unsigned() ^ 0x8000_0000) as u64
}

/// The SKU and hour of a key.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each half of the key is taken"
)]
pub(super) const fn key_parts(key: u64) -> (u32, i32) {
    (
        (key >> 32) as u32,
        ((key as u32) ^ 0x8000_0000).cast_signed(),
    )
}

impl Peaks {
    fn settle(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        for &(sku, sold) in &pending {
            self.add(sku, sold);
        }
        pending.clear();
        self.pending = pending;
    }

    #[inline]
    fn add(&mut self, sku: u32, sold: Running) {
        let idx = sku as usize;
        if idx >= self.now.len() {
            let none = Sum { milli: 0, rows: 0 };
            let fresh = Running {
                hour: NO_HOUR,
                sum: none,
            };
            self.now.resize(idx + 1, fresh);
        }
        let Some(now) = self.now.get_mut(idx) else {
            return;
        };
        if now.hour == sold.hour
            && let Some(milli) = now.sum.milli.checked_add(sold.sum.milli)
            && let Some(rows) = now.sum.rows.checked_add(sold.sum.rows)
        {
            now.sum = Sum { milli, rows };
            return;
        }
        if now.hour != NO_HOUR {
            // An hour again: one that is past, or so large that it takes two numbers.
            self.unsorted |= sold.hour <= now.hour;
            self.finished.push((hour_key(sku, now.hour), now.sum));
        }
        *now = sold;
    }

    /// Calls `take` with each hour of each SKU once: SKU, hour, thousandths, rows. Not in order.
    pub(super) fn hours(mut self, mut take: impl FnMut(u32, i32, u64, u64)) {
        self.settle();
        for (sku, now) in self.now.iter().enumerate() {
            if now.hour != NO_HOUR {
                let sku = u32::try_from(sku).unwrap_or(u32::MAX);
                self.finished.push((hour_key(sku, now.hour), now.sum));
            }
        }
        if self.unsorted {
            self.finished.sort_unstable_by_key(|(key, _)| *key);
        }
        let mut rest = self.finished.as_slice();
        while let [(key, first), after @ ..] = rest {
            let (mut milli, mut rows) = (u64::from(first.milli), u64::from(first.rows));
            rest = after;
            while let [(same, more), after @ ..] = rest
                && same == key
            {
                milli += u64::from(more.milli);
                rows += u64::from(more.rows);
                rest = after;
            }
            let (sku, hour) = key_parts(*key);
            take(sku, hour, milli, rows);
        }
    }
}

impl Sink for Peaks {
    const ORDERS: bool = false;

    fn new() -> Self {
        Self {
            pending: Vec::with_capacity(PENDING),
            ..Self::default()
        }
    }

    #[inline]
    fn sale(&mut self, sale: Sale) {
        let sum = Sum {
            milli: sale.milli,
            rows: u32::from(!sale.further),
        };
        let sold = Running {
            hour: sale.hour,
            sum,
        };
        self.pending.push((sale.sku, sold));
        if self.pending.len() >= PENDING {
            self.settle();
        }
    }

    fn join(&mut self, mut other: Self, skus: &[u32], _channels: &[u32]) {
        self.settle();
        other.settle();
        let known = |sku: u32| skus.get(sku as usize).copied().unwrap_or(sku);
        let named = |(key, sum): (u64, Sum)| {
            let (sku, hour) = key_parts(key);
            (known(sku), Running { hour, sum })
        };
        if self.unsorted || other.unsorted {
            // They are sorted in the end, and need no look at what is there.
            self.unsorted = true;
            self.finished.reserve_exact(other.finished.len());
            let numbered = other.finished.into_iter().map(named);
            self.finished
                .extend(numbered.map(|(sku, sold)| (hour_key(sku, sold.hour), sold.sum)));
        } else {
            for (sku, sold) in other.finished.into_iter().map(named) {
                self.add(sku, sold);
            }
        }
        for (sku, now) in other.now.into_iter().enumerate() {
            if now.hour != NO_HOUR {
                let sku = u32::try_from(sku).unwrap_or(u32::MAX);
                self.add(known(sku), now);
            }
        }
    }

    fn file(&mut self, _file: u16) {}

    fn len(&self) -> usize {
        self.now.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(sku: u32, hour: i32, milli: u32) -> Sale {
        Sale {
            order: 0,
            line: 0,
            sku,
            channel: 0,
            hour,
            second: 0,
            milli,
            day_hours: 0,
            further: false,
        }
    }

    fn hours(peaks: Peaks) -> Vec<(u32, i32, u64, u64)> {
        let mut found = Vec::new();
        peaks.hours(|sku, hour, milli, rows| found.push((sku, hour, milli, rows)));
        found.sort_unstable();
        found
    }

    #[test]
    fn hours_are_exact_in_any_order_and_from_parts() {
        let rows = [
            (0, 5, 1),
            (0, 5, 2),
            (1, 5, 7),
            (0, 6, 1),
            (0, 5, 4),
            (1, -3, 2),
        ];
        let expected = vec![(0, 5, 7, 3), (0, 6, 1, 1), (1, -3, 2, 1), (1, 5, 7, 1)];
        let mut whole = Peaks::new();
        for (sku, hour, milli) in rows {
            whole.sale(sale(sku, hour, milli));
        }
        assert_eq!(hours(whole), expected);
        let (mut first, mut second) = (Peaks::new(), Peaks::new());
        for (idx, (sku, hour, milli)) in rows.into_iter().enumerate() {
            // The second one met the SKUs the other way round.
            if idx < 3 {
                first.sale(sale(sku, hour, milli));
            } else {
                second.sale(sale(1 - sku, hour, milli));
            }
        }
        first.join(second, &[1, 0], &[]);
        assert_eq!(hours(first), expected);
    }

    #[test]
    fn an_hour_that_fits_no_number_is_still_exact() {
        let mut peaks = Peaks::new();
        for _ in 0..3 {
            peaks.sale(sale(0, 1, 4_000_000_000));
        }
        assert_eq!(hours(peaks), [(0, 1, 12_000_000_000, 3)]);
    }
}
