//! What `listen` runs: the doors, one lane per channel, the fetcher, and the look-outs. `demo` runs the same.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use metrics_exporter_prometheus::PrometheusHandle;
use rand::RngExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::lock::DeliveryLock;
use super::seller::{OpenChannel, OpenChannels, Seller};
use super::status;
use super::watch::Watch;
use super::{keeping, requests};
use crate::broker::Doorbell;
use crate::channels::Wire;
use crate::config::Mode;
use crate::domain::ids::ChannelId;
use crate::domain::lane::LaneRules;
use crate::domain::retry::Ladder;
use crate::exit::Failure;
use crate::ledger::{Ledger, counts, moves};
use crate::runtime::admin::{self, Admin};
use crate::runtime::desk::Desk;
use crate::runtime::fetcher::{Fetcher, Source};
use crate::runtime::hooks;
use crate::runtime::lane::{Lane, Line, Parts, Terms};
use crate::runtime::limiter::Limiter;
use crate::runtime::reception::{Door, Reception};
use crate::runtime::server::Limits;
use crate::runtime::wire::HttpWire;

/// How often another process's writes are looked for.
const OTHERS_EVERY: Duration = Duration::from_millis(250);
/// How long calls under way may take to end when the daemon stops.
const GOODBYE: Duration = Duration::from_secs(20);
/// How often what is too old is looked for.
const FORGET_EVERY: Duration = Duration::from_hours(1);
/// SKUs whose versions are raised in one transaction after a change of plan: well within 50 ms of write time.
const RAISED_AT_ONCE: usize = 500;

/// Where the daemon's doors are.
pub(super) struct Doors {
    /// Webhooks.
    pub(super) hooks: TcpListener,
    /// Metrics, status, live page.
    pub(super) admin: Option<(TcpListener, Admin)>,
}

/// A daemon that runs.
#[derive(Debug)]
pub(super) struct Daemon {
    stop: CancellationToken,
    tasks: TaskTracker,
    bell: Doorbell,
    /// What ended though nobody had asked it to.
    ended: mpsc::Sender<String>,
    endings: mpsc::Receiver<String>,
    ledger: Ledger,
    lock: DeliveryLock,
}

/// One channel's way out, one permit at a time.
struct ChannelLine {
    wire: HttpWire,
    limiter: Arc<Limiter>,
}

#[async_trait]
impl Line for ChannelLine {
    async fn open(&self) -> Box<dyn Wire> {
        Box::new(self.wire.under(self.limiter.permit().await))
    }

    fn throttled(&self, after_ms: Option<u64>) {
        self.limiter.throttled(after_ms);
    }
}

fn line(open: &OpenChannel) -> Arc<dyn Line> {
    Arc::new(ChannelLine {
        wire: open.wire.clone(),
        limiter: Arc::clone(&open.limiter),
    })
}

fn dice() -> Box<dyn FnMut() -> u16 + Send + Sync> {
    Box::new(|| rand::rng().random_range(0..1000))
}

impl Daemon {
    /// Under the delivery lock: brings the books to a known state, and starts everything.
    ///
    /// # Errors
    /// As the store.
    pub(super) async fn start(
        lock: DeliveryLock,
        seller: &Arc<Seller>,
        open: &OpenChannels,
        doors: Doors,
    ) -> Result<Self, Failure> {
        prepare(seller).await?;
        let (ended, endings) = mpsc::channel(1);
        let daemon = Self {
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            bell: Doorbell::default(),
            ended,
            endings,
            ledger: seller.ledger.clone(),
            lock,
        };
        let bell = daemon.bell();
        let desk = Desk {
            ledger: seller.ledger.clone(),
            bell: bell.clone(),
            clock: Arc::clone(&seller.clock),
        };
        daemon.lanes(seller, open, &bell);
        for fetcher in fetchers(seller, open, &desk) {
            daemon.run("the reading of orders", fetcher.run(daemon.stop.clone()));
        }
        daemon.look_outs(seller, open, &bell);
        daemon.keeping(seller);
        daemon.doors(seller, open, desk, doors);
        Ok(daemon)
    }

