//! `incidents`: what was sold and was not there, as the books found it or as people say it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::imports::{Summary, write};
use super::known::expect_known;
use super::papers::{by, sku, unique, units};
use super::seller::Seller;
use super::sheet::{self, Row, Sheet, needed, wanted};
use crate::cli::{
    Incidents, IncidentsAdd, IncidentsImport, IncidentsList, IncidentsResolve, RemedyWord,
};
use crate::domain::clock::Timestamp;
use crate::domain::ids::OrderId;
use crate::domain::incident::{Helped, LineKey, LostLine, Remedy};
use crate::domain::money::{Amount, Currency};
use crate::exit::{Failure, Found};
use crate::ledger::incidents::{Reported, report, resolve};
use crate::ledger::life::{Incident, Incidents as Which};
use crate::ledger::tables::Tables;
use crate::output::{Cell, Out};

const HEADERS: &[&str] = &[
    "id",
    "sku",
    "opened_at",
    "state",
    "channel",
    "order",
    "line",
    "units",
    "helped",
    "reason",
];

/// Runs one of the commands.
pub(super) async fn run(
    command: Incidents,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    match command {
        Incidents::List(args) => list(args, seller, out).await,
        Incidents::Add(args) => add(args, seller, out).await,
        Incidents::Import(args) => import(args, seller, out).await,
        Incidents::Resolve(args) => settle(args, seller, out).await,
    }
}

async fn list(args: IncidentsList, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    for sku in &args.skus {
        expect_known(seller, sku).await?;
    }
    let skus: BTreeSet<_> = args.skus.into_iter().collect();
    let which = Which {
        skus: (!skus.is_empty()).then_some(skus),
        open: args.open,
        ..Which::default()
    };
    let found = seller
        .ledger
        .read(move |tables| tables.incidents(&which))
        .await?;
    let open = found.iter().any(|incident| incident.closed_at.is_none());
    say(&found, "onhand.incidents_list/1", out)?;
    if found.is_empty() {
        out.note("no incident is known");
    }
    Ok(Found::when(open))
}

fn say(found: &[Incident], schema: &str, out: &mut Out) -> Result<(), Failure> {
    let shown: Vec<_> = found.iter().map(shown).collect();
    let rows: Vec<Vec<Cell>> = found.iter().flat_map(rows).collect();
    let body = serde_json::json!({ "incidents": shown });
    Ok(out.result(schema, &body, HEADERS, &rows)?)
}

/// Units, lines and orders are three counts.
fn shown(incident: &Incident) -> serde_json::Value {
    let orders: BTreeSet<_> = incident
        .lines
        .iter()
        .map(|line| (&line.key.channel, &line.key.order))
        .collect();
    let mut body = serde_json::json!(incident);
    if let Some(body) = body.as_object_mut() {
        body.insert("state".to_owned(), state(incident).into());
        body.insert("units".to_owned(), incident.units().into());
        body.insert("orders".to_owned(), orders.len().into());
    }
    body
}

fn state(incident: &Incident) -> &'static str {
    match incident.closed_at {
        Some(_) => "closed",
        None => "open",
    }
}

fn rows(incident: &Incident) -> Vec<Vec<Cell>> {
    let row = |line: Option<&LostLine>| -> Vec<Cell> {
        let helped = line.and_then(|line| line.helped.as_ref());
        let key = line.map(|line| &line.key);
        vec![
            incident.id.into(),
            incident.sku.as_str().into(),
            incident.opened_at.to_string().into(),
            state(incident).into(),
            key.map(|key| key.channel.as_str()).into(),
            key.map(|key| key.order.as_str()).into(),
            key.and_then(|key| key.line.as_ref())
                .map(crate::domain::ids::LineId::as_str)
                .into(),
            line.map(|line| line.units).into(),
            helped.map(|helped| helped.how.word()).into(),
            incident.reason.clone().into(),
        ]
    };
    if incident.lines.is_empty() {
        return vec![row(None)];
    }
    incident.lines.iter().map(|line| row(Some(line))).collect()
}

async fn add(args: IncidentsAdd, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    seller.configured(&args.channel)?;
    expect_known(seller, &args.sku).await?;
    let wrong = |says: String| Failure::call(format!("add an incident of {}: {says}", args.sku));
    let at = day(&args.date, seller.now()).map_err(wrong)?;
    let cost = amount(args.cost.as_deref(), args.currency.as_deref()).map_err(wrong)?;
    let row = Reported {
        date: args.date.clone(),
        at,
        key: LineKey {
            channel: args.channel,
            order: args.order,
            line: None,
        },
        units: i64::from(args.units),
        cost,
        reason: args.reason,
        sku: args.sku,
    };
    let (by, now, dry_run) = (by(&args.saying, seller), seller.now(), args.saying.dry_run);
    let found = write(seller, dry_run, move |tables| {
        let found = report(tables, std::slice::from_ref(&row), &by, now)?;
        let changed = found.iter().any(|(_, changed)| *changed);
        let ids = found.iter().map(|(id, _)| *id).collect();
        Ok((read(tables, ids)?, changed))
    })
    .await?;
    let (found, changed) = found;
    say(&found, "onhand.incidents_add/1", out)?;
    if dry_run {
        out.note("dry run: nothing was changed");
    } else if !changed {
        out.note("this is known; nothing changed");
    }
    Ok(Found::Nothing)
}

fn read(
    tables: &mut dyn Tables,
    ids: BTreeSet<i64>,
) -> crate::ledger::tables::Result<Vec<Incident>> {
    tables.incidents(&Which {
        ids: Some(ids),
        ..Which::default()
    })
}

