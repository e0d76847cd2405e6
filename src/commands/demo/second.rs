//! The demo's second act: what happens to stock between two sales. The last units are sold on both marketplaces while
//! nobody listens; then a delivery arrives, a count finds a loss, and a transfer is cut short. At its end every number that
//! is shown is explained, and the books name who lost.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::SETTLING_MAX;
use super::town::Town;
use crate::commands::seller::Seller;
use crate::domain::ids::{DocumentId, LocationId, Sku};
use crate::domain::receipt::{Condition, Leave, ReceiptLine};
use crate::domain::stock::Basis;
use crate::domain::transfer::{Goods as Whereabouts, TransferNews};
use crate::exit::Failure;
use crate::ledger::counts::{self, Counted};
use crate::ledger::life::{Incident, Incidents};
use crate::ledger::moves::{self, ReceiptRow, Taken, Terms, TransferRow};
use crate::ledger::tables::{Selection, StockLine, Tables};
use crate::output::Out;
use crate::sandbox::Goods;

/// Units of the delivery.
const DELIVERED: u32 = 20;
/// Units that a transfer sends, and those of them that arrive.
const SENT: (u32, u32) = (3, 2);

/// What is to be played: which goods have which part.
#[derive(Debug)]
pub(super) struct Scene {
    oversold: Option<(Sku, i64)>,
    delivered: Option<Sku>,
    counted: Option<(Sku, i64)>,
    moved: Option<Sku>,
}

/// How it went.
#[derive(Debug, Serialize)]
pub(super) struct SecondAct {
    oversold: Option<Sku>,
    /// Orders that lost, as the incident names them.
    lost: Vec<String>,
    delivered: Option<Sku>,
    counted: Option<Sku>,
    moved: Option<Sku>,
    converged: bool,
    /// Listings whose number is the sum of its explanation, and shown.
    explained: usize,
    /// What did not hold.
    broken: Vec<String>,
}

impl SecondAct {
    /// Whether everything held.
    pub(super) fn good(&self) -> bool {
        self.converged && self.broken.is_empty()
    }

    /// Tells of it.
    pub(super) fn say(&self, out: &mut Out) {
        let name = |sku: &Option<Sku>| sku.as_ref().map_or("nothing", Sku::as_str).to_owned();
        out.note(format!(
            "second act: {} oversold, orders {} lost; {DELIVERED} of {} delivered; a unit of {} missing; {} of {} of {} \
             arrived, the rest is lost; {} listings explained",
            name(&self.oversold),
            self.lost.join(", "),
            name(&self.delivered),
            name(&self.counted),
            SENT.1,
            SENT.0,
            name(&self.moved),
            self.explained
        ));
        for what in &self.broken {
            out.note(format!("second act: {what}"));
        }
    }
}

fn main_place() -> LocationId {
    LocationId::new("main").expect("a plain word is a name")
}

/// Chooses the goods, and sells the last units of one of them at both counters at once.
pub(super) async fn while_nobody_listens(town: &Town, seller: &Seller) -> Result<Scene, Failure> {
    let mut stock = seller.ledger.read(|tables| tables.stock()).await?;
    stock.retain(|line| line.location == main_place());
    stock.sort_by_key(|line| line.balances.available());
    let mut next = |least: i64| -> Option<StockLine> {
        let place = stock
            .iter()
            .position(|line| line.balances.available() >= least)?;
        Some(stock.remove(place))
    };
    let oversold = next(1).map(|line| (line.sku, line.balances.available()));
    let counted = next(2).map(|line| (line.sku, line.balances.on_hand));
    let moved = next(i64::from(SENT.0)).map(|line| line.sku);
    let delivered = next(i64::MIN).map(|line| line.sku);
    if let Some((sku, units)) = &oversold {
        for market in town.markets().values() {
            // A counter that shows less sells less; the other one alone cannot oversell.
            drop(market.buy(Goods::Sku(sku.as_str()), *units));
        }
    }
    Ok(Scene {
        oversold,
        delivered,
        counted,
        moved,
    })
}

/// Plays the rest beside the listener, and judges the end.
pub(super) async fn play(scene: Scene, town: &Town, seller: &Seller) -> Result<SecondAct, Failure> {
    let mut broken = Vec::new();
    let terms = Terms {
        by: "demo".to_owned(),
        leave: Leave::default(),
        now: seller.now(),
    };
    for taken in [
        deliver(scene.delivered.clone(), seller, terms.clone()).await?,
        cut_short(scene.moved.clone(), seller, terms.clone()).await?,
    ] {
        broken.extend(taken.err());
    }
    if let Some((sku, on_hand)) = scene.counted.clone() {
        lose_one(sku, on_hand, seller).await?;
    }
    let converged = come_to_rest(town, seller).await?;
    let oversold = scene.oversold.map(|(sku, _)| sku);
    let lost = match &oversold {
        Some(sku) => judge(sku, seller, &mut broken).await?,
        None => Vec::new(),
    };
    let explained = explain(town, seller, &mut broken).await?;
    broken.extend(seller.ledger.verify().await?);
    Ok(SecondAct {
        oversold,
        lost,
        delivered: scene.delivered,
        counted: scene.counted.map(|(sku, _)| sku),
        moved: scene.moved,
        converged,
        explained,
        broken,
    })
}

