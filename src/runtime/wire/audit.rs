//! One line per call that left, or was refused at the door: for the audit log and the metrics. It never holds headers,
//! queries or bodies.

use std::fmt;
use std::sync::Arc;

use http::Method;
use tokio::time::Instant;

use crate::channels::{Fault, Reply};
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;

/// What happened in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// When it began.
    pub at: Timestamp,
    /// Whose.
    pub channel: ChannelId,
    /// What for, as the channel says: `publish`, `token`.
    pub purpose: &'static str,
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// How it ended: `reply`, the name of the fault, or `dropped` if nobody waited for it any more.
    pub outcome: &'static str,
    /// How long it took, in ms.
    pub ms: u64,
    /// Size of the answer's body, decoded.
    pub bytes: u64,
    /// After it the platform is not to be called before then.
    pub closed_until: Option<Timestamp>,
}

/// Where rows go.
pub trait AuditSink: Send + Sync {
    /// Takes one row. It must not wait: a sink that writes to a disk queues it.
    fn record(&self, row: CallRow);
}

/// A sink that keeps nothing, for commands without a store.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAudit;

impl AuditSink for NoAudit {
    fn record(&self, _row: CallRow) {}
}

/// A row that is being filled; recorded when it is dropped, so that a call nobody waits for is in the log, too.
pub(super) struct Entry {
    pub(super) row: CallRow,
    started: Instant,
    sink: Arc<dyn AuditSink>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row.fmt(f)
    }
}

impl Entry {
    pub(super) fn new(row: CallRow, sink: Arc<dyn AuditSink>) -> Self {
        Self {
            row,
            started: Instant::now(),
            sink,
        }
    }

    pub(super) fn close(mut self, outcome: &Result<Reply, Fault>) {
        self.row.outcome = match outcome {
            Ok(_) => "reply",
            Err(Fault::Throttled { .. }) => "throttled",
            Err(Fault::Unauthorized(_)) => "unauthorized",
            Err(Fault::Transient(_)) => "transient",
            Err(Fault::Unknown(_)) => "unknown",
            Err(Fault::Rejected(_)) => "rejected",
            Err(Fault::Forged) => "forged",
            Err(Fault::Unreadable(_)) => "unreadable",
            Err(Fault::Gone(_)) => "gone",
        };
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.row.ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let channel = self.row.channel.to_string();
        metrics::counter!(
            "onhand_calls_total",
            "channel" => channel.clone(),
            "purpose" => self.row.purpose,
            "outcome" => self.row.outcome,
        )
        .increment(1);
        metrics::histogram!("onhand_call_seconds", "channel" => channel, "purpose" => self.row.purpose)
            .record(took.as_secs_f64());
        self.sink.record(self.row.clone());
    }
}
