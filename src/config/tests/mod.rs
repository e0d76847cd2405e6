//! What a file may say, what it may not, and how it is told.

mod refused;
mod secrets;

use std::path::Path;

use super::*;
use crate::channels::{Channel, ChannelSettings, SetupError};
use crate::domain::ids::{ChannelId, LocationId, Sku};

const CANARY: &str = "canary-9f31c7";

fn never(settings: &ChannelSettings) -> Result<Box<dyn Channel>, SetupError> {
    Err(SetupError {
        channel: settings.id.clone(),
        key: String::new(),
        problem: "not opened in tests".to_owned(),
        hint: String::new(),
    })
}

const PLATFORMS: &[Platform] = &[
    Platform {
        name: "woocommerce",
        credentials: &[&["key", "secret"], &["token"]],
        options: &[
            ("poll_s", "how often"),
            ("safety_stock", "what the shop keeps back"),
        ],
        open: never,
    },
    Platform {
        name: "shopify",
        credentials: &[],
        options: &[("location_ids", "which")],
        open: never,
    },
];

const SHOP: &str = r#"[channels.shop]
platform = "woocommerce"
base_url = "https://shop.example"
webhook_secrets = ["env:SHOP_SECRET"]
credentials = { key = "env:SHOP_KEY", secret = "file:secrets/shop" }
"#;

fn read_with(text: &str, env: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let env = env.iter().copied().collect();
    parse(text, Path::new("config.toml"), &env, PLATFORMS)
}

#[track_caller]
fn good(text: &str) -> Settings {
    match read_with(text, &[]) {
        Ok(loaded) => loaded.settings,
        Err(problems) => panic!("{text}\n{}", ConfigError::Invalid(problems)),
    }
}

fn told(text: &str, env: &[(&str, &str)]) -> String {
    ConfigError::Invalid(read_with(text, env).expect_err(text)).to_string()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(told(text, &[]), expected, "\n{text}");
}

fn shop_with(line: &str) -> String {
    format!("{SHOP}{line}\n")
}

