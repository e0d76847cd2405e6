//! One pass over the lanes by a command that delivers by itself: orders are read first, so that nothing is raised over a
//! sale that was not seen; then every lane takes turns until nothing waits any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep};

use super::channels::states;
use super::daemon;
use super::lock::DeliveryLock;
use super::requests::{LOOK_EVERY, waiting};
use super::seller::{OpenChannels, Seller};
use crate::broker::Doorbell;
use crate::channels::Fault;
use crate::config::Mode;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::domain::lane::LaneRules;
use crate::exit::Failure;
use crate::ledger::StoreError;
use crate::runtime::desk::Desk;
use crate::runtime::fetcher::Fetcher;
use crate::runtime::lane::Lane;
use crate::runtime::lane::only::Only;

/// How long a pass goes on without anything being done; what is left then is told.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How long a pass may take however much is done.
const PASS_MAX: Duration = Duration::from_hours(6);

/// Who delivers within this process: several passes may, each for channels of its own, under one lock on the store.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Channels that are open already; their limiters count every call of this process.
    open: Option<Arc<OpenChannels>>,
    lock: Mutex<Weak<DeliveryLock>>,
    channels: std::sync::Mutex<BTreeMap<ChannelId, Arc<Mutex<()>>>>,
}

/// Open channels, of this command alone or shared.
pub(super) enum Opened {
    Own(OpenChannels),
    Shared(Arc<OpenChannels>),
}

impl std::ops::Deref for Opened {
    type Target = OpenChannels;

    fn deref(&self) -> &OpenChannels {
        match self {
            Self::Own(open) => open,
            Self::Shared(open) => open,
        }
    }
}

impl Opened {
    /// Waits until every call is in the audit, if they are of this command alone.
    pub(super) async fn close(self) {
        if let Self::Own(open) = self {
            open.close().await;
        }
    }
}

/// The right to deliver to some channels.
#[derive(Debug)]
pub(super) struct Delivering {
    _channels: Vec<OwnedMutexGuard<()>>,
    _lock: Arc<DeliveryLock>,
}

impl Delivery {
    /// Over channels that are open already.
    pub(super) fn over(open: Arc<OpenChannels>) -> Self {
        Self {
            open: Some(open),
            ..Self::default()
        }
    }

    /// The channels.
    ///
    /// # Errors
    /// As [`Seller::open_channels`].
    pub(super) async fn open(&self, seller: &Seller) -> Result<Opened, Failure> {
        match &self.open {
            Some(open) => Ok(Opened::Shared(Arc::clone(open))),
            None => seller.open_channels(None).await.map(Opened::Own),
        }
    }

    /// Waits until no other pass of this process is at these channels, and takes the lock of the store if this process
    /// does not have it. Whoever takes it brings the books to a known state first.
    ///
    /// # Errors
    /// [`Failure::Held`] if another process delivers.
    pub(super) async fn take(
        &self,
        seller: &Seller,
        channels: impl IntoIterator<Item = &ChannelId>,
        command: &str,
    ) -> Result<Delivering, Failure> {
        let mut held = Vec::new();
        // In the order of names, so that two passes never wait for each other.
        for id in channels.into_iter().collect::<BTreeSet<_>>() {
            let one = {
                let mut all = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(all.entry(id.clone()).or_default())
            };
            held.push(one.lock_owned().await);
        }
        let lock = self
            .store(seller, &seller.settings.store_path(), command)
            .await?;
        Ok(Delivering {
            _channels: held,
            _lock: lock,
        })
    }

    async fn store(
        &self,
        seller: &Seller,
        path: &Path,
        command: &str,
    ) -> Result<Arc<DeliveryLock>, Failure> {
        let mut known = self.lock.lock().await;
        if let Some(lock) = known.upgrade() {
            return Ok(lock);
        }
        let lock = Arc::new(DeliveryLock::take_once(path, command)?);
        daemon::prepare(seller).await?;
        *known = Arc::downgrade(&lock);
        Ok(lock)
    }
}

/// Lets the lanes of `channel` (of all) take turns until nothing that `only` allows waits.
///
/// # Errors
/// As the store.
pub(super) async fn pass(
    seller: &Seller,
    open: &OpenChannels,
    channel: Option<&ChannelId>,
    only: &Only,
) -> Result<(), Failure> {
    let bell = Doorbell::default();
    let desk = Desk {
        ledger: seller.ledger.clone(),
        bell: bell.clone(),
        clock: Arc::clone(&seller.clock),
    };
    let mut fetchers = daemon::fetchers(seller, open, &desk);
    let mut lanes = lanes(seller, open, channel, only, &bell);
    let asked_at = seller.now();
    for fetcher in &fetchers {
        fetcher.ask_orders(asked_at).await?;
    }
    bell.sweep();
    let began = Instant::now();
    let mut moved = began;
    while began.elapsed() < PASS_MAX && moved.elapsed() < STALL_MAX {
        // Side by side: a slow platform keeps no other waiting.
        let fetched = join_all(fetchers.iter_mut().map(fetch)).await;
        let sent = join_all(lanes.iter_mut().map(turn)).await;
        for done in fetched.into_iter().chain(sent) {
            if done? {
                moved = Instant::now();
            }
        }
        if waiting(seller, channel, only).await? == 0 {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    unread(seller, channel, only, asked_at).await
}

/// What waits because the orders of its channel could not be read does so for the platform, and that is told.
async fn unread(
    seller: &Seller,
    only_channel: Option<&ChannelId>,
    only: &Only,
    asked_at: Timestamp,
) -> Result<(), Failure> {
    for (id, state) in states(seller).await? {
        let wanted = only_channel.is_none_or(|only| *only == id);
        let unread = state.orders_read_at.is_none_or(|read| read < asked_at);
        if wanted && unread && waiting(seller, Some(&id), only).await? > 0 {
            return Err(Failure::Platform {
                doing: "read the orders of",
                channel: id,
                fault: Fault::Transient(format!(
                    "that did not succeed within {} s, and its listings wait for it; hint: `onhand channels check` says more",
                    STALL_MAX.as_secs()
                )),
            });
        }
    }
    Ok(())
}

fn lanes(
    seller: &Seller,
    open: &OpenChannels,
    only_channel: Option<&ChannelId>,
    only: &Only,
    bell: &Doorbell,
) -> Vec<Lane> {
    let mut terms = daemon::terms(seller);
    // Now means now: no batch is waited for.
    terms.rules = LaneRules {
        batch_b_ms: 0,
        batch_c_ms: 0,
        ..terms.rules
    };
    let sent_to = open.channels.iter().filter(|(id, channel)| {
        let wanted = only_channel.is_none_or(|only| only == *id);
        wanted && channel.mode == Mode::Manage && !channel.hold
    });
    sent_to
        .map(|(id, channel)| daemon::lane(seller, id, channel, &terms, bell).for_only(only.clone()))
        .collect()
}

/// Follows the hints that are due; whether there were any.
async fn fetch(fetcher: &mut Fetcher) -> Result<bool, StoreError> {
    let mut any = false;
    while fetcher.turn().await? > 0 {
        any = true;
    }
    Ok(any)
}

/// Takes turns until the lane is idle; whether anything was done.
async fn turn(lane: &mut Lane) -> Result<bool, StoreError> {
    let rings = lane.mailbox.take();
    lane.look(&rings).await?;
    let mut any = false;
    let began = Instant::now();
    while began.elapsed() < PASS_MAX && !lane.turn().await?.is_idle() {
        any = true;
    }
    Ok(any)
}
