//! Taking messages in: gather every row that a batch can touch, decide in memory, write what changed. One transaction.
//!
//! A message that breaks the decision (a number beyond range, a panic) is named to the caller, who rolls the batch back,
//! parks that one message raw, and takes the others in again: nothing accepted is lost, and one bad message stops no
//! others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;

use super::StoreError;
use super::tables::{AuditRow, EventRow, Outcome, Tables, Wanted};
use crate::domain::catalog::Folding;
use crate::domain::clock::Timestamp;
use crate::domain::decide::{Books, ChannelRules, Decided, Observed, OrderRow, decide, observe};
use crate::domain::ids::{ChannelId, LocationId, Sku};
use crate::domain::incident::pools;
use crate::domain::message::{Hint, Level};
use crate::domain::order::{OrderSnapshot, Standing};
use crate::domain::promise::Promises;
use crate::planted::{self, Bug};

/// One message that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intake {
    /// Where it came from.
    pub channel: ChannelId,
    /// When it came.
    pub received_at: Timestamp,
    /// In the platform's words.
    pub topic: String,
    /// The platform's id of the delivery.
    pub delivery: Option<String>,
    /// When it happened, by the platform's clock.
    pub happened_at: Option<Timestamp>,
    /// The bytes as they came; kept only if the message is parked.
    pub raw: Vec<u8>,
    /// We asked for it (a fetch, a sweep): kept only if it says something new.
    pub solicited: bool,
    /// What it says.
    pub says: Says,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// It was understood.
    Understood {
        /// Orders as they stand.
        snapshots: Vec<OrderSnapshot>,
        /// Quantities that the channel says it shows.
        levels: Vec<Level>,
        /// What has to be fetched.
        hints: Vec<Hint>,
        /// Why nothing follows from it, if nothing does.
        ignored: Option<String>,
    },
    /// It was not, or could not be decided: kept raw.
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// How a channel's messages are booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelBooks {
    /// Locations and clocks.
    pub rules: ChannelRules,
    /// How its SKU texts are compared with ours.
    pub folding: Folding,
    /// A delivery id names one delivery and no other.
    pub delivery_id_unique: bool,
}

/// How every channel's messages are booked, and what is watched over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BookRules {
    /// By channel.
    pub channels: BTreeMap<ChannelId, ChannelBooks>,
    /// Places that stand in for each other: some channel sells from each two of them.
    pub pools: Vec<BTreeSet<LocationId>>,
    /// What may be sold that is not there.
    pub promises: Arc<Promises>,
}

impl Deref for BookRules {
    type Target = BTreeMap<ChannelId, ChannelBooks>;

    fn deref(&self) -> &Self::Target {
        &self.channels
    }
}

