//! WooCommerce's orders as snapshots: what each line holds, has shipped and got back.
//!
//! Every line that WooCommerce itself deducted carries `_reduced_stock`: units that it has deducted for this line *now*.
//! It grows with an edit, shrinks with a restocking refund (which adds the same to `_restock_refunded_items`; both stay
//! there at 0), and goes away when the order is cancelled or set back to pending. So an order's claim can be read off any
//! of its states, in any order of arrival (rule R1). Source: connector notes, W4. That both numbers stay at a *full*
//! restock was read in `wc_restock_refunded_items` of WooCommerce's public source, not recorded.
//!
//! **Refunds (rule R7).** R = `_reduced_stock`, S = `_restock_refunded_items`; R + S is what was ever taken.
//! - Refund with restock *before* completion, of 1 out of 3: R 2, S 1, committed 2 and on hand unchanged, for the unit
//!   never left. Then completed: shipped 3, returned 1, on hand -2: the two that left.
//! - Completed first: shipped 3, returned 0, on hand -3. Then the same refund: R 2, S 1, shipped 3, returned 1: again -2.
//! - A refund without restock changes neither R nor S: the unit stays committed or shipped. Its money is not our business.
//! - Cancelled after that: WooCommerce puts R back, S stays. Committed, shipped and returned are 0, so on hand is back at
//!   its start and the refunded unit is not put back a second time (rule R8).
//!
//! Lines that WooCommerce does not manage carry neither number. They are held by quantity and status; what of them was
//! refunded does not stand on the order, so they are held in full until the order is completed, cancelled or refunded.
//!
//! Bodies carry buyers' names and addresses: only the fields below are read, nothing else is kept.

use serde::Deserialize;
use serde_json::Value;

use super::super::Fault;
use super::answers::{self, Id, Round};
use super::product::listing_id;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, LineId, OrderId};
use crate::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Version};

/// Where an order stands in its life.
///
/// The order of the variants is the rank of [`Version`]: of two states with one second the later variant wins. `failed`
/// stands early because a failed payment may be tried again and succeed, while a cancelled order does not come back by
/// itself; a wrong guess within one second errs on the side of holding goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Draft,
    Pending,
    Failed,
    OnHold,
    Processing,
    /// One that a plugin added, such as `packed`.
    Custom,
    Completed,
    Refunded,
    Cancelled,
    Trash,
}

impl Status {
    fn read(text: &str) -> Self {
        match text.strip_prefix("wc-").unwrap_or(text) {
            "checkout-draft" | "auto-draft" | "draft" => Self::Draft,
            "pending" => Self::Pending,
            "failed" => Self::Failed,
            "on-hold" => Self::OnHold,
            "processing" => Self::Processing,
            "completed" => Self::Completed,
            "refunded" => Self::Refunded,
            "cancelled" => Self::Cancelled,
            "trash" => Self::Trash,
            _ => Self::Custom,
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Draft => 0,
            Self::Pending => 1,
            Self::Failed => 2,
            Self::OnHold => 3,
            Self::Processing | Self::Custom => 4,
            Self::Completed => 5,
            Self::Refunded => 6,
            Self::Cancelled => 7,
            Self::Trash => 8,
        }
    }
}

/// The fields of an order that we read.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    id: Id,
    status: String,
    #[serde(default)]
    date_created_gmt: Option<String>,
    #[serde(default)]
    date_modified_gmt: Option<String>,
    #[serde(default)]
    date_paid_gmt: Option<String>,
    #[serde(default)]
    date_completed_gmt: Option<String>,
    line_items: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    id: Id,
    #[serde(default)]
    product_id: Option<Id>,
    #[serde(default)]
    variation_id: Option<Id>,
    quantity: Value,
    #[serde(default)]
    sku: Option<String>,
    #[serde(default)]
    meta_data: Vec<Meta>,
}

/// One key of a line's metadata; only the two numbers below are looked at.
#[derive(Debug, Deserialize)]
struct Meta {
    #[serde(default)]
    key: Value,
    #[serde(default)]
    value: Value,
}

