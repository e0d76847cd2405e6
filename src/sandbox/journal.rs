//! The journal of a sandbox: everything that happened in one emulated shop, in order.
//!
//! It is the judge of the demo and of the simulation: an oversold unit, a raise that should not have been
//! sent or a lost message can be read off it without asking the code under test. Entries are only added,
//! numbered from 1 without gaps, and carry the shop's own clock.
//!
//! Journals of two shops have separate numbers; order them by `at_ms` and treat equal times as concurrent.

use serde::Serialize;

/// One line of a [`Journal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Position in this shop's journal, from 1, without gaps.
    pub sequence: u64,
    /// The shop's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened.
    pub happening: Happening,
}

/// What can happen in an emulated shop.
///
/// `item` is the id of whatever holds the stock: a Shopify inventory item, or a WooCommerce product or
/// variation (the parent, when the parent manages the stock). Quantities are units a shopper could buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// A shopper bought. One entry per order line.
    Sale {
        /// The order.
        order: u64,
        /// The order line.
        line: u64,
        /// What was bought, as the shop spells it.
        sku: String,
        /// Who holds the stock.
        item: u64,
        /// Units bought.
        units: i64,
        /// Units shown just before.
        shown_before: i64,
        /// Units shown just after. Equal to `shown_before` if the shop does not count this item.
        shown_after: i64,
    },
    /// A shopper wanted more than was shown and went away.
    SaleRefused {
        /// What was wanted.
        sku: String,
        /// Who holds the stock.
        item: u64,
        /// Units wanted.
        units: i64,
        /// Units shown.
        shown: i64,
    },
    /// An order was cancelled and its units put back. One entry per line.
    Cancelled {
        /// The order.
        order: u64,
        /// What was put back.
        sku: String,
        /// Who holds the stock.
        item: u64,
        /// Units put back.
        units: i64,
    },
    /// Units of a line were refunded.
    Refunded {
        /// The order.
        order: u64,
        /// What was refunded.
        sku: String,
        /// Who holds the stock.
        item: u64,
        /// Units refunded.
        units: i64,
        /// Whether they are for sale again.
        restocked: bool,
    },
    /// An order left the house.
    Fulfilled {
        /// The order.
        order: u64,
    },
    /// An order was deleted. Nothing is put back.
    OrderDeleted {
        /// The order.
        order: u64,
        /// Deleted for good, instead of moved to the trash.
        forced: bool,
    },
    /// Somebody changed the number by hand in the back office.
    Edited {
        /// Who holds the stock.
        item: u64,
        /// Units shown before.
        from: i64,
        /// Units shown after.
        to: i64,
    },
    /// A quantity write over the interface took effect.
    Write {
        /// Who holds the stock.
        item: u64,
        /// Where (Shopify location), or 0.
        location: u64,
        /// Units before.
        from: i64,
        /// Units after. May equal `from`.
        to: i64,
        /// Whether the write made more units buyable: the dangerous kind.
        raise: bool,
    },
    /// A quantity write over the interface was refused, or silently ignored as the platform does.
    WriteRefused {
        /// Who holds the stock, or 0 if the request did not name a known one.
        item: u64,
        /// The platform's code, or `ignored_unmanaged` / `ignored_parent_managed` / `ignored_not_stocked`.
        code: String,
    },
    /// A webhook subscription was made.
    Subscribed {
        /// Its id.
        hook: u64,
        /// Its topic.
        topic: String,
        /// Where it delivers.
        url: String,
    },
    /// A webhook subscription was deleted or disabled.
    Unsubscribed {
        /// Its id.
        hook: u64,
        /// `by request`, `after retries` (Shopify) or `disabled after failures` (WooCommerce).
        reason: String,
    },
    /// A webhook request was handed to the transport.
    DeliverySent {
        /// The subscription.
        hook: u64,
        /// The topic.
        topic: String,
        /// The value of the platform's delivery id header, empty for a ping.
        delivery_id: String,
        /// 1 for the first try.
        attempt: u32,
    },
    /// A webhook request was answered, or not.
    DeliveryAnswered {
        /// The subscription.
        hook: u64,
        /// The topic.
        topic: String,
        /// The HTTP status; none if no answer came.
        status: Option<u16>,
        /// Whether the platform counts that as delivered.
        accepted: bool,
    },
    /// A fault was played.
    Fault {
        /// Which one.
        fault: super::faults::Fault,
    },
}

/// The entries of one shop, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
}

impl Journal {
    /// Adds a line.
    pub(crate) fn note(&mut self, at_ms: i64, happening: Happening) {
        let sequence = self.entries.len() as u64 + 1;
        self.entries.push(Entry {
            sequence,
            at_ms,
            happening,
        });
    }

    /// The lines after `sequence`; 0 for all.
    pub(crate) fn since(&self, sequence: u64) -> Vec<Entry> {
        let start = usize::try_from(sequence).unwrap_or(usize::MAX);
        self.entries.get(start..).unwrap_or_default().to_vec()
    }
}
