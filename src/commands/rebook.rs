//! `listings rebook` and `stock rename`: goods that turned out to be others, and goods that are called otherwise.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::imports::write;
use super::known::expect_known;
use super::seller::Seller;
use crate::cli::{ListingsRebook, StockRename};
use crate::domain::clock::Timestamp;
use crate::domain::decide;
use crate::domain::ids::{ChannelId, LineId, OrderId, Sku};
use crate::exit::{Failure, Found};
use crate::ledger::StoreError;
use crate::ledger::record::BookRules;
use crate::ledger::tables::{AuditRow, Result as StoreResult, Tables, Wanted};
use crate::output::{Cell, Out};

/// Orders in one transaction.
const ORDERS_PER_WRITE: usize = 200;

/// Lines of one order that were moved to other goods.
#[derive(Debug, Serialize, Deserialize)]
struct Rebooked {
    channel: ChannelId,
    order: OrderId,
    lines: Vec<LineId>,
    skus: BTreeSet<Sku>,
}

/// Moves order lines to the goods that their mapping names now.
pub(super) async fn rebook(
    args: ListingsRebook,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    if let Some(channel) = &args.channel {
        seller.configured(channel)?;
    }
    let (channel, listing) = (args.channel.clone(), args.listing.clone());
    let orders = seller
        .ledger
        .read(move |tables| tables.booked_orders(channel.as_ref(), listing.as_ref()))
        .await?;
    let orders: Vec<_> = orders.into_iter().collect();
    let mut found = Vec::new();
    for chunk in orders.chunks(ORDERS_PER_WRITE) {
        let (chunk, rules): (BTreeSet<_>, _) =
            (chunk.iter().cloned().collect(), seller.book_rules.clone());
        let (shipped_too, now) = (args.shipped, seller.now());
        let work = move |tables: &mut dyn Tables| moved(tables, &chunk, &rules, shipped_too, now);
        found.extend(write(seller, args.dry_run, work).await?);
    }
    let rows: Vec<Vec<Cell>> = found.iter().map(row).collect();
    let body = serde_json::json!({ "dry_run": args.dry_run, "orders": found });
    let headers = &["channel", "order", "lines", "skus"];
    out.result("onhand.listings_rebook/1", &body, headers, &rows)?;
    let lines: usize = found.iter().map(|order| order.lines.len()).sum();
    let would = if args.dry_run {
        " (dry run: nothing was changed)"
    } else {
        ""
    };
    out.note(format!(
        "{lines} lines of {} orders were moved to other goods{would}",
        found.len()
    ));
    Ok(Found::when(args.dry_run && !found.is_empty()))
}

fn moved(
    tables: &mut dyn Tables,
    orders: &BTreeSet<(ChannelId, OrderId)>,
    rules: &BookRules,
    shipped_too: bool,
    now: Timestamp,
) -> StoreResult<Vec<Rebooked>> {
    let wanted = Wanted {
        orders: orders.clone(),
        folding: rules
            .iter()
            .map(|(id, books)| (id.clone(), books.folding))
            .collect(),
        every_text: true,
        ..Wanted::default()
    };
    let mut books = tables.gather(&wanted)?;
    let mut found = Vec::new();
    let mut audit = Vec::new();
    for key in orders {
        let Some(channel) = rules.get(&key.0) else {
            continue;
        };
        let (lines, skus) = decide::remap(&mut books, key, &channel.rules, shipped_too)
            .map_err(|error| StoreError::Other(format!("move order {}: {error}", key.1)))?;
        if lines.is_empty() {
            continue;
        }
        audit.push(AuditRow {
            at: now,
            kind: "rebook",
            channel: Some(key.0.clone()),
            subject: key.1.as_str().to_owned(),
            detail: serde_json::json!({ "lines": lines, "skus": skus }).to_string(),
        });
        found.push(Rebooked {
            channel: key.0.clone(),
            order: key.1.clone(),
            lines,
            skus,
        });
    }
    tables.write_books(&books, now)?;
    tables.audit(&audit)?;
    Ok(found)
}

fn row(order: &Rebooked) -> Vec<Cell> {
    let lines: Vec<_> = order.lines.iter().map(LineId::as_str).collect();
    let skus: Vec<_> = order.skus.iter().map(Sku::as_str).collect();
    vec![
        order.channel.as_str().into(),
        order.order.as_str().into(),
        lines.join(" ").into(),
        skus.join(" ").into(),
    ]
}

/// Gives a SKU another name.
pub(super) async fn rename(
    args: StockRename,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    expect_known(seller, &args.old).await?;
    let (old, new) = (args.old.clone(), args.new.clone());
    let known = seller.ledger.read(|tables| tables.skus()).await?;
    if known.contains(&new) {
        return Err(Failure::call(format!(
            "rename {old} to {new}: {new} is another SKU already; hint: two SKUs do not become one"
        )));
    }
    for (table, names) in named_in_settings(seller, &old) {
        if names {
            out.warning(format!(
                "the settings name {old} in {table}; hint: write {new} there, too"
            ));
        }
    }
    let now = seller.now();
    write(seller, args.dry_run, move |tables| {
        tables.rename_sku(&old, &new, now)?;
        let detail = serde_json::json!({ "old": old, "new": new }).to_string();
        tables.audit(&[AuditRow {
            at: now,
            kind: "rename",
            channel: None,
            subject: new.as_str().to_owned(),
            detail,
        }])
    })
    .await?;
    let body = serde_json::json!({ "dry_run": args.dry_run, "old": args.old, "new": args.new });
    let rows = vec![vec![args.old.as_str().into(), args.new.as_str().into()]];
    out.result("onhand.stock_rename/1", &body, &["old", "new"], &rows)?;
    if args.dry_run {
        out.note("dry run: nothing was changed");
    }
    Ok(Found::Nothing)
}

/// Tables of the settings that name SKUs, and whether they name this one.
fn named_in_settings(seller: &Seller, sku: &Sku) -> [(&'static str, bool); 5] {
    let settings = &seller.settings;
    let promises = &settings.promises;
    [
        ("[buffers.sku]", settings.buffers.sku.contains_key(sku)),
        ("[categories]", settings.categories.contains_key(sku)),
        ("[tiers.pin]", settings.tiers.pin.contains_key(sku)),
        ("[promises] untracked", promises.untracked.contains(sku)),
        (
            "[promises.backorder] or [promises.daily]",
            promises.backorder.contains_key(sku) || promises.daily.contains_key(sku),
        ),
    ]
}