impl Line {
    fn meta(&self, key: &str, order: Id) -> Result<Option<i64>, Fault> {
        let Some(found) = self.meta_data.iter().find(|meta| meta.key == key) else {
            return Ok(None);
        };
        if found.value == "" || found.value.is_null() {
            return Ok(None);
        }
        answers::units(&found.value, Round::Up)
            .map(Some)
            .ok_or_else(|| {
                unreadable(
                    order,
                    &format!("{key} of line {} is not a number", self.id.0),
                )
            })
    }
}

/// Reads the body of an order, from a webhook or an answer alike.
///
/// # Errors
/// [`Fault::Unreadable`] if a time is missing or a number is beyond what a line can hold.
pub(super) fn snapshot(channel: &ChannelId, order: &Order) -> Result<OrderSnapshot, Fault> {
    let time = |text: Option<&String>| text.and_then(|text| Timestamp::parse_utc(text));
    let created = time(order.date_created_gmt.as_ref());
    let modified = time(order.date_modified_gmt.as_ref());
    let (Some(at), Some(placed_at)) = (modified.or(created), created.or(modified)) else {
        return Err(unreadable(order.id, "it has no time"));
    };
    let status = Status::read(&order.status);
    let mut lines = Vec::with_capacity(order.line_items.len());
    for line in &order.line_items {
        let product = line.product_id.unwrap_or_default().0;
        let variation = line.variation_id.unwrap_or_default().0;
        lines.push(LineSnapshot {
            line: LineId::new(&line.id.0.to_string())
                .map_err(|error| unreadable(order.id, &error.to_string()))?,
            listing: listing_id(product, variation),
            sku: line.sku.clone().unwrap_or_default(),
            location: None,
            elsewhere: Vec::new(),
            target: target(order, status, line)?,
        });
    }
    let snapshot = OrderSnapshot {
        pending: None,
        read_at: None,
        channel: channel.clone(),
        order: OrderId::new(&order.id.0.to_string())
            .map_err(|error| unreadable(order.id, &error.to_string()))?,
        version: Version {
            at,
            rank: status.rank(),
        },
        placed_at,
        lines,
    };
    Ok(snapshot.tidy())
}

/// What should be true of one line; the reasoning stands at the head of this file.
fn target(order: &Order, status: Status, line: &Line) -> Result<LineTarget, Fault> {
    let beyond = |what: &str| {
        unreadable(
            order.id,
            &format!("{what} of line {} is beyond range", line.id.0),
        )
    };
    let quantity = answers::units(&line.quantity, Round::Up)
        .and_then(|quantity| u32::try_from(quantity).ok())
        .ok_or_else(|| beyond("the quantity"))?;
    let reduced = line.meta("_reduced_stock", order.id)?;
    let restocked = line.meta("_restock_refunded_items", order.id)?;
    let managed = reduced.is_some() || restocked.is_some();
    // A refund of more than was deducted leaves a negative number: WooCommerce gave back more than it took.
    let (reduced, restocked) = (reduced.unwrap_or(0), restocked.unwrap_or(0).max(0));
    let ever = u32::try_from(reduced.saturating_add(restocked).max(0))
        .map_err(|_| beyond("what was taken"))?;
    let taken = u32::try_from(reduced.max(0)).map_err(|_| beyond("what is taken"))?;
    let restocked = u32::try_from(restocked).map_err(|_| beyond("what was restocked"))?;
    let nothing = LineTarget {
        taken_by_channel: taken,
        ..LineTarget::default()
    };
    let held = |units| LineTarget {
        committed: units,
        ..nothing
    };
    let left = if managed {
        LineTarget {
            shipped: ever,
            returned: restocked.min(ever),
            ..nothing
        }
    } else {
        LineTarget {
            shipped: quantity,
            ..nothing
        }
    };
    let was_completed = order.date_completed_gmt.is_some();
    Ok(match status {
        // Holds what the platform holds: nothing, but before 11.0 a failed order kept its deduction (rule R11).
        Status::Pending | Status::Failed => held(taken),
        Status::OnHold | Status::Processing => held(if managed { taken } else { quantity }),
        // A plugin's status says nothing about goods; if nothing was deducted, payment decides.
        Status::Custom if managed => held(taken),
        Status::Custom if order.date_paid_gmt.is_some() => held(quantity),
        Status::Completed => left,
        // The status alone puts nothing back. What WooCommerce never managed goes free if it never left.
        Status::Refunded if managed || was_completed => left,
        // Tidying old orders away must not bring shipped goods back.
        Status::Trash if was_completed => left,
        // Cancelled gives back what it took; a number still there is a save that was not finished (old versions).
        Status::Draft | Status::Cancelled | Status::Custom | Status::Refunded | Status::Trash => {
            nothing
        }
    })
}

