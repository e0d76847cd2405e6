//! Secrets: where they may be, and that no problem repeats one.

use secrecy::ExposeSecret;

use super::*;

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
