//! Everything that was found, put together.

use std::collections::BTreeMap;

use super::warnings::warnings;
use super::{
    Classified, Counts, FileReport, Gap, Heat, Ignored, LineReport, RejectedRow, Rows, SkuReport,
};
use super::{instant, units};
use crate::domain::abc::classes;
use crate::domain::clock::Timestamp;
use crate::sales::Request;
use crate::sales::demand::{Fate, Window};
use crate::sales::harvest::{self, NO_HOUR, Words};
use crate::sales::lines;
use crate::sales::read::{Everything, ReadFile};

/// The reason of rows that are too old, or after the end.
const OUTSIDE: &str = "outside_window";
/// Days that are compared before a drop, and the longest drop that is looked for.
const DAYS_BEFORE: i32 = 28;
const DROP_DAYS_MAX: i32 = 14;
/// A drop is less than this share of what was before, for at least so many days.
const DROP_SHARE: f64 = 0.4;
const DROP_DAYS_LEAST: i32 = 3;

/// Brings everything together.
#[expect(clippy::too_many_lines, reason = "one list of what is told")]
#[expect(clippy::too_many_arguments, reason = "each part is told once, here")]
pub(in crate::sales) fn whole<S>(
    request: &Request,
    found: Everything<S>,
    window: Window,
    mut skus: Vec<SkuReport>,
    counts: Counts,
    gaps: Vec<Gap>,
    heat: Option<Heat>,
    fates: &[Fate],
) -> Classified {
    let units: Vec<(&str, f64)> = skus
        .iter()
        .map(|sku| (sku.sku.as_str(), sku.units))
        .collect();
    let classes = classes(&units);
    for (sku, class) in skus.iter_mut().zip(classes) {
        sku.units_class = class;
    }
    let harvest = found.harvest;
    let names: Vec<String> = found.files.iter().map(|file| file.name.clone()).collect();
    let name = |file: u16| names.get(usize::from(file)).cloned().unwrap_or_default();
    let ignored = ignored(&harvest.ignored, &harvest.reasons, window, counts);
    let rejected: Vec<RejectedRow> = harvest
        .rejected
        .into_iter()
        .map(|row| RejectedRow {
            file: name(row.file),
            line: row.line,
            reason: row.reason,
        })
        .collect();
    let zones: Vec<String> = found
        .files
        .iter()
        .filter_map(|file| file.shape.profile.time.zone.clone())
        .chain(request.tz.map(|tz| tz.name().to_owned()))
        .collect();
    let lines = request.lines.then(|| {
        harvest
            .lines
            .into_iter()
            .map(|line| told(line, &names, window, fates))
            .collect()
    });
    let incomplete = incomplete(&found.files, window);
    let files: Vec<FileReport> = found
        .files
        .iter()
        .map(|file| of_file(file, request))
        .collect();
    let mut warnings = warnings(&found.files, &found.copies, &skus, window);
    if let Some(day) = incomplete {
        let day = instant(i64::from(day) * 24);
        let n_hours = i64::from(window.end) - day.millis() / 3_600_000;
        let n_days = (n_hours + 23).div_euclid(24);
        warnings.insert(0, format!(
            "the last {n_days} days look incomplete: far fewer rows than before; hint: export again, or --as-of {}",
            day.to_seconds_text()
        ));
    }
    Classified {
        as_of: request
            .as_of
            .unwrap_or_else(|| instant(i64::from(window.end))),
        window_hours: u32::try_from(window.hours()).unwrap_or(u32::MAX),
        timezone: zones.into_iter().next().unwrap_or_else(|| "UTC".to_owned()),
        rows: Rows {
            read: found.files.iter().map(|file| file.tally.read).sum(),
            counted: counts.counted,
            ignored: ignored.iter().map(|reason| reason.rows).sum(),
            rejected: rejected.len() as u64,
        },
        ignored,
        rejected,
        skus,
        files,
        gaps,
        warnings,
        incomplete_since: incomplete.map(|day| instant(i64::from(day) * 24)),
        heat,
        lines,
    }
}

