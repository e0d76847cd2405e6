//! One shop's address and keys: builds, signs and sends a call in the way that this shop accepts.
//!
//! Over TLS HTTP Basic; where a host strips `Authorization` (answer 401 `woocommerce_rest_cannot_view`), the same keys in
//! the query, tried once and remembered. Over plain HTTP WooCommerce ignores both and wants one-legged OAuth 1.0a; we
//! speak that to loopback only. Source: connector notes, W1, seen on WooCommerce 11.0.1.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::Sha256;

use super::super::{ChannelSettings, Fault, Reply, Request, SetupError, TokenPlace, Wire};
use super::answers;
use crate::domain::clock::Timestamp;

/// Everything but RFC 3986's unreserved characters, as OAuth 1.0a wants it.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How calls prove who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Auth {
    Basic,
    Query,
    /// OAuth 1.0a.
    Signed,
}

/// What `auto` has found out: nothing yet, that Basic works, or that the query is needed.
const UNTRIED: u8 = 0;
const BASIC: u8 = 1;
const QUERY: u8 = 2;

/// One call, before it is signed.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Below `/wp-json/wc/v3`.
    pub(super) path: &'a str,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    pub(super) purpose: &'static str,
}

impl<'a> Call<'a> {
    /// A read.
    pub(super) fn get(
        path: &'a str,
        query: Vec<(&'static str, String)>,
        purpose: &'static str,
    ) -> Self {
        Self {
            method: Method::GET,
            path,
            query,
            body: None,
            purpose,
        }
    }

    /// A write.
    pub(super) fn post(path: &'a str, body: Value, purpose: &'static str) -> Self {
        Self {
            method: Method::POST,
            path,
            query: Vec::new(),
            body: Some(body),
            purpose,
        }
    }
}

/// One shop.
#[derive(Debug)]
pub(super) struct Site {
    /// `https://shop.example/wp-json/wc/v3`.
    api: String,
    /// Host and port, for the hook address rule.
    pub(super) base: Uri,
    key: SecretString,
    secret: SecretString,
    auth: Option<Auth>,
    found: AtomicU8,
}

impl Site {
    /// Reads address, keys and `auth` from a channel's table.
    ///
    /// # Errors
    /// [`SetupError`] if a key is missing, or if keys would travel unencrypted to another machine.
    pub(super) fn open(settings: &ChannelSettings) -> Result<Self, SetupError> {
        let refuse =
            |key: &str, problem: &str, hint: &str| setup_error(settings, key, problem, hint);
        let address = settings.base_url.trim_end_matches('/');
        let base = address_of(settings, address)?;
        let plain = base.scheme_str() == Some("http");
        let auth = match settings.options.get("auth").map(String::as_str) {
            None | Some("auto") => plain.then_some(Auth::Signed),
            Some("basic") => Some(Auth::Basic),
            Some("query") => Some(Auth::Query),
            Some("oauth") => Some(Auth::Signed),
            Some(_) => {
                return Err(refuse(
                    "auth",
                    "is none of auto, basic, query, oauth",
                    "leave it out",
                ));
            }
        };
        let credential = |name: &str| {
            settings
                .credentials
                .get(name)
                .filter(|secret| !secret.expose_secret().is_empty())
                .cloned()
                .ok_or_else(|| {
                    refuse(
                        "credentials",
                        &format!("{name} is missing"),
                        "make a read/write key in WooCommerce, Settings, Advanced, REST API",
                    )
                })
        };
        Ok(Self {
            api: format!("{address}/wp-json/wc/v3"),
            base,
            key: credential("key")?,
            secret: credential("secret")?,
            auth,
            found: AtomicU8::new(UNTRIED),
        })
    }

    /// Whether the keys travel in the query because the shop's host strips `Authorization`.
    pub(super) fn keys_in_query(&self) -> bool {
        self.auth_now() == Auth::Query
    }

    /// Whether the address is loopback without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.base.scheme_str() == Some("http")
    }

    /// Sends a call and hands back the answer of any status that the wire lets through.
    ///
    /// # Errors
    /// As the wire.
    pub(super) async fn send(&self, wire: &dyn Wire, call: &Call<'_>) -> Result<Reply, Fault> {
        let undecided = self.auth.is_none() && self.found.load(Ordering::Relaxed) == UNTRIED;
        let first = wire
            .send(self.request(call, self.auth_now(), wire.now()))
            .await;
        let stripped = match &first {
            Err(Fault::Unauthorized(text)) => {
                undecided && !text.contains("woocommerce_rest_authentication_error")
            }
            Ok(reply) if undecided && reply.status < 400 => {
                self.found.store(BASIC, Ordering::Relaxed);
                false
            }
            Ok(_) | Err(_) => false,
        };
        if !stripped {
            return first;
        }
        let second = wire.send(self.request(call, Auth::Query, wire.now())).await;
        match second {
            Ok(reply) if reply.status != 401 => {
                self.found.store(QUERY, Ordering::Relaxed);
                Ok(reply)
            }
            Ok(_) | Err(Fault::Unauthorized(_)) => first,
            Err(fault) => Err(fault),
        }
    }

