//! Seeded worlds: two emulated marketplaces, the real channels, books, lanes and fetcher, and everything that goes wrong
//! between them. One seed is one world, step for step; a failure prints it.
//!
//! Nothing sleeps and nothing runs beside: each step is one call that is done when it returns, on a clock that only the
//! world moves.

mod judge;
mod process;
mod world;

use onhand::sandbox::Faults;

use self::world::World;

fn run(seed: u64, faults: &Faults, steps: usize) -> World {
    let mut world = World::new(seed, faults);
    for _ in 0..steps {
        world.step();
    }
    world
}

#[test]
fn quiet_worlds_end_right() {
    for seed in 0..10 {
        run(seed, &Faults::default(), 150).check();
    }
}

#[test]
fn rough_worlds_end_right() {
    for seed in 100..130 {
        run(seed, &Faults::rough(), 200).check();
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    let trace = |seed| {
        let world = run(seed, &Faults::rough(), 150);
        world
            .markets
            .values()
            .map(|market| format!("{:?}", market.log()))
            .collect::<Vec<_>>()
    };
    assert_eq!(trace(7), trace(7));
}
