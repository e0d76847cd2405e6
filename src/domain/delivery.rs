//! What to do about a listing that is dirty: nothing, read, wait for evidence, or send (design D2 and D8).
//!
//! An absolute write can erase a sale that we have not seen. So a *lower* goes out at once, and a *raise* only with
//! evidence: the platform compares for us, or the channel's orders were read after the level that the raise replaces was
//! true. What we believe a channel shows is [`Shown`]; `Unknown` equals nothing, so such a listing is never acknowledged
//! without a call or a read.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::quantity::Quantity;

/// What we believe that a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shown {
    /// This much, as of then. May be negative where a platform shows that (Shopify).
    Known {
        /// Units of the listing.
        quantity: i64,
        /// When it was true, by our clock.
        as_of: Timestamp,
    },
    /// We cannot say.
    Unknown {
        /// The last value that was sent or read, which stands in for the raise test only.
        last: Option<i64>,
        /// When that was.
        as_of: Timestamp,
    },
}

impl Default for Shown {
    fn default() -> Self {
        Self::Unknown {
            last: None,
            as_of: Timestamp::default(),
        }
    }
}

impl Shown {
    /// The value to measure a raise by.
    pub fn stand_in(self) -> Option<i64> {
        match self {
            Self::Known { quantity, .. } => Some(quantity),
            Self::Unknown { last, .. } => last,
        }
    }

    /// Since when that value holds.
    pub fn as_of(self) -> Timestamp {
        match self {
            Self::Known { as_of, .. } | Self::Unknown { as_of, .. } => as_of,
        }
    }

    /// The same, no longer certain.
    #[must_use]
    pub fn doubted(self) -> Self {
        Self::Unknown {
            last: self.stand_in(),
            as_of: self.as_of(),
        }
    }

    /// After a call whose answer was lost: it may have set `sent`, or not. The lower of the two stands in, so that fewer
    /// changes pass as a lower.
    #[must_use]
    pub fn after_lost_answer(self, sent: i64, at: Timestamp) -> Self {
        Self::Unknown {
            last: Some(self.stand_in().map_or(sent, |last| last.min(sent))),
            as_of: at,
        }
    }

    /// After the platform took `taken` units from what it shows (negative: gave back) at a moment of its own clock.
    ///
    /// Clearly later than what we know: the number follows. Otherwise we cannot say whether our number holds it already.
    #[must_use]
    pub fn after_own_sale(self, taken: i64, moment: Timestamp, skew_ms: i64) -> Self {
        match self {
            _ if taken == 0 => self,
            Self::Known { quantity, as_of } if moment >= as_of.plus(skew_ms) => Self::Known {
                quantity: quantity.saturating_sub(taken),
                as_of,
            },
            Self::Known { .. } => self.doubted(),
            Self::Unknown { .. } => self,
        }
    }
}

/// What is true of a platform that the decision needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A write can name the value that it replaces.
    pub compare_and_set: bool,
    /// How long an order may be missing from a read of orders, in ms.
    pub orders_visible_after_ms: i64,
}

/// Where a listing stands when its turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// What it shows.
    pub shown: Shown,
    /// The last compare failed: what it shows was changed by something that we had not seen.
    pub stale: bool,
    /// When the last complete read of the channel's orders began.
    pub orders_read: Option<Timestamp>,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It shows what it should: done without a call.
    Acknowledge,
    /// Send the quantity; compare with this value where the platform can.
    Send {
        /// What it must show for the write to count.
        compare: Option<i64>,
    },
    /// Nothing is known of what it shows, and sending could be a raise: read it first.
    Read,
    /// It would be a raise: wait until the channel's orders have been read.
    AwaitOrders,
}

/// Decides for one listing.
///
/// A listing at or below zero that should show nothing is left alone: writing 0 over a negative number invents stock on
/// some platforms (rule R17).
pub fn step(desired: Quantity, position: Position, rules: Rules) -> Step {
    let wanted = i64::from(desired);
    let known = match position.shown {
        Shown::Known { quantity, .. } => Some(quantity),
        Shown::Unknown { .. } => None,
    };
    if known.is_some_and(|shown| shown == wanted || (wanted == 0 && shown <= 0)) {
        return Step::Acknowledge;
    }
    let Some(stand_in) = position.shown.stand_in() else {
        return Step::Read;
    };
    // It may be below zero, or far above: only a read tells.
    if wanted == 0 && stand_in <= 0 {
        return Step::Read;
    }
    if wanted <= stand_in {
        return Step::Send {
            compare: Some(stand_in),
        };
    }
    let compared = rules.compare_and_set && known.is_some() && !position.stale;
    if compared || orders_seen(position, rules) {
        return Step::Send {
            compare: Some(stand_in),
        };
    }
    Step::AwaitOrders
}

