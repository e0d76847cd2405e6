//! Several processes over one store, and processes that end in the middle of their work.

use super::gate::Gate;
use super::*;

/// Holds a lock file as another process would.
fn held(desk: &Desk, name: &str, says: &str) -> std::fs::File {
    let path = desk.folder.path().join(name);
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap();
    file.lock().unwrap();
    file.set_len(0).unwrap();
    file.write_all(says.as_bytes()).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn one_works_and_the_other_says_who_does() {
    let desk = Desk::open(&[("MUG", 5)], "", "").await;
    desk.reconcile(Reconcile::default()).await;
    for (lock, says, args) in [
        (
            "onhand.db.lock",
            "process 77 with `onhand sync`",
            vec!["sync"],
        ),
        ("onhand.db.reconcile.lock", "process 77", vec!["reconcile"]),
        ("onhand.db.schedule.lock", "process 77", vec!["schedule"]),
    ] {
        let other = held(&desk, lock, says);
        let found = desk.command(&args).output().unwrap();
        assert_eq!(found.status.code(), Some(4), "{args:?}: {}", text(&found));
        assert!(
            text(&found).contains("process 77"),
            "{args:?}: {}",
            text(&found)
        );
        drop(other);
    }
    desk.count("MUG", 4).await;
    let both = [
        desk.command(&["sync"]).spawn().unwrap(),
        desk.command(&["sync"]).spawn().unwrap(),
    ];
    let ids = both.each_ref().map(std::process::Child::id);
    let ended = both.map(|child| child.wait_with_output().unwrap());
    let codes = ended.each_ref().map(|found| found.status.code().unwrap());
    assert!(
        codes.contains(&0) && codes.iter().all(|code| [0, 4].contains(code)),
        "{codes:?}"
    );
    for (found, other) in ended.iter().zip([ids[1], ids[0]]) {
        if found.status.code() == Some(4) {
            assert!(
                text(found).contains(&format!("process {other}")),
                "{}",
                text(found)
            );
        }
    }
    assert_eq!(desk.shown("MUG"), [Some(4), Some(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_the_daemon_sends_what_a_comparison_found() {
    let desk = Desk::at_rest(
        &[("MUG", 5)],
        "[listen]\naddress = \"127.0.0.1:0\"\nadmin_address = \"127.0.0.1:0\"\n[reconcile]\nin_flight_s = 1",
        "",
    )
    .await;
    let mut daemon = desk.command(&["listen", "--schedule"]);
    let mut daemon = daemon
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lock = desk.folder.path().join("onhand.db.schedule.lock");
    let id = daemon.id().to_string();
    let says = format!("process {id}");
    desk.until("the daemon runs the schedule", move |_| {
        Ok((std::fs::read_to_string(&lock).unwrap_or_default() == says).then_some(()))
    })
    .await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 9).unwrap();
    desk.clock.pass(10);
    let found = desk.reconcile(apply()).await;
    assert_eq!(
        found.body["by"],
        format!("process {id}"),
        "{} {}",
        found.body,
        found.talk
    );
    let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(asked.success());
    assert_eq!(daemon.wait().unwrap().code(), Some(0), "it ends by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_11_a_comparison_that_was_killed_is_gone_on_with() {
    let names: Vec<String> = (0..1_000).map(|n| format!("SKU-{n:04}")).collect();
    let goods: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 5)).collect();
    let desk = Desk::open(&goods, "", "").await;
    let web = Reconcile {
        channel: Some("web".parse().unwrap()),
        ..Reconcile::default()
    };
    let whole = desk.reconcile(web).await;
    assert_eq!(whole.body["channels"][0]["pages"], 4, "{}", whole.talk);
    let gate = Gate::open(desk.shopify.base_url(), "LevelsAtLocation").await;
    desk.lead_shopify_over(gate.address);
    let killed = async || {
        gate.hold(3);
        let mut child = desk
            .command(&["reconcile", "--channel", "web"])
            .spawn()
            .unwrap();
        gate.held().await;
        let id = "web".parse::<onhand::domain::ids::ChannelId>().unwrap();
        desk.until("two pages are kept", move |t| {
            Ok(t.open_run(&id)?.filter(|run| run.reached.pages == 2))
        })
        .await;
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "it was killed");
    };
    let again = |more: &[&str]| {
        let args = [
            &["reconcile", "--channel", "web", "--format", "json"][..],
            more,
        ]
        .concat();
        let found = desk.command(&args).output().unwrap();
        assert_eq!(found.status.code(), Some(0), "{}", text(&found));
        serde_json::from_slice::<Value>(&found.stdout).unwrap()
    };
    killed().await;
    let asked = gate.seen();
    let rest = again(&[]);
    let channel = &rest["channels"][0];
    assert_eq!(
        (&channel["resumed"], &channel["pages"]),
        (&true.into(), &4.into()),
        "{rest}"
    );
    assert_eq!(gate.seen() - asked, 2, "no page is read twice");
    assert_eq!(rest["compared"], 1_000, "{rest}");

    killed().await;
    let asked = gate.seen();
    let anew = again(&["--full"]);
    assert_eq!(anew["channels"][0]["resumed"], false, "{anew}");
    assert_eq!(gate.seen() - asked, 4, "all of it is read anew");
}

#[tokio::test]
async fn a_sync_to_a_channel_that_is_not_there_ends_with_3() {
    let mut desk = Desk::at_rest(&[("MUG", 5)], "", "").await;
    let gone = Market::start_woocommerce(&WooOptions::default())
        .await
        .unwrap();
    std::mem::replace(&mut desk.woo, gone).stop().await;
    desk.count("MUG", 4).await;
    // Half a minute without a step forward is its patience; nothing but that is waited for here.
    tokio::time::pause();
    let cut = desk
        .sync(SyncOnce {
            channel: Some("shop".parse().unwrap()),
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(cut.code, 3, "{} {}", cut.body, cut.talk);
    assert!(cut.talk.contains("read the orders of shop"), "{}", cut.talk);
}
