//! What WooCommerce's answers mean: JSON behind PHP notices, error codes, pages, and its loose ideas of a number.
//!
//! Nothing here sends. Texts of errors never hold a body, for bodies may hold buyers' data.
//! Source: error shapes recorded from WooCommerce 11.0.1; see the table of codes in the connector notes, W1.

use http::HeaderMap;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::{Fault, Reply};

/// How many places in a body are tried as the beginning of its JSON; notices rarely hold more brackets than this.
const BEGINNINGS_MAX: usize = 64;
/// Longest part of the platform's own words that is repeated to the user, in characters.
const WORDS_MAX: usize = 200;
/// Above this a float no longer names every whole number.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads JSON that PHP notices may precede. What follows it must be blank, so that a bracket in a notice is never taken
/// for an empty list.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Some(value);
    }
    body.iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'{' | b'['))
        .take(BEGINNINGS_MAX)
        .find_map(|(at, _)| serde_json::from_slice(body.get(at..)?).ok())
}

/// The platform's error object: `{"code","message","data":{"status"}}`.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    /// Such as `woocommerce_rest_cannot_view`.
    pub(super) code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

impl ErrorBody {
    /// Code and words, without markup, shortened.
    pub(super) fn says(&self) -> String {
        let mut inside = false;
        let words: String = self
            .message
            .chars()
            .filter(|c| {
                inside = (inside || *c == '<') && *c != '>';
                !inside && *c != '>'
            })
            .take(WORDS_MAX)
            .collect();
        format!("{}: {words}", self.code)
    }

    /// The status that the error itself carries.
    pub(super) fn status(&self) -> u64 {
        self.data
            .get("status")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    /// What to do about this code, if we know.
    pub(super) fn hint(&self) -> &'static str {
        match self.code.as_str() {
            "rest_no_route" => {
                "; hint: choose any permalink structure but \"Plain\" in WordPress, and see that WooCommerce is active"
            }
            "woocommerce_rest_authentication_error" => {
                "; hint: check the consumer secret, and that the key may read and write"
            }
            "woocommerce_rest_cannot_view"
            | "woocommerce_rest_cannot_create"
            | "woocommerce_rest_cannot_edit"
            | "woocommerce_rest_cannot_delete"
            | "woocommerce_rest_cannot_batch" => {
                "; hint: the key's user must be an administrator or shop manager, and the key must be of read/write kind"
            }
            "woocommerce_rest_invalid_product_id" => {
                "; hint: this is a variation; name it parent/variation"
            }
            _ => "",
        }
    }
}

/// Turns every status but 2xx into a [`Fault`]. `write` says that the call may have had an effect.
///
/// # Errors
/// See the table in the connector notes, W1; HTML pages with 403 are a firewall's (temporary) if they look like one.
pub(super) fn accepted(reply: &Reply, write: bool) -> Result<&[u8], Fault> {
    if (200..300).contains(&reply.status) {
        return Ok(&reply.body);
    }
    let error = json::<ErrorBody>(&reply.body);
    let says = error.as_ref().map_or_else(
        || format!("status {} without an error that we can read", reply.status),
        |error| format!("{}{}", error.says(), error.hint()),
    );
    Err(match (reply.status, &error) {
        (300..=399, _) => Fault::Rejected(format!(
            "the shop answers with a redirect ({}); hint: set base_url to the address that it redirects to",
            reply.status
        )),
        (401, _) => Fault::Unauthorized(says),
        (403, None) if looks_like_firewall(reply) => {
            Fault::Transient("a firewall in front of the shop refused the call (403)".into())
        }
        (404, None) => Fault::Rejected(
            "there is no REST interface at this address (404); hint: check base_url and WordPress's permalinks".into(),
        ),
        (404, Some(error)) if error.code != "rest_no_route" => Fault::Gone(says),
        // The wire has read how long to wait.
        (429, _) => Fault::Throttled { after_ms: None },
        (501, _) => Fault::Rejected(says),
        (500.., _) if write => Fault::Unknown(says),
        (500.., _) => Fault::Transient(says),
        _ => Fault::Rejected(says),
    })
}

