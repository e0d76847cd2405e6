//! What a file may say, what it may not, and how it is told.

use std::path::Path;

use secrecy::ExposeSecret;

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
        (Tier::B, Tier::C)
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

#[test]
fn a_variable_that_sets_nothing_is_told() {
    for (name, expected) in [
        (
            "ONHAND_LISTEN__ADRESS",
            "environment ONHAND_LISTEN__ADRESS: no setting has this name; hint: did you mean ONHAND_LISTEN__ADDRESS?",
        ),
        (
            "ONHAND_QQ__ZZ",
            "environment ONHAND_QQ__ZZ: no setting has this name",
        ),
        (
            "ONHAND_CHANNELS__SHOP__BASE_URL",
            "environment ONHAND_CHANNELS__SHOP__BASE_URL: the environment cannot set what the user names (channels, \
             locations, SKUs); hint: write it into config.toml",
        ),
        (
            "ONHAND_BUFFERS__SKU__ABC",
            "environment ONHAND_BUFFERS__SKU__ABC: the environment cannot set what the user names (channels, \
             locations, SKUs); hint: write it into config.toml",
        ),
    ] {
        assert_eq!(told("", &[(name, CANARY)]), expected);
    }
    for (name, value, expected) in [
        (
            "ONHAND_LANES__SWEEP_S",
            "soon",
            "environment ONHAND_LANES__SWEEP_S: lanes.sweep_s: expected a whole number from 1 to 86400",
        ),
        (
            "ONHAND_LISTEN__BEHIND_PROXY",
            "yes",
            "environment ONHAND_LISTEN__BEHIND_PROXY: listen.behind_proxy: expected true or false, found another text",
        ),
    ] {
        assert_eq!(told("", &[(name, value)]), expected);
    }
    let loaded = read_with(
        "",
        &[("ONHAND_LISTEN_ADDRESS", "x"), ("ONHAND_CONFIG", "y")],
    )
    .unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!(
        loaded.warnings[0].to_string(),
        "ONHAND_LISTEN_ADDRESS: not a setting; did you mean ONHAND_LISTEN__ADDRESS?"
    );
}

#[test]
fn unknown_keys_at_every_level() {
    check(
        "mod = \"manage\"",
        "config.toml:1:1: mod: unknown key; hint: did you mean `mode`?",
    );
    check(
        "[lsten]",
        "config.toml:1:2: lsten: unknown key; hint: did you mean `listen`?",
    );
    check(
        "[listen]\nadress = 1",
        "config.toml:2:1: listen.adress: unknown key; hint: did you mean `address`?",
    );
    check(
        "  sweep_s = 3",
        "config.toml:1:3: sweep_s: unknown key; hint: it belongs under [lanes]",
    );
    check(
        "[store]\nmode = 1",
        "config.toml:2:1: store.mode: unknown key; hint: it belongs at the top, before the first [table]",
    );
    check(
        "[store]\nqqq = 1",
        "config.toml:2:1: store.qqq: unknown key",
    );
    check(
        "[buffers]\nskus = 1",
        "config.toml:2:1: buffers.skus: unknown key; hint: did you mean `sku`?",
    );
    check(
        "[buffers.tier]\nD = 1",
        "config.toml:2:1: buffers.tier.D: unknown key; hint: did you mean `A`?",
    );
    check(
        "[locations.main]\nauthorty = 1",
        "config.toml:2:1: locations.main.authorty: unknown key; hint: did you mean `authority`?",
    );
    check(
        &shop_with("base_ur = 1"),
        "config.toml:6:1: channels.shop.base_ur: unknown key; hint: did you mean `base_url`?",
    );
    check(
        &SHOP.replace("key =", "kee ="),
        "config.toml:5:1: channels.shop.credentials: woocommerce needs key and secret, or token; hint: write credentials \
         = { name = \"env:NAME\" }\nconfig.toml:5:17: channels.shop.credentials.kee: unknown key; hint: did you mean `key`?",
    );
}

#[test]
fn what_is_not_toml_shows_its_line_and_not_its_text() {
    for (text, place) in [
        (
            format!("mode = \"manage\"\nx = {CANARY}!"),
            "config.toml:2:",
        ),
        (format!("[a\nb = \"{CANARY}\""), "config.toml:1:"),
        (format!("a = \"{CANARY}"), "config.toml:1:"),
        (
            format!("a = 1\na = \"{CANARY}\""),
            "config.toml:2:1: duplicate key",
        ),
        ("[store]\n[store]".to_owned(), "config.toml:2:"),
        ("\u{feff}a = ".to_owned(), "config.toml:1:"),
    ] {
        let told = told(&text, &[]);
        assert!(told.starts_with(place) && !told.contains(CANARY), "{told}");
    }
}