async fn import(args: IncidentsImport, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let mut sheet = sheet::read(
        &args.file,
        &[
            needed("date"),
            needed("sku"),
            needed("channel"),
            needed("order"),
            needed("units"),
            wanted("cost"),
            wanted("currency"),
            wanted("reason"),
        ],
    )?;
    let now = seller.now();
    let rows = unique(
        &mut sheet,
        |sheet, row| reported(seller, now, sheet, row),
        |row| (row.sku.clone(), row.key.clone()),
        "same SKU, channel and order; hint: add their units",
    );
    let rows: Arc<[Reported]> = rows.into_iter().map(|(_, row)| row).collect();
    let (by, dry_run) = (by(&args.saying, seller), args.saying.dry_run);
    let mut summary = Summary::<serde_json::Value>::of(sheet, dry_run, rows.len());
    let found = write(seller, dry_run, move |tables| {
        report(tables, &rows, &by, now)
    })
    .await?;
    summary.changed = found.iter().filter(|(_, changed)| *changed).count();
    summary.changes = found
        .iter()
        .filter(|(_, changed)| *changed)
        .map(|(id, _)| serde_json::json!({ "incident": id }))
        .collect();
    summary.write("onhand.incidents_import/1", "incidents", out)
}

fn reported(seller: &Seller, now: Timestamp, sheet: &Sheet, row: &Row) -> Result<Reported, String> {
    let channel = sheet.name(row, "channel")?;
    let known = seller.settings.channels.get_key_value(channel.as_str());
    let (channel, _) = known.ok_or_else(|| {
        format!("no channel is called {channel:?}; hint: write it as in config.toml")
    })?;
    let order =
        OrderId::new(sheet.name(row, "order")?.trim()).map_err(|error| error.to_string())?;
    let date = sheet.name(row, "date")?.trim().to_owned();
    let units = units(sheet, row, "units")?;
    if units == 0 {
        return Err("units is 0, and nothing was missing then".to_owned());
    }
    let text = |column| {
        let text = sheet.field(row, column).map(str::trim);
        text.filter(|text| !text.is_empty())
    };
    Ok(Reported {
        at: day(&date, now)?,
        date,
        sku: sku(sheet, row)?,
        key: LineKey {
            channel: channel.clone(),
            order,
            line: None,
        },
        units: i64::from(units),
        cost: amount(text("cost"), text("currency"))?,
        reason: text("reason").map(str::to_owned),
    })
}

/// The beginning of a day that has come.
fn day(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let at = Timestamp::parse_utc(&format!("{text}T00:00:00"))
        .or_else(|| Timestamp::parse_utc(text))
        .ok_or_else(|| {
            format!("date is {text:?}, which is no day; hint: write it like 2026-11-24")
        })?;
    if at > now {
        return Err(format!("date is {text}, which has not come yet"));
    }
    Ok(at)
}

/// An amount with its currency, kept as it is written: a decimal point, no separators.
fn amount(cost: Option<&str>, currency: Option<&str>) -> Result<Option<(String, String)>, String> {
    let (cost, currency) = match (cost, currency) {
        (None, None) => return Ok(None),
        (Some(cost), Some(currency)) => (cost, currency),
        (Some(_), None) => return Err("cost has no currency; hint: write EUR, USD, …".to_owned()),
        (None, Some(_)) => return Err("currency has no cost".to_owned()),
    };
    cost.parse::<Amount>()
        .map_err(|says| format!("cost is {says}"))?;
    currency
        .parse::<Currency>()
        .map_err(|says| format!("currency is {says}"))?;
    Ok(Some((cost.to_owned(), currency.to_owned())))
}

async fn settle(args: IncidentsResolve, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let helped = Helped {
        how: match args.with {
            RemedyWord::Restock => Remedy::Restock,
            RemedyWord::Cancel => Remedy::Cancel,
            RemedyWord::Substitution => Remedy::Substitution,
        },
        at: seller.now(),
        by: Some(by(&args.saying, seller)),
    };
    let (id, order) = (args.id, args.order.clone());
    let dry_run = args.saying.dry_run;
    let (changed, found) = write(seller, dry_run, move |tables| {
        let changed = resolve(tables, id, order.as_ref().map(OrderId::as_str), &helped)?;
        Ok((changed, read(tables, BTreeSet::from([id]))?))
    })
    .await?;
    match changed {
        None => {
            return Err(Failure::call(format!(
                "no incident has the number {id}; hint: `onhand incidents list` shows them"
            )));
        }
        Some(0) => out.note("nothing of it was open"),
        Some(lines) => out.note(format!("{lines} lines were resolved")),
    }
    say(&found, "onhand.incidents_resolve/1", out)?;
    Ok(Found::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_days_are_taken_as_written_or_not_at_all() {
        for (cost, currency, good) in [
            (Some("12.50"), Some("EUR"), true),
            (Some("5000"), Some("JPY"), true),
            (None, None, true),
            (Some("1,000"), Some("EUR"), false),
            (Some("-1"), Some("EUR"), false),
            (Some("1."), Some("EUR"), false),
            (Some("12.50"), None, false),
            (None, Some("EUR"), false),
            (Some("1"), Some("eur"), false),
            (Some("1"), Some("€"), false),
        ] {
            assert_eq!(
                amount(cost, currency).is_ok(),
                good,
                "{cost:?} {currency:?}"
            );
        }
        let now = Timestamp::parse("2026-11-25T12:00:00Z").unwrap();
        for (text, good) in [
            ("2026-11-24", true),
            ("2026-11-24T10:00:00Z", true),
            ("2026-11-26", false),
            ("24.11.2026", false),
            ("", false),
        ] {
            assert_eq!(day(text, now).is_ok(), good, "{text}");
        }
    }
}
