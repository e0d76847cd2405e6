//! Watching what is owed: if more is promised of a SKU than there is, an incident opens in the same transaction, whoever
//! moved the stock (rules R16 and R91). What people know of incidents is entered here, too.

use std::collections::{BTreeMap, BTreeSet};

use super::life::{Incident, Incidents, PromisedRow};
use super::record::BookRules;
use super::tables::{AuditRow, Result, Selection, StockLine, Tables};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::ids::{LocationId, Sku};
use crate::domain::incident::{Helped, LineKey, LostLine, Promised, Remedy, follow, losers, owed};
use crate::domain::promise::eaten;
use crate::domain::quantity::Balance;
use crate::domain::stock::Balances;

/// Looks at every SKU whose stock was written in this transaction, at every set of places that stand in for each other.
///
/// # Errors
/// As the store.
pub fn watch(tables: &mut dyn Tables, rules: &BookRules, now: Timestamp) -> Result<()> {
    let moved = tables.moved();
    if moved.is_empty() {
        return Ok(());
    }
    let tracked: BTreeSet<_> = moved
        .into_iter()
        .filter(|sku| rules.promises.tracks(sku))
        .collect();
    let known = tables.with_incident(&tracked)?;
    let mut stock: BTreeMap<Sku, Vec<StockLine>> = BTreeMap::new();
    for line in tables.stock_of(&tracked)? {
        stock.entry(line.sku.clone()).or_default().push(line);
    }
    for (sku, lines) in &stock {
        for pool in &rules.pools {
            let held = pooled(lines, pool);
            let short = held.available() < 0;
            if short || known.contains(sku) {
                judge(tables, rules, sku, pool, held, now)?;
            }
        }
    }
    Ok(())
}

/// What some places hold together.
fn pooled(lines: &[StockLine], pool: &BTreeSet<LocationId>) -> Balances {
    let here = lines.iter().filter(|line| pool.contains(&line.location));
    here.fold(Balances::default(), |sum, line| Balances {
        on_hand: sum.on_hand.saturating_add(line.balances.on_hand),
        committed: sum.committed.saturating_add(line.balances.committed),
        set_aside: sum.set_aside.saturating_add(line.balances.set_aside),
        incoming: sum.incoming.saturating_add(line.balances.incoming),
    })
}

fn judge(
    tables: &mut dyn Tables,
    rules: &BookRules,
    sku: &Sku,
    pool: &BTreeSet<LocationId>,
    held: Balances,
    now: Timestamp,
) -> Result<()> {
    let cap = cap(tables, rules, sku, held, now)?;
    let known: Vec<_> = tables
        .incidents(&Incidents {
            skus: Some(BTreeSet::from([sku.clone()])),
            ..Incidents::default()
        })?
        .into_iter()
        .filter(|incident| incident.pool.is_none() || incident.pool.as_ref() == pool.first())
        .collect();
    let in_them = known.iter().flat_map(|incident| &incident.lines);
    let named: BTreeSet<LineKey> = in_them.map(|line| line.key.clone()).collect();
    let rows = tables.promised(sku, pool, &named)?;
    // Units of lines that people helped otherwise are not needed any more, whatever the channel still says.
    let settled = settled(&known);
    let open: Vec<_> = rows
        .iter()
        .filter(|row| row.committed > 0 && !settled.contains(&row.key))
        .map(promised)
        .collect();
    let relieved = rows.iter().filter(|row| settled.contains(&row.key));
    let relieved = relieved.fold(0, |sum: Balance, row| sum.saturating_add(row.committed));
    let needed = Balances {
        committed: held.committed.saturating_sub(relieved),
        ..held
    };
    let missing = owed(needed, cap);
    let supply = held
        .on_hand
        .saturating_sub(held.set_aside)
        .saturating_add(i64::from(cap));
    let lost = if missing > 0 {
        losers(supply, open)
    } else {
        Vec::new()
    };
    let losing: BTreeSet<_> = lost.iter().map(|lost| lost.key.clone()).collect();
    let again = tables.incidents_of_lines(sku, &losing)?;
    let current = known
        .iter()
        .rev()
        .find(|incident| again.contains(&incident.id))
        .or_else(|| known.iter().find(|incident| incident.closed_at.is_none()));
    if current.is_none() && missing == 0 {
        return Ok(());
    }
    let mut incident = match current {
        // What people told of before the books found it is one with what they find.
        Some(incident) => Incident {
            pool: pool.first().cloned(),
            ..incident.clone()
        },
        None => opened(tables, sku, pool, (held, cap), now)?,
    };
    let before = current.cloned().unwrap_or_else(|| incident.clone());
    let promised: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (row.key.clone(), row.committed))
        .collect();
    let shipped: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.shipped > 0)
        .map(|row| row.key.clone())
        .collect();
    incident.lines = follow(&incident.lines, &lost, &promised, &shipped, now);
    incident.closed_at = (missing == 0).then(|| incident.closed_at.unwrap_or(now));
    if incident == before && incident.id != 0 {
        return Ok(());
    }
    incident.id = tables.put_incident(&incident)?;
    absorb(tables, &known, &incident)?;
    tell(tables, &before, &incident, missing, now)
}

