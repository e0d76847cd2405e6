//! The access token of one channel: one for all calls, renewed once for all who wait, durable before it is used.
//!
//! A rotating refresh token that is used twice, or lost after it was used, logs the seller out. So renewals stand in a
//! line, run to their end even if the call that asked for them is dropped, and what they bring is saved first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::channels::{Channel, Fault, Token, Wire};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::ChannelId;

/// A token that ends within this time is renewed before it is used, in ms: longer than any call may take.
const ENDS_SOON_MS: i64 = 600_000;
/// A token is not renewed again so soon: if a new one is refused, a newer one will be, too; if it ends soon, that is how
/// the platform makes them.
const REST: Duration = Duration::from_mins(1);

/// Where tokens are kept over a restart.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The token that was saved last.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    async fn load(&self, channel: &ChannelId) -> Result<Option<Token>, String>;

    /// Keeps a token; when this returns it is durable.
    ///
    /// # Errors
    /// Why it cannot be kept, in words. The token is then not used.
    async fn save(&self, channel: &ChannelId, token: &Token) -> Result<(), String>;
}

/// A token as it was handed out.
#[derive(Debug, Clone)]
pub(super) struct Handed {
    pub(super) token: Token,
    generation: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// The store was asked.
    loaded: bool,
    token: Option<Token>,
    /// Renewed, and not saved yet: used by nobody.
    unsaved: Option<Token>,
    generation: u64,
    /// No renewal before this unless the token has ended.
    rest_until: Option<Instant>,
    /// What the last renewal failed with.
    failed: Option<Fault>,
}

/// The token of one channel and all that is needed to renew it.
pub(super) struct Keeper {
    pub(super) id: ChannelId,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) store: Arc<dyn TokenStore>,
    pub(super) clock: Arc<dyn Clock>,
    /// Sends without a token.
    pub(super) bare: Arc<dyn Wire>,
    slot: Arc<Mutex<Slot>>,
    /// How many renewals ended.
    renewals: AtomicU64,
}

fn same(one: &Token, other: &Token) -> bool {
    one.access.expose_secret() == other.access.expose_secret()
}

fn left_ms(token: &Token, now: Timestamp) -> i64 {
    token.expires_at.map_or(i64::MAX, |at| at.since(now))
}

impl Slot {
    fn handed(&self) -> Option<Handed> {
        let token = self.token.clone()?;
        Some(Handed {
            token,
            generation: self.generation,
        })
    }

    fn rests(&self) -> bool {
        self.rest_until.is_some_and(|until| Instant::now() < until)
    }

    fn usable(&self, now: Timestamp) -> Option<Handed> {
        let handed = self.handed()?;
        let left = left_ms(&handed.token, now);
        let good = left > ENDS_SOON_MS || (left > 0 && self.rests());
        good.then_some(handed)
    }

    fn take(&mut self, token: Token) {
        self.token = Some(token);
        self.generation += 1;
        self.rest_until = Some(Instant::now() + REST);
        self.failed = None;
    }
}

impl Keeper {
    pub(super) fn new(
        id: ChannelId,
        channel: Arc<dyn Channel>,
        store: Arc<dyn TokenStore>,
        clock: Arc<dyn Clock>,
        bare: Arc<dyn Wire>,
    ) -> Self {
        Self {
            id,
            channel,
            store,
            clock,
            bare,
            slot: Arc::default(),
            renewals: AtomicU64::new(0),
        }
    }

