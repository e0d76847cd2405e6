//! A wire for tests that plays a script: which operation has to come, and what is answered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::channels::{ChannelSettings, Fault, Reply, Request, Wire};
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;

use super::{Shopify, settings};

/// The secret of the recorded signatures.
pub(super) const SECRET: &str = "shpss_0123456789abcdef0123456789abcdef";

/// The configured location in all tests.
pub(super) const LOCATION: u64 = 106_318_430_514;

/// The settings of a shop that works.
pub(super) fn settings() -> ChannelSettings {
    ChannelSettings {
        id: ChannelId::new("shop").unwrap(),
        base_url: "https://example.myshopify.com".into(),
        webhook_secrets: vec!["newer".into(), SECRET.into()],
        credentials: BTreeMap::from([("token".into(), "shpat_secret".into())]),
        locations: Vec::new(),
        options: BTreeMap::from([("location".into(), LOCATION.to_string())]),
        hook_url: Some("https://stock.example/hooks/shop".into()),
    }
}

/// That shop.
pub(super) fn shop() -> Shopify {
    settings::read(&settings()).unwrap()
}

/// An answer with a status.
pub(super) fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status,
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_owned()),
    }
}

/// What was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) operation: String,
    pub(super) variables: Value,
    pub(super) url: String,
    pub(super) body: String,
}

/// The script and what came so far.
#[derive(Debug, Default)]
pub(super) struct Script {
    steps: Mutex<VecDeque<(&'static str, Result<Reply, Fault>)>>,
    sent: Mutex<Vec<Sent>>,
}

impl Script {
    /// Answers these operations, in this order, with status 200.
    pub(super) fn of<B: ToString>(steps: impl IntoIterator<Item = (&'static str, B)>) -> Self {
        let steps = steps
            .into_iter()
            .map(|(operation, body)| (operation, Ok(reply(200, &body.to_string()))))
            .collect();
        Self::exactly(steps)
    }

    /// The same with any outcome.
    pub(super) fn exactly(steps: Vec<(&'static str, Result<Reply, Fault>)>) -> Self {
        Self {
            steps: Mutex::new(steps.into()),
            sent: Mutex::default(),
        }
    }

    /// What was sent, after making sure that the script was played to its end.
    #[track_caller]
    pub(super) fn sent(self) -> Vec<Sent> {
        let left = self.steps.into_inner().unwrap();
        assert!(left.is_empty(), "not asked for: {left:?}");
        self.sent.into_inner().unwrap()
    }
}

#[async_trait]
impl Wire for Script {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let query = json.pointer("/query").and_then(Value::as_str);
        let operation = query.map_or(request.purpose, |query| {
            query.split([' ', '(']).nth(1).unwrap_or_default()
        });
        let operation = operation.to_owned();
        let next = self.steps.lock().unwrap().pop_front();
        let (expected, outcome) = next.unwrap_or_else(|| panic!("{operation} was not expected"));
        assert_eq!(operation, expected);
        self.sent.lock().unwrap().push(Sent {
            operation,
            variables: json.pointer("/variables").cloned().unwrap_or_default(),
            url: request.url,
            body,
        });
        outcome
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_577_785_000)
    }
}