#[test]
fn wrong_types_say_what_is_expected() {
    check(
        "mode = 1",
        "config.toml:1:8: mode: expected a text in quotes, found a whole number",
    );
    check(
        "mode = \"managed\"",
        "config.toml:1:8: mode: \"managed\" is none of the choices; hint: did you mean `manage`?",
    );
    check(
        "listen = 3",
        "config.toml:1:1: listen: expected a table, found a whole number; hint: write [listen]",
    );
    check(
        "[lanes]\nsweep_s = \"30\"",
        "config.toml:2:11: lanes.sweep_s: expected a whole number from 1 to 86400, found a text",
    );
    for value in ["0", "-1", "86401", "99999999999999999999"] {
        let text = format!("[lanes]\nsweep_s = {value}");
        check(
            &text,
            "config.toml:2:11: lanes.sweep_s: expected a whole number from 1 to 86400",
        );
    }
    check(
        "[lanes]\nsweep_s = 1.5",
        "config.toml:2:11: lanes.sweep_s: expected a whole number from 1 to 86400, found a number with a point",
    );
    check(
        "[listen]\nbehind_proxy = \"true\"",
        "config.toml:2:16: listen.behind_proxy: expected true or false, found a text",
    );
    for value in ["[1, 0]", "[\"1\"]", "[1, 99999999]"] {
        let text = format!("[retry]\ndelays_s = {value}");
        check(
            &text,
            "config.toml:2:12: retry.delays_s: expected a list of whole numbers from 1 to 86400",
        );
    }
    check(
        "[buffers.sku]\n\"A 1\" = 1.5",
        "config.toml:2:9: buffers.sku.\"A 1\": expected a text in quotes or a whole number, found a number with a point",
    );
    check(
        "[buffers]\ndefault = \"10% of\"",
        "config.toml:2:11: buffers.default: \"10% of\" is not a buffer; write units \"3\", a share \"10%\" or both \
         \"10% min 2\"",
    );
    check(
        "[tiers.pin]\nX = \"D\"",
        "config.toml:2:5: tiers.pin.X: \"D\" is none of the choices; hint: did you mean `A`?",
    );
    check(
        "[buffers.sku]\n\"\" = 1",
        "config.toml:2:1: buffers.sku.\"\": a sku is empty",
    );
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = "mode = 1\n[lanes]\nsweep_s = 0\nsweeps = 1\n[channels.shop]\nplatform = \"woo\"\n";
    let lines: Vec<String> = told(text, &[]).lines().map(ToOwned::to_owned).collect();
    let starts: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    assert_eq!(
        starts,
        [
            "mode",
            "lanes.sweep_s",
            "lanes.sweeps",
            "channels.shop.base_url",
            "channels.shop.platform"
        ]
    );
}

#[test]
fn what_would_be_open_to_the_world_is_refused() {
    check(
        "[listen]\naddress = \"0.0.0.0:8080\"",
        "config.toml:2:11: listen.address: 0.0.0.0:8080 can be reached from elsewhere, and this program speaks no TLS; \
         hint: set listen.behind_proxy = true if a proxy with TLS stands in front",
    );
    check(
        "[listen]\nadmin_address = \"[::]:9090\"\nbehind_proxy = true",
        "config.toml:2:17: listen.admin_address: an admin address that is not loopback needs admin_token; hint: set \
         admin_token = \"env:NAME\"",
    );
    check(
        "[listen]\nadmin_address = \"127.0.0.1:8080\"",
        "config.toml:2:1: listen.admin_address: webhooks and administration cannot share an address; hint: choose another port",
    );
    for address in [
        "8080",
        "127.0.0.1",
        "example.com:80",
        ":8080",
        "localhost:99999",
    ] {
        let told = told(&format!("[listen]\naddress = \"{address}\""), &[]);
        assert!(told.contains("is not an address with a port"), "{told}");
    }
    good("[listen]\nadmin_address = \"0.0.0.0:9090\"\nadmin_token = \"env:T\"");
}

#[test]
fn stores_that_are_not_there() {
    for (url, says) in [
        (
            "postgres://u:canary-9f31c7@db/x",
            "this build has only the sqlite store yet",
        ),
        (
            "postgresql://db",
            "this build has only the sqlite store yet",
        ),
        ("data/onhand.db", "a store begins with sqlite:"),
        ("mysql://x", "a store begins with sqlite:"),
        ("sqlite:", "the store names no file"),
        (
            "sqlite::memory:",
            "a store in memory forgets every sale when it ends",
        ),
        ("sqlite:a.db?mode=ro", "a store takes no options after ?"),
    ] {
        check(
            &format!("[store]\nurl = \"{url}\""),
            &format!(
                "config.toml:2:7: store.url: {says}; hint: write it like \"sqlite:data/onhand.db\""
            ),
        );
    }
}

