//! One `[channels.…]` table: which platform, where it is, how we prove who we are, what it sells from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use super::env::Environment;
use super::problem::{Problem, Wrong, did_you_mean};
use super::read::{Placed, Reader, Section};
use super::secret::SecretRef;
use super::settings::{Authority, Mode, Settings};
use crate::channels::{ChannelSettings, Platform};
use crate::domain::drift::Edits;
use crate::domain::ids::{ChannelId, LocationId};

/// Hosts of platforms that answer for trying things out: the addresses that their documentation names.
const SANDBOX_HOSTS: &[&str] = &[
    "sandbox.sellingpartnerapi-na.amazon.com",
    "sandbox.sellingpartnerapi-eu.amazon.com",
    "sandbox.sellingpartnerapi-fe.amazon.com",
    "sandbox.walmartapis.com",
    "api.sandbox.ebay.com",
    "sandbox-api.shipbob.com",
];

/// What a channel is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Role {
    /// It sells.
    #[default]
    Shop,
    /// It holds goods and says how many; it may be the authority of a location.
    Warehouse,
}

/// A `[channels.…]` table, checked; its secrets are not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelConfig {
    /// The key of its table.
    pub id: ChannelId,
    /// Name of the platform.
    pub platform: String,
    /// Scheme, host, port and path, without a slash at the end.
    pub base_url: String,
    /// Secrets that may sign a webhook now.
    pub webhook_secrets: Vec<SecretRef>,
    /// By name, as the platform asks for them.
    pub credentials: BTreeMap<String, SecretRef>,
    /// Where it sells from, best first; at least one.
    pub locations: Vec<LocationId>,
    /// Its own mode, or that of the whole file.
    pub mode: Mode,
    /// What it is to us.
    pub role: Role,
    /// Nothing is sent until it is released.
    pub hold: bool,
    /// What is done about numbers that somebody changed there.
    pub edits: Edits,
    /// It is one for trying things out (rule R101).
    pub sandbox: bool,
    /// Case does not count when its SKU texts are matched with ours (rule R35).
    pub fold_case: bool,
    /// The platform's own keys, as text.
    pub options: BTreeMap<String, String>,
}

impl ChannelConfig {
    /// Reads the secrets, all of them, and returns what the platform's `open` takes.
    ///
    /// # Errors
    /// Every secret that is missing, empty or readable by others, each at the place that names it.
    pub fn open(
        &self,
        settings: &Settings,
        env: &Environment,
    ) -> Result<ChannelSettings, Vec<Problem>> {
        let folder: &Path = &settings.folder;
        let mut problems = Vec::new();
        let mut read = |secret: &SecretRef| match secret.read(folder, env) {
            Ok(secret) => Some(secret),
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let webhook_secrets = self.webhook_secrets.iter().filter_map(&mut read).collect();
        let credentials = self
            .credentials
            .iter()
            .filter_map(|(name, secret)| Some((name.clone(), read(secret)?)))
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(ChannelSettings {
            id: self.id.clone(),
            base_url: self.base_url.clone(),
            webhook_secrets,
            credentials,
            locations: self.locations.clone(),
            options: self.options.clone(),
            hook_url: settings.hook_url(&self.id),
        })
    }
}

/// What a channel's table is read against.
pub(super) struct Around<'a> {
    pub(super) mode: Mode,
    pub(super) locations: &'a BTreeMap<LocationId, Placed<Authority>>,
    pub(super) platforms: &'a [Platform],
}

/// Reads one table; `None` if it lacks what a channel cannot be without.
pub(super) fn read<'t>(
    r: &mut Reader<'t>,
    mut table: Section<'t>,
    id: ChannelId,
    around: &Around<'_>,
) -> Option<ChannelConfig> {
    let platform = platform(r, &mut table, around.platforms);
    let sandbox = table.flag(r, "sandbox", false);
    let base_url = table
        .text(r, "base_url")
        .and_then(|text| base_url(r, &text, sandbox));
    if !table.has("base_url") {
        let hint = "write the platform's address, such as \"https://shop.example\"";
        missing(r, &table, "base_url", hint);
    }
    let webhook_secrets = table
        .texts(r, "webhook_secrets")
        .unwrap_or_default()
        .into_iter()
        .filter_map(|text| SecretRef::from_text(r, text))
        .collect();
    let credentials = credentials(r, &mut table, platform);
    let locations = locations(r, &mut table, around.locations);
    let mode = table
        .choice(
            r,
            "mode",
            &[("manage", Mode::Manage), ("observe", Mode::Observe)],
        )
        .unwrap_or(around.mode);
    let role = table
        .choice(
            r,
            "role",
            &[("shop", Role::Shop), ("warehouse", Role::Warehouse)],
        )
        .unwrap_or_default();
    let hold = table.flag(r, "hold", false);
    let edits = table.choice(r, "edits", &Edits::WORDS).unwrap_or_default();
    let fold_case = table.flag(r, "fold_case", false);
    let mut options = BTreeMap::new();
    if let Some(platform) = platform {
        for (key, _) in platform.options {
            if let Some(text) = table.option(r, key) {
                options.insert((*key).to_owned(), text.value);
            }
        }
        table.finish(r);
    }
    Some(ChannelConfig {
        id,
        platform: platform?.name.to_owned(),
        base_url: base_url?,
        webhook_secrets,
        credentials,
        locations,
        mode,
        role,
        hold,
        edits,
        sandbox,
        fold_case,
        options,
    })
}

