//! Arguments of the commands about what happens to stock between two sales: counts, receipts, transfers, holds, incidents.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::time;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, DocumentId, ListingId, LocationId, OrderId, Sku};

/// What all commands that change stock by hand have in common.
#[derive(Debug, Clone, Args)]
pub struct Saying {
    /// Who says so, for the audit [default: the name that you are logged in with]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `stock count`.
#[derive(Debug, Args)]
pub struct StockCount {
    /// The CSV file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// When the bins were counted, for rows without `counted_at` [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// Units that were picked for orders and not shipped yet are in the numbers
    #[arg(long)]
    pub picked_included: bool,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// Arguments of `stock receive`.
#[derive(Debug, Args)]
pub struct StockReceive {
    /// The CSV file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// When the goods arrived, for rows without `received_at` [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// Take more than was ordered
    #[arg(long)]
    pub over: bool,
    /// Take other numbers for receipts that are known
    #[arg(long)]
    pub correct: bool,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// Arguments of `stock expect`.
#[derive(Debug, Args)]
pub struct StockExpect {
    /// The CSV file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// When the goods were ordered [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// Where the goods of a cancelled transfer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GoodsAt {
    /// Back where they came from
    Source,
    /// At their destination after all
    Destination,
    /// Nowhere
    Lost,
}

/// Arguments of `stock transfer`.
#[derive(Debug, Args)]
pub struct StockTransfer {
    /// The CSV file; without it, and without --cancel, what is on the way is shown
    #[arg(value_name = "FILE", conflicts_with = "cancel")]
    pub file: Option<PathBuf>,
    /// End this transfer
    #[arg(long, value_name = "TRANSFER")]
    pub cancel: Option<DocumentId>,
    /// Where the goods are that were on the way
    #[arg(long, value_name = "WHERE", requires = "cancel")]
    pub goods: Option<GoodsAt>,
    /// When that was so, for rows without `at` [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// Take more than was sent
    #[arg(long)]
    pub over: bool,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// Arguments of `stock adjust`.
#[derive(Debug, Args)]
pub struct StockAdjust {
    /// The goods
    #[arg(value_name = "SKU")]
    pub sku: Sku,
    /// Units that are there more than before; less with a minus
    #[arg(value_name = "UNITS", value_parser = clap::value_parser!(i64).range(-1_000_000_000..=1_000_000_000), allow_negative_numbers = true)]
    pub units: i64,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Units that are set aside more than before; less with a minus
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(i64).range(-1_000_000_000..=1_000_000_000), allow_negative_numbers = true, default_value_t = 0)]
    pub set_aside: i64,
    /// Where [default: the only location]
    #[arg(long, value_name = "LOCATION")]
    pub location: Option<LocationId>,
    /// When it took effect [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// Arguments of `stock hold`.
#[derive(Debug, Args)]
pub struct StockHold {
    /// The name of the hold, for releasing it
    #[arg(value_name = "HOLD")]
    pub hold: DocumentId,
    /// The goods
    #[arg(value_name = "SKU")]
    pub sku: Sku,
    /// Units that are kept
    #[arg(value_name = "UNITS", value_parser = clap::value_parser!(u32).range(0..=1_000_000_000))]
    pub units: u32,
    /// What for
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// When it ends by itself [default: when it is released]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Timestamp>,
    /// Where [default: the only location]
    #[arg(long, value_name = "LOCATION")]
    pub location: Option<LocationId>,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// Arguments of `stock release`.
#[derive(Debug, Args)]
pub struct StockRelease {
    /// The name of the hold
    #[arg(value_name = "HOLD")]
    pub hold: DocumentId,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// Arguments of `stock rename`.
#[derive(Debug, Args)]
pub struct StockRename {
    /// What it is called
    #[arg(value_name = "OLD")]
    pub old: Sku,
    /// What it is called from now on
    #[arg(value_name = "NEW")]
    pub new: Sku,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `listings rebook`.
#[derive(Debug, Args)]
pub struct ListingsRebook {
    /// Only orders of this channel
    #[arg(long, value_name = "ID")]
    pub channel: Option<ChannelId>,
    /// Only lines of this listing
    #[arg(long, value_name = "LISTING")]
    pub listing: Option<ListingId>,
    /// Move lines that were shipped, too
    #[arg(long)]
    pub shipped: bool,
    /// Say what would be moved, and move nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `incidents …`
#[derive(Debug, Subcommand)]
pub enum Incidents {
    /// Show what was sold and was not there
    ///
    /// Reads the store only. Exit code 1 if an incident is open.
    ///
    /// Example: onhand incidents list --open
    List(IncidentsList),
    /// Enter an oversell that people know of
    ///
    /// One that the books found by themselves is not counted again; its cost and reason are added to it.
    ///
    /// Example: onhand incidents add --date 2026-11-24 --sku MUG-1 --channel shop --order 4711 --units 1 --cost 12.50
    /// --currency EUR
    Add(IncidentsAdd),
    /// Take in oversells that people know of, from a CSV file
    ///
    /// Columns: date, sku, channel, order, units, and if wanted cost with currency, reason. Repeating a file changes
    /// nothing.
    ///
    /// Example: onhand incidents import incidents.csv --dry-run
    Import(IncidentsImport),
    /// Say how an incident ended
    ///
    /// The books see by themselves that goods came or that an order was cancelled. What they cannot see is said here: the
    /// buyer took something else, or an order is cancelled and its channel does not say so yet.
    ///
    /// Example: onhand incidents resolve 3 --with substitution --order 4711
    Resolve(IncidentsResolve),
}

/// Arguments of `incidents list`.
#[derive(Debug, Args)]
pub struct IncidentsList {
    /// Only those that are open
    #[arg(long)]
    pub open: bool,
    /// Only of these
    #[arg(value_name = "SKU")]
    pub skus: Vec<Sku>,
}

/// Arguments of `incidents add`.
#[derive(Debug, Args)]
pub struct IncidentsAdd {
    /// The day
    #[arg(long, value_name = "DATE")]
    pub date: String,
    /// The goods
    #[arg(long, value_name = "SKU")]
    pub sku: Sku,
    /// On which channel
    #[arg(long, value_name = "ID")]
    pub channel: ChannelId,
    /// Which order lost
    #[arg(long, value_name = "ORDER")]
    pub order: OrderId,
    /// Units that were missing
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub units: u32,
    /// What it cost
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    pub cost: Option<String>,
    /// In which currency
    #[arg(long, value_name = "CODE", requires = "cost")]
    pub currency: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// Arguments of `incidents import`.
#[derive(Debug, Args)]
pub struct IncidentsImport {
    /// The CSV file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}

/// How an incident ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RemedyWord {
    /// Goods came
    Restock,
    /// The order was cancelled
    Cancel,
    /// The buyer took something else
    Substitution,
}

/// Arguments of `incidents resolve`.
#[derive(Debug, Args)]
pub struct IncidentsResolve {
    /// Its number
    #[arg(value_name = "NUMBER")]
    pub id: i64,
    /// How it ended
    #[arg(long, value_name = "HOW")]
    pub with: RemedyWord,
    /// Only this order of it
    #[arg(long, value_name = "ORDER")]
    pub order: Option<OrderId>,
    /// Who, and whether really.
    #[command(flatten)]
    pub saying: Saying,
}
