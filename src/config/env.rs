//! The environment as a value, so that everything else here is a pure function of text and variables.

use std::collections::BTreeMap;
use std::fmt;

/// What all settings in the environment begin with.
pub(super) const PREFIX: &str = "ONHAND_";

/// Environment variables. Its `Debug` shows names only, for values may be secrets.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; those that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names that begin with [`PREFIX`], in order.
    pub(super) fn ours(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with(PREFIX))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The variable that sets a key: `listen.address` is `ONHAND_LISTEN__ADDRESS`.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let env = Environment::from_iter([("SHOP_KEY", "canary-7f3a")]);
        assert_eq!(format!("{env:?}"), "{\"SHOP_KEY\"}");
    }

    #[test]
    fn a_key_has_one_variable() {
        assert_eq!(variable("mode"), "ONHAND_MODE");
        assert_eq!(
            variable("listen.admin_address"),
            "ONHAND_LISTEN__ADMIN_ADDRESS"
        );
    }
}