    /// The doorbell of its lanes.
    pub(super) fn bell(&self) -> Doorbell {
        self.bell.clone()
    }

    /// Runs a part of the daemon. It runs until it is told to stop: if it ends before, or panics, the daemon does not go on
    /// without it, for a channel that is silently not served any more is worse than a restart.
    fn run(&self, what: impl Into<String>, part: impl Future<Output = ()> + Send + 'static) {
        let (what, stop, ended) = (what.into(), self.stop.clone(), self.ended.clone());
        self.tasks.spawn(async move {
            let over = AssertUnwindSafe(part).catch_unwind().await;
            if over.is_err() {
                metrics::counter!("onhand_panics_total", "where" => "daemon").increment(1);
            }
            if over.is_err() || !stop.is_cancelled() {
                error!("{what} ended by itself");
                // One ending is enough to stop.
                drop(ended.try_send(what));
            }
        });
    }

    /// Waits until a part of the daemon has ended by itself, or the store is not written any more.
    pub(super) async fn broken(&mut self) -> Failure {
        tokio::select! {
            Some(what) = self.endings.recv() => Failure::Ended(what),
            () = self.ledger.ended() => Failure::Ended("the writing of the store".to_owned()),
        }
    }

    /// Stops taking messages in, lets calls under way end, and waits for all of it. Nobody else delivers as long as the lock
    /// that comes back is held.
    pub(super) async fn stop(self) -> DeliveryLock {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(GOODBYE, self.tasks.wait())
            .await
            .is_err()
        {
            warn!(
                "some calls did not end in time; what they changed is found out at the next start"
            );
        }
        self.lock
    }

    fn lanes(&self, seller: &Seller, open: &OpenChannels, bell: &Doorbell) {
        let terms = terms(seller);
        for (id, channel) in &open.channels {
            if channel.mode == Mode::Observe || channel.hold {
                info!(channel = %id, "nothing is sent to {id}: it is {}", channel.mode.word());
                continue;
            }
            let lane = lane(seller, id, channel, &terms, bell);
            self.run(format!("delivery to {id}"), lane.run(self.stop.clone()));
        }
        self.sweeps(seller, bell);
    }

    /// Every dirty listing is found now and then, even if nobody rang.
    fn sweeps(&self, seller: &Seller, bell: &Doorbell) {
        let every = Duration::from_secs(seller.settings.lanes.sweep_s.max(1));
        let (bell, stop) = (bell.clone(), self.stop.clone());
        self.run("the sweep", async move {
            while !paused(&stop, every).await {
                bell.sweep();
            }
        });
    }

    /// Other processes' writes, work that they hand over, and a watch over each channel.
    fn look_outs(&self, seller: &Arc<Seller>, open: &OpenChannels, bell: &Doorbell) {
        let (ledger, others, stop) = (seller.ledger.clone(), bell.clone(), self.stop.clone());
        self.run("the look-out for other processes", async move {
            while !paused(&stop, OTHERS_EVERY).await {
                if ledger.changed_by_others().await.unwrap_or(false) {
                    others.sweep();
                }
            }
        });
        let (timed, rung, stop) = (Arc::clone(seller), bell.clone(), self.stop.clone());
        self.run("the look-out for what time brings", async move {
            while !paused(&stop, OTHERS_EVERY).await {
                match pass_time(&timed).await {
                    Ok(true) => rung.sweep(),
                    Ok(false) => {}
                    Err(error) => warn!(%error, "what time brings waits for the store: {error}"),
                }
            }
        });
        let (asked, rung, stop) = (Arc::clone(seller), bell.clone(), self.stop.clone());
        self.run("the work that is handed over", async move {
            while !paused(&stop, OTHERS_EVERY).await {
                if let Err(error) = requests::serve(&asked, &rung, &stop).await {
                    warn!(%error, "what was handed over waits for the store");
                }
            }
        });
        for (id, channel) in &open.channels {
            let watch = Watch {
                id: id.clone(),
                channel: channel.clone(),
                seller: Arc::clone(seller),
                ladder: ladder(seller),
                news: bell.listen(),
                bell: bell.clone(),
            };
            self.run(format!("the watch over {id}"), watch.run(self.stop.clone()));
        }
    }

