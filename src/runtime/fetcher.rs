//! Fetches what messages only pointed at, and reads orders since the watermark: what webhooks lost comes in this way.
//!
//! Every hint is durable. A fetch that fails is tried again on the ladder; one that is given up is a dead letter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::desk::Desk;
use super::lane::Line;
use crate::broker::Mailbox;
use crate::channels::{Channel, Cursor, Fault, Page, Receipt, Unread, Which};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, OrderId, Sku};
use crate::domain::message::Hint;
use crate::domain::order::OrderSnapshot;
use crate::domain::retry::Ladder;
use crate::ledger::StoreError;
use crate::ledger::tables::{AuditRow, ChannelState, DeadLetter, HintRow};

/// Most hints of one look.
const HINTS_MAX: usize = 100;
/// How far the first read of changed orders reaches back, in ms: 30 days. What has been open for longer is read before it.
const FIRST_READ_MS: i64 = 30 * 24 * 3_600_000;
/// Most pages of one read; one that needs more goes on with the next from where it stopped.
const PAGES_MAX: usize = 1_000;
/// What a hint that was given up is called among the dead letters, and what fetched messages are about.
const FETCH: &str = "fetch";
/// How often one page is tried before the read is put off.
const PAGE_TRIES: u32 = 4;
/// Longest that the fetcher sleeps without looking, in ms.
const NAP_MS: u64 = 500;

/// One channel to fetch from.
#[derive(Clone)]
pub struct Source {
    /// Its language.
    pub channel: Arc<dyn Channel>,
    /// The way out.
    pub line: Arc<dyn Line>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.channel.fmt(f)
    }
}

/// Fetches for some channels; a slow one holds up none that has a fetcher of its own.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct Fetcher {
    /// Where what was fetched is taken in.
    pub desk: Desk,
    /// The channels.
    pub sources: BTreeMap<ChannelId, Source>,
    /// When to try again.
    pub ladder: Ladder,
    /// How often each channel's orders are read, in ms.
    pub orders_ms: i64,
    /// How far such a read reaches back before the last one, in ms.
    pub overlap_ms: i64,
    /// Chance between 0 and 999, to spread retries.
    pub dice: Box<dyn FnMut() -> u16 + Send + Sync>,
    /// Where news come in.
    pub mailbox: Arc<Mailbox>,
}

