//! What every emulated shop stands on: clock, dice, journal, outbox, and the faults of the network around it.
//!
//! A stage never waits and never sends. Requests pass [`Stage::before`] and [`Stage::after`], deliveries pass
//! [`Stage::post`] and are collected with [`Stage::due`]; whoever drives the shop does the waiting.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;
use tokio::sync::Notify;

use super::faults::{Dice, Fault, FaultCounts, Faults};
use super::journal::{Entry, Happening, Journal};

/// Milliseconds since 1970, asked whenever the shop needs a time.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock on the wall. The only place in the sandbox that reads it.
pub fn wall_clock() -> Clock {
    Arc::new(|| chrono::Utc::now().timestamp_millis())
}

/// How an emulated shop behaves in time and under chance; the same for every platform.
#[derive(Clone)]
pub struct Conduct {
    /// The shop's clock.
    pub clock: Clock,
    /// The seed of every chance in this shop.
    pub seed: u64,
    /// The faults to play.
    pub faults: Faults,
    /// A delivery leaves after at least this many milliseconds.
    pub delivery_least_ms: i64,
    /// A delivery leaves after at most this many milliseconds.
    pub delivery_most_ms: i64,
}

impl Default for Conduct {
    /// The wall clock, seed 0, no faults, deliveries after 20 to 200 ms.
    fn default() -> Self {
        Self {
            clock: wall_clock(),
            seed: 0,
            faults: Faults::default(),
            delivery_least_ms: 20,
            delivery_most_ms: 200,
        }
    }
}

impl fmt::Debug for Conduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conduct")
            .field("seed", &self.seed)
            .field("faults", &self.faults)
            .field("delivery_least_ms", &self.delivery_least_ms)
            .field("delivery_most_ms", &self.delivery_most_ms)
            .finish_non_exhaustive()
    }
}

/// What a shop does with a request.
#[derive(Debug)]
pub enum Answer {
    /// It answers, after `after_ms` milliseconds.
    Response {
        /// The answer.
        response: Response<Bytes>,
        /// How long the caller waits for it.
        after_ms: u64,
    },
    /// The request took effect, and the connection closes without an answer.
    DroppedAfterEffect,
}

impl Answer {
    /// The response, if there is one.
    pub fn into_response(self) -> Option<Response<Bytes>> {
        match self {
            Self::Response { response, .. } => Some(response),
            Self::DroppedAfterEffect => None,
        }
    }
}

/// A webhook request that is due. Report its fate with the shop's `settle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The subscription.
    pub hook: u64,
    /// The topic, as in the header; `ping` for a WooCommerce ping.
    pub topic: String,
    /// Where to POST it.
    pub url: String,
    /// Headers in the order they are sent.
    pub headers: Vec<(String, String)>,
    /// The exact bytes that were signed.
    pub body: Bytes,
    /// 1 for the first try.
    pub attempt: u32,
    /// When it became due, in milliseconds since 1970.
    pub due_ms: i64,
    /// The value of the platform's delivery id header, empty for a ping.
    pub delivery_id: String,
}

/// A message waiting in the outbox; `L` is what the platform needs to write the letter.
#[derive(Debug, Clone)]
struct Waiting<L> {
    due_ms: i64,
    order: u64,
    letter: L,
}

/// The ground of one emulated shop.
pub(crate) struct Stage<L> {
    pub(crate) conduct: Conduct,
    pub(crate) dice: Dice,
    journal: Journal,
    counts: FaultCounts,
    outbox: Vec<Waiting<L>>,
    n_posted: u64,
    bell: Arc<Notify>,
}

impl<L: Clone> Stage<L> {
    /// A fresh stage.
    pub(crate) fn new(conduct: Conduct) -> Self {
        Self {
            dice: Dice::new(conduct.seed),
            conduct,
            journal: Journal::default(),
            counts: FaultCounts::new(),
            outbox: Vec::new(),
            n_posted: 0,
            bell: Arc::default(),
        }
    }

