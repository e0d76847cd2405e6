//! `report`: what the books say of overselling, of latency, of differences and of stock.

mod cost;
mod cost_answer;
mod cost_page;
mod drift;
#[cfg(feature = "sales")]
mod exports;
mod latency;
pub(super) mod lost;
mod stock;
mod weekly;
mod weekly_page;

use std::path::Path;

use super::seller::Seller;
use crate::cli::Report;
use crate::domain::clock::Timestamp;
use crate::exit::{Failure, Found};
use crate::output::Out;
use crate::output::html::{Page, drawn};

#[cfg(feature = "sales")]
pub(super) use cost::from_books as cost_from_books;
#[cfg(feature = "sales")]
pub(super) use cost_answer::Answer as CostAnswer;

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// Runs one of the reports.
pub(super) async fn run(command: Report, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    match command {
        Report::Cost(args) => cost::cost(&args, seller, out).await,
        Report::Latency(args) => latency::latency(&args, seller, out).await,
        Report::Drift(args) => drift::drift(&args, seller, out).await,
        Report::Stock(args) => stock::stock(&args, seller, out).await,
        Report::Weekly(args) => weekly::weekly(&args, seller, out).await,
    }
}

/// Writes a page to a file, if one was named.
pub(super) fn write_page(path: Option<&Path>, page: impl FnOnce() -> Page) -> Result<(), Failure> {
    let Some(path) = path else {
        return Ok(());
    };
    std::fs::write(path, drawn(&page())?).map_err(|error| Failure::Disk {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}

/// The day of a moment, in UTC, counted since 1970.
pub(super) const fn day(at: Timestamp) -> i64 {
    at.millis().div_euclid(DAY_MS)
}

/// A day as people write it.
pub(super) fn day_text(at: Timestamp) -> String {
    at.to_seconds_text().chars().take(10).collect()
}

/// The beginning of a calendar day, in UTC.
pub(super) fn begin_of(day: chrono::NaiveDate) -> Timestamp {
    let at = day.and_time(chrono::NaiveTime::MIN).and_utc();
    Timestamp::from_millis(at.timestamp_millis())
}

/// The calendar day of a moment, in UTC.
pub(super) fn date_of(at: Timestamp) -> chrono::NaiveDate {
    let time = chrono::DateTime::from_timestamp_millis(at.millis());
    time.unwrap_or_default().date_naive()
}

/// The footer of every report from the books.
pub(super) fn footer(until: Timestamp) -> String {
    format!(
        "onhand {}, from the books at {}. Days are those of UTC; a month is 30 days.",
        env!("CARGO_PKG_VERSION"),
        until.to_seconds_text()
    )
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}
