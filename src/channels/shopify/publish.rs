//! Setting quantities: `available`, absolute, each compared with the value that it replaces.
//!
//! One bad entry makes Shopify write nothing of a whole call. So the entries that it names are taken out and the rest is
//! sent again; if it names none, the call is halved until it is clear which. After [`ROUNDS_MAX`] rounds the rest waits
//! for another time. What is never done: dropping the comparison to get through (rule R50); only `force = true` may
//! write over a value that nobody has read.
//!
//! Keys: a call of one update carries that update's key, a call of several a hash of theirs, so the same batch sent
//! again has the same key (R62). A resend after a clear refusal is a new intent and gets a new key. Shopify does not
//! replay an old answer: a write that had succeeded comes back as stale, with the wanted value shown, and the caller
//! decides about that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::json;

use crate::channels::{Fault, Update, Verdict, Wire};

use super::batch::{Batch, Entry, hashed};
use super::errors::{Call, Entry as EntryError, sort};
use super::graphql::UserError;
use super::ids::{self, Target};
use super::read::{ItemNow, LevelNode};
use super::{BATCH_MAX, Shopify, documents};

/// Times that one entry is sent in one publish.
const ROUNDS_MAX: u32 = 3;

/// What became of the updates so far.
type Results = Vec<Option<Result<Verdict, Fault>>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetData {
    inventory_set_quantities: Option<SetAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetAnswer {
    /// Null when nothing had to change, which is a success.
    inventory_adjustment_group: Option<Group>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    name: String,
    item: Option<Reference>,
    location: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActivateData {
    inventory_activate: Option<ActivateAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActivateAnswer {
    inventory_level: Option<LevelNode>,
    user_errors: Vec<UserError>,
}

impl Shopify {
    /// Sets quantities; one result per update, in the same order.
    pub(super) async fn set_quantities(
        &self,
        wire: &dyn Wire,
        updates: &[Update],
    ) -> Vec<Result<Verdict, Fault>> {
        let mut results: Results = vec![None; updates.len()];
        let (entries, older) = self.entries(updates, &mut results);
        let entries = self.with_compare(wire, entries, &mut results).await;
        let mut queue: VecDeque<Batch> = entries
            .chunks(BATCH_MAX)
            .map(|some| Batch::first(some.to_vec()))
            .collect();
        while let Some(batch) = queue.pop_front() {
            let held = self.send_batch(wire, batch, &mut queue, &mut results).await;
            if let Some(fault) = held {
                // Too fast or not let in: the calls after it would hear the same.
                for batch in queue.drain(..) {
                    fill(&mut results, &batch.entries, &Err(fault.clone()));
                }
            }
        }
        for (idx, newest) in older {
            let result = of_older(updates, idx, newest, &results);
            set(&mut results, idx, result);
        }
        results
            .into_iter()
            .map(|result| {
                result.unwrap_or_else(|| Err(Fault::Transient("it was not sent".to_owned())))
            })
            .collect()
    }

    /// What can be sent, the newest of each target only; and which updates are older than one of those.
    fn entries(
        &self,
        updates: &[Update],
        results: &mut Results,
    ) -> (Vec<Entry>, Vec<(usize, usize)>) {
        let mut entries: Vec<Entry> = Vec::with_capacity(updates.len());
        let mut newest: BTreeMap<Target, usize> = BTreeMap::new();
        let mut older = Vec::new();
        for (idx, update) in updates.iter().enumerate().rev() {
            let target = match self.target(&update.listing) {
                Ok(target) => target,
                Err(result) => {
                    set(results, idx, result);
                    continue;
                }
            };
            if let Some(&newer) = newest.get(&target) {
                older.push((idx, newer));
                continue;
            }
            newest.insert(target, idx);
            entries.push(Entry {
                idx,
                target,
                wanted: i64::from(update.quantity),
                compare: update.compare,
                key: update.key.clone(),
            });
        }
        entries.reverse();
        (entries, older)
    }

    /// Reads what entries without a known value show, and compares with that.
    async fn with_compare(
        &self,
        wire: &dyn Wire,
        entries: Vec<Entry>,
        results: &mut Results,
    ) -> Vec<Entry> {
        let unknown: Vec<Entry> = entries
            .iter()
            .filter(|entry| entry.compare.is_none() && !self.force)
            .cloned()
            .collect();
        if unknown.is_empty() {
            return entries;
        }
        let read = self.items_now(wire, unknown.iter().map(|e| e.target)).await;
        let now = match read {
            Ok(now) => now,
            Err(fault) => {
                fill(results, &unknown, &Err(fault));
                let known = entries.into_iter().filter(|e| e.compare.is_some());
                return known.collect();
            }
        };
        let mut ready = Vec::with_capacity(entries.len());
        for mut entry in entries {
            if entry.compare.is_none() {
                match standing(&now, &entry) {
                    Standing::Shows(shows) if shows == entry.wanted => {
                        set(results, entry.idx, Ok(Verdict::Applied));
                        continue;
                    }
                    Standing::Shows(shows) => entry.compare = Some(shows),
                    Standing::NotStocked => {
                        let result = self.activate(wire, &entry).await;
                        set(results, entry.idx, result);
                        continue;
                    }
                    Standing::Impossible(why) => {
                        set(results, entry.idx, Ok(Verdict::Refused(why)));
                        continue;
                    }
                }
            }
            ready.push(entry);
        }
        ready
    }

    /// Makes one call and puts what has to follow into the queue. Returns the fault that ends this publish, if any.
    async fn send_batch(
        &self,
        wire: &dyn Wire,
        batch: Batch,
        queue: &mut VecDeque<Batch>,
        results: &mut Results,
    ) -> Option<Fault> {
        let sent: Result<SetData, Fault> = self
            .tell(wire, "publish", documents::SET_AVAILABLE, batch.variables())
            .await;
        let answer = match sent {
            Ok(data) => data.inventory_set_quantities.ok_or_else(|| {
                Fault::Unknown("the answer does not say what became of the write".to_owned())
            }),
            Err(fault) => Err(fault),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(fault) => {
                fill(results, &batch.entries, &Err(fault.clone()));
                let held = matches!(fault, Fault::Throttled { .. } | Fault::Unauthorized(_));
                return held.then_some(fault);
            }
        };
        if answer.user_errors.is_empty() {
            let group = answer.inventory_adjustment_group;
            self.confirm(wire, batch.entries, group, results).await;
            return None;
        }
        let sorted = sort(&answer.user_errors, batch.entries.len());
        match sorted.call {
            Some(Call::Busy) => {
                let fault = Fault::Transient("the same write is still running".to_owned());
                fill(results, &batch.entries, &Err(fault));
            }
            Some(Call::Refused(why)) => {
                fill(results, &batch.entries, &Err(Fault::Rejected(why)));
            }
            Some(Call::KeyReused) => {
                tracing::error!(channel = %self.channel, key = %batch.key,
                    "the key {} was used for another write; sending with a new one", batch.key);
                again(wire, batch.entries, batch.round, queue, results);
            }
            Some(Call::KeyFailed) => {
                let rest = self.still_as_compared(wire, batch.entries, results).await;
                again(wire, rest, batch.round, queue, results);
            }
            None if sorted.entries.is_empty() => halve(wire, batch, queue),
            None => {
                self.take_out(wire, batch, &sorted.entries, queue, results)
                    .await;
            }
        }
        None
    }

    /// Settles the entries that Shopify named and sends the others again.
    async fn take_out(
        &self,
        wire: &dyn Wire,
        batch: Batch,
        errors: &BTreeMap<usize, EntryError>,
        queue: &mut VecDeque<Batch>,
        results: &mut Results,
    ) {
        let mut rest = Vec::new();
        let mut stale = Vec::new();
        for (place, entry) in batch.entries.into_iter().enumerate() {
            match errors.get(&place) {
                None => rest.push(entry),
                Some(EntryError::Stale) => stale.push(entry),
                Some(EntryError::NotStocked) => {
                    let result = self.activate(wire, &entry).await;
                    set(results, entry.idx, result);
                }
                Some(EntryError::Refused(why)) => {
                    set(results, entry.idx, Ok(Verdict::Refused(why.clone())));
                }
            }
        }
        if !stale.is_empty() {
            let read = self.items_now(wire, stale.iter().map(|e| e.target)).await;
            let now = read.unwrap_or_default();
            for entry in &stale {
                let shows = now.get(&entry.target).and_then(|item| item.available);
                set(results, entry.idx, Ok(Verdict::Stale { shows }));
            }
        }
        again(wire, rest, batch.round, queue, results);
    }

    /// After an answer without errors. An entry that should have changed and is not among the changes may belong to a
    /// location that never stocked the item: since 2026-10 such a write is reported to change nothing and say nothing.
    async fn confirm(
        &self,
        wire: &dyn Wire,
        entries: Vec<Entry>,
        group: Option<Group>,
        results: &mut Results,
    ) {
        let changed: BTreeSet<Target> = group
            .iter()
            .flat_map(|group| &group.changes)
            .filter_map(Change::target)
            .collect();
        let (silent, done): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| {
            let differs = entry.compare.is_some_and(|shown| shown != entry.wanted);
            differs && !changed.contains(&entry.target)
        });
        fill(results, &done, &Ok(Verdict::Applied));
        if silent.is_empty() {
            return;
        }
        let Ok(now) = self.items_now(wire, silent.iter().map(|e| e.target)).await else {
            // It was taken; a later read of the level tells.
            fill(results, &silent, &Ok(Verdict::Accepted));
            return;
        };
        for entry in silent {
            let result = match standing(&now, &entry) {
                Standing::Shows(shows) if shows == entry.wanted => Ok(Verdict::Applied),
                Standing::Shows(shows) => Ok(Verdict::Stale { shows: Some(shows) }),
                Standing::NotStocked => self.activate(wire, &entry).await,
                Standing::Impossible(why) => Ok(Verdict::Refused(why)),
            };
            set(results, entry.idx, result);
        }
    }

    /// Reads entries again whose outcome is not clear, and keeps those that show what they are compared with.
    async fn still_as_compared(
        &self,
        wire: &dyn Wire,
        entries: Vec<Entry>,
        results: &mut Results,
    ) -> Vec<Entry> {
        let now = match self.items_now(wire, entries.iter().map(|e| e.target)).await {
            Ok(now) => now,
            Err(fault) => {
                fill(results, &entries, &Err(fault));
                return Vec::new();
            }
        };
        let mut rest = Vec::new();
        for entry in entries {
            let shows = now.get(&entry.target).and_then(|item| item.available);
            if shows == Some(entry.wanted) {
                set(results, entry.idx, Ok(Verdict::Applied));
            } else if entry.compare.is_none() || entry.compare == shows {
                rest.push(entry);
            } else {
                set(results, entry.idx, Ok(Verdict::Stale { shows }));
            }
        }
        rest
    }

    /// Stocks an item at a location, once. The quantity goes along: a level that comes back without one shows what it
    /// showed when it was deactivated.
    async fn activate(&self, wire: &dyn Wire, entry: &Entry) -> Result<Verdict, Fault> {
        let variables = json!({
            "item": ids::gid("InventoryItem", entry.target.item),
            "location": ids::gid("Location", entry.target.location),
            "available": entry.wanted,
            "key": hashed(["activate", entry.key.as_str()]),
        });
        let data: ActivateData = self
            .tell(wire, "publish", documents::ACTIVATE, variables)
            .await?;
        let answer = data.inventory_activate.ok_or_else(|| {
            Fault::Unknown("the answer does not say what became of the activation".to_owned())
        })?;
        let Some(error) = answer.user_errors.first() else {
            let shows = answer.inventory_level.and_then(|level| level.available());
            return Ok(match shows {
                Some(shows) if shows == entry.wanted => Verdict::Applied,
                Some(shows) => Verdict::Stale { shows: Some(shows) },
                None => Verdict::Accepted,
            });
        };
        // Somebody else may have been faster, which is an error too.
        let now = self.items_now(wire, [entry.target]).await?;
        Ok(
            match now.get(&entry.target).and_then(|item| item.available) {
                Some(shows) if shows == entry.wanted => Verdict::Applied,
                Some(shows) => Verdict::Stale { shows: Some(shows) },
                None => Verdict::Refused(error.message.clone()),
            },
        )
    }

    /// Where an update goes; else its result.
    fn target(
        &self,
        listing: &crate::domain::ids::ListingId,
    ) -> Result<Target, Result<Verdict, Fault>> {
        let (item, location) = ids::read_listing(listing).ok_or_else(|| {
            Ok(Verdict::Refused(format!(
                "{listing} is not the id of an inventory item"
            )))
        })?;
        let location = match location {
            Some(location) => location,
            None => self.own_location().map_err(Err)?,
        };
        Ok(Target { item, location })
    }
}

/// What a read says about an entry.
enum Standing {
    Shows(i64),
    NotStocked,
    Impossible(String),
}

fn standing(now: &BTreeMap<Target, ItemNow>, entry: &Entry) -> Standing {
    match now.get(&entry.target) {
        None => Standing::Impossible("the inventory item does not exist".to_owned()),
        Some(ItemNow { tracked: false, .. }) => {
            Standing::Impossible("Shopify does not track its quantity".to_owned())
        }
        Some(ItemNow {
            available: Some(shows),
            ..
        }) => Standing::Shows(*shows),
        Some(ItemNow {
            available: None, ..
        }) => Standing::NotStocked,
    }
}

impl Change {
    fn target(&self) -> Option<Target> {
        if self.name != "available" {
            return None;
        }
        Some(Target {
            item: ids::gid_number("InventoryItem", &self.item.as_ref()?.id)?,
            location: ids::gid_number("Location", &self.location.as_ref()?.id)?,
        })
    }
}

/// Sends entries once more, unless that was tried often enough.
fn again(
    wire: &dyn Wire,
    entries: Vec<Entry>,
    round: u32,
    queue: &mut VecDeque<Batch>,
    results: &mut Results,
) {
    if entries.is_empty() {
        return;
    }
    if round >= ROUNDS_MAX {
        let fault = Fault::Transient(format!("no clear answer in {ROUNDS_MAX} rounds"));
        fill(results, &entries, &Err(fault));
        return;
    }
    queue.push_back(Batch::fresh(wire, entries, round + 1));
}

/// Two calls for one, to find the entry that Shopify did not name. A single entry never comes here.
fn halve(wire: &dyn Wire, batch: Batch, queue: &mut VecDeque<Batch>) {
    let mut first = batch.entries;
    let second = first.split_off(first.len() / 2);
    for half in [first, second] {
        queue.push_back(Batch::fresh(wire, half, batch.round));
    }
}

/// An update that a newer one of the same batch replaced: what the newer one came to is true of it, too.
fn of_older(
    updates: &[Update],
    idx: usize,
    newest: usize,
    results: &Results,
) -> Result<Verdict, Fault> {
    let result = results.get(newest).cloned().flatten();
    let quantity = |idx: usize| updates.get(idx).map(|update| update.quantity);
    match result {
        Some(Ok(Verdict::Applied)) if quantity(idx) != quantity(newest) => Ok(Verdict::Stale {
            shows: quantity(newest).map(i64::from),
        }),
        Some(result) => result,
        None => Err(Fault::Transient("it was not sent".to_owned())),
    }
}

fn fill(results: &mut Results, entries: &[Entry], result: &Result<Verdict, Fault>) {
    for entry in entries {
        set(results, entry.idx, result.clone());
    }
}

fn set(results: &mut Results, idx: usize, result: Result<Verdict, Fault>) {
    if let Some(place) = results.get_mut(idx) {
        *place = Some(result);
    }
}