#[test]
fn channels_that_cannot_work() {
    check(
        "[channels.shop]\nbase_url = \"https://x\"",
        "config.toml:1:11: channels.shop.platform: this key is missing; hint: one of woocommerce, shopify",
    );
    check(
        "[channels.shop]\nplatform = \"shopfy\"\nbase_url = \"https://x\"",
        "config.toml:2:12: channels.shop.platform: no platform is called \"shopfy\"; hint: did you mean `shopify`?",
    );
    for (url, says) in [
        ("shop.example", "an address begins with https://"),
        ("ftp://shop.example", "an address begins with https://"),
        (
            "https://user:canary-9f31c7@shop.example",
            "an address holds no user and no password",
        ),
        (
            "https://shop.example/?a=1",
            "an address here has no ? and no #",
        ),
        ("https://", "this is not an address"),
        ("", "this is not an address"),
        ("https://a b", "this is not an address"),
    ] {
        check(
            &format!("[channels.s]\nplatform = \"shopify\"\nbase_url = \"{url}\""),
            &format!(
                "config.toml:3:12: channels.s.base_url: {says}; hint: write it like \"https://shop.example\""
            ),
        );
    }
    check(
        &shop_with("locations = [\"main\", \"mian\", \"main\", 3]"),
        "config.toml:6:22: channels.shop.locations[1]: no location is called \"mian\"; hint: did you mean `main`?\n\
         config.toml:6:30: channels.shop.locations[2]: \"main\" is named twice\n\
         config.toml:6:38: channels.shop.locations[3]: expected a text in quotes, found a whole number",
    );
    check(
        &shop_with("locations = []"),
        "config.toml:6:1: channels.shop.locations: a channel without a location has nothing to show; hint: leave the key \
         out for all locations",
    );
    for id in ["\"a/b\"", "\"a b\"", "\"größe\"", "onhand"] {
        let told = told(&SHOP.replace("shop]", &format!("{id}]")), &[]);
        assert!(
            told.contains("a channel's id stands in web addresses"),
            "{told}"
        );
    }
    check(
        "[buffers.channel]\nshop = 1",
        "config.toml:2:1: buffers.channel.shop: no channel is called \"shop\"",
    );
}

#[test]
fn authorities_exist_and_are_warehouses() {
    check(
        &format!("[locations.main]\nauthority = \"shop\"\n{SHOP}"),
        "config.toml:2:13: locations.main.authority: the channel shop is no warehouse; hint: set channels.shop.role = \
         \"warehouse\", or write \"onhand\"",
    );
    check(
        "[locations.main]\nauthority = \"onhnd\"",
        "config.toml:2:13: locations.main.authority: no channel is called \"onhnd\"; hint: did you mean `onhand`?",
    );
}

