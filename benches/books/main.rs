//! `cargo bench --bench books [-- messages=N] [batch=N] [pairs=N]`: what watching over oversells adds to an order message,
//! and what places, holds and promises add on top, against the same messages in the same run without them. The store is a
//! file, and every batch is synced. Prints and asserts no time; what the figures mean is in `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement prints, breaks off where it cannot go on, and takes the time"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use onhand::domain::catalog::Folding;
use onhand::domain::clock::Timestamp;
use onhand::domain::decide::ChannelRules;
use onhand::domain::hold::Hold;
use onhand::domain::ids::{ChannelId, DocumentId, LineId, LocationId, OrderId, Sku};
use onhand::domain::incident::pools;
use onhand::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Version};
use onhand::domain::promise::{Backorder, Promises};
use onhand::domain::receipt::Leave;
use onhand::domain::stock::Basis;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::incidents;
use onhand::ledger::moves::{self, Terms};
use onhand::ledger::record::{BookRules, ChannelBooks, Intake, Says, record};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::Store;

/// SKUs that the orders are spread over.
const SKUS: usize = 2_000;
const PLACES: [&str; 3] = ["main", "east", "store"];

/// What a store has beside its goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// One place, nobody watches.
    Plain,
    /// One place, and every transaction is watched.
    Watched,
    /// Watched, with three places, a hold on every tenth SKU, backorders and goods made to order.
    Whole,
}

fn sku(n: usize) -> Sku {
    Sku::new(&format!("SKU-{:05}", n % SKUS)).unwrap()
}

fn place(text: &str) -> LocationId {
    LocationId::new(text).unwrap()
}

fn shop() -> ChannelId {
    ChannelId::new("shop").unwrap()
}

fn rules(life: Life) -> BookRules {
    let places: Vec<_> = PLACES.iter().map(|text| place(text)).collect();
    let sold_from = if life == Life::Whole {
        &places[..]
    } else {
        &places[..1]
    };
    let mut promises = Promises::default();
    if life == Life::Whole {
        let some = |step: usize| (0..SKUS).step_by(step).map(sku);
        promises.backorder = some(7).map(|sku| (sku, Backorder::Units(5))).collect();
        promises.daily = some(50).map(|sku| (sku, 10_000)).collect();
    }
    let books = ChannelBooks {
        rules: ChannelRules {
            location: places[0].clone(),
            clock_skew_ms: 0,
        },
        folding: Folding::default(),
        delivery_id_unique: false,
    };
    BookRules {
        channels: BTreeMap::from([(shop(), books)]),
        pools: pools([sold_from]),
        promises: Arc::new(promises),
    }
}

/// A store in which there is more of everything than is sold.
fn fill(store: &mut Sqlite, life: Life) {
    let now = Timestamp::from_millis(1_000);
    let n_places = if life == Life::Whole { PLACES.len() } else { 1 };
    let row = |n: usize, text: &str| Counted {
        sku: sku(n),
        location: place(text),
        units: 1_000_000,
        basis: Basis::OnHand,
        set_aside: None,
        at: now,
    };
    let places = &PLACES[..n_places];
    let rows: Vec<_> = (0..SKUS)
        .flat_map(|n| places.iter().map(move |text| row(n, text)))
        .collect();
    let terms = Terms {
        by: "bench".to_owned(),
        leave: Leave::default(),
        now,
    };
    let work = &mut |tables: &mut dyn onhand::ledger::tables::Tables| {
        tables.add_skus(&(0..SKUS).map(sku).collect::<BTreeSet<_>>())?;
        counts::count(tables, &rows, "bench", now)?;
        for n in (0..SKUS).step_by(10).filter(|_| life == Life::Whole) {
            let hold = Hold {
                sku: sku(n),
                location: place("main"),
                units: 3,
                reason: "cart".to_owned(),
                until: Some(Timestamp::from_millis(i64::MAX / 2)),
                over: false,
            };
            let id = DocumentId::new(&format!("H{n}")).unwrap();
            moves::keep(tables, &id, &hold, now, &terms)?.unwrap();
        }
        Ok(())
    };
    store.write(work).unwrap();
}

fn message(n: usize, life: Life) -> Intake {
    let at = Timestamp::from_millis(2_000_000 + i64::try_from(n).unwrap());
    let order = OrderId::new(&format!("{n}")).unwrap();
    let line = LineSnapshot {
        line: LineId::new("1").unwrap(),
        listing: None,
        sku: sku(n * 31).as_str().to_owned(),
        location: (life == Life::Whole).then(|| place(PLACES[n % PLACES.len()])),
        elsewhere: Vec::new(),
        target: LineTarget {
            committed: 1,
            taken_by_channel: 1,
            ..LineTarget::default()
        },
    };
    let snapshot = OrderSnapshot {
        channel: shop(),
        order,
        version: Version { at, rank: 0 },
        placed_at: at,
        read_at: None,
        pending: None,
        lines: vec![line],
    };
    Intake {
        channel: shop(),
        received_at: at,
        topic: "orders/create".to_owned(),
        delivery: None,
        happened_at: Some(at),
        raw: Vec::new(),
        solicited: false,
        says: Says::Understood {
            snapshots: vec![snapshot],
            levels: Vec::new(),
            hints: Vec::new(),
            ignored: None,
        },
    }
}

/// How long a store takes for the messages.
fn run(life: Life, messages: usize, batch: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Sqlite::open(&folder.path().join("onhand.db")).unwrap();
    fill(&mut store, life);
    let rules = rules(life);
    let all: Vec<_> = (0..messages).map(|n| message(n, life)).collect();
    let began = Instant::now();
    for some in all.chunks(batch) {
        let now = Timestamp::from_millis(3_000_000);
        let work = &mut |tables: &mut dyn onhand::ledger::tables::Tables| {
            tables.stand_at(now, &rules.promises);
            drop(record(tables, &rules, some, now).unwrap());
            if life == Life::Plain {
                return Ok(());
            }
            incidents::watch(tables, &rules, now)
        };
        store.write(work).unwrap();
    }
    began.elapsed()
}

fn say(name: &str, ratios: &mut [f64]) {
    ratios.sort_by(f64::total_cmp);
    println!(
        "{name}: median {:.3} of {} pairs, from {:.3} to {:.3}",
        ratios[ratios.len() / 2],
        ratios.len(),
        ratios[0],
        ratios[ratios.len() - 1]
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if !args.iter().any(|arg| arg == "--bench") {
        println!("SKIPPED: a measurement; hint: cargo bench --bench books");
        return;
    }
    let wish = |name: &str, default: usize| {
        let given = args
            .iter()
            .find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
        given.map_or(default, |text| text.parse().unwrap())
    };
    let (messages, batch, pairs) = (
        wish("messages", 20_000),
        wish("batch", 64),
        wish("pairs", 7),
    );
    println!(
        "# {messages} order messages in batches of {batch}, {SKUS} SKUs; time over the plain store's"
    );
    let (mut watched, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        let plain = run(Life::Plain, messages, batch).as_secs_f64();
        watched.push(run(Life::Watched, messages, batch).as_secs_f64() / plain);
        let again = run(Life::Plain, messages, batch).as_secs_f64();
        whole.push(run(Life::Whole, messages, batch).as_secs_f64() / again);
        #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
        let per_s = messages as f64 / plain;
        println!("plain {per_s:.0} messages/s");
    }
    say("watched / plain", &mut watched);
    say(
        "watched with places, holds and promises / plain",
        &mut whole,
    );
}
