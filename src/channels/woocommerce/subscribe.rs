//! Webhook subscriptions and the health of a WooCommerce channel.
//!
//! WooCommerce sends each message once, and the seventh failure in a row disables the webhook for good: switching it on
//! again keeps the counter at six. So a disabled one is deleted and made anew. `WordPress` refuses to deliver to many
//! addresses while creating the webhook answers 201 all the same. Source: connector notes, W5, seen on 11.0.1.

use std::net::Ipv4Addr;

use http::{Method, Uri};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::super::{Fault, Finding, Subscription, SubscriptionReport, Wire};
use super::WooCommerce;
use super::answers::{self, Id};
use super::auth::Call;

/// What a channel needs to hear of; variations come under `product`.
pub(super) const TOPICS: [&str; 7] = [
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
    "product.updated",
    "product.created",
    "product.deleted",
];
const PER_PAGE: usize = 100;
/// Pages of webhooks that we look through; a shop has a dozen.
const PAGES_MAX: u32 = 20;

#[derive(Debug, Deserialize)]
struct Hook {
    id: Id,
    #[serde(default)]
    status: String,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    delivery_url: String,
}

/// Compares the shop's webhooks with [`TOPICS`]; with `repair` makes what is missing.
///
/// # Errors
/// As the wire; a webhook that the shop refuses to make becomes a warning.
pub(super) async fn subscriptions(
    shop: &WooCommerce,
    wire: &dyn Wire,
    repair: bool,
) -> Result<SubscriptionReport, Fault> {
    let mut report = SubscriptionReport::default();
    let Some(url) = shop.hook_url.as_deref() else {
        report.missing = TOPICS.map(str::to_owned).to_vec();
        report.warnings.push(
            "no hook address is configured: orders are found by polling only; hint: set public_url"
                .into(),
        );
        return Ok(report);
    };
    report
        .warnings
        .extend(refused_by_wordpress(url, &shop.site.base));
    let hooks = all(shop, wire).await?;
    for topic in TOPICS {
        let (active, idle): (Vec<&Hook>, Vec<&Hook>) = hooks
            .iter()
            .filter(|hook| hook.topic == topic && hook.delivery_url == url)
            .partition(|hook| hook.status == "active");
        if let Some(hook) = active.first() {
            report.present.push(Subscription {
                topic: topic.to_owned(),
                url: url.to_owned(),
                id: Some(hook.id.0.to_string()),
                active: true,
            });
            if active.len() > 1 {
                report.warnings.push(format!(
                    "{topic} is delivered {} times; hint: delete all but one in WooCommerce, Settings, Advanced, Webhooks",
                    active.len()
                ));
            }
            continue;
        }
        if !repair {
            if let Some(hook) = idle.first() {
                report.warnings.push(format!(
                    "the webhook for {topic} is {}: deliveries failed or somebody stopped it",
                    hook.status
                ));
            }
            report.missing.push(topic.to_owned());
            continue;
        }
        match remake(shop, wire, topic, url, &idle).await {
            Ok(()) => report.created.push(topic.to_owned()),
            Err(Fault::Rejected(why) | Fault::Gone(why)) => {
                report.missing.push(topic.to_owned());
                report
                    .warnings
                    .push(format!("the webhook for {topic} was not made: {why}"));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(report)
}

async fn all(shop: &WooCommerce, wire: &dyn Wire) -> Result<Vec<Hook>, Fault> {
    let mut hooks = Vec::new();
    for page in 1..=PAGES_MAX {
        let query = vec![
            ("per_page", PER_PAGE.to_string()),
            ("status", "all".to_owned()),
            ("page", page.to_string()),
        ];
        let call = Call::get("/webhooks", query, "webhooks");
        let (some, reply) = shop.site.read::<Vec<Hook>>(wire, &call).await?;
        let more = answers::more(&reply.headers, page, some.len(), PER_PAGE);
        hooks.extend(some);
        if !more {
            return Ok(hooks);
        }
    }
    Err(Fault::Rejected(format!(
        "the shop has more than {PAGES_MAX} pages of webhooks"
    )))
}

/// Deletes what stands idle, then makes a new one: only a new one starts with no failures counted.
async fn remake(
    shop: &WooCommerce,
    wire: &dyn Wire,
    topic: &str,
    url: &str,
    idle: &[&Hook],
) -> Result<(), Fault> {
    let Some(secret) = shop.secrets.first() else {
        return Err(Fault::Rejected(
            "no webhook secret is configured; hint: set webhook_secrets, letters and digits only"
                .into(),
        ));
    };
    for hook in idle {
        let path = format!("/webhooks/{}", hook.id.0);
        let call = Call {
            method: Method::DELETE,
            path: &path,
            query: vec![("force", "true".to_owned())],
            body: None,
            purpose: "webhooks",
        };
        match shop.site.read::<IgnoredAny>(wire, &call).await {
            Ok(_) | Err(Fault::Gone(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    let body = json!({
        "name": format!("onhand {topic}"),
        "topic": topic,
        "delivery_url": url,
        "secret": secret.expose_secret(),
        "status": "active",
    });
    let call = Call::post("/webhooks", body, "webhooks");
    shop.site.read::<Hook>(wire, &call).await?;
    Ok(())
}

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
    use super::super::testing::{Script, page_of, recorded, reply, settings, shop};
    use super::*;

    const URL: &str = "https://stock.example/hooks/shop";

    fn list(statuses: &[(u64, &str, &str)]) -> String {
        let hooks: Vec<_> = statuses
            .iter()
            .map(|(id, topic, status)| json!({"id": id, "topic": topic, "status": status, "delivery_url": URL}))
            .collect();
        json!(hooks).to_string()
    }

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
    async fn a_disabled_webhook_is_deleted_and_made_anew_and_never_switched_on() {
        let mut standing: Vec<_> = TOPICS
            .iter()
            .zip(1..)
            .map(|(topic, id)| (id, *topic, "active"))
            .collect();
        standing[1].2 = "disabled";
        standing.push((99, "order.updated", "paused"));
        let first = list(&standing[..4]);
        let second = list(&standing[4..]);
        let wire = Script::new(vec![
            (
                "GET",
                "/webhooks?per_page=100&status=all&page=1",
                page_of("2", &first),
            ),
            (
                "GET",
                "/webhooks?per_page=100&status=all&page=2",
                page_of("2", &second),
            ),
            (
                "DELETE",
                "/webhooks/2?force=true",
                reply(200, r#"{"id":2}"#),
            ),
            (
                "DELETE",
                "/webhooks/99?force=true",
                reply(
                    404,
                    r#"{"code":"woocommerce_rest_shop_webhook_invalid_id"}"#,
                ),
            ),
            (
                "POST",
                "/webhooks",
                reply(201, r#"{"id":100,"status":"active"}"#),
            ),
        ]);
        let report = subscriptions(&shop(), &wire, true).await.unwrap();
        assert_eq!(report.created, ["order.updated"]);
        assert_eq!(report.present.len(), 6);
        assert!(
            report.missing.is_empty() && report.warnings.is_empty(),
            "{report:?}"
        );
        let sent = wire.done();
        let body: Value = serde_json::from_slice(&sent[4].body).unwrap();
        assert_eq!(
            body["secret"], "new_secret",
            "the first secret is the current one"
        );
        assert_eq!(body["delivery_url"], URL);
    }

    #[tokio::test]
    async fn a_look_changes_nothing() {
        let wire = Script::new(vec![(
            "GET",
            "/webhooks?",
            page_of(
                "1",
                &list(&[
                    (1, "order.created", "disabled"),
                    (2, "product.updated", "active"),
                    (3, "product.updated", "active"),
                ]),
            ),
        )]);
        let report = subscriptions(&shop(), &wire, false).await.unwrap();
        assert_eq!(report.missing.len(), 6);
        assert_eq!(
            report.warnings.len(),
            2,
            "one disabled, one delivered twice: {report:?}"
        );
        wire.done();
        let mut silent = settings("https://shop.example");
        silent.hook_url = None;
        let silent = WooCommerce::open(&silent).unwrap();
        let report = subscriptions(&silent, &Script::new(vec![]), true)
            .await
            .unwrap();
        assert_eq!((report.missing.len(), report.warnings.len()), (7, 1));
    }

    #[tokio::test]
    async fn a_webhook_for_another_address_is_not_ours() {
        let Some(hooks) = recorded("webhook-list") else {
            return;
        };
        let wire = Script::new(vec![("GET", "/webhooks?", Ok(hooks.clone()))]);
        let report = subscriptions(&shop(), &wire, false).await.unwrap();
        assert_eq!(report.missing.len(), 7);
        let mut here = settings("http://127.0.0.1:8081");
        here.hook_url = Some("http://127.0.0.1:8080/wc".into());
        let wire = Script::new(vec![("GET", "/webhooks?", Ok(hooks))]);
        let report = subscriptions(&WooCommerce::open(&here).unwrap(), &wire, false)
            .await
            .unwrap();
        assert_eq!(report.missing, ["order.restored"]);
        assert!(report.warnings.is_empty(), "{report:?}");
    }

    #[tokio::test]
    async fn a_refused_webhook_is_a_warning_and_the_others_go_on() {
        let (Some(topic), Some(made)) =
            (recorded("error-webhook-topic"), recorded("webhook-create"))
        else {
            return;
        };
        let mut steps = vec![
            ("GET", "/webhooks?", page_of("1", "[]")),
            ("POST", "/webhooks", Ok(topic)),
        ];
        steps.extend((0..6).map(|_| ("POST", "/webhooks", Ok(made.clone()))));
        let wire = Script::new(steps);
        let report = subscriptions(&shop(), &wire, true).await.unwrap();
        assert_eq!(
            (report.created.len(), report.missing.as_slice()),
            (6, ["order.created".to_owned()].as_slice())
        );
        assert!(report.warnings[0].contains("woocommerce_rest_shop_webhook_invalid_topic"));
        wire.done();
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
