//! All scenarios over all SKUs, by several threads: each SKU goes to one of them by its place, and draws of its own, so that
//! the same call gives the same figures everywhere.

use std::sync::mpsc::{Receiver, sync_channel};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::domain::oversell::Order;
use crate::domain::oversell::scenario::Grid;
use crate::domain::oversell::study::{Days, Sums, mixed, sku};
use crate::domain::quantity::Balance;
use crate::domain::tier::Tier;

/// Threads. The figures do not depend on the machine, so neither does their number.
const WORKERS: usize = 4;
/// SKUs that wait for a thread; more would only take memory.
const WAITING: usize = 64;
/// Draws of the limits begin with another seed than those of the SKUs.
const LIMITS_SEED: u64 = 1 << 40;

/// One SKU to go through.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) tier: Tier,
    pub(super) orders: Vec<Order>,
    pub(super) reference: Balance,
}

/// One SKU, gone through.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) name: String,
    pub(super) tier: Tier,
    pub(super) sums: Sums,
    /// It was sold on more than one channel.
    pub(super) mixed: bool,
}

impl Done {
    /// How much it oversells wherever its stock runs out, at the longest latency.
    pub(super) fn weight(&self) -> f64 {
        let pairs = self.sums.pairs.iter().map(|(units, _)| *units);
        pairs.fold(0.0, f64::max)
    }
}

/// Everything, gone through.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// By name.
    pub(super) skus: Vec<Done>,
    /// By tier: A, B, C.
    pub(super) tiers: [Days; 3],
}

/// A generator of numbers from 0 to below 1.
pub(super) fn dice(seed: u32, part: u64) -> impl FnMut() -> f64 {
    let mut generator = StdRng::seed_from_u64((u64::from(seed) << 32) ^ part);
    move || generator.random::<f64>()
}

/// The draws of the limits.
pub(super) fn limits_dice(seed: u32) -> impl FnMut() -> f64 {
    dice(seed, LIMITS_SEED)
}

/// Where a tier stands.
pub(super) const fn place(tier: Tier) -> usize {
    match tier {
        Tier::A => 0,
        Tier::B => 1,
        Tier::C => 2,
    }
}

/// Goes through all that `feed` gives; its own result comes back, too.
pub(super) fn all<R>(
    grid: &Grid,
    seed: u32,
    feed: impl FnOnce(&mut dyn FnMut(Task)) -> R,
) -> (Whole, R) {
    std::thread::scope(|scope| {
        let (mut ways, mut workers) = (Vec::new(), Vec::new());
        for _ in 0..WORKERS {
            let (way, tasks) = sync_channel(WAITING);
            ways.push(way);
            workers.push(scope.spawn(move || work(grid, seed, &tasks)));
        }
        let mut number = 0_u64;
        let mut give = |task: Task| {
            let idx = usize::try_from(number).unwrap_or(0) % WORKERS;
            if let Some(way) = ways.get(idx) {
                way.send((number, task))
                    .expect("a worker takes tasks until there are no more");
            }
            number += 1;
        };
        let fed = feed(&mut give);
        drop(ways);
        let mut whole = Whole::default();
        for worker in workers {
            whole.add(worker.join().expect("a worker does not fail"));
        }
        whole.skus.sort_by(|a, b| a.name.cmp(&b.name));
        (whole, fed)
    })
}

fn work(grid: &Grid, seed: u32, tasks: &Receiver<(u64, Task)>) -> Whole {
    let mut whole = Whole::default();
    for (number, task) in tasks {
        let Some(days) = whole.tiers.get_mut(place(task.tier)) else {
            continue;
        };
        let sums = sku(&task.orders, task.reference, grid, days, dice(seed, number));
        whole.skus.push(Done {
            name: task.name,
            tier: task.tier,
            mixed: mixed(&task.orders),
            sums,
        });
    }
    whole
}

impl Whole {
    fn add(&mut self, other: Self) {
        self.skus.extend(other.skus);
        for (days, more) in self.tiers.iter_mut().zip(&other.tiers) {
            days.add(more);
        }
    }
}
