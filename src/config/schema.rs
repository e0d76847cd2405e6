//! The keys of `config.toml`, table by table. Reading one is what makes it known.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::Loaded;
use super::channel::{Around, checked_url};
use super::check;
use super::costs::costs;
use super::env::{Environment, PREFIX};
use super::named::{authorities, buffers, categories, channels, locations, promises, tiers};
use super::problem::{Problem, Wrong, nearest};
use super::read::{Placed, Reader, Section};
use super::runs;
use super::secret::SecretRef;
use super::settings::{
    LaneSettings, ListenSettings, Mode, RetentionSettings, RetrySettings, Settings, StoreSettings,
};
use crate::channels::Platform;

/// A day, the longest of our intervals, in seconds.
const DAY_S: u64 = 86_400;

/// Tables whose keys the user names, so that no variable can set them.
const NAMED_TABLES: &[&str] = &["LOCATIONS", "CHANNELS", "CATEGORIES"];

/// Reads settings from the text of a file and the environment; the environment wins for single settings and cannot touch
/// what the user named (channels, locations, SKUs).
///
/// `file` is the name that problems show; its folder is the one that secrets and the store are relative to. Nothing is
/// opened and no secret is read.
///
/// # Errors
/// All problems, in the order of the file.
pub fn parse(
    text: &str,
    file: &Path,
    env: &Environment,
    platforms: &[Platform],
) -> Result<Loaded, Vec<Problem>> {
    // Editors on Windows put a mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut r = Reader::new(&file.display().to_string(), text, env);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = r.place(error.span().map_or(0, |span| span.start));
        // Only the message: the error's own text repeats the line, which may hold a secret.
        r.problem(place, "", Wrong::Syntax(error.message().to_owned()), None);
    }
    if !errors.is_empty() {
        return Err(sorted(r.problems));
    }
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let settings = root(&mut r, document.get_ref(), folder, platforms);
    if r.problems.is_empty() {
        check::risks(&mut r, &settings);
        return Ok(Loaded {
            settings,
            warnings: r.warnings,
        });
    }
    place_unknown_keys(&mut r);
    Err(sorted(r.problems))
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems
}

/// Every key of the schema, with `*` for names of the user, as the tables of `text` bring them up.
#[cfg(test)]
pub(super) fn known_keys(text: &str, platforms: &[Platform]) -> std::collections::BTreeSet<String> {
    let env = Environment::default();
    let mut r = Reader::new("known", text, &env);
    let (document, _) = DeTable::parse_recoverable(text);
    root(&mut r, document.get_ref(), PathBuf::new(), platforms);
    r.known
}

fn root<'t>(
    r: &mut Reader<'t>,
    document: &'t DeTable<'t>,
    folder: PathBuf,
    platforms: &[Platform],
) -> Settings {
    let mut root = Section::root(document, r.place(0));
    let mode = root
        .choice(
            r,
            "mode",
            &[("manage", Mode::Manage), ("observe", Mode::Observe)],
        )
        .unwrap_or_default();
    let store = store(r, &mut root);
    let listen = listen(r, &mut root);
    let lanes = lanes(r, &mut root);
    let retry = retry(r, &mut root);
    let retention = retention(r, &mut root);
    let reconcile = runs::reconcile(r, &mut root);
    let schedule = runs::schedule(r, &mut root);
    let declared = locations(r, &mut root);
    let around = Around {
        mode,
        locations: &declared,
        platforms,
    };
    let (channels, channel_names) = channels(r, &mut root, &around);
    let locations = authorities(r, declared, &channels, &channel_names);
    let tiers = tiers(r, &mut root);
    let categories = categories(r, &mut root);
    let buffers = buffers(r, &mut root, &channel_names);
    let promises = promises(r, &mut root);
    let costs = costs(r, &mut root);
    root.finish(r);
    unknown_variables(r);
    Settings {
        folder,
        mode,
        store,
        listen,
        lanes,
        retry,
        retention,
        reconcile,
        schedule,
        locations,
        tiers,
        categories,
        buffers,
        promises,
        costs,
        channels,
    }
}

