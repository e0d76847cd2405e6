//! What is kept, forgotten, erased and handed over.

use std::collections::BTreeSet;
use std::sync::Arc;

use onhand::domain::ids::OrderId;
use onhand::ledger::Ledger;
use onhand::ledger::record::{Intake, Says};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{Erasure, Horizon};

use super::{Still, at, balances, channel, intake, ledger, open, order, rules, says, whole};

#[tokio::test]
async fn one_changed_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let ledger = Ledger::inline(
        Box::new(Sqlite::open(&path).unwrap()),
        rules(),
        Arc::new(Still(1)),
    );
    open(&ledger, "A", 10).await;
    ledger
        .record(intake(
            "shop",
            None,
            says(vec![order("shop", "1", 5, "A", 2)], vec![]),
        ))
        .await
        .unwrap();
    whole(&ledger).await;
    for (sql, expected) in [
        ("UPDATE stock SET committed = -2", "entries give"),
        (
            "UPDATE audit SET detail = replace(detail, 'applied', 'ignored')",
            "was changed",
        ),
    ] {
        onhand::ledger::sqlite::open(&path)
            .unwrap()
            .execute(sql, [])
            .unwrap();
        let broken = ledger.verify().await.unwrap().join("\n");
        assert!(broken.contains(expected), "{sql}: {broken}");
    }
}

fn horizon(parked: i64, events: i64, audit: i64) -> Horizon {
    Horizon {
        parked: at(parked),
        events: at(events),
        audit: at(audit),
        requests: at(0),
    }
}

/// An unreadable message that came at a time.
fn unreadable(received: i64, raw: &[u8]) -> Intake {
    let mut intake = intake(
        "shop",
        None,
        Says::Unreadable {
            reason: "no JSON".into(),
        },
    );
    (intake.received_at, intake.raw) = (at(received), raw.to_vec());
    intake
}

/// A store in a file, and a way to ask it in SQL.
fn in_file() -> (tempfile::TempDir, Ledger, rusqlite::Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let store = Box::new(Sqlite::open(&path).unwrap());
    let ledger = Ledger::inline(store, rules(), Arc::new(Still(1_000_000)));
    let sql = onhand::ledger::sqlite::open(&path).unwrap();
    (folder, ledger, sql)
}

