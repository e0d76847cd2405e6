//! The daemon's watch over one channel: what it sells, and whether it still tells us of its sales.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::discover;
use super::seller::{OpenChannel, Seller};
use crate::broker::{Doorbell, Mailbox};
use crate::config::Mode;
use crate::domain::ids::ChannelId;
use crate::domain::retry::Ladder;

/// How often subscriptions are compared with the wanted ones: WooCommerce disables a webhook after a few failures and says
/// nothing, so that the hole lasts as long as nobody looks.
const SUBSCRIPTIONS_EVERY: Duration = Duration::from_mins(5);
/// How long news of listings are gathered before the listings are read: people change many products in a row.
const LISTINGS_CALM: Duration = Duration::from_secs(10);

/// A watch over one channel.
pub(super) struct Watch {
    /// Which.
    pub(super) id: ChannelId,
    /// The way to it.
    pub(super) channel: OpenChannel,
    /// The books.
    pub(super) seller: Arc<Seller>,
    /// When to try again what failed; its last step repeats.
    pub(super) ladder: Ladder,
    /// Where it hears that the channel sells something else.
    pub(super) news: Arc<Mailbox>,
    /// Whom it tells that listings were mapped.
    pub(super) bell: Doorbell,
}

impl Watch {
    /// Watches until it is told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => (),
            () = self.watch() => (),
        }
    }

    async fn watch(&self) {
        self.refresh().await;
        let (mut failures, mut said) = (0, BTreeSet::new());
        let mut look_at = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(look_at) => {
                    let settled = self.subscribe(&mut said).await;
                    failures = if settled { 0 } else { failures + 1 };
                    look_at = Instant::now() + pause(&self.ladder, failures);
                }
                () = self.news.rung() => {
                    if self.news.take().listings.contains(&self.id) {
                        sleep(LISTINGS_CALM).await;
                        self.news.take();
                        self.refresh().await;
                    }
                }
            }
        }
    }

    /// Reads the listings, and maps what is new.
    async fn refresh(&self) {
        let id = &self.id;
        let mut failures = 0;
        while let Err(error) = discover::refresh(id, &self.channel, &self.seller).await {
            failures += 1;
            warn!(channel = %id, %error, "the listings of {id} could not be read; trying again");
            sleep(pause(&self.ladder, failures)).await;
        }
        self.bell.sweep();
    }

    /// Compares the subscriptions with the wanted ones; whether nothing is left to do for us. What was said the last time is
    /// not said again.
    async fn subscribe(&self, said: &mut BTreeSet<String>) -> bool {
        let (id, open) = (&self.id, &self.channel);
        let repair = open.mode == Mode::Manage;
        let wire = open.wire.under(open.limiter.permit().await);
        match open.channel.subscriptions(&wire, repair).await {
            Ok(report) => {
                for topic in &report.created {
                    info!(channel = %id, topic, "subscribed to {topic} of {id}");
                }
                let missing = (!report.missing.is_empty()).then(|| {
                    let topics = report.missing.join(", ");
                    format!("it does not deliver {topics}; its orders are still read on a timer")
                });
                let says: BTreeSet<_> =
                    missing.into_iter().chain(report.warnings.clone()).collect();
                for warning in says.difference(said) {
                    warn!(channel = %id, "{id}: {warning}");
                }
                *said = says;
                !repair || report.missing.is_empty() || !report.warnings.is_empty()
            }
            Err(fault) => {
                warn!(channel = %id, %fault, "the webhooks of {id} could not be checked; trying again");
                false
            }
        }
    }
}

/// How long to wait after so many failures in a row.
fn pause(ladder: &Ladder, failures: usize) -> Duration {
    let Some(failed) = failures.checked_sub(1) else {
        return SUBSCRIPTIONS_EVERY;
    };
    let step = ladder.waits_ms.get(failed).or(ladder.waits_ms.last());
    step.map_or(SUBSCRIPTIONS_EVERY, |ms| Duration::from_millis(*ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_again_on_the_ladder_and_never_given_up() {
        let ladder = Ladder {
            waits_ms: vec![1_000, 5_000],
            jitter_pct: 0,
        };
        let waits: Vec<_> = [0, 1, 2, 3, 100]
            .map(|failures| pause(&ladder, failures).as_millis())
            .into();
        assert_eq!(waits, [300_000, 1_000, 5_000, 5_000, 5_000]);
    }
}
