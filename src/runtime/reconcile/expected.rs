//! What the listings of channels should show, all of them in memory: what a page shows is compared without asking the store.
//!
//! It is read once, in the order of SKUs, while the store goes on with its work. Most listings follow from one SKU at the
//! channel's places; the others are worked out as the lanes do it. Per listing: its name and some 20 bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use sha2::{Digest, Sha256};

use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
use crate::domain::policy::Policy;
use crate::ledger::StoreError;
use crate::ledger::runs::{Apart, Shelf};
use crate::ledger::tables::{ListingState, Selection};
use crate::runtime::desk::Desk;

/// Rows of the shelf that are read at once: some milliseconds, so that the lanes need not wait.
const ROWS: usize = 20_000;
/// Listings that are worked out at once as the lanes do it.
const STATES: usize = 1_000;

/// What one listing should show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// So many units.
    Shows(u32),
    /// Nothing of ours to say: it is not compared.
    Nothing,
    /// It is none of our goods.
    Unmapped,
    /// It does not follow from one SKU at the channel's places; worked out before the table is used.
    Open,
}

/// What the listings of one channel should show.
#[derive(Default)]
pub struct Expected {
    /// The names, with a line break between them: names hold none.
    names: String,
    /// Where each name ends.
    ends: Vec<u32>,
    due: Vec<Due>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// The last entry of the books that it knows.
    entry: i64,
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expected({} listings)", self.ends.len())
    }
}

/// A number of a listing as a place in memory.
fn place(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn name<'n>(names: &'n str, ends: &[u32], n: u32) -> &'n str {
    let before = n.checked_sub(1).and_then(|before| ends.get(place(before)));
    let begins = before.map_or(0, |end| place(*end) + 1);
    let ends = ends.get(place(n)).map_or(0, |end| place(*end));
    names.get(begins..ends).unwrap_or_default()
}

impl Expected {
    /// Reads what the listings of these channels should show.
    ///
    /// # Errors
    /// As the store.
    pub async fn read(
        desk: &Desk,
        policy: &Arc<Policy>,
        channels: &[ChannelId],
    ) -> Result<BTreeMap<ChannelId, Self>, StoreError> {
        let entry = desk.ledger.read(|tables| tables.last_entry()).await?;
        let mut all = Vec::new();
        for channel in channels {
            let mut one = Self {
                entry,
                ..Self::default()
            };
            one.set_apart(desk, channel).await?;
            all.push(one);
        }
        let asked: Arc<[ChannelId]> = channels.into();
        let mut shelf = shelf(desk, &asked, None).await?;
        while let Some(last) = shelf.supplies.last().map(|supply| supply.sku.clone()) {
            let (policy, own) = (Arc::clone(policy), Arc::clone(&asked));
            let fill = tokio::task::spawn_blocking(move || {
                for (supply, n, listing, units) in shelf.rows() {
                    if let (Some(channel), Some(one)) = (own.get(n), all.get_mut(n)) {
                        let due = policy.quantity(channel, supply, units);
                        let due = due.map_or(Due::Open, |quantity| Due::Shows(quantity.units()));
                        one.put(listing, due)?;
                    }
                }
                Ok::<_, StoreError>(all)
            });
            // The next rows are on their way while these are worked out.
            let (filled, next) = tokio::join!(fill, self::shelf(desk, &asked, Some(last)));
            all = filled.map_err(|error| StoreError::Other(error.to_string()))??;
            shelf = next?;
        }
        let mut found = BTreeMap::new();
        for (channel, mut one) in channels.iter().cloned().zip(all) {
            one.work_out(desk, policy, &channel).await?;
            found.insert(channel, one);
        }
        Ok(found)
    }

    /// Takes in the listings whose number does not follow from their goods.
    async fn set_apart(&mut self, desk: &Desk, channel: &ChannelId) -> Result<(), StoreError> {
        let mut after: Option<ListingId> = None;
        loop {
            let (id, from) = (channel.clone(), after.clone());
            let read = desk
                .ledger
                .read(move |tables| tables.apart(&id, from.as_ref(), ROWS));
            let some = read.await?;
            let Some((last, _)) = some.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for (listing, why) in some {
                let due = match why {
                    Apart::Unmapped => Due::Unmapped,
                    Apart::NotOurs => Due::Nothing,
                    Apart::OwnPlace => Due::Open,
                };
                self.put(listing.as_str(), due)?;
            }
        }
    }

    /// Puts a listing in. One that is there has several SKUs, or was set apart.
    fn put(&mut self, listing: &str, due: Due) -> Result<(), StoreError> {
        let Self {
            names,
            ends,
            index,
            hasher,
            ..
        } = self;
        let hash = |n: &u32| hasher.hash_one(name(names, ends, *n));
        let found = index.entry(
            hasher.hash_one(listing),
            |n| name(names, ends, *n) == listing,
            hash,
        );
        match found {
            Entry::Occupied(entry) => {
                if let Some(known @ Due::Shows(_)) = self.due.get_mut(place(*entry.get())) {
                    *known = Due::Open;
                }
                return Ok(());
            }
            Entry::Vacant(entry) => {
                let too_many = |_| StoreError::Other("compare: too many listings".to_owned());
                entry.insert(u32::try_from(ends.len()).map_err(too_many)?);
                if !names.is_empty() {
                    names.push('\n');
                }
                names.push_str(listing);
                ends.push(u32::try_from(names.len()).map_err(too_many)?);
            }
        }
        self.due.push(due);
        Ok(())
    }

