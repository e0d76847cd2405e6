//! `audit`: everything that happened to an order, a SKU, a listing or a message, as one story in the order of time.

use std::collections::BTreeSet;

use serde::{Deserialize as _, Serialize};

use super::seller::Seller;
use crate::cli::Audit;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::ids::Sku;
use crate::domain::stock::Movement;
use crate::exit::{Failure, Found};
use crate::ledger::moves::Moved;
use crate::ledger::tables::{AuditEntry, EntryLine, EventLine, Result as StoreResult, Tables};
use crate::output::{Cell, Out};

/// What was sent of an order's goods within this time of its booking belongs to its story, in ms.
const AFTERMATH_MS: i64 = 60_000;
/// Kinds of audit rows that say what was sent to a listing, or read back from it.
const SENT: [&str; 2] = ["push", "read"];

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Happened {
    at: Timestamp,
    /// A message comes before the entries that it caused, and they before what was sent.
    #[serde(skip)]
    rank: u8,
    #[serde(skip)]
    id: i64,
    kind: String,
    channel: Option<String>,
    subject: String,
    says: String,
}

/// Tells the story of a subject.
pub(super) async fn audit(args: Audit, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let subject = args.subject.clone();
    let mut story = seller
        .ledger
        .read(move |tables| story(tables, &subject))
        .await?;
    if let Some(since) = args.since {
        story.retain(|happened| happened.at >= since);
    }
    let rows: Vec<_> = story.iter().map(row).collect();
    let body = serde_json::json!({ "subject": args.subject, "story": story });
    let headers = &["at", "kind", "channel", "subject", "says"];
    out.result("onhand.audit/1", &body, headers, &rows)?;
    if story.is_empty() {
        out.note(format!("nothing is known of {:?}", args.subject));
    }
    Ok(Found::when(story.is_empty()))
}

fn row(happened: &Happened) -> Vec<Cell> {
    vec![
        happened.at.to_string().into(),
        happened.kind.as_str().into(),
        happened.channel.clone().into(),
        happened.subject.as_str().into(),
        happened.says.as_str().into(),
    ]
}

fn story(tables: &mut dyn Tables, subject: &str) -> StoreResult<Vec<Happened>> {
    let events = tables.events_of(subject)?;
    let mut subjects = BTreeSet::from([subject.to_owned()]);
    // A message by its number or delivery leads to what it is about.
    subjects.extend(events.iter().filter_map(|event| event.subject.clone()));
    let mut story: Vec<Happened> = events.iter().map(of_event).collect();
    let mut entries = Vec::new();
    for subject in &subjects {
        entries.extend(tables.entries_of_order(subject)?);
        for row in tables.audit_of(subject)? {
            let told = row.kind == "message"
                && events.iter().any(|event| {
                    event.received_at == row.at && event.subject.as_deref() == Some(&row.subject)
                });
            if !told {
                story.push(of_audit(row));
            }
        }
    }
    // What was sent because of an order is in the audit of the SKUs that it moved.
    let moved: BTreeSet<&Sku> = entries.iter().map(|line| &line.entry.sku).collect();
    let follows = |row: &AuditEntry| {
        let soon = |line: &EntryLine| {
            row.at >= line.recorded_at && row.at <= line.recorded_at.plus(AFTERMATH_MS)
        };
        SENT.contains(&row.kind.as_str()) && entries.iter().any(soon)
    };
    for sku in moved {
        let rows = tables.audit_of(sku.as_str())?;
        story.extend(rows.into_iter().filter(follows).map(of_audit));
    }
    if let Ok(sku) = Sku::new(subject) {
        entries.extend(tables.entries_of_sku(&sku)?);
        story.extend(names(tables, &sku)?);
    }
    story.extend(entries.iter().map(of_entry));
    story.sort();
    story.dedup();
    Ok(story)
}

/// Names that a SKU had, and what happened to it under them; and what its name was before.
fn names(tables: &mut dyn Tables, sku: &Sku) -> StoreResult<Vec<Happened>> {
    let mut found = Vec::new();
    for alias in tables.aliases(sku)? {
        found.push(Happened {
            at: alias.until,
            rank: 3,
            id: 0,
            kind: "name".to_owned(),
            channel: None,
            subject: alias.sku.as_str().to_owned(),
            says: format!("{} was called {} until then", alias.sku, alias.alias),
        });
        if alias.sku == *sku {
            let rows = tables.audit_of(alias.alias.as_str())?;
            let under = |row: &AuditEntry| {
                row.at <= alias.until && alias.since.is_none_or(|since| since <= row.at)
            };
            found.extend(rows.into_iter().filter(under).map(of_audit));
        }
    }
    Ok(found)
}

