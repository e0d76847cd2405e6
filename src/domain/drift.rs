//! What a difference between the books and a channel is, what is done about it, and how large the drift is.
//!
//! Three numbers are compared, not two (rule R69): what a listing should show, what we last said or read, and what it
//! shows. Only a difference that stands at a second look counts; what moved between the looks, or changed a moment ago, is
//! in flight. The drift rate is confirmed differences over listings compared, those in flight in neither (rule R73).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::delivery::Shown;

pub use super::share::{NotAShare, Share};

/// What a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A change, a push or a sale of a moment ago: it will pass by itself.
    InFlight,
    /// A sale whose message was lost: found by reading the orders.
    SaleFound,
    /// We sent another number, and it was accepted or refused without effect.
    NotApplied,
    /// Somebody changed the number on the channel.
    Edited,
    /// It shows what there is before the buffer is taken off: a buffer counts twice, or not at all.
    Buffer,
    /// It is off by what is promised to orders: the platform takes or shows gross numbers where net ones were meant.
    GrossNet,
    /// We could not say what it shows.
    Unknown,
    /// The channel does not have the listing, or does not count it.
    NotListed,
    /// The channel has a listing that is none of our goods.
    Unmapped,
}

impl Class {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::SaleFound,
        Self::NotApplied,
        Self::Edited,
        Self::Buffer,
        Self::GrossNet,
        Self::Unknown,
        Self::NotListed,
        Self::Unmapped,
        Self::InFlight,
    ];

    /// The word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::SaleFound => "sale_found",
            Self::NotApplied => "not_applied",
            Self::Edited => "edited",
            Self::Buffer => "buffer",
            Self::GrossNet => "gross_net",
            Self::Unknown => "unknown",
            Self::NotListed => "not_listed",
            Self::Unmapped => "unmapped",
        }
    }

    /// Whether it is a confirmed difference of a listing that was compared.
    pub const fn is_drift(self) -> bool {
        match self {
            Self::SaleFound
            | Self::NotApplied
            | Self::Edited
            | Self::Buffer
            | Self::GrossNet
            | Self::Unknown => true,
            Self::InFlight | Self::NotListed | Self::Unmapped => false,
        }
    }
}

/// What one look at a listing saw. Absent is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The channel did not have it in its answer.
    Absent,
    /// It is there, and the channel does not count it.
    NotCounted,
    /// It shows this much.
    Shows(i64),
}

impl Look {
    /// The number, if there is one.
    pub const fn shows(self) -> Option<i64> {
        match self {
            Self::Shows(quantity) => Some(quantity),
            Self::Absent | Self::NotCounted => None,
        }
    }
}

/// Everything that the judgement needs of one listing, read together right after the second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// What it should show.
    pub desired: i64,
    /// What we believe that it shows.
    pub shown: Shown,
    /// What it showed before the last quantity was sent.
    pub previous: Option<i64>,
    /// When a read last agreed with us.
    pub verified_at: Option<Timestamp>,
    /// A change of its stock has not been acknowledged yet.
    pub dirty: bool,
    /// When the stock that feeds it last changed in the books.
    pub moved_at: Option<Timestamp>,
    /// The oldest order that touches it and that only the reading of orders brought in: when it last changed.
    pub order_found: Option<Timestamp>,
    /// What it would show without any buffer.
    pub unbuffered: i64,
    /// Units of it that are promised to orders and not shipped.
    pub promised: i64,
    /// The first look.
    pub first: Look,
    /// The second look.
    pub second: Look,
    /// When the second look began.
    pub looked_at: Timestamp,
}

/// Whether what is shown is what should be: a number below zero counts as nothing (rule R17).
pub const fn agrees(shows: i64, desired: i64) -> bool {
    shows == desired || (desired == 0 && shows <= 0)
}