fn count(sql: &rusqlite::Connection, of: &str) -> i64 {
    sql.query_row(&format!("SELECT COUNT(*) FROM {of}"), [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_in_chunks_and_the_books_stay_whole() {
    let (_folder, ledger, sql) = in_file();
    open(&ledger, "A", 10).await;
    for n in 0..7 {
        ledger.record(unreadable(1_000 + n, b"raw")).await.unwrap();
    }
    let message = says(vec![order("shop", "1", 5, "A", 2)], vec![]);
    ledger.record(intake("shop", None, message)).await.unwrap();
    // Bodies first: that they came, and why they were parked, stays.
    let chunk = || ledger.write(|t| t.forget(horizon(1_005, 0, 0), 2));
    let mut bodies = Vec::new();
    for _ in 0..4 {
        bodies.push(chunk().await.unwrap().bodies);
    }
    assert_eq!(bodies, [2, 2, 1, 0]);
    let kept = "event WHERE outcome = 'parked' AND reason = 'no JSON'";
    assert_eq!(count(&sql, kept), 7);
    assert_eq!(count(&sql, &format!("{kept} AND body IS NULL")), 5);
    // Then the rows.
    let gone = ledger
        .write(|t| t.forget(horizon(0, 10_000, 10_000), 100))
        .await
        .unwrap();
    // The opening count is in the audit, too.
    assert_eq!((gone.events, gone.audit_rows), (7, 8));
    assert_eq!(count(&sql, "event"), 1);
    assert_eq!(balances(&ledger, "A").await.available(), 8);
    whole(&ledger).await;
    let again = ledger.write(|t| t.forget(horizon(0, 10_000, 10_000), 100));
    assert!(again.await.unwrap().is_nothing());
}

#[tokio::test]
async fn the_audit_is_checked_from_where_it_was_cut() {
    let (_folder, ledger, sql) = in_file();
    for n in 0..5 {
        ledger.record(unreadable(1_000 + n, b"raw")).await.unwrap();
    }
    ledger
        .write(|t| t.forget(horizon(0, 0, 1_002), 100))
        .await
        .unwrap();
    whole(&ledger).await;
    sql.execute("UPDATE audit SET subject = 'other' WHERE id = 3", [])
        .unwrap();
    let broken = ledger.verify().await.unwrap().join("\n");
    assert!(broken.contains("audit row 3"), "the first left: {broken}");
    sql.execute("UPDATE audit SET subject = 'order' WHERE id = 3", [])
        .unwrap();
    whole(&ledger).await;
    // What was cut without leave is missed.
    sql.execute("DELETE FROM audit WHERE id = 3", []).unwrap();
    assert!(!ledger.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_audit_that_was_cut_to_its_end_goes_on_from_there() {
    let (_folder, ledger, sql) = in_file();
    for n in 0..3 {
        ledger.record(unreadable(1_000 + n, b"raw")).await.unwrap();
    }
    let all = |n| ledger.write(move |t| t.forget(horizon(0, 0, 9_000), n));
    assert_eq!(all(2).await.unwrap().audit_rows, 2);
    assert_eq!(all(2).await.unwrap().audit_rows, 1);
    ledger.record(unreadable(9_000, b"raw")).await.unwrap();
    assert_eq!(count(&sql, "audit WHERE id = 4"), 1);
    whole(&ledger).await;
}

#[tokio::test]
async fn what_concerns_a_buyer_is_erased_and_the_books_stay() {
    let (folder, ledger, sql) = in_file();
    open(&ledger, "A", 10).await;
    for id in ["4711", "4712"] {
        let message = says(vec![order("shop", id, 5, "A", 2)], vec![]);
        ledger.record(intake("shop", None, message)).await.unwrap();
    }
    let raw: [&[u8]; 4] = [
        b"{\"id\":4711,\"email\":\"Ann@Example.com\",\"id\":",
        b"{\"id\":9,\"email\":\"ANN@example.com\"",
        b"{\"id\":10,\"email\":\"bob@example.com\"",
        b"\xff\xfe",
    ];
    for body in raw {
        ledger.record(unreadable(900_000, body)).await.unwrap();
    }
    let found = |orders: &[&str], texts: &[&str]| {
        let named = |id: &&str| (channel("shop"), OrderId::new(id).unwrap());
        let what = Erasure {
            orders: orders.iter().map(named).collect(),
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
        };
        ledger.read(move |t| t.erasable(&what))
    };
    assert_eq!(found(&["4711"], &[]).await.unwrap(), BTreeSet::from([1, 3]));
    let other = Erasure {
        orders: BTreeSet::from([(channel("web"), OrderId::new("4711").unwrap())]),
        texts: Vec::new(),
    };
    let other = ledger.read(move |t| t.erasable(&other)).await.unwrap();
    assert!(other.is_empty(), "another channel's order of this number");
    let ids = found(&["4711"], &["ann@example.com"]).await.unwrap();
    assert_eq!(ids, BTreeSet::from([1, 3, 4]));
    assert_eq!(ledger.write(move |t| t.erase(&ids)).await.unwrap(), 3);
    assert!(ledger.fold_log().await.unwrap());
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).to_lowercase();
        assert!(!text.contains("ann@example.com"), "{}", path.display());
        let main = path.extension().is_some_and(|ext| ext == "db");
        assert_eq!(text.contains("bob@example.com"), main);
    }
    assert_eq!(count(&sql, "event"), 6);
    assert_eq!(balances(&ledger, "A").await.available(), 6);
    whole(&ledger).await;
}

#[tokio::test]
async fn work_that_is_handed_over_is_answered_once() {
    let ledger = ledger();
    let ask = |what: &'static str| ledger.write(move |t| t.hand_over(what, at(500)));
    let (first, second) = (ask("sync").await.unwrap(), ask("other").await.unwrap());
    assert!(first < second);
    let waiting = || ledger.read(|t| t.pending_requests());
    assert_eq!(
        waiting().await.unwrap(),
        [(first, "sync".to_owned()), (second, "other".to_owned())]
    );
    let result = || ledger.read(move |t| t.result_of(first));
    assert_eq!(result().await.unwrap(), None);
    for says in ["done", "done again"] {
        ledger.write(move |t| t.answer(first, says)).await.unwrap();
    }
    assert_eq!(result().await.unwrap().as_deref(), Some("done"));
    assert_eq!(waiting().await.unwrap().len(), 1);
    // What was answered is forgotten, what waits is not.
    let mut before = horizon(0, 0, 0);
    before.requests = at(501);
    ledger.write(move |t| t.forget(before, 10)).await.unwrap();
    assert_eq!(result().await.unwrap(), None);
    assert_eq!(waiting().await.unwrap().len(), 1);
}
