//! Units that are kept, and what ends by time alone (rule R11).

use std::collections::BTreeSet;

use super::{Desk, Taken, Terms, state, text, too_large};
use crate::domain::clock::Timestamp;
use crate::domain::decide;
use crate::domain::hold::{self, Hold};
use crate::domain::ids::DocumentId;
use crate::domain::receipt::Leave;
use crate::ledger::life::{Paper, PaperKind};
use crate::ledger::record::BookRules;
use crate::ledger::tables::{Result, Tables, Wanted};

/// Keeps units for something, or changes for how many or how long.
///
/// # Errors
/// As the store.
pub fn keep(
    tables: &mut dyn Tables,
    id: &DocumentId,
    said: &Hold,
    at: Timestamp,
    terms: &Terms,
) -> Result<Taken> {
    let papers = tables.papers(PaperKind::Hold, &BTreeSet::from([id.clone()]))?;
    let known: Option<Hold> = state(papers.values().next())?;
    match hold::keep(id, known.as_ref(), said.clone(), terms.now) {
        Err(error) => Ok(Err(error.to_string())),
        Ok(kept) => turn(tables, id, known.as_ref(), &kept, at, terms),
    }
}

/// Ends a hold. `None` if no hold has this name.
///
/// # Errors
/// As the store.
pub fn release(
    tables: &mut dyn Tables,
    id: &DocumentId,
    at: Timestamp,
    terms: &Terms,
) -> Result<Option<Taken>> {
    let papers = tables.papers(PaperKind::Hold, &BTreeSet::from([id.clone()]))?;
    let Some(known) = state::<Hold>(papers.values().next())? else {
        return Ok(None);
    };
    let mut over = known.clone();
    over.over = true;
    turn(tables, id, Some(&known), &over, at, terms).map(Some)
}

/// Turns one state of a hold into the next.
fn turn(
    tables: &mut dyn Tables,
    id: &DocumentId,
    old: Option<&Hold>,
    new: &Hold,
    at: Timestamp,
    terms: &Terms,
) -> Result<Taken> {
    let mut desk = Desk::open(tables, [new.sku.clone()], terms)?;
    let taken = desk.post(
        hold::entry(id, old, new, at, &terms.by)
            .into_iter()
            .collect(),
    )?;
    let Ok(moved) = &taken else {
        return Ok(taken);
    };
    let paper = Paper {
        id: id.clone(),
        line: String::new(),
        sku: new.sku.clone(),
        open: !new.over,
        until: new.until.filter(|_| !new.over),
        state: text(new)?,
    };
    desk.tables.put_papers(PaperKind::Hold, &[paper])?;
    let told = [(id.as_str().to_owned(), new.sku.clone(), moved.as_slice())];
    desk.close("hold", &told)?;
    Ok(taken)
}

/// Enters what has come about by time alone: holds that ended, pending orders that were not paid, listings whose quantity
/// changes with the time. Returns whether there was anything.
///
/// # Errors
/// If a number does not fit, or as the store.
pub fn pass_time(tables: &mut dyn Tables, rules: &BookRules, now: Timestamp) -> Result<bool> {
    let terms = Terms {
        by: "time".to_owned(),
        leave: Leave::default(),
        now,
    };
    let holds = tables.due_papers(PaperKind::Hold, now)?;
    for paper in &holds {
        let at = paper.until.unwrap_or(now);
        release(tables, &paper.id, at, &terms)?;
    }
    let orders = tables.lapsing_orders(now)?;
    if !orders.is_empty() {
        let wanted = Wanted {
            orders: orders.clone(),
            folding: rules
                .iter()
                .map(|(id, books)| (id.clone(), books.folding))
                .collect(),
            ..Wanted::default()
        };
        let mut books = tables.gather(&wanted)?;
        for key in &orders {
            if let Some(channel) = rules.get(&key.0) {
                decide::lapse(&mut books, key, &channel.rules, now).map_err(too_large)?;
            }
        }
        tables.write_books(&books, now)?;
    }
    let opened = tables.pass_until(now)?;
    Ok(!holds.is_empty() || !orders.is_empty() || opened > 0)
}
