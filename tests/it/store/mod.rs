//! What every store must do: written once, run over each.

mod counting;
mod keeping;
mod listings;
mod messages;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use onhand::domain::catalog::{Folding, Fulfilment, Mapping};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::decide::ChannelRules;
use onhand::domain::delivery::Shown;
use onhand::domain::ids::{ChannelId, LineId, ListingId, ListingKey, LocationId, OrderId, Sku};
use onhand::domain::message::Level;
use onhand::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Version};
use onhand::domain::stock::{Balances, Basis};
use onhand::ledger::Ledger;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::record::{BookRules, ChannelBooks, Intake, Says};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{CatalogRow, Selection, Settled};

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct Still(pub(crate) i64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        at(self.0)
    }
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(crate) fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

pub(crate) fn channel(text: &str) -> ChannelId {
    ChannelId::new(text).unwrap()
}

pub(crate) fn place() -> LocationId {
    LocationId::new("main").unwrap()
}

pub(crate) fn rules() -> BookRules {
    let books = |fold, unique| ChannelBooks {
        rules: ChannelRules {
            location: place(),
            clock_skew_ms: 2000,
        },
        folding: Folding { case: fold },
        delivery_id_unique: unique,
    };
    BTreeMap::from([
        (channel("shop"), books(true, false)),
        (channel("web"), books(false, true)),
    ])
    .into()
}

pub(crate) fn ledger() -> Ledger {
    Ledger::inline(
        Box::new(Sqlite::in_memory().unwrap()),
        rules(),
        Arc::new(Still(1_000_000)),
    )
}

fn order(from: &str, id: &str, version: i64, text: &str, committed: u32) -> OrderSnapshot {
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
            listing: Some(ListingId::new("10").unwrap()),
            sku: text.to_owned(),
            location: None,
            elsewhere: Vec::new(),
            target: LineTarget {
                committed,
                taken_by_channel: committed,
                ..LineTarget::default()
            },
        }],
    }
}

pub(crate) fn intake(from: &str, delivery: Option<&str>, says: Says) -> Intake {
    Intake {
        channel: channel(from),
        received_at: at(900_000),
        topic: "order".into(),
        delivery: delivery.map(str::to_owned),
        happened_at: None,
        raw: b"raw".to_vec(),
        solicited: false,
        says,
    }
}

fn says(snapshots: Vec<OrderSnapshot>, levels: Vec<Level>) -> Says {
    Says::Understood {
        snapshots,
        levels,
        hints: Vec::new(),
        ignored: None,
    }
}

async fn open(ledger: &Ledger, text: &str, units: i64) {
    let row = Counted {
        sku: sku(text),
        location: place(),
        units,
        basis: Basis::OnHand,
        set_aside: None,
        at: at(1),
    };
    ledger
        .write(move |t| counts::count(t, std::slice::from_ref(&row), "test", at(1)))
        .await
        .unwrap();
}

async fn map(ledger: &Ledger, from: &str, listing: &str, text: &str, factor: u32) {
    let mapping = Mapping {
        sku: sku(text),
        factor,
        location: None,
        fulfilment: Fulfilment::Merchant,
    };
    let row = CatalogRow {
        key: key(from, listing),
        alias: None,
        their_sku: None,
        mapping: Some(mapping),
        not_publishable: None,
    };
    ledger
        .write(move |t| t.put_listings(std::slice::from_ref(&row)))
        .await
        .unwrap();
}

fn key(from: &str, listing: &str) -> ListingKey {
    ListingKey {
        channel: channel(from),
        listing: ListingId::new(listing).unwrap(),
    }
}

pub(crate) async fn balances(ledger: &Ledger, text: &str) -> Balances {
    let wanted = sku(text);
    let rows = ledger.read(|t| t.stock()).await.unwrap();
    rows.into_iter()
        .find(|row| row.sku == wanted)
        .map(|row| row.balances)
        .unwrap_or_default()
}

async fn dirty(ledger: &Ledger) -> Vec<String> {
    let which = Selection {
        dirty: true,
        ..Selection::default()
    };
    let found = ledger.read(move |t| t.listings(&which)).await.unwrap();
    found
        .iter()
        .map(|listing| listing.key.to_string())
        .collect()
}

async fn settle(ledger: &Ledger, listing: ListingKey, shown: Shown, acked: Option<i64>) {
    let turn = Settled {
        key: listing,
        shown,
        compared: Some(false),
        stale: false,
        acked,
        verified_at: None,
        failures: 0,
        due_at: at(0),
    };
    ledger
        .write(move |t| t.settle(std::slice::from_ref(&turn)))
        .await
        .unwrap();
}

async fn feed_version(ledger: &Ledger, listing: &ListingKey) -> i64 {
    let which = Selection {
        keys: Some(BTreeSet::from([listing.clone()])),
        ..Selection::default()
    };
    ledger.read(move |t| t.listings(&which)).await.unwrap()[0].feed_version()
}

async fn whole(ledger: &Ledger) {
    assert_eq!(ledger.verify().await.unwrap(), Vec::<String>::new());
}
