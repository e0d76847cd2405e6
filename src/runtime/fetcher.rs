//! Fetches what messages only pointed at, and reads orders since the watermark: what webhooks lost comes in this way.
//!
//! Every hint is durable. A fetch that fails is tried again on the ladder; one that is given up is a dead letter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

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
/// How far the first read of orders reaches back, in ms: 30 days, longer than any platform keeps an order open by itself.
const FIRST_READ_MS: i64 = 30 * 24 * 3_600_000;
/// Most pages of one read; a read that needs more goes on from where it stopped with the next.
const PAGES_MAX: usize = 1_000;
/// How often one page is tried before the read is put off.
const PAGE_TRIES: u32 = 4;
/// Longest that the fetcher sleeps without looking, in ms.
const NAP_MS: u64 = 500;

/// One channel to fetch from.
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
            match self.turn().await {
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
        let now = self.desk.clock.now();
        let own: BTreeSet<_> = self.sources.keys().cloned().collect();
        let due = self
            .desk
            .ledger
            .read(move |tables| tables.due_hints(&own, now, HINTS_MAX))
            .await?;
        let count = due.len();
        for hint in due {
            self.follow(hint).await?;
        }
        Ok(count)
    }

    async fn follow(&mut self, mut row: HintRow) -> Result<(), StoreError> {
        let Some(source) = self.sources.get(&row.channel) else {
            return self
                .give_up(row, "the channel is not configured or not read".to_owned())
                .await;
        };
        let began = self.desk.clock.now();
        let fetched = fetch(source, &self.desk, &row, self.overlap_ms, began).await?;
        match fetched {
            Ok(()) => {
                if row.hint == Hint::Orders {
                    self.desk.bell.orders_read(&row.channel);
                }
                self.desk
                    .ledger
                    .write(move |tables| tables.hint_done(&row))
                    .await
            }
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
        let what = serde_json::to_string(&row.hint).unwrap_or_default();
        let letter = DeadLetter {
            channel: row.channel.clone(),
            kind: "fetch".to_owned(),
            what,
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

/// Follows one hint. The outer error is the store's, the inner one the platform's.
async fn fetch(
    source: &Source,
    desk: &Desk,
    row: &HintRow,
    overlap_ms: i64,
    began: Timestamp,
) -> Result<Result<(), Fault>, StoreError> {
    let channel = source.channel.as_ref();
    match &row.hint {
        Hint::Order(order) => match channel
            .order(source.line.open().await.as_ref(), order)
            .await
        {
            Ok(snapshot) => take_in(desk, &row.channel, "fetch", vec![snapshot], began)
                .await
                .map(|_| Ok(())),
            Err(Fault::Gone(why)) => gone(desk, &row.channel, order, why, began).await.map(Ok),
            Err(fault) => Ok(Err(fault)),
        },
        Hint::Level(listing) => {
            let which = Which::These(std::slice::from_ref(listing));
            match channel
                .levels(source.line.open().await.as_ref(), which)
                .await
            {
                Ok(page) => {
                    let receipt = Receipt {
                        topic: "fetch".to_owned(),
                        levels: page.items,
                        ..Receipt::default()
                    };
                    let touched = receive(desk, &row.channel, receipt, began).await;
                    touched.map(|_| Ok(()))
                }
                Err(fault) => Ok(Err(fault)),
            }
        }
        Hint::Orders => {
            let swept = sweep_orders(source, desk, &row.channel, overlap_ms, began).await?;
            Ok(swept.map(|_| ()))
        }
        // Discovery maps listings, which a person may have to look at: it is a command, and the hint only tells of it.
        Hint::Listings => {
            info!(channel = %row.channel, "listings of {} changed; `onhand listings discover` finds new ones", row.channel);
            Ok(Ok(()))
        }
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

/// Reads the orders that changed since the watermark. The watermark moves only when all of them are in the books. Each
/// page takes a permit of its own, so that pushes go between them. The outer error is the store's.
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
    let own = id.clone();
    let state = desk.ledger.read(move |tables| tables.channel(&own)).await?;
    let first = state.orders_through == Timestamp::default();
    let since = if first {
        began.plus(-FIRST_READ_MS)
    } else {
        state.orders_through.plus(-overlap_ms)
    };
    let (mut cursor, mut swept) = (None, Swept::default());
    for _ in 0..PAGES_MAX {
        let page_began = desk.clock.now();
        let page = match page_of_orders(source, since, cursor.as_ref()).await {
            Ok(page) => page,
            Err(fault) => return Ok(Err(fault)),
        };
        let found = take_in(desk, id, "sweep", page.items, page_began).await?;
        swept.orders += found.orders;
        for (sku, at) in found.skus {
            let oldest = swept.skus.entry(sku).or_insert(at);
            *oldest = at.min(*oldest);
        }
        tell_unread(desk, id, page.unreadable, page_began).await?;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if cursor.is_some() {
        return Ok(Err(Fault::Transient(format!(
            "more than {PAGES_MAX} pages of orders"
        ))));
    }
    let own = id.clone();
    desk.ledger
        .write(move |tables| {
            let state = tables.channel(&own)?;
            let read = ChannelState {
                orders_through: began,
                orders_read_at: Some(began),
                ..state
            };
            tables.set_channel(&own, &read)
        })
        .await?;
    Ok(Ok(swept))
}

/// One page; trouble that passes is tried again at once, for a read that begins anew has all its pages before it.
async fn page_of_orders(
    source: &Source,
    since: Timestamp,
    cursor: Option<&Cursor>,
) -> Result<Page<OrderSnapshot>, Fault> {
    let mut tries = 0;
    loop {
        let wire = source.line.open().await;
        let read = source
            .channel
            .orders_since(wire.as_ref(), since, cursor.cloned())
            .await;
        tries += 1;
        match read {
            Err(Fault::Transient(_) | Fault::Unknown(_) | Fault::Unreadable(_))
                if tries < PAGE_TRIES => {}
            Err(Fault::Throttled { after_ms }) if tries < PAGE_TRIES => {
                source.line.throttled(after_ms);
            }
            read => return read,
        }
    }
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
        swept.orders += usize::from(!touched.is_empty());
        for sku in touched {
            let oldest = swept.skus.entry(sku).or_insert(at);
            *oldest = at.min(*oldest);
        }
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
