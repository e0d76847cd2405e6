//! Amounts of money: exact decimals, never without their currency, never added across currencies without a rate of a day
//! (rule R79).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Serialize, Serializer};

/// Millionths of a unit in one unit.
const MILLIONTHS: i128 = 1_000_000;
/// Most digits before the point.
const DIGITS_MAX: usize = 18;

/// Three capital letters, such as `EUR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Dollars of the United States.
    pub const USD: Self = Self(*b"USD");

    /// The letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Decimals that amounts are written with (ISO 4217).
    pub const fn decimals(self) -> usize {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }

    /// An estimate in this currency, as people write it: `1,350 USD`. Whole units from 100 on.
    pub fn about(self, value: f64) -> String {
        let decimals = if value.abs() >= 100.0 {
            0
        } else {
            self.decimals()
        };
        format!("{} {self}", grouped(&format!("{value:.decimals$}")))
    }
}

impl FromStr for Currency {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        <[u8; 3]>::try_from(text.as_bytes())
            .ok()
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| {
                format!("{text:?} is no currency; hint: three capital letters, such as EUR")
            })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A decimal number of units of some currency, exact to a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    /// From whole units.
    pub const fn whole(units: i64) -> Self {
        // 2^63 times a million is far below 2^127.
        Self((units as i128).saturating_mul(MILLIONTHS))
    }

    /// The sum; stops at the ends of the scale.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// For estimates.
    #[expect(
        clippy::cast_precision_loss,
        clippy::float_arithmetic,
        reason = "an estimate needs fewer digits than an account"
    )]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// As its currency is written, without its name.
    pub fn written(self, currency: Currency) -> String {
        let decimals = currency.decimals();
        let unit = match decimals {
            0 => MILLIONTHS,
            3 => 1_000,
            _ => 10_000,
        };
        let rounded = self.0.abs().saturating_add(unit.div_euclid(2));
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = rounded.div_euclid(MILLIONTHS);
        let part = rounded.rem_euclid(MILLIONTHS).div_euclid(unit);
        let whole = grouped(&whole.to_string());
        match decimals {
            0 => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{part:0decimals$}"),
        }
    }
}

impl FromStr for Amount {
    type Err = String;
    /// Reads `12.50`: a decimal point, no sign, no separators. Digits beyond a millionth are rounded.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no amount; hint: write it like 12.50");
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| {
            (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole) || !digits(part) {
            return Err(wrong());
        }
        let number = |text: &str| text.parse::<i128>().map_err(|_| wrong());
        let mut millionths: i128 = 0;
        let mut unit = MILLIONTHS;
        for digit in part.chars().filter_map(|digit| digit.to_digit(10)) {
            // The seventh digit rounds.
            if unit == 1 {
                millionths = millionths.saturating_add(i128::from(digit >= 5));
                break;
            }
            unit /= 10;
            millionths = millionths.saturating_add(i128::from(digit).saturating_mul(unit));
        }
        Ok(Self(
            number(whole)?
                .saturating_mul(MILLIONTHS)
                .saturating_add(millionths),
        ))
    }
}

/// A number in digits, with those before the point in groups of three.
pub fn grouped(text: &str) -> String {
    let (sign, text) = text
        .strip_prefix('-')
        .map_or(("", text), |rest| ("-", rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let n = whole.len();
    let mut found = String::from(sign);
    for (idx, digit) in whole.chars().enumerate() {
        if idx > 0 && n.saturating_sub(idx).is_multiple_of(3) {
            found.push(',');
        }
        found.push(digit);
    }
    if !part.is_empty() {
        found.push('.');
        found.push_str(part);
    }
    found
}

/// What one unit of other currencies was worth in the seller's own, by day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rates(pub BTreeMap<NaiveDate, BTreeMap<Currency, Amount>>);

/// A rate, and the day that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rate {
    /// The other currency.
    pub currency: Currency,
    /// The day.
    pub of: NaiveDate,
    /// Units of the seller's own currency for one.
    #[serde(serialize_with = "as_number")]
    pub rate: Amount,
}

fn as_number<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(amount.to_f64())
}

impl Rates {
    /// The rate that holds on a day: the newest that is not later, else the oldest.
    pub fn on(&self, currency: Currency, day: NaiveDate) -> Option<Rate> {
        let of = |(day, table): (&NaiveDate, &BTreeMap<Currency, Amount>)| {
            table.get(&currency).map(|rate| Rate {
                currency,
                of: *day,
                rate: *rate,
            })
        };
        let earlier = self.0.range(..=day).rev().find_map(of);
        earlier.or_else(|| self.0.iter().find_map(of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, currency: &str) -> String {
        let amount: Amount = text.parse().unwrap();
        amount.written(currency.parse().unwrap())
    }

    #[test]
    fn r79_amounts_are_exact_and_have_their_currencys_decimals() {
        for (text, currency, right) in [
            ("12.5", "EUR", "12.50"),
            ("5000", "JPY", "5,000"),
            ("1234567.895", "USD", "1,234,567.90"),
            ("1.2345", "KWD", "1.235"),
            ("0.0000005", "KWD", "0.000"),
            ("999999999999999999.99", "USD", "999,999,999,999,999,999.99"),
        ] {
            assert_eq!(written(text, currency), right);
        }
        let tenth: Amount = "0.1".parse().unwrap();
        let sum = (0..10).fold(Amount::default(), |sum, _| sum.plus(tenth));
        assert_eq!(sum, Amount::whole(1));
        let rounded: Amount = "0.0000005".parse().unwrap();
        assert_eq!(rounded, "0.000001".parse().unwrap());
        for text in ["", "1,5", "-1", "1.", ".5", "1e3", "1234567890123456789"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
        for text in ["eur", "EURO", "E1R", "\u{20ac}"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }

    #[test]
    fn estimates_are_written_for_people() {
        assert_eq!(Currency::USD.about(1_349.6), "1,350 USD");
        assert_eq!(Currency::USD.about(3.0868), "3.09 USD");
        assert_eq!(Currency::USD.about(-1_234_567.0), "-1,234,567 USD");
    }

    #[test]
    fn r79_the_rate_of_the_day_or_of_the_last_day_before_it() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let eur: Currency = "EUR".parse().unwrap();
        let table = |rate: &str| BTreeMap::from([(eur, rate.parse().unwrap())]);
        let rates = Rates(BTreeMap::from([
            (day("2026-10-01"), table("1.10")),
            (day("2026-11-01"), table("1.08")),
        ]));
        for (on, of) in [
            ("2026-09-01", "2026-10-01"),
            ("2026-10-31", "2026-10-01"),
            ("2026-11-01", "2026-11-01"),
            ("2027-01-01", "2026-11-01"),
        ] {
            assert_eq!(rates.on(eur, day(on)).unwrap().of, day(of));
        }
        assert_eq!(rates.on(Currency::USD, day("2026-11-01")), None);
    }
}
