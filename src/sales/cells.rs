//! Single cells: SKUs that spreadsheets may have damaged, quantities with any decimal sign.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::profile::{Decimal, SkuRule};
use crate::domain::ids::NAME_BYTES_MAX;

/// Most units in one row; more is a misread column.
pub(super) const UNITS_MAX: i64 = 4_000_000;
/// Thousandths in a unit.
pub(super) const MILLI: i64 = 1_000;

/// What a cell of a SKU holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SkuCell {
    /// Nothing.
    Empty,
    /// A SKU.
    Sku(String),
    /// What cannot be one, and why.
    Damaged {
        /// As it stands there.
        text: String,
        /// What happened to it.
        how: Damage,
    },
}

/// What happened to a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// `1.23E+12`: digits are lost.
    Exponent,
    /// `10-Mar`: it became a date.
    Date,
    /// Bytes that are no letters in the file's encoding.
    Undecodable,
    /// Too long for a name.
    TooLong,
    /// It holds a control character.
    Control,
}

impl Damage {
    /// As rejects say it.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::Exponent => "lossy number format: a spreadsheet cut off digits of this SKU",
            Self::Date => "looks like a SKU that a spreadsheet turned into a date",
            Self::Undecodable => "the SKU holds bytes that the file's encoding does not know",
            Self::TooLong => "too long for a SKU",
            Self::Control => "the SKU holds a control character",
        }
    }
}

/// Blanks and what cannot be seen, at the ends of cells.
const fn is_padding(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\0' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// A cell without its padding, and without what spreadsheets put around texts.
pub(super) fn trimmed(text: &str) -> &str {
    let text = text.trim_matches(is_padding);
    let inner = text
        .strip_prefix("=\"")
        .and_then(|rest| rest.strip_suffix('"'));
    if let Some(inner) = inner {
        return inner.trim_matches(is_padding);
    }
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit() || c == '=') => {
            trimmed_once(rest)
        }
        _ => text,
    }
}

fn trimmed_once(text: &str) -> &str {
    let inner = text
        .strip_prefix("=\"")
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(text).trim_matches(is_padding)
}

/// Reads a SKU. Nothing is guessed: what is damaged is said to be.
pub(super) fn sku(raw: &[u8], rule: &SkuRule) -> SkuCell {
    let damaged = |text: &str, how| SkuCell::Damaged {
        text: text.to_owned(),
        how,
    };
    let Ok(text) = std::str::from_utf8(raw) else {
        return damaged(&String::from_utf8_lossy(raw), Damage::Undecodable);
    };
    let bare = trimmed(text);
    if bare.is_empty() {
        return SkuCell::Empty;
    }
    let mut name = Cow::Borrowed(bare);
    if rule.wide {
        name = Cow::Owned(name.nfkc().collect());
    } else if !is_nfc(&name) {
        name = Cow::Owned(name.nfc().collect());
    }
    if rule.fold_blanks && name.contains(char::is_whitespace) {
        name = Cow::Owned(name.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if rule.upper && name.chars().any(char::is_lowercase) {
        name = Cow::Owned(name.to_uppercase());
    }
    let how = if name.contains('\u{fffd}') {
        Some(Damage::Undecodable)
    } else if name.len() > NAME_BYTES_MAX {
        Some(Damage::TooLong)
    } else if name.chars().any(char::is_control) {
        Some(Damage::Control)
    } else if is_exponent(&name) {
        Some(Damage::Exponent)
    } else if is_date(&name) {
        Some(Damage::Date)
    } else {
        None
    };
    match how {
        Some(how) => damaged(&name, how),
        None => SkuCell::Sku(name.into_owned()),
    }
}

/// `1.23E+12`, `1,9143100000101E+18`, `4E+05`.
fn is_exponent(text: &str) -> bool {
    let Some((digits, power)) = text.split_once("E+").or_else(|| text.split_once("e+")) else {
        return false;
    };
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let whole = match digits.split_once(['.', ',']) {
        Some((whole, rest)) => numeric(rest) && whole.len() == 1 && numeric(whole),
        None => digits.len() == 1 && numeric(digits),
    };
    whole && power.len() <= 3 && numeric(power)
}

/// What spreadsheets make of `3-10` and `MAR1`: `10-Mar`, `Mar-10`, `3/10/2026`.
fn is_date(text: &str) -> bool {
    const MONTHS: [&str; 19] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mrz",
        "Mai", "Okt", "Dez", "Mär", "Avr", "Déc",
    ];
    let number =
        |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if let Some((a, b)) = text.split_once('-') {
        let dated = number(a) && MONTHS.contains(&b) || MONTHS.contains(&a) && number(b);
        if dated {
            return true;
        }
    }
    let mut parts = text.split('/');
    let (a, b, year) = (parts.next(), parts.next(), parts.next());
    matches!((a, b, year, parts.next()), (Some(a), Some(b), Some(year), None)
        if number(a) && number(b) && year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()))
}

