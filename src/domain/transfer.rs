//! Goods on the way between two places of ours: one act from the shelf that they leave to the shelf that they reach
//! (rule R45).
//!
//! A line keeps the news of it by their times: how much was sent and how much had arrived *so far*. What is booked is a
//! function of that set, at the times that the news name, so that the same news twice moves nothing, older news that come
//! late change no total, and a count in between is compared with what was true then (rule R47). What is on the way is
//! `incoming` at its destination: it is nowhere for sale.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{DocumentId, LocationId, Sku};
use super::stock::{Cause, Movement, Overflow, StockEntry};

/// Most times that one line has news of; more come only from a mistake.
pub const NEWS_MAX: usize = 1_000;

/// One SKU of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLine {
    /// The goods.
    pub sku: Sku,
    /// Whose shelf they leave.
    pub from: LocationId,
    /// Where they go.
    pub to: LocationId,
    /// What was so at a time, in the order of time; at one time once.
    news: Vec<(Timestamp, Told)>,
}

/// Numbers that hold so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// Units that left.
    pub sent: u32,
    /// Units that arrived.
    pub received: u32,
    /// Units that went back to where they came from.
    #[serde(default)]
    pub back: u32,
    /// Units that nobody has, as far as is known.
    #[serde(default)]
    pub lost: u32,
}

impl Told {
    /// Each number is the highest that was said.
    fn and(self, more: Self) -> Self {
        Self {
            sent: self.sent.max(more.sent),
            received: self.received.max(more.received),
            back: self.back.max(more.back),
            lost: self.lost.max(more.lost),
        }
    }

    /// Units that left and are nowhere yet. What was given up as lost and arrived after all is not on the way either.
    pub fn on_the_way(self) -> u32 {
        self.sent
            .saturating_sub(self.received)
            .saturating_sub(self.back)
            .saturating_sub(self.lost)
    }

    fn at_source(self) -> Movement {
        Movement {
            on_hand: i64::from(self.back).saturating_sub(i64::from(self.sent)),
            ..Movement::default()
        }
    }

    fn at_destination(self) -> Movement {
        Movement {
            on_hand: i64::from(self.received),
            incoming: i64::from(self.on_the_way()),
            ..Movement::default()
        }
    }
}

/// What one piece of news says of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferNews {
    /// The goods.
    pub sku: Sku,
    /// Whose shelf they leave.
    pub from: LocationId,
    /// Where they go.
    pub to: LocationId,
    /// Units sent so far.
    pub sent: u32,
    /// Units received so far.
    pub received: u32,
}

/// Where the goods of a cancelled transfer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goods {
    /// Back where they came from.
    Source,
    /// At their destination after all.
    Destination,
    /// Nowhere.
    Lost,
}

/// Why news of a transfer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// It goes nowhere.
    #[error("it goes from {0} to {0}")]
    Nowhere(LocationId),
    /// It is known between other places.
    #[error("it is known from {from} to {to}; hint: a new transfer has a new name")]
    OtherWay {
        /// Whose shelf the goods left.
        from: LocationId,
        /// Where they go.
        to: LocationId,
    },
    /// More arrived than left.
    #[error(
        "{received} were received and {sent} were sent; hint: count again, or take them with --over"
    )]
    Over {
        /// Units received so far.
        received: u32,
        /// Units that can arrive.
        sent: u32,
    },
    /// There is no end of it.
    #[error("it has news of {NEWS_MAX} times already; hint: begin a new transfer")]
    TooMuch,
    /// Units are on the way, and nobody said where they are now.
    #[error(
        "{0} units are on the way; hint: say where they are with --goods source, destination or lost"
    )]
    Where(u32),
}

impl TransferLine {
    /// What holds now.
    pub fn told(&self) -> Told {
        let all = self.news.iter().map(|(_, told)| *told);
        all.fold(Told::default(), Told::and)
    }

    /// The line with one more piece of news; the same if it says nothing new of that time.
    fn with(&self, at: Timestamp, more: Told) -> Self {
        let mut line = self.clone();
        let by_then = self.news.iter().filter(|(time, _)| *time <= at);
        let known = by_then.fold(Told::default(), |sum, (_, told)| sum.and(*told));
        if known.and(more) == known {
            return line;
        }
        match line.news.binary_search_by_key(&at, |(time, _)| *time) {
            Ok(place) => {
                if let Some((_, told)) = line.news.get_mut(place) {
                    *told = told.and(more);
                }
            }
            Err(place) => line.news.insert(place, (at, more)),
        }
        line
    }

