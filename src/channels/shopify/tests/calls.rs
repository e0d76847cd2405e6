//! What answers mean before their data is read; tokens; quota; what never leaks.

use serde_json::json;

use super::super::script::{Script, reply, settings, shop};
use super::super::settings::read;
use crate::channels::{Channel, Fault, Level, Page, Reply, Update, Verdict, Which, platform};
use crate::domain::ids::ListingId;
use crate::domain::quantity::Quantity;
use secrecy::ExposeSecret;

async fn levels(answer: Result<Reply, Fault>) -> Result<Page<Level>, Fault> {
    let script = Script::exactly(vec![("LevelsAtLocation", answer)]);
    let page = shop().levels(&script, Which::All(None)).await;
    script.sent();
    page
}

async fn write(answer: Result<Reply, Fault>) -> Result<Verdict, Fault> {
    let script = Script::exactly(vec![("SetAvailable", answer)]);
    let update = Update {
        listing: ListingId::new("5").unwrap(),
        quantity: Quantity::new(7).unwrap(),
        compare: Some(2),
        key: "k".into(),
    };
    let mut results = shop().publish(&script, &[update]).await;
    script.sent();
    results.pop().unwrap()
}

#[derive(Debug, PartialEq)]
enum Kind {
    Throttled(Option<u64>),
    Unauthorized,
    Transient,
    Unknown,
    Rejected,
    Other,
}

fn kind<T>(result: Result<T, Fault>) -> Kind {
    match result {
        Err(Fault::Throttled { after_ms }) => Kind::Throttled(after_ms),
        Err(Fault::Unauthorized(_)) => Kind::Unauthorized,
        Err(Fault::Transient(_)) => Kind::Transient,
        Err(Fault::Unknown(_)) => Kind::Unknown,
        Err(Fault::Rejected(_)) => Kind::Rejected,
        Err(_) | Ok(_) => Kind::Other,
    }
}

async fn check(status: u16, body: &str, read: Kind, written: Kind) {
    assert_eq!(
        kind(levels(Ok(reply(status, body))).await),
        read,
        "read {status} {body}"
    );
    assert_eq!(
        kind(write(Ok(reply(status, body))).await),
        written,
        "write {status} {body}"
    );
}

#[tokio::test]
async fn statuses_become_faults() {
    for status in [401, 402, 403, 423, 430] {
        check(status, "", Kind::Unauthorized, Kind::Unauthorized).await;
    }
    check(
        404,
        r#"{"errors":"Not Found"}"#,
        Kind::Rejected,
        Kind::Rejected,
    )
    .await;
    check(400, "", Kind::Rejected, Kind::Rejected).await;
    check(429, "", Kind::Throttled(None), Kind::Throttled(None)).await;
    check(502, "<html>", Kind::Transient, Kind::Unknown).await;
    check(200, "<html>", Kind::Transient, Kind::Unknown).await;
    check(200, "{}", Kind::Transient, Kind::Unknown).await;
    assert_eq!(
        kind(levels(Err(Fault::Unknown("x".into()))).await),
        Kind::Transient
    );
    assert_eq!(
        kind(write(Err(Fault::Unknown("x".into()))).await),
        Kind::Unknown
    );
}

#[tokio::test]
async fn errors_inside_a_200_become_faults() {
    let error = |code: &str| {
        json!({ "errors": [{ "message": "m", "extensions": { "code": code } }], "data": null })
            .to_string()
    };
    for code in ["ACCESS_DENIED", "SHOP_INACTIVE"] {
        check(200, &error(code), Kind::Unauthorized, Kind::Unauthorized).await;
    }
    for code in [
        "BAD_REQUEST",
        "INVALID_VARIABLE",
        "INVALID_FIELD_ARGUMENTS",
        "MAX_COST_EXCEEDED",
    ] {
        check(200, &error(code), Kind::Rejected, Kind::Rejected).await;
    }
    check(
        200,
        &error("INTERNAL_SERVER_ERROR"),
        Kind::Transient,
        Kind::Unknown,
    )
    .await;
    check(
        200,
        r#"{"errors":"[API] Invalid API key"}"#,
        Kind::Rejected,
        Kind::Rejected,
    )
    .await;
    let recorded = r#"{"errors":[{"message":"The @idempotent directive is required for this mutation but was not provided.","locations":[],"extensions":{"code":"BAD_REQUEST"},"path":["inventorySetQuantities"]}],"data":{"inventorySetQuantities":null}}"#;
    check(200, recorded, Kind::Rejected, Kind::Rejected).await;
}

