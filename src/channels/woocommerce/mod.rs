//! WooCommerce (REST `wc/v3`, webhooks): a shop on the seller's own server, without limits, versions or mercy.
//!
//! What it promises: nothing unverified is read, no write is believed without its echo, and an order's claim on goods is
//! what the shop itself deducted. What it does not do: compare-and-set (there is none), orders by SKU, and anything with
//! buyers' data. Files: [`auth`] signs, [`answers`] reads errors and numbers, [`hooks`], [`orders`] and [`sweep`]
//! read what happened, [`product`], [`stock`] and [`publish`] read and set quantities, [`subscribe`] keeps the webhooks
//! alive, [`checkup`] looks at the rest.
//!
//! Source: connector notes, section W; everything marked there as seen live was seen on WooCommerce 11.0.1.

mod answers;
mod auth;
mod checkup;
mod hooks;
mod orders;
mod product;
mod publish;
#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod replay;
mod stock;
mod subscribe;
mod sweep;
#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod testing;

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use self::auth::{Site, setup_error};
use self::product::Target;
use super::{
    Channel, ChannelSettings, Cursor, Fault, Finding, Level, Listing, Page, Platform, Profile,
    Quota, Receipt, Reply, SetupError, SubscriptionReport, Token, Update, Verdict, Webhook, Which,
    Wire,
};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId, OrderId};
use crate::domain::order::OrderSnapshot;

/// The entry in the list of platforms.
pub const PLATFORM: Platform = Platform {
    name: "woocommerce",
    credentials: &[&["key", "secret"]],
    options: &[
        (
            "auth",
            "how calls are signed: auto (default), basic, query, oauth",
        ),
        (
            "opt_in_manage_stock",
            "true: switch on stock management of every product that is published to",
        ),
    ],
    open: |settings| Ok(Box::new(WooCommerce::open(settings)?)),
};

/// Parents that are remembered; beyond that all are forgotten and looked up again.
const PARENTS_MAX: usize = 100_000;

/// One WooCommerce shop.
#[derive(Debug)]
pub struct WooCommerce {
    id: ChannelId,
    site: Site,
    secrets: Vec<SecretString>,
    hook_url: Option<String>,
    opt_in_manage_stock: bool,
    profile: Profile,
    /// How many items a batch may hold now: fewer than the profile says while the shop is too slow.
    batch: AtomicUsize,
    /// The parents of variations, for listings that are named by the bare number. It never changes in a shop.
    parents: Mutex<HashMap<u64, u64>>,
}

impl WooCommerce {
    /// Reads a channel's table.
    ///
    /// # Errors
    /// [`SetupError`] naming the key that cannot work: see [`Platform::open`].
    pub fn open(settings: &ChannelSettings) -> Result<Self, SetupError> {
        let refuse =
            |key: &str, problem: &str, hint: &str| setup_error(settings, key, problem, hint);
        let opt_in_manage_stock = match settings
            .options
            .get("opt_in_manage_stock")
            .map(String::as_str)
        {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                return Err(refuse(
                    "opt_in_manage_stock",
                    "is neither true nor false",
                    "leave it out to change quantities only",
                ));
            }
        };
        if settings
            .webhook_secrets
            .iter()
            .any(|secret| secret.expose_secret().is_empty())
        {
            return Err(refuse(
                "webhook_secrets",
                "holds an empty secret, which anybody can sign with",
                "use some 40 letters and digits",
            ));
        }
        Ok(Self {
            id: settings.id.clone(),
            site: Site::open(settings)?,
            secrets: settings.webhook_secrets.clone(),
            hook_url: settings.hook_url.clone(),
            opt_in_manage_stock,
            batch: AtomicUsize::new(profile().batch_max),
            profile: profile(),
            parents: Mutex::new(HashMap::new()),
        })
    }

    /// Notes whose variation this is.
    fn remember(&self, variation: u64, parent: u64) {
        let mut parents = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
        if parents.len() >= PARENTS_MAX {
            parents.clear();
        }
        parents.insert(variation, parent);
    }

    /// The same target, with its parent if that is known.
    fn resolved(&self, target: Target) -> Target {
        match target {
            Target::Bare(id) => {
                let parents = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
                match parents.get(&id) {
                    Some(&parent) => Target::Variation { parent, id },
                    None => target,
                }
            }
            Target::Variation { .. } => target,
        }
    }
}

