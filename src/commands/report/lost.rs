//! Orders that could not be served, from the incidents of the books: one order is one incident, however many of its lines
//! lost, and however often it was told of.

use std::collections::BTreeMap;

use serde::Serialize;

use super::day;
use crate::commands::seller::Seller;
use crate::domain::clock::Timestamp;
use crate::domain::cost::Case;
use crate::domain::ids::{ChannelId, OrderId, Sku};
use crate::domain::incident::{LostLine, Remedy};
use crate::domain::money::{Amount, Currency, Rate, Rates};
use crate::exit::Failure;
use crate::ledger::incidents::one_with;
use crate::ledger::life::{Incident, Incidents};

/// What became of an order that lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::commands) enum Outcome {
    /// It was shipped after all, or goods came: not an incident (rule R91).
    Served,
    /// The buyer took something else.
    Substituted,
    /// It still waits.
    Open,
    /// People told of it, and not how it ended.
    NotTold,
    /// It was cancelled.
    Cancelled,
}

impl Outcome {
    fn of(line: &LostLine, by_person: bool) -> Self {
        match line.helped.as_ref().map(|helped| helped.how) {
            Some(Remedy::Restock | Remedy::Shipped) => Self::Served,
            Some(Remedy::Substitution) => Self::Substituted,
            Some(Remedy::Cancel) => Self::Cancelled,
            None if by_person => Self::NotTold,
            None => Self::Open,
        }
    }

    /// Whether the buyer may be lost by it.
    pub(in crate::commands) const fn cancelled(self) -> bool {
        match self {
            Self::Cancelled | Self::NotTold => true,
            Self::Served | Self::Substituted | Self::Open => false,
        }
    }
}

/// One order that lost.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Lost {
    pub(in crate::commands) channel: ChannelId,
    pub(in crate::commands) order: OrderId,
    pub(in crate::commands) at: Timestamp,
    /// The worst that became of one of its lines.
    pub(in crate::commands) outcome: Outcome,
    pub(in crate::commands) lines: usize,
    pub(in crate::commands) units: i64,
    /// SKUs that were short, with their units.
    pub(in crate::commands) skus: BTreeMap<Sku, i64>,
    /// What people wrote down, by currency.
    pub(in crate::commands) costs: BTreeMap<Currency, Amount>,
}

/// Every order that lost, oldest first, and stockouts that made them lose.
pub(in crate::commands) async fn read(seller: &Seller) -> Result<Vec<Lost>, Failure> {
    let incidents = seller
        .ledger
        .read(|tables| tables.incidents(&Incidents::default()))
        .await?;
    Ok(orders(&incidents))
}

