//! `cargo bench --bench reconcile [-- skus=N] [channels=N] [pages_per_s=N] [drift_per_million=N] [missing_per_million=N]
//! [runs=N] [python=PYTHON]`: compares N listings on each channel with the books, over channels that hand out pages of 1,000
//! levels at a steady pace.
//!
//! *Local*: pages that are there at once, so that only our own work is left; beside it the pages alone, and with a PYTHON
//! that has duckdb the same question to it, in turn. *End to end*: wall time over the time that the pages alone take at their
//! pace. Both with the real store on disk. With the word `sandbox`: the real command against emulated Shopifies over
//! loopback HTTP instead. Prints and asserts no time; what the figures mean, and what they leave out, is in
//! `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement prints, breaks off where it cannot go on, and takes the time"
)]

mod duck;
#[path = "../listen/machine.rs"]
#[expect(
    dead_code,
    reason = "shared with the other bench, which uses more of it"
)]
mod machine;
mod sandbox;
mod shelf;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onhand::broker::Doorbell;
use onhand::channels::Which;
use onhand::domain::clock::Clock;
use onhand::domain::drift::{Class, Edits, Tally};
use onhand::domain::ids::ChannelId;
use onhand::domain::policy::Policy;
use onhand::ledger::Ledger;
use onhand::ledger::sqlite::Sqlite;
use onhand::runtime::clock::SystemClock;
use onhand::runtime::desk::Desk;
use onhand::runtime::fetcher::Source;
use onhand::runtime::reconcile::{Expected, Round, Terms};
use tokio::task::JoinSet;

/// Levels on one page.
const PAGE: usize = 1_000;

/// What was wished for.
#[derive(Debug, Clone, Copy)]
struct Wishes {
    skus: usize,
    channels: usize,
    pages_per_s: u32,
    drift_per_million: usize,
    missing_per_million: usize,
}