fn unreadable(order: Id, what: &str) -> Fault {
    Fault::Unreadable(format!("order {}: {what}", order.0))
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(status: &str, meta: &[(&str, Value)]) -> Order {
        let meta: Vec<_> = meta
            .iter()
            .map(|(key, value)| json!({"id": 1, "key": key, "value": value}))
            .collect();
        serde_json::from_value(json!({
            "id": 14, "status": status,
            "date_created_gmt": "2026-11-25T03:20:38", "date_modified_gmt": "2026-11-25T03:20:46",
            "line_items": [{"id": 1, "product_id": 11, "variation_id": 12, "quantity": 3, "sku": "TEE-S",
                "meta_data": meta}],
        }))
        .unwrap()
    }

    fn read(order: &Order) -> Result<OrderSnapshot, Fault> {
        snapshot(&ChannelId::new("shop").unwrap(), order)
    }

    /// Committed, shipped, returned, taken.
    #[track_caller]
    fn check(status: &str, meta: &[(&str, Value)], expected: (u32, u32, u32, u32)) {
        check_order(&order(status, meta), expected);
    }

    #[track_caller]
    fn check_order(order: &Order, expected: (u32, u32, u32, u32)) {
        let target = read(order).unwrap().lines[0].target;
        assert_eq!(
            (
                target.committed,
                target.shipped,
                target.returned,
                target.taken_by_channel
            ),
            expected,
            "{} {:?}",
            order.status,
            order.line_items[0].meta_data
        );
    }

    fn reduced(units: i64) -> (&'static str, Value) {
        ("_reduced_stock", json!(units.to_string()))
    }

    fn restocked(units: i64) -> (&'static str, Value) {
        ("_restock_refunded_items", json!(units.to_string()))
    }

    #[test]
    fn an_order_holds_what_the_platform_took() {
        check("processing", &[reduced(3)], (3, 0, 0, 3));
        check("processing", &[("_reduced_stock", json!(3))], (3, 0, 0, 3));
        check("on-hold", &[reduced(3)], (3, 0, 0, 3));
        check("processing", &[reduced(4)], (4, 0, 0, 4));
        check("packed", &[reduced(3)], (3, 0, 0, 3));
        check("completed", &[reduced(3)], (0, 3, 0, 3));
        check("refunded", &[reduced(3)], (0, 3, 0, 3));
        check("pending", &[], (0, 0, 0, 0));
        check("failed", &[], (0, 0, 0, 0));
        check("cancelled", &[], (0, 0, 0, 0));
        check("checkout-draft", &[], (0, 0, 0, 0));
        check("trash", &[reduced(3)], (0, 0, 0, 3));
    }

    #[test]
    fn a_failed_order_of_an_old_version_keeps_its_deduction() {
        check("failed", &[reduced(3)], (3, 0, 0, 3));
    }

    #[test]
    fn a_line_that_the_shop_does_not_manage_is_held_by_status() {
        check("processing", &[], (3, 0, 0, 0));
        check(
            "on-hold",
            &[("size", json!({"any": ["shape"]}))],
            (3, 0, 0, 0),
        );
        check("completed", &[], (0, 3, 0, 0));
        check("refunded", &[], (0, 0, 0, 0));
        check("quote", &[], (0, 0, 0, 0));
        let mut paid = order("packed", &[]);
        paid.date_paid_gmt = Some("2026-11-25T03:20:39".into());
        check_order(&paid, (3, 0, 0, 0));
        let mut refunded = order("refunded", &[]);
        refunded.date_completed_gmt = Some("2026-11-25T03:20:39".into());
        check_order(&refunded, (0, 3, 0, 0));
    }

    /// On hand moves by returned - shipped, and must end the same either way.
    #[test]
    fn a_restocking_refund_before_and_after_completion_ends_alike() {
        check("processing", &[reduced(2), restocked(1)], (2, 0, 0, 2));
        check("completed", &[reduced(2), restocked(1)], (0, 3, 1, 2));
        check("completed", &[reduced(0), restocked(3)], (0, 3, 3, 0));
        check("processing", &[reduced(0), restocked(3)], (0, 0, 0, 0));
        check("refunded", &[reduced(0), restocked(3)], (0, 3, 3, 0));
    }

    #[test]
    fn refund_then_cancel_puts_nothing_back_twice() {
        check("cancelled", &[restocked(1)], (0, 0, 0, 0));
    }

    #[test]
    fn a_refund_of_more_than_was_taken_returns_no_more_than_was_taken() {
        check("completed", &[reduced(-1), restocked(3)], (0, 2, 2, 0));
        check("processing", &[reduced(-1), restocked(3)], (0, 0, 0, 0));
    }

    #[test]
    fn trashing_a_completed_order_does_not_bring_its_goods_back() {
        let mut old = order("trash", &[reduced(3)]);
        old.date_completed_gmt = Some("2026-11-25T03:20:39".into());
        check_order(&old, (0, 3, 0, 3));
    }

    #[test]
    fn numbers_beyond_range_are_unreadable_and_do_not_wrap() {
        let mut bad = order("processing", &[]);
        for quantity in [
            json!(-1),
            json!(4_294_967_296_u64),
            json!("many"),
            json!(null),
            json!(1e30),
        ] {
            bad.line_items[0].quantity = quantity;
            assert!(matches!(read(&bad), Err(Fault::Unreadable(_))));
        }
        for meta in [
            json!("x"),
            json!({}),
            json!(u64::MAX),
            json!(4_294_967_296_u64),
        ] {
            let bad = order("processing", &[("_reduced_stock", meta)]);
            assert!(matches!(read(&bad), Err(Fault::Unreadable(_))));
        }
        let mut timeless = order("processing", &[]);
        timeless.date_created_gmt = None;
        timeless.date_modified_gmt = Some("yesterday".into());
        assert!(matches!(read(&timeless), Err(Fault::Unreadable(_))));
    }

    #[test]
    fn lines_name_variations_products_and_nothing() {
        let body = json!({
            "id": u64::MAX, "status": "processing", "date_created_gmt": "2026-11-25T03:20:38",
            "line_items": [
                {"id": 1, "product_id": 11, "variation_id": 12, "quantity": 1, "sku": " größe "},
                {"id": 2, "product_id": 10, "variation_id": 0, "quantity": 1, "sku": null},
                {"id": 3, "product_id": 0, "variation_id": 0, "quantity": 2, "sku": "0870"},
                {"id": 4, "quantity": 1.5},
            ],
        });
        let snapshot = read(&serde_json::from_value(body).unwrap()).unwrap();
        assert_eq!(snapshot.order.as_str(), u64::MAX.to_string());
        let lines: Vec<_> = snapshot
            .lines
            .iter()
            .map(|line| {
                (
                    line.listing.as_ref().map(ToString::to_string),
                    line.sku.as_str(),
                    line.target.committed,
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                (Some("11/12".into()), " größe ", 1),
                (Some("10".into()), "", 1),
                (None, "0870", 2),
                (None, "", 2),
            ]
        );
    }

    #[test]
    fn within_one_second_the_later_place_in_life_wins() {
        let statuses = [
            "checkout-draft",
            "pending",
            "failed",
            "on-hold",
            "processing",
            "completed",
            "refunded",
            "cancelled",
            "trash",
        ];
        let ranks: Vec<_> = statuses
            .iter()
            .map(|status| read(&order(status, &[])).unwrap().version)
            .collect();
        assert!(ranks.is_sorted_by(|a, b| a < b));
    }
}