    /// At the start and hourly, what is too old is forgotten.
    fn keeping(&self, seller: &Arc<Seller>) {
        let (seller, stop) = (Arc::clone(seller), self.stop.clone());
        self.run("the forgetting", async move {
            loop {
                match keeping::forget(&seller, &stop).await {
                    Ok(gone) if !gone.is_nothing() => info!(
                        gone.bodies, gone.events, gone.audit_rows,
                        "forgot what is too old: contents of {} messages not understood, {} messages, {} rows of the audit",
                        gone.bodies, gone.events, gone.audit_rows
                    ),
                    Ok(_) => {}
                    Err(error) => warn!(%error, "what is too old could not be forgotten; trying again in an hour"),
                }
                if paused(&stop, FORGET_EVERY).await {
                    break;
                }
            }
        });
    }

    fn doors(&self, seller: &Arc<Seller>, open: &OpenChannels, desk: Desk, doors: Doors) {
        let door = |(id, channel): (&ChannelId, &OpenChannel)| {
            let keys: Arc<dyn Wire> = Arc::new(channel.wire.clone());
            (
                id.clone(),
                Door {
                    channel: Arc::clone(&channel.channel),
                    keys,
                },
            )
        };
        let channels: BTreeMap<_, _> = open.channels.iter().map(door).collect();
        let reception = Arc::new(Reception::new(desk, channels));
        let limits = limits(seller);
        let serve = hooks::serve(doors.hooks, reception, limits.clone(), self.stop.clone());
        self.run("the door for webhooks", serve);
        if let Some((listener, admin)) = doors.admin {
            let stop = self.stop.clone();
            self.run("the operator's door", async move {
                if let Err(error) = admin::serve(listener, admin, limits, stop).await {
                    warn!(%error, "the operator's page is not served");
                }
            });
        }
    }
}

/// Waits; true if the daemon stops.
async fn paused(stop: &CancellationToken, time: Duration) -> bool {
    tokio::time::timeout(time, stop.cancelled()).await.is_ok()
}

/// Brings the books to a known state before anything is sent. Under the delivery lock only.
///
/// # Errors
/// As the store.
pub(super) async fn prepare(seller: &Seller) -> Result<(), Failure> {
    let doubted = seller.ledger.write(|tables| tables.doubt_open()).await?;
    if doubted > 0 {
        info!(
            doubted,
            "{doubted} listings were open when the last run ended; they are sent anew"
        );
    }
    apply_plan(seller).await?;
    let (rules, now) = (seller.book_rules.clone(), seller.now());
    seller
        .ledger
        .write(move |tables| counts::book_parked(tables, &rules, now))
        .await?;
    pass_time(seller).await?;
    Ok(())
}

/// Enters what has come about by time alone, if there is anything; whether there was (rule R11).
async fn pass_time(seller: &Seller) -> Result<bool, Failure> {
    let now = seller.now();
    let next = seller.ledger.read(|tables| tables.next_moment()).await?;
    if next.is_none_or(|next| next > now) {
        return Ok(false);
    }
    let rules = seller.book_rules.clone();
    let passed = seller
        .ledger
        .write(move |tables| moves::pass_time(tables, &rules, now))
        .await?;
    Ok(passed)
}

/// A plan that differs from the last one raises the versions of all SKUs, in chunks, so that every listing is looked at.
async fn apply_plan(seller: &Seller) -> Result<(), Failure> {
    let plan = seller.settings.plan_text();
    let known = seller.ledger.read(|tables| tables.fact("plan")).await?;
    if known.as_deref() == Some(plan.as_str()) {
        return Ok(());
    }
    let skus: Vec<_> = seller
        .ledger
        .read(|tables| tables.skus())
        .await?
        .into_iter()
        .collect();
    for chunk in skus.chunks(RAISED_AT_ONCE) {
        let chunk = chunk.iter().cloned().collect();
        seller
            .ledger
            .write(move |tables| tables.raise_versions(&chunk))
            .await?;
    }
    seller
        .ledger
        .write(move |tables| tables.set_fact("plan", &plan))
        .await?;
    Ok(())
}

