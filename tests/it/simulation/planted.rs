//! The worlds with one bug planted: a simulation that does not notice it would show nothing.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use onhand::planted::{Bug, plant};

use super::{ROUGH_FROM, run};

/// Most worlds until a bug must have been noticed.
const WORLDS_MAX: u64 = 80;

fn judged(seed: u64) -> Result<(), Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| run(seed).check()))
}

/// Some world notices the bug, and is right without it.
#[track_caller]
fn check(bug: Bug) {
    for seed in ROUGH_FROM..ROUGH_FROM + WORLDS_MAX {
        plant(Some(bug));
        let found = judged(seed);
        plant(None);
        if let Err(panic) = found {
            let told = panic.downcast_ref::<String>();
            let told: String = told.map_or("", String::as_str).chars().take(400).collect();
            println!("{bug:?} is noticed in world {seed}: {told}");
            assert!(
                judged(seed).is_ok(),
                "world {seed} fails without {bug:?}, too"
            );
            return;
        }
    }
    panic!("{bug:?} was not noticed in {WORLDS_MAX} worlds");
}

#[test]
fn an_answer_before_the_store_has_it_is_noticed() {
    check(Bug::AckBeforeSync);
}

#[test]
fn deliveries_remembered_in_memory_only_are_noticed() {
    check(Bug::DedupOnlyInMemory);
}

#[test]
fn a_quantity_that_grew_old_in_the_queue_is_noticed() {
    check(Bug::QuantityBoundAtEnqueue);
}

#[test]
fn a_retry_that_acknowledges_too_much_is_noticed() {
    check(Bug::NoVersionCheckOnRetry);
}

#[test]
fn a_raise_without_evidence_is_noticed() {
    check(Bug::RaiseWithoutEvidence);
}

#[test]
fn an_acknowledged_doubt_is_noticed() {
    check(Bug::AcknowledgedWhileUnknown);
}