/// Reads the JSON of an accepted answer.
///
/// # Errors
/// As [`accepted`]; a 2xx that is not the expected JSON is [`Fault::Unknown`] after a write, else [`Fault::Transient`].
pub(super) fn read<T: DeserializeOwned>(reply: &Reply, write: bool) -> Result<T, Fault> {
    json(accepted(reply, write)?).ok_or_else(|| {
        let what = format!(
            "status {} with a body that is not the expected JSON",
            reply.status
        );
        if write {
            Fault::Unknown(what)
        } else {
            Fault::Transient(what)
        }
    })
}

/// Whether the route itself is missing, as in a WooCommerce that is older than the route.
pub(super) fn no_route(reply: &Reply) -> bool {
    reply.status == 404
        && json::<ErrorBody>(&reply.body).is_some_and(|error| error.code == "rest_no_route")
}

/// Whether a page follows. Proxies may strip the headers; then a full page says so.
pub(super) fn more(headers: &HeaderMap, page: u32, n_items: usize, per_page: usize) -> bool {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    if n_items == 0 {
        return false;
    }
    if let Some(pages) = text("x-wp-totalpages").and_then(|pages| pages.trim().parse::<u32>().ok())
    {
        return page < pages;
    }
    let next = headers
        .get_all("link")
        .iter()
        .filter_map(|link| link.to_str().ok())
        .any(|link| link.contains("rel=\"next\""));
    next || n_items >= per_page
}

fn looks_like_firewall(reply: &Reply) -> bool {
    const MARKS: [&str; 8] = [
        "cloudflare",
        "sucuri",
        "wordfence",
        "mod_security",
        "captcha",
        "access denied",
        "request blocked",
        "checking your browser",
    ];
    let by_header = ["cf-ray", "x-sucuri-id", "x-waf-event-info"]
        .iter()
        .any(|name| reply.headers.contains_key(*name));
    let page =
        String::from_utf8_lossy(reply.body.get(..4096).unwrap_or(&reply.body)).to_lowercase();
    by_header || MARKS.iter().any(|mark| page.contains(mark))
}

/// Which way a fraction goes; stores with decimal stock have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// What is promised: never too little.
    Up,
    /// What is there: never too much.
    Down,
}

/// Reads whole units from a number or a number in a text. `None` for everything else and beyond 2^53.
pub(super) fn units(value: &Value, round: Round) -> Option<i64> {
    let number = match value {
        Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                return Some(whole);
            }
            number.as_f64()?
        }
        Value::String(text) => {
            if let Ok(whole) = text.trim().parse::<i64>() {
                return Some(whole);
            }
            text.trim().parse::<f64>().ok()?
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let number = match round {
        Round::Up => number.ceil(),
        Round::Down => number.floor(),
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and within 2^53 by the test before it"
    )]
    (number.abs() < WHOLE_MAX).then_some(number as i64)
}

/// A post id or an order id: a number, or (plugins) a number in a text. 0 means "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Id(pub(super) u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let id = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        id.map(Self).ok_or_else(|| D::Error::custom("not an id"))
    }
}

/// Who keeps the quantity of a product: `manage_stock`, a boolean or, on variations, the text `parent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manage {
    /// The product itself.
    Own,
    /// The variation's parent, for all variations without a quantity of their own.
    Parent,
    /// Nobody.
    No,
}