/// The lane of one channel.
pub(super) fn lane(
    seller: &Seller,
    id: &ChannelId,
    channel: &OpenChannel,
    terms: &Terms,
    bell: &Doorbell,
) -> Lane {
    Lane::new(Parts {
        id: id.clone(),
        channel: Arc::clone(&channel.channel),
        line: line(channel),
        ledger: seller.ledger.clone(),
        terms: terms.clone(),
        clock: Arc::clone(&seller.clock),
        dice: dice(),
        bell: bell.clone(),
    })
}

/// One fetcher per channel, so that a slow platform keeps no other waiting.
pub(super) fn fetchers(seller: &Seller, open: &OpenChannels, desk: &Desk) -> Vec<Fetcher> {
    let millis = |seconds: u64| i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    let lanes = &seller.settings.lanes;
    let fetcher = |(id, channel): (&ChannelId, &OpenChannel)| {
        let source = source(channel);
        Fetcher {
            desk: desk.clone(),
            sources: BTreeMap::from([(id.clone(), source)]),
            ladder: ladder(seller),
            orders_ms: millis(lanes.orders_s),
            overlap_ms: millis(lanes.orders_overlap_s),
            dice: dice(),
            mailbox: desk.bell.listen(),
        }
    };
    open.channels.iter().map(fetcher).collect()
}

/// A channel to read from.
pub(super) fn source(channel: &OpenChannel) -> Source {
    Source {
        channel: Arc::clone(&channel.channel),
        line: line(channel),
    }
}

fn ladder(seller: &Seller) -> Ladder {
    let retry = &seller.settings.retry;
    Ladder {
        waits_ms: retry
            .delays_s
            .iter()
            .map(|seconds| seconds.saturating_mul(1000))
            .collect(),
        jitter_pct: u8::try_from(retry.jitter_pct).unwrap_or(100),
    }
}

/// What is the same for all lanes.
pub(super) fn terms(seller: &Seller) -> Terms {
    let lanes = &seller.settings.lanes;
    let millis = |seconds: u64| i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    Terms {
        policy: Arc::new(seller.policy.clone()),
        rules: LaneRules {
            batch_b_ms: millis(lanes.batch_b_s),
            batch_c_ms: millis(lanes.batch_c_s),
            near_empty: i64::from(lanes.near_empty_units),
            age_max_ms: millis(lanes.age_max_s),
        },
        ladder: ladder(seller),
    }
}

fn limits(seller: &Seller) -> Limits {
    let listen = &seller.settings.listen;
    Limits {
        head: Duration::from_secs(listen.head_timeout_s),
        body: Duration::from_secs(listen.body_timeout_s),
        body_max: usize::try_from(listen.body_max_bytes).unwrap_or(usize::MAX),
        connections_max: usize::try_from(listen.connections_max).unwrap_or(usize::MAX),
        ..Limits::default()
    }
}

/// What the operator's side needs.
pub(super) fn operator(seller: &Arc<Seller>, metrics: PrometheusHandle) -> Result<Admin, Failure> {
    let settings = &seller.settings;
    let token = settings.listen.admin_token.as_ref();
    let token = token
        .map(|secret| secret.read(&settings.folder, &seller.env))
        .transpose();
    let token = token.map_err(|problem| Failure::Secrets(vec![problem]))?;
    let seller = Arc::clone(seller);
    let provide = move || -> futures_util::future::BoxFuture<'static, serde_json::Value> {
        let seller = Arc::clone(&seller);
        Box::pin(async move {
            match status::document(&seller).await {
                Ok(document) => document,
                Err(error) => serde_json::json!({ "error": error.to_string() }),
            }
        })
    };
    Ok(Admin {
        metrics,
        status: Arc::new(provide),
        token,
    })
}