impl Fetcher {
    /// Fetches until it is stopped. Orders are asked for at the start and on a timer.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut asked_at: Option<Timestamp> = None;
        while !stop.is_cancelled() {
            let now = self.desk.clock.now();
            if asked_at.is_none_or(|asked| now.since(asked) >= self.orders_ms) {
                asked_at = Some(now);
                if let Err(error) = self.ask_orders(now).await {
                    warn!(%error, "the reading of orders waits for the store");
                }
            }
            match self.turn_until(&stop).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => warn!(%error, "fetching waits for the store"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.mailbox.rung() => (),
                () = tokio::time::sleep(std::time::Duration::from_millis(NAP_MS)) => (),
            }
            self.mailbox.take();
        }
    }

    /// Asks for the orders of every channel.
    ///
    /// # Errors
    /// As the store.
    pub async fn ask_orders(&self, now: Timestamp) -> Result<(), StoreError> {
        let hints: Vec<_> = self
            .sources
            .keys()
            .map(|id| (id.clone(), Hint::Orders))
            .collect();
        self.desk
            .ledger
            .write(move |tables| tables.ask(&hints, now))
            .await
    }

    /// Works through the hints that are due; how many there were.
    ///
    /// # Errors
    /// As the store.
    pub async fn turn(&mut self) -> Result<usize, StoreError> {
        self.turn_until(&CancellationToken::new()).await
    }

    /// The same; a stop is looked at before each call.
    async fn turn_until(&mut self, stop: &CancellationToken) -> Result<usize, StoreError> {
        let now = self.desk.clock.now();
        let own: BTreeSet<_> = self.sources.keys().cloned().collect();
        let due = self
            .desk
            .ledger
            .read(move |tables| tables.due_hints(&own, now, HINTS_MAX))
            .await?;
        let count = due.len();
        for hint in due {
            if stop.is_cancelled() {
                break;
            }
            self.follow(hint, stop).await?;
        }
        Ok(count)
    }

    async fn follow(
        &mut self,
        mut row: HintRow,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let Some(source) = self.sources.get(&row.channel) else {
            return self
                .give_up(row, "the channel is not configured or not read".to_owned())
                .await;
        };
        let began = self.desk.clock.now();
        let read = Read {
            source,
            desk: &self.desk,
            id: &row.channel,
            stop,
            began,
        };
        let fetched = read.fetch(&row.hint, self.overlap_ms).await?;
        match fetched {
            Ok(()) => {
                if row.hint == Hint::Orders {
                    self.desk.bell.orders_read(&row.channel);
                }
                self.desk
                    .ledger
                    .write(move |tables| {
                        tables.close_dead_letter(&row.channel, FETCH, &named(&row.hint))?;
                        tables.hint_done(&row)
                    })
                    .await
            }
            // It is followed after the next start.
            Err(_) if stop.is_cancelled() => Ok(()),
            Err(Fault::Throttled { after_ms }) => {
                source.line.throttled(after_ms);
                let due_at =
                    began.plus(i64::try_from(after_ms.unwrap_or(1_000)).unwrap_or(i64::MAX));
                self.desk
                    .ledger
                    .write(move |tables| tables.hint_later(&row, due_at))
                    .await
            }
            Err(fault) => {
                row.failures = row.failures.saturating_add(1);
                warn!(channel = %row.channel, %fault, failures = row.failures, "a fetch from {} failed", row.channel);
                let ended = self.desk.clock.now();
                let retry = self.ladder.next(row.failures, ended, (self.dice)());
                // The reading of orders is never given up: without it nothing may be raised.
                let last = self.ladder.waits_ms.last().copied().unwrap_or(1_000);
                let forever = ended.plus(i64::try_from(last).unwrap_or(i64::MAX));
                match retry.or((row.hint == Hint::Orders).then_some(forever)) {
                    Some(due_at) => {
                        self.desk
                            .ledger
                            .write(move |tables| tables.hint_later(&row, due_at))
                            .await
                    }
                    None => self.give_up(row, fault.to_string()).await,
                }
            }
        }
    }

    async fn give_up(&self, row: HintRow, reason: String) -> Result<(), StoreError> {
        let at = self.desk.clock.now();
        let letter = DeadLetter {
            channel: row.channel.clone(),
            kind: FETCH.to_owned(),
            what: named(&row.hint),
            reason,
            answer: None,
            attempts: row.failures.max(1),
            at,
        };
        self.desk
            .ledger
            .write(move |tables| {
                tables.add_dead_letter(&letter)?;
                tables.hint_done(&row)
            })
            .await
    }
}

/// What a reading of orders brought in that no message had told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Orders that changed the books.
    pub orders: usize,
    /// What they moved, and when the oldest of them last changed, by the platform's clock.
    pub skus: BTreeMap<Sku, Timestamp>,
}

impl Swept {
    fn add(&mut self, more: Self) {
        self.orders += more.orders;
        for (sku, at) in more.skus {
            let oldest = self.skus.entry(sku).or_insert(at);
            *oldest = at.min(*oldest);
        }
    }
}

/// Reads the orders of a channel that changed since the watermark, outside of any fetcher. The outer error is the store's.
///
/// # Errors
/// As the store; the inner error is the platform's: not all of the orders were read.
pub async fn sweep_orders(
    source: &Source,
    desk: &Desk,
    id: &ChannelId,
    overlap_ms: i64,
    began: Timestamp,
) -> Result<Result<Swept, Fault>, StoreError> {
    let reading = Read {
        source,
        desk,
        id,
        stop: &CancellationToken::new(),
        began,
    };
    reading.orders(overlap_ms).await
}

/// One reading of a channel.
struct Read<'a> {
    source: &'a Source,
    desk: &'a Desk,
    id: &'a ChannelId,
    stop: &'a CancellationToken,
    began: Timestamp,
}

/// Which orders a reading is of.
#[derive(Debug, Clone, Copy)]
enum Orders {
    /// Those that still hold units.
    Open,
    /// Those that changed since then.
    Since(Timestamp),
}

