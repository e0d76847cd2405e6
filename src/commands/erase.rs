//! `erase`: removes what is kept of a buyer's messages. What the books need stays: order numbers, SKUs, quantities.

use std::collections::BTreeSet;

use serde::Serialize;

use super::keeping::ROWS_AT_ONCE;
use super::seller::Seller;
use crate::cli::Erase;
use crate::domain::ids::{ChannelId, NameError, OrderId};
use crate::exit::{Failure, Found};
use crate::ledger::tables::{AuditRow, Erasure};
use crate::output::{Cell, Out};

#[derive(Serialize)]
struct Erased {
    orders: Vec<NamedOrder>,
    texts: usize,
    messages: usize,
    dry_run: bool,
}

#[derive(Serialize)]
struct NamedOrder {
    channel: ChannelId,
    order: OrderId,
}

type Named = BTreeSet<(ChannelId, OrderId)>;

/// Erases, and writes down that it was done. Works beside a running daemon.
pub(super) async fn erase(args: Erase, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let what = Erasure {
        orders: orders(&args.order, seller, out)?,
        texts: args.text,
    };
    if what.orders.is_empty() && what.texts.is_empty() {
        return Err(Failure::call(
            "erase: nothing is named; hint: onhand erase --order CHANNEL ORDER",
        ));
    }
    let search = what.clone();
    let found = seller
        .ledger
        .read(move |tables| tables.erasable(&search))
        .await?;
    let mut messages = found.len();
    if !args.dry_run {
        messages = remove(&found, seller).await?;
        write_down(&what, messages, seller).await?;
        if !seller.ledger.fold_log().await? {
            out.warning(
                "another process reads the store: the write-ahead log may hold what was erased for a while; hint: run \
                 `onhand erase` again later",
            );
        }
    }
    let row = vec![
        Cell::Whole(i64::try_from(what.orders.len()).unwrap_or(i64::MAX)),
        Cell::Whole(i64::try_from(what.texts.len()).unwrap_or(i64::MAX)),
        Cell::Whole(i64::try_from(messages).unwrap_or(i64::MAX)),
    ];
    let body = Erased {
        orders: what
            .orders
            .into_iter()
            .map(|(channel, order)| NamedOrder { channel, order })
            .collect(),
        texts: what.texts.len(),
        messages,
        dry_run: args.dry_run,
    };
    out.result(
        "onhand.erase/1",
        &body,
        &["orders", "texts", "messages"],
        &[row],
    )?;
    if args.dry_run {
        out.note("a dry run: nothing was erased");
    }
    Ok(Found::when(messages == 0))
}

/// The orders that were named: after each `--order` a channel, then its orders.
fn orders(words: &[String], seller: &Seller, out: &mut Out) -> Result<Named, Failure> {
    let mut found = BTreeSet::new();
    let mut channel: Option<ChannelId> = None;
    let wrong = |error: NameError| Failure::call(error.to_string());
    for word in words {
        // The words of all flags come in one list: the first is a channel, perhaps one that is not sold on any more, and
        // the name of a configured channel begins the next group.
        let named = ChannelId::new(word).ok();
        let configured = named.filter(|id| seller.settings.channels.contains_key(id));
        match (configured, &channel) {
            (Some(id), _) => channel = Some(id),
            (None, None) => {
                out.note(format!(
                    "no channel is called {word} in the settings; its messages are looked for"
                ));
                channel = Some(ChannelId::new(word).map_err(wrong)?);
            }
            (None, Some(id)) => {
                found.insert((id.clone(), OrderId::new(word).map_err(wrong)?));
            }
        }
    }
    Ok(found)
}

async fn remove(found: &BTreeSet<i64>, seller: &Seller) -> Result<usize, Failure> {
    let ids: Vec<_> = found.iter().copied().collect();
    let mut removed = 0;
    for chunk in ids.chunks(ROWS_AT_ONCE) {
        let chunk = chunk.iter().copied().collect();
        removed += seller
            .ledger
            .write(move |tables| tables.erase(&chunk))
            .await?;
    }
    Ok(removed)
}

/// One row for each order, so that its story tells of it; one in all if only texts were named, which are not repeated.
async fn write_down(what: &Erasure, messages: usize, seller: &Seller) -> Result<(), Failure> {
    let (at, texts) = (seller.now(), what.texts.len());
    let detail = serde_json::json!({ "messages": messages, "texts": texts }).to_string();
    let row = |channel: Option<&ChannelId>, subject: &str| AuditRow {
        at,
        kind: "erase",
        channel: channel.cloned(),
        subject: subject.to_owned(),
        detail: detail.clone(),
    };
    let mut rows: Vec<_> = what
        .orders
        .iter()
        .map(|(channel, order)| row(Some(channel), order.as_str()))
        .collect();
    if rows.is_empty() {
        rows.push(row(None, "erase"));
    }
    seller
        .ledger
        .write(move |tables| tables.audit(&rows))
        .await?;
    Ok(())
}
