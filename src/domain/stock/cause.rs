//! Why stock moved, and the entry that says so.

use serde::{Deserialize, Serialize};

use super::{Basis, Movement};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, DocumentId, LineId, LocationId, OrderId, Sku};
use crate::domain::quantity::Balance;
use crate::domain::receipt::Condition;

/// One row of the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockEntry {
    /// Which goods.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// The differences.
    pub movement: Movement,
    /// When it took effect.
    pub at: Timestamp,
    /// What caused it.
    pub cause: Cause,
}

/// Why an entry was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Cause {
    /// An order line changed.
    Order {
        /// The channel.
        channel: ChannelId,
        /// Its order.
        order: OrderId,
        /// Its line.
        line: LineId,
    },
    /// An opening stock, a count or a set-to-N: stored as an observation.
    Count {
        /// What was counted.
        counted: Balance,
        /// What was counted on.
        basis: Basis,
        /// Units there that are not for sale, if the count says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set_aside: Option<Balance>,
        /// Who or what says so.
        by: String,
    },
    /// A movement that took effect before a count, or an older count, came late: the newer count had seen it already, so
    /// its variance changes, at its time, and the balance does not (rule R47).
    SeenByCount {
        /// When the count was.
        counted_at: Timestamp,
    },
    /// A person changed it by a difference.
    Adjustment {
        /// Why.
        reason: String,
        /// Who.
        by: String,
    },
    /// Goods went from one place of ours to another.
    Transfer {
        /// Which transfer.
        transfer: DocumentId,
        /// Who or what says so.
        by: String,
    },
    /// Goods were ordered, or an order of goods was changed.
    Purchase {
        /// Which purchase order.
        purchase: DocumentId,
        /// Who or what says so.
        by: String,
    },
    /// Goods arrived: bought, or returned by a buyer.
    Receipt {
        /// The number of the receipt.
        reference: DocumentId,
        /// The purchase order that they were expected by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purchase: Option<DocumentId>,
        /// In which condition.
        condition: Condition,
        /// Who or what says so.
        by: String,
    },
    /// Units are kept for something.
    Hold {
        /// Which hold.
        hold: DocumentId,
        /// What for.
        reason: String,
        /// Until when, if that is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Who or what says so.
        by: String,
    },
    /// Units are not kept any more.
    Release {
        /// Which hold.
        hold: DocumentId,
        /// Its time had come.
        expired: bool,
        /// Who or what says so.
        by: String,
    },
    /// An order that was not paid in time promises nothing any more.
    Lapse {
        /// The channel.
        channel: ChannelId,
        /// Its order.
        order: OrderId,
        /// Its line.
        line: LineId,
    },
    /// An order line turned out to be other goods than it was booked as.
    Rebooking {
        /// The channel.
        channel: ChannelId,
        /// Its order.
        order: OrderId,
        /// Its line.
        line: LineId,
    },
}

impl Cause {
    /// The order line that it concerns, if it does.
    pub fn line(&self) -> Option<(&ChannelId, &OrderId, &LineId)> {
        match self {
            Self::Order {
                channel,
                order,
                line,
            }
            | Self::Lapse {
                channel,
                order,
                line,
            }
            | Self::Rebooking {
                channel,
                order,
                line,
            } => Some((channel, order, line)),
            Self::Count { .. }
            | Self::SeenByCount { .. }
            | Self::Adjustment { .. }
            | Self::Transfer { .. }
            | Self::Purchase { .. }
            | Self::Receipt { .. }
            | Self::Hold { .. }
            | Self::Release { .. } => None,
        }
    }

    /// In words, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Order { order, line, .. } => format!("order {order}, line {line}"),
            Self::Lapse { order, line, .. } => {
                format!("order {order}, line {line}, was not paid in time")
            }
            Self::Rebooking { order, line, .. } => {
                format!("order {order}, line {line}, was mapped to other goods")
            }
            Self::Count { counted, by, .. } => format!("counted {counted} by {by}"),
            Self::SeenByCount { counted_at } => {
                format!("the count of {counted_at} had seen it already")
            }
            Self::Adjustment { reason, by } => format!("{reason}, by {by}"),
            Self::Transfer { transfer, by } => format!("transfer {transfer}, by {by}"),
            Self::Purchase { purchase, by } => format!("purchase order {purchase}, by {by}"),
            Self::Receipt {
                reference,
                purchase,
                condition,
                by,
            } => {
                let of = purchase
                    .as_ref()
                    .map_or_else(String::new, |id| format!(" of purchase order {id}"));
                let state = match condition {
                    Condition::Sellable => "",
                    Condition::Damaged => ", damaged",
                    Condition::Inspect => ", to be inspected",
                };
                format!("receipt {reference}{of}{state}, by {by}")
            }
            Self::Hold {
                hold,
                reason,
                until,
                by,
            } => {
                let end = until.map_or_else(String::new, |at| format!(" until {at}"));
                format!("hold {hold} for {reason}{end}, by {by}")
            }
            Self::Release {
                hold,
                expired: true,
                ..
            } => format!("hold {hold} ended"),
            Self::Release { hold, by, .. } => format!("hold {hold} released, by {by}"),
        }
    }
}