/// Rows by reason. A row outside the window is only that.
fn ignored(
    known: &harvest::Ignored,
    reasons: &Words,
    window: Window,
    counts: Counts,
) -> Vec<Ignored> {
    let mut sums: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    let mut add = |reason, rows: u64, milli: i64| {
        let sum = sums.entry(reason).or_default();
        sum.0 += rows;
        sum.1 += milli;
    };
    for (&(reason, hour), &(rows, milli)) in known {
        let inside = hour == NO_HOUR || window.at(hour).is_some();
        add(
            if inside {
                reasons.word(reason)
            } else {
                OUTSIDE
            },
            rows,
            milli,
        );
    }
    add(OUTSIDE, counts.outside.0, counts.outside.1);
    add("duplicate", counts.duplicates.0, counts.duplicates.1);
    sums.into_iter()
        .filter(|(_, (rows, _))| *rows > 0)
        .map(|(reason, (rows, milli))| Ignored {
            reason: reason.to_owned(),
            rows,
            units: units(milli),
        })
        .collect()
}

fn told(line: lines::Line, names: &[String], window: Window, fates: &[Fate]) -> LineReport {
    let fate = line.sale.and_then(|sale| fates.get(sale).copied());
    let (counted, reason) = match fate {
        Some(Fate::Outside) => (false, OUTSIDE.to_owned()),
        Some(Fate::Duplicate) => (false, "duplicate".to_owned()),
        None if line.hour != NO_HOUR && window.at(line.hour).is_none() => {
            (false, OUTSIDE.to_owned())
        }
        Some(Fate::Counted) | None => (line.counted, line.reason),
    };
    LineReport {
        file: names
            .get(usize::from(line.file))
            .cloned()
            .unwrap_or_default(),
        line: line.stands_at,
        order: line.order,
        sku: line.sku,
        quantity: line.milli.map_or(serde_json::Value::Null, lines::units),
        at_utc: line.at,
        resolution: line.resolution.word(),
        channel: line.channel,
        counted,
        reason,
    }
}

fn of_file(file: &ReadFile, request: &Request) -> FileReport {
    let tally = &file.tally;
    let shape = &file.shape;
    let zone = shape
        .profile
        .time
        .zone
        .clone()
        .or(request.tz.map(|tz| tz.name().to_owned()));
    let text = |seconds: i64| Timestamp::from_millis(seconds * 1_000).to_seconds_text();
    let span = match (
        tally.rows_by_day.keys().next(),
        tally.rows_by_day.keys().next_back(),
    ) {
        (Some(first), Some(last)) => usize::try_from(last - first + 1).unwrap_or(0),
        _ => 0,
    };
    FileReport {
        file: file.name.clone(),
        format: shape.profile.name.clone(),
        encoding: shape.encoding_name().to_owned(),
        separator: shape.separator_name().to_owned(),
        timezone: zone,
        resolution: tally
            .resolutions
            .iter()
            .map(|resolution| resolution.word())
            .collect(),
        read: tally.read,
        demand: tally.counted,
        rejected: tally.rejected,
        first: tally.first_s.map(text),
        last: tally.last_s.map(text),
        days_without_sales: span.saturating_sub(tally.rows_by_day.len()),
        missing_columns: shape.columns.missing.clone(),
    }
}

/// The first day of a drop at the end of the window that no shop has from one day to the next (rule R81).
fn incomplete(files: &[ReadFile], window: Window) -> Option<i32> {
    let mut rows: BTreeMap<i32, u64> = BTreeMap::new();
    for file in files {
        for (&day, &n) in &file.tally.rows_by_day {
            *rows.entry(day).or_default() += n;
        }
    }
    let last = rows
        .keys()
        .next_back()
        .copied()?
        .min((window.end - 1).div_euclid(24));
    // The last day may be half over; it is no evidence, but it belongs to the drop.
    let count = |day: i32| rows.get(&day).copied().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "rows of a day")]
    let mean = |from: i32, to: i32| {
        (from..to).map(|day| count(day) as f64).sum::<f64>() / f64::from((to - from).max(1))
    };
    let first = rows.keys().next().copied()?;
    (DROP_DAYS_LEAST..=DROP_DAYS_MAX)
        .rev()
        .map(|n| last + 1 - n)
        .find(|&begin| {
            let before = begin - DAYS_BEFORE;
            let usual = mean(before, begin);
            let sold_before = (before..begin).filter(|day| count(*day) > 0).count();
            let low = (begin..last).all(|day| mean(day, day + 1) < DROP_SHARE * usual);
            let last_before = mean(begin - 1, begin);
            before >= first
                && usual >= 10.0
                && sold_before >= 20
                && low
                && last_before >= DROP_SHARE * usual
        })
}
