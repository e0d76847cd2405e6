//! Reports, tables, and what `status` says of the last comparison.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_the_trend_and_its_csv_runs_no_formula() {
    let desk = Desk::at_rest(&[("=1+1", 5), ("007", 9)], "", "").await;
    desk.woo.edit_stock(Goods::Sku("=1+1"), 50).unwrap();
    desk.woo.edit_stock(Goods::Sku("007"), 1).unwrap();
    desk.clock.pass(10);
    let path = desk.folder.path().join("drift.html");
    let found = desk
        .reconcile(Reconcile {
            report: Some(path.clone()),
            ..Reconcile::default()
        })
        .await;
    assert_eq!(found.code, 1, "{}", found.talk);
    let page = std::fs::read_to_string(&path).unwrap();
    for part in [
        "Drift over runs",
        "SKUs that are furthest off",
        "What was done",
        "edited",
        "=1+1",
        "50%",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let (data, talk) = (Paper::default(), Paper::default());
    let csv = Wishes {
        format: Format::Csv,
        ..Wishes::default()
    };
    let mut out = Out::to(csv, data.clone(), talk.clone());
    desk.clock.pass(10);
    reconcile_once(Reconcile::default(), &desk.seller, &mut out)
        .await
        .map(onhand::exit::Found::exit_code)
        .unwrap();
    let text = data.text();
    assert!(
        text.starts_with("channel,listing,sku,shown,desired,live,class,action\n"),
        "{text}"
    );
    assert!(text.contains(",'=1+1,5,5,50,edited,"), "{text}");
    assert!(text.contains(",007,9,9,1,edited,"), "{text}");
    assert!(
        talk.text()
            .contains("2 of 4 listings compared differ (50%)"),
        "{}",
        talk.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_how_the_last_comparison_was() {
    let desk = Desk::open(&[("MUG", 5), ("TEE", 9)], "", "").await;
    let status = || {
        let found = desk
            .command(&["status", "--format", "json"])
            .output()
            .unwrap();
        assert_eq!(found.status.code(), Some(0), "{}", text(&found));
        serde_json::from_slice::<Value>(&found.stdout).unwrap()
    };
    let never = status()["channels"][0].take();
    assert_eq!(
        (&never["channel"], &never["drift"]),
        (&"shop".into(), &Value::Null)
    );
    desk.reconcile(Reconcile::default()).await;
    assert_eq!(desk.sync(SyncOnce::default()).await.code, 0);
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    assert_eq!(desk.reconcile(Reconcile::default()).await.code, 1);
    let body = status();
    let drift = |n: usize| {
        let drift = &body["channels"][n]["drift"];
        (
            drift["drifted"].as_u64(),
            drift["compared"].as_u64(),
            drift["drift_pct"].as_f64(),
        )
    };
    assert_eq!(drift(0), (Some(1), Some(2), Some(50.0)), "{body}");
    assert_eq!(drift(1), (Some(0), Some(2), Some(0.0)), "{body}");
    assert!(
        body["channels"][0]["drift"]["at"].as_str().is_some(),
        "{body}"
    );
}
