//! Arguments of `classify`, and those of every command that reads sales exports.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

use super::time;
use crate::domain::clock::Timestamp;

/// Sales exports, and what is known of how they are written: of every command that reads them.
#[derive(Debug, Clone, Args)]
pub struct Exports {
    /// Sales exports: CSV, tab separated, gzip, zip or XLSX
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// How far back, in days or hours
    #[arg(long, value_name = "DAYS", default_value = "90d", value_parser = window)]
    pub window: u32,
    /// The end of the window [default: the end of the last row's hour]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub as_of: Option<Timestamp>,
    /// The zone of times that have none, such as Europe/London
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// What the files are: auto, the name of a format, or a profile of your own
    #[arg(long, value_name = "NAME|FILE.toml", default_value = "auto")]
    pub export: String,
    /// Which columns mean what, such as sku=Artikel,quantity=Menge,time=Datum,order=Nr
    #[arg(long, value_name = "MEANING=COLUMN,…", conflicts_with = "export")]
    pub columns: Option<ColumnNames>,
    /// The encoding, such as windows-1252 [default: found out]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// The sign before decimals: point or comma [default: found out]
    #[arg(long, value_name = "SIGN", value_parser = PossibleValuesParser::new(["point", "comma"]))]
    pub decimal: Option<String>,
    /// Which comes first in 05/11/2026 [default: found out]
    #[arg(long, value_name = "ORDER", value_parser = PossibleValuesParser::new(["day-first", "month-first"]))]
    pub dates: Option<String>,
    /// The day of a file that holds totals of one day
    #[arg(long, value_name = "DATE")]
    pub date: Option<chrono::NaiveDate>,
    /// Count rows that would be ignored for this reason, such as pending
    #[arg(long, value_name = "REASON,…", value_delimiter = ',')]
    pub count: Vec<String>,
    /// Take the item number where eBay's custom label is empty
    #[arg(long)]
    pub ebay_item_as_sku: bool,
    /// Which export counts where a tool's repeats a channel's own: own or tool [default: refuse them]
    #[arg(long, value_name = "WHICH", value_parser = PossibleValuesParser::new(["own", "tool"]))]
    pub overlap: Option<String>,
}

/// Arguments of `classify`.
#[derive(Debug, Args)]
pub struct Classify {
    /// The exports.
    #[command(flatten)]
    pub exports: Exports,
    /// Hours without stock, as CSV: sku, from, until [default: those of the store's own books]
    #[arg(long, value_name = "FILE.csv")]
    pub out_of_stock: Option<PathBuf>,
    /// Leave out gaps without sales that chance does not explain, too
    #[arg(long)]
    pub censor_gaps: bool,
    /// What makes a tier: peak, or max-hour for the largest clock hour alone
    #[arg(long, value_name = "RULE", default_value = "peak", value_parser = PossibleValuesParser::new(["peak", "max-hour"]))]
    pub rule: String,
    /// Also tell every row, and why it counts or not
    #[arg(long)]
    pub lines: bool,
    /// Also write the SKUs to a file; its ending says how
    #[arg(long, value_name = "FILE.csv|.parquet|.json")]
    pub out: Option<PathBuf>,
    /// Also write the rejected rows to a CSV file
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Also write what was found as a page that any browser shows
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Keep the tiers: faster ones at once, slower ones after three windows
    #[arg(long)]
    pub apply: bool,
}

/// Columns by meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnNames {
    /// Meaning and column, as given.
    pub names: Vec<(String, String)>,
}

impl FromStr for ColumnNames {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        const MEANINGS: [&str; 8] = [
            "sku", "quantity", "time", "order", "channel", "price", "line", "status",
        ];
        let mut names: Vec<(String, String)> = Vec::new();
        for part in text.split(',') {
            let (meaning, column) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} names no column; hint: write sku=Artikel"))?;
            let (meaning, column) = (meaning.trim(), column.trim());
            if !MEANINGS.contains(&meaning) {
                return Err(format!(
                    "{meaning:?} is no meaning; hint: one of {}",
                    MEANINGS.join(", ")
                ));
            }
            if column.is_empty() || names.iter().any(|(known, _)| known == meaning) {
                return Err(format!("{meaning} is named twice, or names nothing"));
            }
            names.push((meaning.to_owned(), column.to_owned()));
        }
        for needed in ["sku", "quantity", "time"] {
            if !names.iter().any(|(meaning, _)| meaning == needed) {
                return Err(format!(
                    "{needed} is missing; hint: {needed}=NAME OF ITS COLUMN"
                ));
            }
        }
        Ok(Self { names })
    }
}

/// `90d` or `2160h`, in hours.
fn window(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no window; hint: write it like 90d or 2160h");
    let (number, hours) = if let Some(days) = text.strip_suffix('d') {
        (days, 24)
    } else if let Some(hours) = text.strip_suffix('h') {
        (hours, 1)
    } else {
        return Err(wrong());
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(hours) {
        Some(hours @ 24..=87_840) => Ok(hours),
        _ => Err("a window is between a day and ten years".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_a_unit() {
        assert_eq!(window("90d"), Ok(2_160));
        assert_eq!(window("36h"), Ok(36));
        for text in ["90", "d", "0d", "1h", "-3d", "9999999999d", "99999d", ""] {
            assert!(window(text).is_err(), "{text}");
        }
    }

    #[test]
    fn columns_name_what_is_needed() {
        let columns: ColumnNames = "sku=Artikel Nr, quantity=Menge,time=Datum".parse().unwrap();
        assert_eq!(
            columns.names[0],
            ("sku".to_owned(), "Artikel Nr".to_owned())
        );
        for (text, says) in [
            ("sku=a", "quantity is missing"),
            ("sku", "names no column"),
            ("colour=a", "is no meaning"),
            ("sku=a,sku=b,quantity=c,time=d", "twice"),
        ] {
            let error = text.parse::<ColumnNames>().unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
