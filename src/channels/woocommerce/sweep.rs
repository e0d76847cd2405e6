//! Fetches orders: one by its number, or all that changed since a moment. What they say is read in [`super::orders`].
//!
//! Source: connector notes, W3 and W4; recorded from WooCommerce 11.0.1.

use serde_json::value::RawValue;

use super::super::{Cursor, Fault, Page, Unread, Wire};
use super::WooCommerce;
use super::answers;
use super::auth::Call;
use super::orders::{Order, snapshot};
use crate::domain::clock::Timestamp;
use crate::domain::ids::OrderId;
use crate::domain::order::OrderSnapshot;

/// Orders on one page; more are refused with 400.
const PER_PAGE: usize = 100;
/// Pages within one second of changes; more than 100 000 orders in a second are a mistake of ours.
const PAGES_MAX: u32 = 1000;
/// Every status of an order.
const ANY: &str = "any";
/// Orders that are not shipped; pending ones hold nothing yet, and may soon.
const OPEN: &str = "pending,processing,on-hold";

/// Fetches one order.
///
/// # Errors
/// [`Fault::Gone`] for `woocommerce_rest_shop_order_invalid_id`; else as the wire.
pub(super) async fn fetch(
    shop: &WooCommerce,
    wire: &dyn Wire,
    order: &OrderId,
) -> Result<OrderSnapshot, Fault> {
    let id: u64 = order.as_str().parse().map_err(|_| {
        Fault::Rejected(format!(
            "{:?} is not a WooCommerce order number",
            order.as_str()
        ))
    })?;
    let path = format!("/orders/{id}");
    let (order, _) = shop
        .site
        .read::<Order>(wire, &Call::get(&path, Vec::new(), "order"))
        .await?;
    snapshot(&shop.id, &order)
}

/// One page of the orders that changed since then, oldest change first.
///
/// An order that changes while we page moves to the end of this list, and everything behind it one place forward: going
/// on by page number would then skip an order. So a full page is followed by the list that begins one second before the
/// page's last change, and page numbers are used only within one second.
///
/// # Errors
/// As the wire.
pub(super) async fn sweep(
    shop: &WooCommerce,
    wire: &dyn Wire,
    since: Timestamp,
    cursor: Option<&Cursor>,
) -> Result<Page<OrderSnapshot>, Fault> {
    list(shop, wire, ANY, since, cursor).await
}

/// One page of the orders that are not shipped, as [`sweep`].
///
/// # Errors
/// As the wire.
pub(super) async fn open(
    shop: &WooCommerce,
    wire: &dyn Wire,
    cursor: Option<&Cursor>,
) -> Result<Page<OrderSnapshot>, Fault> {
    // A day after the beginning of time, for those who subtract a zone from it.
    let since = Timestamp::from_millis(24 * 3_600_000);
    list(shop, wire, OPEN, since, cursor).await
}

async fn list(
    shop: &WooCommerce,
    wire: &dyn Wire,
    status: &str,
    since: Timestamp,
    cursor: Option<&Cursor>,
) -> Result<Page<OrderSnapshot>, Fault> {
    let place = match cursor {
        None => Place {
            // `modified_after` is exclusive and counts whole seconds.
            after: since.plus(-1000),
            page: 1,
        },
        Some(cursor) => Place::read(cursor)?,
    };
    let query = vec![
        ("modified_after", iso(place.after)),
        ("dates_are_gmt", "true".to_owned()),
        ("orderby", "modified".to_owned()),
        ("order", "asc".to_owned()),
        ("per_page", PER_PAGE.to_string()),
        ("page", place.page.to_string()),
        ("status", status.to_owned()),
    ];
    let call = Call::get("/orders", query, "orders");
    let (orders, reply) = shop.site.read::<Vec<Box<RawValue>>>(wire, &call).await?;
    let (mut items, mut unreadable) = (Vec::new(), Vec::new());
    for order in &orders {
        // One order that a plugin made unreadable must not hide those behind it.
        let read = serde_json::from_str::<Order>(order.get());
        // The place only: the words may repeat what stands there.
        let read = read.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Fault::Unreadable(format!("it is not an order (line {line}, column {column})"))
        });
        match read.and_then(|order| snapshot(&shop.id, &order)) {
            Ok(order) => items.push(order),
            Err(fault) => unreadable.push(unread(order, &fault)),
        }
    }
    let next = if answers::more(&reply.headers, place.page, orders.len(), PER_PAGE) {
        let last = items.iter().map(|order| order.version.at).max();
        Some(place.after_page(last)?.cursor())
    } else {
        None
    };
    Ok(Page {
        items,
        next,
        unreadable,
    })
}

/// Names an order that was not understood by its number, if at least that can be read.
fn unread(order: &RawValue, fault: &Fault) -> Unread {
    #[derive(serde::Deserialize)]
    struct Numbered {
        id: u64,
    }
    let id = serde_json::from_str::<Numbered>(order.get()).map(|order| order.id.to_string());
    Unread {
        what: id.unwrap_or_else(|_| "an order without a number".to_owned()),
        why: fault.to_string(),
    }
}

