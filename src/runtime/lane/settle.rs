//! What an answer to a push means for the listing: pure, so that it can stand as a table.

use crate::channels::{Fault, Verdict};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::retry::Ladder;
use crate::ledger::tables::{ListingState, Settled};

/// How long a second stale compare in a row waits before the next try, in ms: long enough not to fight a busy shop.
const STALE_WAIT_MS: i64 = 250;
/// How long a batch whose result comes later is left alone, in ms.
const PENDING_WAIT_MS: i64 = 5_000;

/// What was sent, when, and what came back.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    /// The listing as it was when the quantity was computed.
    pub(super) state: &'a ListingState,
    /// The quantity.
    pub(super) quantity: i64,
    /// The platform compares what it shows with what we said before it writes.
    pub(super) compared: bool,
    /// When the call ended.
    pub(super) ended: Timestamp,
    /// How long the platform may take until a read shows what was sent, in ms.
    pub(super) settling_ms: i64,
    /// Chance, 0 to 999.
    pub(super) dice: u16,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settlement {
    /// For the store.
    pub(super) settled: Settled,
    /// One word for the audit.
    pub(super) word: &'static str,
    /// Given up, or no longer tried often.
    pub(super) dead: Option<GivenUp>,
    /// Why the whole channel waits, if it does.
    pub(super) channel: Option<ChannelTrouble>,
}

/// What is told of in a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenUp {
    /// Why.
    pub(super) reason: String,
    /// Attempts that no letter counts yet.
    pub(super) attempts: u32,
}

/// Trouble that is not the item's: it spends none of its attempts. What is graver is larger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChannelTrouble {
    /// Too fast.
    Throttled(Option<u64>),
    /// The credentials are not accepted.
    AuthLost(String),
}

/// Decides what one answer means.
///
/// A refusal acknowledges the version that was refused: repeating it would be refused again, and the next change of
/// stock tries anew (rule R56). What the listing shows is not certain then. Whatever else fails leaves the listing dirty:
/// behind the last rung of the ladder a letter tells of it, and it is tried again at the pace of that rung.
pub(super) fn settlement(
    sent: &Sent<'_>,
    answer: Result<Verdict, Fault>,
    ladder: &Ladder,
) -> Settlement {
    let version = sent.state.feed_version();
    let keep = |word| keep(sent, word);
    match answer {
        Ok(verdict) => accepted(keep, sent, verdict, ladder),
        Err(Fault::Rejected(why) | Fault::Gone(why)) => refused(keep("refused"), version, why),
        Err(Fault::Throttled { after_ms }) => {
            let mut later = keep("throttled");
            later.channel = Some(ChannelTrouble::Throttled(after_ms));
            later
        }
        Err(Fault::Unauthorized(why)) => {
            let mut later = keep("unauthorized");
            later.channel = Some(ChannelTrouble::AuthLost(why));
            later
        }
        Err(Fault::Transient(why)) => retry(keep("failed"), sent, why, ladder),
        Err(Fault::Forged) => retry(keep("failed"), sent, "forged answer".to_owned(), ladder),
        Err(Fault::Unknown(why) | Fault::Unreadable(why)) => {
            let mut lost = keep("answer lost");
            lost.settled.compared = Some(false);
            lost.settled.shown = sent
                .state
                .shown
                .after_lost_answer(sent.quantity, sent.ended);
            retry(lost, sent, why, ladder)
        }
    }
}

/// Decides what a read means that began then: `shows` is the quantity, `None` if the channel does not count the item.
pub(super) fn seen(sent: &Sent<'_>, shows: Option<i64>, began: Timestamp) -> Settlement {
    let mut read = keep(sent, "read");
    let Some(quantity) = shows else {
        let why = "the channel does not count it".to_owned();
        return refused(read, sent.state.feed_version(), why);
    };
    read.settled.compared = Some(false);
    read.settled.shown = Shown::Known {
        quantity,
        as_of: began,
    };
    (read.settled.due_at, read.settled.verified_at) = (began, Some(began));
    read
}