/// How an incident is told to be another one.
const ONE_WITH: &str = "one with incident ";

/// The incident that holds the orders of one whose own were taken out, by its reason.
pub fn one_with(reason: &str) -> Option<i64> {
    reason.rsplit(';').find_map(|part| {
        let number = part.trim().strip_prefix(ONE_WITH)?;
        number.parse().ok()
    })
}

/// Takes orders that people told of without a line out of their incidents, where the books name the line now: they are
/// counted once. What they cost stays written where it was told.
fn absorb(tables: &mut dyn Tables, known: &[Incident], found: &Incident) -> Result<()> {
    let named = |told: &LostLine| {
        let same = |line: &LostLine| {
            (&line.key.channel, &line.key.order) == (&told.key.channel, &told.key.order)
        };
        told.key.line.is_none() && found.lines.iter().any(same)
    };
    let others = known.iter().filter(|other| other.id != found.id);
    for other in others.filter(|other| other.lines.iter().any(named)) {
        let mut other = other.clone();
        other.lines.retain(|line| !named(line));
        let note = format!("{ONE_WITH}{}", found.id);
        other.reason = Some(match other.reason {
            Some(reason) => format!("{reason}; {note}"),
            None => note,
        });
        tables.put_incident(&other)?;
    }
    Ok(())
}

/// How many units may be owed: the cap, or for what is made to order whatever is being made, less what was ordered today
/// beyond a day's making.
fn cap(
    tables: &mut dyn Tables,
    rules: &BookRules,
    sku: &Sku,
    held: Balances,
    now: Timestamp,
) -> Result<u32> {
    let promises = &rules.promises;
    let cap = promises.cap(sku, held.incoming);
    let Some(daily) = promises.daily.get(sku) else {
        return Ok(cap);
    };
    let ordered = tables.ordered_since(sku, promises.day(now).0)?;
    let over = eaten(held.available(), ordered).saturating_sub(i64::from(*daily));
    let made = held.available().min(0).saturating_neg();
    let may = made
        .saturating_sub(over.max(0))
        .saturating_add(i64::from(cap));
    Ok(u32::try_from(may.max(0)).unwrap_or(u32::MAX))
}

fn promised(row: &PromisedRow) -> Promised {
    Promised {
        key: row.key.clone(),
        placed_at: row.placed_at,
        units: row.committed,
    }
}

/// Lines that a person said were cancelled or got something else.
fn settled(known: &[Incident]) -> BTreeSet<LineKey> {
    let lines = known.iter().flat_map(|incident| &incident.lines);
    let by_person = |line: &&LostLine| {
        line.helped.as_ref().is_some_and(|helped| {
            helped.by.is_some() && matches!(helped.how, Remedy::Cancel | Remedy::Substitution)
        })
    };
    lines
        .filter(by_person)
        .map(|line| line.key.clone())
        .collect()
}

/// A new incident, with what the books and the listings say now: that is what buyers could see.
fn opened(
    tables: &mut dyn Tables,
    sku: &Sku,
    pool: &BTreeSet<LocationId>,
    (held, cap): (Balances, u32),
    now: Timestamp,
) -> Result<Incident> {
    let which = Selection {
        skus: Some(BTreeSet::from([sku.clone()])),
        ..Selection::default()
    };
    let listings: Vec<_> = tables
        .listings(&which)?
        .into_iter()
        .map(|state| {
            let (shown, as_of) = match state.shown {
                Shown::Known { quantity, as_of } => (Some(quantity), as_of),
                Shown::Unknown { last, as_of } => (last, as_of),
            };
            serde_json::json!({
                "channel": state.key.channel, "listing": state.key.listing, "shown": shown, "as_of": as_of,
                "waiting": state.dirty(),
            })
        })
        .collect();
    let evidence = serde_json::json!({
        "places": pool, "on_hand": held.on_hand, "committed": held.committed, "set_aside": held.set_aside,
        "available": held.available(), "may_be_owed": cap, "listings": listings,
    });
    Ok(Incident {
        id: 0,
        sku: sku.clone(),
        pool: pool.first().cloned(),
        source: "ledger".to_owned(),
        opened_at: now,
        closed_at: None,
        happened_on: None,
        reason: None,
        cost: None,
        currency: None,
        evidence,
        lines: Vec::new(),
    })
}