fn channel(n: usize) -> ChannelId {
    ChannelId::new(&format!("c{n}")).unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if !args.iter().any(|arg| arg == "--bench") {
        println!("SKIPPED: a measurement; hint: cargo bench --bench reconcile");
        return;
    }
    let number = |name: &str, usual: usize| {
        let found = args
            .iter()
            .find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
        found.map_or(usual, |text| text.parse().unwrap())
    };
    let wishes = Wishes {
        skus: number("skus", 100_000),
        channels: number("channels", 8),
        pages_per_s: u32::try_from(number("pages_per_s", 10)).unwrap(),
        drift_per_million: number("drift_per_million", 2_000),
        missing_per_million: number("missing_per_million", 1_000),
    };
    println!("# {}; load {}", machine::line(), machine::load());
    let folder = tempfile::tempdir().unwrap();
    if args.iter().any(|arg| arg == "sandbox") {
        sandbox::run(folder.path(), wishes);
        return;
    }
    let path = folder.path().join("onhand.db");
    let began = Instant::now();
    store::fill(&path, wishes, &store::spread());
    println!(
        "# {} SKUs on {} channels: a store of {} MiB, filled in {:.0} s",
        wishes.skus,
        wishes.channels,
        std::fs::metadata(&path).unwrap().len() >> 20,
        began.elapsed().as_secs_f64()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let pages = wishes.skus.div_ceil(PAGE);
    let alone = f64::from(u32::try_from(pages).unwrap()) / f64::from(wishes.pages_per_s);
    let python = args.iter().find_map(|arg| arg.strip_prefix("python="));
    if python.is_some() {
        duck::write(folder.path(), wishes);
    }
    for _ in 0..number("runs", 3) {
        let began = Instant::now();
        runtime.block_on(drain(wishes));
        println!(
            "pages alone, made at once: {:.2} s",
            began.elapsed().as_secs_f64()
        );
        say(
            "local",
            &runtime.block_on(compare(&path, wishes, None)),
            None,
        );
        if let Some(python) = python {
            duck::ask(python, folder.path(), wishes);
        }
    }
    let pause = Duration::from_secs(1) / wishes.pages_per_s;
    let whole = runtime.block_on(compare(&path, wishes, Some(pause)));
    say("end to end", &whole, Some(alone));
}

/// One run over all channels.
struct Run {
    wall: Duration,
    cpu_s: f64,
    tally: Tally,
    rss_mib: f64,
}

fn say(name: &str, run: &Run, alone: Option<f64>) {
    let wall = run.wall.as_secs_f64();
    let ratio = alone.map_or_else(String::new, |alone| {
        format!(
            "; the pages alone {alone:.1} s, so {:.3} of them",
            wall / alone
        )
    });
    println!(
        "{name}: {wall:.2} s wall, {:.1} s of processors, {} listings compared, {} differ ({}), {:.0} MiB at most{ratio}; load {}",
        run.cpu_s,
        run.tally.compared,
        run.tally.drifted(),
        run.tally.rate(),
        run.rss_mib,
        machine::load()
    );
}

/// Makes every page, and does nothing with it: what the local figure holds that is not ours.
async fn drain(wishes: Wishes) {
    let mut all = JoinSet::new();
    for n in 0..wishes.channels {
        let source = shelf::source(n, wishes, None);
        all.spawn(async move {
            let mut cursor = None;
            loop {
                let wire = source.line.open().await;
                let which = Which::All(cursor.take());
                let page = source.channel.levels(wire.as_ref(), which).await.unwrap();
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        });
    }
    all.join_all().await;
}

async fn compare(path: &std::path::Path, wishes: Wishes, pause: Option<Duration>) -> Run {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let open = || Box::new(Sqlite::open(path).unwrap());
    let desk = Desk {
        ledger: Ledger::start(open(), open(), BTreeMap::new(), Arc::clone(&clock)),
        bell: Doorbell::default(),
        clock,
    };
    let policy = Arc::new(Policy {
        places: (0..wishes.channels)
            .map(|n| (channel(n), vec![store::place()]))
            .collect(),
        ..Policy::default()
    });
    let (cpu, began) = (machine::cpu_s(std::process::id()), Instant::now());
    let ids: Vec<_> = (0..wishes.channels).map(channel).collect();
    let sources: Vec<Source> = (0..wishes.channels)
        .map(|n| shelf::source(n, wishes, pause))
        .collect();
    let expected = Expected::read(&desk, &policy, &ids).await.unwrap();
    println!(
        "# what should be shown was there after {:.2} s",
        began.elapsed().as_secs_f64()
    );
    let mut rounds = JoinSet::new();
    for ((id, expected), source) in expected.into_iter().zip(sources) {
        let round = Round {
            id,
            source,
            desk: desk.clone(),
            policy: Arc::clone(&policy),
            expected,
            terms: Terms {
                in_flight_ms: 60_000,
                resume_ms: 0,
                edits: Edits::PushBack,
            },
            swept: Arc::default(),
            sold_here: BTreeMap::new(),
            progress: Arc::new(|_| ()),
        };
        rounds.spawn(round.compare());
    }
    let mut tally = Tally::default();
    while let Some(found) = rounds.join_next().await {
        let found = found.unwrap().unwrap();
        assert_eq!(found.incomplete, None);
        tally.add(&found.tally);
    }
    let wall = began.elapsed();
    // A figure is worth something only if the answer is right.
    let missing = shelf::count(wishes, shelf::missing);
    let drifted = shelf::count(wishes, shelf::differs);
    assert_eq!(tally.drifted(), drifted * wishes.channels);
    assert_eq!(tally.of(Class::NotListed), missing * wishes.channels);
    assert_eq!(tally.compared, (wishes.skus - missing) * wishes.channels);
    Run {
        wall,
        cpu_s: machine::cpu_s(std::process::id()) - cpu,
        tally,
        rss_mib: machine::memory_mib(std::process::id(), "VmHWM"),
    }
}
