//! What `config.toml` says about a Shopify channel, checked as far as that goes without a call.

use secrecy::SecretString;

use crate::channels::{Channel, ChannelSettings, Profile, SetupError};
use crate::domain::ids::LocationId;

use super::{API_VERSION, API_VERSION_OLDEST, BATCH_MAX, Login, Places, Shopify, ids};

/// Points that a write of one item costs (recorded in 2026: 10 for the mutation, 3 for what it selects).
pub(super) const CALL_COST: f64 = 13.0;

/// Makes the channel.
///
/// # Errors
/// [`SetupError`] with the key, the problem and what to do.
pub(super) fn open(settings: &ChannelSettings) -> Result<Box<dyn Channel>, SetupError> {
    Ok(Box::new(read(settings)?))
}

/// Where the ids of locations are found.
const LOCATION_HINT: &str =
    "run `onhand channels check`: it lists the shop's locations with their ids";

/// The same, as its own type.
pub(super) fn read(settings: &ChannelSettings) -> Result<Shopify, SetupError> {
    let refuse = |key: &str, problem: String, hint: &str| SetupError {
        channel: settings.id.clone(),
        key: key.to_owned(),
        problem,
        hint: hint.to_owned(),
    };
    base_url(&settings.base_url).map_err(|problem| {
        refuse(
            "base_url",
            problem,
            "write the shop's own address, such as \"https://my-shop.myshopify.com\"",
        )
    })?;
    let (login, app_secret) = login(settings)
        .map_err(|(problem, hint)| refuse("credentials", problem.to_owned(), hint))?;
    let option = |name: &str| settings.options.get(name).map(String::as_str);
    let api_version = option("api_version").unwrap_or(API_VERSION);
    version(api_version).map_err(|problem| {
        refuse(
            "api_version",
            problem,
            "leave it out, or write a quarter such as \"2026-07\"; older ones than 2026-04 write quantities differently",
        )
    })?;
    let not_an_id = |text: &str| format!("{text:?} is not the id of a Shopify location");
    let location = option("location")
        .map(|text| ids::location(text).ok_or_else(|| not_an_id(text)))
        .transpose()
        .map_err(|problem| refuse("location", problem, LOCATION_HINT))?;
    let pairs = places(option("places"), &settings.locations)
        .map_err(|problem| refuse("places", problem, PLACES_HINT))?;
    let location = location.or(pairs.first().map(|pair| pair.0));
    if !pairs.is_empty() && !pairs.iter().any(|pair| Some(pair.0) == location) {
        let own = location.map(|own| own.to_string()).unwrap_or_default();
        let problem = format!("it does not say which of ours the channel's own location {own} is");
        return Err(refuse("places", problem, PLACES_HINT));
    }
    let force = match option("force") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(refuse(
                "force",
                format!("{other:?} is neither true nor false"),
                "leave it out: comparing before writing is what keeps sales from being undone",
            ));
        }
    };
    // Shopify signs with the secret of the app, so who logs in with it need not write it twice.
    let secrets = settings
        .webhook_secrets
        .iter()
        .cloned()
        .chain(app_secret)
        .collect();
    Ok(Shopify {
        profile: profile(),
        channel: settings.id.clone(),
        base_url: settings.base_url.clone(),
        api_version: api_version.to_owned(),
        location,
        places: Places::new(pairs, location),
        force,
        secrets,
        login,
        hook_url: settings.hook_url.clone(),
    })
}

/// How it logs in, and the app's secret if that is known; else the problem and what to do.
fn login(
    settings: &ChannelSettings,
) -> Result<(Login, Option<SecretString>), (&'static str, &'static str)> {
    let credential = |name: &str| settings.credentials.get(name).cloned();
    match (
        credential("token"),
        credential("client_id"),
        credential("client_secret"),
    ) {
        (Some(token), None, app_secret) => Ok((Login::Static(token), app_secret)),
        (None, Some(id), Some(secret)) => {
            let app_secret = Some(secret.clone());
            Ok((Login::Client { id, secret }, app_secret))
        }
        (Some(_), Some(_), _) => Err((
            "both a token and a client_id are given",
            "keep one: `token`, or `client_id` and `client_secret`",
        )),
        (None, _, _) => Err((
            "neither a token nor a client id with its secret is given",
            "give `token` of a custom app, or `client_id` and `client_secret` of an app of the Dev Dashboard",
        )),
    }
}

/// Rates are those of the smallest plan (100 points a second, a bucket of 2000); development stores have been seen with
/// less, so the platform's answers decide.
fn profile() -> Profile {
    Profile {
        platform: "shopify",
        compare_and_set: true,
        batch_max: BATCH_MAX,
        calls_at_once: 2,
        calls_per_second: 7.0,
        burst: 40,
        settling_ms: 1_000,
        // Orders are found through a search index that runs behind by seconds.
        orders_visible_after_ms: 10_000,
        delivery_id_unique: true,
        forged_status: 401,
        // Whole seconds, and a clock that may be one second off.
        clock_skew_ms: 2_000,
        call_timeout_ms: 15_000,
    }
}

/// What to do about `places`.
const PLACES_HINT: &str = "write it like [\"108=main\"]: the id of a Shopify location, and a location that this channel sells from";

/// Reads `108=main,109=store`; nothing if there is nothing.
fn places(text: Option<&str>, ours: &[LocationId]) -> Result<Vec<(u64, LocationId)>, String> {
    let mut found: Vec<(u64, LocationId)> = Vec::new();
    let pairs = text.into_iter().flat_map(|text| text.split(','));
    for pair in pairs.map(str::trim) {
        let (theirs, place) = pair
            .split_once('=')
            .ok_or_else(|| format!("{pair:?} is no pair"))?;
        let theirs = ids::location(theirs.trim())
            .ok_or_else(|| format!("{theirs:?} is not the id of a Shopify location"))?;
        let place = ours
            .iter()
            .find(|ours| ours.as_str() == place.trim())
            .ok_or_else(|| format!("{place:?} is no location of this channel"))?;
        if found.iter().any(|(known, _)| *known == theirs) {
            return Err(format!("{theirs} is named twice"));
        }
        found.push((theirs, place.clone()));
    }
    Ok(found)
}

