//! Where the lines of an order are to be sent from: its fulfilment orders, each at one location.
//!
//! Shopify takes a sold unit from the number of the location that it assigns, and a move takes it there and gives it back
//! here (rule R44). Webhooks of orders do not name that location, so it is read.
//!
//! Source: `FulfillmentOrder` of the introspection 2026-04 to 2026-10.

use serde::Deserialize;
use serde_json::json;

use crate::channels::{Fault, Wire};
use crate::domain::ids::OrderId;

use super::fetch::{LINE_PAGES_MAX, LineRef, gid_number};
use super::graphql::Nodes;
use super::{Shopify, documents, ids};

/// Units of one line that one location has to send, or has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assigned {
    pub(super) line: u64,
    pub(super) location: u64,
    /// Not sent yet.
    pub(super) open: u32,
    /// Sent.
    pub(super) sent: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FulfilmentNode {
    status: String,
    assigned_location: Option<AssignedLocation>,
    line_items: Nodes<FulfilmentLine>,
}

#[derive(Debug, Deserialize)]
struct AssignedLocation {
    location: Option<Place>,
}

/// A location, as every document selects it.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    id: String,
}

impl Place {
    pub(super) fn number(&self) -> Result<u64, Fault> {
        gid_number("Location", &self.id)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FulfilmentLine {
    total_quantity: u32,
    remaining_quantity: u32,
    line_item: LineRef,
}

#[derive(Deserialize)]
struct PlacesData {
    order: Option<OrderPlaces>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderPlaces {
    fulfillment_orders: Nodes<FulfilmentNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderOfData {
    fulfillment_order: Option<OrderOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderOf {
    order_id: String,
}

/// Whether something of it stands on a further page.
pub(super) fn has_more(fulfilments: &Nodes<FulfilmentNode>) -> bool {
    let long = |one: &FulfilmentNode| one.line_items.next().is_some();
    fulfilments.next().is_some() || fulfilments.nodes.iter().any(long)
}

/// What stands on these pages. A cancelled one has been replaced by others; one without a location is nobody's yet.
pub(super) fn assigned(fulfilments: Nodes<FulfilmentNode>) -> Result<Vec<Assigned>, Fault> {
    let mut found = Vec::new();
    for one in fulfilments.nodes {
        let place = one.assigned_location.and_then(|assigned| assigned.location);
        let Some(place) = place.filter(|_| one.status != "CANCELLED") else {
            continue;
        };
        for line in one.line_items.nodes {
            found.push(Assigned {
                line: gid_number("LineItem", &line.line_item.id)?,
                location: place.number()?,
                open: line.remaining_quantity,
                sent: line.total_quantity.saturating_sub(line.remaining_quantity),
            });
        }
    }
    Ok(found)
}

impl Shopify {
    /// All of an order, one fulfilment order at a time.
    pub(super) async fn fetch_assigned(
        &self,
        wire: &dyn Wire,
        order: &str,
    ) -> Result<Vec<Assigned>, Fault> {
        let (mut found, mut after, mut lines) = (Vec::new(), None, None);
        for _ in 0..LINE_PAGES_MAX {
            let variables = json!({ "id": order, "after": after, "lines": lines });
            let data: PlacesData = self
                .ask(wire, "order", documents::ORDER_PLACES, variables)
                .await?;
            let order = data.order.ok_or_else(|| Fault::Gone(order.to_owned()))?;
            let page = order.fulfillment_orders;
            lines = page.nodes.iter().find_map(|one| one.line_items.next());
            let next = page.next();
            found.extend(assigned(page)?);
            if lines.is_none() {
                if next.is_none() {
                    return Ok(found);
                }
                after = next;
            }
        }
        Err(Fault::Rejected(format!(
            "{order} has more than {LINE_PAGES_MAX} pages of fulfilment orders"
        )))
    }

    /// The order that a fulfilment order belongs to.
    pub(super) async fn order_of(
        &self,
        wire: &dyn Wire,
        fulfilment: u64,
    ) -> Result<OrderId, Fault> {
        let variables = json!({ "id": ids::gid("FulfillmentOrder", fulfilment) });
        let data: OrderOfData = self
            .ask(wire, "order", documents::ORDER_OF, variables)
            .await?;
        let found = data
            .fulfillment_order
            .ok_or_else(|| Fault::Gone(format!("fulfilment order {fulfilment}")))?;
        ids::order_id(gid_number("Order", &found.order_id)?)
    }
}
