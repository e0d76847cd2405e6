//! `stock show` and `stock set`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::imports::{book_waiting, write};
use super::known::expect_known;
use super::papers::counted_here;
use super::seller::Seller;
use crate::cli::{StockSet, StockShow};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{LocationId, Sku};
use crate::domain::quantity::Balance;
use crate::domain::stock::Basis;
use crate::exit::{Failure, Found};
use crate::ledger::counts::{self, Counted};
use crate::ledger::tables::StockLine;
use crate::output::{Cell, Out};

#[derive(Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    skus: Vec<ShownSku>,
}

#[derive(Serialize)]
struct ShownSku {
    sku: Sku,
    available: Balance,
    locations: Vec<ShownPlace>,
}

#[derive(Serialize)]
struct ShownPlace {
    location: LocationId,
    on_hand: Balance,
    committed: Balance,
    set_aside: Balance,
    incoming: Balance,
    available: Balance,
}

const HEADERS: &[&str] = &[
    "sku",
    "location",
    "on_hand",
    "committed",
    "set_aside",
    "incoming",
    "available",
];

/// Shows the stock.
pub(super) async fn show(
    args: StockShow,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    for sku in &args.skus {
        expect_known(seller, sku).await?;
    }
    let (at, as_written) = (args.at, args.as_written);
    if at.is_some_and(|at| at > seller.now()) {
        return Err(Failure::call(
            "show stock of a time that has not come yet; hint: check --at",
        ));
    }
    let lines = seller
        .ledger
        .read(move |tables| match at {
            Some(at) => tables.stock_at(at, as_written),
            None => tables.stock(),
        })
        .await?;
    let mut body = grouped(&lines, &args.skus);
    body.at = at;
    let rows: Vec<_> = body.skus.iter().flat_map(rows).collect();
    out.result("onhand.stock_show/1", &body, HEADERS, &rows)?;
    match at {
        _ if !body.skus.is_empty() => {}
        Some(at) => out.note(format!("there was no stock at {at}")),
        None => out.note("there is no stock yet; hint: `onhand stock import FILE` takes it in"),
    }
    Ok(Found::Nothing)
}

fn grouped(lines: &[StockLine], only: &[Sku]) -> Shown {
    let mut skus: BTreeMap<Sku, Vec<ShownPlace>> = BTreeMap::new();
    for line in lines {
        if !only.is_empty() && !only.contains(&line.sku) {
            continue;
        }
        let held = line.balances;
        skus.entry(line.sku.clone()).or_default().push(ShownPlace {
            location: line.location.clone(),
            on_hand: held.on_hand,
            committed: held.committed,
            set_aside: held.set_aside,
            incoming: held.incoming,
            available: held.available(),
        });
    }
    let shown = |(sku, locations): (Sku, Vec<ShownPlace>)| ShownSku {
        sku,
        available: locations
            .iter()
            .fold(0, |sum: Balance, place| sum.saturating_add(place.available)),
        locations,
    };
    Shown {
        at: None,
        skus: skus.into_iter().map(shown).collect(),
    }
}

fn rows(sku: &ShownSku) -> impl Iterator<Item = Vec<Cell>> {
    sku.locations.iter().map(|place| {
        vec![
            sku.sku.as_str().into(),
            place.location.as_str().into(),
            place.on_hand.into(),
            place.committed.into(),
            place.set_aside.into(),
            place.incoming.into(),
            place.available.into(),
        ]
    })
}

/// Stores a number that a person said, as a count.
pub(super) async fn set(args: StockSet, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let named = args.location.as_ref().map(LocationId::as_str);
    let location = counted_here(seller, named).map_err(Failure::Call)?;
    let now = seller.now();
    let at = args.at.unwrap_or(now);
    if at > now {
        return Err(Failure::call(format!(
            "count {} at {at}: that time has not come yet",
            args.sku
        )));
    }
    super::known::refuse_bundle(seller, &args.sku).await?;
    let row = Counted {
        sku: args.sku,
        location,
        units: args.units,
        basis: Basis::OnHand,
        set_aside: None,
        at,
    };
    let by = match &args.reason {
        Some(reason) => format!("user: {reason}"),
        None => "user".to_owned(),
    };
    let found = write(seller, args.dry_run, move |tables| {
        counts::count(tables, std::slice::from_ref(&row), &by, now)
    })
    .await?;
    if args.dry_run {
        out.note("dry run: nothing was changed");
    } else {
        book_waiting(seller).await?;
    }
    let rows: Vec<Vec<Cell>> = found
        .iter()
        .map(|found| {
            vec![
                found.sku.as_str().into(),
                found.location.as_str().into(),
                found.book.into(),
                found.counted.into(),
                found.variance.into(),
                found.on_hand.into(),
            ]
        })
        .collect();
    let headers = &["sku", "location", "book", "counted", "variance", "on_hand"];
    let body = serde_json::json!({ "at": at, "dry_run": args.dry_run, "counts": found });
    out.result("onhand.stock_set/1", &body, headers, &rows)?;
    Ok(Found::Nothing)
}
