//! How much to keep back from a channel: units, a share of a reference stock, or both.
//!
//! The kept-back part is `max(min_units, ceil(share × reference))` and never rounded down: 10 % of 9 units rounded down
//! protects nothing (rule R22). The reference is what the last count found, else current stock; a share of the *current*
//! stock protects about one unit near zero.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{ChannelId, Sku};
use super::quantity::{Balance, QUANTITY_MAX};
use super::tier::Tier;

/// A share of one, in hundredths of a percent.
const WHOLE: i64 = 10_000;

/// One buffer rule as it is written: `"3"`, `"10%"` or `"10% min 2"`.
///
/// Kept back is `max(units, ceil(basis_points / 10,000 × reference))` (rule R22).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct BufferRule {
    /// Least units kept back, 0 to [`QUANTITY_MAX`].
    pub units: u32,
    /// Share of the reference in hundredths of a percent, 0 to 10,000.
    pub basis_points: u32,
}

/// Why a text is not a buffer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BufferError {
    /// None of the forms.
    #[error("{0:?} is not a buffer; write units \"3\", a share \"10%\" or both \"10% min 2\"")]
    Form(String),
    /// More than there can be.
    #[error("a buffer of {0:?} is more than {QUANTITY_MAX} units")]
    Units(String),
    /// More than everything.
    #[error("a buffer of {0:?} is more than 100%")]
    Share(String),
}

impl BufferRule {
    /// Keeps nothing back.
    pub const NONE: Self = Self {
        units: 0,
        basis_points: 0,
    };

    /// Reads `3`, `10%`, `2.5%` or `10% min 2`; a share has at most two decimals.
    ///
    /// # Errors
    /// [`BufferError`] for anything else: signs, other words, shares above 100%.
    pub fn parse(text: &str) -> Result<Self, BufferError> {
        let Some((share, rest)) = text.split_once('%') else {
            return Ok(Self {
                units: units(text, text)?,
                basis_points: 0,
            });
        };
        let rest = rest.trim();
        let units = if rest.is_empty() {
            0
        } else {
            match rest.strip_prefix("min") {
                Some(number) if number.starts_with([' ', '\t']) => units(number, text)?,
                _ => return Err(BufferError::Form(text.to_owned())),
            }
        };
        Ok(Self {
            units,
            basis_points: basis_points(share.trim(), text)?,
        })
    }

    /// Units that it keeps back of a pool with this reference stock.
    pub fn kept(self, reference: Balance) -> Balance {
        let share = reference
            .max(0)
            .saturating_mul(i64::from(self.basis_points));
        let share = share
            .saturating_add(WHOLE.saturating_sub(1))
            .checked_div(WHOLE)
            .unwrap_or(0);
        share.max(i64::from(self.units))
    }

    /// Keeps nothing back, whatever the reference.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn units(number: &str, whole: &str) -> Result<u32, BufferError> {
    let number = number.trim();
    if !digits(number) {
        return Err(BufferError::Form(whole.to_owned()));
    }
    match number.parse() {
        Ok(units) if units <= QUANTITY_MAX => Ok(units),
        _ => Err(BufferError::Units(whole.to_owned())),
    }
}

fn basis_points(share: &str, whole: &str) -> Result<u32, BufferError> {
    let (percent, hundredths) = match share.split_once('.') {
        None => (share, "00".to_owned()),
        Some((percent, decimals)) if digits(decimals) && decimals.len() <= 2 => {
            (percent, format!("{decimals:0<2}"))
        }
        Some(_) => return Err(BufferError::Form(whole.to_owned())),
    };
    if !digits(percent) {
        return Err(BufferError::Form(whole.to_owned()));
    }
    match format!("{percent}{hundredths}").parse() {
        Ok(basis_points) if basis_points <= 10_000 => Ok(basis_points),
        _ => Err(BufferError::Share(whole.to_owned())),
    }
}

impl FromStr for BufferRule {
    type Err = BufferError;
    fn from_str(text: &str) -> Result<Self, BufferError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for BufferRule {
    type Error = BufferError;
    fn try_from(text: String) -> Result<Self, BufferError> {
        Self::parse(&text)
    }
}

impl From<BufferRule> for String {
    fn from(rule: BufferRule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for BufferRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.basis_points == 0 {
            return write!(f, "{}", self.units);
        }
        write!(f, "{}", self.basis_points / 100)?;
        match self.basis_points % 100 {
            0 => {}
            hundredths if hundredths % 10 == 0 => write!(f, ".{}", hundredths / 10)?,
            hundredths => write!(f, ".{hundredths:02}")?,
        }
        write!(f, "%")?;
        if self.units > 0 {
            write!(f, " min {}", self.units)?;
        }
        Ok(())
    }
}

/// Where a rule came from; `explain` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BufferSource {
    /// `[buffers.sku]`
    Sku,
    /// `[buffers.category]`
    Category,
    /// `[buffers.tier]`
    Tier,
    /// `[buffers.channel]`
    Channel,
    /// `buffers.default`
    Default,
}

impl BufferSource {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Category => "category",
            Self::Tier => "tier",
            Self::Channel => "channel",
            Self::Default => "default",
        }
    }
}

/// `[buffers]`: exactly one rule holds for a SKU on a channel; rules are never added up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Buffers {
    /// Holds where nothing else does.
    pub default: BufferRule,
    /// By channel.
    pub channel: BTreeMap<ChannelId, BufferRule>,
    /// By tier.
    pub tier: BTreeMap<Tier, BufferRule>,
    /// By category, as the settings name it.
    pub category: BTreeMap<String, BufferRule>,
    /// By SKU.
    pub sku: BTreeMap<Sku, BufferRule>,
}

