//! What a run of `reconcile` found and did: the document, the table, and what is kept for the trend.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cli::Reconcile;
use crate::commands::plan_file::{PlanFile, PlanLine};
use crate::commands::seller::Seller;
use crate::domain::brake::Stopped;
use crate::domain::drift::{Class, Health, Repair, Share, Tally};
use crate::domain::ids::ChannelId;
use crate::exit::Failure;
use crate::output::{Cell, Out};
use crate::runtime::reconcile::{Findings, Line};

/// One line, and what was done about it.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    #[serde(flatten)]
    pub(super) line: Line,
    /// In words.
    pub(super) action: String,
}

/// One channel.
#[derive(Debug, Serialize)]
pub(super) struct Channel {
    #[serde(rename = "channel")]
    pub(super) id: ChannelId,
    pub(super) compared: usize,
    pub(super) in_flight: usize,
    pub(super) drifted: usize,
    pub(super) drift_pct: f64,
    /// Why its reading is incomplete.
    pub(super) incomplete: Option<String>,
    /// An earlier run that broke off was gone on with.
    pub(super) resumed: bool,
    pub(super) pages: u32,
    /// Orders that no message had told of.
    pub(super) orders_found: usize,
    pub(super) classes: BTreeMap<Class, usize>,
    /// Units that it should show.
    #[serde(skip)]
    pub(super) units: u64,
    #[serde(skip)]
    pub(super) run: Option<i64>,
    #[serde(skip)]
    pub(super) tally: Tally,
    #[serde(skip)]
    pub(super) lines: Vec<Told>,
}

/// The whole run; its keys are those of the documented `reconcile` JSON.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    digest: String,
    compared: usize,
    in_flight: usize,
    drifted: usize,
    drift_pct: f64,
    incomplete: bool,
    health: Health,
    fail_over_pct: f64,
    /// It was to be repaired.
    applied: bool,
    /// Who sent, if anything was.
    pub(super) by: Option<String>,
    pub(super) stopped: Option<Stopped>,
    pub(super) channels: Vec<Channel>,
    classes: BTreeMap<Class, usize>,
    pub(super) lines: Vec<Told>,
    #[serde(skip)]
    pub(super) plan: PlanFile,
    #[serde(skip)]
    pub(super) tally: Tally,
    #[serde(skip)]
    pub(super) fail_over: Share,
    #[serde(skip)]
    lines_of_trade: (Share, Share),
}

/// What is kept of a run, for the trend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) tally: Tally,
    pub(super) pages: u32,
    pub(super) orders_found: usize,
    /// Listings whose number was sent, or is.
    pub(super) sent: usize,
    /// Listings whose difference was taken into the stock.
    pub(super) adjusted: usize,
}

/// A share as percent.
pub(super) fn percent(share: Share) -> f64 {
    f64::from(share.millionths()) / 10_000.0
}

impl Channel {
    /// A channel that was compared. Nothing is done for one that nothing is sent to, or whose reading is incomplete.
    pub(super) fn of(
        found: Findings,
        orders_found: usize,
        quiet: &BTreeMap<ChannelId, String>,
    ) -> Self {
        let why = quiet.get(&found.channel).map(String::as_str);
        let why = if found.incomplete.is_some() {
            Some("the reading is incomplete")
        } else {
            why
        };
        let lines = found.lines.into_iter().map(|line| told(line, why));
        Self {
            id: found.channel,
            compared: found.tally.compared,
            in_flight: found.tally.of(Class::InFlight),
            drifted: found.tally.drifted(),
            drift_pct: percent(found.tally.rate()),
            incomplete: found.incomplete,
            resumed: found.resumed,
            pages: found.pages,
            orders_found,
            classes: found.tally.classes.clone(),
            units: found.units,
            run: Some(found.run),
            tally: found.tally,
            lines: lines.collect(),
        }
    }

    /// A channel that could not be compared at all.
    pub(super) fn unread(channel: ChannelId, why: String) -> Self {
        Self {
            id: channel,
            compared: 0,
            in_flight: 0,
            drifted: 0,
            drift_pct: 0.0,
            incomplete: Some(why),
            resumed: false,
            pages: 0,
            orders_found: 0,
            classes: BTreeMap::new(),
            units: 0,
            run: None,
            tally: Tally::default(),
            lines: Vec::new(),
        }
    }
}

/// A line with what would be done; `quiet`: why nothing is.
fn told(mut line: Line, quiet: Option<&str>) -> Told {
    let action = match (line.repair, quiet) {
        (Repair::Push | Repair::Adjust(_), Some(why)) => {
            line.repair = Repair::Tell;
            format!("none: {why}")
        }
        (Repair::Push, None) => {
            let lower = line
                .live
                .zip(line.desired)
                .is_some_and(|(live, due)| due < live);
            if lower { "lower" } else { "raise" }.to_owned()
        }
        (Repair::Adjust(units), None) => format!("adjust {units:+}"),
        (Repair::Tell, _) => match line.class {
            Class::InFlight => "none: under way",
            Class::SaleFound => "booked",
            Class::NotListed if line.live.is_none() => {
                "none: the channel does not have or count it"
            }
            Class::Unmapped => "none: no SKU of ours",
            Class::Buffer => "none: look at the buffers here and there",
            Class::GrossNet => "none: look whether the channel takes gross numbers",
            Class::Edited | Class::NotApplied | Class::NotListed | Class::Unknown => {
                "none: only told"
            }
        }
        .to_owned(),
    };
    Told { line, action }
}