/// What uncommenting does: `prefix` is `# ` for defaults, `## ` for examples.
fn uncommented(prefix: &str) -> String {
    let setting = |line: &str| {
        line.starts_with('[')
            || line.split_once(" = ").is_some_and(|(key, _)| {
                key.starts_with('"') || key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            })
    };
    DEFAULT_CONFIG
        .lines()
        .map(|line| match line.strip_prefix(prefix) {
            Some(rest) if setting(rest) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn the_written_file_is_the_defaults() {
    assert_eq!(good(""), Settings::default());
    assert_eq!(good(DEFAULT_CONFIG), Settings::default());
    let defaults = uncommented("# ");
    assert!(defaults.contains("\nsweep_s = 30\n") && defaults.contains("\nmode = \"manage\"\n"));
    assert_eq!(good(&defaults), Settings::default());
}

#[test]
fn the_examples_in_the_written_file_work() {
    let both = uncommented("# ").replace("\n## ", "\n");
    let settings = good(&both);
    let shop = &settings.channels["shop"];
    assert_eq!(shop.role, Role::Shop);
    assert!(!shop.hold && !shop.sandbox && !shop.fold_case);
    assert_eq!(settings.buffers.tier.len(), 3);
}

/// Every key that the schema knows stands in the file, in its table.
#[test]
fn the_written_file_names_every_key() {
    let both = uncommented("# ").replace("\n## ", "\n");
    let mut table = String::new();
    let mut mentioned = Vec::new();
    for line in both.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            table = name
                .replace("channels.shop", "channels.*")
                .replace("locations.main", "locations.*");
            mentioned.push(table.clone());
        } else if let Some((key, _)) = line.split_once(" = ") {
            mentioned.push(if table.is_empty() {
                key.to_owned()
            } else {
                format!("{table}.{key}")
            });
        }
    }
    let known = schema::known_keys(&both, &[]);
    assert!(known.len() > 45, "{known:?}");
    for key in known {
        let of_names = key.strip_suffix(".*").map(ToOwned::to_owned);
        let key = of_names.unwrap_or(key);
        let parent = mentioned
            .iter()
            .any(|has| has.starts_with(&format!("{key}.")));
        assert!(
            parent || mentioned.contains(&key),
            "{key} is not explained in config.toml"
        );
    }
}

#[test]
fn a_whole_file() {
    let text = format!(
        "mode = \"observe\"\n[store]\nurl = \"sqlite:///var/lib/onhand.db\"\n[listen]\naddress = \"0.0.0.0:80\"\n\
         behind_proxy = true\npublic_url = \"https://stock.example/\"\n[locations.main]\n[locations.east]\n\
         authority = \"wms\"\n[retry]\ndelays_s = [2, 4]\n{SHOP}locations = [\"main\"]\nmode = \"manage\"\npoll_s = 60\n\
         [channels.wms]\nplatform = \"shopify\"\nrole = \"warehouse\"\nbase_url = \"http://127.0.0.1:7000/api/\"\n\
         locations = [\"east\"]\nlocation_ids = [1, 2]\n"
    );
    let settings = good(&text);
    assert_eq!(settings.store_path(), Path::new("/var/lib/onhand.db"));
    assert_eq!(settings.retry.delays_s, [2, 4]);
    let shop = ChannelId::new("shop").unwrap();
    assert_eq!(
        settings.hook_url(&shop).unwrap(),
        "https://stock.example/hooks/shop"
    );
    assert_eq!(settings.channels[&shop].mode, Mode::Manage);
    assert_eq!(settings.channels[&shop].options["poll_s"], "60");
    let wms = &settings.channels["wms"];
    assert_eq!((wms.mode, wms.role), (Mode::Observe, Role::Warehouse));
    assert_eq!(wms.base_url, "http://127.0.0.1:7000/api");
    assert_eq!(wms.options["location_ids"], "1,2");
    let east = LocationId::new("east").unwrap();
    assert_eq!(
        settings.locations[&east],
        Authority::Warehouse(wms.id.clone())
    );
}

/// S13, S12: keys of the user keep case and bytes, and digits are text.
#[test]
fn names_of_the_user_are_kept_byte_for_byte() {
    let text = "[buffers.sku]\n\"ABC-1\" = 3\n\"abc-1\" = 5\n1234567891234 = \"1\"\n00123 = 2\n\" größe\" = \"10%\"\n\
                [tiers.pin]\nB2 = \"B\"\nb2 = \"C\"\n";
    let settings = read_with(text, &[("ONHAND_LANES__SWEEP_S", "7")])
        .unwrap()
        .settings;
    let skus: Vec<&str> = settings.buffers.sku.keys().map(Sku::as_str).collect();
    assert_eq!(skus, [" größe", "00123", "1234567891234", "ABC-1", "abc-1"]);
    assert_eq!(settings.buffers.sku["ABC-1"].units, 3);
    assert_eq!(settings.buffers.sku["abc-1"].units, 5);
    assert!(!settings.buffers.sku.contains_key("123"));
    assert_eq!(
        (settings.tiers.pin["B2"], settings.tiers.pin["b2"]),
        (crate::domain::tier::Tier::B, crate::domain::tier::Tier::C)
    );
    assert_eq!(settings.lanes.sweep_s, 7);
}

#[test]
fn a_variable_wins_over_the_file() {
    let env = [
        ("ONHAND_LISTEN__ADDRESS", "localhost:7001"),
        ("ONHAND_MODE", "observe"),
        ("ONHAND_RETRY__DELAYS_S", "1, 2"),
        ("ONHAND_BUFFERS__DEFAULT", "10% min 1"),
        ("ONHAND_LISTEN__BEHIND_PROXY", "true"),
        ("ONHAND_SHOP__KEY", "unused"),
        ("OTHER", "x"),
    ];
    let text = "mode = \"manage\"\n[listen]\naddress = \"127.0.0.1:1\"\nadmin_token = \"env:ONHAND_SHOP__KEY\"\n";
    let settings = read_with(text, &env).unwrap().settings;
    assert_eq!(settings.listen.address.to_string(), "127.0.0.1:7001");
    assert_eq!(settings.mode, Mode::Observe);
    assert_eq!(settings.retry.delays_s, [1, 2]);
    assert_eq!(settings.buffers.default.basis_points, 1_000);
    assert!(settings.listen.behind_proxy);
}

/// R101, S74: a sandbox and a real shop cannot be mixed up, and credentials do not travel in the clear.
#[cfg(unix)]
#[cfg(unix)]
#[test]
fn what_is_risky_is_said() {
    let warned = |text: &str| -> String {
        let loaded = read_with(text, &[]).unwrap_or_else(|p| panic!("{}", ConfigError::Invalid(p)));
        let lines: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    assert_eq!(warned(&uncommented("# ")), "");
    for (text, says) in [
        (
            "[listen]\npublic_url = \"http://stock.example\"".to_owned(),
            "listen.public_url: platforms do not deliver",
        ),
        (
            "[buffers]\ndefault = \"10%\"".to_owned(),
            "config.toml:2:11: buffers.default: 10% of a SKU without",
        ),
        (
            "[buffers]\ndefault = \"100%\"".to_owned(),
            "nothing is ever shown",
        ),
        (
            "[buffers.category]\nmugs = 1".to_owned(),
            "no SKU in [categories] has this category",
        ),
        (
            "[lanes]\nage_max_s = 10".to_owned(),
            "lanes.age_max_s: shorter than a batch",
        ),
        (
            shop_with("[lanes]\norders_s = 3600"),
            "lanes.orders_s: a lost webhook",
        ),
        (
            shop_with(&SHOP.replace("[channels.shop]", "[channels.two]")),
            "channels.two: same platform and address as channels.shop",
        ),
        (
            shop_with("[buffers.channel]\nshop = 5\n[buffers.sku]\nX = 2"),
            "keeps back 5, but 1 SKU, 0 category",
        ),
    ] {
        let warned = warned(&text);
        assert!(warned.contains(says), "{text}\n{warned}");
    }
}

#[test]
fn the_digest_is_of_the_plan_alone() {
    let base = good(&shop_with(""));
    let same = |text: &str| good(text).digest() == base.digest();
    assert_eq!(base.digest().len(), 64);
    assert!(same(&format!(
        "# other words\n[lanes]\nsweep_s = 9\n[listen]\nconnections_max = 5\n{SHOP}"
    )));
    assert!(same(&shop_with("").replace("SHOP_KEY", "OTHER_KEY")));
    assert!(same(&shop_with("locations = [\"main\"]")));
    for line in [
        "mode = \"observe\"",
        "hold = true",
        "fold_case = true",
        "poll_s = 3",
        "[buffers]\ndefault = 1",
        "[buffers.sku]\nX = 1",
        "[buffers.tier]\nA = 1",
        "[tiers]\ndefault = \"B\"",
        "[tiers.pin]\nX = \"B\"",
        "[categories]\nX = \"y\"",
        "[locations.other]",
    ] {
        assert!(!same(&shop_with(line)), "{line}");
    }
    let other = good(&shop_with("[buffers.sku]\n\"a\\\" 1\" = \"10% min 2\""));
    assert_eq!(
        plan_difference(&base.plan_text(), &other.plan_text()),
        ["+ buffer sku \"a\\\" 1\" 10% min 2"]
    );
}

#[test]
fn a_missing_file_is_an_error_only_if_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.toml");
    let env = Environment::default();
    assert!(matches!(
        load(Some(&path), &env, PLATFORMS),
        Err(ConfigError::NotFound { .. })
    ));
    assert!(matches!(
        load(Some(folder.path()), &env, PLATFORMS),
        Err(ConfigError::Unreadable { .. })
    ));
    let path = folder.path().join("bad.toml");
    fs::write(&path, b"mode = \"manage\"\n# \xff\n").unwrap();
    let told = load(Some(&path), &env, PLATFORMS).unwrap_err().to_string();
    assert!(
        told.contains("bad.toml:2:3: this byte is not UTF-8; hint: "),
        "{told}"
    );
    fs::write(&path, DEFAULT_CONFIG).unwrap();
    let loaded = load(Some(&path), &env, PLATFORMS).unwrap();
    assert_eq!(
        loaded.settings.store_path(),
        folder.path().join("data/onhand.db")
    );
}
