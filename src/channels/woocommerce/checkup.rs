//! The health of a WooCommerce channel: keys, rights, transport, and whether the shop can reach us.
//!
//! `WordPress` refuses to deliver to many addresses while creating the webhook answers 201 all the same.
//! Source: connector notes, W1 and W5, seen on WooCommerce 11.0.1.

use std::net::Ipv4Addr;

use http::Uri;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::super::{Fault, Finding, Wire};
use super::WooCommerce;
use super::auth::Call;

/// Why `WordPress` would not deliver to this address (`wp_http_validate_url`), as a warning; `None` if it would.
///
/// The shop's own host may be private, and its own port odd. Names are not resolved here: `WordPress` does, and refuses
/// those that lead to private addresses.
pub(super) fn refused_by_wordpress(hook: &str, shop: &Uri) -> Option<String> {
    let warn = |why: &str| {
        Some(format!(
            "WordPress does not deliver to {hook}: {why}; hint: use a public name on port 443, 80 or 8080"
        ))
    };
    let Ok(uri) = hook.parse::<Uri>() else {
        return warn("it is not an address");
    };
    let (Some("https" | "http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return warn("it is not an http or https address");
    };
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return warn("it holds a user name");
    }
    if host.starts_with('[') || host.contains(':') {
        return warn("it is an IPv6 address");
    }
    let same_host = shop
        .host()
        .is_some_and(|own| own.eq_ignore_ascii_case(host));
    let port = uri.port_u16().unwrap_or(443);
    let own_port = same_host && shop.port_u16() == Some(port);
    if !matches!(port, 80 | 443 | 8080) && !own_port {
        return warn(&format!("port {port} is not allowed"));
    }
    if same_host {
        return None;
    }
    let lower = host.to_ascii_lowercase();
    if lower == "localhost" || lower.ends_with(".localhost") {
        return warn("localhost is the shop's own machine");
    }
    match lower.parse::<Ipv4Addr>() {
        Ok(address)
            if address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.octets().first() == Some(&0) =>
        {
            warn("it is a private address")
        }
        Err(_) if !lower.contains('.') => warn("it is not a public name"),
        Ok(_) | Err(_) => None,
    }
}

/// Looks at credentials, rights, webhooks and addresses. Changes nothing: the write test is an empty batch.
///
/// # Errors
/// As the wire, but refused credentials and rights become findings.
pub(super) async fn check(shop: &WooCommerce, wire: &dyn Wire) -> Result<Vec<Finding>, Fault> {
    let mut findings = Vec::new();
    let few = || vec![("per_page", "1".to_owned()), ("_fields", "id".to_owned())];
    let calls = [
        (
            "credentials",
            "products can be read",
            Call::get("/products", few(), "check"),
        ),
        (
            "orders",
            "orders can be read",
            Call::get("/orders", few(), "check"),
        ),
        (
            "webhooks",
            "webhooks can be read",
            Call::get("/webhooks", few(), "check"),
        ),
        (
            "write access",
            "the key may write",
            Call::post("/products/batch", json!({"update": []}), "check"),
        ),
    ];
    for (what, says, call) in calls {
        let (good, says) = match shop.site.read::<Value>(wire, &call).await {
            Ok(_) => (true, says.to_owned()),
            Err(Fault::Unauthorized(why) | Fault::Rejected(why) | Fault::Gone(why)) => {
                (false, with_hint(&why))
            }
            Err(fault) => return Err(fault),
        };
        findings.push(Finding {
            what: what.to_owned(),
            good,
            says,
        });
    }
    findings.push(transport(shop));
    findings.push(secrets_are_plain(shop));
    let (good, says) = match (&shop.hook_url, shop.secrets.is_empty()) {
        (None, _) => (
            false,
            "no hook address: sales are found by polling only; hint: set public_url".to_owned(),
        ),
        (Some(_), true) => (
            false,
            "no webhook secret: every webhook is refused; hint: set webhook_secrets".to_owned(),
        ),
        (Some(url), false) => match refused_by_wordpress(url, &shop.site.base) {
            Some(why) => (false, why),
            None => (true, format!("WordPress may deliver to {url}")),
        },
    };
    findings.push(Finding {
        what: "hook address".to_owned(),
        good,
        says,
    });
    Ok(findings)
}

