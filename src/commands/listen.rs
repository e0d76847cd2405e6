//! `listen`: webhooks in, corrections out, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::daemon::{Daemon, Doors, operator};
use super::lock::DeliveryLock;
use super::schedule;
use super::seller::Seller;
use crate::cli::Listen;
use crate::config::listen_refusal;
use crate::exit::{Failure, Found};
use crate::output::Out;

/// Runs until SIGINT or SIGTERM, then ends calls under way and exits 0; a second signal ends it at once.
pub(super) async fn listen(args: Listen, seller: Seller, out: &mut Out) -> Result<Found, Failure> {
    let seller = Arc::new(seller);
    let settings = &seller.settings.listen;
    let address = args.addr.unwrap_or(settings.address);
    listen_refusal(address, settings.behind_proxy).map_err(|why| {
        let hint =
            "let a proxy end TLS in front and set [listen] behind_proxy = true, or use 127.0.0.1";
        Failure::Call(format!("{why}; hint: {hint}"))
    })?;
    let admin_address = args.admin_addr.unwrap_or(settings.admin_address);
    if !admin_address.ip().is_loopback() && settings.admin_token.is_none() {
        return Err(Failure::Call(format!(
            "serve the operator's page on {admin_address}: others can reach it and there is no token; hint: set \
             admin_token = \"env:NAME\" in [listen], or use 127.0.0.1"
        )));
    }
    let lock = DeliveryLock::take(&seller.settings.store_path())?;
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| Failure::Call(format!("start the metrics: {error}")))?;
    let hooks = bind(address).await?;
    let admin = bind(admin_address).await?;
    out.note(format!(
        "webhooks at http://{}/hooks/{{channel}}, operator's page at http://{}/",
        local(&hooks, address),
        local(&admin, admin_address),
    ));
    let open = Arc::new(seller.open_channels(None).await?);
    let admin = Some((admin, operator(&seller, metrics)?));
    // From here on a signal is ours to answer.
    let mut signals = Signals::new().map_err(Failure::Start)?;
    let mut daemon = Daemon::start(lock, &seller, &open, Doors { hooks, admin }).await?;
    let stop = CancellationToken::new();
    let cron = args.schedule.then(|| {
        let (seller, open) = (Arc::clone(&seller), Arc::clone(&open));
        let (bell, stop) = (daemon.bell(), stop.clone());
        tokio::spawn(async move { schedule::run(&seller, &open, bell, stop).await })
    });
    let mut cron = std::pin::pin!(ended(cron));
    let (mut broken, mut over) = (None, !args.schedule);
    tokio::select! {
        () = signals.one() => (),
        failure = daemon.broken() => broken = Some(failure),
        // It ends by itself only if it cannot run at all.
        ended = &mut cron => (broken, over) = (ended.err(), true),
    }
    out.note("stopping: calls under way are ended first; another signal ends it at once");
    stop.cancel();
    let goodbye = async {
        let ended = if over { Ok(()) } else { cron.await };
        let _lock = daemon.stop().await;
        schedule::close(open).await;
        ended
    };
    tokio::select! {
        ended = goodbye => broken = broken.or(ended.err()),
        () = signals.one() => return Err(Failure::Interrupted),
    }
    broken.map_or(Ok(Found::Nothing), Err)
}

/// What people and supervisors end a program with.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    async fn one(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}

/// How the schedule ended; never, if there is none.
async fn ended(cron: Option<JoinHandle<Result<(), Failure>>>) -> Result<(), Failure> {
    match cron {
        None => std::future::pending().await,
        Some(cron) => cron
            .await
            .unwrap_or_else(|error| Err(Failure::Call(format!("run the schedule: {error}")))),
    }
}

fn local(listener: &TcpListener, wanted: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(wanted)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program listens there; choose another address in [listen]"
            }
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need more rights",
            _ => "check [listen] address and admin_address",
        };
        Failure::Bind {
            address,
            problem: error.to_string(),
            hint,
        }
    })
}
