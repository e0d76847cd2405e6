//! What the platforms speak. Each folder knows one platform's language: how to verify and read its webhooks, how to
//! build and sign calls, what the answers mean, what they say about the remaining quota.
//!
//! A channel never opens a socket and never asks the time: it is handed a [`Wire`] and `now`. Timeouts, tokens, audit and
//! redaction belong to the wire, once for all (design D5). Adding a platform is one folder and one line in [`PLATFORMS`].
#![warn(clippy::indexing_slicing)]

pub mod shopify;
pub mod woocommerce;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId, LocationId, OrderId};
pub use crate::domain::message::{Hint, Level, Listing};
use crate::domain::order::OrderSnapshot;
use crate::domain::quantity::Quantity;

/// Every platform that this program speaks.
pub static PLATFORMS: &[Platform] = &[shopify::PLATFORM, woocommerce::PLATFORM];

/// One platform: its name in `config.toml`, what it needs, and how a channel of it is made.
#[derive(Debug)]
pub struct Platform {
    /// The word in `platform = "…"`.
    pub name: &'static str,
    /// Names in `credentials = { … }` that must be there; alternatives are separate lists.
    pub credentials: &'static [&'static [&'static str]],
    /// Further keys of the channel's table that only this platform reads, each with one line of help.
    pub options: &'static [(&'static str, &'static str)],
    /// Makes the channel; checks everything that can be checked without a call.
    pub open: fn(&ChannelSettings) -> Result<Box<dyn Channel>, SetupError>,
}

/// Finds a platform by its name.
pub fn platform(name: &str) -> Option<&'static Platform> {
    PLATFORMS.iter().find(|platform| platform.name == name)
}

/// What `config.toml` says about one channel, with its secrets read.
#[derive(Debug, Clone)]
pub struct ChannelSettings {
    /// The key of its table.
    pub id: ChannelId,
    /// Scheme, host and port, without a slash at the end.
    pub base_url: String,
    /// All secrets that may sign a webhook now; several during a rotation.
    pub webhook_secrets: Vec<SecretString>,
    /// By name, as the platform asks for them.
    pub credentials: BTreeMap<String, SecretString>,
    /// Our locations that this channel sells from, best first.
    pub locations: Vec<LocationId>,
    /// The platform's own keys ([`Platform::options`]), as text.
    pub options: BTreeMap<String, String>,
    /// Where the platform reaches our webhooks, such as `https://stock.example/hooks/shop`.
    pub hook_url: Option<String>,
}

/// A channel's table that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("channel {channel}: {key}: {problem}; hint: {hint}")]
pub struct SetupError {
    /// Whose table.
    pub channel: ChannelId,
    /// The key in it.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

/// What is always true of a platform; the delivery rules read it (design D2, D8).
#[derive(Debug, Clone)]
pub struct Profile {
    /// The platform's name.
    pub platform: &'static str,
    /// A write can name the value that it replaces, and fails if that is not there.
    pub compare_and_set: bool,
    /// Most listings in one publish call.
    pub batch_max: usize,
    /// Calls to one account at a time.
    pub calls_at_once: usize,
    /// Calls a second that are always allowed, and how many may come at once; the platform's answers correct it.
    pub calls_per_second: f64,
    /// How many calls may come at once.
    pub burst: u32,
    /// How long after a write a read may still show the old value, in ms.
    pub settling_ms: i64,
    /// How long after it was placed an order may still be missing from a read of orders, in ms.
    pub orders_visible_after_ms: i64,
    /// A delivery id names one delivery and no other, so it may be used to skip work early.
    pub delivery_id_unique: bool,
    /// Status that answers a forged message.
    pub forged_status: u16,
    /// How fine the platform's times are, plus how far its clock may be off, in ms.
    pub clock_skew_ms: i64,
    /// How long one call may take, in ms.
    pub call_timeout_ms: u64,
}

/// A request that a channel wants sent. Its URL is whole; the wire refuses hosts other than the channel's own.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// Headers; secrets among them are signed or marked by the channel, and never logged.
    pub headers: Vec<(&'static str, String)>,
    /// The body, byte for byte as signed.
    pub body: Bytes,
    /// How the wire adds the current access token.
    pub token: TokenPlace,
    /// One word for the audit and the metrics, such as `publish`.
    pub purpose: &'static str,
}

impl fmt::Debug for Request {
    /// Method, path and size only: headers, query and body may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.url.split('?').next().unwrap_or_default();
        write!(
            f,
            "{} {path} ({} bytes, {})",
            self.method,
            self.body.len(),
            self.purpose
        )
    }
}

/// Where the wire puts the access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// Nowhere: the request is signed, or carries its credentials itself.
    Nowhere,
    /// In this header, bare.
    Header(&'static str),
    /// In `Authorization: Bearer …`.
    Bearer,
}

/// An answer, whatever its status.
#[derive(Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, decoded from its transfer and content encoding.
    pub body: Bytes,
}

