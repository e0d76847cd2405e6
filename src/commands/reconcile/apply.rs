//! Repairs exactly what was planned: brakes first, then the confirmed levels go to the ledger, then the lanes send.

use std::collections::{BTreeMap, BTreeSet};

use super::summary::Summary;
use crate::broker::Doorbell;
use crate::cli::Reconcile;
use crate::commands::lock::DeliveryLock;
use crate::commands::pass::{Delivery, pass};
use crate::commands::requests::{self, Answer, Request};
use crate::commands::seller::{OpenChannels, Seller};
use crate::domain::brake::{Change, Stopped, Whole, brake};
use crate::domain::drift::Repair;
use crate::domain::ids::{ListingKey, Sku};
use crate::exit::Failure;
use crate::ledger::tables::{ListingState, Selection};
use crate::output::Out;
use crate::runtime::desk::Desk;
use crate::runtime::lane::only::Only;
use crate::runtime::reconcile::Line;
use crate::runtime::reconcile::repair::{Taken, take_in};

/// Repairs what the summary plans, and writes down there what became of it.
pub(super) async fn apply(
    args: &Reconcile,
    summary: &mut Summary,
    seller: &Seller,
    open: &OpenChannels,
    delivery: &Delivery,
    out: &mut Out,
) -> Result<(), Failure> {
    let repaired = |line: &Line| line.repair != Repair::Tell;
    let lines: Vec<_> = summary
        .lines
        .iter()
        .map(|told| told.line.clone())
        .filter(repaired)
        .collect();
    if lines.is_empty() {
        summary.begin_apply();
        return Ok(());
    }
    summary.stopped = stopped(args, summary, seller);
    if summary.stopped.is_some() {
        return Ok(());
    }
    summary.begin_apply();
    let desk = Desk {
        ledger: seller.ledger.clone(),
        bell: Doorbell::default(),
        clock: std::sync::Arc::clone(&seller.clock),
    };
    let channels = seller.settings.channels.keys();
    let (by, taken) = match delivery.take(seller, channels, "reconcile --apply").await {
        Ok(_delivering) => {
            let taken = take_in(&desk, &seller.policy, &lines).await?;
            let only = Only::Listings(concerned(&taken, seller).await?);
            pass(seller, open, None, &only).await?;
            ("this process".to_owned(), taken)
        }
        Err(Failure::Held(holder)) if DeliveryLock::serves(&holder) => {
            out.note(format!("{holder} delivers; it does the sending"));
            let taken = take_in(&desk, &seller.policy, &lines).await?;
            let request = Request::Sync {
                channel: args.channel.clone(),
            };
            match requests::hand_over(&request, &holder, seller).await? {
                Answer::Swept { .. } => (holder, taken),
                Answer::NotUnderstood => {
                    return Err(Failure::Held(format!(
                        "{holder}, which does not know this kind of work,"
                    )));
                }
            }
        }
        Err(failure) => return Err(failure),
    };
    summary.by = Some(by);
    write_down(summary, &taken, seller).await
}

/// What a brake says, channel by channel: a mistake of one is a small share of all.
fn stopped(args: &Reconcile, summary: &Summary, seller: &Seller) -> Option<Stopped> {
    let mut left = args.yes_lower;
    summary.channels.iter().find_map(|channel| {
        let own = summary
            .lines
            .iter()
            .map(|told| &told.line)
            .filter(|line| line.channel == channel.id);
        let changes: Vec<_> = own.filter_map(change).collect();
        let lowered = changes
            .iter()
            .filter(|change| change.from.is_some_and(|from| change.to < from))
            .count();
        let found = brake(
            changes,
            Whole {
                listings: channel.compared.saturating_add(channel.in_flight),
                units: channel.units,
            },
            seller.settings.reconcile.brakes,
            left,
        );
        left = left.map(|left| left.saturating_sub(lowered));
        found
    })
}

fn change(line: &Line) -> Option<Change> {
    let desired = line.desired?;
    match line.repair {
        Repair::Tell => None,
        Repair::Push => Some(Change {
            from: line.live,
            to: desired,
        }),
        Repair::Adjust(units) => Some(Change {
            from: Some(desired),
            to: desired.saturating_add(units),
        }),
    }
}

/// The listings that were opened, and all that an adjusted stock feeds.
async fn concerned(
    taken: &BTreeMap<ListingKey, Taken>,
    seller: &Seller,
) -> Result<BTreeSet<ListingKey>, Failure> {
    let adjusted = taken
        .iter()
        .filter(|(_, taken)| matches!(taken, Taken::Adjusted(_)));
    let keys: BTreeSet<_> = adjusted.map(|(key, _)| key.clone()).collect();
    let mut all: BTreeSet<_> = taken.keys().cloned().collect();
    if keys.is_empty() {
        return Ok(all);
    }
    let fed = seller
        .ledger
        .read(move |tables| {
            let which = Selection {
                keys: Some(keys.clone()),
                ..Selection::default()
            };
            let states = tables.listings(&which)?;
            let feeds = states.iter().flat_map(|state| &state.feeds);
            let skus: BTreeSet<Sku> = feeds.map(|feed| feed.sku.clone()).collect();
            tables.listings(&Selection {
                skus: Some(skus),
                ..Selection::default()
            })
        })
        .await?;
    all.extend(fed.into_iter().map(|state| state.key));
    Ok(all)
}

/// Says of each line what became of it.
async fn write_down(
    summary: &mut Summary,
    taken: &BTreeMap<ListingKey, Taken>,
    seller: &Seller,
) -> Result<(), Failure> {
    let which = Selection {
        keys: Some(taken.keys().cloned().collect()),
        ..Selection::default()
    };
    let states = seller
        .ledger
        .read(move |tables| tables.listings(&which))
        .await?;
    let states: BTreeMap<_, _> = states
        .into_iter()
        .map(|state| (state.key.clone(), state))
        .collect();
    for told in &mut summary.lines {
        let key = ListingKey {
            channel: told.line.channel.clone(),
            listing: told.line.listing.clone(),
        };
        let Some(outcome) = taken.get(&key) else {
            continue;
        };
        told.action = match outcome {
            Taken::Left(why) => format!("left: {why}"),
            Taken::Adjusted(units) => format!("adjusted {units:+}"),
            Taken::Opened => sent(states.get(&key), &told.action),
        };
    }
    Ok(())
}

fn sent(state: Option<&ListingState>, action: &str) -> String {
    match state {
        Some(state) if !state.dirty() => match state.shown.stand_in() {
            Some(shown) => format!("{action}: sent {shown}"),
            None => format!("{action}: given up; `onhand dlq list` says why"),
        },
        _ => format!("{action}: waits"),
    }
}
