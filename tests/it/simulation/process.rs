//! The process that delivers, its clock, its store and its ways out; a crash drops it and starts another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use onhand::broker::Doorbell;
use onhand::channels::{Channel, Fault, Reply, Request, TokenPlace, Wire};
use onhand::domain::catalog::Folding;
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::decide::ChannelRules;
use onhand::domain::ids::ChannelId;
use onhand::domain::lane::LaneRules;
use onhand::domain::policy::Policy;
use onhand::domain::retry::Ladder;
use onhand::ledger::Ledger;
use onhand::ledger::record::{BookRules, ChannelBooks};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{Store, Tables};
use onhand::runtime::desk::Desk;
use onhand::runtime::fetcher::{Fetcher, Source};
use onhand::runtime::lane::{Lane, Line, Parts, Terms};
use onhand::sandbox::{Answer, Marketplace};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::judge::Judge;
use super::world::now;
use crate::store::{at, place};

/// The world's clock.
#[derive(Debug, Clone)]
pub(super) struct WorldClock(pub(super) Arc<AtomicI64>);

impl WorldClock {
    pub(super) fn millis(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        at(self.millis())
    }
}

/// What happens at a marketplace while a call to it is under way.
pub(super) type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// Where the process dies in its next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// What it sends never leaves.
    BeforeTheCall,
    /// What it sent took effect, and it never learns of it.
    AfterTheEffect,
}

/// A way to one emulated marketplace, without a socket.
#[derive(Clone)]
pub(super) struct WorldWire {
    pub(super) market: Arc<dyn Marketplace>,
    pub(super) token: Option<String>,
    pub(super) clock: WorldClock,
    pub(super) meanwhile: Meanwhile,
    pub(super) death: Arc<Mutex<Option<Death>>>,
    /// Until then there is no way to the marketplace, in ms.
    pub(super) dark_until: Arc<AtomicI64>,
    pub(super) judge: Arc<Judge>,
}

#[async_trait::async_trait]
impl Wire for WorldWire {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        let writes = request.method != Method::GET;
        let publishes = request.purpose == "publish";
        let mut built = http::Request::builder()
            .method(request.method.clone())
            .uri(&request.url);
        for (name, value) in &request.headers {
            built = built.header(*name, value);
        }
        if let (TokenPlace::Header(name), Some(token)) = (request.token, &self.token) {
            built = built.header(name, token);
        }
        let death = self.death.lock().unwrap().take();
        if death == Some(Death::BeforeTheCall) {
            return std::future::pending().await;
        }
        if self.clock.millis() < self.dark_until.load(Ordering::SeqCst) {
            return Err(Fault::Transient("no connection".into()));
        }
        self.judge.begin(publishes);
        let sell_first = self.clock.millis() % 2 == 0;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        let late = match meanwhile {
            Some(sale) if sell_first => {
                sale();
                None
            }
            other => other,
        };
        self.clock.advance(40);
        let answer = self.market.answer(built.body(request.body).unwrap());
        self.judge.end();
        if let Some(sale) = late {
            sale();
        }
        if death == Some(Death::AfterTheEffect) {
            return std::future::pending().await;
        }
        self.clock.advance(40);
        match answer {
            Answer::DroppedAfterEffect => Err(Fault::Unknown("the connection was cut".into())),
            Answer::Response { response, .. } => reply(response, writes),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The classes that the real wire makes of statuses.
pub(super) fn reply(response: http::Response<Bytes>, writes: bool) -> Result<Reply, Fault> {
    let (head, body) = response.into_parts();
    let text = || {
        String::from_utf8_lossy(&body)
            .chars()
            .take(200)
            .collect::<String>()
    };
    match head.status.as_u16() {
        401 => Err(Fault::Unauthorized(text())),
        429 => Err(Fault::Throttled {
            after_ms: Some(1_000),
        }),
        500.. if writes => Err(Fault::Unknown(text())),
        500.. => Err(Fault::Transient(text())),
        status => Ok(Reply {
            status,
            headers: head.headers,
            body,
        }),
    }
}

#[async_trait::async_trait]
impl Line for WorldWire {
    async fn open(&self) -> Box<dyn Wire> {
        Box::new(self.clone())
    }

    fn throttled(&self, _after_ms: Option<u64>) {}
}

/// A store that several owners share, as processes share a file; it outlives crashes.
#[derive(Clone)]
pub(super) struct SharedStore(pub(super) Arc<Mutex<Sqlite>>);

impl Store for SharedStore {
    fn write(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Tables) -> onhand::ledger::tables::Result<()>,
    ) -> onhand::ledger::tables::Result<()> {
        self.0.lock().unwrap().write(work)
    }

    fn read(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Tables) -> onhand::ledger::tables::Result<()>,
    ) -> onhand::ledger::tables::Result<()> {
        self.0.lock().unwrap().read(work)
    }

    fn changed_by_others(&mut self) -> onhand::ledger::tables::Result<bool> {
        self.0.lock().unwrap().changed_by_others()
    }

