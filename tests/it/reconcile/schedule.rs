//! What runs by the clock.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_says_what_runs_next_and_stops_when_told() {
    let when = "[schedule]\ntimezone = \"Europe/Berlin\"\n[schedule.sync_b]\nwhen = \"1s\"\n\
                [schedule.reconcile]\nwhen = \"off\"";
    let desk = Desk::open(&[("MUG", 5)], when, "").await;
    let found = desk
        .command(&["schedule", "--list", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(found.status.code(), Some(0), "{}", text(&found));
    let body: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(body["schema"], "onhand.schedule/1");
    let jobs = body["jobs"].as_array().unwrap();
    let job = |name: &str| jobs.iter().find(|job| job["job"] == name).unwrap();
    assert_eq!(
        jobs.iter().filter(|job| job["job"] == "sync_b").count(),
        2,
        "one per channel"
    );
    let daily = job("reconcile_full");
    assert!(
        daily["next_local"]
            .as_str()
            .unwrap()
            .contains("T03:30:00+0"),
        "{daily}"
    );
    assert!(
        daily["next_utc"].as_str().unwrap().ends_with(":30:00.000Z"),
        "{daily}"
    );
    assert_eq!(job("reconcile")["next_utc"], Value::Null, "it is off");

    let mut running = desk.command(&["schedule"]);
    let mut running = running
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    desk.until("both channels had their slots", |t| {
        let mut rows = t.slots()?;
        rows.retain(|row| row.job == "sync_b" && row.runs > 1);
        Ok((rows.len() == 2).then_some(()))
    })
    .await;
    let id = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert_eq!(
        desk.seller.ledger.verify().await.unwrap(),
        Vec::<String>::new()
    );
}

/// A fast SKU and a slow one, ten days of orders.
#[cfg(feature = "sales")]
fn export(fast: &str, slow: &str) -> String {
    use std::fmt::Write as _;

    let mut text = String::from("order,time,sku,quantity\n");
    let mut order = 0;
    for day in 1..=10 {
        for hour in 8..20 {
            for minute in 0..30 {
                order += 1;
                let time = format!("2026-03-{day:02}T{hour:02}:{minute:02}:00Z");
                writeln!(text, "{order},{time},{fast},1").unwrap();
            }
        }
        order += 1;
        writeln!(text, "{order},2026-03-{day:02}T12:00:00Z,{slow},1").unwrap();
    }
    text
}

#[cfg(feature = "sales")]
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_appears_in_the_folder_refreshes_the_tiers() {
    let when = "[schedule]\nexports = \"exports\"\n[schedule.classify]\nwhen = \"1s\"";
    let desk = Desk::open(&[("MUG", 5), ("TEE", 9)], when, "").await;
    let folder = desk.folder.path().join("exports");
    std::fs::create_dir(&folder).unwrap();
    let mut running = desk
        .command(&["schedule"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let outcome = |says: fn(&str) -> bool| {
        move |t: &mut dyn Tables| -> Result<Option<String>, StoreError> {
            let row = t.slots()?.into_iter().find(|row| row.job == "classify");
            Ok(row
                .and_then(|row| row.outcome)
                .filter(|outcome| says(outcome)))
        }
    };
    desk.until(
        "the empty folder was looked at",
        outcome(|says| says == "nothing new"),
    )
    .await;
    let tiers = || async {
        let kept = desk.seller.ledger.read(|t| t.tiers()).await.unwrap();
        ["MUG", "TEE"].map(|sku| {
            kept.get(&Sku::new(sku).unwrap())
                .map(|one| one.kept.tier.letter())
        })
    };
    assert_eq!(tiers().await, [None, None]);
    // Written under another name first, as whoever brings exports should do it.
    std::fs::write(folder.join(".march.csv"), export("MUG", "TEE")).unwrap();
    std::fs::rename(folder.join(".march.csv"), folder.join("march.csv")).unwrap();
    desk.until("the tiers are there", |t| {
        Ok((t.tiers()?.len() == 2).then_some(()))
    })
    .await;
    assert_eq!(tiers().await, [Some("A"), Some("C")]);
    desk.until(
        "the same files are nothing new",
        outcome(|says| says == "nothing new"),
    )
    .await;
    let id = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(0));
}