    /// Rings whenever something is posted.
    pub(crate) fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }

    /// The time.
    pub(crate) fn now_ms(&self) -> i64 {
        (self.conduct.clock)()
    }

    /// Adds to the journal.
    pub(crate) fn note(&mut self, happening: Happening) {
        let now_ms = self.now_ms();
        self.journal.note(now_ms, happening);
    }

    /// The journal after `sequence`.
    pub(crate) fn log_since(&self, sequence: u64) -> Vec<Entry> {
        self.journal.since(sequence)
    }

    /// The faults played so far.
    pub(crate) fn counts(&self) -> FaultCounts {
        self.counts.clone()
    }

    fn played(&mut self, fault: Fault) {
        *self.counts.entry(fault).or_default() += 1;
        self.note(Happening::Fault { fault });
    }

    fn strikes(&mut self, rate: f64, fault: Fault) -> bool {
        let falls = self.dice.falls(rate);
        if falls {
            self.played(fault);
        }
        falls
    }

    /// A fault that answers instead of the shop, before any effect.
    pub(crate) fn before(&mut self) -> Option<Answer> {
        let faults = self.conduct.faults;
        if self.strikes(faults.too_many_requests, Fault::TooManyRequests) {
            let seconds = 1 + self.dice.up_to(2);
            let mut response = json(StatusCode::TOO_MANY_REQUESTS, &too_many());
            set(&mut response, "retry-after", &seconds.to_string());
            return Some(at_once(response));
        }
        if self.strikes(faults.server_error / 2.0, Fault::ServerError) {
            return Some(at_once(self.broken()));
        }
        if self.strikes(faults.firewall_page / 2.0, Fault::FirewallPage) {
            return Some(at_once(firewall_page()));
        }
        None
    }

    /// A fault that replaces or delays the answer, after the effect.
    pub(crate) fn after(&mut self, response: Response<Bytes>) -> Answer {
        let faults = self.conduct.faults;
        if self.strikes(faults.lost_answer, Fault::LostAnswer) {
            return Answer::DroppedAfterEffect;
        }
        if self.strikes(faults.server_error / 2.0, Fault::ServerErrorAfterEffect) {
            return at_once(self.broken());
        }
        if self.strikes(faults.firewall_page / 2.0, Fault::FirewallPageAfterEffect) {
            return at_once(firewall_page());
        }
        let slow = self.strikes(faults.slow_answer, Fault::SlowAnswer);
        Answer::Response {
            response,
            after_ms: if slow { faults.slow_ms } else { 0 },
        }
    }

    fn broken(&mut self) -> Response<Bytes> {
        let status = match self.dice.up_to(2) {
            0 => StatusCode::INTERNAL_SERVER_ERROR,
            1 => StatusCode::BAD_GATEWAY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        html(
            status,
            "<html><body><h1>Something went wrong</h1></body></html>",
        )
    }

    /// Puts a letter in the outbox, with the network's faults applied.
    pub(crate) fn post(&mut self, letter: L) {
        let faults = self.conduct.faults;
        if self.strikes(faults.lost_delivery, Fault::LostDelivery) {
            return;
        }
        let least = self.conduct.delivery_least_ms.max(0);
        let spread = self.conduct.delivery_most_ms.saturating_sub(least);
        let mut wait_ms = least.saturating_add(self.dice.up_to(spread));
        if self.strikes(faults.reorder_delivery, Fault::ReorderedDelivery) {
            wait_ms = wait_ms.saturating_add(self.dice.up_to(faults.reorder_ms));
        }
        if self.strikes(faults.duplicate_delivery, Fault::DuplicateDelivery) {
            let again_ms = wait_ms.saturating_add(self.dice.up_to(spread));
            self.post_after(letter.clone(), again_ms);
        }
        self.post_after(letter, wait_ms);
    }

    /// Puts a letter in the outbox for exactly `wait_ms` from now; no faults. For pings and retries.
    pub(crate) fn post_after(&mut self, letter: L, wait_ms: i64) {
        self.n_posted += 1;
        let due_ms = self.now_ms().saturating_add(wait_ms.max(0));
        self.outbox.push(Waiting {
            due_ms,
            order: self.n_posted,
            letter,
        });
        self.bell.notify_one();
    }

    /// Takes the letters that are due by now, earliest first.
    pub(crate) fn due(&mut self) -> Vec<(i64, L)> {
        let now_ms = self.now_ms();
        let (mut due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.outbox)
            .into_iter()
            .partition(|one| one.due_ms <= now_ms);
        self.outbox = waiting;
        due.sort_by_key(|one| (one.due_ms, one.order));
        due.into_iter()
            .map(|one| (one.due_ms, one.letter))
            .collect()
    }

    /// Whether a letter like this waits already.
    pub(crate) fn waits(&self, like: impl Fn(&L) -> bool) -> bool {
        self.outbox.iter().any(|one| like(&one.letter))
    }

    /// When the next letter is due.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.outbox.iter().map(|one| one.due_ms).min()
    }
}