impl Summary {
    /// Everything that was compared, with the plan of what is to be repaired.
    pub(super) fn of(mut channels: Vec<Channel>, args: &Reconcile, seller: &Seller) -> Self {
        channels.sort_by(|a, b| a.id.cmp(&b.id));
        let mut tally = Tally::default();
        let mut lines = Vec::new();
        for channel in &mut channels {
            // What was read in part says nothing about a share.
            if channel.incomplete.is_none() {
                tally.add(&channel.tally);
            }
            lines.append(&mut channel.lines);
        }
        let settings = &seller.settings.reconcile;
        let open = lines.iter().filter(|told| told.line.repair != Repair::Tell);
        let plan = PlanFile::new(
            "reconcile",
            seller.settings.digest(),
            seller.now(),
            open.map(planned).collect(),
        );
        let fail_over = args.fail_over.unwrap_or(settings.alarm);
        Self {
            digest: plan.digest.clone(),
            compared: tally.compared,
            in_flight: tally.of(Class::InFlight),
            drifted: tally.drifted(),
            drift_pct: percent(tally.rate()),
            incomplete: channels.iter().any(|channel| channel.incomplete.is_some()),
            health: Health::of(tally.rate(), settings.healthy, settings.alarm),
            fail_over_pct: percent(fail_over),
            applied: false,
            by: None,
            stopped: None,
            channels,
            classes: tally.classes.clone(),
            lines,
            plan,
            tally,
            fail_over,
            lines_of_trade: (settings.healthy, settings.alarm),
        }
    }

    /// It is being repaired.
    pub(super) fn begin_apply(&mut self) {
        self.applied = true;
    }

    /// Why the reading of some channel is incomplete.
    pub(super) fn why_incomplete(&self) -> Option<String> {
        let whys: Vec<_> = self
            .channels
            .iter()
            .filter_map(|channel| channel.incomplete.as_deref())
            .collect();
        (!whys.is_empty()).then(|| {
            format!(
                "{}; nothing was done on the basis of such a reading",
                whys.join("; ")
            )
        })
    }

    /// Finishes the runs that were whole, for the trend. The others are gone on with the next time.
    pub(super) async fn keep(&self, seller: &Seller) -> Result<(), Failure> {
        let now = seller.now();
        for channel in &self.channels {
            let (Some(run), None) = (channel.run, &channel.incomplete) else {
                continue;
            };
            let own = || {
                let all = self.lines.iter();
                all.filter(|told| self.applied && told.line.channel == channel.id)
            };
            let kept = Kept {
                tally: channel.tally.clone(),
                pages: channel.pages,
                orders_found: channel.orders_found,
                sent: own()
                    .filter(|told| told.line.repair == Repair::Push)
                    .count(),
                adjusted: own()
                    .filter(|told| matches!(told.line.repair, Repair::Adjust(_)))
                    .count(),
            };
            let text = serde_json::to_string(&kept)
                .map_err(|error| Failure::Call(format!("keep the run: {error}")))?;
            seller
                .ledger
                .write(move |tables| tables.end_run(run, now, &text))
                .await?;
        }
        Ok(())
    }

    /// The drift rate in a sentence, with both numbers (rule R73).
    pub(super) fn sentence(&self) -> String {
        let (healthy, alarm) = self.lines_of_trade;
        format!(
            "{} of {} listings compared differ ({}), which is {}: healthy below {healthy}, alarming above {alarm}; {} in \
             flight are left out",
            self.drifted,
            self.compared,
            self.tally.rate(),
            self.health.word(),
            self.in_flight
        )
    }

    /// Writes it out.
    pub(super) fn say(&self, out: &mut Out) -> Result<(), Failure> {
        let rows: Vec<_> = self.lines.iter().map(row).collect();
        out.result("onhand.reconcile/1", self, HEADERS, &rows)?;
        for channel in &self.channels {
            let resumed = if channel.resumed {
                ", gone on with after a break"
            } else {
                ""
            };
            out.note(format!(
                "{}: {} compared, {} differ, {} in flight, {} orders found; {} pages{resumed}",
                channel.id,
                channel.compared,
                channel.drifted,
                channel.in_flight,
                channel.orders_found,
                channel.pages,
            ));
        }
        out.note(self.sentence());
        if self.tally.drifted() > 0 && !self.applied {
            out.note("nothing was sent; hint: --apply repairs it");
        }
        Ok(())
    }
}

/// Columns of the table and of CSV.
pub(super) const HEADERS: &[&str] = &[
    "channel", "listing", "sku", "shown", "desired", "live", "class", "action",
];

/// One row of them.
pub(super) fn row(told: &Told) -> Vec<Cell> {
    let line = &told.line;
    vec![
        line.channel.as_str().into(),
        line.listing.as_str().into(),
        line.sku.as_ref().map(|sku| sku.as_str().to_owned()).into(),
        line.shown.into(),
        line.desired.into(),
        line.live.into(),
        line.class.word().into(),
        told.action.as_str().into(),
    ]
}

fn planned(told: &Told) -> PlanLine {
    let line = &told.line;
    PlanLine {
        channel: line.channel.clone(),
        listing: line.listing.clone(),
        sku: line.sku.as_ref().map(|sku| sku.as_str().to_owned()),
        shown: line.shown,
        live: line.live,
        desired: line.desired.unwrap_or(0),
        class: line.class.word().to_owned(),
        action: told.action.clone(),
        feed_version: line.version,
    }
}
