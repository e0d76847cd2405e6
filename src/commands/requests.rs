//! Work that other processes hand over to the one that delivers, through the store (design D7).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::channels::{quiet, states};
use super::seller::Seller;
use crate::broker::Doorbell;
use crate::domain::ids::ChannelId;
use crate::exit::Failure;
use crate::ledger::tables::{ListingState, Selection};
use crate::runtime::lane::only::Only;

/// How long a sweep that was asked for may take before it is answered with what is left.
const SWEEP_MAX: Duration = Duration::from_secs(20);
/// How long an answer is waited for: a little longer than a sweep takes.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How often is looked whether something came.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Request {
    /// Look at every listing now.
    Sync {
        /// Only of this channel.
        channel: Option<ChannelId>,
    },
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Answer {
    /// It was looked.
    Swept {
        /// Listings that waited for a call.
        dirty_before: usize,
        /// Listings that still do.
        dirty_after: usize,
    },
    /// The daemon does not know this kind of work.
    NotUnderstood,
}

/// Listings that wait for a call, on channels to which anything is sent; of those that `only` allows.
pub(super) async fn waiting(
    seller: &Seller,
    channel: Option<&ChannelId>,
    only: &Only,
) -> Result<usize, Failure> {
    let states = states(seller).await?;
    let which = Selection {
        channel: channel.cloned(),
        dirty: true,
        ..Selection::default()
    };
    let dirty = seller
        .ledger
        .read(move |tables| tables.listings(&which))
        .await?;
    let sent_to = |id: &ChannelId| {
        let config = seller.settings.channels.get(id);
        config
            .zip(states.get(id))
            .is_some_and(|(config, state)| quiet(config, state).is_none())
    };
    Ok(dirty
        .iter()
        .filter(|state| sent_to(&state.key.channel))
        .filter(|state| *only == Only::All || allows(only, state, seller))
        .count())
}

/// Whether a run that is for some listings alone is for this one.
pub(super) fn allows(only: &Only, state: &ListingState, seller: &Seller) -> bool {
    let own = state
        .mapping
        .as_ref()
        .and_then(|mapping| mapping.location.as_ref());
    let desired = seller
        .policy
        .desired(&state.key.channel, own, &state.feeds)
        .quantity;
    let tier = seller.policy.fastest(&state.feeds);
    only.allows(&state.key, tier, i64::from(desired))
}

/// Answers what was handed over, if anything was.
pub(super) async fn serve(
    seller: &Seller,
    bell: &Doorbell,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let pending = seller
        .ledger
        .read(|tables| tables.pending_requests())
        .await?;
    let mut asked = Vec::new();
    for (id, what) in pending {
        match serde_json::from_str(&what) {
            Ok(Request::Sync { channel }) => {
                let before = waiting(seller, channel.as_ref(), &Only::All).await?;
                asked.push((id, channel, before));
            }
            Err(_) => answer(seller, id, &Answer::NotUnderstood).await?,
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    bell.sweep();
    let began = Instant::now();
    // One sweep is for all who asked; each is answered as soon as its channels are done.
    while !asked.is_empty() {
        let over = stop.is_cancelled() || began.elapsed() > SWEEP_MAX;
        let mut left = Vec::new();
        for (id, channel, dirty_before) in asked {
            let dirty_after = waiting(seller, channel.as_ref(), &Only::All).await?;
            if dirty_after > 0 && !over {
                left.push((id, channel, dirty_before));
                continue;
            }
            let swept = Answer::Swept {
                dirty_before,
                dirty_after,
            };
            answer(seller, id, &swept).await?;
        }
        asked = left;
        if !asked.is_empty() {
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

async fn answer(seller: &Seller, id: i64, says: &Answer) -> Result<(), Failure> {
    let text =
        serde_json::to_string(says).map_err(|error| Failure::Incomplete(error.to_string()))?;
    seller
        .ledger
        .write(move |tables| tables.answer(id, &text))
        .await?;
    Ok(())
}

/// Hands work over to the process that delivers, and waits for what became of it.
pub(super) async fn hand_over(
    request: &Request,
    holder: &str,
    seller: &Seller,
) -> Result<Answer, Failure> {
    let what =
        serde_json::to_string(request).map_err(|error| Failure::Incomplete(error.to_string()))?;
    let now = seller.now();
    let id = seller
        .ledger
        .write(move |tables| tables.hand_over(&what, now))
        .await?;
    let began = Instant::now();
    while began.elapsed() < ANSWER_MAX {
        sleep(LOOK_EVERY).await;
        let result = seller
            .ledger
            .read(move |tables| tables.result_of(id))
            .await?;
        if let Some(text) = result {
            return serde_json::from_str(&text).map_err(|_| {
                Failure::Incomplete(format!(
                    "{holder} answered {text:?}; hint: it is another version of this program"
                ))
            });
        }
    }
    Err(Failure::Held(format!(
        "{holder}, which gave no answer within {} s,",
        ANSWER_MAX.as_secs()
    )))
}