/// Other characters may be stored as HTML entities, and then sign with another key than ours.
fn secrets_are_plain(shop: &WooCommerce) -> Finding {
    let good = shop.secrets.iter().all(|secret| {
        let mut bytes = secret.expose_secret().bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    let says = if good {
        "letters and digits only"
    } else {
        "one holds more than letters, digits and _, which the shop may store otherwise; hint: choose another"
    };
    Finding {
        what: "webhook secrets".to_owned(),
        good,
        says: says.to_owned(),
    }
}

fn transport(shop: &WooCommerce) -> Finding {
    let says = if shop.site.is_plain() {
        "plain http to this machine; calls are signed (OAuth 1.0a)"
    } else if shop.site.keys_in_query() {
        "https; the keys travel in the query, for the shop's host strips the Authorization header"
    } else {
        "https with HTTP Basic"
    };
    Finding {
        what: "transport".to_owned(),
        good: true,
        says: says.to_owned(),
    }
}

/// Codes that mean "who are you" and "you may not" look alike to a seller; say what to do.
fn with_hint(why: &str) -> String {
    if why.contains("hint:") {
        return why.to_owned();
    }
    let hint = if why.contains("write permissions") {
        "make the key read/write in WooCommerce, Settings, Advanced, REST API"
    } else if why.contains("woocommerce_rest_authentication_error") {
        "the consumer secret is wrong"
    } else if why.contains("rest_no_route") {
        "choose any permalink structure but \"Plain\", and see that WooCommerce is active"
    } else {
        "check the key; its user must be an administrator or shop manager; behind a TLS proxy WordPress must honour X-Forwarded-Proto"
    };
    format!("{why}; hint: {hint}")
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::super::testing::{Script, reply, shop};
    use super::*;

    const URL: &str = "https://stock.example/hooks/shop";

    #[track_caller]
    fn check_address(shop: &str, hook: &str, delivered: bool) {
        let warning = refused_by_wordpress(hook, &shop.parse().unwrap());
        assert_eq!(warning.is_none(), delivered, "{hook}: {warning:?}");
    }

    #[test]
    fn addresses_that_wordpress_refuses_are_known() {
        for (hook, delivered) in [
            (URL, true),
            ("http://stock.example/x", true),
            ("https://stock.example:8080/x", true),
            ("https://8.8.8.8/x", true),
            ("https://stock.example:8443/x", false),
            ("https://10.1.2.3/x", false),
            ("https://172.20.0.1/x", false),
            ("https://192.168.1.9/x", false),
            ("https://169.254.1.1/x", false),
            ("http://127.0.0.1:8080/x", false),
            ("http://localhost:8080/x", false),
            ("https://[2001:db8::1]/x", false),
            ("https://onhand/x", false),
            ("ftp://stock.example/x", false),
        ] {
            check_address("https://shop.example", hook, delivered);
        }
        // Seen live with a shop at 127.0.0.1:8081.
        let shop = "http://127.0.0.1:8081";
        check_address(shop, "http://127.0.0.1:8080/wc", true);
        check_address(shop, "http://127.0.0.1:8081/wc", true);
        check_address(shop, "http://127.0.0.1:8079/wc", false);
        check_address(shop, "http://127.0.0.2:8080/wc", false);
        check_address(shop, "http://localhost:8080/wc", false);
    }

    #[tokio::test]
    async fn a_read_only_key_is_found_out_without_writing() {
        let read_only = Fault::Unauthorized("woocommerce_rest_authentication_error: The API key provided does not have write permissions.".into());
        let wire = Script::new(vec![
            ("GET", "/products?per_page=1", reply(200, "[]")),
            ("GET", "/orders?per_page=1", reply(200, "[]")),
            (
                "GET",
                "/webhooks?per_page=1",
                reply(
                    403,
                    r#"{"code":"woocommerce_rest_cannot_view","message":"no"}"#,
                ),
            ),
            ("POST", "/products/batch", Err(read_only)),
        ]);
        let findings = check(&shop(), &wire).await.unwrap();
        let good: Vec<_> = findings
            .iter()
            .map(|finding| (finding.what.as_str(), finding.good))
            .collect();
        assert_eq!(
            good,
            [
                ("credentials", true),
                ("orders", true),
                ("webhooks", false),
                ("write access", false),
                ("transport", true),
                ("webhook secrets", true),
                ("hook address", true)
            ]
        );
        assert!(
            findings
                .iter()
                .filter(|f| !f.good)
                .all(|f| f.says.contains("hint:"))
        );
        assert!(findings[3].says.contains("read/write"));
        assert_eq!(wire.done()[3].body, r#"{"update":[]}"#);
    }
}