fn of_event(event: &EventLine) -> Happened {
    let mut says = format!("{} {}", event.topic, event.outcome);
    if let Some(reason) = &event.reason {
        says = format!("{says}: {reason}");
    }
    if let Some(at) = event.happened_at {
        says = format!("{says}; happened at {at}");
    }
    if let Some(delivery) = &event.delivery {
        says = format!("{says}; delivery {delivery}");
    }
    Happened {
        at: event.received_at,
        rank: 0,
        id: event.id,
        kind: "message".to_owned(),
        channel: Some(event.channel.as_str().to_owned()),
        subject: event
            .subject
            .clone()
            .unwrap_or_else(|| event.id.to_string()),
        says,
    }
}

fn of_entry(line: &EntryLine) -> Happened {
    let entry = &line.entry;
    let channel = entry.cause.line().map(|(channel, ..)| channel);
    let cause = entry.cause.words();
    Happened {
        at: line.recorded_at,
        rank: 1,
        id: line.id,
        kind: "entry".to_owned(),
        channel: channel.map(|channel| channel.as_str().to_owned()),
        subject: entry.sku.as_str().to_owned(),
        says: format!(
            "{} at {} ({cause}); took effect at {}",
            moves(entry.movement),
            entry.location,
            entry.at
        ),
    }
}

/// What changed, in words.
pub(super) fn moves(movement: Movement) -> String {
    let parts = [
        ("on_hand", movement.on_hand),
        ("committed", movement.committed),
        ("set_aside", movement.set_aside),
        ("incoming", movement.incoming),
    ];
    let changed: Vec<_> = parts
        .iter()
        .filter(|(_, units)| *units != 0)
        .map(|(name, units)| format!("{name} {units:+}"))
        .collect();
    changed.join(", ")
}

fn of_audit(row: AuditEntry) -> Happened {
    Happened {
        at: row.at,
        rank: 2,
        id: row.id,
        says: if SENT.contains(&row.kind.as_str()) {
            of_call(&row.detail)
        } else {
            words(&row.detail)
        },
        kind: row.kind,
        channel: row.channel,
        subject: row.subject,
    }
}

/// What was sent or read, over what, how it ended, and how long it took.
fn of_call(detail: &serde_json::Value) -> String {
    let text = |name: &str| detail.get(name).and_then(serde_json::Value::as_str);
    let shown = |name: &str| match detail.get(name).cloned().map(serde_json::from_value) {
        Some(Ok(Shown::Known { quantity, .. })) => quantity.to_string(),
        Some(Ok(Shown::Unknown {
            last: Some(last), ..
        })) => format!("unknown, perhaps {last}"),
        _ => "unknown".to_owned(),
    };
    let mut says = format!(
        "{}: {} before, {} after",
        text("outcome").unwrap_or("?"),
        shown("before"),
        shown("after")
    );
    if let Some(quantity) = detail.get("quantity").filter(|value| !value.is_null()) {
        says = format!("{quantity} {says}");
    }
    if let Some(reason) = text("reason") {
        says = format!("{says}; {reason}");
    }
    let time = |name: &str| text(name).and_then(Timestamp::parse);
    if let (Some(sent), Some(answered)) = (time("sent_at"), time("answered_at")) {
        says = format!("{says}; took {} ms", answered.since(sent));
    }
    if let (Some(received), Some(answered)) = (time("received_at"), time("answered_at")) {
        says = format!("{says}, {} ms after its message", answered.since(received));
    }
    says
}

/// What a paper moved, place by place.
fn of_moved(moved: &serde_json::Value) -> String {
    let Ok(moved) = Vec::<Moved>::deserialize(moved) else {
        return moved.to_string();
    };
    let one = |moved: &Moved| format!("{} at {}", moves(moved.moved), moved.location);
    moved.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The details of an audit row, as `name value` pairs; what is empty is left out.
fn words(detail: &serde_json::Value) -> String {
    let Some(fields) = detail.as_object() else {
        return detail.to_string();
    };
    let said = fields.iter().filter_map(|(name, value)| match value {
        serde_json::Value::Null => None,
        serde_json::Value::Array(list) if list.is_empty() => None,
        serde_json::Value::String(text) => Some(format!("{name} {text}")),
        moved if name == "moved" => Some(format!("moved {}", of_moved(moved))),
        count if name == "count" => Some(words(count)),
        other => Some(format!("{name} {other}")),
    });
    said.collect::<Vec<_>>().join(", ")
}
