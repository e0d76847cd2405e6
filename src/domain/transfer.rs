//! Goods on the way between two places of ours: one act from the shelf that they leave to the shelf that they reach
//! (rule R45).
//!
//! A line keeps how much was sent and how much has arrived *so far*. What is booked is the difference between two states
//! of a line, so that the same news twice moves nothing and older news change nothing. What is on the way is `incoming` at
//! its destination: it is nowhere for sale.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{DocumentId, LocationId, Sku};
use super::stock::{Cause, Movement, Overflow, StockEntry};

/// One SKU of a transfer; every number is what holds so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLine {
    /// The goods.
    pub sku: Sku,
    /// Whose shelf they leave.
    pub from: LocationId,
    /// Where they go.
    pub to: LocationId,
    /// Units that left.
    pub sent: u32,
    /// Units that arrived.
    pub received: u32,
    /// Units that went back to where they came from.
    pub back: u32,
    /// Units that nobody has.
    pub lost: u32,
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
    /// Units are on the way, and nobody said where they are now.
    #[error(
        "{0} units are on the way; hint: say where they are with --goods source, destination or lost"
    )]
    Where(u32),
}

impl TransferLine {
    /// Units that left and are nowhere yet.
    pub fn on_the_way(&self) -> u32 {
        self.sent
            .saturating_sub(self.received)
            .saturating_sub(self.back)
            .saturating_sub(self.lost)
    }

    fn at_source(&self) -> Movement {
        Movement {
            on_hand: i64::from(self.back).saturating_sub(i64::from(self.sent)),
            ..Movement::default()
        }
    }

    fn at_destination(&self) -> Movement {
        Movement {
            on_hand: i64::from(self.received),
            incoming: i64::from(self.on_the_way()),
            ..Movement::default()
        }
    }
}

/// What is known of a line after one more piece of news; each number is the highest that was said, so that news may come
/// in any order. Units that were given up as lost and arrive after all are found again.
///
/// # Errors
/// [`TransferError`]; more than was sent is taken only if `over` says so.
pub fn learn(
    known: Option<&TransferLine>,
    news: &TransferNews,
    over: bool,
) -> Result<TransferLine, TransferError> {
    if news.from == news.to {
        return Err(TransferError::Nowhere(news.from.clone()));
    }
    let mut line = known.cloned().unwrap_or_else(|| TransferLine {
        sku: news.sku.clone(),
        from: news.from.clone(),
        to: news.to.clone(),
        sent: 0,
        received: 0,
        back: 0,
        lost: 0,
    });
    if (&line.from, &line.to) != (&news.from, &news.to) {
        return Err(TransferError::OtherWay {
            from: line.from,
            to: line.to,
        });
    }
    line.sent = line.sent.max(news.sent);
    line.received = line.received.max(news.received);
    let can_arrive = line.sent.saturating_sub(line.back);
    if line.received > can_arrive && !over {
        return Err(TransferError::Over {
            received: line.received,
            sent: can_arrive,
        });
    }
    line.lost = line.lost.min(can_arrive.saturating_sub(line.received));
    Ok(line)
}

/// A line that goes no further: what is on the way is where `goods` says.
///
/// # Errors
/// [`TransferError::Where`] if something is on the way and nothing is said of it.
pub fn cancel(known: &TransferLine, goods: Option<Goods>) -> Result<TransferLine, TransferError> {
    let mut line = known.clone();
    let open = known.on_the_way();
    if open == 0 {
        return Ok(line);
    }
    let place = match goods.ok_or(TransferError::Where(open))? {
        Goods::Source => &mut line.back,
        Goods::Destination => &mut line.received,
        Goods::Lost => &mut line.lost,
    };
    *place = place.saturating_add(open);
    Ok(line)
}

