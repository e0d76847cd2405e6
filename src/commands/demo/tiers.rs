//! The sample export, classified as a seller does it before the first sale: its tiers drive the lanes of the demo.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::town::Town;
use super::write;
use crate::exit::Failure;

/// Two weeks of orders of the goods that the demo sells.
const SAMPLE: &str = include_str!("../../../data/sample-orders.csv");

/// What is read of the answer of `classify`.
#[derive(Deserialize)]
struct Answer {
    rows: Rows,
    skus: Vec<Sku>,
}

#[derive(Deserialize)]
struct Rows {
    read: u64,
}

#[derive(Deserialize)]
struct Sku {
    tier: String,
}

/// Runs `classify --apply` of this very program; what it found, in a sentence.
pub(super) fn classify(config: &Path, town: &Town, folder: &Path) -> Result<String, Failure> {
    let sample = folder.join("sample-orders.csv");
    write(&sample, SAMPLE)?;
    let program = std::env::current_exe().map_err(Failure::Start)?;
    let ran = Command::new(program)
        .args(["classify", "--apply", "--window", "14d", "--format", "json"])
        .arg("--config")
        .arg(config)
        .arg(&sample)
        .envs(town.secrets())
        .output()
        .map_err(Failure::Start)?;
    let said: Answer = serde_json::from_slice(&ran.stdout).map_err(|error| {
        let why = String::from_utf8_lossy(&ran.stderr);
        Failure::call(format!("classify the sample export: {error}: {why}"))
    })?;
    let mut tiers: BTreeMap<&str, usize> = BTreeMap::new();
    for sku in &said.skus {
        *tiers.entry(&sku.tier).or_default() += 1;
    }
    let told: Vec<_> = tiers
        .iter()
        .map(|(tier, n)| format!("{n} {tier}"))
        .collect();
    Ok(format!(
        "the sample export of {} orders was classified: {}",
        said.rows.read,
        told.join(", ")
    ))
}
