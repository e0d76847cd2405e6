//! `listen`: webhooks in, corrections out, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
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

/// Runs until SIGINT or SIGTERM, then ends calls under way and exits 0.
pub(super) async fn listen(args: Listen, seller: Seller, out: &mut Out) -> Result<Found, Failure> {
    let seller = Arc::new(seller);
    let settings = &seller.settings.listen;
    let address = args.addr.unwrap_or(settings.address);
    listen_refusal(address, settings.behind_proxy).map_err(|why| {
        let hint =
            "let a proxy end TLS in front and set [listen] behind_proxy = true, or use 127.0.0.1";
        Failure::Call(format!("{why}; hint: {hint}"))
    })?;
    let lock = DeliveryLock::take(&seller.settings.store_path())?;
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| Failure::Call(format!("start the metrics: {error}")))?;
    let hooks = bind(address).await?;
    let admin = bind(args.admin_addr.unwrap_or(settings.admin_address)).await?;
    out.note(format!(
        "webhooks at http://{}/hooks/{{channel}}, operator's page at http://{}/",
        local(&hooks, address),
        local(&admin, settings.admin_address),
    ));
    let open = Arc::new(seller.open_channels(None)?);
    let admin = Some((admin, operator(&seller, metrics)?));
    let daemon = Daemon::start(lock, &seller, &open, Doors { hooks, admin }).await?;
    let stop = CancellationToken::new();
    let cron = args.schedule.then(|| {
        let (seller, open) = (Arc::clone(&seller), Arc::clone(&open));
        let (bell, stop) = (daemon.bell(), stop.clone());
        tokio::spawn(async move { schedule::run(&seller, &open, bell, stop).await })
    });
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Start)?;
    let mut cron = std::pin::pin!(ended(cron));
    let early = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        // It ends by itself only if it cannot run at all.
        ended = &mut cron => Some(ended),
    };
    out.note("stopping: calls under way are ended first");
    stop.cancel();
    let ended = match early {
        Some(ended) => ended,
        None if args.schedule => cron.await,
        None => Ok(()),
    };
    daemon.stop().await;
    schedule::close(open).await;
    ended?;
    Ok(Found::Nothing)
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