/// The story of it, under the SKU and under each order that it changed for.
fn tell(
    tables: &mut dyn Tables,
    before: &Incident,
    after: &Incident,
    missing: Balance,
    now: Timestamp,
) -> Result<()> {
    let what = match (before.id, after.closed_at) {
        (0, _) => "opened",
        (_, Some(_)) if before.closed_at.is_none() => "closed",
        (_, None) if before.closed_at.is_some() => "opened again",
        _ => "changed",
    };
    if before.id == 0 && after.closed_at.is_none() {
        let (sku, incident) = (&after.sku, after.id);
        tracing::warn!(%sku, incident, missing, "{missing} units of {sku} were sold and are not there; incident {incident}");
    }
    let changed = after
        .lines
        .iter()
        .filter(|line| !before.lines.contains(line));
    let row = |subject: &str, detail: serde_json::Value| AuditRow {
        at: now,
        kind: "incident",
        channel: None,
        subject: subject.to_owned(),
        detail: detail.to_string(),
    };
    let mut rows = vec![row(
        after.sku.as_str(),
        serde_json::json!({ "incident": after.id, "what": what, "missing": missing }),
    )];
    for line in changed {
        let helped = line.helped.as_ref().map(|helped| helped.how);
        rows.push(AuditRow {
            channel: Some(line.key.channel.clone()),
            ..row(
                line.key.order.as_str(),
                serde_json::json!({
                    "incident": after.id, "sku": after.sku, "line": line.key.line, "units": line.units, "helped": helped,
                }),
            )
        });
    }
    tables.audit(&rows)
}

/// What a person says of an oversell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The day.
    pub date: String,
    /// That day's beginning.
    pub at: Timestamp,
    /// The goods.
    pub sku: Sku,
    /// Which order; its line is not known.
    pub key: LineKey,
    /// Units that were missing.
    pub units: Balance,
    /// What it cost.
    pub cost: Option<(String, String)>,
    /// Why.
    pub reason: Option<String>,
}

/// Enters what people say; one that the books found by themselves, or that was said before, is not counted again: what is
/// new of it (its cost, its reason) is added. Whether each changed anything, and which incident it is.
///
/// # Errors
/// As the store.
pub fn report(
    tables: &mut dyn Tables,
    rows: &[Reported],
    by: &str,
    now: Timestamp,
) -> Result<Vec<(i64, bool)>> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let known = tables.incidents_of_lines(&row.sku, &BTreeSet::from([row.key.clone()]))?;
        let which = Incidents {
            ids: Some(known),
            ..Incidents::default()
        };
        let before = tables.incidents(&which)?.into_iter().next();
        let mut incident = before.clone().unwrap_or_else(|| reported(row, by, now));
        let (cost, currency) = row.cost.clone().unzip();
        incident.happened_on = incident.happened_on.or_else(|| Some(row.date.clone()));
        incident.cost = cost.or(incident.cost);
        incident.currency = currency.or(incident.currency);
        incident.reason = row.reason.clone().or(incident.reason);
        let changed = before.as_ref() != Some(&incident);
        if changed {
            incident.id = tables.put_incident(&incident)?;
            tell(
                tables,
                before.as_ref().unwrap_or(&Incident {
                    id: 0,
                    ..incident.clone()
                }),
                &incident,
                row.units,
                now,
            )?;
        }
        found.push((incident.id, changed));
    }
    Ok(found)
}

fn reported(row: &Reported, by: &str, now: Timestamp) -> Incident {
    Incident {
        id: 0,
        sku: row.sku.clone(),
        pool: None,
        source: "person".to_owned(),
        opened_at: row.at,
        // It is over when it is told of; what is still owed is what the books find.
        closed_at: Some(now),
        happened_on: Some(row.date.clone()),
        reason: None,
        cost: None,
        currency: None,
        evidence: serde_json::json!({ "by": by }),
        lines: vec![LostLine {
            key: row.key.clone(),
            placed_at: row.at,
            units: row.units,
            helped: None,
        }],
    }
}

/// What a person says of how an incident ended: all its open lines, or those of one order. `None` if there is no such
/// incident; else how many lines that changed.
///
/// # Errors
/// As the store.
pub fn resolve(
    tables: &mut dyn Tables,
    id: i64,
    order: Option<&str>,
    helped: &Helped,
) -> Result<Option<usize>> {
    let which = Incidents {
        ids: Some(BTreeSet::from([id])),
        ..Incidents::default()
    };
    let Some(before) = tables.incidents(&which)?.into_iter().next() else {
        return Ok(None);
    };
    let mut incident = before.clone();
    let mut changed = 0;
    let of = |line: &LostLine| order.is_none_or(|order| line.key.order.as_str() == order);
    for line in incident.lines.iter_mut().filter(|line| of(line)) {
        if line.helped.is_none() {
            line.helped = Some(helped.clone());
            changed += 1;
        }
    }
    let all_helped = incident.lines.iter().all(|line| line.helped.is_some());
    if all_helped {
        incident.closed_at = incident.closed_at.or(Some(helped.at));
    }
    if incident != before {
        tables.put_incident(&incident)?;
        tell(tables, &before, &incident, 0, helped.at)?;
    }
    Ok(Some(changed))
}