    fn verify(&mut self) -> onhand::ledger::tables::Result<Vec<String>> {
        self.0.lock().unwrap().verify()
    }
}

/// The process that delivers; a crash drops it.
pub(super) struct Process {
    pub(super) desk: Desk,
    pub(super) lanes: BTreeMap<ChannelId, Lane>,
    pub(super) fetcher: Fetcher,
}

pub(super) fn book_rules(channels: &BTreeMap<ChannelId, Arc<dyn Channel>>) -> BookRules {
    let books = |channel: &Arc<dyn Channel>| ChannelBooks {
        rules: ChannelRules {
            location: place(),
            clock_skew_ms: channel.profile().clock_skew_ms,
        },
        folding: Folding {
            case: channel.profile().platform == "woocommerce",
        },
        delivery_id_unique: channel.profile().delivery_id_unique,
    };
    channels
        .iter()
        .map(|(id, channel)| (id.clone(), books(channel)))
        .collect::<BTreeMap<_, _>>()
        .into()
}

/// The ways out, each with a judge that looks at every write as it happens.
pub(super) fn wires(
    markets: &BTreeMap<ChannelId, Arc<dyn Marketplace>>,
    channels: &BTreeMap<ChannelId, Arc<dyn Channel>>,
    token: Option<String>,
    clock: &WorldClock,
    store: &SharedStore,
    violations: &Arc<Mutex<Vec<String>>>,
) -> BTreeMap<ChannelId, WorldWire> {
    let wire = |(id, market): (&ChannelId, &Arc<dyn Marketplace>)| {
        let judge = Judge {
            id: id.clone(),
            market: Arc::clone(market),
            visible_after_ms: channels[id].profile().orders_visible_after_ms,
            compares: channels[id].profile().compare_and_set,
            store: store.clone(),
            policy: terms(channels).policy,
            violations: Arc::clone(violations),
            seen: AtomicU64::new(0),
            before: Mutex::default(),
            allowed: Mutex::default(),
        };
        let wire = WorldWire {
            market: Arc::clone(market),
            token: token.clone(),
            clock: clock.clone(),
            meanwhile: Arc::default(),
            death: Arc::default(),
            dark_until: Arc::default(),
            judge: Arc::new(judge),
        };
        (id.clone(), wire)
    };
    markets.iter().map(wire).collect()
}

pub(super) fn terms(channels: &BTreeMap<ChannelId, Arc<dyn Channel>>) -> Terms {
    let policy = Policy {
        places: channels
            .keys()
            .map(|id| (id.clone(), vec![place()]))
            .collect(),
        ..Policy::default()
    };
    let rules = LaneRules {
        batch_b_ms: 60_000,
        batch_c_ms: 300_000,
        near_empty: 3,
        age_max_ms: 600_000,
    };
    Terms {
        policy: Arc::new(policy),
        rules,
        ladder: Ladder::default(),
    }
}

impl Process {
    /// Starts as `listen` does: what was open is doubted, everything is looked at.
    pub(super) fn start(
        store: &SharedStore,
        channels: &BTreeMap<ChannelId, Arc<dyn Channel>>,
        wires: &BTreeMap<ChannelId, WorldWire>,
        clock: &WorldClock,
        seed: u64,
    ) -> Self {
        #[cfg(feature = "planted")]
        onhand::planted::crash();
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let ledger = Ledger::inline(
            Box::new(store.clone()),
            book_rules(channels),
            Arc::clone(&clock),
        );
        now(ledger.write(|t| t.doubt_open())).unwrap();
        let bell = Doorbell::default();
        let terms = terms(channels);
        let dice = || {
            let mut dice = StdRng::seed_from_u64(seed);
            Box::new(move || dice.random_range(0..1000_u16))
                as Box<dyn FnMut() -> u16 + Send + Sync>
        };
        let lane = |(id, channel): (&ChannelId, &Arc<dyn Channel>)| {
            let lane = Lane::new(Parts {
                id: id.clone(),
                channel: Arc::clone(channel),
                line: Arc::new(wires[id].clone()),
                ledger: ledger.clone(),
                terms: terms.clone(),
                clock: Arc::clone(&clock),
                dice: dice(),
                bell: bell.clone(),
            });
            (id.clone(), lane)
        };
        let lanes = channels.iter().map(lane).collect();
        let desk = Desk {
            ledger,
            bell: bell.clone(),
            clock,
        };
        let source = |(id, channel): (&ChannelId, &Arc<dyn Channel>)| {
            (
                id.clone(),
                Source {
                    channel: Arc::clone(channel),
                    line: Arc::new(wires[id].clone()),
                },
            )
        };
        let fetcher = Fetcher {
            desk: desk.clone(),
            sources: channels.iter().map(source).collect(),
            ladder: Ladder::default(),
            orders_ms: 60_000,
            overlap_ms: 300_000,
            dice: dice(),
            mailbox: bell.listen(),
        };
        bell.sweep();
        Self {
            desk,
            lanes,
            fetcher,
        }
    }
}
