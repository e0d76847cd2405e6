//! Where messages are taken in, whoever brings them: webhooks, fetches, sweeps. Durable first, then the doorbell.

use std::sync::Arc;

use tracing::warn;

use crate::broker::{Doorbell, Mark};
use crate::channels::{Fault, Receipt};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::ChannelId;
use crate::ledger::record::{Intake, Recorded, Says};
use crate::ledger::tables::Outcome;
use crate::ledger::{Ledger, StoreError};

/// The desk.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The books.
    pub ledger: Ledger,
    /// Who wants to know.
    pub bell: Doorbell,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Desk {
    /// Takes a message in; it is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot take it: nothing is kept then.
    pub async fn take_in(&self, intake: Intake) -> Result<Recorded, StoreError> {
        let mark = Mark {
            sold_at: intake.happened_at,
            received_at: intake.received_at,
        };
        let understood = matches!(intake.says, Says::Understood { .. });
        let id = intake.channel.clone();
        let recorded = self.ledger.record(intake).await?;
        if understood && recorded.outcome == Outcome::Parked {
            unmapped(&id, recorded.reason.as_deref().unwrap_or_default());
        }
        self.bell.changed(&recorded.touched, mark);
        if recorded.reopened {
            self.bell.sweep();
        }
        if recorded.asked {
            self.bell.asked();
        }
        Ok(recorded)
    }

    /// A verified message as an intake: understood, or kept raw because it was not.
    ///
    /// Without raw bytes it is something that we asked for. Returns `None` for what was never verified.
    pub fn intake(
        channel: &ChannelId,
        read: Result<Receipt, Fault>,
        raw: &[u8],
        received_at: Timestamp,
    ) -> Option<Intake> {
        let unread = |reason: String| Receipt {
            ignored: Some(reason),
            ..Receipt::default()
        };
        let (receipt, unreadable) = match read {
            Ok(receipt) => (receipt, false),
            Err(Fault::Unreadable(why)) => (unread(why), true),
            Err(
                Fault::Forged
                | Fault::Throttled { .. }
                | Fault::Unauthorized(_)
                | Fault::Transient(_)
                | Fault::Unknown(_)
                | Fault::Rejected(_)
                | Fault::Gone(_),
            ) => return None,
        };
        let says = if unreadable {
            Says::Unreadable {
                reason: receipt.ignored.unwrap_or_default(),
            }
        } else {
            Says::Understood {
                snapshots: receipt.snapshots,
                levels: receipt.levels,
                hints: receipt.hints,
                ignored: receipt.ignored,
            }
        };
        Some(Intake {
            channel: channel.clone(),
            received_at,
            topic: receipt.topic,
            delivery: receipt.delivery_id,
            happened_at: receipt.happened_at,
            solicited: raw.is_empty(),
            raw: raw.to_vec(),
            says,
        })
    }
}

/// A channel sold something that is not mapped: somebody has to be told at once, for nothing of it is subtracted elsewhere
/// until it is (rule R38). Alerts hang on this count.
fn unmapped(id: &ChannelId, why: &str) {
    metrics::counter!("onhand_unmapped_total", "channel" => id.as_str().to_owned()).increment(1);
    warn!(channel = %id, why, "{id} sold what is not mapped; it is subtracted nowhere until it is: {why}");
}
