//! `cargo bench --bench listen [-- PART... [pairs=N] [seconds=N] [skus=N]]` with the parts `ingest`, `propagation` and
//! `memory`; all of them without a name. Drives the release binary over loopback as a child process.
//!
//! Prints figures and ratios of one run and asserts no time: what a neighbour on the machine does to it must not fail
//! anything. What the figures mean, and what they leave out, is in `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement prints, breaks off where it cannot go on, and takes the time"
)]

mod child;
mod ingest;
mod load;
mod machine;
mod memory;
mod propagation;

use std::time::Duration;

/// What was wished for.
pub(crate) struct Wishes {
    pub(crate) pairs: usize,
    pub(crate) seconds: u64,
    pub(crate) skus: usize,
}

impl Wishes {
    pub(crate) fn long(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, port] = args.as_slice()
        && first == "--serve-bare"
    {
        load::serve_bare(port.parse().unwrap());
        return;
    }
    if !args.iter().any(|arg| arg == "--bench") {
        println!("SKIPPED: a measurement; hint: cargo bench --bench listen");
        return;
    }
    let number = |name: &str, usual: u64| {
        let found = args
            .iter()
            .find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
        found.map_or(usual, |text| text.parse().unwrap())
    };
    let wishes = Wishes {
        pairs: usize::try_from(number("pairs", 3)).unwrap(),
        seconds: number("seconds", 10),
        skus: usize::try_from(number("skus", 100_000)).unwrap(),
    };
    let parts = ["ingest", "propagation", "memory"];
    let named = parts.iter().any(|part| args.iter().any(|arg| arg == part));
    let wanted = |part: &str| !named || args.iter().any(|arg| arg == part);
    println!(
        "machine: {}; load average {}; {}; onhand {}",
        machine::line(),
        machine::load(),
        chrono::Utc::now().format("%Y-%m-%d %H:%M UTC"),
        env!("CARGO_PKG_VERSION"),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if wanted("ingest") {
            ingest::run(&wishes).await;
        }
        if wanted("propagation") {
            propagation::run(&wishes).await;
        }
        if wanted("memory") {
            memory::run(&wishes).await;
        }
    });
    println!("load average at the end: {}", machine::load());
}
