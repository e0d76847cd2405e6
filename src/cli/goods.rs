//! Arguments of the commands about stock, listings and bundles.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::life::{
    ListingsRebook, StockAdjust, StockCount, StockExpect, StockHold, StockReceive, StockRelease,
    StockRename, StockTransfer,
};
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
    /// Take in what was counted while orders went on, from a CSV file
    ///
    /// Columns: sku, counted, and if wanted location, `counted_at`, picked; in any order. A row is what was there at a time:
    /// the difference to the book of that time is entered, and what moved since stays moved. Units that were picked for
    /// orders and not shipped are in the numbers with --picked-included; else `picked` says how many they were. If
    /// neither says so, anything between none and all promised units may have been picked, and only what lies outside of
    /// that is a difference. Exit code 1 if rows were rejected.
    ///
    /// Example: onhand stock count bins.csv --at 2026-11-25T10:05:00Z
    Count(StockCount),
    /// Take in goods that arrived, bought or returned, from a CSV file
    ///
    /// Columns: sku, quantity, reference, and if wanted location, po, line, condition (sellable, damaged or inspect),
    /// `received_at`. A receipt is known by its reference, its purchase order and its line, so that repeating a file changes
    /// nothing. What is damaged or to be inspected is there and not for sale. Exit code 1 if rows were rejected.
    ///
    /// Example: onhand stock receive delivery.csv --dry-run
    Receive(StockReceive),
    /// Take in what was ordered from suppliers, from a CSV file
    ///
    /// Columns: po, sku, quantity, and if wanted line, location, due. What is ordered is incoming and not for sale. The
    /// quantity is all that is ordered on that line: a row with another one changes it, 0 ends it.
    ///
    /// Example: onhand stock expect orders.csv
    Expect(StockExpect),
    /// Take in what goes from one location to another, from a CSV file, or show it
    ///
    /// Columns: transfer, sku, from, to, quantity, and if wanted received, at. Quantity is what was sent so far, received
    /// what has arrived so far: a row is repeated with higher numbers as goods arrive. What is on the way is nowhere for
    /// sale. Exit code 1 if rows were rejected.
    ///
    /// Example: onhand stock transfer moves.csv
    Transfer(StockTransfer),
    /// Change what is on hand of one SKU by a difference
    ///
    /// Example: onhand stock adjust MUG-1 -2 --reason "broken at the photo shoot"
    Adjust(StockAdjust),
    /// Keep units of one SKU for something: they are there and not for sale
    ///
    /// Repeated with the same name it changes for how many or how long.
    ///
    /// Example: onhand stock hold fair-2026 MUG-1 6 --reason "trade fair" --until 2026-12-01T08:00:00Z
    Hold(StockHold),
    /// End a hold
    ///
    /// Example: onhand stock release fair-2026
    Release(StockRelease),
    /// Give a SKU another name
    ///
    /// What is promised, counted and owed stays with the goods. Orders that still name the old one are booked on the new one, unless other goods get the old name.
    ///
    /// Example: onhand stock rename MUG-1 MUG-BLUE
    Rename(StockRename),
}

/// Arguments of `stock show`.
#[derive(Debug, Args)]
pub struct StockShow {
    /// Only these
    #[arg(value_name = "SKU")]
    pub skus: Vec<Sku>,
    /// As it was at that time, by what is known of it now
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Timestamp>,
    /// With --at: by what had been written down then
    #[arg(long, requires = "at")]
    pub as_written: bool,
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
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
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
    /// Move orders to the goods that a corrected mapping names
    ///
    /// Order lines that were booked by another mapping than holds now, and that still promise something, are taken back
    /// from the goods that they were booked as, by entries of their own. A changed recipe is no other mapping. Exit code 1
    /// if lines were moved with --dry-run.
    ///
    /// Example: onhand listings rebook --channel shop --listing 17 --dry-run
    Rebook(ListingsRebook),
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