impl From<BTreeMap<ChannelId, ChannelBooks>> for BookRules {
    /// Each channel sells from its first place alone, and nothing that is not there.
    fn from(channels: BTreeMap<ChannelId, ChannelBooks>) -> Self {
        let places: Vec<_> = channels
            .values()
            .map(|books| [books.rules.location.clone()])
            .collect();
        Self {
            pools: pools(places.iter().map(|place| &place[..])),
            channels,
            promises: Arc::default(),
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its id in the store; none if we had asked for it and it said nothing new.
    pub event: Option<i64>,
    /// In a word.
    pub outcome: Outcome,
    /// Why, where nothing followed.
    pub reason: Option<String>,
    /// SKUs whose stock changed.
    pub touched: BTreeSet<Sku>,
    /// Something has to be fetched.
    pub asked: bool,
    /// A listing shows something that nobody accounted for.
    pub reopened: bool,
}

impl Recorded {
    /// Nothing was recorded.
    pub(super) fn nothing_yet() -> Self {
        Judged::nothing(Outcome::Applied, None).recorded(None)
    }
}

/// Why a batch was not taken in.
#[derive(Debug)]
pub enum RecordError {
    /// The message at this place of the batch cannot be decided.
    Poison {
        /// Its place in the batch.
        index: usize,
        /// Why.
        reason: String,
    },
    /// The store.
    Store(StoreError),
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What one message came to, before it has an id.
struct Judged {
    outcome: Outcome,
    reason: Option<String>,
    touched: BTreeSet<Sku>,
    hints: Vec<Hint>,
    reopened: bool,
}

/// Takes a batch in, within a transaction of the caller's.
///
/// # Errors
/// [`RecordError`]; the transaction must then be rolled back.
pub fn record(
    tables: &mut dyn Tables,
    rules: &BookRules,
    batch: &[Intake],
    now: Timestamp,
) -> Result<Vec<Recorded>, RecordError> {
    let mut seen = tables.seen_deliveries(&unique_deliveries(rules, batch))?;
    let wanted = wanted(rules, batch);
    let mut books = tables.gather(&wanted)?;
    let (mut events, mut audit, mut asked, mut judged) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, intake) in batch.iter().enumerate() {
        let again = delivery_key(rules, intake).is_some_and(|key| !seen.insert(key));
        let entries = books.entries.len();
        let found = if again {
            Judged::nothing(
                Outcome::Duplicate,
                Some("this delivery was taken in before".to_owned()),
            )
        } else {
            let judge = AssertUnwindSafe(|| judge(&mut books, rules, intake));
            let poison = |reason| RecordError::Poison { index, reason };
            catch_unwind(judge)
                .map_err(|_| poison("deciding it panicked".to_owned()))?
                .map_err(poison)?
        };
        asked.extend(
            found
                .hints
                .iter()
                .map(|hint| (intake.channel.clone(), hint.clone())),
        );
        let old = matches!(found.outcome, Outcome::Duplicate | Outcome::Ignored);
        if intake.solicited && old {
            judged.push((found, None));
            continue;
        }
        let event = event_row(intake, &found)?;
        let entries = books.entries.len().saturating_sub(entries);
        audit.push(audit_row(intake, &event, &found, entries));
        judged.push((found, Some(events.len())));
        events.push(event);
    }
    tables.write_books(&books, now)?;
    tables.close_letters_of(&wanted.orders)?;
    tables.ask(&asked, now)?;
    let ids = tables.add_events(&events)?;
    tables.audit(&audit)?;
    tables.heard(&hooked(batch), now)?;
    let id = |place: Option<usize>| place.and_then(|place| ids.get(place).copied());
    Ok(judged
        .into_iter()
        .map(|(found, place)| found.recorded(id(place)))
        .collect())
}

impl Judged {
    fn nothing(outcome: Outcome, reason: Option<String>) -> Self {
        Self {
            outcome,
            reason,
            touched: BTreeSet::new(),
            hints: Vec::new(),
            reopened: false,
        }
    }

    fn recorded(self, event: Option<i64>) -> Recorded {
        Recorded {
            event,
            outcome: self.outcome,
            reason: self.reason,
            touched: self.touched,
            asked: !self.hints.is_empty(),
            reopened: self.reopened,
        }
    }
}

/// Channels of which a message came unasked.
fn hooked(batch: &[Intake]) -> BTreeSet<ChannelId> {
    let unasked = batch.iter().filter(|intake| !intake.solicited);
    unasked.map(|intake| intake.channel.clone()).collect()
}

fn delivery_key(rules: &BookRules, intake: &Intake) -> Option<(ChannelId, String)> {
    let unique = rules
        .get(&intake.channel)
        .is_some_and(|books| books.delivery_id_unique);
    let id = intake.delivery.as_ref().filter(|_| unique)?;
    Some((intake.channel.clone(), id.clone()))
}

fn unique_deliveries(rules: &BookRules, batch: &[Intake]) -> BTreeSet<(ChannelId, String)> {
    batch
        .iter()
        .filter_map(|intake| delivery_key(rules, intake))
        .collect()
}

fn wanted(rules: &BookRules, batch: &[Intake]) -> Wanted {
    let folding = rules
        .iter()
        .map(|(id, books)| (id.clone(), books.folding))
        .collect();
    let mut wanted = Wanted {
        folding,
        ..Wanted::default()
    };
    for intake in batch {
        let Says::Understood {
            snapshots, levels, ..
        } = &intake.says
        else {
            continue;
        };
        for snapshot in snapshots {
            wanted
                .orders
                .insert((snapshot.channel.clone(), snapshot.order.clone()));
            for line in &snapshot.lines {
                wanted.listings.extend(
                    line.listing
                        .clone()
                        .map(|id| (snapshot.channel.clone(), id)),
                );
                if !line.sku.is_empty() {
                    wanted
                        .texts
                        .insert((snapshot.channel.clone(), line.sku.clone()));
                }
            }
        }
        wanted.listings.extend(
            levels
                .iter()
                .map(|level| (intake.channel.clone(), level.listing.clone())),
        );
    }
    wanted
}

/// Decides one message.
fn judge(books: &mut Books, rules: &BookRules, intake: &Intake) -> Result<Judged, String> {
    let (snapshots, levels, hints, ignored) = match &intake.says {
        Says::Unreadable { reason } => {
            return Ok(Judged::nothing(Outcome::Parked, Some(reason.clone())));
        }
        Says::Understood {
            snapshots,
            levels,
            hints,
            ignored,
        } => (snapshots, levels, hints, ignored),
    };
    let Some(ChannelBooks { rules, .. }) = rules.get(&intake.channel) else {
        return Err(format!("channel {} is not configured", intake.channel));
    };
    let mut found = Judged::nothing(Outcome::Ignored, ignored.clone());
    found.hints.clone_from(hints);
    let mut verdicts = Vec::new();
    for snapshot in snapshots {
        let snapshot = snapshot.clone().tidy();
        if planted::is(Bug::DedupOnlyInMemory) {
            forget_if_new_here(books, &snapshot);
        }
        let decided = decide(books, &snapshot, rules).map_err(|error| error.to_string())?;
        if matches!(decided.standing, Standing::Tie { .. }) {
            found.hints.push(Hint::Order(snapshot.order.clone()));
        }
        verdicts.push(verdict(&snapshot, &decided));
        found.touched.extend(decided.touched);
    }
    for level in levels {
        verdicts.push(level_verdict(books, level, intake, rules, &mut found));
    }
    if !hints.is_empty() {
        verdicts.push((Outcome::Applied, None));
    }
    // The strongest verdict names the whole message: parked, then applied, then ignored, then said before.
    let strength = |outcome: Outcome| match outcome {
        Outcome::Parked => 3,
        Outcome::Applied => 2,
        Outcome::Ignored => 1,
        Outcome::Duplicate => 0,
    };
    if let Some((outcome, reason)) = verdicts
        .into_iter()
        .max_by_key(|(outcome, _)| strength(*outcome))
    {
        found.outcome = outcome;
        found.reason = reason.or(found.reason);
    }
    Ok(found)
}

/// The planted bug: a state that this process has not seen counts as one that the books have not seen.
fn forget_if_new_here(books: &mut Books, snapshot: &OrderSnapshot) {
    let key = (snapshot.channel.clone(), snapshot.order.clone());
    let seen = planted::remembered(&format!("{key:?} {:?}", snapshot.version));
    let same = |known: &OrderRow| known.record.version() == snapshot.version;
    if !seen && books.orders.get(&key).is_some_and(same) {
        books.orders.remove(&key);
    }
}

fn verdict(snapshot: &OrderSnapshot, decided: &Decided) -> (Outcome, Option<String>) {
    if !decided.parked.is_empty() {
        let unknown = |line| {
            snapshot
                .lines
                .iter()
                .find(|l| &l.line == line)
                .map_or("", |l| l.sku.as_str())
        };
        let texts: Vec<_> = decided.parked.iter().map(unknown).collect();
        return (
            Outcome::Parked,
            Some(format!(
                "no SKU of ours is known for {texts:?}; hint: map the listing"
            )),
        );
    }
    let quiet = decided.touched.is_empty();
    match decided.standing {
        Standing::Same if quiet => (
            Outcome::Duplicate,
            Some("the order stands as it is known".to_owned()),
        ),
        Standing::Older | Standing::Tie { wins: false } if quiet => (
            Outcome::Ignored,
            Some("older than what is known of the order".to_owned()),
        ),
        Standing::First
        | Standing::Newer
        | Standing::Same
        | Standing::Older
        | Standing::Tie { .. } => (Outcome::Applied, None),
    }
}

fn level_verdict(
    books: &mut Books,
    level: &Level,
    intake: &Intake,
    rules: &ChannelRules,
    found: &mut Judged,
) -> (Outcome, Option<String>) {
    match observe(books, &intake.channel, level, intake.received_at, rules) {
        Observed::Agrees => (
            Outcome::Duplicate,
            Some("the listing shows what is known".to_owned()),
        ),
        Observed::Differs => {
            // A sale that we have not seen may be behind it: its orders are read before anything is raised.
            found.hints.push(Hint::Orders);
            found.reopened = true;
            (Outcome::Applied, None)
        }
        Observed::Nothing(why) => (Outcome::Ignored, Some(why.to_owned())),
    }
}

/// What is kept of an understood message: no names, no addresses, only what stock needs (rule R102).
#[derive(Serialize)]
struct Reduced<'a> {
    orders: &'a [OrderSnapshot],
    levels: &'a [Level],
    hints: &'a [Hint],
}

fn event_row(intake: &Intake, found: &Judged) -> Result<EventRow, StoreError> {
    let (subject, body) = match &intake.says {
        Says::Unreadable { .. } => (None, Some(intake.raw.clone())),
        Says::Understood {
            snapshots,
            levels,
            hints,
            ..
        } => {
            let order = snapshots.first().map(|snapshot| snapshot.order.as_str());
            let listing = || levels.first().map(|level| level.listing.as_str());
            let reduced = Reduced {
                orders: snapshots,
                levels,
                hints,
            };
            let body = serde_json::to_vec(&reduced)
                .map_err(|error| StoreError::Other(error.to_string()))?;
            (order.or_else(listing).map(str::to_owned), Some(body))
        }
    };
    Ok(EventRow {
        channel: intake.channel.clone(),
        topic: intake.topic.clone(),
        delivery: intake.delivery.clone(),
        subject,
        happened_at: intake.happened_at,
        received_at: intake.received_at,
        outcome: found.outcome,
        reason: found.reason.clone(),
        // A repeated delivery says nothing that is not kept already.
        body: body.filter(|_| found.outcome != Outcome::Duplicate),
    })
}

fn audit_row(intake: &Intake, event: &EventRow, found: &Judged, entries: usize) -> AuditRow {
    let detail = serde_json::json!({
        "topic": intake.topic,
        "delivery": intake.delivery,
        "happened_at": intake.happened_at,
        "outcome": found.outcome,
        "reason": found.reason,
        "entries": entries,
        "skus": found.touched,
        "fetches": found.hints,
    });
    AuditRow {
        at: intake.received_at,
        kind: "message",
        channel: Some(intake.channel.clone()),
        subject: event
            .subject
            .clone()
            .unwrap_or_else(|| intake.topic.clone()),
        detail: detail.to_string(),
    }
}