fn store<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> StoreSettings {
    let mut table = root.section(r, "store");
    let mut store = StoreSettings::default();
    if let Some(url) = table.text(r, "url") {
        match store_path(&url.value) {
            Ok(path) => store.path = path,
            Err(says) => r.refuse(&url, says, "write it like \"sqlite:data/onhand.db\""),
        }
    }
    table.finish(r);
    store
}

/// The file of a store's address. Problems do not repeat the address, for it may hold a password.
fn store_path(url: &str) -> Result<PathBuf, &'static str> {
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Err("this build has only the sqlite store yet");
    }
    let path = url
        .strip_prefix("sqlite:")
        .ok_or("a store begins with sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains('\0') {
        return Err("the store names no file");
    }
    if path.starts_with(":memory:") {
        return Err("a store in memory forgets every sale when it ends");
    }
    if path.contains('?') {
        return Err("a store takes no options after ?");
    }
    Ok(PathBuf::from(path))
}

fn listen<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> ListenSettings {
    let mut table = root.section(r, "listen");
    let default = ListenSettings::default();
    let address = address(r, &mut table, "address");
    let admin_address = self::address(r, &mut table, "admin_address");
    let admin_token = table
        .text(r, "admin_token")
        .and_then(|text| SecretRef::from_text(r, text));
    let behind_proxy = table.flag(r, "behind_proxy", default.behind_proxy);
    if let Some(address) = &address
        && let Err(says) = listen_refusal(address.value, behind_proxy)
    {
        r.refuse(
            address,
            says,
            "set listen.behind_proxy = true if a proxy with TLS stands in front",
        );
    }
    if let Some(admin) = &admin_address
        && !admin.value.ip().is_loopback()
        && admin_token.is_none()
    {
        let says = "an admin address that is not loopback needs admin_token";
        r.refuse(admin, says, "set admin_token = \"env:NAME\"");
    }
    let public_url = table.text(r, "public_url").and_then(|text| {
        let url = checked_url(&text.value).map(|(url, _)| url);
        url.map_err(|says| r.refuse(&text, says, "write it like \"https://stock.example\""))
            .ok()
    });
    let listen = ListenSettings {
        address: address.map_or(default.address, |placed| placed.value),
        admin_address: admin_address
            .as_ref()
            .map_or(default.admin_address, |placed| placed.value),
        admin_token,
        behind_proxy,
        public_url,
        body_max_bytes: table.number(
            r,
            "body_max_bytes",
            default.body_max_bytes,
            1_024..=67_108_864,
        ),
        head_timeout_s: table.number(r, "head_timeout_s", default.head_timeout_s, 1..=120),
        body_timeout_s: table.number(r, "body_timeout_s", default.body_timeout_s, 1..=300),
        connections_max: table.number(r, "connections_max", default.connections_max, 1..=100_000),
    };
    if listen.address == listen.admin_address && listen.address.port() != 0 {
        let says = Wrong::Value("webhooks and administration cannot share an address".to_owned());
        let place = table.place_of(r, "admin_address");
        r.problem(
            place,
            "listen.admin_address",
            says,
            Some("choose another port".to_owned()),
        );
    }
    table.finish(r);
    listen
}

/// Whether webhooks may be taken at an address; flags of commands are checked with it, too.
///
/// # Errors
/// Why not: reachable from elsewhere, and nothing says that a proxy with TLS stands in front.
pub fn listen_refusal(address: SocketAddr, behind_proxy: bool) -> Result<(), String> {
    if address.ip().is_loopback() || behind_proxy {
        return Ok(());
    }
    Err(format!(
        "{address} can be reached from elsewhere, and this program speaks no TLS"
    ))
}

fn address<'t>(
    r: &mut Reader<'t>,
    table: &mut Section<'t>,
    key: &str,
) -> Option<Placed<SocketAddr>> {
    let text = table.text(r, key)?;
    let numeric = match text.value.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.value.clone(),
    };
    let Ok(value) = numeric.parse() else {
        let says = format!("{:?} is not an address with a port", text.value);
        r.refuse(
            &text,
            says,
            "write it like \"127.0.0.1:8080\" or \"[::1]:8080\"",
        );
        return None;
    };
    Some(Placed {
        value,
        place: text.place,
        key: text.key,
    })
}

