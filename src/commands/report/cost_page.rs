//! `report cost` as a page: the decision on top, what it stands on, and what each figure is.

use super::cost_answer::{Answer, Basis};
use super::{day_text, footer, real};
use crate::output::Cell;
use crate::output::chart::{Bar, Bars, Bound, Chart};
use crate::output::html::{Figure, Page, Part, Tone, Verdict};

/// The page.
pub(super) fn page(answer: &Answer) -> Page {
    Page {
        title: "What overselling costs".to_owned(),
        about: format!(
            "{} to {}, {:.1} months.",
            day_text(answer.since),
            day_text(answer.until),
            answer.months_observed
        ),
        verdict: Some(Verdict {
            says: answer.sentence(),
            tone: Tone::Plain,
        }),
        figures: figures(answer),
        parts: parts(answer),
        footer: footer(answer.until),
    }
}

fn figures(answer: &Answer) -> Vec<Figure> {
    let money = |value: f64| answer.currency.about(value);
    let total = answer.total_per_month.map_or("no total".to_owned(), money);
    let limits = answer
        .interval_95
        .map_or("unknown".to_owned(), |[low, high]| {
            format!("{} to {}", money(low), money(high))
        });
    let months = match answer.recommendation.months_to_decide {
        Some(0) => "decided".to_owned(),
        Some(months) => format!("{months} months"),
        None => "not by waiting".to_owned(),
    };
    vec![
        Figure::new("Cost per month", total).meaning(
            "What incidents cost at once and later, at likely prices, divided by the months that were watched. A month is 30 \
             days.",
        ),
        Figure::new("95 % limits", limits).meaning(
            "Incidents are few, so that chance moves them: between these limits lies the cost that would be seen over many \
             months, with 95 % certainty, at likely prices. Exact Poisson limits of the count; wider where incidents come \
             together on few days, or cost unequal amounts.",
        ),
        Figure::new("Incidents", answer.incidents.to_string()).meaning(match answer.basis {
            Basis::Incidents => {
                "Orders that could not be served because units were not there: cancelled, substituted, or still waiting. An \
                 order counts once. Orders within a backorder cap, and those that were served in the end, are none."
            }
            Basis::CancelledOrders => {
                "Cancelled orders of the exports. They stand in for incidents, which nobody wrote down: some have other \
                 reasons, so this is at most how many there were."
            }
        }),
        Figure::new("One incident", money(answer.cost_per_incident)).meaning(
            "What one incident costs on average: refund, another shipment and service time as in [costs], or what people wrote \
             down; and of cancelled orders the customers that are lost by them.",
        ),
        Figure::new("Until it is sure", months).meaning(
            "How many more months like these would bring both limits to the same side of the bounds at which the \
             recommendation changes.",
        ),
    ]
}

fn parts(answer: &Answer) -> Vec<Part> {
    let mut parts = Vec::new();
    let warnings = answer.warnings();
    if !warnings.is_empty() {
        parts.push(Part::List {
            title: "To be careful about".to_owned(),
            lines: warnings,
        });
    }
    parts.extend(decision(answer));
    parts.extend(made_of(answer));
    parts.push(weeks(answer));
    parts.extend(changed(answer));
    if !answer.skus.is_empty() {
        parts.push(Part::Table {
            title: "SKUs that were short most often".to_owned(),
            headers: vec!["SKU", "incidents", "units"],
            rows: answer
                .skus
                .iter()
                .map(|sku| {
                    vec![
                        sku.sku.as_str().into(),
                        whole(sku.incidents),
                        sku.units.into(),
                    ]
                })
                .collect(),
        });
    }
    parts.extend(currencies(answer));
    parts.extend(health(answer));
    parts.extend(stand_in(answer));
    parts.push(returns(answer));
    parts.push(terms());
    parts
}

