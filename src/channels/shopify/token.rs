//! Access tokens: one that does not end, or one of a day from the app's id and secret.

use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::channels::{Fault, Reply, Request, Token, TokenPlace, Wire};

use super::Shopify;
use super::graphql::status_fault;

/// How this channel comes to its token.
#[derive(Debug, Clone)]
pub(super) enum Login {
    /// A token of a custom app: it does not end. None can be made since 1 January 2026; those that exist go on working.
    Static(SecretString),
    /// The client-credentials grant of an app of the Dev Dashboard: 24 hours, and no refresh token; one asks again.
    Client {
        /// The app's client id.
        id: SecretString,
        /// The app's client secret.
        secret: SecretString,
    },
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<i64>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
}

impl Shopify {
    /// A token for the next calls.
    pub(super) async fn new_token(&self, wire: &dyn Wire) -> Result<Token, Fault> {
        let (id, secret) = match &self.login {
            Login::Static(token) => {
                return Ok(Token {
                    access: token.clone(),
                    expires_at: None,
                    refresh: None,
                });
            }
            Login::Client { id, secret } => (id, secret),
        };
        let encoded = |text: &SecretString| {
            utf8_percent_encode(text.expose_secret(), NON_ALPHANUMERIC).to_string()
        };
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            encoded(id),
            encoded(secret)
        );
        let asked_at = wire.now();
        let reply = wire
            .send(Request {
                method: Method::POST,
                url: format!("{}/admin/oauth/access_token", self.base_url),
                headers: vec![
                    (
                        "content-type",
                        "application/x-www-form-urlencoded".to_owned(),
                    ),
                    ("accept", "application/json".to_owned()),
                ],
                body: Bytes::from(form),
                token: TokenPlace::Nowhere,
                purpose: "token",
            })
            .await;
        let reply = match reply {
            // Asking again makes another token and harms nothing.
            Err(Fault::Unknown(why)) => return Err(Fault::Transient(why)),
            other => other?,
        };
        if let Some(fault) = denied(&reply) {
            return Err(fault);
        }
        let granted: Granted = serde_json::from_slice(&reply.body)
            .map_err(|_| Fault::Transient("the answer holds no token".to_owned()))?;
        Ok(Token {
            access: granted.access_token.into(),
            expires_at: granted
                .expires_in
                .map(|seconds| asked_at.plus(seconds.saturating_mul(1000))),
            refresh: None,
        })
    }
}

/// Only the word in `error` is passed on; a description might repeat what was sent.
fn denied(reply: &Reply) -> Option<Fault> {
    if matches!(reply.status, 400 | 401 | 403) {
        let word = serde_json::from_slice::<Denied>(&reply.body)
            .map(|denied| denied.error.chars().take(60).collect::<String>())
            .unwrap_or_default();
        return Some(Fault::Unauthorized(format!(
            "{} {word}; hint: check client_id and client_secret, and that the app is installed in this shop",
            reply.status
        )));
    }
    status_fault(reply.status, false)
}