/// Brings the lines of incidents together by order.
fn orders(incidents: &[Incident]) -> Vec<Lost> {
    let mut found: BTreeMap<(ChannelId, OrderId), Lost> = BTreeMap::new();
    let mut first_of: BTreeMap<i64, (ChannelId, OrderId)> = BTreeMap::new();
    for incident in incidents {
        let by_person = incident.source == "person";
        let at = happened(incident);
        for line in &incident.lines {
            let key = (line.key.channel.clone(), line.key.order.clone());
            first_of.entry(incident.id).or_insert_with(|| key.clone());
            let outcome = Outcome::of(line, by_person);
            let lost = found.entry(key.clone()).or_insert_with(|| Lost {
                channel: key.0,
                order: key.1,
                at,
                outcome,
                lines: 0,
                units: 0,
                skus: BTreeMap::new(),
                costs: BTreeMap::new(),
            });
            lost.at = lost.at.min(at);
            lost.outcome = lost.outcome.max(outcome);
            lost.lines += 1;
            lost.units = lost.units.saturating_add(line.units);
            let units = lost.skus.entry(incident.sku.clone()).or_default();
            *units = units.saturating_add(line.units);
        }
    }
    // What was told of an order that the books found as well stands in an incident without orders of its own.
    for incident in incidents {
        let Some((amount, currency)) = told_cost(incident) else {
            continue;
        };
        let elsewhere = incident.reason.as_deref().and_then(one_with);
        let holder = first_of
            .get(&incident.id)
            .or_else(|| first_of.get(&elsewhere?));
        if let Some(lost) = holder.and_then(|key| found.get_mut(key)) {
            let sum = lost.costs.entry(currency).or_default();
            *sum = sum.plus(amount);
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by(|a, b| (a.at, &a.channel, &a.order).cmp(&(b.at, &b.channel, &b.order)));
    found
}

fn happened(incident: &Incident) -> Timestamp {
    let day = incident.happened_on.as_deref();
    let at = day.and_then(|day| {
        Timestamp::parse_utc(&format!("{day}T00:00:00")).or_else(|| Timestamp::parse_utc(day))
    });
    at.unwrap_or(incident.opened_at)
}

fn told_cost(incident: &Incident) -> Option<(Amount, Currency)> {
    let amount = incident.cost.as_deref()?.parse().ok()?;
    Some((amount, incident.currency.as_deref()?.parse().ok()?))
}

impl Lost {
    /// Whether it is an incident.
    pub(in crate::commands) fn counts(&self) -> bool {
        self.outcome != Outcome::Served
    }

    /// As it is priced: what was told of it, in one currency. `None` if a rate is missing.
    pub(in crate::commands) fn case(
        &self,
        currency: Currency,
        rates: &Rates,
        used: &mut Vec<Rate>,
    ) -> Option<Case> {
        let mut cost = None;
        for (of, amount) in &self.costs {
            let mut value = amount.to_f64();
            if *of != currency {
                let rate = rates.on(*of, super::date_of(self.at))?;
                if !used.contains(&rate) {
                    used.push(rate);
                }
                value *= rate.rate.to_f64();
            }
            cost = Some(cost.unwrap_or(0.0) + value);
        }
        Some(Case {
            day: day(self.at),
            cost,
            cancelled: self.outcome.cancelled(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::LineId;
    use crate::domain::incident::{Helped, LineKey};

    fn line(order: &str, line: Option<&str>, how: Option<Remedy>) -> LostLine {
        let at = Timestamp::from_millis(0);
        LostLine {
            key: LineKey {
                channel: ChannelId::new("shop").unwrap(),
                order: OrderId::new(order).unwrap(),
                line: line.map(|line| LineId::new(line).unwrap()),
            },
            placed_at: at,
            units: 2,
            helped: how.map(|how| Helped { how, at, by: None }),
        }
    }

    fn incident(id: i64, source: &str, lines: Vec<LostLine>) -> Incident {
        Incident {
            id,
            sku: Sku::new(&format!("SKU-{id}")).unwrap(),
            pool: None,
            source: source.to_owned(),
            opened_at: Timestamp::from_millis(id),
            closed_at: None,
            happened_on: None,
            reason: None,
            cost: None,
            currency: None,
            evidence: serde_json::Value::Null,
            lines,
        }
    }

    /// Rule R91: units, lines and orders are three counts, and what was served in the end is no incident.
    #[test]
    fn r91_an_order_is_one_incident() {
        let both = vec![
            line("1", Some("a"), Some(Remedy::Cancel)),
            line("2", Some("a"), Some(Remedy::Restock)),
        ];
        let found = orders(&[
            incident(1, "ledger", both),
            incident(2, "ledger", vec![line("1", Some("b"), None)]),
            incident(3, "person", vec![line("3", None, None)]),
        ]);
        let told: Vec<_> = found
            .iter()
            .map(|lost| (lost.order.as_str(), lost.outcome, lost.lines, lost.units))
            .collect();
        assert_eq!(
            told,
            [
                ("1", Outcome::Cancelled, 2, 4),
                ("2", Outcome::Served, 1, 2),
                ("3", Outcome::NotTold, 1, 2),
            ]
        );
        assert_eq!(found.iter().filter(|lost| lost.counts()).count(), 2);
    }

    #[test]
    fn a_cost_that_was_told_of_the_same_order_is_its_cost() {
        let mut told = incident(2, "person", Vec::new());
        told.reason = Some("late delivery; one with incident 1".to_owned());
        (told.cost, told.currency) = (Some("30.50".to_owned()), Some("EUR".to_owned()));
        told.happened_on = Some("2026-11-02".to_owned());
        let found = orders(&[
            incident(1, "ledger", vec![line("1", Some("a"), None)]),
            told,
        ]);
        let eur = "EUR".parse().unwrap();
        assert_eq!(found[0].costs[&eur], "30.5".parse().unwrap());
        let mut used = Vec::new();
        let case = |currency, rates: &Rates, used: &mut Vec<Rate>| {
            found[0].case(currency, rates, used).map(|case| case.cost)
        };
        assert_eq!(case(eur, &Rates::default(), &mut used), Some(Some(30.5)));
        assert_eq!(case(Currency::USD, &Rates::default(), &mut used), None);
        let rate = BTreeMap::from([(eur, "1.10".parse().unwrap())]);
        let rates = Rates(BTreeMap::from([("2026-11-20".parse().unwrap(), rate)]));
        let cost = case(Currency::USD, &rates, &mut used).unwrap().unwrap();
        assert!((cost - 33.55).abs() < 1e-9, "{cost}");
        assert_eq!(used.len(), 1);
    }
}