/// Everything as it was.
fn keep(sent: &Sent<'_>, word: &'static str) -> Settlement {
    Settlement {
        settled: Settled {
            key: sent.state.key.clone(),
            shown: sent.state.shown,
            compared: None,
            stale: sent.state.stale,
            acked: None,
            verified_at: None,
            failures: sent.state.failures,
            due_at: sent.ended,
        },
        word,
        dead: None,
        channel: None,
    }
}

/// What a verdict of the platform means.
fn accepted(
    keep: impl Fn(&'static str) -> Settlement,
    sent: &Sent<'_>,
    verdict: Verdict,
    ladder: &Ladder,
) -> Settlement {
    let now = sent.ended;
    let known = |quantity| Shown::Known {
        quantity,
        as_of: now,
    };
    match verdict {
        Verdict::Applied => {
            let mut done = keep("applied");
            done.settled.shown = known(sent.quantity);
            done.settled.compared = Some(sent.compared);
            done.settled.acked = Some(sent.state.feed_version());
            (done.settled.stale, done.settled.failures) = (false, 0);
            done
        }
        Verdict::Accepted => {
            // Accepted is not applied (rule R55): only a read tells what it shows, and nothing stands in for that.
            let mut unsure = keep("accepted");
            unsure.settled.compared = Some(false);
            unsure.settled.shown = Shown::Unknown {
                last: None,
                as_of: now,
            };
            let why = "it was accepted and does not show".to_owned();
            let mut unsure = retry(unsure, sent, why, ladder);
            let settled = now.plus(sent.settling_ms);
            unsure.settled.due_at = unsure.settled.due_at.max(settled);
            unsure
        }
        Verdict::Pending { .. } => {
            // Its result shows in a later read; until then nothing is certain.
            let mut pending = keep("pending");
            pending.settled.compared = Some(false);
            pending.settled.shown = sent.state.shown.after_lost_answer(sent.quantity, now);
            pending.settled.due_at = now.plus(PENDING_WAIT_MS);
            pending
        }
        Verdict::Stale { shows } => {
            let mut stale = keep("stale");
            stale.settled.compared = Some(false);
            stale.settled.shown = shows.map_or_else(|| sent.state.shown.doubted(), known);
            stale.settled.stale = true;
            // The shop sold in between: that is no failure and spends no attempt. Twice in a row it waits a moment.
            let wait = if sent.state.stale { STALE_WAIT_MS } else { 0 };
            stale.settled.due_at = now.plus(wait);
            stale
        }
        Verdict::Refused(why) => refused(keep("refused"), sent.state.feed_version(), why),
    }
}

/// Tries again on the next rung of the ladder; behind the last at its pace, and told of.
fn retry(mut later: Settlement, sent: &Sent<'_>, why: String, ladder: &Ladder) -> Settlement {
    let failures = sent.state.failures.saturating_add(1);
    later.settled.failures = failures;
    if let Some(due_at) = ladder.next(failures, sent.ended, sent.dice) {
        later.settled.due_at = due_at;
        return later;
    }
    // The letter counts those before it once.
    let told = ladder
        .next(sent.state.failures.max(1), sent.ended, 0)
        .is_none();
    later.dead = Some(GivenUp {
        reason: why,
        attempts: if told { 1 } else { failures },
    });
    later.settled.due_at = ladder.last(sent.ended, sent.dice);
    later
}

/// It would be refused again.
fn refused(mut dead: Settlement, version: i64, why: String) -> Settlement {
    dead.settled.compared = Some(false);
    dead.settled.shown = dead.settled.shown.doubted();
    dead.settled.acked = Some(version);
    dead.dead = Some(GivenUp {
        reason: why,
        attempts: dead.settled.failures.saturating_add(1),
    });
    dead.settled.failures = 0;
    dead
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
    use crate::domain::policy::Supply;

    fn state(failures: u32) -> ListingState {
        ListingState {
            key: ListingKey {
                channel: ChannelId::new("web").unwrap(),
                listing: ListingId::new("7").unwrap(),
            },
            their_sku: None,
            alias: None,
            mapping: None,
            not_publishable: None,
            shown: Shown::Known {
                quantity: 5,
                as_of: Timestamp::from_millis(1),
            },
            compared: false,
            stale: true,
            verified_at: None,
            acked: None,
            failures,
            due_at: Timestamp::from_millis(0),
            feeds: vec![Supply::new(Sku::new("A").unwrap(), 1, 3)],
        }
    }

    #[track_caller]
    fn check(
        failures: u32,
        answer: Result<Verdict, Fault>,
        acked: Option<i64>,
        shown: Shown,
        next: (u32, i64),
    ) -> Settlement {
        let state = state(failures);
        let sent = Sent {
            state: &state,
            quantity: 4,
            compared: false,
            ended: Timestamp::from_millis(1000),
            settling_ms: 3000,
            dice: 0,
        };
        let found = settlement(&sent, answer, &Ladder::default());
        assert_eq!((found.settled.acked, found.settled.shown), (acked, shown));
        assert_eq!(
            (found.settled.failures, found.settled.due_at.millis()),
            next
        );
        found
    }

    fn known(quantity: i64, as_of: i64) -> Shown {
        Shown::Known {
            quantity,
            as_of: Timestamp::from_millis(as_of),
        }
    }

    fn unknown(last: i64, as_of: i64) -> Shown {
        Shown::Unknown {
            last: Some(last),
            as_of: Timestamp::from_millis(as_of),
        }
    }

    #[test]
    fn every_answer_means_one_thing() {
        let text = || "why".to_owned();
        check(2, Ok(Verdict::Applied), Some(3), known(4, 1000), (0, 1000));
        check(
            0,
            Ok(Verdict::Stale { shows: Some(9) }),
            None,
            known(9, 1000),
            (0, 1250),
        );
        check(
            4,
            Ok(Verdict::Stale { shows: None }),
            None,
            unknown(5, 1),
            (4, 1250),
        );
        let dead = check(
            2,
            Ok(Verdict::Refused(text())),
            Some(3),
            unknown(5, 1),
            (0, 1000),
        );
        let told = dead.dead.map(|dead| (dead.reason, dead.attempts));
        assert_eq!(told, Some((text(), 3)));
        let slow = check(
            2,
            Err(Fault::Throttled { after_ms: Some(9) }),
            None,
            known(5, 1),
            (2, 1000),
        );
        assert_eq!(slow.channel, Some(ChannelTrouble::Throttled(Some(9))));
        check(
            2,
            Err(Fault::Unauthorized(text())),
            None,
            known(5, 1),
            (2, 1000),
        );
        check(
            0,
            Err(Fault::Transient(text())),
            None,
            known(5, 1),
            (1, 2000),
        );
        check(
            0,
            Err(Fault::Unknown(text())),
            None,
            unknown(4, 1000),
            (1, 2000),
        );
        // Accepted: nothing is known, and it is read once it has settled.
        let nothing = Shown::Unknown {
            last: None,
            as_of: Timestamp::from_millis(1000),
        };
        check(0, Ok(Verdict::Accepted), None, nothing, (1, 4000));
    }

    #[test]
    fn behind_the_last_rung_it_is_told_of_and_goes_on() {
        let lost = |failures| {
            let answer = Err(Fault::Unknown("why".to_owned()));
            let next = (failures + 1, 601_000);
            check(failures, answer, None, unknown(4, 1000), next).dead
        };
        let attempts = |failures| lost(failures).map(|dead| dead.attempts);
        assert_eq!(attempts(4), None);
        assert_eq!(attempts(5), Some(6));
        assert_eq!(attempts(6), Some(1));
        assert_eq!(attempts(900), Some(1));
    }
}