fn missing(r: &mut Reader<'_>, table: &Section<'_>, key: &str, hint: &str) {
    let path = table.path_of(key);
    r.problem(
        table.place.clone(),
        &path,
        Wrong::Missing,
        Some(hint.to_owned()),
    );
}

fn platform<'t, 'p>(
    r: &mut Reader<'t>,
    table: &mut Section<'t>,
    platforms: &'p [Platform],
) -> Option<&'p Platform> {
    let names = || platforms.iter().map(|platform| platform.name);
    let Some(text) = table.text(r, "platform") else {
        if !table.has("platform") {
            let hint = did_you_mean("", names()).unwrap_or_default();
            missing(r, table, "platform", &hint);
        }
        return None;
    };
    let found = platforms
        .iter()
        .find(|platform| platform.name == text.value);
    if found.is_none() {
        let hint = did_you_mean(&text.value, names()).unwrap_or_default();
        r.refuse(
            &text,
            format!("no platform is called {:?}", text.value),
            &hint,
        );
    }
    found
}

/// Checks an address that we will send credentials to. Problems do not repeat it, for it may hold a password.
fn base_url(r: &mut Reader<'_>, text: &Placed<String>, sandbox: bool) -> Option<String> {
    let (url, host) = match checked_url(&text.value) {
        Ok(parts) => parts,
        Err(says) => {
            r.refuse(text, says, "write it like \"https://shop.example\"");
            return None;
        }
    };
    let loopback = is_loopback(&host);
    let known = SANDBOX_HOSTS.contains(&host.as_str());
    if !url.starts_with("https:") && !loopback {
        let says = "http would send credentials in the clear";
        r.refuse(text, says, "write https; http is for loopback only");
        return None;
    }
    if sandbox && !loopback && !known {
        let says = format!("sandbox = true, and {host} is no sandbox");
        r.refuse(
            text,
            says,
            "name the platform's sandbox host, or set sandbox = false",
        );
        return None;
    }
    if known && !sandbox {
        let says = format!("{host} is a sandbox, and sandbox is not true");
        r.refuse(
            text,
            says,
            "set sandbox = true, or name the platform's real host",
        );
        return None;
    }
    Some(url)
}

/// The address without a slash at its end, and its host in lower case.
pub(super) fn checked_url(text: &str) -> Result<(String, String), &'static str> {
    let uri: http::Uri = text.parse().map_err(|_| "this is not an address")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("an address begins with https://");
    }
    let authority = uri.authority().ok_or("an address names a host")?;
    if authority.as_str().contains('@') {
        return Err("an address holds no user and no password");
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("an address here has no ? and no #");
    }
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    if host.is_empty() {
        return Err("an address names a host");
    }
    Ok((text.trim_end_matches('/').to_owned(), host))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn credentials<'t>(
    r: &mut Reader<'t>,
    table: &mut Section<'t>,
    platform: Option<&Platform>,
) -> BTreeMap<String, SecretRef> {
    let mut section = table.section(r, "credentials").of_names();
    let mut found = BTreeMap::new();
    for name in section.names() {
        let text = section.text(r, &name);
        if let Some(secret) = text.and_then(|text| SecretRef::from_text(r, text)) {
            found.insert(name, secret);
        }
    }
    let Some(platform) = platform else {
        return found;
    };
    let wanted: Vec<&str> = platform
        .credentials
        .iter()
        .copied()
        .flatten()
        .copied()
        .collect();
    for name in section.names() {
        if !wanted.is_empty() && !wanted.contains(&name.as_str()) {
            let hint = did_you_mean(&name, wanted.iter().copied());
            let place = section.place_of(r, &name);
            r.problem(place, &section.path_of(&name), Wrong::UnknownKey, hint);
        }
    }
    let given = section.names();
    let complete = |names: &&[&str]| names.iter().all(|name| given.iter().any(|has| has == name));
    if !platform.credentials.is_empty() && !platform.credentials.iter().any(complete) {
        let sets: Vec<String> = platform
            .credentials
            .iter()
            .map(|set| set.join(" and "))
            .collect();
        let says = format!("{} needs {}", platform.name, sets.join(", or "));
        let hint = "write credentials = { name = \"env:NAME\" }".to_owned();
        let key = table.path_of("credentials");
        r.problem(
            table.place_of(r, "credentials"),
            &key,
            Wrong::Value(says),
            Some(hint),
        );
    }
    found
}

/// The channel's locations; all of them if it names none.
fn locations<'t>(
    r: &mut Reader<'t>,
    table: &mut Section<'t>,
    declared: &BTreeMap<LocationId, Placed<Authority>>,
) -> Vec<LocationId> {
    let all = || declared.keys().cloned().collect();
    let Some(texts) = table.texts(r, "locations") else {
        return all();
    };
    if texts.is_empty() {
        let path = table.path_of("locations");
        let says = Wrong::Value("a channel without a location has nothing to show".to_owned());
        let hint = "leave the key out for all locations".to_owned();
        r.problem(table.place_of(r, "locations"), &path, says, Some(hint));
    }
    let mut found: Vec<LocationId> = Vec::with_capacity(texts.len());
    for text in texts {
        match declared.get_key_value(text.value.as_str()) {
            None => {
                let names = declared.keys().map(LocationId::as_str);
                let hint = did_you_mean(&text.value, names).unwrap_or_default();
                r.refuse(
                    &text,
                    format!("no location is called {:?}", text.value),
                    &hint,
                );
            }
            Some((id, _)) if found.contains(id) => {
                r.refuse(&text, format!("{:?} is named twice", text.value), "");
            }
            Some((id, _)) => found.push(id.clone()),
        }
    }
    found
}
