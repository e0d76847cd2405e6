//! Sales exports as they were named on the command line: what the sales room is asked, what the store knows of the goods,
//! and a bar that shows how far reading has come.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::seller::Seller;
use crate::cli::{ColumnNames, Exports};
use crate::config::{Environment, Settings};
use crate::domain::bundle::needs;
use crate::domain::clock::Timestamp;
use crate::exit::Failure;
use crate::ledger::tables::Selection;
use crate::runtime::clock::SystemClock;
use crate::sales::profile::{Find, Layout, Times};
use crate::sales::{
    Absence, Asked, Catalog, DayOrder, Decimal, Profile, Request, Watch, Wins, built_in,
};

/// What to read, and how.
pub(super) fn request(args: &Exports, now: Timestamp) -> Result<Request, Failure> {
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
    request.item_as_sku = args.ebay_item_as_sku;
    request.wins = args.overlap.as_deref().map(|which| match which {
        "tool" => Wins::Tool,
        _ => Wins::Own,
    });
    Ok(request)
}

fn profile(args: &Exports) -> Result<Option<Profile>, Failure> {
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

/// The store, if it is there or has to be made: looking at exports needs none.
pub(super) fn opened(
    settings: Settings,
    make: bool,
    env: &Environment,
) -> Result<Option<Seller>, Failure> {
    if !make && !settings.store_path().exists() {
        return Ok(None);
    }
    Seller::open(settings, env.clone(), Arc::new(SystemClock)).map(Some)
}

/// Shows how far reading has come.
pub(super) struct Bar {
    bar: indicatif::ProgressBar,
    rows: AtomicU64,
}

impl Bar {
    pub(super) fn new(bar: indicatif::ProgressBar) -> Self {
        Self {
            bar,
            rows: AtomicU64::new(0),
        }
    }

    /// Takes it away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Bar {
    fn seen(&self, bytes: u64, rows: u64) {
        if self.bar.is_hidden() {
            return;
        }
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        self.bar.inc(bytes);
        self.bar.set_message(format!("{rows} rows"));
    }
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