fn base_url(url: &str) -> Result<(), String> {
    let (scheme, host) = url
        .split_once("://")
        .ok_or_else(|| format!("{url:?} has no scheme"))?;
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return Err(format!("{url:?} is not only scheme and host"));
    }
    match scheme {
        "https" => Ok(()),
        "http" if loopback(host) => Ok(()),
        "http" => Err("http would send the token readable over the network".to_owned()),
        other => Err(format!("{other:?} is not https")),
    }
}

/// Whether a host, with or without a port, is this machine.
pub(super) fn loopback(host: &str) -> bool {
    let name = if host.starts_with('[') {
        host.split_inclusive(']').next().unwrap_or(host)
    } else {
        host.split(':').next().unwrap_or(host)
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

fn version(text: &str) -> Result<(), String> {
    let quarter = text.split_once('-').is_some_and(|(year, month)| {
        year.len() == 4
            && year.bytes().all(|b| b.is_ascii_digit())
            && matches!(month, "01" | "04" | "07" | "10")
    });
    if !quarter {
        return Err(format!("{text:?} is not a version of Shopify's API"));
    }
    // Of one length and zero-padded, so the order of the texts is the order of the dates.
    if text < API_VERSION_OLDEST {
        return Err(format!("{text} is older than {API_VERSION_OLDEST}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::script::settings;
    use super::*;

    #[track_caller]
    fn refused(change: impl FnOnce(&mut ChannelSettings), key: &str) {
        let mut settings = settings();
        change(&mut settings);
        let error = read(&settings).expect_err("must be refused");
        assert_eq!(error.key, key);
        assert!(!error.hint.is_empty());
        assert!(!error.to_string().contains("shpat_"), "{error}");
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for url in [
            "http://shop.myshopify.com",
            "shop.myshopify.com",
            "ftp://shop.myshopify.com",
            "https://",
            "https://shop.myshopify.com/",
            "https://shop.myshopify.com/admin",
            "https://user@shop.myshopify.com",
            "http://127.0.0.1.evil.example",
        ] {
            refused(|s| s.base_url = url.to_owned(), "base_url");
        }
        for text in [
            "2026-01", "2025-10", "unstable", "2026-05", "26-07", "2026-7",
        ] {
            refused(
                |s| drop(s.options.insert("api_version".into(), text.into())),
                "api_version",
            );
        }
        for text in ["main", "gid://shopify/Shop/1", "1.5", ""] {
            refused(
                |s| drop(s.options.insert("location".into(), text.into())),
                "location",
            );
        }
        refused(
            |s| drop(s.options.insert("force".into(), "yes".into())),
            "force",
        );
        refused(|s| s.credentials.clear(), "credentials");
        refused(
            |s| {
                s.credentials.clear();
                s.credentials.insert("client_id".into(), "x".into());
            },
            "credentials",
        );
        refused(
            |s| drop(s.credentials.insert("client_id".into(), "x".into())),
            "credentials",
        );
    }

    #[test]
    fn places_are_pairs_of_locations_that_exist() {
        let ours = [
            LocationId::new("main").unwrap(),
            LocationId::new("store").unwrap(),
        ];
        let found = places(Some("108=main, gid://shopify/Location/109=store"), &ours).unwrap();
        assert_eq!(found.len(), 2);
        for text in ["", "108", "x=main", "108=moon", "108=main,108=store"] {
            assert!(places(Some(text), &ours).is_err(), "{text}");
        }
        let with = |places: &str, own: &str| {
            let mut settings = settings();
            settings.locations = ours.to_vec();
            settings.options.insert("places".into(), places.into());
            settings.options.insert("location".into(), own.into());
            settings.options.retain(|_, text| !text.is_empty());
            read(&settings).map(|shop| shop.location)
        };
        assert_eq!(with("108=main,109=store", "").unwrap(), Some(108));
        assert_eq!(with("108=main,109=store", "109").unwrap(), Some(109));
        let error = with("108=main,109=store", "110").unwrap_err();
        assert!(error.problem.contains("own location 110"), "{error}");
    }

    #[test]
    fn what_works_is_taken() {
        for url in [
            "https://shop.myshopify.com",
            "http://127.0.0.1:8080",
            "http://localhost:1",
            "http://[::1]:9",
        ] {
            let mut settings = settings();
            settings.base_url = url.to_owned();
            assert!(read(&settings).is_ok(), "{url}");
        }
        for text in ["2026-04", "2026-07", "2026-10", "2027-01"] {
            let mut settings = settings();
            settings.options.insert("api_version".into(), text.into());
            assert_eq!(read(&settings).unwrap().api_version, text);
        }
        let mut without = settings();
        without.options.clear();
        let shop = read(&without).unwrap();
        assert_eq!(
            (shop.location, shop.api_version.as_str()),
            (None, "2026-07")
        );
    }

    #[test]
    fn the_secret_of_the_app_verifies_its_webhooks_too() {
        let mut settings = settings();
        settings.credentials.clear();
        settings.credentials.insert("client_id".into(), "id".into());
        settings
            .credentials
            .insert("client_secret".into(), "s3cret".into());
        let shop = read(&settings).unwrap();
        assert_eq!(shop.secrets.len(), settings.webhook_secrets.len() + 1);
        assert!(!format!("{shop:?}").contains("s3cret"));
    }
}
