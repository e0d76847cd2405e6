//! What the tests of this room share.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::lane::Line;
use crate::channels::{
    Channel, Cursor, Fault, Finding, Level, Listing, Page, Profile, Quota, Receipt, Reply, Request,
    SubscriptionReport, Token, Update, Verdict, Webhook, Which, Wire,
};
use crate::domain::clock::Timestamp;
use crate::domain::ids::OrderId;
use crate::domain::order::OrderSnapshot;

/// A platform that allows a lot.
pub(super) fn profile() -> Profile {
    Profile {
        platform: "test",
        compare_and_set: false,
        batch_max: 100,
        calls_at_once: 100,
        calls_per_second: 1_000.0,
        burst: 1_000,
        settling_ms: 0,
        orders_visible_after_ms: 0,
        delivery_id_unique: true,
        forged_status: 401,
        clock_skew_ms: 0,
        call_timeout_ms: 5_000,
    }
}

/// Writes to a socket and reads what comes until it is closed; what was read so far if that takes more than two seconds.
pub(super) async fn talk(at: SocketAddr, says: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    // A server that has heard enough closes while we still write.
    drop(stream.write_all(says).await);
    hear(&mut stream).await
}

/// Reads until the socket is closed; adds `(still open)` if that takes more than two seconds.
pub(super) async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let all = async {
        let mut part = [0; 4_096];
        while let Ok(n) = stream.read(&mut part).await
            && n > 0
        {
            heard.extend_from_slice(part.get(..n).unwrap());
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(2), all).await;
    let mut text = String::from_utf8_lossy(&heard).into_owned();
    if closed.is_err() {
        text.push_str("(still open)");
    }
    text
}

/// What a test's platform says. What a test does not foresee breaks it.
#[async_trait]
pub(super) trait Script: fmt::Debug + Send + Sync {
    fn profile(&self) -> &Profile;
    async fn order(&self, _: &OrderId) -> Result<OrderSnapshot, Fault> {
        unreachable!()
    }
    async fn orders_since(
        &self,
        _: Timestamp,
        _: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        unreachable!()
    }
    async fn open_orders(&self, _: Option<Cursor>) -> Result<Page<OrderSnapshot>, Fault> {
        unreachable!()
    }
    async fn publish(&self, _: &[Update]) -> Vec<Result<Verdict, Fault>> {
        unreachable!()
    }
    async fn levels(&self, _: Which<'_>) -> Result<Page<Level>, Fault> {
        unreachable!()
    }
}

/// A platform that says what its script says.
#[derive(Debug)]
pub(super) struct Scripted<S>(pub(super) Arc<S>);

#[async_trait]
impl<S: Script> Channel for Scripted<S> {
    fn profile(&self) -> &Profile {
        self.0.profile()
    }
    async fn receive(&self, _: &dyn Wire, _: &Webhook<'_>, _: Timestamp) -> Result<Receipt, Fault> {
        unreachable!()
    }
    async fn order(&self, _: &dyn Wire, order: &OrderId) -> Result<OrderSnapshot, Fault> {
        self.0.order(order).await
    }
    async fn orders_since(
        &self,
        _: &dyn Wire,
        since: Timestamp,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        self.0.orders_since(since, cursor).await
    }
    async fn open_orders(
        &self,
        _: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        self.0.open_orders(cursor).await
    }
    async fn publish(&self, _: &dyn Wire, updates: &[Update]) -> Vec<Result<Verdict, Fault>> {
        self.0.publish(updates).await
    }
    async fn collect(&self, _: &dyn Wire, _: &[String]) -> Vec<Result<Verdict, Fault>> {
        unreachable!()
    }
    async fn levels(&self, _: &dyn Wire, which: Which<'_>) -> Result<Page<Level>, Fault> {
        self.0.levels(which).await
    }
    async fn listings(&self, _: &dyn Wire, _: Option<Cursor>) -> Result<Page<Listing>, Fault> {
        unreachable!()
    }
    async fn subscriptions(&self, _: &dyn Wire, _: bool) -> Result<SubscriptionReport, Fault> {
        unreachable!()
    }
    async fn check(&self, _: &dyn Wire) -> Result<Vec<Finding>, Fault> {
        unreachable!()
    }
    async fn refresh(&self, _: &dyn Wire, _: Option<&Token>) -> Result<Token, Fault> {
        unreachable!()
    }
    fn quota(&self, _: &Reply) -> Option<Quota> {
        None
    }
}

/// A way out that is always free, and a wire that nobody speaks over.
pub(super) struct Open;

#[async_trait]
impl Wire for Open {
    async fn send(&self, _: Request) -> Result<Reply, Fault> {
        unreachable!()
    }
    fn now(&self) -> Timestamp {
        unreachable!()
    }
}

#[async_trait]
impl Line for Open {
    async fn open(&self) -> Box<dyn Wire> {
        Box::new(Self)
    }
    fn throttled(&self, _: Option<u64>) {}
}
