//! What is told of the exports: the counts, the SKUs, and what to be careful about.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Request;
use super::demand::{Demand, Fate, Window};
use super::harvest::{Map, NO_HOUR, Words};
use super::lines;
use super::read::{Everything, ReadFile};
use super::zone::Zone;
use crate::domain::abc::{Class, classes};
use crate::domain::clock::Timestamp;
use crate::domain::tier::Tier;
use crate::domain::velocity::{Hours, Shop, Velocity};

/// Rows by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// All of them.
    pub read: u64,
    /// Within the window, and demand.
    pub counted: u64,
    /// Left out by a rule.
    pub ignored: u64,
    /// Not readable.
    pub rejected: u64,
}

/// Rows that a rule left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ignored {
    /// Why.
    pub reason: String,
    /// How many.
    pub rows: u64,
    /// Their units.
    pub units: f64,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileReport {
    /// Its name.
    pub file: String,
    /// The profile that it was read by.
    pub format: String,
    /// How it is encoded.
    pub encoding: String,
    /// What stands between its cells.
    pub separator: String,
    /// The zone of its times without an offset; none if they have one, or are days.
    pub timezone: Option<String>,
    /// How exactly its times are known.
    pub resolution: Vec<&'static str>,
    /// Rows.
    pub read: u64,
    /// Rows that are demand, inside the window or not.
    pub demand: u64,
    /// Rows that cannot be read.
    pub rejected: u64,
    /// The first time.
    pub first: Option<String>,
    /// The last time.
    pub last: Option<String>,
    /// Days between them without a sale.
    pub days_without_sales: usize,
    /// Columns that rules would ask for and that are not there.
    pub missing_columns: Vec<String>,
}

/// One SKU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SkuReport {
    /// Its name.
    pub sku: String,
    /// Its tier: the measured one, or the one that is pinned.
    pub tier: Tier,
    /// The tier that its sales say.
    pub measured_tier: Tier,
    /// The tier is set by hand.
    pub pinned: bool,
    /// What the tier stands on.
    pub peak_units_per_hour: f64,
    /// Rate in the shop's peak hours.
    pub shop_peak: f64,
    /// Its standard error.
    pub shop_peak_se: f64,
    /// Rate of its own bursts.
    pub own_peak: f64,
    /// Its standard error.
    pub own_peak_se: f64,
    /// Its lower bound.
    pub own_peak_lower: f64,
    /// Units.
    pub units: f64,
    /// Orders.
    pub orders: u64,
    /// Orders in the shop's peak hours.
    pub orders_in_peak_hours: u64,
    /// The peak, with each order as one.
    pub peak_orders_per_hour: f64,
    /// Hours in which it could have sold.
    pub exposure_hours: u64,
    /// Units that one order counts with at most.
    pub order_cap: f64,
    /// The largest hour.
    pub max_hour_units: f64,
    /// The peak of the last 14 days by themselves.
    pub last_14d_peak: f64,
    /// The last 14 days would make a faster tier.
    pub rising: bool,
    /// New, or few orders.
    pub provisional: bool,
    /// Chance could have put it into another tier.
    pub borderline: bool,
    /// Some of its sales have no time of day.
    pub has_days: bool,
    /// Its class by share of all units: another thing than its tier.
    pub units_class: Class,
    /// Units by channel.
    pub channels: BTreeMap<String, f64>,
}

/// A time without sales that chance does not explain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The SKU.
    pub sku: String,
    /// Since then.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
    /// `out of stock?`, or, up to the end of the window, `out of stock or discontinued?`.
    pub reading: &'static str,
}

/// Orders of the shop by day of the week and hour, in its own zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heat {
    /// The zone.
    pub timezone: String,
    /// Monday to Sunday, hours 0 to 23.
    pub rows: Vec<Vec<u64>>,
}

/// One row, as `--lines` tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineReport {
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u64,
    /// Its order.
    pub order: String,
    /// Its SKU.
    pub sku: String,
    /// Units.
    pub quantity: serde_json::Value,
    /// An instant, or a local day.
    pub at_utc: Option<String>,
    /// How exactly it is known.
    pub resolution: &'static str,
    /// Its channel.
    pub channel: String,
    /// Whether it is demand in the window.
    pub counted: bool,
    /// Why not, or a note.
    pub reason: String,
}

/// Everything that is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classified {
    /// The end of the window.
    pub as_of: Timestamp,
    /// Its hours.
    pub window_hours: u32,
    /// The shop's zone.
    pub timezone: String,
    /// Rows by what became of them.
    pub rows: Rows,
    /// What was left out, and why.
    pub ignored: Vec<Ignored>,
    /// What cannot be read.
    pub rejected: Vec<RejectedRow>,
    /// The SKUs, by name.
    pub skus: Vec<SkuReport>,
    /// The files.
    pub files: Vec<FileReport>,
    /// Times without sales that chance does not explain.
    pub gaps: Vec<Gap>,
    /// What to be careful about.
    pub warnings: Vec<String>,
    /// The end of the export looks incomplete: since this day.
    pub incomplete_since: Option<Timestamp>,
    /// Orders by day of the week and hour.
    #[serde(skip)]
    pub heat: Option<Heat>,
    /// Every row, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<LineReport>>,
}

