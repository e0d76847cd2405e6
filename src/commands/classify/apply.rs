//! Stored tiers: what a run would change, and changing it. Up at once, down after three windows, pins as they are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::commands::seller::Seller;
use crate::domain::ids::Sku;
use crate::domain::tier::{DEMOTION_TIMES, Kept, Tier};
use crate::exit::Failure;
use crate::ledger::tables::{AuditRow, KeptTier, Tables};
use crate::sales::Classified;

/// SKUs in one transaction: few enough that webhooks do not wait for its commit.
const SKUS_PER_WRITE: usize = 500;

/// A tier that differs from the stored one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) sku: String,
    /// The stored tier; none if it is new.
    pub(super) from: Option<Tier>,
    /// The tier after this run.
    pub(super) to: Tier,
    /// The tier that was measured.
    pub(super) measured: Tier,
    /// In words.
    pub(super) why: String,
}

/// What the store keeps.
#[derive(Debug, Default)]
pub(super) struct Tiers {
    stored: BTreeMap<Sku, KeptTier>,
}

/// What a run does to the stored tiers.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    /// Stored SKUs that the files do not name.
    pub(super) stale: BTreeSet<Sku>,
    /// Everything to write.
    kept: BTreeMap<Sku, KeptTier>,
}

/// Sets the tiers that are pinned by hand.
pub(super) fn pin(found: &mut Classified, pins: &BTreeMap<Sku, Tier>) {
    for sku in &mut found.skus {
        if let Some(tier) = pins.get(sku.sku.as_str()) {
            sku.tier = *tier;
            sku.pinned = true;
        }
    }
}

impl Tiers {
    /// Reads them.
    pub(super) async fn read(seller: &Seller) -> Result<Self, Failure> {
        let stored = seller.ledger.read(|tables| tables.tiers()).await?;
        Ok(Self { stored })
    }

    /// What this run makes of them.
    pub(super) fn plan(&self, found: &Classified, pins: &BTreeMap<Sku, Tier>) -> Plan {
        let mut plan = Plan::default();
        for row in &found.skus {
            // What cannot be a name of ours was rejected when it was read.
            let Ok(sku) = Sku::new(&row.sku) else {
                continue;
            };
            let stored = self.stored.get(&sku).copied();
            let newer = stored.is_none_or(|stored| stored.as_of < found.as_of);
            let trusted = newer && found.incomplete_since.is_none();
            let measured = row.measured_tier;
            let kept = match stored {
                None => Kept {
                    tier: measured,
                    below: 0,
                },
                Some(stored) => stored
                    .kept
                    .after(measured, row.peak_units_per_hour, trusted),
            };
            let from = stored.map(|stored| stored.kept.tier);
            if from != Some(kept.tier) || kept.below != stored.map_or(0, |stored| stored.kept.below)
            {
                let why = why(from, kept, measured, pins.get(&sku).copied());
                plan.changes.push(Change {
                    sku: row.sku.clone(),
                    from,
                    to: kept.tier,
                    measured,
                    why,
                });
            }
            let as_of = stored.map_or(found.as_of, |stored| stored.as_of.max(found.as_of));
            plan.kept.insert(
                sku,
                KeptTier {
                    kept,
                    as_of,
                    stale: false,
                },
            );
        }
        for (sku, stored) in &self.stored {
            if !plan.kept.contains_key(sku) {
                plan.stale.insert(sku.clone());
                plan.kept.insert(
                    sku.clone(),
                    KeptTier {
                        stale: true,
                        ..*stored
                    },
                );
            }
        }
        plan
    }
}

fn why(from: Option<Tier>, kept: Kept, measured: Tier, pin: Option<Tier>) -> String {
    let says = match from {
        None => "new".to_owned(),
        Some(from) if kept.tier < from => "faster: at once".to_owned(),
        Some(from) if kept.tier > from => format!("slower in {DEMOTION_TIMES} windows"),
        Some(_) if kept.below > 0 => {
            format!(
                "measured {measured}; slower in {} of {DEMOTION_TIMES} windows",
                kept.below
            )
        }
        Some(_) => "no longer slower".to_owned(),
    };
    match pin {
        Some(pin) => format!("{says}; pinned to {pin}"),
        None => says,
    }
}

/// Writes what the plan says, in chunks; listings of SKUs whose tier changed are looked at again.
pub(super) async fn write(seller: &Seller, plan: &Plan, found: &Classified) -> Result<(), Failure> {
    let changed: BTreeMap<&str, &Change> = plan
        .changes
        .iter()
        .filter(|change| change.from != Some(change.to))
        .map(|change| (change.sku.as_str(), change))
        .collect();
    let kept: Vec<(Sku, KeptTier)> = plan
        .kept
        .iter()
        .map(|(sku, kept)| (sku.clone(), *kept))
        .collect();
    let (now, as_of) = (seller.now(), found.as_of);
    for chunk in kept.chunks(SKUS_PER_WRITE) {
        let tiers: BTreeMap<Sku, KeptTier> = chunk.iter().cloned().collect();
        let raised: BTreeSet<Sku> = tiers
            .keys()
            .filter(|sku| changed.contains_key(sku.as_str()))
            .cloned()
            .collect();
        let rows: Vec<AuditRow> = raised
            .iter()
            .filter_map(|sku| changed.get(sku.as_str()))
            .map(|change| AuditRow {
                at: now,
                kind: "tier",
                channel: None,
                subject: change.sku.clone(),
                detail: serde_json::json!({ "as_of": as_of, "tier": change }).to_string(),
            })
            .collect();
        let work = move |tables: &mut dyn Tables| {
            tables.set_tiers(&tiers)?;
            tables.raise_versions(&raised)?;
            tables.audit(&rows)
        };
        seller.ledger.write(work).await?;
    }
    Ok(())
}
