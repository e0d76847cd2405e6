//! What a format is, as data: which columns it has, how its bytes are written, which of its rows are no sales, and why.
//!
//! Each built-in format is one file in `profiles/` and one line in [`BUILT_IN`]; users write their own in the same form.
//! Code is only there for what data cannot say: cells that pack several items ([`Packed`]).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::error::{Result, SalesError};

/// The formats that are known, in the order in which their headers are tried; the last one takes what is left.
const BUILT_IN: &[(&str, &str)] = &[
    ("shopify", include_str!("profiles/shopify.toml")),
    ("amazon", include_str!("profiles/amazon.toml")),
    (
        "amazon-business",
        include_str!("profiles/amazon-business.toml"),
    ),
    (
        "amazon-date-range",
        include_str!("profiles/amazon-date-range.toml"),
    ),
    (
        "ebay-transactions",
        include_str!("profiles/ebay-transactions.toml"),
    ),
    ("ebay", include_str!("profiles/ebay.toml")),
    (
        "walmart-item-sales",
        include_str!("profiles/walmart-item-sales.toml"),
    ),
    ("walmart", include_str!("profiles/walmart.toml")),
    ("tiktok", include_str!("profiles/tiktok.toml")),
    (
        "woocommerce-analytics",
        include_str!("profiles/woocommerce-analytics.toml"),
    ),
    (
        "woocommerce-products",
        include_str!("profiles/woocommerce-products.toml"),
    ),
    (
        "woocommerce-columns",
        include_str!("profiles/woocommerce-columns.toml"),
    ),
    (
        "woocommerce-cell",
        include_str!("profiles/woocommerce-cell.toml"),
    ),
    ("woocommerce", include_str!("profiles/woocommerce.toml")),
    ("bigcommerce", include_str!("profiles/bigcommerce.toml")),
    ("square", include_str!("profiles/square.toml")),
    ("shipstation", include_str!("profiles/shipstation.toml")),
    ("linnworks", include_str!("profiles/linnworks.toml")),
    ("generic", include_str!("profiles/generic.toml")),
];

/// One format.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, as `--export` takes it.
    #[serde(default)]
    pub name: String,
    /// What it is, in a few words.
    pub about: String,
    /// The channel of its rows, where no column says it.
    #[serde(default)]
    pub channel: String,
    /// Why it cannot be classified, and what to export instead.
    pub refuse: Option<String>,
    /// What to know of every result from it.
    pub warn: Option<String>,
    /// The rows are copies of what marketplaces export themselves.
    #[serde(default)]
    pub aggregator: bool,
    /// How its header is told.
    #[serde(default)]
    pub find: Find,
    /// How it is written.
    #[serde(default)]
    pub layout: Layout,
    /// Which columns mean what.
    #[serde(default)]
    pub columns: Columns,
    /// How times are written.
    #[serde(default)]
    pub time: Times,
    /// How SKUs are written.
    #[serde(default)]
    pub sku: SkuRule,
    /// Names of channels by what the column of the channel says; what is not here is in lower case.
    #[serde(default)]
    pub channels: BTreeMap<String, String>,
    /// Rows that are no sales, or that are with a note; the first rule that holds decides.
    #[serde(default)]
    pub rule: Vec<Rule>,
}

/// How a header is told from others. Names are compared without case, blanks, `-`, `_` and punctuation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The header holds all of these.
    #[serde(default)]
    pub all: Vec<String>,
    /// And at least one of each of these lists.
    #[serde(default)]
    pub any: Vec<Vec<String>>,
    /// And none of these.
    #[serde(default)]
    pub none: Vec<String>,
}

/// How a file is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// In files with tabs, quotes are letters like any other.
    #[serde(default)]
    pub unquoted_tabs: bool,
    /// The sheet of a workbook; the first one with a known header without it.
    pub sheet: Option<String>,
    /// The row below the header explains the columns.
    #[serde(default)]
    pub description_row: bool,
    /// Texts in the first two cells of lines that are no rows.
    #[serde(default)]
    pub junk: Vec<String>,
    /// Encoding; found out without it.
    pub encoding: Option<String>,
    /// `point` or `comma`; found out without it.
    pub decimal: Option<Decimal>,
    /// Columns that stand on the first row of an order only.
    #[serde(default)]
    pub order_cells: Vec<String>,
    /// Rows of one file that agree in these columns are one line.
    #[serde(default)]
    pub once: Vec<String>,
    /// How items are packed into cells.
    pub packed: Option<Packed>,
}

/// The sign before decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decimal {
    /// `1,234.50`
    Point,
    /// `1.234,50`
    Comma,
}

/// Cells that hold several items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packed {
    /// `Product ID: 1, Product Qty: 2, Product SKU: X|Product ID: …` in one cell.
    ProductDetails,
    /// `name:…|sku:X|quantity:2` in columns `line_item_1` to `line_item_n`.
    LineItemColumns,
    /// `name:…|sku:X|quantity:2;name:…` or JSON in one cell.
    LineItemCell,
}