/// The outer error is the store's, the inner one the platform's.
type Fetched<T = ()> = Result<Result<T, Fault>, StoreError>;

impl Read<'_> {
    /// Follows one hint.
    async fn fetch(&self, hint: &Hint, overlap_ms: i64) -> Fetched {
        let channel = self.source.channel.as_ref();
        match hint {
            Hint::Order(order) => {
                match channel
                    .order(self.source.line.open().await.as_ref(), order)
                    .await
                {
                    Ok(snapshot) => take_in(self.desk, self.id, FETCH, vec![snapshot], self.began)
                        .await
                        .map(|_| Ok(())),
                    Err(Fault::Gone(why)) => gone(self.desk, self.id, order, why, self.began)
                        .await
                        .map(Ok),
                    Err(fault) => Ok(Err(fault)),
                }
            }
            Hint::Level(listing) => {
                let which = Which::These(std::slice::from_ref(listing));
                match channel
                    .levels(self.source.line.open().await.as_ref(), which)
                    .await
                {
                    Ok(page) => {
                        let receipt = Receipt {
                            topic: FETCH.to_owned(),
                            levels: page.items,
                            ..Receipt::default()
                        };
                        receive(self.desk, self.id, receipt, self.began)
                            .await
                            .map(|_| Ok(()))
                    }
                    Err(fault) => Ok(Err(fault)),
                }
            }
            Hint::Orders => Ok(self.orders(overlap_ms).await?.map(|_| ())),
            // Who looks after the channel's listings reads them, at every start, too.
            Hint::Listings => {
                self.desk.bell.listings_changed(self.id);
                Ok(Ok(()))
            }
        }
    }

    /// Reads the orders that changed since the watermark, and before the first such read those that are open. A read that
    /// breaks off goes on from where it stopped with the next; only a complete one is evidence for raises.
    async fn orders(&self, overlap_ms: i64) -> Fetched<Swept> {
        let state = self.state().await?;
        let mut swept = Swept::default();
        if state.orders_read_at.is_none() {
            match self.pages(Orders::Open).await? {
                Ok(found) => swept.add(found),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        let since = if state.orders_through == Timestamp::default() {
            self.began.plus(-FIRST_READ_MS)
        } else {
            state.orders_through.plus(-overlap_ms)
        };
        match self.pages(Orders::Since(since)).await? {
            Ok(found) => swept.add(found),
            Err(fault) => return Ok(Err(fault)),
        }
        let (id, began) = (self.id.clone(), self.began);
        self.desk
            .ledger
            .write(move |tables| {
                let read = ChannelState {
                    orders_through: began,
                    orders_read_at: Some(began),
                    ..tables.channel(&id)?
                };
                tables.set_channel(&id, &read)
            })
            .await?;
        Ok(Ok(swept))
    }

    async fn state(&self) -> Result<ChannelState, StoreError> {
        let id = self.id.clone();
        self.desk
            .ledger
            .read(move |tables| tables.channel(&id))
            .await
    }

    /// All pages. Each takes a permit of its own, so that pushes go between them.
    async fn pages(&self, which: Orders) -> Fetched<Swept> {
        let (mut cursor, mut swept) = (None, Swept::default());
        for _ in 0..PAGES_MAX {
            let page_began = self.desk.clock.now();
            let page = match self.page(which, cursor.as_ref()).await {
                Ok(page) => page,
                Err(fault) => return Ok(Err(fault)),
            };
            let last = page.items.iter().map(|order| order.version.at).max();
            swept.add(take_in(self.desk, self.id, "sweep", page.items, page_began).await?);
            tell_unread(self.desk, self.id, page.unreadable, page_began).await?;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(Ok(swept));
            }
            if let (Orders::Since(_), Some(last)) = (which, last) {
                self.read_through(last).await?;
            }
        }
        Ok(Err(Fault::Transient(format!(
            "more than {PAGES_MAX} pages of orders; they are read on from there"
        ))))
    }

    /// Moves the watermark to where a page ended: the oldest changes come first, and the next read reaches back before it.
    async fn read_through(&self, last: Timestamp) -> Result<(), StoreError> {
        let (id, through) = (self.id.clone(), last.min(self.began));
        self.desk
            .ledger
            .write(move |tables| {
                let state = tables.channel(&id)?;
                if through <= state.orders_through {
                    return Ok(());
                }
                let read = ChannelState {
                    orders_through: through,
                    ..state
                };
                tables.set_channel(&id, &read)
            })
            .await
    }

    /// One page; trouble that passes is tried again at once.
    async fn page(
        &self,
        which: Orders,
        cursor: Option<&Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        let (channel, line) = (&self.source.channel, &self.source.line);
        let mut tries = 0;
        loop {
            let wire = tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    return Err(Fault::Transient("the reading was stopped".to_owned()));
                }
                wire = line.open() => wire,
            };
            let read = match which {
                Orders::Open => channel.open_orders(wire.as_ref(), cursor.cloned()).await,
                Orders::Since(since) => {
                    channel
                        .orders_since(wire.as_ref(), since, cursor.cloned())
                        .await
                }
            };
            tries += 1;
            match read {
                Err(Fault::Transient(_) | Fault::Unknown(_) | Fault::Unreadable(_))
                    if tries < PAGE_TRIES => {}
                Err(Fault::Throttled { after_ms }) if tries < PAGE_TRIES => {
                    line.throttled(after_ms);
                }
                read => return read,
            }
        }
    }
}