fn lanes<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> LaneSettings {
    let mut table = root.section(r, "lanes");
    let default = LaneSettings::default();
    let lanes = LaneSettings {
        sweep_s: table.number(r, "sweep_s", default.sweep_s, 1..=DAY_S),
        orders_s: table.number(r, "orders_s", default.orders_s, 1..=DAY_S),
        orders_overlap_s: table.number(
            r,
            "orders_overlap_s",
            default.orders_overlap_s,
            0..=7 * DAY_S,
        ),
        batch_b_s: table.number(r, "batch_b_s", default.batch_b_s, 1..=DAY_S),
        batch_c_s: table.number(r, "batch_c_s", default.batch_c_s, 1..=DAY_S),
        age_max_s: table.number(r, "age_max_s", default.age_max_s, 1..=DAY_S),
        near_empty_units: table.number(
            r,
            "near_empty_units",
            default.near_empty_units,
            0..=1_000_000,
        ),
    };
    table.finish(r);
    lanes
}

fn retry<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> RetrySettings {
    let mut table = root.section(r, "retry");
    let mut retry = RetrySettings::default();
    if let Some(delays) = table.numbers(r, "delays_s", 1..=DAY_S) {
        if delays.value.len() > 20 {
            r.refuse(
                &delays,
                "more than 20 attempts",
                "after that a person has to look",
            );
        }
        retry.delays_s = delays.value;
    }
    retry.jitter_pct = table.number(r, "jitter_pct", retry.jitter_pct, 0..=100);
    table.finish(r);
    retry
}

fn retention<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> RetentionSettings {
    let mut table = root.section(r, "retention");
    let default = RetentionSettings::default();
    let days = 1..=36_500;
    let retention = RetentionSettings {
        parked_days: table.number(r, "parked_days", default.parked_days, days.clone()),
        events_days: table.number(r, "events_days", default.events_days, days.clone()),
        audit_days: table.number(r, "audit_days", default.audit_days, days),
    };
    table.finish(r);
    retention
}

/// Variables that look like settings and are none. Those that hold secrets are not looked at.
fn unknown_variables(r: &mut Reader<'_>) {
    let names: Vec<String> = r.env.ours().map(ToOwned::to_owned).collect();
    for name in names {
        if r.variables.contains(&name) || r.secret_variables.contains(&name) {
            continue;
        }
        let rest = name.strip_prefix(PREFIX).unwrap_or_default();
        let ends = r
            .variables
            .iter()
            .filter_map(|name| name.strip_prefix(PREFIX));
        let near = nearest(rest, ends).map(|end| format!("{PREFIX}{end}"));
        let Some((table, _)) = rest.split_once("__") else {
            // Other programs may use our prefix; only what is clearly a slip is worth a word.
            if let Some(near) = near {
                r.warn(None, &name, format!("not a setting; did you mean {near}?"));
            }
            continue;
        };
        let named = NAMED_TABLES.contains(&table)
            || [
                "BUFFERS__CHANNEL__",
                "BUFFERS__TIER__",
                "BUFFERS__CATEGORY__",
                "BUFFERS__SKU__",
                "TIERS__PIN__",
                "PROMISES__BACKORDER__",
                "PROMISES__DAILY__",
            ]
            .iter()
            .any(|prefix| rest.starts_with(prefix));
        let place = super::Place::Environment(name.clone());
        if named {
            let says = "the environment cannot set what the user names (channels, locations, SKUs)";
            let hint = Some("write it into config.toml".to_owned());
            r.problem(place, "", Wrong::Value(says.to_owned()), hint);
        } else {
            let hint = near.map(|near| format!("did you mean {near}?"));
            r.problem(
                place,
                "",
                Wrong::Value("no setting has this name".to_owned()),
                hint,
            );
        }
    }
}

/// Says of an unknown key that exists elsewhere where it belongs.
fn place_unknown_keys(r: &mut Reader<'_>) {
    for problem in &mut r.problems {
        if problem.wrong != Wrong::UnknownKey || problem.hint.is_some() {
            continue;
        }
        let word = problem.key.rsplit('.').next().unwrap_or_default();
        let home = r.known.iter().find_map(|path| match path.rsplit_once('.') {
            Some((table, key)) if key == word => Some(format!("it belongs under [{table}]")),
            None if path == word => {
                Some("it belongs at the top, before the first [table]".to_owned())
            }
            _ => None,
        });
        problem.hint = home;
    }
}
