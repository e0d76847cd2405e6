//! Faults that a sandbox plays, and the dice that choose them.
//!
//! Every choice comes from one seeded generator per shop, so a run with the same seed and the same calls in
//! the same order repeats exactly. No choice looks at a clock.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// How often each fault is played: probabilities from 0 to 1, per request or per delivery.
///
/// The default is a perfect network: all zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// A delivery is sent twice, with the same ids.
    pub duplicate_delivery: f64,
    /// A delivery is held back by up to `reorder_ms`, so that later ones overtake it.
    pub reorder_delivery: f64,
    /// The longest hold, in milliseconds.
    pub reorder_ms: i64,
    /// A delivery is never sent.
    pub lost_delivery: f64,
    /// A request is answered 429 with `Retry-After`, without effect.
    pub too_many_requests: f64,
    /// A request is answered 500, 502 or 503; half of them after the effect.
    pub server_error: f64,
    /// A request takes effect and the connection is closed without an answer.
    pub lost_answer: f64,
    /// An answer is held back by `slow_ms`.
    pub slow_answer: f64,
    /// How long a slow answer takes, in milliseconds.
    pub slow_ms: u64,
    /// A request is answered 200 with a firewall's HTML page; half of them after the effect.
    pub firewall_page: f64,
}

impl Faults {
    /// A bad day: a few per cent of everything, meant for simulations.
    pub fn rough() -> Self {
        Self {
            duplicate_delivery: 0.05,
            reorder_delivery: 0.10,
            reorder_ms: 30_000,
            lost_delivery: 0.03,
            too_many_requests: 0.03,
            server_error: 0.03,
            lost_answer: 0.03,
            slow_answer: 0.02,
            slow_ms: 2_000,
            firewall_page: 0.005,
        }
    }
}

/// A fault that was really played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A delivery was sent twice.
    DuplicateDelivery,
    /// A delivery was held back.
    ReorderedDelivery,
    /// A delivery was dropped.
    LostDelivery,
    /// A request was answered 429.
    TooManyRequests,
    /// A request was answered 5xx before it had any effect.
    ServerError,
    /// A request was answered 5xx although it had taken effect.
    ServerErrorAfterEffect,
    /// A request took effect and was not answered.
    LostAnswer,
    /// An answer was late.
    SlowAnswer,
    /// A firewall page replaced the answer before any effect.
    FirewallPage,
    /// A firewall page replaced the answer after the effect.
    FirewallPageAfterEffect,
}

/// How often each fault was really played.
pub type FaultCounts = BTreeMap<Fault, u64>;

/// The one source of chance in a shop.
#[derive(Debug)]
pub(crate) struct Dice {
    generator: StdRng,
}

impl Dice {
    /// Dice that always fall the same way for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            generator: StdRng::seed_from_u64(seed),
        }
    }

    /// True with this probability. Rates out of range are clamped, not a panic: they come from settings.
    pub(crate) fn falls(&mut self, rate: f64) -> bool {
        if rate.is_nan() || rate <= 0.0 {
            return false;
        }
        self.generator.random_bool(rate.min(1.0))
    }

    /// A number from 0 to `most`, both included; 0 if `most` is negative.
    pub(crate) fn up_to(&mut self, most: i64) -> i64 {
        self.generator.random_range(0..=most.max(0))
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let bytes: [u8; 16] = self.generator.random();
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_falls_the_same_way() {
        let roll = |seed| {
            let mut dice = Dice::new(seed);
            (0..64).map(|_| dice.up_to(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(roll(7), roll(7));
        assert_ne!(roll(7), roll(8));
    }

    #[test]
    fn odd_rates_are_clamped() {
        let mut dice = Dice::new(1);
        assert!(!dice.falls(-1.0) && !dice.falls(0.0) && !dice.falls(f64::NAN));
        assert!(dice.falls(1.0) && dice.falls(9.0));
        assert_eq!(dice.up_to(-5), 0);
    }
}
