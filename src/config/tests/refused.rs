//! Files that are refused, and the words in which that is said.

use proptest::prelude::*;

use super::*;

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
        &[
            ("ONHAND_LISTEN_ADDRESS", "x"),
            ("ONHAND_CONFIG", "y"),
            ("ONHAND_LOG", "z"),
        ],
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

proptest! {
    /// Whatever an editor or a truncated copy does to a file, it is read or told, and nothing panics.
    #[test]
    fn a_damaged_file_is_told(at in 0..600_usize, length in 0..40_usize, put in "[\\PC\\n\"=.\\[\\]#]{0,6}") {
        let whole: Vec<char> = shop_with("[buffers.sku]\n\"ö 1\" = \"10% min 2\"\n[lanes]\nsweep_s = 3").chars().collect();
        let at = at.min(whole.len());
        let rest = whole.iter().skip(at + length);
        let text: String = whole.iter().take(at).copied().chain(put.chars()).chain(rest.copied()).collect();
        if let Err(problems) = read_with(&text, &[]) {
            prop_assert!(!problems.is_empty());
            prop_assert!(!ConfigError::Invalid(problems).to_string().is_empty());
        }
    }
}
