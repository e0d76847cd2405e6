//! What was typed, as the sales room takes it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::Classify;
use crate::commands::sales_files;
use crate::commands::sheet::{self, needed};
use crate::domain::clock::Timestamp;
use crate::exit::Failure;
use crate::sales::{Absence, Request, Rule};

/// How a file of SKUs is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutKind {
    Csv,
    Json,
    Parquet,
}

/// By the ending of its name.
pub(super) fn out_kind(path: Option<&Path>) -> Result<Option<OutKind>, Failure> {
    let Some(path) = path else {
        return Ok(None);
    };
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(Some(OutKind::Csv)),
        Some("json") => Ok(Some(OutKind::Json)),
        Some("parquet") => Ok(Some(OutKind::Parquet)),
        _ => Err(Failure::call(format!(
            "write {}: its ending says no format; hint: .csv, .parquet or .json",
            path.display()
        ))),
    }
}

/// What to classify, and how.
pub(super) fn request(args: &Classify, now: Timestamp) -> Result<Request, Failure> {
    let mut request = sales_files::request(&args.exports, now)?;
    request.lines = args.lines;
    request.rule = if args.rule == super::MAX_HOUR {
        Rule::MaxHour
    } else {
        Rule::Peak
    };
    request.censor_gaps = args.censor_gaps;
    if let Some(path) = &args.out_of_stock {
        request.absent = absences(path)?;
    }
    Ok(request)
}

/// Times without stock, by SKU.
fn absences(path: &Path) -> Result<BTreeMap<String, Vec<Absence>>, Failure> {
    let sheet = sheet::read(path, &[needed("sku"), needed("from"), needed("until")])?;
    let mut found: BTreeMap<String, Vec<Absence>> = BTreeMap::new();
    let wrong = |line: u64, reason: String| {
        Failure::call(format!("read {}:{line}: {reason}", path.display()))
    };
    if let Some(row) = sheet.rejected.first() {
        return Err(wrong(row.line, row.reason.clone()));
    }
    for row in &sheet.rows {
        let sku = sheet
            .name(row, "sku")
            .map_err(|reason| wrong(row.line, reason))?;
        let time = |column: &str| {
            let text = sheet
                .field(row, column)
                .unwrap_or_default()
                .trim()
                .to_owned();
            Timestamp::parse_utc(&text).ok_or_else(|| {
                wrong(
                    row.line,
                    format!("{column} is {text:?}, which is no time; hint: 2026-11-25T03:20:38Z"),
                )
            })
        };
        let (from, until) = (time("from")?, time("until")?);
        if until < from {
            return Err(wrong(row.line, "until is before from".to_owned()));
        }
        found
            .entry(sku.clone())
            .or_default()
            .push(Absence { from, until });
    }
    Ok(found)
}
