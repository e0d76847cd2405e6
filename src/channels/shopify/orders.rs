//! What an order holds: the one reduction that both its forms, the webhook's body and the GraphQL node, go through.
//!
//! Shopify never forgets a unit of a line. `quantity` is all that was ever ordered, `current_quantity` what is still on
//! the order, and `refunds` says of the difference what became of the goods. Per line:
//!
//! | what | is | because |
//! |---|---|---|
//! | committed | unfulfilled; 0 if cancelled or sold over the counter | still promised |
//! | returned | refunded as `return` or `legacy_restock` | came back after it had left |
//! | shipped | quantity − `cancel` − removed without a word − committed | everything else has left the shelf |
//! | taken by channel | quantity − all that was restocked | Shopify's own number gave only that back |
//!
//! So `committed + shipped − returned` is what Shopify's number lost, and money alone moves nothing (R7). In words:
//! - `cancel` releases a promise: nothing had left the shelf.
//! - `no_restock` writes units off: the merchant asked that they are not for sale again, and Shopify keeps them
//!   deducted. Releasing them here would raise every channel by goods that nobody has.
//! - Units that were removed without any refund line are released here, and count as taken until a read of the level
//!   tells; the comparison in each write catches it if Shopify gave them back.
//! - A cancelled order promises nothing. Units of it that no refund line speaks of and that still stand on it were
//!   cancelled without restocking: written off.
//! - `legacy_restock` does not say whether the goods had left. Shipped and returned is the same stock either way.
//! - A sale over the counter (`source_name` pos) leaves at once (R12).
//! - An untracked variant, a custom line, a deleted variant: Shopify's numbers do not move.
//!
//! Names, addresses, prices and notes are not in these types, so they are never read.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::channels::Fault;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Version};

use super::assigned::Assigned;
use super::ids;

/// An order as both forms tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderFacts {
    pub(super) id: u64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) cancelled: bool,
    pub(super) over_the_counter: bool,
    pub(super) test: bool,
    /// Where it was sold, if it was sold over the counter and the message says so.
    pub(super) location: Option<u64>,
    pub(super) lines: Vec<LineFacts>,
    pub(super) refunds: Vec<RefundFacts>,
    /// Where its lines are sent from; only what was read says so.
    pub(super) assigned: Vec<Assigned>,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineFacts {
    pub(super) id: u64,
    /// `None` for custom lines and deleted variants.
    pub(super) variant: Option<u64>,
    pub(super) sku: String,
    pub(super) quantity: u32,
    pub(super) current: u32,
    pub(super) unfulfilled: u32,
    pub(super) tracked: bool,
}

/// One line of one of its refunds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefundFacts {
    pub(super) line: u64,
    pub(super) quantity: u32,
    pub(super) restock: Restock,
    /// Where they were put back.
    pub(super) location: Option<u64>,
}

/// What became of refunded goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) enum Restock {
    /// Restocked before they were sent.
    Cancel,
    /// Restocked after they had been sent.
    Return,
    /// Restocked, and it does not say when.
    Legacy,
    /// Not restocked; also any word that is not known, for it must not put anything up for sale.
    No,
}

impl From<String> for Restock {
    /// Webhooks write it in small letters, GraphQL in capitals.
    fn from(word: String) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "cancel" => Self::Cancel,
            "return" => Self::Return,
            "legacy_restock" => Self::Legacy,
            _ => Self::No,
        }
    }
}

impl LineFacts {
    /// Whether Shopify's numbers move with it.
    pub(super) fn counted(&self) -> bool {
        self.tracked && self.variant.is_some()
    }
}

/// Refunded units of one line by what became of them.
#[derive(Debug, Clone, Copy, Default)]
struct Refunded {
    cancel: u32,
    back: u32,
    gone: u32,
}