/// Whether the channel's orders were read after the level was true, and late enough to hold what had been sold by then.
fn orders_seen(position: Position, rules: Rules) -> bool {
    let late_enough = position.shown.as_of().plus(rules.orders_visible_after_ms);
    position.orders_read.is_some_and(|read| read > late_enough)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAS: Rules = Rules {
        compare_and_set: true,
        orders_visible_after_ms: 0,
    };
    const PLAIN: Rules = Rules {
        compare_and_set: false,
        orders_visible_after_ms: 100,
    };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn known(quantity: i64) -> Shown {
        Shown::Known {
            quantity,
            as_of: at(1000),
        }
    }

    fn unknown(last: Option<i64>) -> Shown {
        Shown::Unknown {
            last,
            as_of: at(1000),
        }
    }

    #[track_caller]
    fn check(
        wanted: i64,
        shown: Shown,
        stale: bool,
        orders_read: Option<i64>,
        rules: Rules,
        expected: Step,
    ) {
        let position = Position {
            shown,
            stale,
            orders_read: orders_read.map(at),
        };
        assert_eq!(
            step(Quantity::clamped(wanted), position, rules),
            expected,
            "{wanted} over {position:?}"
        );
    }

    #[test]
    fn what_is_right_is_left_alone() {
        check(5, known(5), false, None, PLAIN, Step::Acknowledge);
        check(0, known(0), false, None, CAS, Step::Acknowledge);
        check(0, known(-10), false, None, CAS, Step::Acknowledge);
    }

    #[test]
    fn unknown_equals_nothing() {
        check(
            5,
            unknown(Some(5)),
            false,
            None,
            PLAIN,
            Step::Send { compare: Some(5) },
        );
        check(5, unknown(None), false, Some(5000), PLAIN, Step::Read);
        check(0, unknown(Some(0)), false, None, CAS, Step::Read);
        check(0, unknown(Some(-10)), false, Some(5000), PLAIN, Step::Read);
    }

    #[test]
    fn a_lower_goes_out_at_once() {
        for rules in [CAS, PLAIN] {
            check(
                4,
                known(5),
                false,
                None,
                rules,
                Step::Send { compare: Some(5) },
            );
            check(
                4,
                known(5),
                true,
                None,
                rules,
                Step::Send { compare: Some(5) },
            );
            check(
                4,
                unknown(Some(5)),
                false,
                None,
                rules,
                Step::Send { compare: Some(5) },
            );
        }
    }

    #[test]
    fn a_raise_needs_evidence() {
        check(
            6,
            known(5),
            false,
            None,
            CAS,
            Step::Send { compare: Some(5) },
        );
        check(6, known(5), true, None, CAS, Step::AwaitOrders);
        check(
            6,
            known(5),
            true,
            Some(1001),
            CAS,
            Step::Send { compare: Some(5) },
        );
        check(6, unknown(Some(5)), false, None, CAS, Step::AwaitOrders);
        check(6, known(5), false, None, PLAIN, Step::AwaitOrders);
        check(6, known(5), false, Some(1000), PLAIN, Step::AwaitOrders);
        check(6, known(5), false, Some(1100), PLAIN, Step::AwaitOrders);
        check(
            6,
            known(5),
            false,
            Some(1101),
            PLAIN,
            Step::Send { compare: Some(5) },
        );
    }

    #[test]
    fn a_sale_on_the_channel_itself_lowers_what_it_shows() {
        let shown = known(10);
        assert_eq!(
            shown.after_own_sale(3, at(3000), 2000),
            Shown::Known {
                quantity: 7,
                as_of: at(1000)
            }
        );
        assert_eq!(
            shown.after_own_sale(-3, at(3000), 2000),
            Shown::Known {
                quantity: 13,
                as_of: at(1000)
            }
        );
        assert_eq!(shown.after_own_sale(3, at(2999), 2000), unknown(Some(10)));
        assert_eq!(shown.after_own_sale(0, at(0), 2000), shown);
    }

    #[test]
    fn a_lost_answer_leaves_the_lower_number_to_stand_in() {
        assert_eq!(
            known(10).after_lost_answer(7, at(9)),
            Shown::Unknown {
                last: Some(7),
                as_of: at(9)
            }
        );
        assert_eq!(
            known(10).after_lost_answer(12, at(9)),
            Shown::Unknown {
                last: Some(10),
                as_of: at(9)
            }
        );
    }
}