fn too_many() -> Value {
    serde_json::json!({"errors": "Exceeded the request limit. Please slow down."})
}

fn at_once(response: Response<Bytes>) -> Answer {
    Answer::Response {
        response,
        after_ms: 0,
    }
}

fn firewall_page() -> Response<Bytes> {
    html(
        StatusCode::OK,
        "<!DOCTYPE html><html><title>Checking your browser</title><body>Please wait.</body></html>",
    )
}

fn html(status: StatusCode, page: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(page.as_bytes()));
    *response.status_mut() = status;
    set(&mut response, "content-type", "text/html; charset=UTF-8");
    response
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    set(
        &mut response,
        "content-type",
        "application/json; charset=UTF-8",
    );
    response
}

/// Sets a header; a value that HTTP cannot carry is left out.
pub(crate) fn set(response: &mut Response<Bytes>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(faults: Faults) -> Stage<u32> {
        Stage::new(Conduct {
            clock: Arc::new(|| 1_000),
            faults,
            delivery_least_ms: 0,
            delivery_most_ms: 0,
            ..Conduct::default()
        })
    }

    #[test]
    fn deliveries_are_doubled_and_lost_as_told() {
        let mut doubled = stage(Faults {
            duplicate_delivery: 1.0,
            ..Faults::default()
        });
        doubled.post(1);
        assert_eq!(doubled.due().len(), 2);
        assert_eq!(doubled.counts().get(&Fault::DuplicateDelivery), Some(&1));
        let mut lost = stage(Faults {
            lost_delivery: 1.0,
            ..Faults::default()
        });
        lost.post(1);
        assert!(lost.due().is_empty());
        assert_eq!(lost.log_since(0).len(), 1);
    }

    #[test]
    fn answers_are_spoiled_as_told() {
        let ok = || json(StatusCode::OK, &Value::Null);
        let mut lost = stage(Faults {
            lost_answer: 1.0,
            ..Faults::default()
        });
        assert!(lost.before().is_none());
        assert!(matches!(lost.after(ok()), Answer::DroppedAfterEffect));
        let mut slow = stage(Faults {
            slow_answer: 1.0,
            slow_ms: 9,
            ..Faults::default()
        });
        assert!(matches!(
            slow.after(ok()),
            Answer::Response { after_ms: 9, .. }
        ));
        let mut limited = stage(Faults {
            too_many_requests: 1.0,
            ..Faults::default()
        });
        let response = limited.before().and_then(Answer::into_response).unwrap();
        assert_eq!(response.status(), 429);
        assert!(response.headers().contains_key("retry-after"));
        let mut walled = stage(Faults {
            firewall_page: 2.0,
            ..Faults::default()
        });
        let response = walled.before().and_then(Answer::into_response).unwrap();
        assert!(response.status().is_success() && response.body().starts_with(b"<!DOCTYPE"));
    }
}
