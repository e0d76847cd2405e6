//! Seeded worlds: two emulated marketplaces, the real channels, books, lanes and fetcher, and everything that goes wrong
//! between them. One seed is one world, step for step; a failure prints it, and `ONHAND_SEED=n cargo test seed` plays it
//! alone and tells all that happened.
//!
//! Nothing sleeps and nothing runs beside: each step is one call that is done when it returns, on a clock that only the
//! world moves.

mod end;
mod judge;
#[cfg(feature = "planted")]
mod planted;
mod process;
mod steps;
mod world;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;

use onhand::sandbox::{Fault, FaultCounts, Faults};

use self::world::World;

/// From this seed on the network is rough.
const ROUGH_FROM: u64 = 1_000;
/// Everything that chance may do besides faults.
const HAPPENINGS: [&str; 9] = [
    "a sale during a call",
    "a sale during a call, and its message",
    "another process counted",
    "another process stood in",
    "died before the answer",
    "died between begin and call",
    "died between effect and settle",
    "died in a fetch",
    "a marketplace could not be reached",
];
/// Every fault of a rough network.
const FAULTS: [Fault; 10] = [
    Fault::DuplicateDelivery,
    Fault::ReorderedDelivery,
    Fault::LostDelivery,
    Fault::TooManyRequests,
    Fault::ServerError,
    Fault::ServerErrorAfterEffect,
    Fault::LostAnswer,
    Fault::SlowAnswer,
    Fault::FirewallPage,
    Fault::FirewallPageAfterEffect,
];

/// Says how to play a world again that failed.
struct Again(u64);

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("play it again: ONHAND_SEED={} cargo test seed", self.0);
        }
    }
}

/// Plays the world of a seed to its last step.
fn run(seed: u64) -> World {
    let rough = seed >= ROUGH_FROM;
    let (faults, steps) = if rough {
        (Faults::rough(), 200)
    } else {
        (Faults::default(), 150)
    };
    let mut world = World::new(seed, &faults);
    for _ in 0..steps {
        world.step();
    }
    world
}

/// Plays worlds and judges them. Whatever chance may do must have happened in one of them, or they show nothing.
#[track_caller]
fn check(seeds: Range<u64>) {
    let rough = seeds.start >= ROUGH_FROM;
    let (mut faults, mut happened) = (FaultCounts::new(), BTreeMap::new());
    for seed in seeds {
        let _again = Again(seed);
        let mut world = run(seed);
        world.check();
        for (fault, times) in world.faults {
            *faults.entry(fault).or_default() += times;
        }
        for (what, times) in world.happened {
            *happened.entry(what).or_insert(0) += times;
        }
    }
    for fault in FAULTS.iter().filter(|_| rough) {
        assert!(
            faults.contains_key(fault),
            "no world had {fault:?}: {faults:?}"
        );
    }
    for what in HAPPENINGS {
        assert!(
            happened.contains_key(what),
            "in no world: {what}: {happened:?}"
        );
    }
}

#[test]
fn quiet_worlds_end_right() {
    check(0..60);
}

#[test]
fn rough_worlds_end_right() {
    check(1_000..1_080);
}

#[test]
fn more_rough_worlds_end_right() {
    check(1_080..1_160);
}

#[test]
fn yet_more_rough_worlds_end_right() {
    check(1_160..1_240);
}

/// One world that the environment names, with its journals.
#[test]
fn seed() {
    let named = std::env::var_os("ONHAND_SEED").and_then(|seed| seed.to_str()?.parse().ok());
    let Some(seed) = named else { return };
    let mut world = run(seed);
    // Not a print: the harness of the tests would keep it back.
    let mut out = std::io::stderr().lock();
    for (id, market) in &world.markets {
        for entry in market.log() {
            let (at, what) = (entry.at_ms, entry.happening);
            writeln!(out, "{at} {id} {what:?}").unwrap();
        }
    }
    drop(out);
    world.check();
}

#[test]
fn the_same_dice_make_the_same_world() {
    let trace = |seed| {
        let world = run(seed);
        let tell = |market: &std::sync::Arc<dyn onhand::sandbox::Marketplace>| {
            format!("{:?}", market.log())
        };
        let shops: Vec<_> = world.markets.values().map(tell).collect();
        (shops, world.listings(), world.happened)
    };
    assert_eq!(trace(1_007), trace(1_007));
}