impl OrderFacts {
    /// The snapshot. A test order counts for nothing (R15), so it has no lines.
    pub(super) fn reduce(&self, channel: &ChannelId) -> Result<OrderSnapshot, Fault> {
        let mut refunded: BTreeMap<u64, Refunded> = BTreeMap::new();
        for refund in &self.refunds {
            let sums = refunded.entry(refund.line).or_default();
            let sum = match refund.restock {
                Restock::Cancel => &mut sums.cancel,
                Restock::Return | Restock::Legacy => &mut sums.back,
                Restock::No => &mut sums.gone,
            };
            *sum = sum.saturating_add(refund.quantity);
        }
        let counted: &[LineFacts] = if self.test { &[] } else { &self.lines };
        let lines = counted
            .iter()
            .map(|line| {
                let sums = refunded.get(&line.id).copied().unwrap_or_default();
                Ok(LineSnapshot {
                    line: ids::line_id(line.id)?,
                    listing: line.variant.map(ids::variant_alias).transpose()?,
                    sku: line.sku.clone(),
                    location: None,
                    elsewhere: Vec::new(),
                    target: self.target(line, sums),
                })
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        Ok(OrderSnapshot {
            pending: None,
            read_at: None,
            channel: channel.clone(),
            order: ids::order_id(self.id)?,
            version: Version {
                at: self.updated_at,
                rank: u8::from(self.cancelled),
            },
            placed_at: self.created_at,
            lines,
        }
        .tidy())
    }

    /// See the table at the top. Everything stops at 0, whatever sums Shopify sends.
    fn target(&self, line: &LineFacts, refunded: Refunded) -> LineTarget {
        let restocked = refunded.cancel.saturating_add(refunded.back);
        let removed_silently = line
            .quantity
            .saturating_sub(restocked.saturating_add(refunded.gone))
            .saturating_sub(line.current);
        let committed = if self.cancelled || self.over_the_counter {
            0
        } else {
            line.unfulfilled.min(line.current)
        };
        let shipped = line
            .quantity
            .saturating_sub(refunded.cancel)
            .saturating_sub(removed_silently)
            .saturating_sub(committed);
        let taken_by_channel = if line.counted() {
            line.quantity.saturating_sub(restocked)
        } else {
            0
        };
        LineTarget {
            committed,
            shipped,
            returned: refunded.back,
            taken_by_channel,
        }
        .bounded()
    }
}

/// The body of an order webhook, in Shopify's REST shape; only what stock needs.
#[derive(Debug, Deserialize)]
pub(super) struct OrderBody {
    id: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(deserialize_with = "present")]
    cancelled_at: Option<Timestamp>,
    #[serde(default)]
    test: Option<bool>,
    #[serde(default)]
    source_name: Option<String>,
    /// Only of sales at a till.
    #[serde(default)]
    location_id: Option<u64>,
    line_items: Vec<LineBody>,
    refunds: Vec<RefundBody>,
}

#[derive(Debug, Deserialize)]
struct LineBody {
    id: u64,
    #[serde(deserialize_with = "present")]
    variant_id: Option<u64>,
    #[serde(default)]
    sku: Option<String>,
    quantity: u32,
    current_quantity: u32,
    fulfillable_quantity: u32,
    /// Who counts it: null is nobody; missing says nothing.
    #[serde(
        rename = "variant_inventory_management",
        default = "yes",
        deserialize_with = "not_null"
    )]
    tracked: bool,
}

#[derive(Debug, Deserialize)]
struct RefundBody {
    refund_line_items: Vec<RefundLineBody>,
}

#[derive(Debug, Deserialize)]
struct RefundLineBody {
    line_item_id: u64,
    quantity: u32,
    restock_type: Restock,
    #[serde(default)]
    location_id: Option<u64>,
}

/// A field that may be null and must be there: without it the body is of another shape.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

fn yes() -> bool {
    true
}

fn not_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::<IgnoredAny>::deserialize(deserializer).map(|value| value.is_some())
}

impl From<OrderBody> for OrderFacts {
    fn from(body: OrderBody) -> Self {
        Self {
            id: body.id,
            created_at: body.created_at,
            updated_at: body.updated_at,
            cancelled: body.cancelled_at.is_some(),
            over_the_counter: body.source_name.as_deref() == Some(OVER_THE_COUNTER),
            test: body.test.unwrap_or(false),
            assigned: Vec::new(),
            location: body.location_id,
            lines: body
                .line_items
                .into_iter()
                .map(|line| LineFacts {
                    id: line.id,
                    variant: line.variant_id,
                    sku: line.sku.unwrap_or_default(),
                    quantity: line.quantity,
                    current: line.current_quantity,
                    unfulfilled: line.fulfillable_quantity,
                    tracked: line.tracked,
                })
                .collect(),
            refunds: body
                .refunds
                .into_iter()
                .flat_map(|refund| refund.refund_line_items)
                .map(|line| RefundFacts {
                    line: line.line_item_id,
                    quantity: line.quantity,
                    restock: line.restock_type,
                    location: line.location_id,
                })
                .collect(),
        }
    }
}

/// How both forms name Shopify's own till.
pub(super) const OVER_THE_COUNTER: &str = "pos";

#[cfg(test)]
mod tests {
    use super::Restock::{Cancel, Legacy, No, Return};
    use super::*;

    fn facts(line: (u32, u32, u32), refunds: &[(u32, Restock)], cancelled: bool) -> OrderFacts {
        OrderFacts {
            id: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(1),
            cancelled,
            over_the_counter: false,
            test: false,
            location: None,
            assigned: Vec::new(),
            lines: vec![LineFacts {
                id: 9,
                variant: Some(5),
                sku: "MUG-1".into(),
                quantity: line.0,
                current: line.1,
                unfulfilled: line.2,
                tracked: true,
            }],
            refunds: refunds
                .iter()
                .map(|&(quantity, restock)| RefundFacts {
                    line: 9,
                    quantity,
                    restock,
                    location: None,
                })
                .collect(),
        }
    }

