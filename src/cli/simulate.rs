//! Arguments of `simulate`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::Exports;
use crate::domain::buffer::BufferRule;
use crate::domain::oversell::Mode;

/// Shortest and longest latency.
const LATENCY_MS: std::ops::RangeInclusive<u64> = 1..=7 * 86_400_000;
/// Most times as fast.
const PEAK_MOST: f64 = 100.0;

/// Arguments of `simulate`.
#[derive(Debug, Clone, Args)]
pub struct Simulate {
    /// The exports.
    #[command(flatten)]
    pub exports: Exports,
    /// How late a sale reaches the other channels, or how often they are synced
    #[arg(
        long,
        value_name = "TIME,…",
        default_value = "5s,1m,5m,15m",
        value_delimiter = ','
    )]
    pub latency: Vec<Latency>,
    /// How sales are told: all in batches, each as an event, or both ways
    #[arg(long, value_name = "MODE", default_value = "both")]
    pub mode: ModeChoice,
    /// What is withheld from every channel: units, or a share of its reference stock
    #[arg(
        long,
        value_name = "UNITS|SHARE%,…",
        default_value = "0",
        value_delimiter = ',',
        value_parser = buffer
    )]
    pub buffer: Vec<BufferRule>,
    /// How stock is divided among channels: shared
    #[arg(long, value_name = "HOW,…", default_value = "shared", value_delimiter = ',', value_parser = allocation)]
    pub allocation: Vec<String>,
    /// Everything sells so many times as fast as it did
    #[arg(long, value_name = "N", default_value = "1", value_parser = peak)]
    pub peak: f64,
    /// Only SKUs like this, such as 'MUG-*'
    #[arg(long, value_name = "GLOB")]
    pub sku: Option<String>,
    /// Tell only so many SKUs, those that oversell most [default: all of them; a table shows 20]
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Stockouts a month of all these SKUs, or a CSV that tells of each [default: from the store, if it knows]
    ///
    /// The CSV has the columns `sku` and `per_month`. With one number, a stockout comes at a random unit sold.
    #[arg(long, value_name = "N|FILE.csv")]
    pub stockouts: Option<Stockouts>,
    /// What one oversold order costs, instead of what [costs] says
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub incident_cost: Option<f64>,
    /// Days of sales that one delivery lasts: the reference stock of a SKU that the store does not know
    #[arg(long, value_name = "DAYS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=730))]
    pub cover: u32,
    /// The latency that you have now, marked in the report
    #[arg(long, value_name = "TIME")]
    pub current: Option<Latency>,
    /// Repeat the draws of this seed
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u32,
    /// Also write what was found as a page that any browser shows
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// How sales are told to other channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeChoice {
    /// All at once, every so often
    Batch,
    /// Each by itself
    Event,
    /// One after the other
    Both,
}

impl ModeChoice {
    /// The modes.
    pub fn modes(self) -> Vec<Mode> {
        match self {
            Self::Batch => vec![Mode::Batch],
            Self::Event => vec![Mode::Event],
            Self::Both => vec![Mode::Batch, Mode::Event],
        }
    }
}

/// A span of time such as `5s`, `90s`, `15m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Latency {
    /// In milliseconds.
    pub ms: u64,
}

impl FromStr for Latency {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time; hint: write it like 500ms, 5s, 15m or 1h");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        match number.checked_mul(unit_ms) {
            Some(ms) if LATENCY_MS.contains(&ms) => Ok(Self { ms }),
            _ => Err("a latency is between a millisecond and a week".to_owned()),
        }
    }
}

/// How often stock runs out while it is listed.
#[derive(Debug, Clone, PartialEq)]
pub enum Stockouts {
    /// So often a month, over all SKUs.
    PerMonth(f64),
    /// A file tells of each SKU.
    File(PathBuf),
}

impl FromStr for Stockouts {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(Self::PerMonth(number)),
            Ok(_) => Err("a number of stockouts is 0 or more".to_owned()),
            Err(_) => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

fn buffer(text: &str) -> Result<BufferRule, String> {
    if text == "risk" {
        return Err(
            "buffers that are computed from risk cannot be simulated yet; hint: write units (3) or a share of the \
             reference stock (10%)"
                .to_owned(),
        );
    }
    BufferRule::parse(text).map_err(|error| error.to_string())
}

fn allocation(text: &str) -> Result<String, String> {
    match text {
        "shared" => Ok(text.to_owned()),
        "partitioned" | "auto" => Err(format!(
            "{text} allocation cannot be simulated yet; hint: --allocation shared"
        )),
        _ => Err(format!("{text:?} is no allocation; hint: shared")),
    }
}

fn peak(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(times) if (1.0..=PEAK_MOST).contains(&times) => Ok(times),
        _ => Err(format!(
            "{text:?} is no peak; hint: how many times as fast, from 1 to {PEAK_MOST}"
        )),
    }
}

fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(amount) if amount.is_finite() && amount >= 0.0 => Ok(amount),
        _ => Err(format!("{text:?} is no amount; hint: a number such as 75")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_a_unit() {
        for (text, ms) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(text.parse(), Ok(Latency { ms }), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "5 s",
            "0s",
            "1.5m",
            "200h",
            "5sec",
            "99999999999999999999s",
            "５s",
        ] {
            assert!(text.parse::<Latency>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_comes_later_is_refused_with_what_to_use() {
        assert!(buffer("risk").unwrap_err().contains("hint: write units"));
        assert!(buffer("10%").is_ok() && buffer("3").is_ok() && buffer("-1").is_err());
        for text in ["partitioned", "auto", "other"] {
            assert!(allocation(text).unwrap_err().contains("shared"), "{text}");
        }
        assert!(allocation("shared").is_ok());
    }

    #[test]
    fn numbers_stay_within_bounds() {
        assert_eq!(peak("20"), Ok(20.0));
        assert!(
            ["0.5", "101", "NaN", "x"]
                .iter()
                .all(|text| peak(text).is_err())
        );
        assert!(["-1", "inf", "x"].iter().all(|text| amount(text).is_err()));
        assert_eq!("12".parse(), Ok(Stockouts::PerMonth(12.0)));
        assert!("-12".parse::<Stockouts>().is_err());
        assert_eq!("a.csv".parse(), Ok(Stockouts::File("a.csv".into())));
    }
}