    /// What the news of each time moved, at the source and at the destination.
    fn moved(&self) -> Result<BTreeMap<Timestamp, [Movement; 2]>, Overflow> {
        let mut before = Told::default();
        let mut moved = BTreeMap::new();
        for (at, told) in &self.news {
            let after = before.and(*told);
            let sides = [
                Movement::between(before.at_source(), after.at_source())?,
                Movement::between(before.at_destination(), after.at_destination())?,
            ];
            moved.insert(*at, sides);
            before = after;
        }
        Ok(moved)
    }
}

/// What is known of a line after one more piece of news; each number is the highest that was said, so that news may come
/// in any order.
///
/// # Errors
/// [`TransferError`]; more than was sent is taken only if `over` says so.
pub fn learn(
    known: Option<&TransferLine>,
    news: &TransferNews,
    at: Timestamp,
    over: bool,
) -> Result<TransferLine, TransferError> {
    if news.from == news.to {
        return Err(TransferError::Nowhere(news.from.clone()));
    }
    let line = known.cloned().unwrap_or_else(|| TransferLine {
        sku: news.sku.clone(),
        from: news.from.clone(),
        to: news.to.clone(),
        news: Vec::new(),
    });
    if (&line.from, &line.to) != (&news.from, &news.to) {
        return Err(TransferError::OtherWay {
            from: line.from,
            to: line.to,
        });
    }
    let more = Told {
        sent: news.sent,
        received: news.received,
        ..Told::default()
    };
    let after = line.with(at, more);
    let told = after.told();
    let can_arrive = told.sent.saturating_sub(told.back);
    if told.received > can_arrive && told.received > line.told().received && !over {
        return Err(TransferError::Over {
            received: told.received,
            sent: can_arrive,
        });
    }
    if after.news.len() > NEWS_MAX {
        return Err(TransferError::TooMuch);
    }
    Ok(after)
}

/// A line that goes no further: what is on the way is where `goods` says.
///
/// # Errors
/// [`TransferError::Where`] if something is on the way and nothing is said of it.
pub fn cancel(
    known: &TransferLine,
    goods: Option<Goods>,
    at: Timestamp,
) -> Result<TransferLine, TransferError> {
    let mut told = known.told();
    let open = told.on_the_way();
    if open == 0 {
        return Ok(known.clone());
    }
    let place = match goods.ok_or(TransferError::Where(open))? {
        Goods::Source => &mut told.back,
        Goods::Destination => &mut told.received,
        Goods::Lost => &mut told.lost,
    };
    *place = place.saturating_add(open);
    Ok(known.with(at, told))
}

