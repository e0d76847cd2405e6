//! `config.toml` and the environment, read into [`Settings`]; every problem with its place, key and hint.
//!
//! [`parse`] is pure: text and variables in, settings or all problems out. [`load`] is the thin part that opens the file.
//! Secrets stay where they are until [`ChannelConfig::open`] reads them. What the user names (SKUs, channels, locations)
//! is kept byte for byte: nothing here folds case or guesses numbers (rule R33).

mod channel;
mod check;
mod costs;
mod digest;
mod env;
mod named;
mod problem;
mod read;
mod runs;
mod schema;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod values;

use std::fs;
use std::path::Path;

use crate::channels::Platform;

pub use channel::{ChannelConfig, Role};
pub use costs::{CostSettings, HealthLimit, Spread};
pub use digest::plan_difference;
pub use env::Environment;
pub use problem::{ConfigError, Place, Problem, Warning, Wrong};
pub use runs::{JOBS, Job, JobSettings, ReconcileSettings, ScheduleSettings};
pub use schema::{listen_refusal, parse};
pub use secret::{SecretRef, SecretSource};
pub use settings::{
    Authority, LOCATION_IMPLIED, LaneSettings, ListenSettings, Mode, RetentionSettings,
    RetrySettings, Settings, StoreSettings, TierSettings,
};

/// What `onhand init` writes: every key, explained, with its default.
pub const DEFAULT_CONFIG: &str = include_str!("../../config.toml");

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "config.toml";

/// Settings that can work, and what is risky about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// For people to read, once.
    pub warnings: Vec<Warning>,
}

/// Reads the file that was named, or `config.toml` if there is one, else the built-in defaults; then the environment.
///
/// # Errors
/// [`ConfigError`] if a named file is missing, a file cannot be read, or anything in it is wrong.
pub fn load(
    named: Option<&Path>,
    env: &Environment,
    platforms: &[Platform],
) -> Result<Loaded, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match fs::read(path) {
        Ok(bytes) => text_of(bytes, path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if named.is_some() {
                return Err(ConfigError::NotFound {
                    path: path.to_owned(),
                });
            }
            String::new()
        }
        Err(source) => {
            return Err(ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    parse(&text, path, env, platforms).map_err(ConfigError::Invalid)
}

fn text_of(bytes: Vec<u8>, path: &Path) -> Result<String, ConfigError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let readable = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
        ConfigError::Invalid(vec![Problem {
            place: Place::of(&path.display().to_string().into(), &readable, valid),
            key: String::new(),
            wrong: Wrong::Syntax("this byte is not UTF-8".to_owned()),
            hint: Some("save the file as UTF-8".to_owned()),
        }])
    })
}
