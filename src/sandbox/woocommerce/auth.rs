//! Who may use an emulated WooCommerce.
//!
//! A sandbox speaks plain HTTP, where a real WooCommerce ignores Basic and query credentials and wants OAuth
//! 1.0a. So does this one, unless its options let the plain forms pass, as if TLS ended in front of it.
//! Only HMAC-SHA256 is known; the real one takes HMAC-SHA1 too.

use bytes::Bytes;
use http::{Method, Request, StatusCode};

use super::answer::Trouble;
use super::shop::Shop;
use crate::sandbox::sign;

/// Seconds a timestamp may be away from the shop's clock, and a nonce is remembered.
const WINDOW_S: i64 = 900;

/// The one key of a sandbox.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) read_only: bool,
    /// Whether Basic and query credentials count although this is plain HTTP.
    pub(super) plain: bool,
}

fn refused(message: &str) -> Trouble {
    Trouble::new(
        StatusCode::UNAUTHORIZED,
        "woocommerce_rest_authentication_error",
        message,
    )
}

fn nobody() -> Trouble {
    let code = "woocommerce_rest_cannot_view";
    Trouble::new(
        StatusCode::UNAUTHORIZED,
        code,
        "Sorry, you cannot list resources.",
    )
}

impl Key {
    /// Lets a request pass, or not. `shop` remembers nonces.
    pub(super) fn check(&self, shop: &mut Shop, request: &Request<Bytes>) -> Result<(), Trouble> {
        let query = sign::pairs(request.uri().query().unwrap_or_default());
        let get = |name: &str| {
            query
                .iter()
                .find(|pair| pair.0 == name)
                .map(|pair| pair.1.as_str())
        };
        if get("oauth_signature").is_some() {
            self.check_oauth(shop, request, &query)?;
        } else {
            self.check_plain(request, get("consumer_key").zip(get("consumer_secret")))?;
        }
        if self.read_only && request.method() != Method::GET {
            return Err(refused(
                "The API key provided does not have write permissions.",
            ));
        }
        Ok(())
    }

    fn check_plain(
        &self,
        request: &Request<Bytes>,
        query: Option<(&str, &str)>,
    ) -> Result<(), Trouble> {
        let header = request
            .headers()
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let basic = header.and_then(sign::basic);
        let basic = basic
            .as_ref()
            .map(|(user, password)| (user.as_str(), password.as_str()));
        let given = basic.or(query).filter(|_| self.plain);
        let (key, secret) = given.ok_or_else(nobody)?;
        if key != self.id {
            return Err(nobody());
        }
        if secret != self.secret {
            return Err(refused("Consumer secret is invalid."));
        }
        Ok(())
    }

    fn check_oauth(
        &self,
        shop: &mut Shop,
        request: &Request<Bytes>,
        query: &[(String, String)],
    ) -> Result<(), Trouble> {
        let get = |name: &str| {
            let found = query
                .iter()
                .find(|pair| pair.0 == name)
                .map(|pair| pair.1.as_str());
            found.ok_or_else(|| refused(&format!("Missing OAuth parameter {name}")))
        };
        if get("oauth_consumer_key")? != self.id {
            return Err(refused("Consumer key is invalid."));
        }
        if get("oauth_signature_method")? != "HMAC-SHA256" {
            return Err(refused("Invalid signature - signature method is invalid."));
        }
        let url = format!("{}{}", shop.base_url, request.uri().path());
        let want = signature(request.method().as_str(), &url, query, &self.secret);
        if get("oauth_signature")? != want {
            return Err(refused(
                "Invalid signature - provided signature does not match.",
            ));
        }
        let now_s = shop.stage.now_ms() / 1_000;
        let at_s: i64 = get("oauth_timestamp")?
            .parse()
            .map_err(|_| refused("Invalid timestamp."))?;
        if at_s.abs_diff(now_s) > WINDOW_S.unsigned_abs() {
            return Err(refused("Invalid timestamp."));
        }
        shop.nonces.retain(|_, used_s| *used_s >= now_s - WINDOW_S);
        if shop
            .nonces
            .insert(get("oauth_nonce")?.to_owned(), at_s)
            .is_some()
        {
            return Err(refused("Invalid nonce - nonce has already been used."));
        }
        Ok(())
    }
}

/// The OAuth 1.0a signature of a request without a token.
pub(super) fn signature(
    method: &str,
    url: &str,
    query: &[(String, String)],
    secret: &str,
) -> String {
    let mut pairs: Vec<_> = query
        .iter()
        .filter(|pair| pair.0 != "oauth_signature")
        .map(|(name, value)| (sign::encode(name), sign::encode(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let base = format!(
        "{method}&{}&{}",
        sign::encode(url),
        sign::encode(&pairs.join("&"))
    );
    sign::hmac_base64(format!("{secret}&").as_bytes(), base.as_bytes())
}
