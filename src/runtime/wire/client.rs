//! The client of one channel: how it connects, and to which addresses it may.

use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::Url;

use super::WireError;
use crate::domain::ids::ChannelId;

/// Longest wait for a connection; at most half of what the whole call may take, so that it is seen as that.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// An unused connection is closed after this, before a platform's load balancer does it silently.
const IDLE_MAX: Duration = Duration::from_secs(50);

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let ip = host.parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The address of a channel, if credentials may go there.
pub(super) fn base(id: &ChannelId, text: &str) -> Result<Url, WireError> {
    let bad = |problem, hint| {
        Err(WireError::Address {
            channel: id.clone(),
            problem,
            hint,
        })
    };
    let example = "write base_url like https://shop.example";
    let Ok(url) = Url::parse(text) else {
        return bad("base_url is not a URL", example);
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => bad(
            "base_url is http, and credentials would travel in the clear",
            example,
        ),
        _ => bad("base_url is not an https address", example),
    }
}

/// A client that follows no redirect. Plain HTTP to this machine needs no certificates and uses no proxy.
pub(super) fn client(base: &Url, timeout: Duration) -> Result<reqwest::Client, String> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Refused only if one is installed already, which then serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("onhand/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_MAX.min(timeout / 2))
        .timeout(timeout)
        .pool_idle_timeout(IDLE_MAX);
    if base.scheme() == "http" {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(tls).no_proxy();
    } else {
        builder = builder.https_only(true);
    }
    builder.build().map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    })
}