impl fmt::Debug for Reply {
    /// Status and size only: bodies may hold buyers' data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}

/// The way out. The real one owns timeouts, tokens, rate limits, audit and redaction; tests and the simulation bring
/// their own.
#[async_trait]
pub trait Wire: Send + Sync {
    /// Sends one request and returns the answer of any status below 400 and of those 4xx that need reading.
    ///
    /// # Errors
    /// A [`Fault`] for what never reached the platform's logic: no connection ([`Fault::Transient`]), no answer after the
    /// request left ([`Fault::Unknown`]), 401 after one refresh ([`Fault::Unauthorized`]), 429 ([`Fault::Throttled`]) and
    /// 5xx ([`Fault::Transient`]; for a write [`Fault::Unknown`], for its effect may have happened). Other statuses
    /// (200, 400, 404, 413, 422 …) come back as a [`Reply`], for only the platform's folder knows what they mean.
    async fn send(&self, request: Request) -> Result<Reply, Fault>;

    /// The time, for signatures.
    fn now(&self) -> Timestamp;
}

/// Why something with a platform failed. It alone decides about retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Too fast. Does not spend an attempt.
    #[error("the platform asks to slow down{}", .after_ms.map(|ms| format!(" for {ms} ms")).unwrap_or_default())]
    Throttled {
        /// How long to wait, in ms, if it said so.
        after_ms: Option<u64>,
    },
    /// The credentials are not accepted. Holds the channel; does not spend an attempt.
    #[error("the platform does not accept our credentials: {0}")]
    Unauthorized(String),
    /// It did not happen, and may work later.
    #[error("temporary trouble: {0}")]
    Transient(String),
    /// The answer was lost: it may have happened.
    #[error("the answer was lost: {0}")]
    Unknown(String),
    /// It did not happen and will not by repeating it.
    #[error("refused: {0}")]
    Rejected(String),
    /// A webhook whose signature is wrong or missing.
    #[error("the signature is wrong")]
    Forged,
    /// Verified, but not understood.
    #[error("not understood: {0}")]
    Unreadable(String),
    /// The thing asked for does not exist there (any more).
    #[error("the platform does not have it: {0}")]
    Gone(String),
}

/// A webhook as it came in: nothing decoded, nothing parsed.
#[derive(Debug)]
pub struct Webhook<'a> {
    /// Its method: POST, or GET where a platform challenges.
    pub method: &'a Method,
    /// Query string without the question mark.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Raw body.
    pub body: &'a [u8],
}

impl Webhook<'_> {
    /// A header as text; `None` if it is missing or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a verified message says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// What it is about, in the platform's words, such as `orders/create`.
    pub topic: String,
    /// The platform's id of this delivery, if it gives one.
    pub delivery_id: Option<String>,
    /// When the platform says that it happened.
    pub happened_at: Option<Timestamp>,
    /// Orders as they stand.
    pub snapshots: Vec<OrderSnapshot>,
    /// Quantities that the channel says it shows.
    pub levels: Vec<Level>,
    /// What has to be fetched, after the answer.
    pub hints: Vec<Hint>,
    /// Why nothing follows from it, if nothing does.
    pub ignored: Option<String>,
    /// What to answer instead of an empty 200 (challenges).
    pub reply: Option<Bytes>,
    /// Anybody can have sent it, for the platform does not sign this kind: it is answered and counted, and nothing of it
    /// is kept.
    pub unsigned: bool,
}

/// One page of something, and where the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What stands on it.
    pub items: Vec<T>,
    /// Where to go on; `None`: this was the last.
    pub next: Option<Cursor>,
    /// What stood on it and was not understood, and why; the rest of the page counts all the same.
    pub unreadable: Vec<Unread>,
}

/// Something on a page that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The platform's id of it, as far as that could be read.
    pub what: String,
    /// Why.
    pub why: String,
}

/// A platform's own mark of a place in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Which levels to read.
#[derive(Debug, Clone)]
pub enum Which<'a> {
    /// All, page by page.
    All(Option<Cursor>),
    /// These, at most [`Profile::batch_max`].
    These(&'a [ListingId]),
}

/// One quantity to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Where.
    pub listing: ListingId,
    /// How many.
    pub quantity: Quantity,
    /// What it shows now as far as we know: the value to compare with, where the platform can.
    pub compare: Option<i64>,
    /// The same text for the same intent, a new one for a new intent (rule R62).
    pub key: String,
}

/// What became of one update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It shows the quantity now.
    Applied,
    /// The platform took it and will apply it.
    Accepted,
    /// The platform took it; the result is collected later with this ticket.
    Pending {
        /// The platform's id of the batch or feed.
        ticket: String,
    },
    /// The value to compare with was wrong.
    Stale {
        /// What it shows, if the channel could read it.
        shows: Option<i64>,
    },
    /// Not possible for this item, in the platform's words.
    Refused(String),
}