/// Rows after the window and copies are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) counted: u64,
    pub(super) outside: (u64, i64),
    pub(super) duplicates: (u64, i64),
}

#[expect(
    clippy::cast_precision_loss,
    reason = "units of one run are far below 2^52"
)]
fn units(milli: i64) -> f64 {
    milli as f64 / 1_000.0
}

fn instant(hour: i64) -> Timestamp {
    Timestamp::from_millis(hour * 3_600_000)
}

impl Gap {
    pub(super) fn new(sku: &str, hours: Hours, window: Window, end: usize) -> Self {
        let at = |hour: usize| instant(i64::from(window.start) + i64::try_from(hour).unwrap_or(0));
        let reading = if hours.to >= end {
            "out of stock or discontinued?"
        } else {
            "out of stock?"
        };
        Self {
            sku: sku.to_owned(),
            from: at(hours.from),
            until: at(hours.to),
            reading,
        }
    }
}

impl SkuReport {
    pub(super) fn new(
        name: &str,
        velocity: Velocity,
        last_14d_peak: f64,
        demand: &Demand,
        channels: &Words,
        window: Window,
    ) -> Self {
        let tier = velocity.tier();
        let channel = |&(channel, milli): &(u16, u64)| {
            let name = channels.word(u32::from(channel)).to_owned();
            (name, units(i64::try_from(milli).unwrap_or(i64::MAX)))
        };
        Self {
            sku: name.to_owned(),
            tier,
            measured_tier: tier,
            pinned: false,
            peak_units_per_hour: velocity.peak,
            shop_peak: velocity.shop_peak,
            shop_peak_se: velocity.shop_peak_se,
            own_peak: velocity.own_peak,
            own_peak_se: velocity.own_peak_se,
            own_peak_lower: velocity.own_peak_lower,
            units: velocity.units,
            orders: velocity.orders as u64,
            orders_in_peak_hours: velocity.orders_in_peak as u64,
            peak_orders_per_hour: 0.0,
            exposure_hours: velocity.exposure_hours as u64,
            order_cap: velocity.order_cap,
            max_hour_units: velocity.max_hour_units,
            last_14d_peak,
            rising: velocity.orders >= crate::domain::velocity::ORDERS_LEAST
                && Tier::of_peak(last_14d_peak) < tier,
            provisional: velocity.provisional(window.hours()),
            borderline: velocity.borderline(),
            has_days: !demand.days.is_empty(),
            units_class: Class::C,
            channels: demand.channels.iter().map(channel).collect(),
        }
    }

    /// By the largest hour alone.
    pub(super) fn of_max_hour(name: &str, most_milli: u64, milli: u64) -> Self {
        let of = |milli: u64| units(i64::try_from(milli).unwrap_or(i64::MAX));
        let peak = of(most_milli);
        Self {
            sku: name.to_owned(),
            tier: Tier::of_peak(peak),
            measured_tier: Tier::of_peak(peak),
            pinned: false,
            peak_units_per_hour: peak,
            shop_peak: 0.0,
            shop_peak_se: 0.0,
            own_peak: 0.0,
            own_peak_se: 0.0,
            own_peak_lower: 0.0,
            units: of(milli),
            orders: 0,
            orders_in_peak_hours: 0,
            peak_orders_per_hour: 0.0,
            exposure_hours: 0,
            order_cap: 0.0,
            max_hour_units: peak,
            last_14d_peak: 0.0,
            rising: false,
            provisional: false,
            borderline: false,
            has_days: false,
            units_class: Class::C,
            channels: BTreeMap::new(),
        }
    }
}

impl Heat {
    pub(super) fn new(shop: &Shop, window: Window, zone: Zone) -> Self {
        let mut sums = vec![vec![0.0_f64; 24]; 7];
        for hour in 0..window.hours() {
            let utc_hour = i64::from(window.start) + i64::try_from(hour).unwrap_or(0);
            let wall_hour = zone.wall(utc_hour * 3_600).div_euclid(3_600);
            // 1970-01-01 was a Thursday.
            let day = usize::try_from((wall_hour.div_euclid(24) + 3).rem_euclid(7)).unwrap_or(0);
            let of_day = usize::try_from(wall_hour.rem_euclid(24)).unwrap_or(0);
            if let Some(sum) = sums.get_mut(day).and_then(|row| row.get_mut(of_day)) {
                *sum += shop.orders(hour);
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of orders"
        )]
        let rows = sums
            .iter()
            .map(|row| row.iter().map(|sum| sum.round() as u64).collect())
            .collect();
        Self {
            timezone: zone.tz().name().to_owned(),
            rows,
        }
    }
}