    fn targets(facts: &OrderFacts) -> Vec<(u32, u32, u32, u32)> {
        let channel = ChannelId::new("shop").unwrap();
        let lines = facts.reduce(&channel).unwrap().lines;
        lines
            .iter()
            .map(|l| l.target)
            .map(|t| (t.committed, t.shipped, t.returned, t.taken_by_channel))
            .collect()
    }

    #[track_caller]
    fn check(&(what, line, refunds, cancelled, expected): &Row) {
        assert_eq!(
            targets(&facts(line, refunds, cancelled)),
            [expected],
            "{what}"
        );
    }

    type Row = (
        &'static str,
        (u32, u32, u32),
        &'static [(u32, Restock)],
        bool,
        (u32, u32, u32, u32),
    );

    /// What; ordered, still on the order, unfulfilled; refunds; cancelled; committed, shipped, returned, taken.
    #[rustfmt::skip]
    const ROWS: &[Row] = &[
        ("placed", (3, 3, 3), &[], false, (3, 0, 0, 3)),
        ("partly shipped", (3, 3, 1), &[], false, (1, 2, 0, 3)),
        ("shipped", (3, 3, 0), &[], false, (0, 3, 0, 3)),
        ("refunded before shipping, restocked", (3, 2, 2), &[(1, Cancel)], false, (2, 0, 0, 2)),
        ("refunded before shipping, not restocked", (3, 2, 2), &[(1, No)], false, (2, 1, 0, 3)),
        ("returned after shipping", (3, 2, 0), &[(1, Return)], false, (0, 3, 1, 2)),
        ("refunded after shipping, kept", (3, 2, 0), &[(1, No)], false, (0, 3, 0, 3)),
        ("returned in two refunds", (3, 1, 0), &[(1, Return), (1, Return)], false, (0, 3, 2, 1)),
        ("old kind of restock", (3, 2, 0), &[(1, Legacy)], false, (0, 3, 1, 2)),
        ("cancelled, restocked", (3, 0, 0), &[(3, Cancel)], true, (0, 0, 0, 0)),
        ("cancelled, unfulfilled not lowered", (3, 0, 3), &[(3, Cancel)], true, (0, 0, 0, 0)),
        ("cancelled, not restocked", (3, 0, 0), &[(3, No)], true, (0, 3, 0, 3)),
        ("cancelled, nothing said", (3, 3, 3), &[], true, (0, 3, 0, 3)),
        ("refund, then cancel: once", (3, 0, 0), &[(1, Cancel), (2, Cancel)], true, (0, 0, 0, 0)),
        ("more put back than there was", (3, 0, 0), &[(3, Cancel), (3, Cancel)], true, (0, 0, 0, 0)),
        ("more returned than shipped", (3, 0, 0), &[(2, Return), (2, Return)], false, (0, 3, 3, 0)),
        ("kept, then the rest cancelled", (3, 0, 0), &[(1, No), (2, Cancel)], true, (0, 1, 0, 1)),
        ("line added by an edit", (1, 1, 1), &[], false, (1, 0, 0, 1)),
        ("line removed by an edit keeps its quantity", (2, 0, 0), &[(2, Cancel)], false, (0, 0, 0, 0)),
        ("removed without a word", (2, 0, 0), &[], false, (0, 0, 0, 2)),
        ("lowered by an edit", (5, 2, 2), &[(3, Cancel)], false, (2, 0, 0, 2)),
        ("nonsense stays within bounds", (1, 1, 9), &[], false, (1, 0, 0, 1)),
    ];

    #[test]
    fn what_a_line_holds() {
        for row in ROWS {
            check(row);
        }
    }

    #[test]
    fn a_till_sale_leaves_at_once_and_a_test_order_never_counts() {
        let mut sale = facts((2, 2, 2), &[], false);
        sale.over_the_counter = true;
        assert_eq!(targets(&sale), [(0, 2, 0, 2)]);
        sale.test = true;
        assert_eq!(targets(&sale), []);
    }

    #[test]
    fn what_shopify_does_not_count_takes_nothing_from_its_number() {
        let mut order = facts((2, 2, 2), &[], false);
        order.lines.first_mut().unwrap().tracked = false;
        assert_eq!(targets(&order), [(2, 0, 0, 0)]);
        let mut order = facts((2, 2, 2), &[], false);
        order.lines.first_mut().unwrap().variant = None;
        assert_eq!(targets(&order), [(2, 0, 0, 0)]);
        let snapshot = order.reduce(&ChannelId::new("shop").unwrap()).unwrap();
        assert_eq!(snapshot.lines.first().unwrap().listing, None);
        assert_eq!(snapshot.lines.first().unwrap().sku, "MUG-1");
    }

    #[test]
    fn a_cancelled_state_of_the_same_second_is_the_newer_one() {
        let channel = ChannelId::new("shop").unwrap();
        let open = facts((1, 1, 1), &[], false).reduce(&channel).unwrap();
        let cancelled = facts((1, 0, 0), &[(1, Cancel)], true)
            .reduce(&channel)
            .unwrap();
        assert!(cancelled.version > open.version);
    }
}
