//! Arguments of `report` and `recommend`.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};

#[cfg(feature = "sales")]
use super::{Exports, Latency};

/// What is told from the books.
#[derive(Debug, Subcommand)]
pub enum Report {
    /// What overselling costs in a month, and which way of syncing pays
    ///
    /// Counts the orders that could not be served, from the books and as people told of them, prices them by [costs], and
    /// says how sure the figure is. Named exports add the cancellations in them, as what they are: a stand-in. Times and
    /// amounts in other currencies are told apart.
    ///
    /// Example: onhand report cost --out cost.html
    Cost(Box<ReportCost>),
    /// How long sales take to reach the other channels
    ///
    /// Times of what was sent, from the sale and from the message that told of it, for each channel and tier.
    ///
    /// Example: onhand report latency --days 7
    Latency(ReportDays),
    /// How much channels differed from the books, run by run
    ///
    /// Example: onhand report drift --out drift.html
    Drift(ReportDays),
    /// What is short, and what runs out next
    ///
    /// Example: onhand report stock
    Stock(ReportDays),
    /// The three numbers to watch, their trend, and what to do
    ///
    /// Incidents, the 95 % latency and the discrepancies that reconcile found, this week against the weeks before. Exit code
    /// 1 if one of them asks for something to be done.
    ///
    /// Example: onhand report weekly --out week.html
    Weekly(ReportWeekly),
}

/// Arguments of `report cost`.
#[derive(Debug, Args)]
pub struct ReportCost {
    /// Count from this day on [default: since the books began, or the first incident]
    #[arg(long, value_name = "DATE")]
    pub since: Option<NaiveDate>,
    /// Count until the end of this day [default: now]
    #[arg(long, value_name = "DATE")]
    pub until: Option<NaiveDate>,
    /// Compare before this day with after it
    #[arg(long, value_name = "DATE")]
    pub change: Option<NaiveDate>,
    /// Also write it as a page that any browser shows
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// The exports.
    #[cfg(feature = "sales")]
    #[command(flatten)]
    pub exports: MaybeExports,
}

/// Arguments of reports over the last days.
#[derive(Debug, Args)]
pub struct ReportDays {
    /// How many days back
    #[arg(long, value_name = "N", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: u32,
    /// Also write it as a page that any browser shows
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
}

/// Arguments of `report weekly`.
#[derive(Debug, Args)]
pub struct ReportWeekly {
    /// How many weeks the trend shows
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(2..=52))]
    pub weeks: u32,
    /// Also write it as a page that any browser shows
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
}

/// Arguments of `recommend`.
#[cfg(feature = "sales")]
#[derive(Debug, Args)]
pub struct Recommend {
    /// The exports.
    #[command(flatten)]
    pub exports: MaybeExports,
    /// How often channels are synced now
    #[arg(long, value_name = "TIME", default_value = "15m")]
    pub now: Latency,
    /// How late a sale would reach the other channels in real time
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub real_time: Latency,
    /// Share of what can be prevented that the SKUs in real time have to bring, in percent
    #[arg(long, value_name = "PERCENT", default_value = "80", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub target: u32,
    /// Also write it as a page that any browser shows
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// Sales exports, if any are named.
#[cfg(feature = "sales")]
#[derive(Debug, Clone, Default)]
pub struct MaybeExports(pub Option<Exports>);

#[cfg(feature = "sales")]
mod maybe {
    use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

    use super::{Exports, MaybeExports};

    /// The argument that need not be there.
    const FILES: &str = "files";

    impl FromArgMatches for MaybeExports {
        fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
            let named = matches.contains_id(FILES);
            let exports = named.then(|| Exports::from_arg_matches(matches));
            exports.transpose().map(Self)
        }

        fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
            *self = Self::from_arg_matches(matches)?;
            Ok(())
        }
    }

    impl Args for MaybeExports {
        fn augment_args(command: Command) -> Command {
            Exports::augment_args(command).mut_arg(FILES, |files| files.required(false))
        }

        fn augment_args_for_update(command: Command) -> Command {
            Self::augment_args(command)
        }
    }
}
