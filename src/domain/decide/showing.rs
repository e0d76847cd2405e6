//! What listings show, as far as messages tell: levels that channels report, and what platforms took for orders.

use std::collections::BTreeMap;

use super::books::{Books, ChannelRules, LineRow};
use crate::domain::booking::OrderRecord;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::ids::{ChannelId, LineId, ListingId};
use crate::domain::message::Level;

/// What a reported level says about what we believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It is what we believed, or what we sent: an echo.
    Agrees,
    /// It shows something else.
    Differs,
    /// It says nothing: the listing is not known or not counted, a call is under way, or it is not clearly newer.
    Nothing(&'static str),
}

/// Takes in a level that a channel reported by itself (design D2). Levels never move master (design D9).
pub fn observe(
    books: &mut Books,
    channel: &ChannelId,
    level: &Level,
    received_at: Timestamp,
    rules: &ChannelRules,
) -> Observed {
    let Some((id, row)) = books.listing(channel, &level.listing) else {
        return Observed::Nothing("the listing is not known");
    };
    let Some(quantity) = level.shows else {
        return Observed::Nothing("the channel does not count it");
    };
    if row.sending {
        return Observed::Nothing("a call to the listing was under way");
    }
    let at = level.at.unwrap_or(received_at).min(received_at);
    let agrees = matches!(row.shown, Shown::Known { quantity: known, .. } if known == quantity);
    if agrees {
        return Observed::Agrees;
    }
    // Platforms stamp in whole seconds: of two sales in one second a level may hold only the first.
    let known_at = row.shown.as_of().max(row.moved_at);
    if at < known_at.plus(rules.clock_skew_ms) {
        return Observed::Nothing("not clearly newer than what is known");
    }
    let key = (channel.clone(), id);
    if let Some(row) = books.listings.get_mut(&key) {
        row.compared = false;
        row.shown = Shown::Known {
            quantity,
            as_of: at,
        };
    }
    books.changed_listings.insert(key.clone());
    books.reopened.insert(key);
    Observed::Differs
}

/// When the platform may have moved units of an order, as far as one message tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// When it was placed, if this is the first that is known of it; else when it last changed.
    pub(super) from: Timestamp,
    /// When it last changed.
    pub(super) to: Timestamp,
    /// This is the first that is known of it.
    pub(super) first: bool,
}

/// What the platform took for a line since it was last told of, listing by listing; notes that it is known. Nothing of it
/// for a listing that is not known.
pub(super) fn taken_since(
    books: &Books,
    channel: &ChannelId,
    (record, id): (&OrderRecord, &LineId),
    line: &mut LineRow,
) -> BTreeMap<ListingId, i64> {
    let total = i64::from(record.target(id).taken_by_channel);
    let mut left = total.saturating_sub(line.taken);
    line.taken = total;
    let mut taken = BTreeMap::new();
    let Some(named) = &line.listing else {
        return taken;
    };
    let mut note = |listing: Option<ListingId>, units: i64| {
        if let Some(listing) = listing.filter(|_| units != 0) {
            let sum: &mut i64 = taken.entry(listing).or_default();
            *sum = sum.saturating_add(units);
        }
    };
    let mut first = books.listing(channel, named).map(|(listing, _)| listing);
    if let Some(booked) = &mut line.booked {
        for (place, at) in &mut booked.elsewhere {
            let now = record.taken_at(id, (place, &booked.location));
            let more = now.saturating_sub(at.taken);
            at.taken = now;
            left = left.saturating_sub(more);
            note(books.listing_at(channel, named, place), more);
        }
        first = books.listing_at(channel, named, &booked.location);
    }
    note(first, left);
    taken
}

/// Lets what listings show follow what the platform took from them.
///
/// An order that holds nothing when it is first seen may have held units in between: if our number became known within
/// that time, it is not certain any more.
pub(super) fn take(
    books: &mut Books,
    channel: &ChannelId,
    line: &LineRow,
    taken: &BTreeMap<ListingId, i64>,
    span: Span,
    skew_ms: i64,
) {
    let hidden = span.first && line.taken == 0;
    let named = line.listing.as_ref().filter(|_| hidden);
    let doubted: Vec<_> = named
        .into_iter()
        .flat_map(|named| books.named(channel, named))
        .map(|(listing, _)| listing)
        .collect();
    for listing in doubted {
        follow(books, (channel.clone(), listing), 0, span, skew_ms);
    }
    for (listing, &more) in taken.iter().filter(|(_, more)| **more != 0) {
        let key = (channel.clone(), listing.clone());
        follow(books, key, more, span, skew_ms);
    }
}

/// Lets what one listing shows follow `more` units that the platform took from it; 0: units that it took and gave back.
fn follow(books: &mut Books, key: (ChannelId, ListingId), more: i64, span: Span, skew_ms: i64) {
    let Some(row) = books.listings.get_mut(&key) else {
        return;
    };
    let hidden = more == 0;
    let as_of = row.shown.as_of();
    let within = as_of.plus(skew_ms) > span.from && as_of <= span.to.plus(skew_ms);
    let moment = if span.first && !hidden {
        span.from
    } else {
        span.to
    };
    let shown = match (hidden, row.compared) {
        (true, false) if within => row.shown.doubted(),
        (true, _) => row.shown,
        (false, true) => row
            .shown
            .after_own_sale(more, Timestamp::from_millis(i64::MAX), 0),
        (false, false) => row.shown.after_own_sale(more, moment, skew_ms),
    };
    if shown != row.shown && matches!(shown, Shown::Unknown { .. }) {
        books.reopened.insert(key.clone());
    }
    if row.sending {
        let meanwhile = books.disturbed.entry(key.clone()).or_default();
        *meanwhile = meanwhile.saturating_add(more);
    }
    row.shown = shown;
    row.moved_at = row.moved_at.max(span.to);
    books.changed_listings.insert(key);
}
