//! `[costs]`: what overselling costs, and at which costs which way of syncing pays.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::NaiveDate;

use super::read::{Placed, Reader, Section};
use crate::domain::cost::{Prices, Range};
use crate::domain::decision::{Bounds, Outlay};
use crate::domain::drift::Share;
use crate::domain::money::{Amount, Currency, Rates};

/// How amounts are written.
const AMOUNT_HINT: &str = "write \"75\", or \"25..75..150\" for at least, likely and at most";

/// An amount between limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spread {
    /// At least.
    pub low: Amount,
    /// Likely.
    pub likely: Amount,
    /// At most.
    pub high: Amount,
}

impl Spread {
    const fn whole(low: i64, likely: i64, high: i64) -> Self {
        Self {
            low: Amount::whole(low),
            likely: Amount::whole(likely),
            high: Amount::whole(high),
        }
    }

    fn range(self) -> Range {
        Range {
            low: self.low.to_f64(),
            likely: self.likely.to_f64(),
            high: self.high.to_f64(),
        }
    }
}

impl FromStr for Spread {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let amount = |text: &str| text.trim().parse::<Amount>();
        let parts: Vec<&str> = text.split("..").collect();
        let (low, likely, high) = match parts[..] {
            [one] => (amount(one)?, amount(one)?, amount(one)?),
            [low, likely, high] => (amount(low)?, amount(likely)?, amount(high)?),
            _ => return Err(format!("{text:?} is no amount")),
        };
        if low > likely || likely > high {
            return Err(format!("{text:?} does not go upwards"));
        }
        Ok(Self { low, likely, high })
    }
}

/// By how many cancelled orders a channel judges a seller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthLimit {
    /// The share of orders that must not be exceeded.
    pub share: Share,
    /// Over so many days.
    pub days: u32,
}

impl FromStr for HealthLimit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no limit");
        let (share, days) = text.split_once(" in ").ok_or_else(wrong)?;
        let days = days.strip_suffix(" days").ok_or_else(wrong)?;
        Ok(Self {
            share: share.trim().parse().map_err(|_| wrong())?,
            days: days
                .trim()
                .parse()
                .ok()
                .filter(|days| (1..=366).contains(days))
                .ok_or_else(wrong)?,
        })
    }
}

/// `[costs]`: amounts in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostSettings {
    /// Of every amount here, and of what is reported.
    pub currency: Currency,
    /// Of an incident, at once: what is not got back. The sum of the three is the published 25 to 150, likely 75.
    pub refund: Spread,
    /// Of an incident, at once: another shipment.
    pub shipping: Spread,
    /// Of an incident, at once: time of people.
    pub service: Spread,
    /// What a customer brings over the years.
    pub lifetime_value: Option<Spread>,
    /// Share of customers with a cancelled order who do not come back. The published figure.
    pub customers_lost: Share,
    /// What a channel takes for an incident.
    pub penalty: Spread,
    /// What a sale earns.
    pub margin: Option<Amount>,
    /// Costs in a month below which batch is good enough. The published figure.
    pub batch_below: Amount,
    /// Costs in a month above which real time pays. The published figure.
    pub real_time_above: Amount,
    /// What real time costs more than now in a month.
    pub running: Amount,
    /// What real time costs once.
    pub setup: Amount,
    /// `[costs.rates]`
    pub rates: Rates,
    /// `[costs.health]`, by channel or the beginning of its name.
    pub health: BTreeMap<String, HealthLimit>,
}

impl Default for CostSettings {
    fn default() -> Self {
        let amazon = HealthLimit {
            share: Share::from_millionths(25_000),
            days: 7,
        };
        Self {
            currency: Currency::USD,
            refund: Spread::whole(10, 35, 75),
            shipping: Spread::whole(5, 20, 45),
            service: Spread::whole(10, 20, 30),
            lifetime_value: None,
            customers_lost: Share::from_millionths(400_000),
            penalty: Spread::default(),
            margin: None,
            batch_below: Amount::whole(500),
            real_time_above: Amount::whole(2_000),
            running: Amount::default(),
            setup: Amount::default(),
            rates: Rates::default(),
            health: BTreeMap::from([("amazon".to_owned(), amazon)]),
        }
    }
}

impl CostSettings {
    /// What one incident costs.
    pub fn prices(&self) -> Prices {
        Prices {
            refund: self.refund.range(),
            shipping: self.shipping.range(),
            service: self.service.range(),
            lifetime_value: self.lifetime_value.map(Spread::range),
            customers_lost: self.lost_share(),
            penalty: self.penalty.range(),
        }
    }

    /// Share of customers with a cancelled order who do not come back, 0 to 1.
    pub fn lost_share(&self) -> f64 {
        f64::from(self.customers_lost.millionths()) / 1e6
    }

    /// Where recommendations change.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            batch_below: self.batch_below.to_f64(),
            real_time_above: self.real_time_above.to_f64(),
        }
    }

    /// What real time costs more than now.
    pub fn outlay(&self) -> Outlay {
        Outlay {
            running: self.running.to_f64(),
            setup: self.setup.to_f64(),
        }
    }

    /// How a channel judges a seller: the longest name that its own begins with.
    pub fn health_of(&self, channel: &str) -> Option<HealthLimit> {
        self.health
            .iter()
            .filter(|(name, _)| channel.starts_with(name.as_str()))
            .max_by_key(|(name, _)| name.len())
            .map(|(_, limit)| *limit)
    }
}

