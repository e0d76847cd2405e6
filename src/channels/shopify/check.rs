//! `channels check`: credentials, scopes, version, location.

use serde::Deserialize;
use serde_json::json;

use crate::channels::{Fault, Finding, Wire};

use super::fetch::gid_number;
use super::graphql::Nodes;
use super::{Shopify, documents};

/// What must be granted, each with what grants it, too.
const NEEDED: &[(&str, &[&str])] = &[
    ("read_inventory", &["write_inventory"]),
    ("write_inventory", &[]),
    ("read_products", &["write_products"]),
    ("read_orders", &["write_orders"]),
    ("read_locations", &["write_locations"]),
];

/// What must be granted where goods are at several places: it says where orders are sent from.
const NEEDED_OF_PLACES: (&str, &[&str]) = (
    "read_merchant_managed_fulfillment_orders",
    &["write_merchant_managed_fulfillment_orders"],
);

/// Useful and not more than stock needs: orders that are older than 60 days, and where orders are sent from.
const USEFUL: &[&str] = &["read_all_orders", NEEDED_OF_PLACES.0];

/// Most pages of locations.
const PAGES_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Doctor {
    shop: Shop,
    public_api_versions: Vec<ApiVersion>,
    current_app_installation: Option<Installation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shop {
    name: String,
    myshopify_domain: String,
}

#[derive(Deserialize)]
struct ApiVersion {
    handle: String,
    supported: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Installation {
    access_scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Scope {
    handle: String,
}

#[derive(Deserialize)]
struct LocationsData {
    locations: Nodes<LocationNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationNode {
    id: String,
    name: String,
    is_active: bool,
    #[serde(default)]
    fulfills_online_orders: bool,
}

impl Shopify {
    /// Looks at everything that would hurt later.
    pub(super) async fn examine(&self, wire: &dyn Wire) -> Result<Vec<Finding>, Fault> {
        let doctor: Doctor = self
            .ask(wire, "check", documents::DOCTOR, json!({}))
            .await?;
        let mut findings = vec![
            self.shop(&doctor.shop),
            self.version(&doctor.public_api_versions),
        ];
        let scopes: Vec<String> = doctor
            .current_app_installation
            .map(|app| app.access_scopes)
            .unwrap_or_default()
            .into_iter()
            .map(|scope| scope.handle)
            .collect();
        findings.extend(scope_findings(&scopes, self.has_places()));
        findings.push(self.secret());
        match self.locations(wire).await {
            Ok(locations) => {
                findings.push(self.location_finding(&locations)?);
                findings.extend(self.places_finding(&locations)?);
            }
            Err(Fault::Unauthorized(why)) => findings.push(finding("location", false, why)),
            Err(fault) => return Err(fault),
        }
        Ok(findings)
    }

    fn shop(&self, shop: &Shop) -> Finding {
        let ours = self.base_url.split_once("://").map_or("", |(_, host)| host);
        if ours.eq_ignore_ascii_case(&shop.myshopify_domain) || self.base_url.starts_with("http:") {
            let says = format!("{} ({})", shop.name, shop.myshopify_domain);
            return finding("shop", true, says);
        }
        finding(
            "shop",
            false,
            format!(
                "the token belongs to {}; hint: set base_url to https://{}",
                shop.myshopify_domain, shop.myshopify_domain
            ),
        )
    }

    fn version(&self, versions: &[ApiVersion]) -> Finding {
        let ours = &self.api_version;
        let good = versions.iter().any(|v| v.handle == *ours && v.supported);
        if good {
            return finding("api_version", true, format!("{ours} is supported"));
        }
        let mut supported: Vec<&str> = versions
            .iter()
            .filter(|v| v.supported)
            .map(|v| v.handle.as_str())
            .collect();
        supported.sort_unstable();
        let says = format!(
            "{ours} is not supported; hint: set api_version to one of {}",
            supported.join(", ")
        );
        finding("api_version", false, says)
    }

    fn secret(&self) -> Finding {
        if self.secrets.is_empty() {
            let says = "no secret verifies webhooks, so all are refused; hint: set webhook_secrets to the app's client secret";
            return finding("webhook_secrets", false, says.to_owned());
        }
        let says = format!("{} configured", self.secrets.len());
        finding("webhook_secrets", true, says)
    }

    fn location_finding(&self, locations: &[LocationNode]) -> Result<Finding, Fault> {
        let mut list = Vec::with_capacity(locations.len());
        for one in locations {
            let id = gid_number("Location", &one.id)?;
            let online = if one.fulfills_online_orders {
                ""
            } else {
                ", not for online orders"
            };
            list.push((id, one, format!("{id} ({}{online})", one.name)));
        }
        let names: Vec<&str> = list.iter().map(|(_, _, text)| text.as_str()).collect();
        let names = names.join(", ");
        let Some(ours) = self.location else {
            let says = format!(
                "no location is chosen, so nothing can be published; hint: set location to one of {names}"
            );
            return Ok(finding("location", false, says));
        };
        Ok(match list.iter().find(|(id, _, _)| *id == ours) {
            Some((_, one, text)) if one.is_active => finding("location", true, text.clone()),
            Some((_, _, text)) => finding(
                "location",
                false,
                format!(
                    "{text} is not active; hint: activate it, or set location to one of {names}"
                ),
            ),
            None => finding(
                "location",
                false,
                format!(
                    "the shop has no active location {ours}; hint: set location to one of {names}"
                ),
            ),
        })
    }

    /// Whether the locations that the settings name beside the own one are there; nothing if they name none.
    fn places_finding(&self, locations: &[LocationNode]) -> Result<Option<Finding>, Fault> {
        let mut active = Vec::with_capacity(locations.len());
        for one in locations.iter().filter(|one| one.is_active) {
            active.push(gid_number("Location", &one.id)?);
        }
        let others = || self.places.theirs().filter(|id| Some(*id) != self.location);
        let missing: Vec<_> = others()
            .filter(|id| !active.contains(id))
            .map(|id| id.to_string())
            .collect();
        Ok(match (others().count(), missing.is_empty()) {
            (0, _) => None,
            (n, true) => Some(finding("places", true, format!("{n} more are there"))),
            (_, false) => Some(finding(
                "places",
                false,
                format!(
                    "the shop has no active location {}, so nothing is published to it; hint: activate it, or take it out of places",
                    missing.join(", ")
                ),
            )),
        })
    }

    async fn locations(&self, wire: &dyn Wire) -> Result<Vec<LocationNode>, Fault> {
        let mut all = Vec::new();
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let data: LocationsData = self
                .ask(
                    wire,
                    "check",
                    documents::LOCATIONS,
                    json!({ "after": after }),
                )
                .await?;
            after = data.locations.next();
            all.extend(data.locations.nodes);
            if after.is_none() {
                break;
            }
        }
        Ok(all)
    }
}

fn scope_findings(scopes: &[String], places: bool) -> Vec<Finding> {
    let granted = |scope: &str| scopes.iter().any(|one| one == scope);
    let lacking: Vec<&str> = NEEDED
        .iter()
        .chain(places.then_some(&NEEDED_OF_PLACES))
        .filter(|(scope, also)| !granted(scope) && !also.iter().any(|scope| granted(scope)))
        .map(|(scope, _)| *scope)
        .collect();
    let mut findings = vec![if lacking.is_empty() {
        finding("scopes", true, "all that are needed are granted".to_owned())
    } else {
        let says = format!(
            "not granted: {}; hint: add them to the app and install it again",
            lacking.join(", ")
        );
        finding("scopes", false, says)
    }];
    let wider: Vec<&str> = scopes
        .iter()
        .map(String::as_str)
        .filter(|scope| {
            !USEFUL.contains(scope) && !NEEDED.iter().any(|(needed, _)| needed == scope)
        })
        .collect();
    if !wider.is_empty() {
        let says = format!(
            "more is granted than stock needs: {}; a narrower app is safer",
            wider.join(", ")
        );
        findings.push(finding("scopes_wider", true, says));
    }
    findings
}

fn finding(what: &str, good: bool, says: String) -> Finding {
    Finding {
        what: what.to_owned(),
        good,
        says,
    }
}