/// Where a sweep goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    after: Timestamp,
    page: u32,
}

impl Place {
    fn read(cursor: &Cursor) -> Result<Self, Fault> {
        let parts = cursor.0.split_once('/').and_then(|(after, page)| {
            Some(Self {
                after: Timestamp::parse(after)?,
                page: page.parse().ok()?,
            })
        });
        parts.ok_or_else(|| Fault::Rejected(format!("{:?} is not a place in the orders", cursor.0)))
    }

    fn cursor(self) -> Cursor {
        Cursor(format!("{}/{}", self.after.to_seconds_text(), self.page))
    }

    fn after_page(self, last: Option<Timestamp>) -> Result<Self, Fault> {
        let after = last.map_or(self.after, |last| last.plus(-1000));
        if iso(after) > iso(self.after) {
            return Ok(Self { after, page: 1 });
        }
        if self.page >= PAGES_MAX {
            return Err(Fault::Rejected(format!(
                "more than {PAGES_MAX} pages of orders changed at {}",
                iso(self.after)
            )));
        }
        Ok(Self {
            after: self.after,
            page: self.page.saturating_add(1),
        })
    }
}

/// Whole seconds without a zone, as `dates_are_gmt` wants them.
fn iso(at: Timestamp) -> String {
    at.to_seconds_text().trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, page_of, reply, shop};
    use super::*;

    #[tokio::test]
    async fn an_order_that_is_gone_is_gone() {
        let wire = Script::new(vec![(
            "GET",
            "/wp-json/wc/v3/orders/15",
            reply(
                404,
                r#"{"code":"woocommerce_rest_shop_order_invalid_id","message":"Invalid ID.","data":{"status":404}}"#,
            ),
        )]);
        let gone = fetch(&shop(), &wire, &OrderId::new("15").unwrap()).await;
        assert!(matches!(gone, Err(Fault::Gone(_))));
        let wire = Script::new(vec![]);
        let odd = fetch(&shop(), &wire, &OrderId::new("15/refunds").unwrap()).await;
        assert!(
            matches!(odd, Err(Fault::Rejected(_))),
            "a path never comes from outside"
        );
    }

    #[tokio::test]
    async fn a_sweep_goes_on_by_time_so_that_an_order_that_moves_hides_no_other() {
        let body = |id: u64, second: u32| {
            format!(
                r#"[{{"id":{id},"status":"pending","date_created_gmt":"2026-11-25T03:00:00","date_modified_gmt":"2026-11-25T03:00:{second:02}","line_items":[]}}]"#
            )
        };
        let wire = Script::new(vec![
            (
                "GET",
                "modified_after=2026-11-25T02%3A59%3A59&dates_are_gmt=true&orderby=modified&order=asc&per_page=100&page=1&status=any",
                page_of("3", &body(1, 20)),
            ),
            (
                "GET",
                "modified_after=2026-11-25T03%3A00%3A19&dates_are_gmt=true&orderby=modified&order=asc&per_page=100&page=1",
                page_of("2", &body(2, 20)),
            ),
            (
                "GET",
                "modified_after=2026-11-25T03%3A00%3A19&dates_are_gmt=true&orderby=modified&order=asc&per_page=100&page=2",
                page_of("2", &body(3, 20)),
            ),
        ]);
        let (shop, mut cursor, mut seen) = (shop(), None, Vec::new());
        let since = Timestamp::parse("2026-11-25T03:00:00Z").unwrap();
        loop {
            let page = sweep(&shop, &wire, since, cursor.as_ref()).await.unwrap();
            seen.extend(page.items.iter().map(|order| order.order.to_string()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["1", "2", "3"]);
        wire.done();
        let odd = Some(Cursor("x".into()));
        let refused = sweep(&shop, &Script::new(vec![]), since, odd.as_ref()).await;
        assert!(matches!(refused, Err(Fault::Rejected(_))));
    }

    #[tokio::test]
    async fn an_unreadable_order_is_named_and_hides_no_other() {
        let body = r#"[
            {"id":1,"status":"pending","date_created_gmt":"2026-11-25T03:00:00","date_modified_gmt":"2026-11-25T03:00:01","line_items":[]},
            {"id":2,"status":"pending","date_created_gmt":"2026-11-25T03:00:00","date_modified_gmt":"2026-11-25T03:00:01","line_items":"a plugin"},
            {"nothing":"of an order"},
            {"id":4,"status":"pending","date_created_gmt":"2026-11-25T03:00:00","date_modified_gmt":"2026-11-25T03:00:02","line_items":[]}
        ]"#;
        let wire = Script::new(vec![("GET", "/orders", page_of("1", body))]);
        let since = Timestamp::parse("2026-11-25T03:00:00Z").unwrap();
        let page = sweep(&shop(), &wire, since, None).await.unwrap();
        let read: Vec<_> = page
            .items
            .iter()
            .map(|order| order.order.as_str())
            .collect();
        let unread: Vec<_> = page
            .unreadable
            .iter()
            .map(|order| order.what.as_str())
            .collect();
        assert_eq!(
            (read, unread),
            (vec!["1", "4"], vec!["2", "an order without a number"])
        );
    }
}