/// The entries that turn one state of a line into the next.
///
/// # Errors
/// [`Overflow`] if a number does not fit.
pub fn entries(
    transfer: &DocumentId,
    old: Option<&TransferLine>,
    new: &TransferLine,
    at: Timestamp,
    by: &str,
) -> Result<Vec<StockEntry>, Overflow> {
    let before = |side: fn(&TransferLine) -> Movement| old.map(side).unwrap_or_default();
    let sides = [
        (&new.from, before(TransferLine::at_source), new.at_source()),
        (
            &new.to,
            before(TransferLine::at_destination),
            new.at_destination(),
        ),
    ];
    let mut entries = Vec::new();
    for (location, old, new_side) in sides {
        let movement = Movement::between(old, new_side)?;
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
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> LocationId {
        LocationId::new(text).unwrap()
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

    /// Shelf of the source, shelf of the destination, on the way there.
    fn moved(old: Option<&TransferLine>, new: &TransferLine) -> (i64, i64, i64) {
        let id = DocumentId::new("T1").unwrap();
        let found = entries(&id, old, new, Timestamp::default(), "test").unwrap();
        let sum = |at: &str| {
            let here = found.iter().filter(|entry| entry.location.as_str() == at);
            here.fold((0, 0), |(shelf, way), entry| {
                (
                    shelf + entry.movement.on_hand,
                    way + entry.movement.incoming,
                )
            })
        };
        (sum("east").0, sum("west").0, sum("west").1)
    }

    /// Rule R45: source −, transit +, destination + on receipt; received so far, not received again.
    #[test]
    fn r45_a_transfer_is_one_act() {
        let sent = learn(None, &news(40, 0), false).unwrap();
        assert_eq!(moved(None, &sent), (-40, 0, 40));
        let part = learn(Some(&sent), &news(40, 15), false).unwrap();
        assert_eq!(moved(Some(&sent), &part), (0, 15, -15));
        let again = learn(Some(&part), &news(40, 15), false).unwrap();
        assert_eq!(moved(Some(&part), &again), (0, 0, 0));
        let older = learn(Some(&part), &news(40, 5), false).unwrap();
        assert_eq!(older, part, "older news change nothing");
        let whole = learn(Some(&part), &news(40, 40), false).unwrap();
        assert_eq!(moved(Some(&part), &whole), (0, 25, -25));
        assert_eq!(whole.on_the_way(), 0);
    }

    #[test]
    fn r45_more_than_was_sent_is_taken_only_when_told_so() {
        let sent = learn(None, &news(10, 0), false).unwrap();
        assert!(matches!(
            learn(Some(&sent), &news(10, 12), false),
            Err(TransferError::Over {
                received: 12,
                sent: 10
            })
        ));
        let over = learn(Some(&sent), &news(10, 12), true).unwrap();
        assert_eq!(moved(Some(&sent), &over), (0, 12, -10));
    }

    #[test]
    fn r45_cancelling_what_was_shipped_asks_where_the_goods_are() {
        let part = learn(None, &news(40, 15), false).unwrap();
        assert_eq!(cancel(&part, None), Err(TransferError::Where(25)));
        for (goods, expected) in [
            (Goods::Source, (25, 0, -25)),
            (Goods::Destination, (0, 25, -25)),
            (Goods::Lost, (0, 0, -25)),
        ] {
            let ended = cancel(&part, Some(goods)).unwrap();
            assert_eq!(moved(Some(&part), &ended), expected, "{goods:?}");
            assert_eq!(ended.on_the_way(), 0);
            assert_eq!(cancel(&ended, None).unwrap(), ended, "it is over already");
        }
        let lost = cancel(&part, Some(Goods::Lost)).unwrap();
        let found = learn(Some(&lost), &news(40, 20), false).unwrap();
        assert_eq!((found.received, found.lost), (20, 20));
        assert_eq!(moved(Some(&lost), &found), (0, 5, 0));
    }

    #[test]
    fn a_transfer_goes_somewhere_and_always_the_same_way() {
        let mut nowhere = news(1, 0);
        nowhere.to = nowhere.from.clone();
        assert!(learn(None, &nowhere, false).is_err());
        let sent = learn(None, &news(1, 0), false).unwrap();
        let mut other = news(1, 1);
        other.to = place("north");
        assert!(learn(Some(&sent), &other, true).is_err());
    }
}