/// The entries that turn one state of a line into the next, at the times of the news.
///
/// # Errors
/// [`Overflow`] if a number does not fit.
pub fn entries(
    transfer: &DocumentId,
    old: Option<&TransferLine>,
    new: &TransferLine,
    by: &str,
) -> Result<Vec<StockEntry>, Overflow> {
    let before = old.map_or_else(|| Ok(BTreeMap::new()), TransferLine::moved)?;
    let after = new.moved()?;
    let mut times: Vec<_> = before.keys().chain(after.keys()).copied().collect();
    times.sort();
    times.dedup();
    let mut entries = Vec::new();
    for at in times {
        let [out_before, in_before] = before.get(&at).copied().unwrap_or_default();
        let [out_after, in_after] = after.get(&at).copied().unwrap_or_default();
        let sides = [
            (&new.from, Movement::between(out_before, out_after)?),
            (&new.to, Movement::between(in_before, in_after)?),
        ];
        for (location, movement) in sides {
            if !movement.is_nothing() {
                entries.push(StockEntry {
                    sku: new.sku.clone(),
                    location: location.clone(),
                    movement,
                    at,
                    cause: Cause::Transfer {
                        transfer: transfer.clone(),
                        by: by.to_owned(),
                    },
                });
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> LocationId {
        LocationId::new(text).unwrap()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn news(sent: u32, received: u32) -> TransferNews {
        TransferNews {
            sku: Sku::new("A").unwrap(),
            from: place("east"),
            to: place("west"),
            sent,
            received,
        }
    }

    fn told(known: Option<&TransferLine>, numbers: (u32, u32), ms: i64) -> TransferLine {
        learn(known, &news(numbers.0, numbers.1), at(ms), false).unwrap()
    }

    /// Shelf of the source, shelf of the destination, on the way there: by `until`.
    fn moved_by(old: Option<&TransferLine>, new: &TransferLine, until: i64) -> (i64, i64, i64) {
        let id = DocumentId::new("T1").unwrap();
        let found = entries(&id, old, new, "test").unwrap();
        let sum = |side: &str, part: fn(&Movement) -> i64| -> i64 {
            let here = found.iter().filter(|entry| entry.at <= at(until));
            here.filter(|entry| entry.location.as_str() == side)
                .map(|entry| part(&entry.movement))
                .sum()
        };
        (
            sum("east", |m| m.on_hand),
            sum("west", |m| m.on_hand),
            sum("west", |m| m.incoming),
        )
    }

    fn moved(old: Option<&TransferLine>, new: &TransferLine) -> (i64, i64, i64) {
        moved_by(old, new, i64::MAX)
    }

    /// Rule R45: source −, transit +, destination + on receipt; received so far, not received again.
    #[test]
    fn r45_a_transfer_is_one_act() {
        let sent = told(None, (40, 0), 1);
        assert_eq!(moved(None, &sent), (-40, 0, 40));
        let part = told(Some(&sent), (40, 15), 2);
        assert_eq!(moved(Some(&sent), &part), (0, 15, -15));
        let again = told(Some(&part), (40, 15), 3);
        assert_eq!(again, part, "nothing new");
        let whole = told(Some(&part), (40, 40), 4);
        assert_eq!(moved(Some(&part), &whole), (0, 25, -25));
        assert_eq!(whole.told().on_the_way(), 0);
    }

    #[test]
    fn r47_news_of_a_transfer_may_come_in_any_order() {
        let steps = [((40, 0), 1), ((40, 15), 2), ((40, 30), 5)];
        let straight = steps
            .iter()
            .fold(None, |known: Option<TransferLine>, (n, ms)| {
                Some(told(known.as_ref(), *n, *ms))
            });
        for order in [[2, 1, 0], [1, 2, 0], [2, 0, 1], [0, 2, 1]] {
            let mut known: Option<TransferLine> = None;
            let (mut then, mut now) = ((0, 0, 0), (0, 0, 0));
            for n in order.into_iter().chain(order) {
                let (numbers, ms) = steps[n];
                let next = told(known.as_ref(), numbers, ms);
                let add =
                    |a: (i64, i64, i64), b: (i64, i64, i64)| (a.0 + b.0, a.1 + b.1, a.2 + b.2);
                then = add(then, moved_by(known.as_ref(), &next, 3));
                now = add(now, moved(known.as_ref(), &next));
                known = Some(next);
            }
            assert_eq!(
                then,
                moved_by(None, straight.as_ref().unwrap(), 3),
                "{order:?}"
            );
            assert_eq!(now, (-40, 30, 10), "{order:?}");
        }
    }

    #[test]
    fn r45_more_than_was_sent_is_taken_only_when_told_so() {
        let sent = told(None, (10, 0), 1);
        assert!(matches!(
            learn(Some(&sent), &news(10, 12), at(2), false),
            Err(TransferError::Over {
                received: 12,
                sent: 10
            })
        ));
        let over = learn(Some(&sent), &news(10, 12), at(2), true).unwrap();
        assert_eq!(moved(Some(&sent), &over), (0, 12, -10));
        assert_eq!(told(Some(&over), (10, 12), 3), over, "and then it is known");
    }

    #[test]
    fn r45_cancelling_what_was_shipped_asks_where_the_goods_are() {
        let part = told(None, (40, 15), 1);
        assert_eq!(cancel(&part, None, at(2)), Err(TransferError::Where(25)));
        for (goods, expected) in [
            (Goods::Source, (25, 0, -25)),
            (Goods::Destination, (0, 25, -25)),
            (Goods::Lost, (0, 0, -25)),
        ] {
            let ended = cancel(&part, Some(goods), at(2)).unwrap();
            assert_eq!(moved(Some(&part), &ended), expected, "{goods:?}");
            assert_eq!(ended.told().on_the_way(), 0);
            assert_eq!(
                cancel(&ended, None, at(3)).unwrap(),
                ended,
                "it is over already"
            );
        }
        let lost = cancel(&part, Some(Goods::Lost), at(2)).unwrap();
        let found = told(Some(&lost), (40, 20), 3);
        assert_eq!(moved(Some(&lost), &found), (0, 5, 0), "five were found");
    }

    #[test]
    fn a_transfer_goes_somewhere_and_always_the_same_way() {
        let mut nowhere = news(1, 0);
        nowhere.to = nowhere.from.clone();
        assert!(learn(None, &nowhere, at(1), false).is_err());
        let sent = told(None, (1, 0), 1);
        let mut other = news(1, 1);
        other.to = place("north");
        assert!(learn(Some(&sent), &other, at(2), true).is_err());
    }
}
