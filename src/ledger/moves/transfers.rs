//! News of transfers, and their ends (rule R45).

use std::collections::BTreeSet;

use super::{Desk, Moved, Taken, Terms, state, text, told, too_large};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DocumentId, Sku};
use crate::domain::transfer::{self, Goods, TransferLine, TransferNews};
use crate::ledger::life::{Paper, PaperKind};
use crate::ledger::tables::{Result, Tables};

/// News of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// Which transfer.
    pub transfer: DocumentId,
    /// What is said of it.
    pub news: TransferNews,
    /// When that was so.
    pub at: Timestamp,
}

/// Takes news of transfers in (rule R45).
///
/// # Errors
/// As the store.
pub fn transfer(
    tables: &mut dyn Tables,
    rows: &[TransferRow],
    terms: &Terms,
) -> Result<Vec<Taken>> {
    let ids = rows.iter().map(|row| row.transfer.clone()).collect();
    let mut papers = tables.papers(PaperKind::Transfer, &ids)?;
    let mut desk = Desk::open(tables, rows.iter().map(|row| row.news.sku.clone()), terms)?;
    let mut changed = BTreeSet::new();
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        let key = (row.transfer.clone(), row.news.sku.as_str().to_owned());
        let known: Option<TransferLine> = state(papers.get(&key))?;
        let line = match transfer::learn(known.as_ref(), &row.news, row.at, terms.leave.over) {
            Ok(line) => line,
            Err(error) => {
                taken.push(Err(error.to_string()));
                continue;
            }
        };
        let entries = transfer::entries(&row.transfer, known.as_ref(), &line, &terms.by)
            .map_err(too_large)?;
        let found = desk.post(entries)?;
        if found.is_ok() {
            papers.insert(key.clone(), transfer_paper(&row.transfer, &line)?);
            changed.insert(key);
        }
        taken.push(found);
    }
    let papers: Vec<_> = changed
        .iter()
        .filter_map(|key| papers.remove(key))
        .collect();
    desk.tables.put_papers(PaperKind::Transfer, &papers)?;
    let names = rows
        .iter()
        .map(|row| (row.transfer.as_str().to_owned(), row.news.sku.clone()));
    desk.close("transfer", &told(names, &taken))?;
    Ok(taken)
}

fn transfer_paper(id: &DocumentId, line: &TransferLine) -> Result<Paper> {
    Ok(Paper {
        id: id.clone(),
        line: line.sku.as_str().to_owned(),
        sku: line.sku.clone(),
        open: line.told().on_the_way() > 0,
        until: None,
        state: text(line)?,
    })
}

/// Ends a transfer: what is on the way is where `goods` says. `None` if no transfer has this name.
///
/// # Errors
/// As the store.
pub fn cancel_transfer(
    tables: &mut dyn Tables,
    id: &DocumentId,
    goods: Option<Goods>,
    at: Timestamp,
    terms: &Terms,
) -> Result<Option<Taken>> {
    let papers = tables.papers(PaperKind::Transfer, &BTreeSet::from([id.clone()]))?;
    if papers.is_empty() {
        return Ok(None);
    }
    let skus: Vec<_> = papers.values().map(|paper| paper.sku.clone()).collect();
    let mut desk = Desk::open(tables, skus, terms)?;
    let (mut ended, mut entries) = (Vec::new(), Vec::new());
    for paper in papers.values() {
        let Some(known) = state::<TransferLine>(Some(paper))? else {
            continue;
        };
        match transfer::cancel(&known, goods, at) {
            Ok(line) => {
                let more = transfer::entries(id, Some(&known), &line, &terms.by);
                entries.extend(more.map_err(too_large)?);
                ended.push(transfer_paper(id, &line)?);
            }
            Err(error) => return Ok(Some(Err(format!("{}: {error}", known.sku)))),
        }
    }
    let taken = desk.post(entries)?;
    let mut names = Vec::new();
    if let Ok(moved) = &taken {
        desk.tables.put_papers(PaperKind::Transfer, &ended)?;
        for paper in &ended {
            let of = moved.iter().filter(|moved| moved.sku == paper.sku);
            names.push((
                id.as_str().to_owned(),
                paper.sku.clone(),
                of.cloned().collect(),
            ));
        }
    }
    let told: Vec<(String, Sku, &[Moved])> = names
        .iter()
        .map(|(what, sku, moved): &(String, Sku, Vec<Moved>)| {
            (what.clone(), sku.clone(), moved.as_slice())
        })
        .collect();
    desk.close("transfer", &told)?;
    Ok(Some(taken))
}
