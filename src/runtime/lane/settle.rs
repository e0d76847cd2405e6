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
    /// When the call ended.
    pub(super) ended: Timestamp,
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
    /// Given up, with the reason.
    pub(super) dead: Option<String>,
    /// Why the whole channel waits, if it does.
    pub(super) channel: Option<ChannelTrouble>,
}

/// Trouble that is not the item's: it spends none of its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChannelTrouble {
    /// Too fast.
    Throttled(Option<u64>),
    /// The credentials are not accepted.
    AuthLost(String),
}

/// Decides what one answer means.
///
/// A refusal acknowledges the version that was refused: repeating it would be refused again, and the next change of
/// stock tries anew (rule R56). What the listing shows is not certain then.
pub(super) fn settlement(
    sent: &Sent<'_>,
    answer: Result<Verdict, Fault>,
    ladder: &Ladder,
) -> Settlement {
    let now = sent.ended;
    let version = sent.state.feed_version();
    let keep = |word| Settlement {
        settled: Settled {
            key: sent.state.key.clone(),
            shown: sent.state.shown,
            stale: sent.state.stale,
            acked: None,
            verified_at: None,
            failures: sent.state.failures,
            due_at: now,
        },
        word,
        dead: None,
        channel: None,
    };
    match answer {
        Ok(verdict) => accepted(keep, sent, verdict),
        Err(Fault::Rejected(why) | Fault::Gone(why)) => give_up(keep("refused"), version, why),
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
        Err(Fault::Transient(why)) => retry(keep("failed"), sent, version, why, ladder),
        Err(Fault::Forged) => retry(
            keep("failed"),
            sent,
            version,
            "forged answer".to_owned(),
            ladder,
        ),
        Err(Fault::Unknown(why) | Fault::Unreadable(why)) => {
            let mut lost = keep("answer lost");
            lost.settled.shown = sent
                .state
                .shown
                .after_lost_answer(sent.quantity, sent.ended);
            retry(lost, sent, version, why, ladder)
        }
    }
}

/// What a verdict of the platform means.
fn accepted(
    keep: impl Fn(&'static str) -> Settlement,
    sent: &Sent<'_>,
    verdict: Verdict,
) -> Settlement {
    let now = sent.ended;
    let known = |quantity| Shown::Known {
        quantity,
        as_of: now,
    };
    match verdict {
        Verdict::Applied | Verdict::Accepted => {
            let mut done = keep("applied");
            done.settled.shown = known(sent.quantity);
            done.settled.acked = Some(sent.state.feed_version());
            (done.settled.stale, done.settled.failures) = (false, 0);
            done
        }
        Verdict::Pending { .. } => {
            // Its result shows in a later read; until then nothing is certain.
            let mut pending = keep("pending");
            pending.settled.shown = sent.state.shown.after_lost_answer(sent.quantity, now);
            pending.settled.due_at = now.plus(PENDING_WAIT_MS);
            pending
        }
        Verdict::Stale { shows } => {
            let mut stale = keep("stale");
            stale.settled.shown = shows.map_or_else(|| sent.state.shown.doubted(), known);
            stale.settled.stale = true;
            // The shop sold in between: that is no failure and spends no attempt. Twice in a row it waits a moment.
            let wait = if sent.state.stale { STALE_WAIT_MS } else { 0 };
            stale.settled.due_at = now.plus(wait);
            stale
        }
        Verdict::Refused(why) => give_up(keep("refused"), sent.state.feed_version(), why),
    }
}

/// Tries again on the next rung of the ladder, or gives up behind the last.
fn retry(
    mut later: Settlement,
    sent: &Sent<'_>,
    version: i64,
    why: String,
    ladder: &Ladder,
) -> Settlement {
    let failures = sent.state.failures.saturating_add(1);
    later.settled.failures = failures;
    match ladder.next(failures, sent.ended, sent.dice) {
        Some(due_at) => {
            later.settled.due_at = due_at;
            later
        }
        None => give_up(later, version, why),
    }
}

fn give_up(mut dead: Settlement, version: i64, why: String) -> Settlement {
    dead.settled.shown = dead.settled.shown.doubted();
    dead.settled.acked = Some(version);
    dead.settled.failures = 0;
    dead.dead = Some(why);
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
            stale: true,
            verified_at: None,
            acked: None,
            failures,
            due_at: Timestamp::from_millis(0),
            feeds: vec![Supply {
                sku: Sku::new("A").unwrap(),
                units: 1,
                version: 3,
                tier: None,
                places: vec![],
            }],
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
            ended: Timestamp::from_millis(1000),
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
        assert_eq!(dead.dead.as_deref(), Some("why"));
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
        let dead = check(
            5,
            Err(Fault::Unknown(text())),
            Some(3),
            unknown(4, 1000),
            (0, 1000),
        );
        assert!(dead.dead.is_some(), "after the last rung");
    }
}
