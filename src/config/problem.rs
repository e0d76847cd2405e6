//! What can be wrong with settings, and where: file, line, column, key and what to do about it.
//!
//! No text of a problem ever holds a value that could be a secret. All problems of a file are collected, so that one run
//! tells everything.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file.
    File {
        /// The file's name, as it was given.
        file: Arc<str>,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In this environment variable.
    Environment(String),
}

impl Place {
    /// The place of a byte of `text`.
    pub(super) fn of(file: &Arc<str>, text: &str, byte_idx: usize) -> Self {
        let before = text.get(..byte_idx).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |idx| idx + 1);
        Self::File {
            file: Arc::clone(file),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
        }
    }
}

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The file is not TOML.
    #[error("{0}")]
    Syntax(String),
    /// No setting has this name.
    #[error("unknown key")]
    UnknownKey,
    /// Another type was expected.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What it should be, such as `a whole number`.
        expected: String,
        /// What it is.
        found: &'static str,
    },
    /// It has to be given.
    #[error("this key is missing")]
    Missing,
    /// It has the right type and cannot work.
    #[error("{0}")]
    Value(String),
    /// A secret that is written out, missing, empty or readable by others. Never holds the secret.
    #[error("{0}")]
    Secret(String),
}

/// One thing that is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was given.
    pub place: Place,
    /// The key with its tables, such as `channels.shop.base_url`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub wrong: Wrong,
    /// What to do, if we know.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.wrong)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A setting that works and is risky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it was given, if it was.
    pub place: Option<Place>,
    /// The key with its tables.
    pub key: String,
    /// What may happen, and what to do.
    pub says: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.key, self.says)
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was asked for is not there.
    #[error("{}: no such file; hint: `onhand init` writes one, or leave out --config", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong; one line per problem, in the order of the file.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A key as it is written in TOML: quoted where it has to be.
pub(super) fn written_key(key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

/// The valid word that was probably meant: other case, or few letters off.
///
/// Distance is Damerau-Levenshtein, at most a third of the word, so that `adress` finds `address` and `foo` nothing.
pub(super) fn nearest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase().replace('-', "_");
    valid
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The hint for a word that is not valid.
pub(super) fn did_you_mean<'a>(
    word: &str,
    valid: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let valid: Vec<&str> = valid.into_iter().collect();
    match nearest(word, valid.iter().copied()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if valid.is_empty() => None,
        None => Some(format!("one of {}", valid.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters() {
        let file: Arc<str> = Arc::from("f");
        let text = "a = 1\nö = 2\r\nb";
        for (byte_idx, shown) in [
            (0, "f:1:1"),
            (4, "f:1:5"),
            (6, "f:2:1"),
            (9, "f:2:3"),
            (14, "f:3:1"),
            (999, "f:3:2"),
        ] {
            assert_eq!(Place::of(&file, text, byte_idx).to_string(), shown);
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let valid = ["address", "admin_address", "base_url", "mode"];
        for (word, found) in [
            ("adress", Some("address")),
            ("Address", Some("address")),
            ("admin-address", Some("admin_address")),
            ("base_ur", Some("base_url")),
            ("mdoe", Some("mode")),
            ("foo", None),
            ("", None),
            ("url_of_the_base", None),
        ] {
            assert_eq!(nearest(word, valid), found, "{word}");
        }
    }

    #[test]
    fn a_key_is_quoted_where_toml_would() {
        for (key, shown) in [
            ("shop", "shop"),
            ("a b", "\"a b\""),
            ("a.b", "\"a.b\""),
            ("", "\"\""),
        ] {
            assert_eq!(written_key(key), shown);
        }
    }
}
