//! What is written down of a push for people: its audit rows, and the letter of one that was given up.

use super::settle::{GivenUp, Settlement};
use crate::broker::Mark;
use crate::domain::clock::Timestamp;
use crate::domain::desired::Desired;
use crate::domain::ids::{ListingKey, Sku};
use crate::ledger::tables::{AuditRow, DeadLetter, ListingState};

/// A push or read that was given up.
pub(super) fn letter(key: &ListingKey, kind: &str, dead: &GivenUp, at: Timestamp) -> DeadLetter {
    DeadLetter {
        channel: key.channel.clone(),
        kind: kind.to_owned(),
        what: key.listing.as_str().to_owned(),
        reason: dead.reason.clone(),
        answer: None,
        attempts: dead.attempts,
        at,
    }
}

/// One call, and what was known when it was decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// `push` or `read`.
    pub(super) kind: &'static str,
    /// The platform compares.
    pub(super) compares: bool,
    /// When the last complete read of the channel's orders began.
    pub(super) orders_read_at: Option<Timestamp>,
    /// When the call began.
    pub(super) began: Timestamp,
    /// When it ended.
    pub(super) ended: Timestamp,
}

/// One row of the audit per SKU that feeds the listing.
pub(super) fn story(
    call: &Call,
    state: &ListingState,
    outcome: &Settlement,
    desired: Option<&Desired>,
    mark: Option<Mark>,
) -> Vec<AuditRow> {
    let detail = serde_json::json!({
        "listing": state.key.listing,
        "quantity": desired.map(|desired| desired.quantity),
        "parts": desired.map(|desired| &desired.because.parts),
        "before": state.shown,
        "stale": state.stale,
        "compares": call.compares,
        "orders_read_at": call.orders_read_at,
        "after": outcome.settled.shown,
        "outcome": outcome.word,
        "reason": outcome.dead.as_ref().map(|dead| &dead.reason),
        "sold_at": mark.and_then(|mark| mark.sold_at),
        "received_at": mark.map(|mark| mark.received_at),
        "sent_at": call.began,
        "answered_at": call.ended,
    })
    .to_string();
    let row = |sku: &Sku| AuditRow {
        at: call.ended,
        kind: call.kind,
        channel: Some(state.key.channel.clone()),
        subject: sku.as_str().to_owned(),
        detail: detail.clone(),
    };
    state.feeds.iter().map(|feed| row(&feed.sku)).collect()
}