impl Buffers {
    /// The rule that holds: the most specific one, in the order SKU, category, tier, channel, default.
    pub fn rule(
        &self,
        sku: &Sku,
        category: Option<&str>,
        tier: Tier,
        channel: &ChannelId,
    ) -> (BufferRule, BufferSource) {
        let by_sku = self.sku.get(sku).map(|rule| (*rule, BufferSource::Sku));
        let by_category = || {
            let rule = self.category.get(category?)?;
            Some((*rule, BufferSource::Category))
        };
        let by_tier = || self.tier.get(&tier).map(|rule| (*rule, BufferSource::Tier));
        let by_channel = || {
            let rule = self.channel.get(channel)?;
            Some((*rule, BufferSource::Channel))
        };
        by_sku
            .or_else(by_category)
            .or_else(by_tier)
            .or_else(by_channel)
            .unwrap_or((self.default, BufferSource::Default))
    }

    /// The most units that any rule keeps back of this reference.
    pub fn largest(&self, reference: Balance) -> Balance {
        let (channel, tier) = (self.channel.values(), self.tier.values());
        let rules = channel
            .chain(tier)
            .chain(self.category.values())
            .chain(self.sku.values());
        rules
            .map(|rule| rule.kept(reference))
            .fold(self.default.kept(reference), Balance::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, units: u32, basis_points: u32) {
        let rule = BufferRule::parse(text).unwrap();
        assert_eq!(
            rule,
            BufferRule {
                units,
                basis_points
            },
            "{text}"
        );
        assert_eq!(BufferRule::parse(&rule.to_string()).unwrap(), rule);
    }

    #[test]
    fn the_three_forms() {
        check("0", 0, 0);
        check("3", 3, 0);
        check(" 007 ", 7, 0);
        check("1000000000", QUANTITY_MAX, 0);
        check("10%", 0, 1_000);
        check("10 %", 0, 1_000);
        check("2.5%", 0, 250);
        check("0.05%", 0, 5);
        check("100%", 0, 10_000);
        check("10% min 2", 2, 1_000);
        check("12.25%  min  4", 4, 1_225);
    }

    #[test]
    fn what_is_not_a_buffer() {
        for text in [
            "", " ", "-1", "+3", "3.5", "1e3", "0x3", "1_000", "three", "3 units", "%", "min 2",
        ] {
            assert!(
                matches!(BufferRule::parse(text), Err(BufferError::Form(_))),
                "{text}"
            );
        }
        for text in [
            "10%%",
            "10% min",
            "10% min -1",
            "10% min2",
            "10% max 2",
            "10% min 2%",
            "1.234%",
            ".5%",
            "5.%",
            "-5%",
            "10,5%",
            "10% 2",
            "٣",
            "３",
            "NaN%",
        ] {
            assert!(
                matches!(BufferRule::parse(text), Err(BufferError::Form(_))),
                "{text}"
            );
        }
        for text in ["1000000001", "99999999999999999999", "10% min 4294967296"] {
            assert!(
                matches!(BufferRule::parse(text), Err(BufferError::Units(_))),
                "{text}"
            );
        }
        for text in ["100.01%", "101%", "99999999999999999999%"] {
            assert!(
                matches!(BufferRule::parse(text), Err(BufferError::Share(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn the_most_specific_rule_holds_alone() {
        let name = |text| ChannelId::new(text).unwrap();
        let sku = |text| Sku::new(text).unwrap();
        let units = |units| BufferRule {
            units,
            basis_points: 0,
        };
        let buffers = Buffers {
            default: units(1),
            channel: [(name("shop"), units(2))].into(),
            tier: [(Tier::A, units(3))].into(),
            category: [("mugs".to_owned(), units(4))].into(),
            sku: [(sku("ABC-1"), units(5))].into(),
        };
        for (text, category, tier, channel, kept, source) in [
            ("ABC-1", Some("mugs"), Tier::A, "shop", 5, BufferSource::Sku),
            (
                "abc-1",
                Some("mugs"),
                Tier::A,
                "shop",
                4,
                BufferSource::Category,
            ),
            (
                "abc-1",
                Some("Mugs"),
                Tier::A,
                "shop",
                3,
                BufferSource::Tier,
            ),
            ("abc-1", None, Tier::B, "shop", 2, BufferSource::Channel),
            ("abc-1", None, Tier::B, "Shop", 1, BufferSource::Default),
        ] {
            let rule = buffers.rule(&sku(text), category, tier, &name(channel));
            assert_eq!(rule, (units(kept), source), "{text} {channel}");
        }
    }

    #[track_caller]
    fn kept(rule: &str, reference: Balance, expected: Balance) {
        assert_eq!(
            rule.parse::<BufferRule>().unwrap().kept(reference),
            expected,
            "{rule} of {reference}"
        );
    }

    #[test]
    fn a_share_is_rounded_up() {
        kept("10%", 9, 1);
        kept("10%", 10, 1);
        kept("10%", 11, 2);
        kept("10%", 0, 0);
        kept("10%", -5, 0);
        kept("10% min 2", 9, 2);
        kept("12.5%", 80, 10);
        kept("12.5%", 81, 11);
        kept("3", 1, 3);
        kept("100%", 7, 7);
    }
}
