//! Signatures, credentials and URL encoding of the emulated platforms.
//!
//! Written for the sandbox alone: the channels have their own, and the two must never be merged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rand::RngExt;
use sha2::{Digest, Sha256};

/// RFC 3986: everything but letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// base64(HMAC-SHA256(key, message)).
pub(crate) fn hmac_base64(key: &[u8], message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The first 16 bytes of a SHA-256, in hex: the look of WooCommerce's delivery ids.
pub(crate) fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    hex::encode(digest).chars().take(32).collect()
}

/// Percent-encoding as OAuth 1.0a wants it.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The pairs of a query string, decoded, in order. Bad UTF-8 becomes the replacement character.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// `user` and `password` of an `Authorization: Basic` header.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// A fresh credential: `prefix` and `n_bytes` random bytes in hex. Not from the shop's dice: a credential
/// has no part in what happens, and a known seed must not reveal it.
pub(crate) fn credential(prefix: &str, n_bytes: usize) -> String {
    let mut generator = rand::rng();
    let bytes: Vec<u8> = (0..n_bytes).map(|_| generator.random()).collect();
    format!("{prefix}{}", hex::encode(bytes))
}

/// JSON as PHP writes it: slashes and everything outside ASCII escaped.
pub(crate) fn php_json(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str("\\u");
                    out.push_str(&hex::encode(unit.to_be_bytes()));
                }
            }
        }
    }
    out
}

/// JSON as Rails writes it: slashes escaped, the rest as UTF-8.
pub(crate) fn rails_json(value: &serde_json::Value) -> String {
    value.to_string().replace('/', "\\/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn php_and_rails_spell_json_their_way_and_mean_the_same() {
        let value = serde_json::json!({"a": "http://x/é\\/☃😀"});
        for text in [php_json(&value), rails_json(&value)] {
            assert!(text.contains("http:\\/\\/x"), "{text}");
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&text).unwrap(),
                value
            );
        }
        assert!(php_json(&value).is_ascii());
    }

    #[test]
    fn hmac_is_the_published_one() {
        // RFC 4231, test case 2.
        let got = STANDARD
            .decode(hmac_base64(b"Jefe", b"what do ya want for nothing?"))
            .unwrap();
        assert!(hex::encode(got).starts_with("5bdcc146bf60754e6a042426089575c7"));
    }

    #[test]
    fn query_pairs_are_decoded() {
        let got = pairs("sku=A%2CB&x=1+2&flag&&bad=%FF");
        let want = [
            ("sku", "A,B"),
            ("x", "1 2"),
            ("flag", ""),
            ("bad", "\u{fffd}"),
        ];
        let want: Vec<_> = want.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(got, want);
    }
}
