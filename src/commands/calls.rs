//! What the wires of a seller's channels share: where tokens are kept, and where calls are written down.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::channels::Token;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::ledger::Ledger;
use crate::ledger::tables::AuditRow;
use crate::runtime::wire::{AuditSink, CallRow, TokenStore};

/// Most calls that wait to be written down; at a channel's usual rate that is minutes.
const CALLS_WAITING_MAX: usize = 4_096;
/// Most calls in one write.
const CALLS_BATCH: usize = 256;

/// Keeps tokens in the store, whose file only its owner can read.
#[derive(Debug, Clone)]
pub struct StoredTokens(pub Ledger);

/// A token as it stands in the store.
#[derive(Serialize, Deserialize)]
struct Written {
    access: String,
    expires_at: Option<Timestamp>,
    refresh: Option<String>,
}

impl From<&Token> for Written {
    fn from(token: &Token) -> Self {
        Self {
            access: token.access.expose_secret().to_owned(),
            expires_at: token.expires_at,
            refresh: token
                .refresh
                .as_ref()
                .map(|secret| secret.expose_secret().to_owned()),
        }
    }
}

impl From<Written> for Token {
    fn from(written: Written) -> Self {
        Self {
            access: SecretString::from(written.access),
            expires_at: written.expires_at,
            refresh: written.refresh.map(SecretString::from),
        }
    }
}

#[async_trait]
impl TokenStore for StoredTokens {
    async fn load(&self, channel: &ChannelId) -> Result<Option<Token>, String> {
        let id = channel.clone();
        let state = self.0.read(move |tables| tables.channel(&id)).await;
        let Some(text) = state.map_err(|error| error.to_string())?.token else {
            return Ok(None);
        };
        // The library's message would repeat a part of the token.
        let written: Written =
            serde_json::from_str(&text).map_err(|_| "the kept token is not readable".to_owned())?;
        Ok(Some(written.into()))
    }

    async fn save(&self, channel: &ChannelId, token: &Token) -> Result<(), String> {
        let text = serde_json::to_string(&Written::from(token))
            .map_err(|_| "the token cannot be written down".to_owned())?;
        let id = channel.clone();
        let saved = self.0.write(move |tables| {
            let mut state = tables.channel(&id)?;
            state.token = Some(text.clone());
            tables.set_channel(&id, &state)
        });
        saved.await.map_err(|error| error.to_string())
    }
}

/// Takes rows of calls without waiting; what does not fit is lost and said so.
#[derive(Clone)]
pub struct CallAudit(mpsc::Sender<CallRow>);

impl fmt::Debug for CallAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallAudit")
    }
}

impl CallAudit {
    /// Starts the task that writes calls down. It ends when every sink and wire that holds one is gone.
    pub fn start(ledger: Ledger) -> (Arc<Self>, JoinHandle<()>) {
        let (sender, calls) = mpsc::channel(CALLS_WAITING_MAX);
        let drain = tokio::spawn(write_down(ledger, calls));
        (Arc::new(Self(sender)), drain)
    }
}

impl AuditSink for CallAudit {
    fn record(&self, row: CallRow) {
        if let Err(error) = self.0.try_send(row) {
            metrics::counter!("onhand_calls_not_written_total").increment(1);
            warn!("a call is missing from the audit: {error}");
        }
    }
}

async fn write_down(ledger: Ledger, mut calls: mpsc::Receiver<CallRow>) {
    let mut waiting = Vec::with_capacity(CALLS_BATCH);
    while calls.recv_many(&mut waiting, CALLS_BATCH).await > 0 {
        let closed: BTreeMap<_, _> = waiting
            .iter()
            .filter_map(|call| Some((call.channel.clone(), call.closed_until?)))
            .collect();
        let rows: Vec<AuditRow> = waiting.drain(..).map(audit_row).collect();
        let n_calls = rows.len();
        let written = ledger.write(move |tables| {
            tables.close_until(&closed)?;
            tables.audit(&rows)
        });
        if let Err(error) = written.await {
            metrics::counter!("onhand_calls_not_written_total")
                .increment(u64::try_from(n_calls).unwrap_or(u64::MAX));
            warn!("{n_calls} calls are missing from the audit: {error}");
        }
    }
}

fn audit_row(call: CallRow) -> AuditRow {
    let detail = serde_json::json!({
        "purpose": call.purpose,
        "method": call.method.as_str(),
        "path": call.path,
        "status": call.status,
        "outcome": call.outcome,
        "took_ms": call.ms,
        "bytes": call.bytes,
    });
    AuditRow {
        at: call.at,
        kind: "call",
        subject: call.channel.as_str().to_owned(),
        channel: Some(call.channel),
        detail: detail.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::sqlite::Sqlite;
    use crate::runtime::clock::SystemClock;

    fn ledger() -> Ledger {
        let store = Box::new(Sqlite::in_memory().unwrap());
        Ledger::inline(store, BTreeMap::new(), Arc::new(SystemClock))
    }

    #[tokio::test]
    async fn a_token_comes_back_as_it_was_saved() {
        let store = StoredTokens(ledger());
        let shop = ChannelId::new("shop").unwrap();
        assert!(store.load(&shop).await.unwrap().is_none());
        let token = Token {
            access: SecretString::from("access-1"),
            expires_at: Some(Timestamp::from_millis(5)),
            refresh: Some(SecretString::from("refresh-1")),
        };
        store.save(&shop, &token).await.unwrap();
        let found = store.load(&shop).await.unwrap().unwrap();
        assert_eq!(found.access.expose_secret(), "access-1");
        assert_eq!(found.expires_at, token.expires_at);
        assert_eq!(found.refresh.unwrap().expose_secret(), "refresh-1");
    }

    #[tokio::test]
    async fn a_kept_token_that_is_not_readable_is_not_repeated() {
        let ledger = ledger();
        let shop = ChannelId::new("shop").unwrap();
        let id = shop.clone();
        let broken = ledger.write(move |tables| {
            let mut state = tables.channel(&id)?;
            state.token = Some("canary-7f3a".to_owned());
            tables.set_channel(&id, &state)
        });
        broken.await.unwrap();
        let error = StoredTokens(ledger).load(&shop).await.unwrap_err();
        assert!(!error.contains("canary"), "{error}");
    }

    #[tokio::test]
    async fn calls_are_written_down_before_the_drain_ends() {
        let ledger = ledger();
        let (sink, drain) = CallAudit::start(ledger.clone());
        for _ in 0..3 {
            sink.record(CallRow {
                at: Timestamp::from_millis(1),
                channel: ChannelId::new("shop").unwrap(),
                purpose: "check",
                method: http::Method::GET,
                path: "/x".to_owned(),
                status: Some(200),
                outcome: "reply",
                ms: 1,
                bytes: 2,
                closed_until: Some(Timestamp::from_millis(7)),
            });
        }
        drop(sink);
        drain.await.unwrap();
        let rows = ledger.read(|tables| tables.audit_of("shop")).await.unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].kind, "call");
        let shop = ChannelId::new("shop").unwrap();
        let state = ledger
            .read(move |tables| tables.channel(&shop))
            .await
            .unwrap();
        assert_eq!(state.closed_until, Some(Timestamp::from_millis(7)));
    }
}
