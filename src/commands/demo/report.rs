//! The demo's summary as a page.

use std::time::Duration;

use super::judge::{ChannelSummary, Invariants, Summary};
use crate::output::Cell;
use crate::output::chart::{Bar, Bars, Chart};
use crate::output::html::{Figure, Page, Part, Tone, Verdict};

impl Summary {
    /// The page.
    pub(super) fn page(&self, shopping: Duration) -> Page {
        let good = self.good();
        let says = if good {
            "Every invariant held: nothing was lost, and no unit was oversold that could have been kept."
        } else {
            "Something did not hold; see below."
        };
        Page {
            title: "onhand demo".to_owned(),
            about: format!(
                "Two emulated marketplaces on loopback, {} s of shoppers, faults on the way, and a listener that was killed \
                 and started again in the middle. Seed {}.",
                shopping.as_secs(),
                self.seed
            ),
            verdict: Some(Verdict {
                says: says.to_owned(),
                tone: Tone::of(good),
            }),
            figures: self.figures(),
            parts: self.parts(),
            footer: format!(
                "onhand {}, counted from the marketplaces' journals and from the books. Repeat it: onhand demo --seed {}",
                env!("CARGO_PKG_VERSION"),
                self.seed
            ),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |label: &str, value: String, tone| Figure::new(label, value).toned(tone);
        let latency = &self.latency_ms;
        vec![
            figure("Sales", self.sales.to_string(), Tone::Plain),
            figure("Webhooks sent", self.webhooks.to_string(), Tone::Plain),
            figure("Sent twice", self.duplicates.to_string(), Tone::Plain),
            figure("Corrections", self.pushes.to_string(), Tone::Plain),
            figure(
                "Faults played",
                self.faults.values().sum::<u64>().to_string(),
                Tone::Plain,
            ),
            figure("Half within", format!("{} ms", latency.p50), Tone::Plain),
            figure("95 % within", format!("{} ms", latency.p95), Tone::Plain),
            figure("99 % within", format!("{} ms", latency.p99), Tone::Plain),
            figure(
                "Oversold units",
                self.oversold_units.to_string(),
                Tone::Plain,
            ),
            figure(
                "Of them avoidable",
                self.oversold_units_avoidable.to_string(),
                Tone::of(self.oversold_units_avoidable == 0),
            ),
            figure(
                "Orders lost",
                self.lost_events.to_string(),
                Tone::of(self.lost_events == 0),
            ),
            figure(
                "Differ at the end",
                self.reconcile.map_or_else(
                    || "not read".to_owned(),
                    |found| format!("{} of {}", found.drifted, found.compared),
                ),
                Tone::of(self.reconcile.is_some_and(|found| found.drifted == 0)),
            ),
            figure(
                "Came to rest",
                if self.converged { "yes" } else { "no" }.to_owned(),
                Tone::of(self.converged),
            ),
        ]
    }

    fn parts(&self) -> Vec<Part> {
        let whole = |count: usize| Cell::Whole(i64::try_from(count).unwrap_or(i64::MAX));
        let channel = |channel: &ChannelSummary| {
            vec![
                Cell::from(channel.channel.as_str()),
                Cell::from(channel.platform),
                whole(channel.sales),
                whole(channel.pushes),
                Cell::Whole(channel.shown),
                Cell::Whole(channel.desired),
            ]
        };
        let fault = |(name, count): (&String, &u64)| {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            vec![Cell::from(words(name)), Cell::Whole(count)]
        };
        let mut from = 0;
        let bar = |(end, count): &(Option<u64>, u64)| {
            let label = end.map_or_else(
                || format!("over {from} ms"),
                |end| format!("{from}\u{2013}{end} ms"),
            );
            from = end.unwrap_or(from);
            #[expect(clippy::cast_precision_loss, reason = "a length on a picture")]
            let bar = Bar::new(label, *count as f64).saying(count.to_string());
            bar
        };
        let mut parts = vec![
            Part::Table {
                title: "Channels".to_owned(),
                headers: vec![
                    "Channel",
                    "Platform",
                    "Sales",
                    "Corrections",
                    "Units shown",
                    "Units due",
                ],
                rows: self.channels.iter().map(channel).collect(),
            },
            Part::Chart {
                title: "From a message to the corrected channel".to_owned(),
                about: "How many corrections took how long, from the arrival of the webhook to the other channel's answer."
                    .to_owned(),
                chart: Chart::Bars(Bars {
                    unit: "corrections".to_owned(),
                    bars: self.latency_ms.spread.iter().map(bar).collect(),
                    bounds: Vec::new(),
                }),
            },
            Part::Table {
                title: "Faults played on purpose".to_owned(),
                headers: vec!["Fault", "Times"],
                rows: self.faults.iter().map(fault).collect(),
            },
        ];
        if let Invariants::Broken(lines) = &self.invariants {
            parts.insert(
                0,
                Part::List {
                    title: "What did not hold".to_owned(),
                    lines: lines.clone(),
                },
            );
        }
        parts
    }
}

/// `LostAnswer` as "lost answer".
fn words(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
