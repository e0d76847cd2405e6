//! `listen`: webhooks in, corrections out, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::daemon::{Daemon, Doors, operator};
use super::lock::DeliveryLock;
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
    let open = seller.open_channels(None).await?;
    let admin = Some((admin, operator(&seller, metrics)?));
    let daemon = Daemon::start(lock, &seller, &open, Doors { hooks, admin }).await?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Start)?;
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
    out.note("stopping: calls under way are ended first");
    daemon.stop().await;
    open.close().await;
    Ok(Found::Nothing)
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
