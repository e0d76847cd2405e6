//! How fast one channel may be called: its published rate, what its answers say, and how many calls at a time.
//!
//! A lane asks for a [`Permit`] first and computes afterwards, so that no number grows old in a queue (design D5). Time
//! is the runtime's steady clock. Until when a platform asked not to be called is kept in the store by whoever writes the
//! calls down; what is left of a burst is not: the limiter starts with one call instead of a full one, so that a restart
//! does not spend the same burst twice.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Rate, RateLimiter};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::channels::{Profile, Quota};
use crate::domain::retry::WAIT_MAX_MS;

/// Wait after a first refusal that does not say how long; it doubles with each further one.
const THROTTLED_FIRST_MS: u64 = 1_000;
/// Longest wait after refusals that do not say how long.
const THROTTLED_MAX_MS: u64 = 60_000;
/// Slowest and fastest rate that a profile can ask for, in calls a second; a slip in a profile neither stops a channel
/// nor opens it.
const RATE_BOUNDS: (f64, f64) = (0.01, 1_000.0);

/// Steady time since the limiter was made; tests can stop it.
#[derive(Debug, Clone)]
struct Steady(Instant);

impl Clock for Steady {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The limits of one channel, shared by everything that calls it.
pub struct Limiter {
    steady: Steady,
    rate: RateLimiter<NotKeyed, InMemoryState, Steady, NoOpMiddleware<Duration>>,
    calls: Arc<Semaphore>,
    calls_max: usize,
    /// Nobody goes before this; only ever moved forward.
    gate: watch::Sender<Instant>,
    refused_in_a_row: AtomicU32,
    /// Who waits for the rate, in order of coming.
    turn: Mutex<()>,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Limiter({} of {} calls free, closed for {:?})",
            self.calls.available_permits(),
            self.calls_max,
            self.closed_for()
        )
    }
}

/// Leave to make one call; while it lives it takes one of the channel's places.
#[derive(Debug)]
#[must_use = "a permit that is dropped has still used up its call"]
pub struct Permit {
    limiter: Arc<Limiter>,
    /// Always there, for the semaphore is never closed.
    _place: Option<OwnedSemaphorePermit>,
}

impl Permit {
    /// Waits until one more call may be made under this permit, for work that takes several.
    pub async fn another(&self) {
        self.limiter.pace().await;
    }
}

