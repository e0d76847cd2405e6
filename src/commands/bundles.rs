//! `bundles show` and `bundles import`: what bundles are made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::imports::{Summary, book_waiting, write};
use super::seller::Seller;
use super::sheet::{self, Row, Sheet, needed};
use crate::cli::BundlesImport;
use crate::domain::bundle::{self, Need, RecipeError, Recipes};
use crate::domain::ids::Sku;
use crate::exit::{Failure, Found};
use crate::output::{Cell, Out};

/// Most units of a component in one bundle; more is a slip of columns.
const UNITS_MAX: i64 = 1_000_000;
/// Most ways that are followed at once to name a circle.
const WAYS_MAX: usize = 1_000;

#[derive(Serialize)]
struct ShownBundle<'a> {
    bundle: &'a Sku,
    components: &'a [Need],
}

/// Shows the recipes.
pub(super) async fn show(seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let recipes = seller.ledger.read(|tables| tables.recipes()).await?;
    let shown: Vec<_> = recipes
        .iter()
        .map(|(bundle, components)| ShownBundle { bundle, components })
        .collect();
    let rows: Vec<Vec<Cell>> = recipes
        .iter()
        .flat_map(|(bundle, needs)| {
            needs.iter().map(|need| {
                vec![
                    bundle.as_str().into(),
                    need.sku.as_str().into(),
                    need.units.into(),
                ]
            })
        })
        .collect();
    let body = serde_json::json!({ "bundles": shown });
    out.result(
        "onhand.bundles_show/1",
        &body,
        &["bundle", "component", "quantity"],
        &rows,
    )?;
    Ok(Found::Nothing)
}

/// Takes recipes in; those of other bundles stay.
pub(super) async fn import(
    args: BundlesImport,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let mut sheet = sheet::read(
        &args.file,
        &[needed("bundle"), needed("component"), needed("quantity")],
    )?;
    let new = whole_bundles(&mut sheet);
    let before = seller.ledger.read(|tables| tables.recipes()).await?;
    let mut all = before.clone();
    all.extend(new.clone());
    bundle::check(&all).map_err(|error| refused(&sheet.file, &error, &all))?;
    warn_of_stock(&new, seller, out).await?;
    let mut summary = Summary::<()>::of(sheet, args.dry_run, new.len());
    let old: BTreeMap<_, _> = before.iter().map(|(k, v)| (k, sorted(v))).collect();
    let changed: Recipes = new
        .into_iter()
        .filter(|(bundle, needs)| old.get(bundle).cloned().unwrap_or_default() != sorted(needs))
        .collect();
    summary.changed = changed.len();
    if !changed.is_empty() {
        write(seller, args.dry_run, move |tables| {
            tables.put_recipes(&changed)
        })
        .await?;
    }
    if !args.dry_run {
        summary.booked_skus = book_waiting(seller).await?;
    }
    summary.write("onhand.bundles_import/1", "bundles", out)
}

/// A cycle is named from bundle to bundle, so that people see which recipe to change.
fn refused(file: &str, error: &RecipeError, all: &Recipes) -> Failure {
    let way = match error {
        RecipeError::Cycle { bundle, .. } => circle(bundle, all),
        RecipeError::TooDeep { .. } | RecipeError::TooMany { .. } => None,
    };
    let says = match way {
        Some(way) => {
            let names: Vec<_> = way.iter().map(Sku::as_str).collect();
            format!("a bundle contains itself: {}", names.join(" > "))
        }
        None => error.to_string(),
    };
    Failure::call(format!("import {file}: {says}; hint: nothing was changed"))
}

/// The shortest way from a bundle into a circle and once around.
fn circle(start: &Sku, recipes: &Recipes) -> Option<Vec<Sku>> {
    let mut ways = vec![vec![start.clone()]];
    for _ in 0..=bundle::DEPTH_MAX {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last()?;
            for need in recipes.get(last).into_iter().flatten() {
                let mut way = way.clone();
                let closed = way.contains(&need.sku);
                way.push(need.sku.clone());
                if closed {
                    return Some(way);
                }
                longer.push(way);
            }
        }
        longer.truncate(WAYS_MAX);
        ways = longer;
    }
    None
}

fn sorted(needs: &[Need]) -> Vec<Need> {
    let mut sums: BTreeMap<&Sku, u32> = BTreeMap::new();
    for need in needs.iter().filter(|need| need.units > 0) {
        let sum = sums.entry(&need.sku).or_default();
        *sum = sum.saturating_add(need.units);
    }
    let need = |(sku, units): (&Sku, u32)| Need {
        sku: sku.clone(),
        units,
    };
    sums.into_iter().map(need).collect()
}

/// The bundles whose rows are all right: a bundle without one of its components would show too much.
fn whole_bundles(sheet: &mut Sheet) -> Recipes {
    let mut recipes = Recipes::new();
    let mut lines: BTreeMap<Sku, Vec<u64>> = BTreeMap::new();
    let mut broken = BTreeSet::new();
    for row in std::mem::take(&mut sheet.rows) {
        let bundle = sku(sheet, &row, "bundle");
        match bundle.clone().and_then(|_| need(sheet, &row)) {
            Ok(need) => {
                if let Ok(bundle) = bundle {
                    lines.entry(bundle.clone()).or_default().push(row.line);
                    let needs = recipes.entry(bundle).or_default();
                    if need.units > 0 {
                        needs.push(need);
                    }
                }
            }
            Err(reason) => {
                broken.extend(bundle.ok());
                sheet.reject(row.line, reason);
            }
        }
    }
    for bundle in broken {
        recipes.remove(&bundle);
        for line in lines.remove(&bundle).unwrap_or_default() {
            sheet.reject(
                line,
                format!("another row of the bundle {bundle} was rejected"),
            );
        }
    }
    recipes
}

fn sku(sheet: &Sheet, row: &Row, column: &str) -> Result<Sku, String> {
    Sku::new(&sheet.name(row, column)?).map_err(|error| error.to_string())
}

fn need(sheet: &Sheet, row: &Row) -> Result<Need, String> {
    let units = sheet
        .whole(row, "quantity", 0, UNITS_MAX)?
        .ok_or("quantity is empty")?;
    Ok(Need {
        sku: sku(sheet, row, "component")?,
        units: u32::try_from(units).map_err(|error| error.to_string())?,
    })
}

/// Stock of a bundle itself is not shown any more, which may surprise.
async fn warn_of_stock(new: &Recipes, seller: &Seller, out: &mut Out) -> Result<(), Failure> {
    let stock = seller.ledger.read(|tables| tables.stock()).await?;
    let held = stock
        .iter()
        .filter(|line| line.balances.on_hand != 0)
        .filter(|line| new.get(&line.sku).is_some_and(|needs| !needs.is_empty()));
    for line in held {
        out.warning(format!(
            "{} is a bundle now; its own {} units at {} are shown nowhere",
            line.sku, line.balances.on_hand, line.location
        ));
    }
    Ok(())
}