#[tokio::test]
async fn throttled_comes_with_status_200_and_says_how_long_if_one_calculates() {
    let body = |cost: serde_json::Value| {
        json!({ "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
        "extensions": { "cost": cost } })
        .to_string()
    };
    let bucket = |available: f64, rate: f64| json!({ "maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": rate });
    let rows = [
        (
            json!({ "requestedQueryCost": 752, "actualQueryCost": null, "throttleStatus": bucket(1.5, 100.0) }),
            Some(7505),
        ),
        (
            json!({ "requestedQueryCost": 752, "throttleStatus": bucket(751.9999, 100.0) }),
            Some(1),
        ),
        // Unknown cost is what a write costs, not nothing.
        (
            json!({ "requestedQueryCost": null, "throttleStatus": bucket(3.0, 2.0) }),
            Some(5000),
        ),
        (
            json!({ "requestedQueryCost": 10, "throttleStatus": bucket(50.0, 100.0) }),
            None,
        ),
        (
            json!({ "requestedQueryCost": 10, "throttleStatus": bucket(0.0, 0.0) }),
            None,
        ),
        (json!({ "requestedQueryCost": 10 }), None),
    ];
    for (cost, wait) in rows {
        check(
            200,
            &body(cost),
            Kind::Throttled(wait),
            Kind::Throttled(wait),
        )
        .await;
    }
    let without = r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}"#;
    check(200, without, Kind::Throttled(None), Kind::Throttled(None)).await;
}

#[test]
fn the_bucket_is_read_from_the_answer() {
    let body = r#"{"data":{},"extensions":{"cost":{"requestedQueryCost":13,"actualQueryCost":13,"throttleStatus":{"maximumAvailable":2000.0,"currentlyAvailable":1300,"restoreRate":100.0}}}}"#;
    let quota = shop().quota(&reply(200, body)).unwrap();
    assert!((quota.left - 100.0).abs() < 1e-9);
    assert!((quota.per_second - 100.0 / 13.0).abs() < 1e-9);
    for nothing in [
        "",
        "<html>",
        r#"{"data":{}}"#,
        r#"{"extensions":{"cost":{}}}"#,
    ] {
        assert_eq!(shop().quota(&reply(200, nothing)), None);
    }
}

#[tokio::test]
async fn a_static_token_does_not_end() {
    let none = Script::exactly(Vec::new());
    let token = shop().refresh(&none, None).await.unwrap();
    assert_eq!(token.access.expose_secret(), "shpat_secret");
    assert_eq!(token.expires_at, None);
}

#[tokio::test]
async fn a_client_asks_for_a_token_of_a_day() {
    let mut settings = settings();
    settings.credentials.clear();
    settings
        .credentials
        .insert("client_id".into(), "an id".into());
    settings
        .credentials
        .insert("client_secret".into(), "s&cret".into());
    let shop = read(&settings).unwrap();
    let script = Script::of([(
        "token",
        r#"{"access_token":"shpat_day","scope":"read_orders","expires_in":86399}"#,
    )]);
    let token = shop.refresh(&script, None).await.unwrap();
    assert_eq!(token.access.expose_secret(), "shpat_day");
    assert_eq!(
        token.expires_at.unwrap().millis(),
        1_795_577_785_000 + 86_399_000
    );
    assert!(!format!("{token:?}").contains("shpat_day"));
    let sent = script.sent();
    assert_eq!(
        sent[0].url,
        "https://example.myshopify.com/admin/oauth/access_token"
    );
    assert_eq!(
        sent[0].body,
        "grant_type=client_credentials&client_id=an%20id&client_secret=s%26cret"
    );
    for status in [400, 401, 403] {
        let denied = reply(
            status,
            r#"{"error":"invalid_client","error_description":"s&cret is wrong"}"#,
        );
        let script = Script::exactly(vec![("token", Ok(denied))]);
        match shop.refresh(&script, None).await {
            Err(Fault::Unauthorized(why)) => {
                assert!(why.contains("invalid_client") && !why.contains("s&cret"));
            }
            other => panic!("{other:?}"),
        }
    }
    let script = Script::exactly(vec![("token", Err(Fault::Unknown("lost".into())))]);
    assert!(matches!(
        shop.refresh(&script, None).await,
        Err(Fault::Transient(_))
    ));
}

#[test]
fn the_platform_is_registered_and_its_channel_shows_no_secret() {
    let platform = platform("shopify").unwrap();
    let channel = (platform.open)(&settings()).unwrap();
    let shown = format!("{channel:?}");
    for secret in ["shpat_", "shpss_", "newer"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let profile = channel.profile();
    assert!(profile.compare_and_set && profile.delivery_id_unique);
    assert_eq!(
        (
            profile.batch_max,
            profile.calls_at_once,
            profile.forged_status
        ),
        (100, 2, 401)
    );
}