    /// Works out what is open yet, as the lanes do it.
    async fn work_out(
        &mut self,
        desk: &Desk,
        policy: &Policy,
        channel: &ChannelId,
    ) -> Result<(), StoreError> {
        let open = |n: &u32| self.due.get(place(*n)) == Some(&Due::Open);
        let numbers: Vec<u32> = (0..u32::try_from(self.due.len()).unwrap_or(u32::MAX)).collect();
        let numbers: Vec<u32> = numbers.into_iter().filter(open).collect();
        for some in numbers.chunks(STATES) {
            let ids = some.iter().map(|n| self.listing(*n));
            let keys = ids.flatten().map(|listing| ListingKey {
                channel: channel.clone(),
                listing,
            });
            let which = Selection {
                keys: Some(keys.collect()),
                ..Selection::default()
            };
            let states = desk
                .ledger
                .read(move |tables| tables.listings(&which))
                .await?;
            for n in some {
                if let Some(due) = self.due.get_mut(place(*n)) {
                    *due = Due::Unmapped;
                }
            }
            for state in states {
                let due = due(policy, &state);
                if let Some(n) = self.find(&state.key.listing)
                    && let Some(known) = self.due.get_mut(place(n))
                {
                    *known = due;
                }
            }
        }
        Ok(())
    }

    /// The number of a listing.
    pub(super) fn find(&self, listing: &ListingId) -> Option<u32> {
        let hash = self.hasher.hash_one(listing.as_str());
        let same = |n: &u32| name(&self.names, &self.ends, *n) == listing.as_str();
        self.index.find(hash, same).copied()
    }

    /// What the listing with this number should show.
    pub(super) fn due(&self, n: u32) -> Option<Due> {
        self.due.get(place(n)).copied()
    }

    /// The listing with this number.
    pub(super) fn listing(&self, n: u32) -> Option<ListingId> {
        ListingId::new(name(&self.names, &self.ends, n)).ok()
    }

    /// Numbers of the listings that are compared.
    pub(super) fn compared(&self) -> impl Iterator<Item = u32> {
        let numbers = (0..).zip(&self.due);
        numbers.filter_map(|(n, due)| matches!(due, Due::Shows(_)).then_some(n))
    }

    /// How many listings are compared.
    pub fn n_compared(&self) -> usize {
        self.compared().count()
    }

    /// Units that all of them should show together.
    pub(super) fn units(&self) -> u64 {
        let shown = self.due.iter().map(|due| match due {
            Due::Shows(units) => u64::from(*units),
            Due::Nothing | Due::Unmapped | Due::Open => 0,
        });
        shown.fold(0, u64::saturating_add)
    }

    /// Which listings they are, in their order, as one short text.
    pub(super) fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.names.as_bytes()))
    }

    /// Listings whose stock moved since this was read, so that they should show something else now. Only so many.
    pub(super) async fn outdated(
        &self,
        desk: &Desk,
        policy: &Policy,
        channel: &ChannelId,
        most: usize,
    ) -> Result<BTreeSet<ListingId>, StoreError> {
        let (entry, mut after) = (self.entry, None::<Sku>);
        let mut found = BTreeSet::new();
        while found.len() < most {
            let (id, from) = (channel.clone(), after.clone());
            let read = desk.ledger.read(move |tables| {
                let skus = tables.moved_since(entry, from.as_ref(), STATES)?;
                let which = Selection {
                    channel: Some(id.clone()),
                    skus: Some(skus.iter().cloned().collect()),
                    ..Selection::default()
                };
                Ok((skus.last().cloned(), tables.listings(&which)?))
            });
            let (last, states) = read.await?;
            if last.is_none() {
                break;
            }
            after = last;
            for state in states {
                let was = self.find(&state.key.listing).and_then(|n| self.due(n));
                if was.is_some_and(|was| was != due(policy, &state)) {
                    found.insert(state.key.listing);
                }
            }
        }
        Ok(found)
    }
}

async fn shelf(
    desk: &Desk,
    channels: &Arc<[ChannelId]>,
    after: Option<Sku>,
) -> Result<Shelf, StoreError> {
    let channels = Arc::clone(channels);
    desk.ledger
        .read(move |tables| tables.shelf(&channels, after.as_ref(), ROWS))
        .await
}

/// What a listing should show by the rows that the lanes read.
pub(super) fn due(policy: &Policy, state: &ListingState) -> Due {
    let Some(mapping) = &state.mapping else {
        return Due::Unmapped;
    };
    if !state.publishable() {
        return Due::Nothing;
    }
    let own = mapping.location.as_ref();
    let desired = policy.desired(&state.key.channel, own, &state.feeds);
    Due::Shows(desired.quantity.units())
}

/// Which listings were seen: a bit for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen(Vec<u8>);

impl Seen {
    /// As it was kept.
    pub(super) fn kept(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// To be kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Notes a listing.
    pub(super) fn add(&mut self, n: u32) {
        let (byte, bit) = (place(n / 8), n % 8);
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(byte) {
            *bits |= 1 << bit;
        }
    }

    /// Whether it was seen.
    pub(super) fn has(&self, n: u32) -> bool {
        let bits = self.0.get(place(n / 8)).copied().unwrap_or(0);
        bits & (1 << (n % 8)) != 0
    }
}