/// R101, S74: a sandbox and a real shop cannot be mixed up, and credentials do not travel in the clear.
#[test]
fn sandbox_and_host_agree() {
    let with = |url: &str, sandbox: bool| {
        format!("[channels.s]\nplatform = \"shopify\"\nbase_url = \"{url}\"\nsandbox = {sandbox}")
    };
    for (url, sandbox) in [
        ("https://shop.example", false),
        ("http://127.0.0.1:1", false),
        ("http://127.0.0.1:1", true),
        ("http://[::1]:1", true),
        ("http://localhost:1", true),
        ("https://api.sandbox.ebay.com", true),
        ("https://API.Sandbox.eBay.com", true),
    ] {
        good(&with(url, sandbox));
    }
    for (url, sandbox, says) in [
        (
            "https://shop.example",
            true,
            "sandbox = true, and shop.example is no sandbox",
        ),
        (
            "https://api.ebay.com",
            true,
            "sandbox = true, and api.ebay.com is no sandbox",
        ),
        (
            "https://sandbox.shop.example",
            true,
            "sandbox = true, and sandbox.shop.example is no sandbox",
        ),
        (
            "https://127.0.0.1.example.com",
            true,
            "sandbox = true, and 127.0.0.1.example.com is no sandbox",
        ),
        (
            "https://localhost.example.com",
            true,
            "sandbox = true, and localhost.example.com is no sandbox",
        ),
        (
            "https://api.sandbox.ebay.com",
            false,
            "api.sandbox.ebay.com is a sandbox, and sandbox is not true",
        ),
        (
            "http://shop.example",
            false,
            "http would send credentials in the clear",
        ),
        (
            "http://10.0.0.1",
            false,
            "http would send credentials in the clear",
        ),
    ] {
        let told = told(&with(url, sandbox), &[]);
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn a_secret_that_is_written_out_is_refused_and_not_repeated() {
    for text in [
        CANARY.to_owned(),
        format!("env:{CANARY}"),
        format!("env:1 {CANARY}"),
        format!("ENV:{CANARY}"),
        format!("vault:{CANARY}"),
        "env:".to_owned(),
        "file:".to_owned(),
        String::new(),
    ] {
        let told = told(&shop_with("").replace("env:SHOP_SECRET", &text), &[]);
        assert!(
            told.starts_with("config.toml:4:20: channels.shop.webhook_secrets[0]: "),
            "{told}"
        );
        assert!(
            !told.contains(CANARY) && told.contains("hint: put it into"),
            "{told}"
        );
    }
    let told = told(&format!("[listen]\nadmin_token = \"{CANARY}\""), &[]);
    assert!(
        told.starts_with("config.toml:2:15: listen.admin_token: a secret is written"),
        "{told}"
    );
}

#[cfg(unix)]
fn open_with(
    content: Option<&[u8]>,
    mode: u32,
    env: &[(&str, &str)],
) -> Result<ChannelSettings, String> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets/shop");
    fs::create_dir(folder.path().join("secrets")).unwrap();
    if let Some(content) = content {
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    }
    let env: Environment = env.iter().copied().collect();
    let loaded = parse(SHOP, &folder.path().join("config.toml"), &env, PLATFORMS).unwrap();
    let opened = loaded.settings.channels["shop"].open(&loaded.settings, &env);
    let shown = folder.path().display().to_string();
    opened.map_err(|problems| {
        ConfigError::Invalid(problems)
            .to_string()
            .replace(&shown, "DIR")
    })
}

#[cfg(unix)]
#[test]
fn secrets_are_read_without_their_line_end() {
    let env = [("SHOP_SECRET", "one\n"), ("SHOP_KEY", " two ")];
    let opened = open_with(Some(b"three\r\n"), 0o600, &env).unwrap();
    assert_eq!(opened.webhook_secrets[0].expose_secret(), "one");
    assert_eq!(opened.credentials["key"].expose_secret(), " two ");
    assert_eq!(opened.credentials["secret"].expose_secret(), "three");
    assert!(!format!("{opened:?}").contains("three"));
    assert!(open_with(Some(b"x"), 0o400, &env).is_ok());
}

#[cfg(unix)]
#[test]
fn secrets_that_cannot_be_read_are_told_with_their_key() {
    let env = [("SHOP_SECRET", CANARY), ("SHOP_KEY", CANARY)];
    let at = "DIR/config.toml:5:48: channels.shop.credentials.secret: ";
    for (content, mode, says) in [
        (
            Some(CANARY.as_bytes()),
            0o640,
            "others can read the file DIR/secrets/shop; hint: chmod 600 DIR/secrets/shop",
        ),
        (
            Some(CANARY.as_bytes()),
            0o604,
            "others can read the file DIR/secrets/shop; hint: chmod 600 DIR/secrets/shop",
        ),
        (
            Some(b"".as_slice()),
            0o600,
            "the file secrets/shop is empty; hint: write the secret into it",
        ),
        (
            Some(b"\n\r\n".as_slice()),
            0o600,
            "the file secrets/shop is empty; hint: write the secret into it",
        ),
        (
            Some(b"\xff\xfe".as_slice()),
            0o600,
            "the file DIR/secrets/shop is not text in UTF-8; hint: store it as text",
        ),
        (
            None,
            0,
            "cannot read the file DIR/secrets/shop: No such file or directory (os error 2); hint: paths are relative to the \
             folder of config.toml",
        ),
    ] {
        assert_eq!(
            open_with(content, mode, &env).unwrap_err(),
            format!("{at}{says}")
        );
    }
    let told = open_with(Some(b"x"), 0o600, &[("SHOP_SECRET", "")]).unwrap_err();
    assert!(
        told.contains("webhook_secrets[0]: the environment variable SHOP_SECRET is empty"),
        "{told}"
    );
    assert!(
        told.contains("credentials.key: the environment variable SHOP_KEY is not set"),
        "{told}"
    );
}

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
            shop_with("safety_stock = 2\n[buffers]\ndefault = 1"),
            "channels.shop.safety_stock: the platform keeps back",
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
