//! An order message is a snapshot with a version; what is booked is the difference to its target state (design D1).
//!
//! Duplicates, reordering and lost messages then converge by themselves: the booked effect of an order is a function of
//! the *set* of its snapshots, never of the way in which they came. Nothing here knows about SKUs' balances; see
//! [`super::stock`].

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{ChannelId, LineId, ListingId, LocationId, OrderId};

/// Which state of an order is the newer one.
///
/// `at` is the platform's own time of the last change. Platforms that count in whole seconds can give two states one
/// time; then the higher `rank` wins, by the life cycle (a cancelled order does not come back to pending). Two
/// different states with one version are a tie: the larger content stands in, and the order is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// When the platform says that this state came about.
    pub at: Timestamp,
    /// Place in the platform's life cycle; later states have higher ranks.
    pub rank: u8,
}

/// What should be true of one order line now, in the units of its listing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct LineTarget {
    /// Shipped so far, in all. Stands first, so that of two states of one version the later in life is the larger.
    pub shipped: u32,
    /// Promised and not yet shipped.
    pub committed: u32,
    /// Of the shipped ones, put back into stock.
    pub returned: u32,
    /// Taken from the number that the platform itself shows; what it gave back is out again.
    pub taken_by_channel: u32,
}

impl LineTarget {
    /// The same with `returned` held to what was shipped: never more is put back than was taken (rule R8).
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            returned: self.returned.min(self.shipped),
            ..self
        }
    }
}

/// One line of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSnapshot {
    /// The platform's id of the line; stable over the order's life.
    pub line: LineId,
    /// Which listing was sold: its id or its alias, as the platform names it on orders.
    pub listing: Option<ListingId>,
    /// The SKU text on the line; empty when the platform gives none. Used when the listing is not known.
    pub sku: String,
    /// Where the channel says that it will ship from; where its listing or the channel ships from if it does not say.
    pub location: Option<LocationId>,
    /// What should be true now, all places together.
    pub target: LineTarget,
    /// Parts of that which are elsewhere: shipped from another place, or received back at one (rules R9 and R44).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Part>,
}

/// A part of an order line at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Part {
    /// Where.
    pub location: LocationId,
    /// What of the line's target is true there; `taken_by_channel` stands in `taken`.
    pub target: LineTarget,
    /// Of what was returned there, units that are not for sale.
    #[serde(default)]
    pub damaged: u32,
    /// What the platform took from the number that it shows for this place; below 0: it gave back more there than it took.
    /// The rest of what it took, it took where the rest of the line is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub taken: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(units: &i64) -> bool {
    *units == 0
}

/// That an order is not sure yet: it was not paid (rule R11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pending {
    /// It promises its units until then.
    Until(Timestamp),
    /// It promises them as long as an earlier state said; a payment failed, and may be tried again.
    AsBefore,
}

/// The state of one order at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSnapshot {
    /// The channel that it came from.
    pub channel: ChannelId,
    /// The platform's id of the order.
    pub order: OrderId,
    /// Which state of the order this is.
    pub version: Version,
    /// When the buyer placed it, by the platform's clock.
    pub placed_at: Timestamp,
    /// When the read began that brought it, by our clock; `None` for a message. Of two states of one version the one that
    /// was read later is the newer.
    pub read_at: Option<Timestamp>,
    /// It may come to nothing, and promises its units for a time only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// All lines that the order has now. A line that an older state had and this one has not is removed: nothing of it
    /// is promised any more, and what it shipped stays shipped.
    pub lines: Vec<LineSnapshot>,
}

impl OrderSnapshot {
    /// Lines in the order of their ids, bounded; two lines with one id keep the larger.
    #[must_use]
    pub fn tidy(mut self) -> Self {
        for line in &mut self.lines {
            line.target = line.target.bounded();
            line.elsewhere.sort();
        }
        self.lines
            .sort_by(|a, b| a.line.cmp(&b.line).then(b.target.cmp(&a.target)));
        self.lines.dedup_by(|a, b| a.line == b.line);
        self
    }

    /// What decides between two states of one version: the lines' targets, so that any order of arrival ends alike.
    pub fn content(&self) -> Vec<(&LineId, LineTarget)> {
        self.lines
            .iter()
            .map(|line| (&line.line, line.target))
            .collect()
    }
}

/// How a snapshot compares to what is known of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The first that is known of this order.
    First,
    /// A newer version: it replaces the targets.
    Newer,
    /// The same version and the same targets: nothing to do.
    Same,
    /// The same version with other targets: the larger content stands in until the order was fetched.
    Tie {
        /// Whether the new one is the larger.
        wins: bool,
    },
    /// An older version: kept for the record, no effect on the targets.
    Older,
}

/// The newest state that is known of an order.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its version.
    pub version: Version,
    /// When it was read, if it was.
    pub read_at: Option<Timestamp>,
    /// Its targets, in the order of line ids.
    pub targets: &'a [(LineId, LineTarget)],
}

