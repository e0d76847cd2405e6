//! Sales exports to line items and tiers, through the public door of the room.

mod bugs;
mod command;
mod formats;
mod fuzz;
mod simulate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use onhand::domain::clock::Timestamp;
use onhand::sales::{Asked, Classified, Profile, Request, SalesError, Watch, classify};
use serde_json::Value;

use crate::fixtures::shared;

/// Nobody watches.
struct Nobody;

impl Watch for Nobody {
    fn seen(&self, _bytes: u64, _rows: u64) {}
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(crate) fn request(files: &[PathBuf]) -> Request {
    let mut request = Request::new(files.to_vec(), at("2026-11-25T03:20:38Z"));
    request.lines = true;
    request
}

pub(crate) fn run(request: &Request) -> Result<Classified, SalesError> {
    let found = classify(request, &Nobody)?;
    let rows = found.rows;
    assert_eq!(
        rows.read,
        rows.counted + rows.ignored + rows.rejected,
        "rows disappeared: {rows:?}"
    );
    if let Some(lines) = &found.lines {
        let counted = lines.iter().filter(|line| line.counted).count();
        assert_eq!(counted as u64, rows.counted, "lines and counts disagree");
    }
    Ok(found)
}

/// Zones of samples that do not name theirs.
fn zone_of(file: &str) -> Option<&'static str> {
    match file.get(..2) {
        Some("08" | "10") => Some("Europe/London"),
        Some("14") => Some("Europe/Berlin"),
        _ => None,
    }
}

fn of_sample(folder: &Path, file: &str) -> Result<Classified, SalesError> {
    let mut request = request(&[folder.join(file)]);
    request.tz = zone_of(file).map(|name| name.parse().unwrap());
    run(&request)
}

/// A folder in which files are written.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Rows as `order sku quantity time channel reason`, those that do not count with a minus in front.
pub(crate) fn told(found: &Classified) -> Vec<String> {
    let line = |line: &onhand::sales::LineReport| {
        let sign = if line.counted { "" } else { "-" };
        let time = line.at_utc.as_deref().unwrap_or("?");
        let text = format!(
            "{sign}{} {} {} {time} {} {}",
            line.order, line.sku, line.quantity, line.channel, line.reason
        );
        text.trim_end().to_owned()
    };
    found.lines.iter().flatten().map(line).collect()
}

#[test]
fn every_sample_is_read_to_exactly_its_lines() {
    let Some(folder) = shared("exports") else {
        return;
    };
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).unwrap();
    for (file, expected) in &expected {
        let lines = expected["lines"].as_array().unwrap();
        if lines.is_empty() {
            let error = of_sample(&folder, file).unwrap_err().to_string();
            assert!(error.contains("without their SKU"), "{error}");
            continue;
        }
        let found = of_sample(&folder, file).unwrap();
        let found: Vec<Value> = found
            .lines
            .unwrap()
            .iter()
            .map(|line| {
                serde_json::json!({
                    "order": line.order, "sku": line.sku, "qty": line.quantity, "ts_utc": line.at_utc,
                    "resolution": line.resolution, "channel": line.channel, "counted": line.counted,
                    "reason": line.reason,
                })
            })
            .collect();
        let expected: Vec<Value> = lines
            .iter()
            .map(|line| {
                let keys = [
                    "order",
                    "sku",
                    "qty",
                    "ts_utc",
                    "resolution",
                    "channel",
                    "counted",
                    "reason",
                ];
                keys.iter()
                    .map(|key| ((*key).to_owned(), line[*key].clone()))
                    .collect()
            })
            .collect();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{file}");
        }
        assert_eq!(found.len(), expected.len(), "{file}");
    }
}

#[test]
fn the_real_set_gives_its_published_tiers() {
    let (Some(data), Some(expected)) = (
        shared("data/online-retail.csv.gz"),
        shared("data/online-retail-expected.json"),
    ) else {
        return;
    };
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/online-retail.toml");
    let text = std::fs::read_to_string(profile).unwrap();
    let mut request = request(&[data]);
    request.lines = false;
    request.as_of = Some(at("2011-12-09T13:00:00Z"));
    request.asked = Asked {
        profile: Some(Profile::parse("online-retail.toml", "online-retail", &text).unwrap()),
        ..Asked::default()
    };
    let found = run(&request).unwrap();
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(expected).unwrap()).unwrap();
    assert_eq!(found.rows.read, 541_909);
    assert_eq!(found.rows.counted, 203_176);
    for ignored in &found.ignored {
        if ignored.reason != "outside_window" {
            let known = &expected["reasons_window"][&ignored.reason];
            assert_eq!(
                (ignored.rows, ignored.units),
                (
                    known["rows"].as_u64().unwrap(),
                    known["qty"].as_f64().unwrap()
                ),
                "{}",
                ignored.reason
            );
        }
    }
    let tiers = |letter: &str| {
        found
            .skus
            .iter()
            .filter(|sku| sku.tier.letter() == letter)
            .count()
    };
    assert_eq!((tiers("A"), tiers("B"), tiers("C")), (38, 484, 2_636));
    for known in expected["skus"].as_array().unwrap() {
        same_numbers(&found, known);
    }
    for known in expected["nearest_to_a_threshold"].as_array().unwrap() {
        let sku = found
            .skus
            .iter()
            .find(|sku| sku.sku == known["sku"])
            .unwrap();
        assert!((sku.peak_units_per_hour - known["peak"].as_f64().unwrap()).abs() < 1e-6);
        assert!(sku.borderline, "{}", sku.sku);
    }
}

#[track_caller]
fn same_numbers(found: &Classified, known: &Value) {
    let sku = found
        .skus
        .iter()
        .find(|sku| sku.sku == known["sku"])
        .unwrap();
    for (key, value) in [
        ("units", sku.units),
        ("cap", sku.order_cap),
        ("store_peak", sku.shop_peak),
        ("own", sku.own_peak),
        ("own_se", sku.own_peak_se),
        ("own_lcb", sku.own_peak_lower),
        ("peak", sku.peak_units_per_hour),
        ("max_hour", sku.max_hour_units),
    ] {
        let known = known[key].as_f64().unwrap();
        assert!(
            (value - known).abs() < 1e-6,
            "{} {key}: {value}, not {known}",
            sku.sku
        );
    }
    assert_eq!(known["orders"], sku.orders);
    assert_eq!(known["exposure_h"], sku.exposure_hours);
    assert_eq!(sku.tier.letter(), known["tier"]);
}
