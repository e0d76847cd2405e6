//! The life of stock between two sales: every rule of places, movements, promises and incidents over a real store.

mod laws;
mod names;
mod orders;
mod owed;
mod papers;
mod places;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use onhand::domain::catalog::{Folding, Fulfilment, Mapping};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::decide::ChannelRules;
use onhand::domain::hold::Hold;
use onhand::domain::ids::{
    ChannelId, DocumentId, LineId, ListingId, ListingKey, LocationId, OrderId, Sku,
};
use onhand::domain::incident::{LineKey, pools};
use onhand::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Version};
use onhand::domain::policy::Policy;
use onhand::domain::promise::Promises;
use onhand::domain::receipt::{Condition, Leave, ReceiptLine};
use onhand::domain::stock::{Balances, Basis};
use onhand::domain::transfer::{Goods, TransferNews};
use onhand::ledger::Ledger;
use onhand::ledger::counts::{self, BinCount, Counted, Variance};
use onhand::ledger::life::{Incident, Incidents};
use onhand::ledger::moves::{self, Adjustment, PurchaseRow, ReceiptRow, Taken, Terms, TransferRow};
use onhand::ledger::record::{BookRules, ChannelBooks, Intake, Says};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{CatalogRow, Selection};

/// A clock that is set.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A minute, in ms.
const MINUTE: i64 = 60_000;

pub(crate) fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * MINUTE)
}

pub(crate) fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn place(text: &str) -> LocationId {
    LocationId::new(text).unwrap()
}

fn channel(text: &str) -> ChannelId {
    ChannelId::new(text).unwrap()
}

fn paper(text: &str) -> DocumentId {
    DocumentId::new(text).unwrap()
}

