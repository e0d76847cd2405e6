//! How long things are kept: the daemon forgets what is older than `[retention]` says, a little at a time.

use tokio_util::sync::CancellationToken;

use super::seller::Seller;
use crate::domain::clock::Timestamp;
use crate::ledger::StoreError;
use crate::ledger::tables::{Forgotten, Horizon};

/// Rows of each kind in one transaction: well within 50 ms of write time, so that no webhook waits for long.
pub(super) const ROWS_AT_ONCE: usize = 500;
const DAY_MS: i64 = 24 * 3_600_000;

/// Forgets what is too old, in chunks, until nothing is or it is told to stop; how much it was.
pub(super) async fn forget(
    seller: &Seller,
    stop: &CancellationToken,
) -> Result<Forgotten, StoreError> {
    let before = horizon(seller, seller.now());
    let mut all = Forgotten::default();
    while !stop.is_cancelled() {
        let gone = seller
            .ledger
            .write(move |tables| tables.forget(before, ROWS_AT_ONCE))
            .await?;
        if gone.is_nothing() {
            break;
        }
        all.bodies += gone.bodies;
        all.events += gone.events;
        all.audit_rows += gone.audit_rows;
    }
    Ok(all)
}

fn horizon(seller: &Seller, now: Timestamp) -> Horizon {
    let keep = &seller.settings.retention;
    let days = |days: u32| now.plus(-DAY_MS.saturating_mul(i64::from(days)));
    Horizon {
        parked: days(keep.parked_days),
        events: days(keep.events_days),
        audit: days(keep.audit_days),
        requests: days(1),
    }
}