/// Brings everything together.
#[expect(clippy::too_many_lines, reason = "one list of what is told")]
#[expect(clippy::too_many_arguments, reason = "each part is told once, here")]
pub(super) fn whole<S>(
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
    known: &super::harvest::Ignored,
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

/// The reason of rows that are too old, or after the end.
const OUTSIDE: &str = "outside_window";

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

/// Days that are compared before a drop, and the longest drop that is looked for.
const DAYS_BEFORE: i32 = 28;
const DROP_DAYS_MAX: i32 = 14;
/// A drop is less than this share of what was before, for at least so many days.
const DROP_SHARE: f64 = 0.4;
const DROP_DAYS_LEAST: i32 = 3;

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

fn warnings(
    files: &[ReadFile],
    copies: &[(String, String)],
    skus: &[SkuReport],
    window: Window,
) -> Vec<String> {
    let mut found = Vec::new();
    for (copy, original) in copies {
        found.push(format!(
            "{copy}: the same bytes as {original}; it is read once"
        ));
    }
    for file in files {
        of_one_file(file, &mut found);
    }
    let ends: Vec<i64> = files.iter().filter_map(|file| file.tally.last_s).collect();
    if let (Some(first), Some(last)) = (ends.iter().min(), ends.iter().max())
        && last - first > 86_400
    {
        let days = (last - first) / 86_400;
        found.push(format!(
            "the files end {days} days apart, so the last days lack some of the sales"
        ));
    }
    found.extend(aggregators(files));
    similar(skus, &mut found);
    if skus.is_empty() && window.hours() > 0 {
        found.push("no row counts in the window; hint: check --as-of and --window".to_owned());
    }
    found
}

fn of_one_file(file: &ReadFile, found: &mut Vec<String>) {
    let (name, odd) = (&file.name, &file.tally.odd);
    if let Some(warning) = &file.shape.profile.warn {
        found.push(format!("{name}: {warning}"));
    }
    let mut say = |n: u64, says: &str| {
        if n > 0 {
            found.push(format!("{name}: {n} {says}"));
        }
    };
    say(
        odd.ambiguous,
        "local times happened twice when the clock went back; the file's order decides, else the first",
    );
    say(
        odd.missing,
        "local times do not exist, for the clock went forward; they are taken as after the jump",
    );
    say(odd.fractions, "quantities are not whole");
    say(
        odd.numeric_skus,
        "SKUs are numbers in the sheet; zeros in front of them may be lost",
    );
    say(
        odd.undecodable,
        "rows hold bytes that the encoding does not know, in cells that do not matter here",
    );
    let only_days = file
        .tally
        .resolutions
        .iter()
        .any(|r| matches!(r, super::Resolution::Day));
    if only_days && file.shape.profile.time.zone.is_none() && file.shape.columns.zone.is_none() {
        found.push(format!("{name}: its days have no zone of their own; they are days of --tz, or of UTC without it"));
    }
}

/// An aggregator's export repeats what the channel's own export says.
fn aggregators(files: &[ReadFile]) -> Vec<String> {
    let span = |file: &ReadFile| Some((file.tally.first_s?, file.tally.last_s?));
    let mut found = Vec::new();
    for one in files.iter().filter(|file| file.shape.profile.aggregator) {
        for other in files.iter().filter(|file| !file.shape.profile.aggregator) {
            if let (Some((a, b)), Some((c, d))) = (span(one), span(other))
                && a <= d
                && c <= b
            {
                found.push(format!(
                    "{}: it repeats orders of marketplaces, and {} covers the same days; if it holds that channel, its sales count twice",
                    one.name, other.name
                ));
            }
        }
    }
    found
}

/// SKUs that differ by case or zeros only are mostly one.
fn similar(skus: &[SkuReport], found: &mut Vec<String>) {
    let (mut by_lower, mut by_number) = (Map::default(), Map::default());
    let (mut by_case, mut by_zeros) = (Vec::new(), Vec::new());
    for sku in skus {
        if let Some(other) = by_lower.insert(sku.sku.to_lowercase(), &sku.sku) {
            by_case.push(format!("{other} and {}", sku.sku));
        }
        if sku.sku.bytes().all(|b| b.is_ascii_digit()) {
            let bare = sku.sku.trim_start_matches('0');
            if let Some(other) = by_number.insert(bare, &sku.sku) {
                by_zeros.push(format!("{other} and {}", sku.sku));
            }
        }
    }
    for (pairs, how) in [(by_case, "by case"), (by_zeros, "by zeros in front")] {
        if let Some(first) = pairs.first() {
            let n = pairs.len();
            found.push(format!(
                "{n} pairs of SKUs differ {how} only, such as {first}; each counts by itself"
            ));
        }
    }
}