/// What is always true of WooCommerce. Source: connector notes, W2 (speed), W4 to W6.
fn profile() -> Profile {
    Profile {
        platform: "woocommerce",
        compare_and_set: false,
        // 100 are allowed and took 5 s on a quiet server; shared hosts are slower and cut at 30 s.
        batch_max: 50,
        calls_at_once: 1,
        // There is no limit of its own; what a small shop's server bears beside its buyers.
        calls_per_second: 8.0,
        burst: 4,
        // Object caches of some hosts.
        settling_ms: 2_000,
        orders_visible_after_ms: 2_000,
        delivery_id_unique: false,
        forged_status: 401,
        // Whole seconds, and servers without NTP.
        clock_skew_ms: 3_000,
        call_timeout_ms: 60_000,
    }
}

#[async_trait]
impl Channel for WooCommerce {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    async fn receive(
        &self,
        _keys: &dyn Wire,
        hook: &Webhook<'_>,
        _now: Timestamp,
    ) -> Result<Receipt, Fault> {
        hooks::receive(self, hook)
    }

    async fn order(&self, wire: &dyn Wire, order: &OrderId) -> Result<OrderSnapshot, Fault> {
        sweep::fetch(self, wire, order).await
    }

    async fn orders_since(
        &self,
        wire: &dyn Wire,
        since: Timestamp,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        sweep::sweep(self, wire, since, cursor.as_ref()).await
    }

    async fn open_orders(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        sweep::open(self, wire, cursor.as_ref()).await
    }

    async fn publish(&self, wire: &dyn Wire, updates: &[Update]) -> Vec<Result<Verdict, Fault>> {
        publish::publish(self, wire, updates).await
    }

    /// Nothing is ever pending: WooCommerce answers at once.
    /// Products go together, and the variations of one parent do.
    fn serial_key<'a>(&self, listing: &'a ListingId) -> &'a str {
        listing
            .as_str()
            .split_once('/')
            .map_or("", |(parent, _)| parent)
    }

    async fn collect(&self, _wire: &dyn Wire, tickets: &[String]) -> Vec<Result<Verdict, Fault>> {
        tickets
            .iter()
            .map(|_| Err(Fault::Rejected("WooCommerce gives no tickets".into())))
            .collect()
    }

    async fn levels(&self, wire: &dyn Wire, which: Which<'_>) -> Result<Page<Level>, Fault> {
        match which {
            Which::All(cursor) => stock::levels(self, wire, cursor.as_ref()).await,
            Which::These(listings) => {
                let listings: &[ListingId] = listings;
                stock::these(self, wire, listings).await
            }
        }
    }

    async fn listings(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<Listing>, Fault> {
        stock::listings(self, wire, cursor.as_ref()).await
    }

    async fn subscriptions(
        &self,
        wire: &dyn Wire,
        repair: bool,
    ) -> Result<SubscriptionReport, Fault> {
        subscribe::subscriptions(self, wire, repair).await
    }

    async fn check(&self, wire: &dyn Wire) -> Result<Vec<Finding>, Fault> {
        checkup::check(self, wire).await
    }

    /// The keys never end and travel in each call; there is nothing to fetch.
    async fn refresh(&self, _wire: &dyn Wire, _last: Option<&Token>) -> Result<Token, Fault> {
        Ok(Token {
            access: SecretString::from(String::new()),
            expires_at: None,
            refresh: None,
        })
    }

    /// WooCommerce says nothing about limits.
    fn quota(&self, _reply: &Reply) -> Option<Quota> {
        None
    }
}