/// Why a quantity cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoQuantity {
    /// There is nothing.
    Empty,
    /// `1.000` may be one or a thousand, and the file's decimal sign is not known.
    Sign,
    /// It is no number.
    Not,
    /// It is larger than [`UNITS_MAX`].
    TooMany,
}

/// Units in thousandths.
///
/// # Errors
/// [`NoQuantity`] if it is no quantity, or the decimal sign would have to be known.
#[inline]
pub(super) fn quantity(raw: &[u8], decimal: Option<Decimal>) -> Result<i64, NoQuantity> {
    if let 1..=6 = raw.len() {
        let mut units = 0;
        for byte in raw {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return number(raw, decimal);
            }
            units = units * 10 + i64::from(digit);
        }
        return Ok(units * MILLI);
    }
    number(raw, decimal)
}

/// A number in thousandths, with any separators.
pub(super) fn number(raw: &[u8], decimal: Option<Decimal>) -> Result<i64, NoQuantity> {
    let text = std::str::from_utf8(raw).map_err(|_| NoQuantity::Not)?;
    let text: String = trimmed(text)
        .chars()
        .filter(|c| !is_padding(*c) && *c != '\'')
        .collect();
    if text.is_empty() {
        return Err(NoQuantity::Empty);
    }
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let digits: Cow<'_, str> = if digits.is_ascii() {
        Cow::Borrowed(digits)
    } else {
        Cow::Owned(digits.nfkc().collect())
    };
    let (whole, part) = split(&digits, decimal)?;
    if whole.is_empty() && part.is_empty() || whole.len() > 12 || part.len() > 9 {
        return Err(NoQuantity::Not);
    }
    let numeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !numeric(&whole) || !numeric(part) {
        return Err(NoQuantity::Not);
    }
    let units: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| NoQuantity::Not)?
    };
    let thousandths: String = part.chars().chain("000".chars()).take(3).collect();
    let milli = units * MILLI + thousandths.parse::<i64>().map_err(|_| NoQuantity::Not)?;
    if milli > UNITS_MAX * MILLI {
        return Err(NoQuantity::TooMany);
    }
    Ok(if negative { -milli } else { milli })
}

/// The digits before and after the decimal sign.
fn split(text: &str, decimal: Option<Decimal>) -> Result<(String, &str), NoQuantity> {
    let grouped = |whole: &str, sign: char| -> Result<String, NoQuantity> {
        let mut groups = whole.split(sign);
        let first = groups.next().unwrap_or_default();
        let rest: Vec<&str> = groups.collect();
        let plain = rest.is_empty() || (1..=3).contains(&first.len());
        if plain && rest.iter().all(|group| group.len() == 3) {
            Ok(whole.chars().filter(|c| *c != sign).collect())
        } else {
            Err(NoQuantity::Not)
        }
    };
    let seen = vote(text);
    let sign = match (decimal, seen) {
        (Some(decimal), _) | (None, Vote::For(decimal)) => decimal,
        (None, Vote::Nothing) => Decimal::Point,
        (None, Vote::Either) => return Err(NoQuantity::Sign),
    };
    let (point, group) = match sign {
        Decimal::Point => ('.', ','),
        Decimal::Comma => (',', '.'),
    };
    match text.rsplit_once(point) {
        Some((whole, part)) => Ok((grouped(whole, group)?, part)),
        None => Ok((grouped(text, group)?, "")),
    }
}

/// What a number says of the decimal sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vote {
    /// It holds no sign.
    Nothing,
    /// It can be read only so.
    For(Decimal),
    /// It can be read both ways.
    Either,
}

