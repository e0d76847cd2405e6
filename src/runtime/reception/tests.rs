//! What senders are answered, by what became of their message. The channel is a real one, the store can fail.

use std::sync::mpsc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::*;
use crate::broker::Doorbell;
use crate::channels::{ChannelSettings, Reply, Request, platform};
use crate::domain::catalog::Folding;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::decide::ChannelRules;
use crate::domain::ids::LocationId;
use crate::ledger::record::{BookRules, ChannelBooks};
use crate::ledger::sqlite::Sqlite;
use crate::ledger::testing::{Exposed, Weather};
use crate::ledger::{Ledger, StoreError};

const SECRET: &str = "a secret";
const BODY: &[u8] = br#"{"id":15}"#;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000)
    }
}

struct NoWire;

#[async_trait]
impl Wire for NoWire {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        panic!("called {request:?}")
    }

    fn now(&self) -> Timestamp {
        Still.now()
    }
}

fn shop() -> ChannelId {
    ChannelId::new("shop").unwrap()
}

fn rules() -> BookRules {
    let books = ChannelBooks {
        rules: ChannelRules {
            location: LocationId::new("main").unwrap(),
            clock_skew_ms: 0,
        },
        folding: Folding::default(),
        delivery_id_unique: false,
    };
    BTreeMap::from([(shop(), books)]).into()
}

fn reception(ledger: Ledger) -> Arc<Reception> {
    let settings = ChannelSettings {
        id: shop(),
        base_url: "https://shop.example".into(),
        webhook_secrets: vec![SECRET.into()],
        credentials: BTreeMap::from([("key".into(), "ck".into()), ("secret".into(), "cs".into())]),
        locations: Vec::new(),
        options: BTreeMap::new(),
        hook_url: None,
    };
    let channel = (platform("woocommerce").unwrap().open)(&settings).unwrap();
    let door = Door {
        channel: Arc::from(channel),
        keys: Arc::new(NoWire),
    };
    let desk = Desk {
        ledger,
        bell: Doorbell::default(),
        clock: Arc::new(Still),
    };
    Arc::new(Reception::new(desk, BTreeMap::from([(shop(), door)])))
}

fn exposed(weather: &Arc<Weather>) -> Arc<Reception> {
    let store = Exposed::new(weather);
    let ledger = Ledger::start(
        store,
        Box::new(Sqlite::in_memory().unwrap()),
        rules(),
        Arc::new(Still),
    );
    reception(ledger)
}

fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// An order was deleted, signed for `signed`.
async fn send(reception: &Reception, signed: &[u8], body: &'static [u8]) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("x-wc-webhook-topic", "order.deleted".parse().unwrap());
    headers.insert("x-wc-webhook-signature", signature(signed).parse().unwrap());
    let body = Bytes::from_static(body);
    reception
        .receive("shop", &Method::POST, "", &headers, body)
        .await
}

async fn messages(reception: &Reception) -> i64 {
    let totals = reception.desk.ledger.write(|tables| tables.totals()).await;
    totals.unwrap().messages
}

#[tokio::test]
async fn what_is_forged_is_answered_with_nothing_and_kept_nowhere() {
    let weather = Arc::new(Weather::default());
    let reception = exposed(&weather);
    let answer = send(&reception, b"something else", BODY).await;
    assert_eq!(answer, Answer::status(401));
    assert_eq!(weather.writes(), 0);
}

#[tokio::test]
async fn an_unsigned_ping_is_answered_and_never_written() {
    let weather = Arc::new(Weather::default());
    let reception = exposed(&weather);
    for _ in 0..3 {
        let body = Bytes::from_static(b"webhook_id=1");
        let headers = HeaderMap::new();
        let answer = reception
            .receive("shop", &Method::POST, "", &headers, body)
            .await;
        assert_eq!(answer, Answer::status(200));
    }
    assert_eq!(weather.writes(), 0);
}

#[tokio::test]
async fn a_message_that_cannot_be_kept_is_asked_for_again_and_readiness_comes_back_by_itself() {
    let weather = Arc::new(Weather::default());
    let reception = exposed(&weather);
    assert_eq!(reception.ready().await, Ok(()));
    for error in [StoreError::Busy, StoreError::Full] {
        weather.fail(error.clone());
        let answer = send(&reception, BODY, BODY).await;
        assert_eq!((answer.status, answer.body), (503, None));
        assert!(answer.retry_after_s.is_some());
        weather.fail(error.clone());
        assert_eq!(reception.ready().await, Err(error.to_string()));
        assert_eq!(reception.ready().await, Ok(()), "no message was needed");
    }
    assert_eq!(messages(&reception).await, 0);
    assert_eq!(send(&reception, BODY, BODY).await, Answer::status(200));
    assert_eq!(messages(&reception).await, 1);
}

#[tokio::test]
async fn a_store_that_is_not_written_any_more_is_not_ready() {
    let weather = Arc::new(Weather::default());
    let reception = exposed(&weather);
    weather.fail(StoreError::Disk("planted".to_owned()));
    assert_eq!(send(&reception, BODY, BODY).await.status, 503);
    reception.desk.ledger.ended().await;
    assert!(reception.ready().await.is_err());
    assert_eq!(send(&reception, BODY, BODY).await.status, 503);
}

#[tokio::test]
async fn nothing_is_answered_before_the_commit() {
    let weather = Arc::new(Weather::default());
    let reception = exposed(&weather);
    let (came, reached) = mpsc::channel();
    let (let_on, on) = mpsc::channel();
    *weather.gate.lock().unwrap() = Some((came, on));
    let sender = tokio::spawn({
        let reception = Arc::clone(&reception);
        async move { send(&reception, BODY, BODY).await }
    });
    tokio::task::spawn_blocking(move || reached.recv().unwrap())
        .await
        .unwrap();
    assert!(!sender.is_finished());
    let_on.send(()).unwrap();
    assert_eq!(sender.await.unwrap(), Answer::status(200));
    assert_eq!(messages(&reception).await, 1);
}

#[tokio::test]
async fn a_store_that_another_process_holds_is_a_503_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let open = || Box::new(Sqlite::open(&path).unwrap());
    let ledger = Ledger::start(open(), open(), rules(), Arc::new(Still));
    let reception = reception(ledger);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let limit = crate::runtime::server::Limits::default().answer;
    let answer = tokio::time::timeout(limit, send(&reception, BODY, BODY)).await;
    let answer = answer.expect("before senders hang up");
    assert_eq!(answer.status, 503);
    assert!(answer.retry_after_s.is_some());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(send(&reception, BODY, BODY).await, Answer::status(200));
}