    /// The token for a call that is made now.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Handed, Fault> {
        let seen = self.renewals.load(Ordering::Acquire);
        let mut slot = Arc::clone(&self.slot).lock_owned().await;
        if !slot.loaded {
            slot.token = self.load().await?;
            slot.loaded = true;
        }
        let now = self.clock.now();
        if let Some(handed) = slot.usable(now) {
            return Ok(handed);
        }
        self.shared_failure(&slot, seen)?;
        let old = slot.handed().filter(|old| left_ms(&old.token, now) > 0);
        match (self.renew(slot).await, old) {
            // It has not ended yet: better than no call at all.
            (Err(Fault::Transient(_) | Fault::Unknown(_) | Fault::Throttled { .. }), Some(old)) => {
                Ok(old)
            }
            (renewed, _) => renewed,
        }
    }

    /// The token to try once more with after one was refused; `None`: there is no other.
    pub(super) async fn after_refusal(
        self: &Arc<Self>,
        refused: &Handed,
    ) -> Result<Option<Handed>, Fault> {
        let seen = self.renewals.load(Ordering::Acquire);
        let slot = Arc::clone(&self.slot).lock_owned().await;
        let next = if slot.generation != refused.generation {
            slot.handed()
        } else if slot.rests() {
            None
        } else {
            self.shared_failure(&slot, seen)?;
            Some(self.renew(slot).await?)
        };
        Ok(next.filter(|next| !same(&next.token, &refused.token)))
    }

    /// Those who waited while a renewal failed share its failure instead of trying one after the other.
    fn shared_failure(&self, slot: &Slot, seen: u64) -> Result<(), Fault> {
        match &slot.failed {
            Some(fault) if self.renewals.load(Ordering::Acquire) != seen => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    /// Renews in a task of its own, so that a dropped call cannot lose a token between its answer and the store.
    async fn renew(self: &Arc<Self>, mut slot: OwnedMutexGuard<Slot>) -> Result<Handed, Fault> {
        let keeper = Arc::clone(self);
        let task = tokio::spawn(async move {
            let renewed = keeper.renewed(&mut slot).await;
            if let Err(fault) = &renewed {
                slot.failed = Some(fault.clone());
                if slot
                    .token
                    .as_ref()
                    .is_some_and(|token| left_ms(token, keeper.clock.now()) > 0)
                {
                    slot.rest_until = Some(Instant::now() + REST);
                }
            }
            let outcome = if renewed.is_ok() { "renewed" } else { "failed" };
            metrics::counter!("onhand_token_renewals_total", "channel" => keeper.id.to_string(), "outcome" => outcome)
                .increment(1);
            keeper.renewals.fetch_add(1, Ordering::Release);
            renewed
        });
        task.await.unwrap_or_else(|_| {
            Err(Fault::Transient(
                "the renewal of the token broke off".into(),
            ))
        })
    }

    async fn renewed(&self, slot: &mut Slot) -> Result<Handed, Fault> {
        let now = self.clock.now();
        let unsaved_is_good = slot
            .unsaved
            .as_ref()
            .is_some_and(|token| left_ms(token, now) > ENDS_SOON_MS);
        if !unsaved_is_good {
            if slot.unsaved.is_none()
                && let Some(theirs) = self.load().await?
                && !slot.token.as_ref().is_some_and(|ours| same(ours, &theirs))
            {
                // Another process renewed it; its refresh token is the one that counts.
                let good = left_ms(&theirs, now) > ENDS_SOON_MS;
                slot.take(theirs);
                if good {
                    return self.handed(slot);
                }
            }
            let last = slot.unsaved.as_ref().or(slot.token.as_ref());
            let fresh = self.channel.refresh(&*self.bare, last).await?;
            slot.unsaved = Some(fresh);
        }
        if let Some(fresh) = &slot.unsaved {
            self.store.save(&self.id, fresh).await.map_err(|problem| {
                Fault::Transient(format!("the new token could not be kept: {problem}"))
            })?;
        }
        if let Some(fresh) = slot.unsaved.take() {
            slot.take(fresh);
        }
        self.handed(slot)
    }

    fn handed(&self, slot: &Slot) -> Result<Handed, Fault> {
        slot.handed()
            .ok_or_else(|| Fault::Transient(format!("there is no token of {}", self.id)))
    }

    async fn load(&self) -> Result<Option<Token>, Fault> {
        self.store.load(&self.id).await.map_err(|problem| {
            Fault::Transient(format!("the kept token could not be read: {problem}"))
        })
    }
}