    /// Sends a call and reads its JSON.
    ///
    /// # Errors
    /// As the wire and [`answers::read`].
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        wire: &dyn Wire,
        call: &Call<'_>,
    ) -> Result<(T, Reply), Fault> {
        let reply = self.send(wire, call).await?;
        let value = answers::read(&reply, call.method != Method::GET)?;
        Ok((value, reply))
    }

    fn auth_now(&self) -> Auth {
        self.auth
            .unwrap_or(if self.found.load(Ordering::Relaxed) == QUERY {
                Auth::Query
            } else {
                Auth::Basic
            })
    }

    fn request(&self, call: &Call<'_>, auth: Auth, now: Timestamp) -> Request {
        let target = format!("{}{}", self.api, call.path);
        let mut query: Vec<(String, String)> = call
            .query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let mut headers = vec![("accept", "application/json".to_owned())];
        match auth {
            Auth::Basic => {
                let pair = format!(
                    "{}:{}",
                    self.key.expose_secret(),
                    self.secret.expose_secret()
                );
                headers.push(("authorization", format!("Basic {}", STANDARD.encode(pair))));
            }
            Auth::Query => {
                query.push(("consumer_key".into(), self.key.expose_secret().into()));
                query.push(("consumer_secret".into(), self.secret.expose_secret().into()));
            }
            Auth::Signed => {
                let nonce = uuid::Uuid::new_v4().simple().to_string();
                self.sign(&call.method, &target, &mut query, &nonce, now);
            }
        }
        let body = call.body.as_ref().map_or_else(Bytes::new, |body| {
            headers.push(("content-type", "application/json".to_owned()));
            Bytes::from(body.to_string())
        });
        let url = if query.is_empty() {
            target
        } else {
            format!("{target}?{}", joined(&query))
        };
        Request {
            method: call.method.clone(),
            url,
            headers,
            body,
            token: TokenPlace::Nowhere,
            purpose: call.purpose,
        }
    }

    /// Adds the OAuth 1.0a parameters and their signature (RFC 5849, 3.4.1; HMAC-SHA256, no token).
    fn sign(
        &self,
        method: &Method,
        target: &str,
        query: &mut Vec<(String, String)>,
        nonce: &str,
        now: Timestamp,
    ) {
        for (name, value) in [
            ("oauth_consumer_key", self.key.expose_secret()),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA256"),
            (
                "oauth_timestamp",
                &now.millis().div_euclid(1000).to_string(),
            ),
            ("oauth_version", "1.0"),
        ] {
            query.push((name.to_owned(), value.to_owned()));
        }
        query.sort();
        let base = format!("{method}&{}&{}", strict(target), strict(&joined(query)));
        let key = format!("{}&", strict(self.secret.expose_secret()));
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(base.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        query.push(("oauth_signature".to_owned(), signature));
    }
}

/// Reads `base_url`.
///
/// # Errors
/// [`SetupError`] if keys or orders would travel unencrypted to another machine, or it is no address.
fn address_of(settings: &ChannelSettings, address: &str) -> Result<Uri, SetupError> {
    let refuse = |problem: &str, hint: &str| setup_error(settings, "base_url", problem, hint);
    let base: Uri = address
        .parse()
        .map_err(|_| refuse("is not an address", "write it like https://shop.example"))?;
    match base.scheme_str() {
        Some("https") => {}
        Some("http") if base.host().is_some_and(is_loopback) => {}
        Some("http") => {
            return Err(refuse(
                "is plain http to another machine",
                "use https: over plain http everyone on the way reads the orders",
            ));
        }
        Some(_) | None => {
            return Err(refuse(
                "is not an https address",
                "write it like https://shop.example",
            ));
        }
    }
    let authority = base.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') || base.query().is_some() || address.contains('#') {
        return Err(refuse(
            "holds more than scheme, host, port and folder",
            "keys belong in credentials = { key = …, secret = … }",
        ));
    }
    Ok(base)
}