/// Names of columns by meaning; of several names the first one that is there holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The order; of several the first one that is filled.
    #[serde(default)]
    pub order: Vec<String>,
    /// The order, where its name may be used twice, such as by two shops.
    #[serde(default)]
    pub key: Vec<String>,
    /// What tells two lines of one order apart.
    #[serde(default)]
    pub line: Vec<String>,
    /// The SKU, or the packed cell.
    #[serde(default)]
    pub sku: Vec<String>,
    /// What stands in for an empty SKU, if the user wants that.
    #[serde(default)]
    pub item: Vec<String>,
    /// Units.
    #[serde(default)]
    pub quantity: Vec<String>,
    /// When it was ordered.
    #[serde(default)]
    pub time: Vec<String>,
    /// The time of day, where it has a column of its own.
    #[serde(default)]
    pub clock: Vec<String>,
    /// The time zone or the country.
    #[serde(default)]
    pub zone: Vec<String>,
    /// The channel.
    #[serde(default)]
    pub channel: Vec<String>,
    /// The price: it tells which decimal sign the file uses.
    #[serde(default)]
    pub price: Vec<String>,
    /// The status.
    #[serde(default)]
    pub status: Vec<String>,
    /// The SKU of the kit that a part belongs to: the kit's own row is then none of its own.
    #[serde(default)]
    pub parent: Vec<String>,
}

/// How times are written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// The zone of times without an offset.
    pub zone: Option<String>,
    /// Zones by what the column of the zone says.
    #[serde(default)]
    pub zones: BTreeMap<String, String>,
    /// Which comes first in `05/11/2026`, if the file does not tell.
    pub order: Option<DayOrder>,
    /// Without anything else that tells, times with AM and PM have the month first, others the day.
    #[serde(default)]
    pub by_clock: bool,
    /// The times are of the settlement, not of the sale.
    #[serde(default)]
    pub posted: bool,
    /// The file is a total of one day, which the user has to name.
    #[serde(default)]
    pub day_total: bool,
}

/// Which comes first in a date of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayOrder {
    /// `31/12/2026`
    DayFirst,
    /// `12/31/2026`
    MonthFirst,
}

/// How SKUs are written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkuRule {
    /// Upper and lower case are the same; the upper one is shown.
    #[serde(default)]
    pub upper: bool,
    /// Full-width letters and digits are the same as ASCII.
    #[serde(default)]
    pub wide: bool,
    /// Runs of blanks inside are one blank.
    #[serde(default)]
    pub fold_blanks: bool,
}

/// Rows that are no sales, or sales with a note.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// In one word, for reports.
    pub reason: String,
    /// The row counts, and the reason is a note.
    #[serde(default)]
    pub count: bool,
    /// All of these hold.
    pub when: Vec<Condition>,
}

/// What is asked of one cell. Texts are compared without case and outer blanks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Names of the column, the first that is there; or `@order`, `@sku`, `@quantity`, `@price`, `@status`,
    /// `@channel`, or `@first` for the first cell of the row.
    pub column: Vec<String>,
    /// It is one of these.
    #[serde(default)]
    pub is: Vec<String>,
    /// It is none of these.
    #[serde(default)]
    pub is_not: Vec<String>,
    /// It begins with one of these.
    #[serde(default)]
    pub begins: Vec<String>,
    /// It holds one of these.
    #[serde(default)]
    pub holds: Vec<String>,
    /// Whether anything is in it.
    pub filled: Option<bool>,
    /// It is a number of at most this.
    pub at_most: Option<f64>,
    /// It is a number above this.
    pub above: Option<f64>,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`SalesError::Profile`] with the line and column.
    pub fn parse(path: &str, name: &str, text: &str) -> Result<Self> {
        let wrong = |problem: String| SalesError::Profile {
            path: path.to_owned(),
            problem,
        };
        let mut profile: Self =
            toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        if profile.name.is_empty() {
            name.clone_into(&mut profile.name);
        }
        for zone in profile.time.zone.iter().chain(profile.time.zones.values()) {
            if zone.parse::<chrono_tz::Tz>().is_err() {
                return Err(wrong(format!(
                    "no time zone is called {zone:?}; hint: write it like \"Europe/London\""
                )));
            }
        }
        if profile.refuse.is_none() && !profile.reads_sales() {
            return Err(wrong(
                "[columns] names no sku, no quantity or no time; hint: write sku = [\"…\"], quantity = [\"…\"], time = [\"…\"]"
                    .to_owned(),
            ));
        }
        Ok(profile)
    }

    fn reads_sales(&self) -> bool {
        let packed = self.layout.packed.is_some();
        let sku = packed || !self.columns.sku.is_empty();
        let quantity = packed || !self.columns.quantity.is_empty();
        sku && quantity && (self.time.day_total || !self.columns.time.is_empty())
    }
}

/// The formats that are known.
///
/// # Panics
/// If a built-in profile is wrong, which a test rules out.
pub fn built_in() -> &'static [Profile] {
    static ALL: OnceLock<Vec<Profile>> = OnceLock::new();
    ALL.get_or_init(|| {
        BUILT_IN
            .iter()
            .map(|(name, text)| {
                Profile::parse(name, name, text).expect("a test reads every built-in profile")
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_right() {
        for (name, text) in BUILT_IN {
            let profile = Profile::parse(name, name, text).unwrap();
            assert_eq!(profile.name, *name);
            assert!(
                !profile.find.all.is_empty() || !profile.find.any.is_empty(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_wrong_profile_is_refused_with_its_place() {
        for (text, says) in [
            ("about = \"x\"\ncolour = 1", "unknown field `colour`"),
            ("about = 3", "line 1, column 9"),
            ("about = \"x\"", "names no sku"),
            (
                "about = \"x\"\n[time]\nzone = \"Berlin\"",
                "no time zone is called \"Berlin\"",
            ),
        ] {
            let error = Profile::parse("mine.toml", "mine", text)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("mine.toml") && error.contains(says),
                "{error}"
            );
        }
    }
}
