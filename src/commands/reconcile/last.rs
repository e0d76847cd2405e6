//! What the last whole comparison of each channel found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::summary::{Kept, percent};
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Class, Share};
use crate::domain::ids::ChannelId;
use crate::ledger::tables::{Result, Tables};
use crate::output::Cell;

/// Runs that are looked through: enough for many channels that are compared at different times.
const RUNS_MAX: usize = 400;

/// The drift of one channel when it was last compared.
#[derive(Debug, Clone, Serialize)]
pub(in crate::commands) struct LastDrift {
    /// When that was.
    pub(in crate::commands) at: Timestamp,
    compared: usize,
    drifted: usize,
    in_flight: usize,
    drift_pct: f64,
    #[serde(skip)]
    rate: Share,
}

impl LastDrift {
    /// The rate as percent.
    pub(in crate::commands) fn rate(&self) -> Cell {
        Cell::Decimal(percent(self.rate), 4)
    }
}

/// By channel; one that never was compared is missing.
///
/// # Errors
/// As the store.
pub(in crate::commands) fn last(tables: &mut dyn Tables) -> Result<BTreeMap<ChannelId, LastDrift>> {
    let mut found = BTreeMap::new();
    for run in tables.runs(RUNS_MAX)? {
        let kept = run.result.as_deref().map(serde_json::from_str::<Kept>);
        if let (Some(at), Some(Ok(kept))) = (run.finished_at, kept) {
            found.entry(run.channel).or_insert_with(|| LastDrift {
                at,
                compared: kept.tally.compared,
                drifted: kept.tally.drifted(),
                in_flight: kept.tally.of(Class::InFlight),
                drift_pct: percent(kept.tally.rate()),
                rate: kept.tally.rate(),
            });
        }
    }
    Ok(found)
}
