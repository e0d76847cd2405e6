//! Orders through GraphQL: one, or those that changed since.

use serde::Deserialize;
use serde_json::json;

use crate::channels::{Cursor, Fault, Page, Unread, Wire};
use crate::domain::clock::Timestamp;
use crate::domain::ids::OrderId;
use crate::domain::order::OrderSnapshot;

use super::assigned::{Assigned, FulfilmentNode, Place, assigned, has_more};
use super::graphql::Nodes;
use super::orders::{LineFacts, OVER_THE_COUNTER, OrderFacts, RefundFacts, Restock};
use super::{Shopify, documents, ids};

/// Most further pages of lines of one order. At 250 a page that is far beyond any real order; it bounds the loop.
pub(super) const LINE_PAGES_MAX: usize = 40;

/// Orders on a page: as many as stay under 1000 points.
const ORDERS_PER_PAGE: u32 = 20;
/// The same, where each order also says where it is sent from.
const PLACED_ORDERS_PER_PAGE: u32 = 10;

#[derive(Deserialize)]
struct OrderData {
    order: Option<OrderNode>,
}

#[derive(Deserialize)]
struct OrdersData {
    orders: Nodes<OrderNode>,
}

#[derive(Deserialize)]
struct MoreLinesData {
    order: Option<MoreLines>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoreLines {
    updated_at: Timestamp,
    line_items: Nodes<LineNode>,
}

#[derive(Deserialize)]
struct MoreRefundLinesData {
    refund: Option<MoreRefundLines>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoreRefundLines {
    refund_line_items: Nodes<RefundLineNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderNode {
    id: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    cancelled_at: Option<Timestamp>,
    test: bool,
    source_name: Option<String>,
    #[serde(default)]
    retail_location: Option<Place>,
    line_items: Nodes<LineNode>,
    refunds: Vec<RefundNode>,
    /// Only if it was asked for.
    #[serde(default)]
    fulfillment_orders: Option<Nodes<FulfilmentNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineNode {
    id: String,
    sku: Option<String>,
    quantity: u32,
    current_quantity: u32,
    unfulfilled_quantity: u32,
    variant: Option<VariantNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantNode {
    id: String,
    inventory_item: Option<Tracked>,
}

#[derive(Deserialize)]
struct Tracked {
    #[serde(default = "yes")]
    tracked: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundNode {
    id: String,
    refund_line_items: Nodes<RefundLineNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundLineNode {
    quantity: u32,
    restock_type: Restock,
    line_item: LineRef,
    #[serde(default)]
    location: Option<Place>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LineRef {
    pub(super) id: String,
}

impl Shopify {
    /// One order, with all its lines and refunded lines.
    pub(super) async fn fetch_order(
        &self,
        wire: &dyn Wire,
        order: &OrderId,
    ) -> Result<OrderSnapshot, Fault> {
        let order = match ids::fulfilment(order) {
            Some(fulfilment) => &self.order_of(wire, fulfilment).await?,
            None => order,
        };
        let id = ids::number(order.as_str())
            .ok_or_else(|| Fault::Gone(format!("{order} is not the id of a Shopify order")))?;
        let variables = json!({ "id": ids::gid("Order", id), "places": self.has_places() });
        let data: OrderData = self
            .ask(wire, "order", documents::ORDER_LINES, variables)
            .await?;
        let mut node = data
            .order
            .ok_or_else(|| Fault::Gone(format!("order {order}")))?;
        let assigned = self.complete(wire, &mut node).await?;
        let mut facts = node.facts()?;
        if let Some(assigned) = assigned {
            facts.assigned = assigned;
        }
        self.snapshot(&facts)
    }

    /// Fetches what stands on further pages: lines into the node, and where they are sent from, if that is long.
    async fn complete(
        &self,
        wire: &dyn Wire,
        node: &mut OrderNode,
    ) -> Result<Option<Vec<Assigned>>, Fault> {
        let mut pages = 0;
        while let Some(after) = node.line_items.next() {
            page_limit(&mut pages, &node.id)?;
            let data: MoreLinesData = self
                .ask(
                    wire,
                    "order",
                    documents::ORDER_MORE_LINES,
                    json!({ "id": node.id, "after": after }),
                )
                .await?;
            let more = data.order.ok_or_else(|| Fault::Gone(node.id.clone()))?;
            // Pages of two states would be an order that never was.
            if more.updated_at != node.updated_at {
                return Err(Fault::Transient(
                    "the order changed while it was read".to_owned(),
                ));
            }
            node.line_items.nodes.extend(more.line_items.nodes);
            node.line_items.page_info = more.line_items.page_info;
        }
        for refund in &mut node.refunds {
            while let Some(after) = refund.refund_line_items.next() {
                page_limit(&mut pages, &node.id)?;
                let data: MoreRefundLinesData = self
                    .ask(
                        wire,
                        "order",
                        documents::REFUND_MORE_LINES,
                        json!({ "id": refund.id, "after": after }),
                    )
                    .await?;
                let more = data.refund.ok_or_else(|| Fault::Gone(refund.id.clone()))?;
                let lines = &mut refund.refund_line_items;
                lines.nodes.extend(more.refund_line_items.nodes);
                lines.page_info = more.refund_line_items.page_info;
            }
        }
        if node.fulfillment_orders.as_ref().is_some_and(has_more) {
            return self.fetch_assigned(wire, &node.id).await.map(Some);
        }
        Ok(None)
    }

    /// Orders since then, by their last change, oldest first.
    pub(super) async fn fetch_orders(
        &self,
        wire: &dyn Wire,
        since: Timestamp,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        let q = format!("updated_at:>='{}'", since.to_seconds_text());
        self.search_orders(wire, &q, cursor).await
    }

    /// Orders that are neither archived nor cancelled: what is not shipped is among them. Without the scope
    /// `read_all_orders` Shopify shows those of the last 60 days.
    pub(super) async fn fetch_open_orders(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        self.search_orders(wire, "status:open", cursor).await
    }

    /// What has more lines than a page of many orders holds is fetched whole; an order that is deleted between the two
    /// reads is left out, as it would have been a moment later.
    async fn search_orders(
        &self,
        wire: &dyn Wire,
        q: &str,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        let places = self.has_places();
        let variables = json!({
            "q": q,
            "first": if places { PLACED_ORDERS_PER_PAGE } else { ORDERS_PER_PAGE },
            "after": cursor.map(|c| c.0),
            "places": places,
        });
        let data: OrdersData = self
            .ask(wire, "orders", documents::ORDERS_SINCE, variables)
            .await?;
        let next = data.orders.next().map(Cursor);
        let mut items = Vec::with_capacity(data.orders.nodes.len());
        let mut unreadable = Vec::new();
        for node in data.orders.nodes {
            if node.test {
                continue;
            }
            if !node.has_more() {
                // As its order is called when it can be read.
                let what = ids::gid_number("Order", &node.id)
                    .map_or_else(|| node.id.clone(), |id| id.to_string());
                match node.facts().and_then(|facts| self.snapshot(&facts)) {
                    Ok(snapshot) => items.push(snapshot),
                    Err(fault) => unreadable.push(Unread {
                        what,
                        why: fault.to_string(),
                    }),
                }
                continue;
            }
            let id = gid_number("Order", &node.id)?;
            match self.fetch_order(wire, &ids::order_id(id)?).await {
                Ok(snapshot) => items.push(snapshot),
                Err(Fault::Gone(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(Page {
            items,
            next,
            unreadable,
        })
    }
}

fn page_limit(pages: &mut usize, order: &str) -> Result<(), Fault> {
    *pages += 1;
    if *pages > LINE_PAGES_MAX {
        return Err(Fault::Rejected(format!(
            "{order} has more than {LINE_PAGES_MAX} pages of lines"
        )));
    }
    Ok(())
}

/// As [`ids::gid_number`], where the answer must have one.
pub(super) fn gid_number(kind: &str, gid: &str) -> Result<u64, Fault> {
    ids::gid_number(kind, gid)
        .ok_or_else(|| Fault::Unreadable(format!("an id in the answer is not of a {kind}")))
}

impl OrderNode {
    fn has_more(&self) -> bool {
        self.line_items.next().is_some()
            || self
                .refunds
                .iter()
                .any(|refund| refund.refund_line_items.next().is_some())
            || self.fulfillment_orders.as_ref().is_some_and(has_more)
    }

    fn facts(self) -> Result<OrderFacts, Fault> {
        let lines = self
            .line_items
            .nodes
            .into_iter()
            .map(LineNode::facts)
            .collect::<Result<_, Fault>>()?;
        let refunds = self
            .refunds
            .into_iter()
            .flat_map(|refund| refund.refund_line_items.nodes)
            .map(|line| {
                Ok(RefundFacts {
                    line: gid_number("LineItem", &line.line_item.id)?,
                    quantity: line.quantity,
                    restock: line.restock_type,
                    location: line.location.map(|place| place.number()).transpose()?,
                })
            })
            .collect::<Result<_, Fault>>()?;
        let assigned = self.fulfillment_orders.map(assigned).transpose()?;
        let till = self.retail_location.map(|place| place.number());
        Ok(OrderFacts {
            id: gid_number("Order", &self.id)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            cancelled: self.cancelled_at.is_some(),
            over_the_counter: self.source_name.as_deref() == Some(OVER_THE_COUNTER),
            location: till.transpose()?,
            test: self.test,
            lines,
            refunds,
            assigned: assigned.unwrap_or_default(),
        })
    }
}

impl LineNode {
    fn facts(self) -> Result<LineFacts, Fault> {
        let variant = match &self.variant {
            Some(variant) => Some(gid_number("ProductVariant", &variant.id)?),
            None => None,
        };
        let item = self.variant.and_then(|variant| variant.inventory_item);
        Ok(LineFacts {
            id: gid_number("LineItem", &self.id)?,
            variant,
            sku: self.sku.unwrap_or_default(),
            quantity: self.quantity,
            current: self.current_quantity,
            unfulfilled: self.unfulfilled_quantity,
            tracked: item.is_none_or(|item| item.tracked),
        })
    }
}