/// Judges one listing; `None` if it shows what it should.
///
/// `in_flight_ms` is how long a change, a push or an order counts as under way.
pub fn classify(seen: &Compared, in_flight_ms: i64) -> Option<Class> {
    let shows = match seen.second {
        Look::Absent | Look::NotCounted => return Some(Class::NotListed),
        Look::Shows(shows) if agrees(shows, seen.desired) => return None,
        Look::Shows(shows) => shows,
    };
    let young = |at: Timestamp| seen.looked_at.since(at) < in_flight_ms;
    // The first look may have missed it (pages move); two different numbers are a listing on the move.
    if seen.first != Look::Absent && seen.first != seen.second {
        return Some(Class::InFlight);
    }
    if let Some(at) = seen.order_found {
        // Booked just now, but sold long ago: waiting for it to pass by itself is what nobody did so far.
        return Some(if young(at) {
            Class::InFlight
        } else {
            Class::SaleFound
        });
    }
    if young(seen.shown.as_of()) || seen.moved_at.is_some_and(young) {
        return Some(Class::InFlight);
    }
    if seen.dirty {
        return Some(match seen.shown {
            Shown::Known { .. } => Class::NotApplied,
            Shown::Unknown { .. } => Class::Unknown,
        });
    }
    let Shown::Known { quantity, as_of } = seen.shown else {
        return Some(Class::Unknown);
    };
    if quantity == shows {
        // We know what it shows, it is wrong, and nothing is under way: it was refused.
        return Some(Class::NotApplied);
    }
    if seen.verified_at.is_some_and(|at| at >= as_of) {
        return Some(Class::Edited);
    }
    if seen.previous == Some(shows) {
        return Some(Class::NotApplied);
    }
    let off = shows.saturating_sub(seen.desired);
    Some(
        if seen.unbuffered != seen.desired && shows == seen.unbuffered {
            Class::Buffer
        } else if seen.promised > 0 && off.saturating_abs() == seen.promised {
            Class::GrossNet
        } else {
            Class::Edited
        },
    )
}

/// What is done about an edit on the channel (rule R53).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edits {
    /// Our number is put back.
    #[default]
    PushBack,
    /// The difference is taken into the books, as an adjustment of the stock.
    Adjust,
    /// It is only told.
    Report,
}

impl Edits {
    /// The words in the settings.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("push_back", Self::PushBack),
        ("adjust", Self::Adjust),
        ("report", Self::Report),
    ];

    /// The word in the settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PushBack => "push_back",
            Self::Adjust => "adjust",
            Self::Report => "report",
        }
    }
}

/// What would be done about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Nothing; it is only told.
    Tell,
    /// What it should show is sent to it.
    Push,
    /// So many units of the listing are entered into the stock.
    Adjust(i64),
}

/// What to do about a class of difference: only some of them are repaired by a push (rule R69).
pub fn repair(class: Class, desired: i64, shows: Option<i64>, edits: Edits) -> Repair {
    let Some(shows) = shows else {
        return Repair::Tell;
    };
    match class {
        Class::SaleFound | Class::NotApplied | Class::Unknown => Repair::Push,
        // Sent again it would be off again; but what shows too much is lowered whatever the reason.
        Class::Buffer | Class::GrossNet if desired < shows => Repair::Push,
        Class::Buffer | Class::GrossNet | Class::InFlight | Class::NotListed | Class::Unmapped => {
            Repair::Tell
        }
        Class::Edited => match edits {
            Edits::PushBack => Repair::Push,
            Edits::Adjust => Repair::Adjust(shows.saturating_sub(desired)),
            Edits::Report => Repair::Tell,
        },
    }
}

/// What was counted of one channel, or of all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Listings compared, without those in flight.
    pub compared: usize,
    /// Listings, by what their difference is.
    pub classes: BTreeMap<Class, usize>,
}

impl Tally {
    /// Counts one listing that was looked at.
    pub fn count(&mut self, class: Option<Class>) {
        let compared = class.is_none_or(Class::is_drift);
        self.compared = self.compared.saturating_add(usize::from(compared));
        if let Some(class) = class {
            let count = self.classes.entry(class).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.compared = self.compared.saturating_add(other.compared);
        for (class, more) in &other.classes {
            let count = self.classes.entry(*class).or_default();
            *count = count.saturating_add(*more);
        }
    }

    /// Listings of one class.
    pub fn of(&self, class: Class) -> usize {
        self.classes.get(&class).copied().unwrap_or(0)
    }

    /// Confirmed differences.
    pub fn drifted(&self) -> usize {
        self.classes
            .iter()
            .filter(|(class, _)| class.is_drift())
            .fold(0, |sum: usize, (_, count)| sum.saturating_add(*count))
    }

    /// The drift rate.
    pub fn rate(&self) -> Share {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Share::of(number(self.drifted()), number(self.compared))
    }
}

/// How a drift rate is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Below the healthy line.
    Healthy,
    /// Between the two lines.
    Watch,
    /// Above the alarm line.
    Alarm,
}

impl Health {
    /// Judges a rate by the two lines.
    pub fn of(rate: Share, healthy: Share, alarm: Share) -> Self {
        if rate > alarm {
            Self::Alarm
        } else if rate < healthy || rate == Share::default() {
            Self::Healthy
        } else {
            Self::Watch
        }
    }

    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Watch => "worth watching",
            Self::Alarm => "alarming",
        }
    }
}

#[cfg(test)]
mod tests;
