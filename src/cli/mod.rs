//! What can be typed: commands, their flags and their help. Nothing here does anything.

#[cfg(feature = "sales")]
mod classify;
mod goods;
mod life;
mod looks;
mod report;
mod runs;
#[cfg(feature = "sales")]
mod simulate;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::config::Environment;
use crate::domain::clock::Timestamp;
use crate::output::{Format, Wishes};

#[cfg(feature = "sales")]
pub use classify::{Classify, ColumnNames, Exports};
pub use goods::{
    Bundles, BundlesImport, Listings, ListingsDiscover, ListingsImport, ListingsShow, Stock,
    StockImport, StockSet, StockShow,
};
pub use life::{
    GoodsAt, Incidents, IncidentsAdd, IncidentsImport, IncidentsList, IncidentsResolve,
    ListingsRebook, RemedyWord, Saying, StockAdjust, StockCount, StockExpect, StockHold,
    StockReceive, StockRelease, StockRename, StockTransfer,
};
pub use looks::{
    Audit, Channels, ChannelsHold, ChannelsWhich, Completions, Dlq, Erase, Explain, Man,
};
#[cfg(feature = "sales")]
pub use report::{MaybeExports, Recommend};
pub use report::{Report, ReportCost, ReportDays, ReportWeekly};
pub use runs::{Reconcile, Schedule, SyncOnce, TierChoice};
#[cfg(feature = "sales")]
pub use simulate::{Latency, ModeChoice, Simulate, Stockouts};

