//! Arguments of the commands about stock, listings and bundles.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::time;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, LocationId, Sku};

/// `stock …`
#[derive(Debug, Subcommand)]
pub enum Stock {
    /// Show what is on hand, promised, set aside and available
    ///
    /// Reads the store only. A negative number is what is owed: it was sold and is not there.
    ///
    /// Example: onhand stock show
    Show(StockShow),
    /// Take in counted stock from a CSV file
    ///
    /// Columns: `sku`, `on_hand` (or `available`), and if wanted `location`, `as_of`, `set_aside`; in any order, separated by commas,
    /// semicolons or tabs. A row is a count at a time: sales after that time stay subtracted. Repeating a file changes
    /// nothing. Exit code 1 if rows were rejected.
    ///
    /// Example: onhand stock import stock.csv --dry-run
    Import(StockImport),
    /// Set what is on hand of one SKU, as a count of now
    ///
    /// Example: onhand stock set MUG-1 12 --reason "counted the shelf"
    Set(StockSet),
}

/// Arguments of `stock show`.
#[derive(Debug, Args)]
pub struct StockShow {
    /// Only these
    #[arg(value_name = "SKU")]
    pub skus: Vec<Sku>,
}

/// Arguments of `stock import`.
#[derive(Debug, Args)]
pub struct StockImport {
    /// The CSV file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// When the rows without `as_of` were true [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `stock set`.
#[derive(Debug, Args)]
pub struct StockSet {
    /// The goods
    #[arg(value_name = "SKU")]
    pub sku: Sku,
    /// Units that are there, promised ones included
    #[arg(value_name = "UNITS", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000), allow_negative_numbers = true)]
    pub units: i64,
    /// Where [default: the only location]
    #[arg(long, value_name = "LOCATION")]
    pub location: Option<LocationId>,
    /// When that was true [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `listings …`
#[derive(Debug, Subcommand)]
pub enum Listings {
    /// Show which channel item is which SKU, and what it shows
    ///
    /// Example: onhand listings show --channel shop
    Show(ListingsShow),
    /// Say which channel item is which SKU, from a CSV file
    ///
    /// Columns: channel, listing, sku, and if wanted factor (units of the SKU in one of the listing, such as 6 for a
    /// 6-pack), location, fulfilment (merchant or channel). Repeating a file changes nothing.
    ///
    /// Example: onhand listings import listings.csv --dry-run
    Import(ListingsImport),
    /// Read what the channels sell and map what has one of our SKUs
    ///
    /// Calls the platforms. A listing whose SKU text equals exactly one of ours is mapped to it; what is ambiguous, or
    /// stands on several listings, is reported and left alone. Mappings that are there stay. Exit code 1 if something was
    /// left unmapped.
    ///
    /// Example: onhand listings discover
    Discover(ListingsDiscover),
    /// Name the listings that are unmapped, duplicate or ambiguous
    ///
    /// Reads the store only; run `listings discover` before. Exit code 1 if there is any.
    ///
    /// Example: onhand listings check
    Check(ListingsShow),
}

/// Arguments of `listings show` and `listings check`.
#[derive(Debug, Args)]
pub struct ListingsShow {
    /// Only this channel
    #[arg(long, value_name = "ID")]
    pub channel: Option<ChannelId>,
}

/// Arguments of `listings import`.
#[derive(Debug, Args)]
pub struct ListingsImport {
    /// The CSV file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Check the file, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `listings discover`.
#[derive(Debug, Args)]
pub struct ListingsDiscover {
    /// Only this channel
    #[arg(long, value_name = "ID")]
    pub channel: Option<ChannelId>,
    /// Say what would be mapped, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `bundles …`
#[derive(Debug, Subcommand)]
pub enum Bundles {
    /// Show what bundles are made of
    ///
    /// Example: onhand bundles show
    Show,
    /// Take in what bundles are made of, from a CSV file
    ///
    /// Columns: bundle, component, quantity. A bundle in the file is replaced as a whole; one whose quantities are all 0
    /// is no bundle any more. A bundle that contains itself is refused with exit code 2.
    ///
    /// Example: onhand bundles import bundles.csv --dry-run
    Import(BundlesImport),
}

/// Arguments of `bundles import`.
#[derive(Debug, Args)]
pub struct BundlesImport {
    /// The CSV file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Check the file, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