/// Waits until every listing shows what its explanation adds up to, and nothing is under way; false if that takes too long.
/// The marketplaces' journals know nothing of deliveries and counts, so that the books are asked.
async fn come_to_rest(town: &Town, seller: &Seller) -> Result<bool, Failure> {
    let began = Instant::now();
    let mut calm = 0;
    while began.elapsed() < SETTLING_MAX {
        sleep(Duration::from_millis(500)).await;
        let mut broken = Vec::new();
        explain(town, seller, &mut broken).await?;
        calm = if town.at_rest() && broken.is_empty() {
            calm + 1
        } else {
            0
        };
        if calm == 4 {
            return Ok(true);
        }
    }
    Ok(false)
}

fn name(text: &str) -> DocumentId {
    DocumentId::new(text).expect("a plain word is a name")
}

async fn deliver(sku: Option<Sku>, seller: &Seller, terms: Terms) -> Result<Taken, Failure> {
    let Some(sku) = sku else {
        return Ok(Err("there is nothing to deliver".to_owned()));
    };
    let row = ReceiptRow {
        reference: name("DELIVERY-1"),
        purchase: None,
        line: sku.as_str().to_owned(),
        receipt: ReceiptLine {
            sku,
            location: main_place(),
            units: DELIVERED,
            condition: Condition::Sellable,
        },
        at: terms.now,
    };
    let work =
        move |tables: &mut dyn Tables| moves::receive(tables, std::slice::from_ref(&row), &terms);
    Ok(seller.ledger.write(work).await?.remove(0))
}

/// Sends three to the store; two arrive, and then it is over.
async fn cut_short(sku: Option<Sku>, seller: &Seller, terms: Terms) -> Result<Taken, Failure> {
    let Some(sku) = sku else {
        return Ok(Err(
            "there is too little of everything for a transfer".to_owned()
        ));
    };
    let row = TransferRow {
        transfer: name("MOVE-1"),
        news: TransferNews {
            sku,
            from: main_place(),
            to: LocationId::new("store").expect("a plain word is a name"),
            sent: SENT.0,
            received: SENT.1,
        },
        at: terms.now,
    };
    let work = move |tables: &mut dyn Tables| {
        let sent = moves::transfer(tables, std::slice::from_ref(&row), &terms)?;
        if let Some(refused) = sent.into_iter().find(Result::is_err) {
            return Ok(refused);
        }
        let lost = Some(Whereabouts::Lost);
        let ended = moves::cancel_transfer(tables, &row.transfer, lost, row.at, &terms)?;
        Ok(ended.unwrap_or_else(|| Err("the transfer is not known".to_owned())))
    };
    Ok(seller.ledger.write(work).await?)
}

/// Somebody counts one unit less than the book says.
async fn lose_one(sku: Sku, on_hand: i64, seller: &Seller) -> Result<(), Failure> {
    let now = seller.now();
    let row = Counted {
        sku,
        location: main_place(),
        units: on_hand.saturating_sub(1),
        basis: Basis::OnHand,
        set_aside: None,
        at: now,
    };
    let count = move |tables: &mut dyn Tables| {
        counts::count(tables, std::slice::from_ref(&row), "demo", now)
    };
    seller.ledger.write(count).await?;
    Ok(())
}

/// The orders that the open incident of the oversold goods names.
async fn judge(
    sku: &Sku,
    seller: &Seller,
    broken: &mut Vec<String>,
) -> Result<Vec<String>, Failure> {
    let which = Incidents {
        skus: Some([sku.clone()].into()),
        open: true,
        ..Incidents::default()
    };
    let found = seller
        .ledger
        .read(move |tables| tables.incidents(&which))
        .await?;
    let stock = seller.ledger.read(|tables| tables.stock()).await?;
    let owed: i64 = stock
        .iter()
        .filter(|line| line.sku == *sku)
        .map(|line| line.balances.available().min(0).saturating_neg())
        .sum();
    let named: i64 = found.iter().map(Incident::units).sum();
    if owed == 0 || found.len() != 1 || named != owed {
        broken.push(format!(
            "{owed} units of {sku} are owed, and {} incidents name {named}",
            found.len()
        ));
    }
    let lines = found.iter().flat_map(|incident| &incident.lines);
    Ok(lines
        .map(|line| format!("{} {}", line.key.channel, line.key.order))
        .collect())
}

/// How many listings show what their explanation adds up to.
async fn explain(town: &Town, seller: &Seller, broken: &mut Vec<String>) -> Result<usize, Failure> {
    let states = seller
        .ledger
        .read(|tables| tables.listings(&Selection::default()))
        .await?;
    let markets = town.markets();
    let mut explained = 0;
    for state in states {
        let Some((market, sku)) = markets.get(&state.key.channel).zip(state.their_sku.clone())
        else {
            continue;
        };
        let desired = seller
            .policy
            .desired(&state.key.channel, None, &state.feeds);
        let (sum, shown) = (
            desired.because.sum(),
            market.shown(Goods::Sku(&sku)).unwrap_or(0),
        );
        let right = sum == shown || (sum == 0 && shown <= 0);
        if right && sum == i64::from(desired.quantity) {
            explained += 1;
        } else {
            broken.push(format!(
                "{} shows {shown} of {sku}, and the parts add up to {sum}",
                state.key.channel
            ));
        }
    }
    Ok(explained)
}