impl<'de> Deserialize<'de> for Manage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(true) => Ok(Self::Own),
            Value::Bool(false) | Value::Null => Ok(Self::No),
            Value::String(text) if text == "parent" => Ok(Self::Parent),
            _ => Err(D::Error::custom(
                "manage_stock is not a boolean or \"parent\"",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json as j;

    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn notices_before_the_json_do_not_hide_it_and_are_not_taken_for_it() {
        let product: Value =
            json(b"<br />\n<b>Warning</b>: key [0] {x} in /a.php\n{\"id\":1}").unwrap();
        assert_eq!(product, j!({"id": 1}));
        let bom: Value = json("\u{feff}[1]".as_bytes()).unwrap();
        assert_eq!(bom, j!([1]));
        assert_eq!(json::<Vec<Value>>(b"Notice: [] in x.php\n<html>"), None);
        assert_eq!(json::<Value>(b"<html>down</html>"), None);
    }

    #[track_caller]
    fn check(status: u16, write: bool, body: &str, expected: &str) {
        let fault = accepted(&reply(status, body), write).unwrap_err();
        let text = format!("{fault:?}");
        assert!(text.starts_with(expected), "{status} {body}: {text}");
    }

    #[test]
    fn each_status_becomes_its_fault() {
        let error =
            |code: &str| format!(r#"{{"code":"{code}","message":"<b>No</b>","data":null}}"#);
        check(
            404,
            false,
            &error("woocommerce_rest_product_invalid_id"),
            "Gone",
        );
        check(
            404,
            false,
            &error("rest_no_route"),
            "Rejected(\"rest_no_route: No; hint: choose",
        );
        check(404, false, "<html>nginx</html>", "Rejected");
        check(403, false, "<html>Cloudflare Ray</html>", "Transient");
        check(403, false, "<html>Forbidden</html>", "Rejected");
        check(
            403,
            true,
            &error("woocommerce_rest_cannot_edit"),
            "Rejected",
        );
        check(
            401,
            true,
            &error("woocommerce_rest_cannot_view"),
            "Unauthorized",
        );
        check(429, true, "", "Throttled");
        check(500, false, &error("wp_die"), "Transient");
        check(500, true, &error("wp_die"), "Unknown");
        check(
            501,
            true,
            &error("woocommerce_rest_trash_not_supported"),
            "Rejected",
        );
        check(400, true, &error("rest_invalid_param"), "Rejected");
        check(301, false, "", "Rejected");
    }

    #[test]
    fn a_2xx_that_is_not_json_is_unknown_after_a_write_only() {
        let page = reply(200, "<html>It works</html>");
        assert!(matches!(read::<Value>(&page, true), Err(Fault::Unknown(_))));
        assert!(matches!(
            read::<Value>(&page, false),
            Err(Fault::Transient(_))
        ));
    }

    #[test]
    fn numbers_come_in_many_clothes() {
        for (value, up, down) in [
            (j!(3), Some(3), Some(3)),
            (j!("3"), Some(3), Some(3)),
            (j!(2.5), Some(3), Some(2)),
            (j!("2.5"), Some(3), Some(2)),
            (j!(-3), Some(-3), Some(-3)),
            (j!(5.0), Some(5), Some(5)),
            (j!(1e300), None, None),
            (j!("NaN"), None, None),
            (j!("x"), None, None),
            (j!(null), None, None),
        ] {
            assert_eq!(units(&value, Round::Up), up, "{value}");
            assert_eq!(units(&value, Round::Down), down, "{value}");
        }
    }

    #[test]
    fn a_page_follows_by_total_by_link_or_by_being_full() {
        let mut headers = HeaderMap::new();
        assert!(!more(&headers, 1, 99, 100));
        assert!(more(&headers, 1, 100, 100));
        headers.insert("link", "<https://x/?page=2>; rel=\"next\"".parse().unwrap());
        assert!(more(&headers, 1, 2, 100));
        headers.insert("x-wp-totalpages", "1".parse().unwrap());
        assert!(!more(&headers, 1, 2, 100));
        headers.insert("x-wp-totalpages", "9".parse().unwrap());
        assert!(!more(&headers, 5, 0, 100), "past the end is the end");
    }
}
