//! Secrets: the file says where they are, never what they are. They are read only when a command needs them, so that
//! `classify` runs on a machine that has none.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::env::Environment;
use super::problem::{Place, Problem, Wrong};
use super::read::{Placed, Reader};

/// Largest secret file in bytes: a chain of certificates fits, a database given by mistake does not.
const SECRET_BYTES_MAX: u64 = 65_536;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In this environment variable.
    Environment(String),
    /// In this file, relative to the folder of `config.toml`.
    File(PathBuf),
}

/// A secret that was not read yet, and where the settings name it.
#[derive(Debug, Clone)]
pub struct SecretRef {
    /// Where it is.
    pub source: SecretSource,
    place: Place,
    key: String,
}

impl PartialEq for SecretRef {
    /// Where the settings name it does not count.
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for SecretRef {}

impl SecretRef {
    /// Takes `env:NAME` or `file:PATH`; anything else is a problem that does not repeat the text.
    pub(super) fn from_text(r: &mut Reader<'_>, text: Placed<String>) -> Option<Self> {
        let source = match text.value.split_once(':') {
            Some(("env", name)) if is_variable(name) => {
                r.secret_variables.insert(name.to_owned());
                Ok(SecretSource::Environment(name.to_owned()))
            }
            Some(("env", _)) => {
                Err("after env: comes the name of a variable, such as env:SHOP_KEY")
            }
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => {
                Ok(SecretSource::File(PathBuf::from(path)))
            }
            Some(("file", _)) => Err("after file: comes a path, such as file:secrets/shop"),
            _ => {
                Err("a secret is written \"env:NAME\" or \"file:PATH\", never as the value itself")
            }
        };
        match source {
            Ok(source) => Some(Self {
                source,
                place: text.place,
                key: text.key,
            }),
            Err(says) => {
                let hint = "put it into an environment variable or a file of mode 600; replace it if this \
                            file was shared";
                let wrong = Wrong::Secret(says.to_owned());
                r.problem(text.place, &text.key, wrong, Some(hint.to_owned()));
                None
            }
        }
    }

    /// Reads the secret; line breaks at its end are not part of it.
    ///
    /// # Errors
    /// A [`Problem`] at the place that names it, if the variable is not set, the file cannot be read, others may read
    /// the file, or there is nothing in it. It never holds any of the secret.
    pub fn read(&self, folder: &Path, env: &Environment) -> Result<SecretString, Problem> {
        let text = match &self.source {
            SecretSource::Environment(name) => {
                env.get(name).map(ToOwned::to_owned).ok_or_else(|| {
                    let says = format!("the environment variable {name} is not set");
                    self.problem(says, format!("set {name}, or name another place"))
                })
            }
            SecretSource::File(path) => self.read_file(&folder.join(path)),
        }?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            let says = match &self.source {
                SecretSource::Environment(name) => {
                    format!("the environment variable {name} is empty")
                }
                SecretSource::File(path) => format!("the file {} is empty", path.display()),
            };
            return Err(self.problem(says, "write the secret into it".to_owned()));
        }
        Ok(SecretString::from(text))
    }

    fn read_file(&self, path: &Path) -> Result<String, Problem> {
        let shown = path.display();
        let failed = |error: std::io::Error| {
            let says = format!("cannot read the file {shown}: {error}");
            let hint = "paths are relative to the folder of config.toml";
            self.problem(says, hint.to_owned())
        };
        let meta = fs::metadata(path).map_err(failed)?;
        if !meta.is_file() || meta.len() > SECRET_BYTES_MAX {
            let says = format!("{shown} is not a file of at most {SECRET_BYTES_MAX} bytes");
            return Err(self.problem(says, "name the file that holds only the secret".to_owned()));
        }
        if readable_by_others(&meta) {
            let says = format!("others can read the file {shown}");
            return Err(self.problem(says, format!("chmod 600 {shown}")));
        }
        let bytes = fs::read(path).map_err(failed)?;
        // The error of the conversion holds the bytes, so it is not passed on.
        String::from_utf8(bytes).map_err(|_| {
            self.problem(
                format!("the file {shown} is not text in UTF-8"),
                "store it as text".to_owned(),
            )
        })
    }

    fn problem(&self, says: String, hint: String) -> Problem {
        Problem {
            place: self.place.clone(),
            key: self.key.clone(),
            wrong: Wrong::Secret(says),
            hint: Some(hint),
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(unix)]
fn readable_by_others(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn readable_by_others(_meta: &fs::Metadata) -> bool {
    false
}
