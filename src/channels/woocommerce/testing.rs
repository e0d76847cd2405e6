//! For this folder's tests: a wire that follows a script, and the recorded deliveries and answers of a real shop.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::super::{ChannelSettings, Fault, Reply, Request, Wire};
use super::WooCommerce;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;

/// Method, a part of the URL, and what comes back.
pub(super) type Step = (&'static str, &'static str, Result<Reply, Fault>);

/// Answers in the order of its script, and panics at any other call.
pub(super) struct Script {
    steps: Mutex<VecDeque<Step>>,
    sent: Mutex<Vec<Request>>,
}

impl Script {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self {
            steps: Mutex::new(steps.into()),
            sent: Mutex::new(Vec::new()),
        }
    }

    /// All requests; panics if the script was not played to its end.
    pub(super) fn done(self) -> Vec<Request> {
        let left = self.steps.into_inner().unwrap();
        assert!(left.is_empty(), "never asked for: {left:?}");
        self.sent.into_inner().unwrap()
    }
}

#[async_trait]
impl Wire for Script {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        let step = self.steps.lock().unwrap().pop_front();
        let (method, part, answer) =
            step.unwrap_or_else(|| panic!("not in the script: {request:?}"));
        assert_eq!(request.method.as_str(), method, "{}", request.url);
        assert!(request.url.contains(part), "{} has no {part}", request.url);
        self.sent.lock().unwrap().push(request);
        answer
    }

    fn now(&self) -> Timestamp {
        Timestamp::parse("2026-11-25T06:00:00Z").unwrap()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a script holds results")]
pub(super) fn reply(status: u16, body: &str) -> Result<Reply, Fault> {
    Ok(Reply {
        status,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    })
}

/// The same with `X-WP-TotalPages`.
pub(super) fn page_of(pages: &str, body: &str) -> Result<Reply, Fault> {
    let mut reply = reply(200, body)?;
    reply
        .headers
        .insert("x-wp-totalpages", pages.parse().unwrap());
    Ok(reply)
}

pub(super) fn settings(base_url: &str) -> ChannelSettings {
    ChannelSettings {
        id: ChannelId::new("shop").unwrap(),
        base_url: base_url.into(),
        webhook_secrets: vec!["new_secret".into(), "whsec_onhand_fixture".into()],
        credentials: BTreeMap::from([
            ("key".into(), "ck_test".into()),
            ("secret".into(), "cs_test".into()),
        ]),
        locations: Vec::new(),
        options: BTreeMap::new(),
        hook_url: Some("https://stock.example/hooks/shop".into()),
    }
}

pub(super) fn shop() -> WooCommerce {
    WooCommerce::open(&settings("https://shop.example")).unwrap()
}

/// The folder of recorded exchanges. Where it is missing the tests that need it say so and pass, but not in CI.
pub(super) fn fixtures() -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let given = std::env::var_os("ONHAND_SHARED").map(PathBuf::from);
    let found = [
        given,
        Some(here.join("tests")),
        Some(here.join("../shared")),
        Some(here.join("../../shared")),
    ]
    .into_iter()
    .flatten()
    .map(|root| root.join("fixtures/woocommerce"))
    .find(|folder| folder.is_dir());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "the recorded WooCommerce exchanges are missing; set ONHAND_SHARED"
        );
        // Past the capture of a test that passes.
        let says = "SKIPPED: no recorded WooCommerce exchanges; set ONHAND_SHARED to the folder that holds fixtures/";
        writeln!(std::io::stderr(), "{says}").unwrap();
    }
    found
}

/// A recorded delivery: raw body and headers.
pub(super) fn delivery(name: &str) -> Option<(Vec<u8>, HeaderMap)> {
    let folder = fixtures()?.join("webhooks");
    let body = std::fs::read(folder.join(format!("{name}.body"))).unwrap();
    let head = std::fs::read(folder.join(format!("{name}.headers.json"))).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    let mut headers = HeaderMap::new();
    for pair in head["headers"].as_array().unwrap() {
        let name: HeaderName = pair[0].as_str().unwrap().parse().unwrap();
        headers.append(
            name,
            HeaderValue::from_str(pair[1].as_str().unwrap()).unwrap(),
        );
    }
    Some((body, headers))
}

/// A recorded answer of the REST interface.
pub(super) fn recorded(name: &str) -> Option<Reply> {
    let file = fixtures()?.join(format!("rest/{name}.json"));
    let exchange: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let response = &exchange["response"];
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().unwrap() {
        let name: HeaderName = name.parse().unwrap();
        headers.append(
            name,
            HeaderValue::from_str(value.as_str().unwrap()).unwrap(),
        );
    }
    Some(Reply {
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        headers,
        body: Bytes::from(response["body"].to_string()),
    })
}