/// What a number says of the decimal sign: the last separator with other than three digits behind it is it.
pub(super) fn vote(text: &str) -> Vote {
    let digits: &str = text.trim_matches(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
    let count = |sign| digits.matches(sign).count();
    let (points, commas) = (count('.'), count(','));
    let tail = |sign| {
        digits
            .rsplit_once(sign)
            .map_or(0, |(_, tail): (&str, &str)| tail.len())
    };
    match (points, commas) {
        (0, 0) => Vote::Nothing,
        (1, 0) if tail('.') != 3 => Vote::For(Decimal::Point),
        (0, 1) if tail(',') != 3 => Vote::For(Decimal::Comma),
        (1, 0) | (0, 1) => Vote::Either,
        (_, 0) => Vote::For(Decimal::Comma),
        (0, _) => Vote::For(Decimal::Point),
        _ if digits.rfind('.') > digits.rfind(',') => Vote::For(Decimal::Point),
        _ => Vote::For(Decimal::Comma),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_is_what_stands_in_the_cell() {
        for (raw, expected) in [
            ("00123", "00123"),
            ("=\"00123\"", "00123"),
            ("'00123", "00123"),
            ("'=1+1", "=1+1"),
            (" MUG \u{a0}\t\r", "MUG"),
            ("SKU123\u{200b}", "SKU123"),
            ("123456  Oaktree", "123456  Oaktree"),
            ("'abc", "'abc"),
            ("1E5", "1E5"),
            ("3-10", "3-10"),
            ("MAR1", "MAR1"),
            ("A-Mar", "A-Mar"),
            ("10-MARK", "10-MARK"),
            ("e\u{301}", "é"),
            ("１２", "１２"),
        ] {
            let found = sku(raw.as_bytes(), &SkuRule::default());
            assert_eq!(found, SkuCell::Sku(expected.to_owned()), "{raw}");
        }
        let wide = SkuRule {
            wide: true,
            upper: true,
            ..SkuRule::default()
        };
        assert_eq!(
            sku("ｊｐ－１".as_bytes(), &wide),
            SkuCell::Sku("JP-1".to_owned())
        );
        for raw in ["", "  ", "\u{a0}", "=\"\"", "\t"] {
            assert_eq!(
                sku(raw.as_bytes(), &SkuRule::default()),
                SkuCell::Empty,
                "{raw:?}"
            );
        }
    }

    #[test]
    fn what_a_spreadsheet_damaged_is_said() {
        for (raw, expected) in [
            ("1.9143100000101E+18", Damage::Exponent),
            ("1,23E+12", Damage::Exponent),
            ("4E+05", Damage::Exponent),
            ("10-Mar", Damage::Date),
            ("1-Mar", Damage::Date),
            ("Mar-10", Damage::Date),
            ("3/10/2026", Damage::Date),
            ("a\u{fffd}b", Damage::Undecodable),
            ("a\u{1}b", Damage::Control),
        ] {
            match sku(raw.as_bytes(), &SkuRule::default()) {
                SkuCell::Damaged { how, .. } => assert_eq!(how, expected, "{raw}"),
                other => panic!("{raw}: {other:?}"),
            }
        }
    }

    #[test]
    fn quantities_are_exact() {
        use Decimal::{Comma, Point};
        for (raw, decimal, expected) in [
            ("1", None, Ok(1_000)),
            ("80995", None, Ok(80_995_000)),
            ("-1", None, Ok(-1_000)),
            (" 2 ", None, Ok(2_000)),
            ("1.0", None, Ok(1_000)),
            ("2,0", None, Ok(2_000)),
            ("0.25", None, Ok(250)),
            (".5", None, Ok(500)),
            ("1.000", Some(Comma), Ok(1_000_000)),
            ("1.000", Some(Point), Ok(1_000)),
            ("1,000", Some(Point), Ok(1_000_000)),
            ("1.000", None, Err(NoQuantity::Sign)),
            ("1,234.5", None, Ok(1_234_500)),
            ("1 000", None, Ok(1_000_000)),
            ("1'000", None, Ok(1_000_000)),
            ("=\"3\"", None, Ok(3_000)),
            ("", None, Err(NoQuantity::Empty)),
            ("x", None, Err(NoQuantity::Not)),
            ("1e5", None, Err(NoQuantity::Not)),
            ("--1", None, Err(NoQuantity::Not)),
            ("1,2,3", Some(Point), Err(NoQuantity::Not)),
            ("12345678", None, Err(NoQuantity::TooMany)),
            (".", None, Err(NoQuantity::Not)),
        ] {
            assert_eq!(
                quantity(raw.as_bytes(), decimal),
                expected,
                "{raw} {decimal:?}"
            );
        }
    }

    #[test]
    fn prices_tell_the_decimal_sign() {
        for (text, expected) in [
            ("4,00 €", Vote::For(Decimal::Comma)),
            ("1.355,90", Vote::For(Decimal::Comma)),
            ("$1,025.00", Vote::For(Decimal::Point)),
            ("BRL 35,91", Vote::For(Decimal::Comma)),
            ("12", Vote::Nothing),
            ("1.200", Vote::Either),
            ("1.200.000", Vote::For(Decimal::Comma)),
        ] {
            assert_eq!(vote(text), expected, "{text}");
        }
    }
}
