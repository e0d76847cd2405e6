//! Receives webhooks: verified and read in one act, durable, then answered. No platform is called before the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::body::Bytes;
use http::{HeaderMap, Method};
use tracing::{info, warn};

use super::desk::Desk;
use super::hooks::{Answer, Intake};
use crate::channels::{Channel, Fault, Webhook, Wire};
use crate::domain::ids::ChannelId;

/// Seconds after which a sender may come again when the store cannot take a message.
const COME_AGAIN_S: u64 = 5;

/// Every channel that may send us messages.
#[derive(Debug)]
pub struct Reception {
    /// The desk.
    pub desk: Desk,
    /// The channels, each with the way to its verification keys.
    pub channels: BTreeMap<ChannelId, Door>,
    /// The last message could not be kept.
    in_trouble: AtomicBool,
}

impl Reception {
    /// Opens the doors of these channels.
    pub fn new(desk: Desk, channels: BTreeMap<ChannelId, Door>) -> Self {
        Self {
            desk,
            channels,
            in_trouble: AtomicBool::new(false),
        }
    }
}

/// One channel's door.
pub struct Door {
    /// Its language.
    pub channel: Arc<dyn Channel>,
    /// For cached verification keys.
    pub keys: Arc<dyn Wire>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.channel.fmt(f)
    }
}

#[async_trait]
impl Intake for Reception {
    fn knows(&self, channel: &str) -> bool {
        self.channels.contains_key(channel)
    }

    async fn receive(
        &self,
        channel: &str,
        method: &Method,
        query: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Answer {
        let Some((id, door)) = self.channels.get_key_value(channel) else {
            return Answer::status(404);
        };
        let received_at = self.desk.clock.now();
        let hook = Webhook {
            method,
            query,
            headers,
            body: &body,
        };
        let read = door
            .channel
            .receive(door.keys.as_ref(), &hook, received_at)
            .await;
        let reply = match &read {
            Ok(receipt) if receipt.unsigned => {
                metrics::counter!("onhand_unsigned_total", "channel" => channel.to_owned())
                    .increment(1);
                return Answer {
                    body: receipt.reply.clone(),
                    ..Answer::status(200)
                };
            }
            Ok(receipt) => receipt.reply.clone(),
            Err(Fault::Unreadable(why)) => {
                warn!(channel = %id, why, "a verified message of {id} was not understood; it is parked");
                None
            }
            Err(Fault::Forged) => return Answer::status(door.channel.profile().forged_status),
            Err(fault) => {
                warn!(channel = %id, %fault, "a message of {id} could not be verified now");
                return come_again();
            }
        };
        let Some(intake) = Desk::intake(id, read, &body, received_at) else {
            return come_again();
        };
        match self.desk.take_in(intake).await {
            Ok(recorded) => {
                self.in_trouble.store(false, Ordering::Relaxed);
                info!(channel = %id, event = recorded.event, outcome = recorded.outcome.word(), "took in a message of {id}");
                Answer {
                    status: 200,
                    body: reply,
                    retry_after_s: None,
                }
            }
            Err(error) => {
                self.in_trouble.store(true, Ordering::Relaxed);
                warn!(channel = %id, %error, "a message of {id} could not be kept; its sender is asked to come again");
                come_again()
            }
        }
    }

    async fn ready(&self) -> Result<(), String> {
        let ledger = &self.desk.ledger;
        ledger.well().await.map_err(|error| error.to_string())?;
        if !self.in_trouble.load(Ordering::Relaxed) {
            return Ok(());
        }
        // A small write tells whether the next message could be kept.
        let probe = ledger.write(|tables| tables.set_fact("probe", "written"));
        probe.await.map_err(|error| error.to_string())?;
        self.in_trouble.store(false, Ordering::Relaxed);
        Ok(())
    }
}

fn come_again() -> Answer {
    Answer {
        status: 503,
        body: None,
        retry_after_s: Some(COME_AGAIN_S),
    }
}

#[cfg(test)]
mod tests;