/// Keeps a seller's stock right on every channel at once
///
/// A sale on one channel lowers what all the others show within seconds, so that the same unit is not sold twice. Data
/// goes to stdout, talk to stderr. Exit codes: 0 done; 1 done, and something was found; 2 the call, the config or a
/// file is wrong; 3 the outside failed; 4 the store is in use or damaged; 5 a reading was incomplete; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "onhand", version, max_term_width = 100)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Read this file instead of config.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What data looks like
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table", value_parser = format())]
    pub format: Format,
    /// Say nothing but warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log more; -vv and -vvv even more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Global {
    /// As output takes them.
    pub fn wishes(&self, env: &Environment) -> Wishes {
        Wishes {
            format: self.format,
            quiet: self.quiet,
            verbose: self.verbose,
            no_color: Wishes::forbids_color(env.get("NO_COLOR"), env.get("TERM")),
        }
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented config.toml to start from
    ///
    /// Writes the file that --config names, else config.toml in this folder, with every key explained. A file that is
    /// there is never overwritten.
    ///
    /// Example: onhand init
    Init,
    /// Say from sales exports how fast each SKU sells
    ///
    /// Reads the order exports of Shopify, Amazon, eBay, Walmart, TikTok Shop, WooCommerce, BigCommerce, Square, ShipStation and
    /// Linnworks, any table with --columns, and formats of your own; gzip, zip and workbooks too. Tiers: A sells 10 or more
    /// units an hour in peak hours, B 2 to below 10, C below 2; one order never makes a tier. Every row is counted, ignored
    /// with its reason, or rejected with its line. Nothing is sent. Exit code 1 if rows were rejected.
    ///
    /// Example: onhand classify orders.csv --tz Europe/London --out tiers.csv
    #[cfg(feature = "sales")]
    Classify(Box<Classify>),
    /// Say from sales exports what would be oversold at other speeds and buffers
    ///
    /// Sells your own orders again. Pairs of orders that channels could not have seen of each other are counted: that is exact
    /// and needs no model of demand. Buffers are replayed order by order. Figures are per stockout, the mean over every place
    /// where the stock could have run out; per month only where the number of stockouts is known. The exports of all channels
    /// are needed, in one or several files. Nothing is sent. Exit code 1 if rows were rejected.
    ///
    /// Example: onhand simulate shopify.csv amazon.txt --latency 5s,15m --buffer 0,2 --stockouts 12
    #[cfg(feature = "sales")]
    Simulate(Box<Simulate>),
    /// Say what to do about overselling, for which SKUs, and what it costs and saves
    ///
    /// Joins what overselling costs (`onhand report cost`) with how much of it faster syncing would prevent, counted from your
    /// own orders: those of the exports, or of the books without any. Says so where batch sync is good enough. Nothing is
    /// changed.
    ///
    /// Example: onhand recommend orders.csv --tz Europe/London --now 15m --report recommend.html
    #[cfg(feature = "sales")]
    Recommend(Box<Recommend>),
    /// What overselling costs, how fast and how right channels are
    #[command(subcommand)]
    Report(Report),
    /// The master stock by SKU and location
    #[command(subcommand)]
    Stock(Stock),
    /// Which channel item is which SKU
    #[command(subcommand)]
    Listings(Listings),
    /// What bundles are made of
    #[command(subcommand)]
    Bundles(Bundles),
    /// What was sold and was not there
    #[command(subcommand)]
    Incidents(Incidents),
    /// Credentials and webhooks of the channels, and holding them
    #[command(subcommand)]
    Channels(Channels),
    /// Explain why each channel shows what it shows of a SKU, as a sum
    ///
    /// Reads the store and the settings; no channel is called. The parts add up to what should be shown.
    ///
    /// Example: onhand explain MUG-1
    Explain(Explain),
    /// Tell everything that happened to an order, a SKU, a listing or a message
    ///
    /// Messages, entries, calls and their answers, in the order of time. Exit code 1 if nothing is known of it.
    ///
    /// Example: onhand audit MUG-1
    Audit(Audit),
    /// Erase what is kept of a buyer's messages, by their orders
    ///
    /// Removes the contents of messages that concern these orders, and with --text those of messages that hold a text.
    /// Balances, entries and the audit of movements stay: they hold order numbers, SKUs and quantities, no names. What was
    /// erased is written into the audit. Exit code 1 if nothing was found.
    ///
    /// Example: onhand erase --order shop 4711 4712 --text ann@example.com
    Erase(Erase),
    /// Run the whole product on emulated marketplaces, without credentials
    ///
    /// Two marketplaces on loopback, shoppers, duplicated and lost webhooks, refused and lost answers, and a listener that
    /// is killed and started again in the middle. Exit code 0 only if every invariant held.
    ///
    /// Example: onhand demo --seed 7
    Demo(Demo),
    /// Listen for webhooks and correct every other channel, until stopped
    ///
    /// Runs in the foreground. A message is durable before it is answered; then every channel whose number changed is
    /// corrected. Orders are read at the start and on a timer, too, for messages that were lost. Exit code 4 if another
    /// process delivers from the same store.
    ///
    /// Example: onhand listen --addr 127.0.0.1:8080
    Listen(Listen),
    /// Send every change that waits now, once
    ///
    /// Beside a running `onhand listen` it hands the work over and waits for the result; else it reads the channels' orders
    /// and sends itself. Refused in mode observe. Exit code 1 if something still waits, if a brake stopped it, or with
    /// --dry-run or --plan if something would be sent; 5 if the world moved since the plan that --apply names.
    ///
    /// Example: onhand sync --dry-run
    Sync(SyncOnce),
    /// Compare what every channel shows with the books, and repair it with --apply
    ///
    /// Orders are read first, so that a sale whose message was lost is booked and not sent over; then every level; then each
    /// mismatch once more. Without --apply nothing is sent. A run that broke off is gone on with. Exit code 1 if more than
    /// --fail-over of the listings differ or a brake stopped the repair; 5 if a reading was incomplete, and then nothing was
    /// done for that channel.
    ///
    /// Example: onhand reconcile --report drift.html
    Reconcile(Reconcile),
    /// Run batches, comparisons and retention by the clock, until stopped
    ///
    /// Runs in the foreground what [schedule] says; `onhand listen --schedule` does both in one process. Exit code 4 if
    /// another process runs the schedule of the same store.
    ///
    /// Example: onhand schedule --list
    Schedule(Schedule),
    /// Show how each channel is: last webhook, waiting work, what was given up
    ///
    /// Reads the store only; no channel is called.
    ///
    /// Example: onhand status
    Status,
    /// Replay the books from empty and compare, and check the audit chain
    ///
    /// Exit code 1 with what is broken.
    ///
    /// Example: onhand verify
    Verify,
    /// What was given up, in both directions
    #[command(subcommand)]
    Dlq(Dlq),
    /// Print a script that completes commands in your shell
    ///
    /// Example: onhand completions bash > ~/.local/share/bash-completion/completions/onhand
    Completions(Completions),
    /// Print the manual page
    ///
    /// Example: onhand man > onhand.1
    Man(Man),
}

/// What `demo` takes.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// Repeat the shoppers and faults of this seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Let shoppers shop for so many minutes; without it 20 seconds
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub minutes: Option<u32>,
    /// Also write what happened as a page that any browser shows
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// What `listen` takes.
#[derive(Debug, Clone, Args)]
pub struct Listen {
    /// Take webhooks here instead of at [listen] address
    #[arg(long, value_name = "ADDRESS")]
    pub addr: Option<std::net::SocketAddr>,
    /// Also run the schedule, as `onhand schedule` does
    #[arg(long)]
    pub schedule: bool,
    /// Serve the operator's page here instead of where the settings say
    #[arg(long, value_name = "ADDRESS")]
    pub admin_addr: Option<std::net::SocketAddr>,
}

fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(["table", "json", "csv"]).try_map(|text| text.parse::<Format>())
}

/// A time on the command line.
fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_utc(text)
        .ok_or_else(|| "not a time; hint: write it like 2026-11-25T03:20:38Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_agrees_with_the_commands() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_in_one_line_what_it_is_for() {
        fn look(command: &clap::Command, path: &str) {
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(!about.is_empty(), "{path} has no help");
            assert!(about.chars().count() <= 79, "{path}: too long: {about}");
            assert!(!about.ends_with('.'), "{path}: ends with a full stop");
            for below in command.get_subcommands() {
                look(below, &format!("{path} {}", below.get_name()));
            }
        }
        look(&Cli::command(), "onhand");
    }
}