/// A channel's table that cannot work, in a word.
pub(super) fn setup_error(
    settings: &ChannelSettings,
    key: &str,
    problem: &str,
    hint: &str,
) -> SetupError {
    SetupError {
        channel: settings.id.clone(),
        key: key.into(),
        problem: problem.into(),
        hint: hint.into(),
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn strict(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

fn joined(query: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in query {
        let and = if text.is_empty() { "" } else { "&" };
        write!(text, "{and}{}={}", strict(name), strict(value)).expect("text takes any text");
    }
    text
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::super::testing::{Script, reply, settings};
    use super::*;

    #[test]
    fn plain_http_to_another_machine_is_refused_and_keys_are_needed() {
        for (url, key) in [
            ("http://shop.example", "base_url"),
            ("http://10.0.0.7:8080", "base_url"),
            ("http://127.0.0.1.evil.example", "base_url"),
            ("ftp://shop.example", "base_url"),
            ("shop.example", "base_url"),
            ("https://ck:cs@shop.example", "base_url"),
            ("https://shop.example?x=1", "base_url"),
        ] {
            let error = Site::open(&settings(url)).unwrap_err();
            assert_eq!(error.key, key, "{url}");
            assert!(!error.hint.is_empty());
        }
        for url in [
            "https://shop.example/blog/",
            "http://127.0.0.1:8081",
            "http://[::1]:80",
            "http://localhost",
        ] {
            Site::open(&settings(url)).unwrap();
        }
        let mut without = settings("https://shop.example");
        without.credentials.remove("secret");
        assert_eq!(Site::open(&without).unwrap_err().key, "credentials");
        let mut odd = settings("https://shop.example");
        odd.options.insert("auth".into(), "digest".into());
        assert_eq!(Site::open(&odd).unwrap_err().key, "auth");
    }

    #[test]
    fn no_debug_shows_a_secret() {
        let site = Site::open(&settings("https://shop.example")).unwrap();
        let call = Call::get("/products", vec![], "test");
        for auth in [Auth::Basic, Auth::Query, Auth::Signed] {
            let request = site.request(&call, auth, Timestamp::from_millis(0));
            let text = format!("{site:?} {request:?} {call:?}");
            assert!(
                !text.contains("cs_test") && !text.contains("ck_test"),
                "{text}"
            );
            assert!(!text.contains("Y2tfdGVzdDpjc190ZXN0"), "{text}");
        }
    }

    /// The expected value was computed with Python's hmac module from the rule in RFC 5849, 3.4.1.
    #[test]
    fn oauth_signs_method_address_and_sorted_parameters() {
        let site = Site::open(&settings("http://127.0.0.1:8081")).unwrap();
        let mut query = vec![
            ("per_page".to_owned(), "100".to_owned()),
            ("include".to_owned(), "10,12".to_owned()),
        ];
        site.sign(
            &Method::GET,
            "http://127.0.0.1:8081/wp-json/wc/v3/products",
            &mut query,
            "n0nce",
            Timestamp::from_millis(1_800_000_000_999),
        );
        let (name, signature) = query.last().unwrap();
        assert_eq!(name, "oauth_signature");
        assert_eq!(signature, "FgBAjXQvmQADZbtBAum9piMq6hAYYqRCwKZIZdltcnI=");
    }

    #[tokio::test]
    async fn a_stripped_authorization_header_is_found_out_once_and_remembered() {
        let site = Site::open(&settings("https://shop.example")).unwrap();
        let wire = Script::new(vec![
            (
                "GET",
                "/products",
                Err(Fault::Unauthorized("woocommerce_rest_cannot_view".into())),
            ),
            (
                "GET",
                "/products?consumer_key=ck_test&consumer_secret=cs_test",
                reply(200, "[]"),
            ),
            ("GET", "/products?consumer_key=ck_test", reply(200, "[]")),
        ]);
        let call = Call::get("/products", vec![], "test");
        for _ in 0..2 {
            site.send(&wire, &call).await.unwrap();
        }
        assert!(site.keys_in_query());
        let sent = wire.done();
        let has_header = |n: usize| {
            sent[n]
                .headers
                .iter()
                .any(|(name, _)| *name == "authorization")
        };
        assert!(has_header(0) && !has_header(1) && !has_header(2));
    }

    #[tokio::test]
    async fn a_wrong_secret_never_puts_the_keys_into_the_query() {
        let site = Site::open(&settings("https://shop.example")).unwrap();
        let wrong = || {
            Err(Fault::Unauthorized(
                "woocommerce_rest_authentication_error: Consumer secret is invalid.".into(),
            ))
        };
        let revoked = || Err(Fault::Unauthorized("woocommerce_rest_cannot_view".into()));
        let wire = Script::new(vec![
            ("GET", "/products", wrong()),
            ("GET", "/products", reply(200, "[]")),
            ("GET", "/products", revoked()),
        ]);
        let call = Call::get("/products", vec![], "test");
        assert!(site.send(&wire, &call).await.is_err());
        assert!(site.send(&wire, &call).await.is_ok());
        assert!(
            site.send(&wire, &call).await.is_err(),
            "Basic is known to work: no second try"
        );
        for request in wire.done() {
            assert!(!request.url.contains("cs_test"));
        }
    }
}