/// An access token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub access: SecretString,
    /// When it ends; `None`: it does not.
    pub expires_at: Option<Timestamp>,
    /// What the next refresh needs, where that rotates; stored before the token is used.
    pub refresh: Option<SecretString>,
}

/// What an answer says about the remaining quota.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Calls (of ordinary cost) that are left at once.
    pub left: f64,
    /// Calls that come back each second.
    pub per_second: f64,
}

/// One webhook subscription, wanted or found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The platform's topic.
    pub topic: String,
    /// Where it is delivered to.
    pub url: String,
    /// The platform's id, for those found.
    pub id: Option<String>,
    /// Found and delivering; a disabled one is not.
    pub active: bool,
}

/// What `subscriptions` found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionReport {
    /// There and delivering.
    pub present: Vec<Subscription>,
    /// Wanted and not there (or disabled), after what was done.
    pub missing: Vec<String>,
    /// Created or revived by this call.
    pub created: Vec<String>,
    /// Things that a person should know, such as a hook address that the platform cannot reach.
    pub warnings: Vec<String>,
}

/// What `channels check` says about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, such as `scopes`.
    pub what: String,
    /// Whether it is as it must be.
    pub good: bool,
    /// In words, with what to do if it is not good.
    pub says: String,
}

/// One configured channel: a platform's language with this seller's settings. It holds no connection.
#[async_trait]
pub trait Channel: fmt::Debug + Send + Sync {
    /// What is always true of the platform.
    fn profile(&self) -> &Profile;

    /// Verifies the raw bytes, then reads them: one act, so that nothing unverified is ever read. The wire is for cached
    /// verification keys only.
    ///
    /// # Errors
    /// [`Fault::Forged`] if the signature is missing or wrong, [`Fault::Unreadable`] if it is right and the message is
    /// not understood.
    async fn receive(
        &self,
        keys: &dyn Wire,
        hook: &Webhook<'_>,
        now: Timestamp,
    ) -> Result<Receipt, Fault>;

    /// Fetches one order.
    ///
    /// # Errors
    /// [`Fault::Gone`] if the platform does not have it; else as the wire.
    async fn order(&self, wire: &dyn Wire, order: &OrderId) -> Result<OrderSnapshot, Fault>;

    /// Orders that changed since then, oldest change first.
    ///
    /// # Errors
    /// As the wire.
    async fn orders_since(
        &self,
        wire: &dyn Wire,
        since: Timestamp,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault>;

    /// Orders that still hold units, however long ago they changed, as far as the platform can tell them from the others:
    /// read once, before the first [`Channel::orders_since`], which reaches back only so far.
    ///
    /// # Errors
    /// As the wire.
    async fn open_orders(
        &self,
        _wire: &dyn Wire,
        _cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        Ok(Page {
            items: Vec::new(),
            next: None,
            unreadable: Vec::new(),
        })
    }

    /// Sets quantities; at most [`Profile::batch_max`], of one [`Channel::serial_key`]. One result per update, in the same
    /// order; a failure in a later call does not lose the results of earlier ones. Nothing more is called after
    /// [`Fault::Throttled`] or [`Fault::Unauthorized`].
    async fn publish(&self, wire: &dyn Wire, updates: &[Update]) -> Vec<Result<Verdict, Fault>>;

    /// What tells which listings go in one call: only those of one key are published together, because a number grows old
    /// while an earlier call is waited for.
    fn serial_key<'a>(&self, _listing: &'a ListingId) -> &'a str {
        ""
    }

    /// Results of updates that were [`Verdict::Pending`]; one per ticket, in the same order.
    async fn collect(&self, wire: &dyn Wire, tickets: &[String]) -> Vec<Result<Verdict, Fault>>;

    /// What the channel shows.
    ///
    /// # Errors
    /// As the wire. A listing that is asked for and missing in the answer is simply not in the page: absent is not zero.
    async fn levels(&self, wire: &dyn Wire, which: Which<'_>) -> Result<Page<Level>, Fault>;

    /// What the channel sells.
    ///
    /// # Errors
    /// As the wire.
    async fn listings(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<Listing>, Fault>;

    /// Compares the webhook subscriptions with the wanted ones; with `repair`, creates what is missing and revives what
    /// was disabled.
    ///
    /// # Errors
    /// As the wire.
    async fn subscriptions(
        &self,
        wire: &dyn Wire,
        repair: bool,
    ) -> Result<SubscriptionReport, Fault>;

    /// Credentials, scopes, versions, preferences that would hurt.
    ///
    /// # Errors
    /// As the wire.
    async fn check(&self, wire: &dyn Wire) -> Result<Vec<Finding>, Fault>;

    /// A token for the next calls. Called by the wire when it has none, when it ends soon, and once after a 401.
    ///
    /// # Errors
    /// [`Fault::Unauthorized`] if the credentials are not accepted.
    async fn refresh(&self, wire: &dyn Wire, last: Option<&Token>) -> Result<Token, Fault>;

    /// What an answer says about limits.
    fn quota(&self, reply: &Reply) -> Option<Quota>;
}
