//! `recommend` as a page.

use super::answer::{Answer, row};
use super::{HEADERS, SKUS_SHOWN};
use crate::output::chart::{Axis, Bar, Bars, Bound, Chart, Lines, Mark, Series};
use crate::output::html::{Figure, Page, Part, Tone, Verdict};

/// The page.
pub(super) fn page(answer: &Answer) -> Page {
    let trade = &answer.trade;
    Page {
        title: "What to do about overselling".to_owned(),
        about: format!(
            "From {:.0} days of your own orders ({}), {} channels, {} SKUs that can run out.",
            trade.days,
            if answer.orders_from == "books" {
                "of the books"
            } else {
                "of exports"
            },
            trade.channels.len(),
            trade.stocked_skus
        ),
        verdict: Some(Verdict {
            says: answer.recommendation.reason.clone(),
            tone: Tone::Plain,
        }),
        figures: figures(answer),
        parts: parts(answer),
        footer: format!(
            "onhand {}. Now: synced every {} s; real time: {} s.",
            env!("CARGO_PKG_VERSION"),
            answer.now_s,
            answer.real_time_s
        ),
    }
}

fn figures(answer: &Answer) -> Vec<Figure> {
    let money = |value: f64| answer.currency.about(value);
    // Batch changes nothing.
    let nothing = || {
        let known = answer.cost_per_month.is_some();
        if known {
            "nothing changes"
        } else {
            "not known"
        }
        .to_owned()
    };
    let saving = answer.saving();
    let payback = saving.map_or_else(nothing, |saving| match saving.returns.payback_months {
        Some(months) if months > 0.0 => format!("{months:.1} months"),
        Some(_) => "at once".to_owned(),
        None => "never".to_owned(),
    });
    vec![
        Figure::new("SKUs for real time", answer.real_time_skus.to_string()).meaning(
            "SKUs that real time would be for, if it pays: those that bring the wanted share of what real time can prevent, and \
             every SKU of tier A.",
        ),
        Figure::new(
            "Real time prevents",
            format!("{:.1} %", answer.prevented_pct.all_real_time),
        )
        .meaning(
            "Of the orders that would be oversold as things are now, if every SKU was synced in real time. Counted from pairs of \
             your own orders on different channels that came too close together to see each other; stockouts are taken to come \
             wherever units sell.",
        ),
        Figure::new(
            "A minute prevents",
            format!("{:.1} %", answer.prevented_pct.near_real_time),
        )
        .meaning("The same, if every SKU was synced every minute."),
        Figure::new(
            "Saving per month",
            saving.map_or_else(nothing, |saving| money(saving.returns.saving_per_month)),
        )
        .meaning(
            "Incidents that the recommendation would prevent, times what one costs, less what it costs to run more than now. Not \
             known without incidents, or where nothing changes.",
        ),
        Figure::new("Pays back in", payback)
            .meaning("What it costs once, over the saving per month. Never, if it saves nothing."),
    ]
}

fn parts(answer: &Answer) -> Vec<Part> {
    let mut parts = vec![Part::List {
        title: "Why, and how sure that is".to_owned(),
        lines: answer.recommendation.details.clone(),
    }];
    if !answer.warnings.is_empty() {
        parts.push(Part::List {
            title: "To be careful about".to_owned(),
            lines: answer.warnings.clone(),
        });
    }
    parts.push(curve(answer));
    parts.push(worst(answer));
    let shown = answer.skus.len().min(SKUS_SHOWN);
    parts.push(Part::Table {
        title: format!(
            "The first {shown} of {} SKUs, worst first",
            answer.skus.len()
        ),
        headers: HEADERS.to_vec(),
        rows: answer.skus.iter().take(SKUS_SHOWN).map(row).collect(),
    });
    let lines = answer.config_lines();
    if !lines.is_empty() {
        parts.push(Part::List {
            title: format!(
                "Buffers to write into [buffers.sku] of config.toml: at most {:.1} % of stockouts oversell",
                answer.buffer_chance_pct
            ),
            lines: lines.into_iter().take(200).collect(),
        });
    }
    parts.push(terms());
    parts
}

fn curve(answer: &Answer) -> Part {
    let points = answer
        .curve
        .iter()
        .map(|point| (point.skus_pct, point.prevented_pct));
    let mut marks = Vec::new();
    if let (Some(pct), Some(best)) = (answer.skus_for_target_pct, answer.curve.last()) {
        marks.push(Mark {
            name: format!("{pct:.1} % of SKUs"),
            x: pct,
            y: best.prevented_pct * f64::from(answer.target_pct) / 100.0,
        });
    }
    Part::Chart {
        title: "Share of SKUs in real time, and share of overselling prevented".to_owned(),
        about: format!(
            "SKUs that gain most come first. The mark is where {} % of what real time can prevent is reached; the usual claim is \
             10 to 20 % of the SKUs for 80 to 90 %.",
            answer.target_pct
        ),
        chart: Chart::Lines(Lines {
            x: Axis::new("% of SKUs in real time").over(0.0, 100.0),
            y: Axis::new("% of overselling prevented").over(0.0, 100.0),
            series: vec![Series {
                name: "prevented".to_owned(),
                points: std::iter::once((0.0, 0.0)).chain(points).collect(),
                band: Vec::new(),
            }],
            across: vec![Bound::new("80 %", 80.0)],
            upright: vec![Bound::new("20 %", 20.0)],
            marks,
        }),
    }
}

fn worst(answer: &Answer) -> Part {
    let bar = |sku: &super::answer::SkuAdvice| {
        Bar::new(sku.sku.clone(), sku.share_pct).saying(format!("{:.1} %", sku.share_pct))
    };
    Part::Chart {
        title: "SKUs that oversell most".to_owned(),
        about: "Share of all that would be oversold as things are now, if every SKU ran out wherever its units sell.".to_owned(),
        chart: Chart::Bars(Bars {
            unit: "% of overselling".to_owned(),
            bars: answer.skus.iter().take(12).map(bar).collect(),
            bounds: Vec::new(),
        }),
    }
}

fn terms() -> Part {
    let term = |word: &str, means: &str| (word.to_owned(), means.to_owned());
    Part::Terms {
        title: "What the words mean".to_owned(),
        terms: vec![
            term(
                "Oversold orders per stockout",
                "If the stock of a SKU runs out at one of its orders, each as likely as the other: how many more orders are taken \
                 on channels that do not know yet. Counted from your own orders, without a model of demand.",
            ),
            term(
                "Share",
                "Of all orders that would be oversold, those of this SKU.",
            ),
            term(
                "Buffer",
                "Units that are kept back on each channel: as many as the others sell, in all but a small share of cases, during \
                 the time in which a channel does not see them. The share comes from [costs] margin, or is 5 %.",
            ),
            term(
                "Tier",
                "A sells 10 or more units an hour in peak hours, B 2 to below 10, C below 2. Tier A is protected in any case.",
            ),
        ],
    }
}
