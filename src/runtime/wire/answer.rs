//! What an answer, or its absence, means: the classes of [`Wire::send`](crate::channels::Wire::send), and the few words of
//! a refusal that may be passed on.

use std::error::Error;

use http::{HeaderMap, Method, header};
use serde::Deserialize;

use crate::channels::Fault;
use crate::domain::clock::Timestamp;
use crate::domain::retry;

/// Longest excerpt of a refusal, in characters.
const EXCERPT_MAX: usize = 160;
/// A word of so many characters that looks random is taken for a secret.
const SECRET_LEN: usize = 20;

/// What follows from a status.
#[derive(Debug, PartialEq)]
pub(super) enum Class {
    /// The platform's folder reads it.
    Reply,
    /// The credentials are not accepted.
    Unauthorized,
    /// It is over.
    Fault(Fault),
}

/// Whether a call changes nothing, so that a lost answer does not matter.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What a status means; headers say how long to wait and where a redirect leads.
pub(super) fn classify(status: u16, headers: &HeaderMap, method: &Method, now: Timestamp) -> Class {
    let after_ms =
        header_text(headers, &header::RETRY_AFTER).and_then(|text| retry::retry_after(text, now));
    match status {
        300..=399 => Class::Fault(Fault::Rejected(redirected(status, headers))),
        401 => Class::Unauthorized,
        429 => Class::Fault(Fault::Throttled { after_ms }),
        503 if after_ms.is_some() => Class::Fault(Fault::Throttled { after_ms }),
        500..=599 if is_read(method) => {
            Class::Fault(Fault::Transient(format!("the platform answered {status}")))
        }
        500..=599 => Class::Fault(Fault::Unknown(format!("the platform answered {status}"))),
        _ => Class::Reply,
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Where to is said without path and query, which may hold a session.
fn redirected(status: u16, headers: &HeaderMap) -> String {
    let place = header_text(headers, &header::LOCATION)
        .and_then(|text| reqwest::Url::parse(text).ok())
        .map(|url| format!(" to {}", url.origin().ascii_serialization()))
        .unwrap_or_default();
    format!(
        "the platform answered {status}{place} and redirects are not followed; hint: set base_url to the shop's final \
         address"
    )
}

/// Why no answer came. A call that never connected did nothing; any other may have had its effect.
pub(super) fn lost(error: reqwest::Error, timeout_ms: u64) -> Fault {
    let error = error.without_url();
    if error.is_builder() {
        Fault::Rejected(format!("the call cannot be made: {}", chain(&error)))
    } else if error.is_connect() {
        Fault::Transient(format!("no connection: {}", chain(&error)))
    } else if error.is_timeout() {
        Fault::Unknown(format!("no whole answer within {timeout_ms} ms"))
    } else {
        Fault::Unknown(chain(&error))
    }
}

/// The error and its causes, the last of which says most.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let says = next.to_string();
        if !text.contains(&says) {
            text = format!("{text}: {says}");
        }
        cause = next.source();
    }
    text
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<serde_json::Value>,
    #[serde(default)]
    message: Option<String>,
}

