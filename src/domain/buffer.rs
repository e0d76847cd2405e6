//! How much to keep back from a channel: units, a share of a reference stock, or both.
//!
//! The kept-back part is `max(min_units, ceil(share × reference))` and never rounded down: 10 % of 9 units rounded down
//! protects nothing (rule R22). The reference is the last receipt or count, else current stock; a share of the *current*
//! stock protects about one unit near zero.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{ChannelId, Sku};
use super::quantity::Balance;
use super::tier::Tier;

/// A share of one, in hundredths of a percent.
const WHOLE: i64 = 10_000;

/// What to keep back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BufferRule {
    /// At least so many units.
    pub units: u32,
    /// A share of the reference stock, in hundredths of a percent: 1000 is 10 %.
    pub basis_points: u32,
}

/// A text that is no buffer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a buffer; hint: units such as \"3\", a share such as \"10%\", or both as \"10% min 2\""
)]
pub struct NotABuffer(pub String);

impl BufferRule {
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
}

impl FromStr for BufferRule {
    type Err = NotABuffer;

    fn from_str(text: &str) -> Result<Self, NotABuffer> {
        let wrong = || NotABuffer(text.to_owned());
        let (share, units) = match text.split_once('%') {
            None => (None, text.trim()),
            Some((share, rest)) => {
                let rest = rest.trim();
                let units = match rest.strip_prefix("min") {
                    Some(units) => units.trim(),
                    None if rest.is_empty() => "0",
                    None => return Err(wrong()),
                };
                (Some(share.trim()), units)
            }
        };
        let units = units.parse().map_err(|_| wrong())?;
        let basis_points = share.map_or(Some(0), basis_points).ok_or_else(wrong)?;
        Ok(Self {
            units,
            basis_points,
        })
    }
}

/// `12.5` as 1250; at most 100 % and two decimals.
fn basis_points(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 2
        || !part.bytes().all(|b| b.is_ascii_digit())
        || !whole.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let part: u32 = format!("{part:0<2}").parse().ok()?;
    let points = whole.checked_mul(100)?.checked_add(part)?;
    (i64::from(points) <= WHOLE).then_some(points)
}

impl fmt::Display for BufferRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.basis_points == 0 {
            return write!(f, "{}", self.units);
        }
        let (whole, part) = (self.basis_points / 100, self.basis_points % 100);
        if part == 0 {
            write!(f, "{whole}%")?;
        } else {
            write!(f, "{whole}.{part:02}%")?;
        }
        if self.units > 0 {
            write!(f, " min {}", self.units)
        } else {
            Ok(())
        }
    }
}

impl TryFrom<String> for BufferRule {
    type Error = NotABuffer;
    fn try_from(text: String) -> Result<Self, NotABuffer> {
        text.parse()
    }
}

impl From<BufferRule> for String {
    fn from(rule: BufferRule) -> Self {
        rule.to_string()
    }
}

/// Every buffer that the seller set. The most specific wins: SKU, category, tier, channel, then the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Buffers {
    /// Where nothing else is said.
    pub default: BufferRule,
    /// By channel.
    pub channel: BTreeMap<ChannelId, BufferRule>,
    /// By tier.
    pub tier: BTreeMap<Tier, BufferRule>,
    /// By category.
    pub category: BTreeMap<String, BufferRule>,
    /// By SKU.
    pub sku: BTreeMap<Sku, BufferRule>,
}

impl Buffers {
    /// The rule that holds, and the word for where it comes from.
    pub fn rule(
        &self,
        sku: &Sku,
        category: Option<&str>,
        tier: Tier,
        channel: &ChannelId,
    ) -> (BufferRule, &'static str) {
        let found = |rule: Option<&BufferRule>, from| rule.map(|rule| (*rule, from));
        found(self.sku.get(sku), "sku")
            .or_else(|| {
                found(
                    category.and_then(|name| self.category.get(name)),
                    "category",
                )
            })
            .or_else(|| found(self.tier.get(&tier), "tier"))
            .or_else(|| found(self.channel.get(channel), "channel"))
            .unwrap_or((self.default, "default"))
    }

    /// The most units that any rule keeps back of this reference.
    pub fn largest(&self, reference: Balance) -> Balance {
        let all = self
            .channel
            .values()
            .chain(self.tier.values())
            .chain(self.category.values())
            .chain(self.sku.values());
        all.map(|rule| rule.kept(reference))
            .max()
            .unwrap_or(0)
            .max(self.default.kept(reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn texts_are_read_and_written_alike() {
        for text in ["0", "3", "10%", "12.50%", "10% min 2"] {
            assert_eq!(text.parse::<BufferRule>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "-1",
            "x",
            "10 %x",
            "101%",
            "1.234%",
            "3.5",
            "10% max 2",
            "%",
            "risk",
        ] {
            assert!(text.parse::<BufferRule>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn the_most_specific_rule_wins() {
        let rule = |units| BufferRule {
            units,
            basis_points: 0,
        };
        let sku = Sku::new("A").unwrap();
        let shop = ChannelId::new("shop").unwrap();
        let mut buffers = Buffers {
            default: rule(1),
            ..Buffers::default()
        };
        let mut check = |expected: (u32, &str), change: &dyn Fn(&mut Buffers)| {
            change(&mut buffers);
            let (found, from) = buffers.rule(&sku, Some("toys"), Tier::A, &shop);
            assert_eq!((found.units, from), expected);
        };
        check((1, "default"), &|_| ());
        check((2, "channel"), &|b| {
            b.channel.insert(shop.clone(), rule(2));
        });
        check((3, "tier"), &|b| {
            b.tier.insert(Tier::A, rule(3));
        });
        check((4, "category"), &|b| {
            b.category.insert("toys".into(), rule(4));
        });
        check((5, "sku"), &|b| {
            b.sku.insert(sku.clone(), rule(5));
        });
        assert_eq!(buffers.largest(100), 5);
    }
}
