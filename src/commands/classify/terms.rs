//! What was typed, as the sales room takes it; and what the store knows of goods.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::{Classify, ColumnNames};
use crate::commands::seller::Seller;
use crate::commands::sheet::{self, needed};
use crate::domain::bundle::needs;
use crate::domain::clock::Timestamp;
use crate::exit::Failure;
use crate::ledger::tables::Selection;
use crate::sales::profile::{Find, Layout, Times};
use crate::sales::{
    Absence, Asked, Catalog, DayOrder, Decimal, Profile, Request, Rule, Wins, built_in,
};

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
    let mut request = Request::new(args.files.clone(), now);
    request.asked = Asked {
        profile: profile(args)?,
        encoding: args.encoding.clone(),
        counted: args.count.clone(),
    };
    request.tz = args
        .tz
        .as_deref()
        .map(|name| {
            name.parse().map_err(|_| {
                Failure::call(format!(
                    "no time zone is called {name:?}; hint: write it like Europe/London"
                ))
            })
        })
        .transpose()?;
    request.decimal = args.decimal.as_deref().map(|sign| match sign {
        "comma" => Decimal::Comma,
        _ => Decimal::Point,
    });
    request.dates = args.dates.as_deref().map(|order| match order {
        "month-first" => DayOrder::MonthFirst,
        _ => DayOrder::DayFirst,
    });
    request.day = args.date;
    request.window_hours = args.window;
    request.as_of = args.as_of;
    request.lines = args.lines;
    request.item_as_sku = args.ebay_item_as_sku;
    request.rule = if args.rule == super::MAX_HOUR {
        Rule::MaxHour
    } else {
        Rule::Peak
    };
    request.censor_gaps = args.censor_gaps;
    request.wins = args.overlap.as_deref().map(|which| match which {
        "tool" => Wins::Tool,
        _ => Wins::Own,
    });
    if let Some(path) = &args.out_of_stock {
        request.absent = absences(path)?;
    }
    Ok(request)
}

fn profile(args: &Classify) -> Result<Option<Profile>, Failure> {
    if let Some(columns) = &args.columns {
        return Ok(Some(of_columns(columns)));
    }
    if args.export == "auto" {
        return Ok(None);
    }
    let path = Path::new(&args.export);
    if path.extension().is_some_and(|ending| ending == "toml") {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::File {
            path: args.export.clone(),
            problem: error.to_string(),
            hint: "name a profile, or a built-in format",
        })?;
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("profile");
        return Ok(Some(Profile::parse(&args.export, name, &text)?));
    }
    let known = built_in()
        .iter()
        .find(|profile| profile.name == args.export);
    known.cloned().map(Some).ok_or_else(|| {
        let names: Vec<_> = built_in()
            .iter()
            .filter(|profile| profile.refuse.is_none())
            .map(|profile| profile.name.as_str())
            .collect();
        Failure::call(format!(
            "no export is called {:?}; hint: auto, a FILE.toml, or one of {}",
            args.export,
            names.join(", ")
        ))
    })
}

/// The generic format, with these columns and no others.
fn of_columns(columns: &ColumnNames) -> Profile {
    let generic = built_in().iter().find(|profile| profile.name == "generic");
    let mut profile = generic.expect("it is built in").clone();
    let named = |meaning: &str| -> Vec<String> {
        let found = columns.names.iter().filter(|(known, _)| known == meaning);
        found.map(|(_, column)| column.clone()).collect()
    };
    "columns".clone_into(&mut profile.name);
    "table with the columns that were named".clone_into(&mut profile.about);
    profile.find = Find {
        all: columns
            .names
            .iter()
            .map(|(_, column)| column.clone())
            .collect(),
        ..Find::default()
    };
    profile.layout = Layout::default();
    profile.time = Times::default();
    let known = &mut profile.columns;
    (known.sku, known.quantity, known.time) = (named("sku"), named("quantity"), named("time"));
    (known.order, known.channel, known.price) = (named("order"), named("channel"), named("price"));
    (known.line, known.clock) = (named("line"), Vec::new());
    if columns.names.iter().any(|(meaning, _)| meaning == "status") {
        known.status = named("status");
    }
    profile
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

/// When SKUs had nothing to sell, by the store's own books.
pub(super) async fn out_of_stock(
    seller: &Seller,
) -> Result<BTreeMap<String, Vec<Absence>>, Failure> {
    let now = seller.now();
    let books = seller.ledger.read(move |tables| tables.out_of_stock(now));
    let mut found: BTreeMap<String, Vec<Absence>> = BTreeMap::new();
    for (sku, from, until) in books.await? {
        let absences = found.entry(sku.as_str().to_owned()).or_default();
        absences.push(Absence { from, until });
    }
    Ok(found)
}

/// What a channel calls a pack of six is six of ours, unless that text is a SKU of ours itself.
fn add_pack(catalog: &mut Catalog, text: String, sku: &str, factor: u32) {
    if text != sku && !catalog.skus.contains(&text) {
        let pack = vec![(sku.to_owned(), factor)];
        catalog.recipes.entry(text).or_insert(pack);
    }
}

/// SKUs, bundles and multipacks of the store.
pub(super) async fn catalog(seller: &Seller) -> Result<Catalog, Failure> {
    let known = seller
        .ledger
        .read(|tables| {
            Ok((
                tables.skus()?,
                tables.recipes()?,
                tables.listings(&Selection::default())?,
            ))
        })
        .await?;
    let (skus, recipes, listings) = known;
    let mut catalog = Catalog {
        skus: skus.iter().map(|sku| sku.as_str().to_owned()).collect(),
        ..Catalog::default()
    };
    for bundle in recipes.keys() {
        let parts = needs(bundle, &recipes).map_err(|error| Failure::call(error.to_string()))?;
        let parts = parts
            .into_iter()
            .map(|need| (need.sku.as_str().to_owned(), need.units))
            .collect();
        catalog.recipes.insert(bundle.as_str().to_owned(), parts);
    }
    let named = listings
        .into_iter()
        .filter_map(|listing| Some((listing.their_sku?, listing.mapping?)));
    for (text, mapping) in named {
        add_pack(&mut catalog, text, mapping.sku.as_str(), mapping.factor);
    }
    Ok(catalog)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_what_is_in_it_and_a_sku_of_ours_is_itself() {
        let mut catalog = Catalog {
            skus: ["MUG", "TEE-6"].map(str::to_owned).into(),
            ..Catalog::default()
        };
        for (text, sku, factor) in [
            ("MUG-SIX", "MUG", 6),
            ("MUG", "MUG", 1),
            ("TEE-6", "MUG", 6),
            ("MUG-SIX", "MUG", 12),
        ] {
            add_pack(&mut catalog, text.to_owned(), sku, factor);
        }
        let expected = BTreeMap::from([("MUG-SIX".to_owned(), vec![("MUG".to_owned(), 6)])]);
        assert_eq!(catalog.recipes, expected);
    }
}