/// What a 401 says: `code` and message of a JSON body, or else an excerpt; what looks like a secret is masked.
pub(super) fn refusal(status: u16, body: &[u8]) -> String {
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(body)
        && let Some(code) = refusal.code
    {
        let code = match code {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let message = refusal.message.map(|text| format!(": {text}"));
        return format!(
            "{status} {}",
            masked(&format!("{code}{}", message.unwrap_or_default()))
        );
    }
    let text = masked(&String::from_utf8_lossy(body));
    format!("{status} {text}").trim_end().to_owned()
}

/// At most [`EXCERPT_MAX`] characters on one line, without what looks like a token, a key or an address.
fn masked(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(EXCERPT_MAX)
        .collect();
    let part = |c: char| c.is_ascii_alphanumeric() || "_-+/=.~@%".contains(c);
    let mut out = String::new();
    let mut word = String::new();
    for c in plain.chars().chain(['\n']) {
        if part(c) {
            word.push(c);
            continue;
        }
        out.push_str(if looks_secret(&word) { "***" } else { &word });
        word.clear();
        out.push(c);
    }
    out.trim().to_owned()
}

fn looks_secret(word: &str) -> bool {
    let long = word.len() >= SECRET_LEN;
    let digit = word.bytes().any(|b| b.is_ascii_digit());
    let upper = word.bytes().any(|b| b.is_ascii_uppercase());
    let words = word
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-' || b == b'.');
    word.contains('@')
        || (long && (digit || upper || !words))
        || (long && !word.contains(['_', '-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_status_decides_the_class() {
        let now = Timestamp::parse("2026-11-25T03:20:00Z").unwrap();
        let none = HeaderMap::new();
        let check = |status, headers: &HeaderMap, method: Method, wanted: &str| {
            let found = format!("{:?}", classify(status, headers, &method, now));
            assert!(found.starts_with(wanted), "{status} {method}: {found}");
        };
        for status in [200, 201, 202, 400, 403, 404, 409, 413, 422] {
            check(status, &none, Method::PUT, "Reply");
        }
        check(401, &none, Method::GET, "Unauthorized");
        for status in [300, 301, 302, 304, 307, 308] {
            check(status, &none, Method::GET, "Fault(Rejected(");
        }
        for status in [500, 502, 503, 504, 521, 599] {
            check(status, &none, Method::GET, "Fault(Transient(");
            check(status, &none, Method::POST, "Fault(Unknown(");
        }
        let wait = with(header::RETRY_AFTER, "7");
        let throttled = "Fault(Throttled { after_ms: Some(7000) })";
        check(429, &wait, Method::POST, throttled);
        check(503, &wait, Method::POST, throttled);
        check(500, &wait, Method::POST, "Fault(Unknown(");
        check(
            429,
            &none,
            Method::POST,
            "Fault(Throttled { after_ms: None })",
        );
        let date = with(header::RETRY_AFTER, "Wed, 25 Nov 2026 03:20:07 GMT");
        check(429, &date, Method::GET, throttled);
        let absurd = with(header::RETRY_AFTER, "soon");
        check(503, &absurd, Method::GET, "Fault(Transient(");
    }

    #[test]
    fn a_redirect_names_only_the_place() {
        let headers = with(header::LOCATION, "https://shop.example/x?token=abc");
        let Class::Fault(Fault::Rejected(says)) =
            classify(302, &headers, &Method::GET, Timestamp::default())
        else {
            panic!("a redirect is refused");
        };
        assert!(says.contains("https://shop.example and"), "{says}");
        assert!(says.contains("hint: set base_url"), "{says}");
        assert!(!says.contains("token"), "{says}");
    }

    #[test]
    fn a_refusal_keeps_its_code_and_no_secret() {
        let check = |body: &str, wanted: &str| {
            assert_eq!(refusal(401, body.as_bytes()), wanted, "{body}");
        };
        check(
            r#"{"code":"woocommerce_rest_cannot_view","message":"Sorry, you cannot list resources."}"#,
            "401 woocommerce_rest_cannot_view: Sorry, you cannot list resources.",
        );
        check(r#"{"code":17}"#, "401 17");
        check(
            r#"{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}"#,
            r#"401 {"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}"#,
        );
        check(
            "token shpat_0123456789abcdef0123456789abcdef is void",
            "401 token *** is void",
        );
        check(
            r#"{"code":"no","message":"ck_aaaabbbbccccddddeeeeffff11112222 of ann@example.com"}"#,
            "401 no: *** of ***",
        );
        check("abcdefghijklmnopqrstuvwxyz", "401 ***");
        check("a\r\nb\u{1b}[2J", "401 a  b [2J");
        check("", "401");
        let long = refusal(401, "no ".repeat(500).as_bytes());
        assert!(long.len() < EXCERPT_MAX + 10);
    }
}