/// A hint as a dead letter names it.
fn named(hint: &Hint) -> String {
    serde_json::to_string(hint).unwrap_or_default()
}

async fn take_in(
    desk: &Desk,
    id: &ChannelId,
    topic: &str,
    snapshots: Vec<OrderSnapshot>,
    received_at: Timestamp,
) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for mut snapshot in snapshots {
        snapshot.read_at = Some(received_at);
        let at = snapshot.version.at;
        let happened_at = Some(at);
        let receipt = Receipt {
            topic: topic.to_owned(),
            happened_at,
            snapshots: vec![snapshot],
            ..Receipt::default()
        };
        let touched = receive(desk, id, receipt, received_at).await?;
        swept.add(Swept {
            orders: usize::from(!touched.is_empty()),
            skus: touched.into_iter().map(|sku| (sku, at)).collect(),
        });
    }
    Ok(swept)
}

/// Orders that were not understood: a letter each, so that a person learns of them; the reading goes on.
async fn tell_unread(
    desk: &Desk,
    id: &ChannelId,
    unread: Vec<Unread>,
    at: Timestamp,
) -> Result<(), StoreError> {
    if unread.is_empty() {
        return Ok(());
    }
    let letter = |order: Unread| DeadLetter {
        channel: id.clone(),
        kind: "order".to_owned(),
        what: order.what,
        reason: order.why,
        answer: None,
        attempts: 1,
        at,
    };
    let letters: Vec<_> = unread.into_iter().map(letter).collect();
    warn!(channel = %id, "{} orders of {id} were not understood; `onhand dlq list` names them", letters.len());
    desk.ledger
        .write(move |tables| {
            letters
                .iter()
                .try_for_each(|letter| tables.add_dead_letter(letter))
        })
        .await
}

async fn receive(
    desk: &Desk,
    id: &ChannelId,
    receipt: Receipt,
    received_at: Timestamp,
) -> Result<BTreeSet<Sku>, StoreError> {
    match Desk::intake(id, Ok(receipt), &[], received_at) {
        Some(intake) => Ok(desk.take_in(intake).await?.touched),
        None => Ok(BTreeSet::new()),
    }
}

/// An order that its platform does not have any more: what it did is kept, for its goods may be on their way, and told.
async fn gone(
    desk: &Desk,
    id: &ChannelId,
    order: &OrderId,
    why: String,
    at: Timestamp,
) -> Result<(), StoreError> {
    let detail = serde_json::json!({ "outcome": "kept", "reason": why }).to_string();
    let row = AuditRow {
        at,
        kind: "order gone",
        channel: Some(id.clone()),
        subject: order.as_str().to_owned(),
        detail,
    };
    desk.ledger
        .write(move |tables| tables.audit(std::slice::from_ref(&row)))
        .await
}

#[cfg(test)]
mod tests;