/// A seller: `shop` sells from `main` and `east`, `till` from `store` alone.
pub(crate) struct House {
    pub(crate) ledger: Ledger,
    clock: Arc<SetClock>,
    rules: BookRules,
    pub(crate) policy: Policy,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::promising(Promises::default())
    }

    fn promising(promises: Promises) -> Self {
        let eligible = [
            ("shop", vec![place("main"), place("east")]),
            ("till", vec![place("store")]),
        ];
        let books = |places: &[LocationId]| ChannelBooks {
            rules: ChannelRules {
                location: places[0].clone(),
                clock_skew_ms: 0,
            },
            folding: Folding::default(),
            delivery_id_unique: false,
        };
        let rules = BookRules {
            channels: eligible
                .iter()
                .map(|(id, places)| (channel(id), books(places)))
                .collect(),
            pools: pools(eligible.iter().map(|(_, places)| places.as_slice())),
            promises: Arc::new(promises.clone()),
        };
        let policy = Policy {
            places: eligible
                .into_iter()
                .map(|(id, places)| (channel(id), places))
                .collect(),
            promises,
            ..Policy::default()
        };
        let clock = Arc::new(SetClock(AtomicI64::new(100_000 * MINUTE)));
        let store = Box::new(Sqlite::in_memory().unwrap());
        let ledger = Ledger::inline(store, rules.clone(), Arc::clone(&clock) as _);
        Self {
            ledger,
            clock,
            rules,
            policy,
        }
    }

    fn is_now(&self, minute: i64) {
        self.clock.0.store(minute * MINUTE, Ordering::Relaxed);
    }

    fn terms(&self) -> Terms {
        Terms {
            by: "ann".to_owned(),
            leave: Leave::default(),
            now: self.clock.now(),
        }
    }

    pub(crate) async fn count(
        &self,
        text: &str,
        location: &str,
        units: i64,
        minute: i64,
    ) -> Variance {
        let row = counted(text, location, units, minute);
        let now = self.clock.now();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            counts::count(t, std::slice::from_ref(&row), "ann", now)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn bin(&self, bin: BinCount) -> Variance {
        let now = self.clock.now();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            counts::count_bins(t, std::slice::from_ref(&bin), "ann", now)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn send(&self, id: &str, text: &str, (sent, received): (u32, u32), minute: i64) -> Taken {
        self.send_over(id, text, (sent, received), minute, false)
            .await
    }

    async fn send_over(
        &self,
        id: &str,
        text: &str,
        (sent, received): (u32, u32),
        minute: i64,
        over: bool,
    ) -> Taken {
        let row = TransferRow {
            transfer: paper(id),
            news: TransferNews {
                sku: sku(text),
                from: place("main"),
                to: place("store"),
                sent,
                received,
            },
            at: at(minute),
        };
        let mut terms = self.terms();
        terms.leave.over = over;
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::transfer(t, std::slice::from_ref(&row), &terms)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn cancel_transfer(&self, id: &str, goods: Option<Goods>, minute: i64) -> Taken {
        let (id, terms) = (paper(id), self.terms());
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::cancel_transfer(t, &id, goods, at(minute), &terms)
        };
        self.ledger.write(work).await.unwrap().unwrap()
    }

    async fn expect(&self, po: &str, text: &str, units: u32) -> Taken {
        let row = PurchaseRow {
            purchase: paper(po),
            line: "1".to_owned(),
            sku: sku(text),
            location: place("main"),
            units,
            due: None,
            at: at(1),
        };
        let terms = self.terms();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::purchase(t, std::slice::from_ref(&row), &terms)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn receive(&self, row: ReceiptRow) -> Taken {
        let terms = self.terms();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::receive(t, std::slice::from_ref(&row), &terms)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn adjust(&self, text: &str, on_hand: i64, minute: i64) -> Taken {
        let row = Adjustment {
            sku: sku(text),
            location: place("main"),
            on_hand,
            set_aside: 0,
            reason: "broken".to_owned(),
            at: at(minute),
        };
        let terms = self.terms();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::adjust(t, std::slice::from_ref(&row), &terms)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn keep(&self, id: &str, text: &str, units: u32, until: Option<i64>) -> Taken {
        let hold = Hold {
            sku: sku(text),
            location: place("main"),
            units,
            reason: "cart".to_owned(),
            until: until.map(at),
            over: false,
        };
        let (id, terms) = (paper(id), self.terms());
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::keep(t, &id, &hold, terms.now, &terms)
        };
        self.ledger.write(work).await.unwrap()
    }

    async fn pass_time(&self) -> bool {
        let (rules, now) = (self.rules.clone(), self.clock.now());
        let work =
            move |t: &mut dyn onhand::ledger::tables::Tables| moves::pass_time(t, &rules, now);
        self.ledger.write(work).await.unwrap()
    }

    pub(crate) async fn say(&self, snapshot: OrderSnapshot) {
        let intake = Intake {
            channel: snapshot.channel.clone(),
            received_at: self.clock.now(),
            topic: "order".into(),
            delivery: None,
            happened_at: None,
            raw: Vec::new(),
            solicited: false,
            says: Says::Understood {
                snapshots: vec![snapshot],
                levels: Vec::new(),
                hints: Vec::new(),
                ignored: None,
            },
        };
        self.ledger.record(intake).await.unwrap();
    }

    pub(crate) async fn at(&self, text: &str, location: &str) -> Balances {
        let rows = self.ledger.read(|t| t.stock()).await.unwrap();
        let here = |row: &&onhand::ledger::tables::StockLine| {
            row.sku.as_str() == text && row.location.as_str() == location
        };
        rows.iter()
            .find(here)
            .map(|row| row.balances)
            .unwrap_or_default()
    }

    async fn incidents(&self) -> Vec<Incident> {
        let which = Incidents::default();
        self.ledger
            .read(move |t| t.incidents(&which))
            .await
            .unwrap()
    }

    /// What `shop` should show of a listing, and until when.
    pub(crate) async fn desired(&self, listing: &str) -> (u32, Option<Timestamp>) {
        let key = ListingKey {
            channel: channel("shop"),
            listing: ListingId::new(listing).unwrap(),
        };
        let which = Selection {
            keys: Some(BTreeSet::from([key])),
            ..Selection::default()
        };
        let state = self.ledger.read(move |t| t.listings(&which)).await.unwrap();
        let state = &state[0];
        let own = state
            .mapping
            .as_ref()
            .and_then(|mapping| mapping.location.as_ref());
        let found = self.policy.desired(&state.key.channel, own, &state.feeds);
        assert_eq!(
            found.because.sum(),
            i64::from(found.quantity),
            "{:?}",
            found.because
        );
        (found.quantity.units(), found.until)
    }

    pub(crate) async fn map(&self, listing: &str, text: &str, location: Option<&str>) {
        self.map_as(listing, text, location, 1).await;
    }

    async fn map_pack(&self, listing: &str, text: &str, factor: u32) {
        self.map_as(listing, text, None, factor).await;
    }

    async fn map_as(&self, listing: &str, text: &str, location: Option<&str>, factor: u32) {
        let row = CatalogRow {
            key: ListingKey {
                channel: channel("shop"),
                listing: ListingId::new(listing).unwrap(),
            },
            alias: None,
            their_sku: None,
            mapping: Some(Mapping {
                sku: sku(text),
                factor,
                location: location.map(place),
                fulfilment: Fulfilment::Merchant,
            }),
            not_publishable: None,
        };
        self.ledger
            .write(move |t| t.put_listings(std::slice::from_ref(&row)))
            .await
            .unwrap();
    }

    pub(crate) async fn whole(&self) {
        assert_eq!(self.ledger.verify().await.unwrap(), Vec::<String>::new());
    }
}

pub(crate) fn counted(text: &str, location: &str, units: i64, minute: i64) -> Counted {
    Counted {
        sku: sku(text),
        location: place(location),
        units,
        basis: Basis::OnHand,
        set_aside: None,
        at: at(minute),
    }
}

fn receipt(reference: &str, po: Option<&str>, text: &str, units: u32) -> ReceiptRow {
    ReceiptRow {
        reference: paper(reference),
        purchase: po.map(paper),
        line: "1".to_owned(),
        receipt: ReceiptLine {
            sku: sku(text),
            location: place("main"),
            units,
            condition: Condition::Sellable,
        },
        at: at(10),
    }
}

/// One line of one order: committed, shipped, returned; placed at minute 1.
pub(crate) fn order(
    from: &str,
    id: &str,
    version: i64,
    text: &str,
    target: (u32, u32, u32),
) -> OrderSnapshot {
    OrderSnapshot {
        pending: None,
        read_at: None,
        channel: channel(from),
        order: OrderId::new(id).unwrap(),
        version: Version {
            at: at(version),
            rank: 0,
        },
        placed_at: at(version),
        lines: vec![LineSnapshot {
            line: LineId::new("1").unwrap(),
            listing: None,
            sku: text.to_owned(),
            location: None,
            elsewhere: Vec::new(),
            target: LineTarget {
                committed: target.0,
                shipped: target.1,
                returned: target.2,
                taken_by_channel: target.0,
            },
        }],
    }
}

fn line_key(order: &str) -> LineKey {
    LineKey {
        channel: channel("shop"),
        order: OrderId::new(order).unwrap(),
        line: Some(LineId::new("1").unwrap()),
    }
}