/// Reads `[costs]`, `[costs.rates]` and `[costs.health]`.
pub(super) fn costs<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> CostSettings {
    let mut table = root.section(r, "costs");
    let default = CostSettings::default();
    let mut spread =
        |key: &str, usual: Spread| parsed(r, &mut table, key, AMOUNT_HINT).unwrap_or(usual);
    let refund = spread("refund", default.refund);
    let shipping = spread("shipping", default.shipping);
    let service = spread("service", default.service);
    let penalty = spread("penalty", default.penalty);
    let mut amount = |key: &str| parsed(r, &mut table, key, "write it like \"500\"");
    let batch_below = amount("batch_below").unwrap_or(default.batch_below);
    let real_time_above = bound_above(&mut amount, batch_below, default.real_time_above);
    let (running, setup, margin) = (amount("running"), amount("setup"), amount("margin"));
    if real_time_above < batch_below {
        let says = "the bounds of [costs] cross: batch_below is above real_time_above";
        let placed = Placed {
            value: (),
            place: table.place_of(r, "real_time_above"),
            key: table.path_of("real_time_above"),
        };
        r.refuse(&placed, says, "the lower bound is batch_below");
    }
    let read = CostSettings {
        currency: parsed(r, &mut table, "currency", "").unwrap_or(default.currency),
        refund,
        shipping,
        service,
        lifetime_value: parsed(r, &mut table, "lifetime_value", AMOUNT_HINT),
        customers_lost: parsed(r, &mut table, "customers_lost", "")
            .unwrap_or(default.customers_lost),
        penalty,
        margin,
        batch_below,
        real_time_above,
        running: running.unwrap_or(default.running),
        setup: setup.unwrap_or(default.setup),
        rates: rates(r, &mut table),
        health: health(r, &mut table, default.health),
    };
    table.finish(r);
    read
}

/// Left out, the upper bound is never below a lower one that was raised.
fn bound_above(
    amount: &mut impl FnMut(&str) -> Option<Amount>,
    below: Amount,
    usual: Amount,
) -> Amount {
    amount("real_time_above").unwrap_or_else(|| usual.max(below))
}

fn parsed<'t, T: FromStr<Err: std::fmt::Display>>(
    r: &mut Reader<'t>,
    table: &mut Section<'t>,
    key: &str,
    hint: &str,
) -> Option<T> {
    let text = table.text_or_number(r, key)?;
    match text.value.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            r.refuse(&text, error, hint);
            None
        }
    }
}

fn rates<'t>(r: &mut Reader<'t>, table: &mut Section<'t>) -> Rates {
    let mut section = table.section(r, "rates").of_names();
    let mut rates = Rates::default();
    for name in section.names() {
        let texts = section.texts(r, &name).unwrap_or_default();
        let currency: Option<Currency> = match name.parse() {
            Ok(currency) => Some(currency),
            Err(error) => {
                let placed = Placed {
                    value: (),
                    place: section.place_of(r, &name),
                    key: section.path_of(&name),
                };
                r.refuse(&placed, error, "");
                None
            }
        };
        for text in texts {
            match (rate(&text.value), currency) {
                (Some((day, rate)), Some(currency)) => {
                    rates.0.entry(day).or_default().insert(currency, rate);
                }
                (None, _) => {
                    let says = format!("{:?} is no rate of a day", text.value);
                    r.refuse(&text, says, "write it like \"1.0832 on 2026-11-20\"");
                }
                (Some(_), None) => {}
            }
        }
    }
    rates
}

fn rate(text: &str) -> Option<(NaiveDate, Amount)> {
    let (rate, day) = text.split_once(" on ")?;
    let rate: Amount = rate.trim().parse().ok()?;
    (rate > Amount::default()).then_some((day.trim().parse().ok()?, rate))
}

fn health<'t>(
    r: &mut Reader<'t>,
    table: &mut Section<'t>,
    usual: BTreeMap<String, HealthLimit>,
) -> BTreeMap<String, HealthLimit> {
    let mut section = table.section(r, "health").of_names();
    let mut limits = usual;
    for name in section.names() {
        let hint = "write it like \"2.5% in 7 days\"";
        if let Some(limit) = parsed(r, &mut section, &name, hint) {
            limits.insert(name, limit);
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_go_upwards() {
        let spread = "25..75..150.50".parse::<Spread>().unwrap();
        assert_eq!(spread.range().high.to_bits(), 150.5_f64.to_bits());
        assert_eq!("75".parse(), Ok(Spread::whole(75, 75, 75)));
        for text in ["", "75..25..150", "1..2", "-1", "1..2..3..4", "a"] {
            assert!(text.parse::<Spread>().is_err(), "{text}");
        }
    }

    /// The default prices are the published ones: 25 to 150 an incident, likely 75.
    #[test]
    fn the_usual_prices_are_the_published_ones() {
        let direct = CostSettings::default().prices().direct();
        let whole = |value: f64| value.round().to_string();
        assert_eq!(
            [direct.low, direct.likely, direct.high].map(whole),
            ["25", "75", "150"]
        );
    }

    #[test]
    fn a_limit_is_for_every_shop_of_a_channel() {
        let costs = CostSettings::default();
        assert_eq!(costs.health_of("amazon_de").unwrap().days, 7);
        assert_eq!(costs.health_of("ebay"), None);
        assert!("2.5% in 7 days".parse::<HealthLimit>().is_ok());
        for text in ["2.5%", "2.5% in a week", "2.5% in 0 days", "x in 7 days"] {
            assert!(text.parse::<HealthLimit>().is_err(), "{text}");
        }
    }
}
