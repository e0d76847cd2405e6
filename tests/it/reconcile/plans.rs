//! Plans, brakes, and what a sync sends.

use super::*;

fn plan_in(desk: &Desk) -> std::path::PathBuf {
    desk.folder.path().join("plan.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_sent_exactly_or_not_at_all() {
    let desk = Desk::at_rest(&[("MUG", 5), ("TEE", 9)], "", "").await;
    desk.count("MUG", 3).await;
    let path = plan_in(&desk);
    let planned = desk
        .sync(SyncOnce {
            plan: Some(path.clone()),
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(planned.code, 1, "something would be sent");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(file["lines"].as_array().unwrap().len(), 2, "{file}");
    assert_eq!(file["digest"], planned.body["digest"]);
    let apply = || SyncOnce {
        apply: Some(path.clone()),
        ..SyncOnce::default()
    };
    desk.count("MUG", 2).await;
    let refused = desk.sync(apply()).await;
    assert_eq!(refused.code, 5, "{}", refused.talk);
    assert!(refused.talk.contains("the world moved"), "{}", refused.talk);
    assert_eq!(desk.shown("MUG"), [Some(5), Some(5)]);
    desk.count("MUG", 3).await;
    let versions = desk.sync(apply()).await;
    assert_eq!(
        versions.code, 5,
        "the number is the same, what it follows from is not"
    );

    desk.sync(SyncOnce {
        plan: Some(path.clone()),
        ..SyncOnce::default()
    })
    .await;
    // What came after the plan is not part of it.
    desk.count("TEE", 1).await;
    let sent = desk.sync(apply()).await;
    assert_eq!(sent.code, 0, "{} {}", sent.body, sent.talk);
    assert_eq!(desk.shown("MUG"), [Some(3), Some(3)]);
    assert_eq!(desk.shown("TEE"), [Some(9), Some(9)]);
    assert_eq!(desk.sync(SyncOnce::default()).await.code, 0);
    let empty = desk
        .sync(SyncOnce {
            plan: Some(path.clone()),
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(
        (empty.code, &empty.body["lines"]),
        (0, &Value::Array(vec![]))
    );
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(desk.sync(apply()).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_applied_exactly_as_it_was_planned() {
    let desk = Desk::at_rest(&[("MUG", 5), ("TEE", 9)], "", "").await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    let path = plan_in(&desk);
    let planned = desk
        .reconcile(Reconcile {
            plan: Some(path.clone()),
            ..Reconcile::default()
        })
        .await;
    assert_eq!(planned.code, 1, "{}", planned.talk);
    desk.woo.edit_stock(Goods::Sku("MUG"), 7).unwrap();
    desk.clock.pass(10);
    let exactly = || Reconcile {
        apply: Some(Some(path.clone())),
        ..Reconcile::default()
    };
    let refused = desk.reconcile(exactly()).await;
    assert_eq!(refused.code, 5, "{}", refused.talk);
    assert_eq!(desk.shown("MUG")[0], Some(7));
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    let sent = desk.reconcile(exactly()).await;
    assert_eq!(
        lines(&sent.body),
        ["shop edited 5 5 8 lower: sent 5"],
        "{}",
        sent.talk
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mass_lowering_stops_and_asks() {
    let names: Vec<String> = (0..12).map(|n| format!("SKU-{n:02}")).collect();
    let goods: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 9)).collect();
    let desk = Desk::at_rest(&goods, "[reconcile]\nbrake_free = 2", "").await;
    for (sku, _) in &goods {
        desk.woo.edit_stock(Goods::Sku(sku), 20).unwrap();
    }
    desk.clock.pass(10);
    let stopped = desk.reconcile(apply()).await;
    assert_eq!(stopped.code, 1, "{}", stopped.talk);
    assert!(
        stopped
            .talk
            .contains("12 of 12 listings would be lowered (100%)"),
        "{}",
        stopped.talk
    );
    assert!(stopped.talk.contains("--yes-lower 12"), "{}", stopped.talk);
    assert_eq!(stopped.body["stopped"]["lowered"], 12);
    assert_eq!(
        desk.shown("SKU-00"),
        [Some(20), Some(9)],
        "nothing was sent"
    );
    let meant = desk
        .reconcile(Reconcile {
            yes_lower: Some(12),
            ..apply()
        })
        .await;
    assert_eq!(meant.body["stopped"], Value::Null, "{}", meant.talk);
    assert_eq!(desk.shown("SKU-11"), [Some(9), Some(9)]);

    for (sku, _) in &goods {
        desk.count(sku, 0).await;
    }
    let stopped = desk.sync(SyncOnce::default()).await;
    assert_eq!(stopped.code, 1, "{}", stopped.talk);
    assert!(
        stopped.talk.contains("24 of 24 listings would be set to 0"),
        "{}",
        stopped.talk
    );
    assert_eq!(desk.shown("SKU-00"), [Some(9), Some(9)]);
    let meant = desk
        .sync(SyncOnce {
            yes_lower: Some(24),
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(meant.code, 0, "{}", meant.talk);
    assert_eq!(desk.shown("SKU-00"), [Some(0), Some(0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_of_one_tier_leaves_the_others() {
    let tiers = "[tiers.pin]\nMUG = \"B\"\nTEE = \"C\"";
    let desk = Desk::at_rest(&[("MUG", 50), ("TEE", 50)], tiers, "").await;
    desk.count("MUG", 40).await;
    desk.count("TEE", 40).await;
    let slow = desk
        .sync(SyncOnce {
            tier: onhand::cli::TierChoice::C,
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(slow.code, 0, "{}", slow.body);
    assert_eq!(desk.shown("TEE"), [Some(40), Some(40)]);
    assert_eq!(desk.shown("MUG"), [Some(50), Some(50)]);
}
