//! What a reader should know before trusting the numbers.

use super::SkuReport;
use crate::sales::demand::Window;
use crate::sales::harvest::Map;
use crate::sales::moment::Resolution;
use crate::sales::overlap;
use crate::sales::read::ReadFile;

pub(super) fn warnings(
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
    found.extend(overlap::warnings(files));
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
        .any(|r| matches!(r, Resolution::Day));
    if only_days && file.shape.profile.time.zone.is_none() && file.shape.columns.zone.is_none() {
        found.push(format!("{name}: its days have no zone of their own; they are days of --tz, or of UTC without it"));
    }
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