impl Limiter {
    /// From what is always true of the platform.
    pub fn new(profile: &Profile) -> Self {
        let (slowest, fastest) = RATE_BOUNDS;
        let per_second = if profile.calls_per_second.is_finite() {
            profile.calls_per_second.clamp(slowest, fastest)
        } else {
            slowest
        };
        let burst = NonZeroU32::new(profile.burst).unwrap_or(NonZeroU32::MIN);
        let rate = Rate::with_period(Duration::from_secs_f64(1.0 / per_second))
            .unwrap_or(Rate::per_second(NonZeroU32::MIN))
            .allow_burst(burst);
        let steady = Steady(Instant::now());
        let rate = RateLimiter::direct_with_clock(rate, steady.clone());
        if let Some(spent) = NonZeroU32::new(burst.get() - 1) {
            let taken = rate.check_n(spent);
            debug_assert!(matches!(taken, Ok(Ok(()))), "less than the burst fits");
        }
        let calls_max = profile.calls_at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            gate: watch::Sender::new(steady.0),
            steady,
            rate,
            calls: Arc::new(Semaphore::new(calls_max)),
            calls_max,
            refused_in_a_row: AtomicU32::new(0),
            turn: Mutex::new(()),
        }
    }

    /// Waits for a place, for the gate and for the rate, in this order; first come, first served.
    pub async fn permit(self: &Arc<Self>) -> Permit {
        let place = Arc::clone(&self.calls).acquire_owned().await.ok();
        self.pace().await;
        Permit {
            limiter: Arc::clone(self),
            _place: place,
        }
    }

    /// How long the platform's answers keep the gate closed from now on; zero: it is open.
    pub fn closed_for(&self) -> Duration {
        self.gate.borrow().saturating_duration_since(Instant::now())
    }

    /// The platform asked to slow down, for so many ms if it said so. Nobody goes before that. What is refused while the
    /// gate is closed belongs to the same refusal.
    pub fn throttled(&self, after_ms: Option<u64>) {
        let again = u32::from(self.closed_for().is_zero());
        let before = self.refused_in_a_row.fetch_add(again, Ordering::Relaxed);
        let before = before.saturating_sub(1 - again);
        let wait_ms = after_ms.unwrap_or_else(|| {
            THROTTLED_FIRST_MS
                .saturating_mul(1 << before.min(16))
                .min(THROTTLED_MAX_MS)
        });
        self.close_for(Duration::from_millis(wait_ms.min(WAIT_MAX_MS)));
    }

    /// An answer came that did not ask to slow down.
    pub fn answered(&self) {
        self.refused_in_a_row.store(0, Ordering::Relaxed);
    }

    /// The platform said what is left. Calls that are under way count as not yet taken from it.
    pub fn quota(&self, quota: Quota) {
        let under_way = self
            .calls_max
            .saturating_sub(self.calls.available_permits())
            .saturating_sub(1);
        let wanted = f64::from(u32::try_from(under_way).unwrap_or(u32::MAX)) + 1.0;
        let short = wanted - quota.left;
        if short.is_nan() || short <= 0.0 {
            return;
        }
        let per_second = if quota.per_second.is_finite() {
            quota.per_second.clamp(RATE_BOUNDS.0, RATE_BOUNDS.1)
        } else {
            1.0
        };
        let most = Duration::from_millis(WAIT_MAX_MS);
        let wait = Duration::try_from_secs_f64(short / per_second).unwrap_or(most);
        self.close_for(wait.min(most));
    }

    /// Nobody goes for so long.
    pub fn close_for(&self, wait: Duration) {
        let until = Instant::now() + wait.min(Duration::from_millis(WAIT_MAX_MS));
        self.gate.send_if_modified(|gate| {
            let later = until > *gate;
            if later {
                *gate = until;
            }
            later
        });
    }

    /// Waits for the gate and the rate. Each turn of the loop sleeps until a time that is known, and looks again because
    /// an answer may have closed the gate meanwhile.
    async fn pace(&self) {
        let _turn = self.turn.lock().await;
        loop {
            let closed = self.closed_for();
            if !closed.is_zero() {
                tokio::time::sleep(closed).await;
                continue;
            }
            let Err(early) = self.rate.check() else {
                return;
            };
            // The runtime's timer is no finer than a millisecond.
            let wait = early.wait_time_from(self.steady.now());
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::testing::profile;

    fn limiter(calls_per_second: f64, burst: u32, calls_at_once: usize) -> Arc<Limiter> {
        Arc::new(Limiter::new(&Profile {
            calls_at_once,
            calls_per_second,
            burst,
            ..profile()
        }))
    }

    async fn ms_of(limiter: &Arc<Limiter>, n: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..n {
            drop(limiter.permit().await);
            times.push(start.elapsed().as_millis());
        }
        times
    }

    #[track_caller]
    fn near(found: u128, wanted: u128) {
        assert!(found.abs_diff(wanted) <= 3, "{found} ms, not {wanted} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_limiter_starts_with_one_call_and_gathers_its_burst() {
        let limiter = limiter(2.0, 4, 9);
        let times = ms_of(&limiter, 4).await;
        for (found, wanted) in times.into_iter().zip([0, 500, 1_000, 1_500]) {
            near(found, wanted);
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
        let times = ms_of(&limiter, 6).await;
        for (found, wanted) in times.into_iter().zip([0, 0, 0, 0, 500, 1_000]) {
            near(found, wanted);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_holds_more_than_burst_and_rate() {
        let limiter = limiter(5.0, 3, 64);
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let limiter = Arc::clone(&limiter);
            tasks.spawn(async move {
                drop(limiter.permit().await);
                start.elapsed().as_millis()
            });
        }
        let mut times = tasks.join_all().await;
        times.sort_unstable();
        for (first, at) in times.iter().enumerate() {
            let within = times
                .iter()
                .skip(first)
                .filter(|t| **t < at + 1_000)
                .count();
            assert!(within <= 3 + 5, "{within} calls in the second after {at}");
        }
        near(*times.last().unwrap(), 49 * 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_closes_the_gate_for_those_who_wait_already() {
        let limiter = limiter(1.0, 1, 8);
        drop(limiter.permit().await);
        let waiting = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move {
                let start = Instant::now();
                drop(limiter.permit().await);
                start.elapsed().as_millis()
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        limiter.throttled(Some(30_000));
        limiter.throttled(Some(5_000));
        near(waiting.await.unwrap(), 30_100);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_without_a_time_wait_longer_and_longer() {
        let limiter = limiter(1_000.0, 10, 8);
        for wanted in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            limiter.throttled(None);
            let before = limiter.closed_for();
            near(before.as_millis(), wanted);
            tokio::time::sleep(before).await;
        }
        limiter.answered();
        limiter.throttled(None);
        near(limiter.closed_for().as_millis(), 1_000);
        limiter.throttled(Some(u64::MAX));
        near(limiter.closed_for().as_millis(), u128::from(WAIT_MAX_MS));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_opens_or_closes_the_gate() {
        for (left, per_second, wanted) in [
            (40.0, 2.0, 0),
            (1.0, 2.0, 0),
            (0.0, 2.0, 500),
            (-3.0, 2.0, 2_000),
            (0.0, 0.0, 100_000),
            (0.0, f64::NAN, 1_000),
            (f64::NAN, 2.0, 0),
            (f64::NEG_INFINITY, 2.0, u128::from(WAIT_MAX_MS)),
        ] {
            let limiter = limiter(100.0, 10, 8);
            limiter.quota(Quota { left, per_second });
            near(limiter.closed_for().as_millis(), wanted);
        }
        let limiter = limiter(100.0, 10, 8);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _three = (
            limiter.permit().await,
            limiter.permit().await,
            limiter.permit().await,
        );
        limiter.quota(Quota {
            left: 1.0,
            per_second: 2.0,
        });
        near(limiter.closed_for().as_millis(), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_taken_while_a_permit_lives() {
        let limiter = limiter(1_000.0, 100, 2);
        let first = limiter.permit().await;
        let _second = limiter.permit().await;
        let none = tokio::time::timeout(Duration::from_mins(1), limiter.permit()).await;
        assert!(none.is_err());
        drop(first);
        let third = tokio::time::timeout(Duration::from_mins(1), limiter.permit()).await;
        third.unwrap().another().await;
    }
}
