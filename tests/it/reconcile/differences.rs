//! What differs, and what becomes of it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_whose_message_was_lost_is_booked_and_not_sent_over() {
    let desk = Desk::at_rest(&[("MUG", 5), ("TEE", 9)], "", "").await;
    let before = writes(&*desk.woo);
    desk.woo.buy(Goods::Sku("MUG"), 2).unwrap();
    desk.clock.pass(10);
    let told = desk.reconcile(Reconcile::default()).await;
    assert_eq!(
        lines(&told.body),
        ["shop sale_found 3 3 3 booked", "web sale_found 5 3 5 lower"],
        "{}",
        told.body
    );
    assert_eq!(told.code, 1, "one of four is over the limit");
    assert_eq!(
        (
            &told.body["compared"],
            &told.body["drifted"],
            &told.body["drift_pct"]
        ),
        (&4.into(), &1.into(), &25.0.into())
    );
    assert_eq!(desk.shown("MUG"), [Some(3), Some(5)], "nothing was sent");

    desk.clock.pass(10);
    let repaired = desk.reconcile(apply()).await;
    assert_eq!(desk.shown("MUG"), [Some(3), Some(3)], "{}", repaired.body);
    assert_eq!(writes(&*desk.woo), before, "nothing was sent over the sale");

    let again = desk.reconcile(apply()).await;
    assert_eq!(
        (again.code, &again.body["drifted"]),
        (0, &0.into()),
        "{}",
        again.body
    );
    assert_eq!(again.body["lines"], Value::Array(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_put_back_after_a_second_look() {
    let desk = Desk::at_rest(&[("MUG", 5), ("TEE", 9)], "", "").await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 10).unwrap();
    desk.shopify.edit_stock(Goods::Sku("TEE"), 2).unwrap();
    desk.clock.pass(10);
    let repaired = desk.reconcile(apply()).await;
    assert_eq!(
        lines(&repaired.body),
        [
            "shop edited 5 5 10 lower: sent 5",
            "web edited 9 9 2 raise: sent 9"
        ],
        "{}",
        repaired.talk
    );
    assert_eq!(desk.shown("MUG"), [Some(5), Some(5)]);
    assert_eq!(desk.shown("TEE"), [Some(9), Some(9)]);
    let again = desk.reconcile(Reconcile::default()).await;
    assert_eq!(
        (again.code, &again.body["drifted"]),
        (0, &0.into()),
        "{}",
        again.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_taken_into_the_stock_where_the_settings_say_so() {
    let desk = Desk::at_rest(&[("MUG", 5)], "", "edits = \"adjust\"").await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    let told = desk.reconcile(Reconcile::default()).await;
    assert_eq!(lines(&told.body), ["shop edited 5 5 8 adjust +3"]);
    assert_eq!(desk.on_hand("MUG").await, 5, "only told");
    desk.clock.pass(10);
    let repaired = desk.reconcile(apply()).await;
    assert_eq!(
        lines(&repaired.body),
        ["shop edited 5 5 8 adjusted +3"],
        "{}",
        repaired.talk
    );
    assert_eq!(desk.on_hand("MUG").await, 8);
    assert_eq!(desk.shown("MUG"), [Some(8), Some(8)]);
    desk.clock.pass(10);
    let again = desk.reconcile(apply()).await;
    assert_eq!(
        (again.code, &again.body["drifted"]),
        (0, &0.into()),
        "{}",
        again.body
    );
    assert_eq!(
        desk.seller.ledger.verify().await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_only_told_where_the_settings_say_so() {
    let desk = Desk::at_rest(&[("MUG", 5)], "", "edits = \"report\"").await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    let told = desk.reconcile(apply()).await;
    assert_eq!(lines(&told.body), ["shop edited 5 5 8 none: only told"]);
    assert_eq!(desk.shown("MUG"), [Some(8), Some(5)]);
    assert_eq!(told.code, 1);
    let allowed = desk
        .reconcile(Reconcile {
            fail_over: Some("100%".parse().unwrap()),
            ..Reconcile::default()
        })
        .await;
    assert_eq!(allowed.code, 0, "{}", allowed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_and_not_applied_is_sent_again() {
    let desk = Desk::open(&[("MUG", 9)], "", "").await;
    desk.count("MUG", 5).await;
    desk.reconcile(Reconcile::default()).await;
    assert_eq!(desk.sync(SyncOnce::default()).await.code, 0);
    assert_eq!(desk.shown("MUG"), [Some(5), Some(5)]);
    // As if the write had been answered and never happened: nobody has read it since.
    desk.woo.edit_stock(Goods::Sku("MUG"), 9).unwrap();
    let soon = desk.reconcile(apply()).await;
    assert_eq!(
        (soon.code, &soon.body["in_flight"]),
        (0, &1.into()),
        "{}",
        soon.body
    );
    assert_eq!(desk.shown("MUG")[0], Some(9), "it may still be on its way");
    desk.clock.pass(10);
    let repaired = desk.reconcile(apply()).await;
    assert_eq!(
        lines(&repaired.body),
        ["shop not_applied 5 5 9 lower: sent 5"]
    );
    assert_eq!(desk.shown("MUG"), [Some(5), Some(5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_was_cut_off_ends_with_5_and_does_nothing() {
    let mut desk = Desk::at_rest(&[("MUG", 5)], "", "").await;
    desk.shopify.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    let gone = Market::start_woocommerce(&WooOptions::default())
        .await
        .unwrap();
    std::mem::replace(&mut desk.woo, gone).stop().await;
    desk.clock.pass(10);
    let cut = desk
        .reconcile(Reconcile {
            channel: Some("shop".parse().unwrap()),
            ..apply()
        })
        .await;
    assert_eq!(cut.code, 5, "{}", cut.talk);
    assert_eq!(cut.body["incomplete"], true);
    assert!(
        cut.talk.contains("orders of shop could not be read"),
        "{}",
        cut.talk
    );
    assert_eq!(cut.body["lines"], Value::Array(vec![]));
    // The channel that can be read is repaired all the same, and the other still tells of itself.
    let rest = desk.reconcile(apply()).await;
    assert_eq!(rest.code, 5, "{}", rest.talk);
    assert_eq!(
        desk.shopify.shown(Goods::Sku("MUG")),
        Some(5),
        "{}",
        rest.body
    );
}