fn whole(count: usize) -> Cell {
    Cell::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The cost between its limits, with the bounds that decide.
fn decision(answer: &Answer) -> Option<Part> {
    let ([low, high], total) = (answer.interval_95?, answer.total_per_month?);
    let money = |value: f64| answer.currency.about(value);
    let [price_low, price_high] = answer.total_range?;
    let bar = |label: &str, (low, high): (f64, f64)| {
        Bar::new(label, total)
            .between(low, high)
            .saying(money(total))
    };
    Some(Part::Chart {
        title: "Cost per month, and where the recommendation changes".to_owned(),
        about: "The upper bar's line is how far chance may move the cost (95 %); the lower one's is how far it goes if every price is \
                at its end."
            .to_owned(),
        chart: Chart::Bars(Bars {
            unit: format!("{} per month", answer.currency),
            bars: vec![
                bar("by chance", (low, high)),
                bar("by prices", (price_low, price_high)),
            ],
            bounds: vec![
                Bound::new(
                    format!("batch below {}", money(answer.recommendation.batch_below)),
                    answer.recommendation.batch_below,
                ),
                Bound::new(
                    format!("real time above {}", money(answer.recommendation.real_time_above)),
                    answer.recommendation.real_time_above,
                ),
            ],
        }),
    })
}

fn made_of(answer: &Answer) -> Option<Part> {
    let parts = answer.parts();
    if parts.is_empty() {
        return None;
    }
    let bar = |(name, range): &(&str, crate::domain::cost::Range)| {
        Bar::new(*name, range.likely)
            .between(range.low, range.high)
            .saying(answer.currency.about(range.likely))
    };
    let later = if answer.lifetime_value_known {
        "Lost customers are those of cancelled orders who do not come back, with what they would have brought."
    } else {
        "Lost customers are not counted: [costs] lifetime_value is not set."
    };
    Some(Part::Chart {
        title: "What it is made of".to_owned(),
        about: format!(
            "The first four arise at once, the last two later. The lines go from the lowest to the highest price. {later}"
        ),
        chart: Chart::Bars(Bars {
            unit: format!("{} per month", answer.currency),
            bars: parts.iter().map(bar).collect(),
            bounds: Vec::new(),
        }),
    })
}

fn weeks(answer: &Answer) -> Part {
    let bar = |week: &super::cost_answer::Week| {
        Bar::new(week.since.clone(), real(week.incidents)).saying(week.incidents.to_string())
    };
    Part::Chart {
        title: "Incidents by week".to_owned(),
        about: "Each bar is the week that begins on that day; the last one ends with the time that was watched.".to_owned(),
        chart: Chart::Bars(Bars {
            unit: "incidents".to_owned(),
            bars: answer.weeks.iter().map(bar).collect(),
            bounds: Vec::new(),
        }),
    }
}

fn changed(answer: &Answer) -> Option<Part> {
    let change = answer.change.as_ref()?;
    let number = |value: Option<f64>| value.map_or(Cell::Empty, |value| Cell::Decimal(value, 3));
    let says = match change.verdict {
        "fewer" => "fewer incidents since then: the upper limit is below 1",
        "more" => "more incidents since then: the lower limit is above 1",
        _ => "not sure: 1 lies between the limits",
    };
    let [low, high] = change.ratio_interval_95.unwrap_or([None, None]);
    Some(Part::Table {
        title: format!("Before and after {}: {says}", change.date),
        headers: vec!["", "months", "incidents", "ratio", "from", "to"],
        rows: vec![
            vec![
                "before".into(),
                Cell::Decimal(change.months_before, 1),
                whole(change.incidents_before),
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
            ],
            vec![
                "after".into(),
                Cell::Decimal(change.months_after, 1),
                whole(change.incidents_after),
                number(change.ratio),
                number(low),
                number(high),
            ],
        ],
    })
}

fn currencies(answer: &Answer) -> Vec<Part> {
    let mut parts = Vec::new();
    if !answer.by_currency.is_empty() {
        parts.push(Part::Table {
            title: "What people wrote down, by currency".to_owned(),
            headers: vec!["currency", "incidents", "amount", "in the total"],
            rows: answer
                .by_currency
                .iter()
                .map(|told| {
                    vec![
                        told.currency.as_str().into(),
                        whole(told.incidents),
                        told.amount.as_str().into(),
                        if told.added { "yes" } else { "no rate" }.into(),
                    ]
                })
                .collect(),
        });
    }
    if !answer.rates.is_empty() {
        parts.push(Part::Table {
            title: format!("Rates that were used, in {}", answer.currency),
            headers: vec!["currency", "of", "rate"],
            rows: answer
                .rates
                .iter()
                .map(|rate| {
                    vec![
                        rate.currency.as_str().into(),
                        rate.of.to_string().into(),
                        Cell::Decimal(rate.rate.to_f64(), 4),
                    ]
                })
                .collect(),
        });
    }
    parts
}

fn health(answer: &Answer) -> Option<Part> {
    if answer.health.is_empty() {
        return None;
    }
    Some(Part::Table {
        title: "How channels judge cancelled orders".to_owned(),
        headers: vec![
            "channel",
            "cancelled",
            "of orders",
            "%",
            "limit %",
            "orders left",
        ],
        rows: answer
            .health
            .iter()
            .map(|(channel, health)| {
                let count = |count: u64| Cell::Whole(i64::try_from(count).unwrap_or(i64::MAX));
                vec![
                    channel.as_str().into(),
                    count(health.cancelled),
                    count(health.orders),
                    Cell::Decimal(health.rate_pct, 2),
                    Cell::Decimal(health.limit_pct, 2),
                    health.margin_orders.into(),
                ]
            })
            .collect(),
    })
}

fn stand_in(answer: &Answer) -> Option<Part> {
    let found = answer.stand_in.as_ref()?;
    let [low, high] = found.rate_interval_95;
    Some(Part::List {
        title: "Cancelled orders in the exports: a stand-in".to_owned(),
        lines: vec![
            format!(
                "{} orders; {} cancelled without a reason, {} for want of stock, {} by the buyer (left out).",
                found.orders, found.cancelled, found.no_stock, found.by_buyer
            ),
            format!(
                "That is {:.2} % of the orders ({low:.2} to {high:.2} %).",
                found.rate_pct
            ),
            format!("Mind: {}.", found.note),
        ],
    })
}

fn returns(answer: &Answer) -> Part {
    let mut lines = Vec::new();
    if let Some(best) = &answer.real_time_at_best {
        let money = |value: f64| answer.currency.about(value);
        let payback = match best.payback_months {
            Some(months) if months > 0.0 => {
                format!("it pays back in {months:.1} months at the earliest")
            }
            Some(_) => "there is nothing to pay back".to_owned(),
            None => "it never pays back".to_owned(),
        };
        lines.push(format!(
            "If it prevented every incident, real time would bring {} a month after its running costs; {payback}. How much \
             of it your own orders would prevent: onhand recommend.",
            money(best.saving_per_month)
        ));
    }
    if let Some(chance) = answer.allowed_chance {
        lines.push(format!(
            "By what a sale earns, a buffer may fail at {:.1} % of the stockouts: beyond that, keeping units back costs more \
             than an incident.",
            100.0 * chance
        ));
    }
    lines.push(
        "Published tables of overselling rates are not yours: their rates and counts do not fit each other. What is told here \
         is counted from your own incidents."
            .to_owned(),
    );
    Part::List {
        title: "What another way of syncing would bring".to_owned(),
        lines,
    }
}

fn terms() -> Part {
    let term = |word: &str, means: &str| (word.to_owned(), means.to_owned());
    Part::Terms {
        title: "What the words mean".to_owned(),
        terms: vec![
            term(
                "Refund, another shipment, service time",
                "What an incident costs at once, each from a lowest to a highest price in [costs]. Time for the refund is \
                 service time; the refund is only what is not got back. Where people wrote a cost down, that stands instead.",
            ),
            term(
                "Lost customers",
                "Of cancelled orders: the share of customers who do not come back (customers_lost), times what a customer \
                 brings (lifetime_value).",
            ),
            term(
                "Batch, near real time, real time",
                "Batches of a quarter of an hour with reconciliation; batches of 1 to 5 minutes with buffers; each sale by \
                 itself within seconds. Below batch_below the first is recommended; above real_time_above the last, if there \
                 are tier A SKUs; else the middle one, on a bound as well. What is decided on is the limit, not the likely \
                 cost: a recommendation is for what is sure to pay.",
            ),
            term(
                "Account health",
                "Orders that were cancelled for want of stock, of the orders that you serve yourself, over the days that the \
                 channel looks at. What buyers cancel and what the channel ships are outside.",
            ),
        ],
    }
}
