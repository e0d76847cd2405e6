//! `stock transfer`: goods from one location to another, as one act.

use serde::Serialize;

use super::imports::write;
use super::papers::{
    counted_here, document, moment, past, sku, take, tell, tell_one, terms, unique, units,
};
use super::seller::Seller;
use super::sheet::{self, Row, Sheet, needed, wanted};
use crate::cli::{GoodsAt, StockTransfer};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DocumentId, LocationId, Sku};
use crate::domain::receipt::Leave;
use crate::domain::transfer::{Goods, Told, TransferLine, TransferNews};
use crate::exit::{Failure, Found};
use crate::ledger::StoreError;
use crate::ledger::life::PaperKind;
use crate::ledger::moves::{self, TransferRow};
use crate::output::{Cell, Out};

/// Takes transfers in, ends one, or shows what is on the way.
pub(super) async fn transfer(
    args: StockTransfer,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let at = moment(args.at, seller.now())?;
    if let Some(id) = args.cancel.clone() {
        return cancel(&id, &args, at, seller, out).await;
    }
    let Some(file) = &args.file else {
        return show(seller, out).await;
    };
    let mut sheet = sheet::read(
        file,
        &[
            needed("transfer"),
            needed("sku"),
            needed("from"),
            needed("to"),
            needed("quantity"),
            wanted("received"),
            wanted("at"),
        ],
    )?;
    let now = seller.now();
    let rows = unique(
        &mut sheet,
        |sheet, row| news(seller, (at, now), sheet, row),
        |row| (row.transfer.clone(), row.news.sku.clone(), row.at),
        "same transfer, SKU and time",
    );
    let leave = Leave {
        over: args.over,
        ..Leave::default()
    };
    let terms = (terms(&args.saying, leave, seller), args.saying.dry_run);
    let summary = take(sheet, rows, moves::transfer, terms, (seller, out)).await?;
    tell(summary, "onhand.stock_transfer/1", "transfers", out)
}

/// Reads one piece of news.
fn news(
    seller: &Seller,
    times: (Timestamp, Timestamp),
    sheet: &Sheet,
    row: &Row,
) -> Result<TransferRow, String> {
    let received = match sheet.field(row, "received").map(str::trim) {
        None | Some("") => 0,
        Some(_) => units(sheet, row, "received")?,
    };
    Ok(TransferRow {
        transfer: document(sheet, row, "transfer")?,
        news: TransferNews {
            sku: sku(sheet, row)?,
            from: counted_here(seller, Some(sheet.name(row, "from")?.trim()))?,
            to: counted_here(seller, Some(sheet.name(row, "to")?.trim()))?,
            sent: units(sheet, row, "quantity")?,
            received,
        },
        at: past(sheet, row, "at", times)?,
    })
}

async fn cancel(
    id: &DocumentId,
    args: &StockTransfer,
    at: Timestamp,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let goods = args.goods.map(|goods| match goods {
        GoodsAt::Source => Goods::Source,
        GoodsAt::Destination => Goods::Destination,
        GoodsAt::Lost => Goods::Lost,
    });
    let (named, terms) = (id.clone(), terms(&args.saying, Leave::default(), seller));
    let taken = write(seller, args.saying.dry_run, move |tables| {
        moves::cancel_transfer(tables, &named, goods, at, &terms)
    })
    .await?;
    let taken = taken.ok_or_else(|| {
        Failure::call(format!(
            "no transfer is called {id}; hint: `onhand stock transfer` shows those on the way"
        ))
    })?;
    let doing = format!("cancel transfer {id}");
    tell_one(
        taken,
        &doing,
        "onhand.stock_transfer/1",
        args.saying.dry_run,
        out,
    )
}

/// One line of a transfer, as it is told.
#[derive(Serialize)]
struct Open {
    transfer: DocumentId,
    sku: Sku,
    from: LocationId,
    to: LocationId,
    #[serde(flatten)]
    told: Told,
    on_the_way: u32,
}

/// Shows what is on the way.
async fn show(seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let papers = seller
        .ledger
        .read(|tables| tables.open_papers(PaperKind::Transfer))
        .await?;
    let mut found = Vec::with_capacity(papers.len());
    for paper in papers {
        let line: TransferLine = serde_json::from_str(&paper.state)
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        let told = line.told();
        found.push(Open {
            transfer: paper.id,
            sku: line.sku,
            from: line.from,
            to: line.to,
            told,
            on_the_way: told.on_the_way(),
        });
    }
    let row = |found: &Open| -> Vec<Cell> {
        vec![
            found.transfer.as_str().into(),
            found.sku.as_str().into(),
            found.from.as_str().into(),
            found.to.as_str().into(),
            found.told.sent.into(),
            found.told.received.into(),
            found.on_the_way.into(),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let headers = &[
        "transfer",
        "sku",
        "from",
        "to",
        "sent",
        "received",
        "on_the_way",
    ];
    let body = serde_json::json!({ "transfers": found });
    out.result("onhand.stock_transfers/1", &body, headers, &rows)?;
    if found.is_empty() {
        out.note("nothing is on the way");
    }
    Ok(Found::Nothing)
}
