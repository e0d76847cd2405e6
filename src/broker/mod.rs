//! The doorbell: after a commit the ledger's news go to whoever delivers. The store is the truth; losing a ring costs one
//! sweep, never an update (design D6).
//!
//! In one process it is a set per lane: rings merge, so that a burst over one SKU is one entry, and nothing grows beyond
//! the number of SKUs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, Sku};

/// When a change came about, for the latency of what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// When the buyer bought, by the channel's clock.
    pub sold_at: Option<Timestamp>,
    /// When the message came.
    pub received_at: Timestamp,
}

/// What has been rung since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rings {
    /// SKUs whose stock changed, with the oldest mark.
    pub skus: BTreeMap<Sku, Mark>,
    /// Channels whose orders have been read through: raises may go out.
    pub orders: BTreeSet<ChannelId>,
    /// Look at everything: another process wrote, or a plan changed.
    pub sweep: bool,
    /// There is something to fetch.
    pub hints: bool,
    /// Channels that sell something else than before.
    pub listings: BTreeSet<ChannelId>,
}

impl Rings {
    /// Whether nothing was rung.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where one listener finds its rings.
#[derive(Debug, Default)]
pub struct Mailbox {
    rings: Mutex<Rings>,
    notify: Notify,
}

impl Mailbox {
    /// What was rung since the last call; empty if nothing was.
    pub fn take(&self) -> Rings {
        std::mem::take(&mut *self.rings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something was rung; returns at once if something was since the last wait.
    pub async fn rung(&self) {
        self.notify.notified().await;
    }

    fn put(&self, change: &dyn Fn(&mut Rings)) {
        change(&mut self.rings.lock().unwrap_or_else(PoisonError::into_inner));
        self.notify.notify_one();
    }
}

/// The doorbell of one process.
#[derive(Debug, Clone, Default)]
pub struct Doorbell {
    boxes: Arc<Mutex<Vec<Arc<Mailbox>>>>,
}

impl Doorbell {
    /// A new listener.
    pub fn listen(&self) -> Arc<Mailbox> {
        let mailbox = Arc::new(Mailbox::default());
        self.boxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&mailbox));
        mailbox
    }

    /// These SKUs changed.
    pub fn changed(&self, skus: &BTreeSet<Sku>, mark: Mark) {
        if !skus.is_empty() {
            self.each(&|rings| {
                for sku in skus {
                    rings.skus.entry(sku.clone()).or_insert(mark);
                }
            });
        }
    }

    /// The orders of a channel have been read through.
    pub fn orders_read(&self, channel: &ChannelId) {
        self.each(&|rings| {
            rings.orders.insert(channel.clone());
        });
    }

    /// A channel sells something else than before.
    pub fn listings_changed(&self, channel: &ChannelId) {
        self.each(&|rings| {
            rings.listings.insert(channel.clone());
        });
    }

    /// Look at everything.
    pub fn sweep(&self) {
        self.each(&|rings| rings.sweep = true);
    }

    /// There is something to fetch.
    pub fn asked(&self) {
        self.each(&|rings| rings.hints = true);
    }

    fn each(&self, change: &dyn Fn(&mut Rings)) {
        for mailbox in self
            .boxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            mailbox.put(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_is_one_entry_and_the_oldest_mark_stays() {
        let bell = Doorbell::default();
        let mailbox = bell.listen();
        let skus = BTreeSet::from([Sku::new("A").unwrap()]);
        for n in 0..500 {
            bell.changed(
                &skus,
                Mark {
                    sold_at: None,
                    received_at: Timestamp::from_millis(n),
                },
            );
        }
        mailbox.rung().await;
        let rings = mailbox.take();
        assert_eq!(rings.skus.len(), 1);
        assert_eq!(
            rings.skus.values().next().unwrap().received_at,
            Timestamp::from_millis(0)
        );
        assert!(mailbox.take().is_empty());
    }
}
