//! Hands what is to be repaired to the ledger: the level that was confirmed, so that the lanes send over it by their own
//! rules, and adjustments of the stock. Nothing is called here.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::Line;
use crate::broker::Mark;
use crate::channels::Receipt;
use crate::domain::drift::Repair;
use crate::domain::ids::{ListingKey, LocationId, Sku};
use crate::domain::message::Level;
use crate::domain::policy::Policy;
use crate::ledger::tables::{ListingState, Outcome, Selection};
use crate::ledger::{StoreError, counts};
use crate::runtime::desk::Desk;

/// Levels that are handed over together, so that they share a sync of the disk.
const TOGETHER: usize = 64;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The listing is open: its lane sends what it should show.
    Opened,
    /// So many units were entered into the stock; its lane finds that it shows what it should.
    Adjusted(i64),
    /// It was not touched, and why.
    Left(&'static str),
}

/// Takes lines in; what became of each that was to be repaired.
///
/// # Errors
/// As the store; lines that were taken in before stay so.
pub async fn take_in(
    desk: &Desk,
    policy: &Policy,
    lines: &[Line],
) -> Result<BTreeMap<ListingKey, Taken>, StoreError> {
    let wanted: Vec<_> = lines
        .iter()
        .filter(|line| line.repair != Repair::Tell)
        .collect();
    let mut taken = BTreeMap::new();
    for some in wanted.chunks(TOGETHER) {
        let outcomes = join_all(some.iter().map(|line| level(desk, line))).await;
        for (line, outcome) in some.iter().zip(outcomes) {
            taken.insert(key(line), outcome?);
        }
    }
    for line in wanted {
        if let Repair::Adjust(units) = line.repair
            && taken.get(&key(line)) == Some(&Taken::Opened)
        {
            taken.insert(key(line), adjust(desk, policy, line, units).await?);
        }
    }
    Ok(taken)
}

fn key(line: &Line) -> ListingKey {
    ListingKey {
        channel: line.channel.clone(),
        listing: line.listing.clone(),
    }
}

/// Tells the ledger what the listing shows.
async fn level(desk: &Desk, line: &Line) -> Result<Taken, StoreError> {
    let receipt = Receipt {
        topic: "reconcile".to_owned(),
        levels: vec![Level {
            listing: line.listing.clone(),
            shows: line.live,
            at: Some(line.looked_at),
        }],
        ..Receipt::default()
    };
    let Some(intake) = Desk::intake(&line.channel, Ok(receipt), &[], line.looked_at) else {
        return Ok(Taken::Left("it could not be taken in"));
    };
    let recorded = desk.take_in(intake).await?;
    Ok(match recorded.outcome {
        Outcome::Applied => Taken::Opened,
        Outcome::Duplicate => {
            // We knew what it shows, and it is wrong all the same: what was refused is tried once more.
            let keys = BTreeSet::from([key(line)]);
            desk.ledger
                .write(move |tables| tables.reopen(&keys))
                .await?;
            desk.bell.sweep();
            Taken::Opened
        }
        Outcome::Ignored | Outcome::Parked => Taken::Left("it changed while it was compared"),
    })
}

/// Enters a difference into the stock of the one SKU that feeds the listing.
async fn adjust(
    desk: &Desk,
    policy: &Policy,
    line: &Line,
    units: i64,
) -> Result<Taken, StoreError> {
    let which = Selection {
        keys: Some(BTreeSet::from([key(line)])),
        ..Selection::default()
    };
    let found = desk
        .ledger
        .read(move |tables| tables.listings(&which))
        .await?;
    let Some((sku, location, factor)) = found
        .first()
        .filter(|state| state.feed_version() == line.version)
        .and_then(|state| target(policy, state))
    else {
        return Ok(Taken::Left(
            "a bundle, or one whose stock moved meanwhile, is not adjusted; count its parts",
        ));
    };
    let Some(moved) = units.checked_mul(i64::from(factor)) else {
        return Ok(Taken::Left("the difference does not fit"));
    };
    let reason = format!(
        "{} showed {} of {} where {} were due",
        line.channel,
        line.live.unwrap_or(0),
        line.listing,
        line.desired.unwrap_or(0)
    );
    let (now, own) = (desk.clock.now(), sku.clone());
    desk.ledger
        .write(move |tables| {
            counts::adjust(
                tables,
                (&own, &location),
                moved,
                (&reason, "reconcile"),
                now,
            )
        })
        .await?;
    let mark = Mark {
        sold_at: None,
        received_at: now,
    };
    desk.bell.changed(&BTreeSet::from([sku]), mark);
    Ok(Taken::Adjusted(moved))
}

/// Whose stock it is, where, and how many units one of the listing is; `None` for a bundle.
fn target(policy: &Policy, state: &ListingState) -> Option<(Sku, LocationId, u32)> {
    let [feed] = state.feeds.as_slice() else {
        return None;
    };
    let mapping = state
        .mapping
        .as_ref()
        .filter(|mapping| mapping.sku == feed.sku)?;
    let places = policy.places.get(&state.key.channel);
    let location = mapping
        .location
        .as_ref()
        .or_else(|| places.and_then(|places| places.first()))?;
    Some((feed.sku.clone(), location.clone(), feed.units))
}
