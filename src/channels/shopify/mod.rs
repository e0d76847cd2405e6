//! Shopify: the Admin GraphQL API of 2026-04 and later, and its webhooks.
//!
//! A listing is an inventory item: its number as text (`53469430055218`), at the channel's own location; `item@location`
//! is the same item at another one of those that `places` names: each shows the stock of one place of ours. Orders name what was sold by variant, `variant:51364592877874`, for webhooks know nothing else;
//! that is the listing's alias.
//!
//! Shopify's `available` has already lost what was sold there, and so has what we compute: `available` is what we set,
//! never `on_hand`, which would offer the sold units again.
//!
//! | file | its language |
//! |---|---|
//! | [`settings`] | the channel's table in `config.toml` |
//! | [`token`] | access tokens |
//! | [`documents`], [`graphql`] | what is sent, and what answers mean |
//! | [`hooks`] | webhooks |
//! | [`orders`], [`fetch`] | what an order holds, from either form |
//! | [`assigned`], [`places`] | where its lines are sent from and put back, and which of our places that is |
//! | [`publish`], [`batch`], [`errors`] | setting quantities |
//! | [`read`] | levels and listings |
//! | [`subscribe`], [`check`] | what has to be set up in the shop |
//!
//! Sources: shopify.dev (Admin GraphQL API, webhooks), the official introspection 2026-04 to 2026-10, and recorded
//! answers of a real shop (API 2026-04); which rule comes from where stands with the rule.

mod assigned;
mod batch;
mod check;
mod documents;
mod errors;
mod fetch;
mod graphql;
mod hooks;
mod ids;
mod orders;
mod places;
mod publish;
mod read;
#[cfg(test)]
mod script;
mod settings;
mod subscribe;
#[cfg(test)]
mod tests;
mod token;

use async_trait::async_trait;
use secrecy::SecretString;

use super::{
    Channel, Cursor, Fault, Finding, Level, Listing, Page, Platform, Profile, Quota, Receipt,
    Reply, SubscriptionReport, Token, Update, Verdict, Webhook, Which, Wire,
};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, OrderId};
use crate::domain::order::OrderSnapshot;
use places::Places;
use token::Login;

/// The version that is asked for unless configured.
const API_VERSION: &str = "2026-07";

/// Before it, quantities were written in another shape, without `changeFromQuantity`.
const API_VERSION_OLDEST: &str = "2026-04";

/// Most entries of one write. Shopify takes 250, but one bad entry blocks all the others.
const BATCH_MAX: usize = 100;

/// Shopify's entry among the platforms.
pub const PLATFORM: Platform = Platform {
    name: "shopify",
    credentials: &[&["token"], &["client_id", "client_secret"]],
    options: &[
        (
            "location",
            "id of the Shopify location that is published to; `onhand channels check` lists them",
        ),
        (
            "api_version",
            "version of the Admin API (default 2026-07, at least 2026-04)",
        ),
        (
            "places",
            "which of our locations Shopify's are, such as [\"108=main\", \"109=store\"]: each shows the stock of its own, and orders, returns and till sales are booked where they are; without it, one location shows all",
        ),
        (
            "force",
            "true: write over values that were never read; this can undo sales (default false)",
        ),
    ],
    open: settings::open,
};

/// One shop.
#[derive(Debug)]
struct Shopify {
    profile: Profile,
    channel: ChannelId,
    base_url: String,
    api_version: String,
    location: Option<u64>,
    /// Which of our places Shopify's locations are, as far as the settings say.
    places: Places,
    force: bool,
    secrets: Vec<SecretString>,
    login: Login,
    hook_url: Option<String>,
}

impl Shopify {
    /// The location that listings without one of their own belong to.
    fn own_location(&self) -> Result<u64, Fault> {
        self.location.ok_or_else(|| {
            Fault::Rejected(
                "no location is configured; hint: run `onhand channels check`, it lists them, and set `location`"
                    .to_owned(),
            )
        })
    }
}

#[async_trait]
impl Channel for Shopify {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    async fn receive(
        &self,
        _keys: &dyn Wire,
        hook: &Webhook<'_>,
        _now: Timestamp,
    ) -> Result<Receipt, Fault> {
        self.read_hook(hook)
    }

    async fn order(&self, wire: &dyn Wire, order: &OrderId) -> Result<OrderSnapshot, Fault> {
        self.fetch_order(wire, order).await
    }

    async fn orders_since(
        &self,
        wire: &dyn Wire,
        since: Timestamp,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        self.fetch_orders(wire, since, cursor).await
    }

    async fn open_orders(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        self.fetch_open_orders(wire, cursor).await
    }

    async fn publish(&self, wire: &dyn Wire, updates: &[Update]) -> Vec<Result<Verdict, Fault>> {
        self.set_quantities(wire, updates).await
    }

    /// Shopify answers at once, so there are no tickets of ours.
    async fn collect(&self, _wire: &dyn Wire, tickets: &[String]) -> Vec<Result<Verdict, Fault>> {
        tickets
            .iter()
            .map(|ticket| Err(Fault::Gone(format!("ticket {ticket}"))))
            .collect()
    }

    async fn levels(&self, wire: &dyn Wire, which: Which<'_>) -> Result<Page<Level>, Fault> {
        self.read_levels(wire, which).await
    }

    async fn listings(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<Listing>, Fault> {
        self.read_listings(wire, cursor).await
    }

    async fn subscriptions(
        &self,
        wire: &dyn Wire,
        repair: bool,
    ) -> Result<SubscriptionReport, Fault> {
        self.compare_subscriptions(wire, repair).await
    }

    async fn check(&self, wire: &dyn Wire) -> Result<Vec<Finding>, Fault> {
        self.examine(wire).await
    }

    async fn refresh(&self, wire: &dyn Wire, _last: Option<&Token>) -> Result<Token, Fault> {
        self.new_token(wire).await
    }

    fn quota(&self, reply: &Reply) -> Option<Quota> {
        graphql::quota(reply)
    }
}