/// Compares a tidy snapshot with the known version and targets of its order (in the order of line ids).
pub fn standing(snapshot: &OrderSnapshot, known: Option<Known<'_>>) -> Standing {
    let Some(Known {
        version,
        read_at,
        targets,
    }) = known
    else {
        return Standing::First;
    };
    match snapshot.version.cmp(&version) {
        std::cmp::Ordering::Greater => Standing::Newer,
        std::cmp::Ordering::Less => Standing::Older,
        std::cmp::Ordering::Equal => {
            let known: Vec<_> = targets
                .iter()
                .map(|(line, target)| (line, *target))
                .collect();
            let content = snapshot.content();
            match content.cmp(&known) {
                std::cmp::Ordering::Equal => Standing::Same,
                _ if snapshot.read_at > read_at => Standing::Newer,
                _ if snapshot.read_at < read_at => Standing::Tie { wins: false },
                std::cmp::Ordering::Greater => Standing::Tie { wins: true },
                std::cmp::Ordering::Less => Standing::Tie { wins: false },
            }
        }
    }
}

/// What a count already holds of an order that was placed before it (design D1, day one).
///
/// The count is of a time T. Of the snapshots of an order that was placed before T, the newest of at most T says what had
/// already left the shelf; if only later ones are known, the oldest of them stands in. That is a function of the set of
/// snapshots, so arrival does not matter, and an older snapshot that comes late may still move the baseline.
///
/// Returns whether `candidate` is a better baseline than `current`.
pub fn better_baseline(candidate: Version, current: Version, counted_at: Timestamp) -> bool {
    match (candidate.at <= counted_at, current.at <= counted_at) {
        (true, true) => candidate > current,
        (true, false) => true,
        (false, true) => false,
        (false, false) => candidate < current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(at: i64, rank: u8, committed: &[u32]) -> OrderSnapshot {
        OrderSnapshot {
            channel: ChannelId::new("shop").unwrap(),
            order: OrderId::new("1").unwrap(),
            version: Version {
                at: Timestamp::from_millis(at),
                rank,
            },
            placed_at: Timestamp::from_millis(0),
            read_at: None,
            pending: None,
            lines: committed
                .iter()
                .enumerate()
                .map(|(n, &committed)| LineSnapshot {
                    line: LineId::new(&n.to_string()).unwrap(),
                    listing: None,
                    sku: "A".into(),
                    location: None,
                    elsewhere: Vec::new(),
                    target: LineTarget {
                        committed,
                        ..LineTarget::default()
                    },
                })
                .collect(),
        }
        .tidy()
    }

    #[track_caller]
    fn check(new: &OrderSnapshot, old: Option<&OrderSnapshot>, expected: Standing) {
        let targets: Vec<_> = old
            .iter()
            .flat_map(|o| o.lines.iter().map(|l| (l.line.clone(), l.target)))
            .collect();
        assert_eq!(
            standing(
                new,
                old.map(|o| Known {
                    version: o.version,
                    read_at: o.read_at,
                    targets: &targets
                })
            ),
            expected
        );
    }

    #[test]
    fn versions_decide_and_not_arrival() {
        check(&snapshot(2, 0, &[3]), None, Standing::First);
        check(
            &snapshot(2, 0, &[3]),
            Some(&snapshot(1, 0, &[2])),
            Standing::Newer,
        );
        check(
            &snapshot(1, 0, &[2]),
            Some(&snapshot(2, 0, &[3])),
            Standing::Older,
        );
        check(
            &snapshot(1, 0, &[2]),
            Some(&snapshot(1, 0, &[2])),
            Standing::Same,
        );
        check(
            &snapshot(1, 9, &[0]),
            Some(&snapshot(1, 0, &[2])),
            Standing::Newer,
        );
        check(
            &snapshot(1, 0, &[3]),
            Some(&snapshot(1, 0, &[2])),
            Standing::Tie { wins: true },
        );
        check(
            &snapshot(1, 0, &[1]),
            Some(&snapshot(1, 0, &[2])),
            Standing::Tie { wins: false },
        );
    }

    #[test]
    fn what_was_read_later_is_newer_and_a_message_asks_for_another_read() {
        let read = |ms, committed: &[u32]| OrderSnapshot {
            read_at: Some(Timestamp::from_millis(ms)),
            ..snapshot(1, 0, committed)
        };
        check(&read(5, &[1]), Some(&snapshot(1, 0, &[3])), Standing::Newer);
        check(&read(6, &[1]), Some(&read(5, &[3])), Standing::Newer);
        check(&read(6, &[3]), Some(&read(5, &[3])), Standing::Same);
        check(
            &read(4, &[4]),
            Some(&read(5, &[3])),
            Standing::Tie { wins: false },
        );
        check(
            &snapshot(1, 0, &[4]),
            Some(&read(5, &[3])),
            Standing::Tie { wins: false },
        );
    }

    #[test]
    fn more_is_never_put_back_than_was_shipped() {
        let target = LineTarget {
            shipped: 2,
            returned: 5,
            ..LineTarget::default()
        };
        assert_eq!(target.bounded().returned, 2);
    }

    #[test]
    fn the_newest_snapshot_up_to_the_count_is_the_baseline() {
        let v = |at| Version {
            at: Timestamp::from_millis(at),
            rank: 0,
        };
        let counted = Timestamp::from_millis(10);
        assert!(
            better_baseline(v(5), v(3), counted),
            "both before: the newer"
        );
        assert!(
            better_baseline(v(10), v(11), counted),
            "one before: that one"
        );
        assert!(!better_baseline(v(11), v(10), counted));
        assert!(
            better_baseline(v(12), v(15), counted),
            "both after: the older"
        );
        assert!(!better_baseline(v(12), v(12), counted));
    }
}
