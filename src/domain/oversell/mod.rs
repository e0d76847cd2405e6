//! How much is oversold, from orders that were really made.
//!
//! All channels sell one pool. A channel sees its own sales at once and those of the others late. Only what is sold while the
//! pool runs out can be oversold, and where it runs out is not known: so everything here is *per stockout*, averaged over
//! every place at which the stock could have run out.
//!
//! [`pairs`] counts the pairs of orders that did not see each other: exact, and without a model of demand. [`replay`] lets one
//! stockout happen, with buffers. [`study`] does both for every [`scenario`], and [`limits`] says how much of it is chance.
//! [`formula`] and [`recursion`] say what independent buyers would do; [`share`] says which SKUs matter most.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    reason = "statistics: sums and quotients of bounded counts and times"
)]

pub mod formula;
pub mod limits;
pub mod pairs;
pub mod recursion;
pub mod replay;
pub mod scenario;
pub mod share;
pub mod study;

use serde::{Deserialize, Serialize};

/// How channels learn of the sales of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All at once, every so often: what is sold between two syncs is not seen.
    Batch,
    /// Each sale by itself, so much later.
    Event,
}

impl Mode {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Event => "event",
        }
    }
}

/// One order of one SKU; its lines of that SKU are summed.
///
/// A function that takes orders takes those of one SKU, in the order of `at_ms`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// The earliest moment at which it may have been made, in milliseconds since any fixed moment.
    pub at_ms: i64,
    /// It was made somewhere in so many milliseconds from there: a minute for times without seconds, 0 if it is known.
    pub spread_ms: u32,
    /// Where it was made; any number that differs between channels.
    pub channel: u16,
    /// Its units.
    pub units: f64,
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn whole(count: usize) -> f64 {
    count as f64
}

/// As [`whole`].
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn whole_u64(count: u64) -> f64 {
    count as f64
}

/// A span in milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "some years are far below 2^52 ms"
)]
fn millis(span: i64) -> f64 {
    span as f64
}

/// A span in milliseconds, without its fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "some years are far below 2^52 ms"
)]
fn span_ms(span: f64) -> i64 {
    span as i64
}
