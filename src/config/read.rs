//! Reads tables by asking for keys: whatever was not asked for is unknown, so the schema is the code that reads it.
//!
//! Every answer carries its place. A problem is noted and the default goes on, so that one run finds all of them.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::env::{Environment, variable};
use super::problem::{Place, Problem, Warning, Wrong, nearest, written_key};

/// What is collected while a file is read.
pub(super) struct Reader<'t> {
    pub(super) file: Arc<str>,
    pub(super) text: &'t str,
    pub(super) env: &'t Environment,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
    /// Every key that was asked for, with `*` for keys that the user names.
    pub(super) known: BTreeSet<String>,
    /// Every variable that can set something.
    pub(super) variables: BTreeSet<String>,
    /// Variables that hold secrets, and so are not settings.
    pub(super) secret_variables: BTreeSet<String>,
}

/// A value and where it was given.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
    pub(super) key: String,
}

/// One table being read.
pub(super) struct Section<'t> {
    table: Option<&'t DeTable<'t>>,
    /// As the user wrote it, such as `channels.shop`.
    path: String,
    /// With `*` for names of the user, such as `channels.*`.
    schema: String,
    /// Where it begins.
    pub(super) place: Place,
    /// Its keys are names of the user.
    names: bool,
    asked: Vec<String>,
}

/// A value, from wherever it was given.
pub(super) enum Given<'t> {
    Value(&'t DeValue<'t>),
    Variable(&'t str),
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &str, text: &'t str, env: &'t Environment) -> Self {
        Self {
            file: Arc::from(file),
            text,
            env,
            problems: Vec::new(),
            warnings: Vec::new(),
            known: BTreeSet::new(),
            variables: BTreeSet::new(),
            secret_variables: BTreeSet::new(),
        }
    }

    pub(super) fn place(&self, byte_idx: usize) -> Place {
        Place::of(&self.file, self.text, byte_idx)
    }

    pub(super) fn problem(&mut self, place: Place, key: &str, wrong: Wrong, hint: Option<String>) {
        self.problems.push(Problem {
            place,
            key: key.to_owned(),
            wrong,
            hint,
        });
    }

    /// Notes that a value cannot work.
    pub(super) fn refuse<T>(&mut self, placed: &Placed<T>, says: impl Display, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        let wrong = Wrong::Value(says.to_string());
        self.problem(placed.place.clone(), &placed.key, wrong, hint);
    }

    pub(super) fn warn(&mut self, place: Option<Place>, key: &str, says: impl Into<String>) {
        self.warnings.push(Warning {
            place,
            key: key.to_owned(),
            says: says.into(),
        });
    }
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn root(table: &'t DeTable<'t>, place: Place) -> Self {
        Self {
            table: Some(table),
            path: String::new(),
            schema: String::new(),
            place,
            names: false,
            asked: Vec::new(),
        }
    }

    /// The key with the tables that it stands in.
    pub(super) fn path_of(&self, key: &str) -> String {
        joined(&self.path, &written_key(key))
    }

    /// The place of a key, or of its table if it is not given.
    pub(super) fn place_of(&self, r: &Reader<'t>, key: &str) -> Place {
        self.table
            .and_then(|table| table.get_key_value(key))
            .map_or_else(|| self.place.clone(), |(key, _)| r.place(key.span().start))
    }

    /// Whether the key stands in the file.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    fn ask(&mut self, r: &mut Reader<'t>, key: &str) {
        self.asked.push(key.to_owned());
        let key = if self.names { "*" } else { key };
        r.known.insert(joined(&self.schema, key));
    }

    /// The value of a key: the environment first, then the file. Keys below names of the user have no variable.
    pub(super) fn given(&mut self, r: &mut Reader<'t>, key: &str) -> Option<Placed<Given<'t>>> {
        self.ask(r, key);
        let path = self.path_of(key);
        if !self.names && !self.schema.contains('*') {
            let name = variable(&joined(&self.schema, key));
            r.variables.insert(name.clone());
            if let Some(value) = r.env.get(&name) {
                return Some(Placed {
                    value: Given::Variable(value),
                    place: Place::Environment(name),
                    key: path,
                });
            }
        }
        let value = self.table?.get(key)?;
        Some(Placed {
            value: Given::Value(value.get_ref()),
            place: r.place(value.span().start),
            key: path,
        })
    }

    /// The table under a key; an empty one if it is not given.
    pub(super) fn section(&mut self, r: &mut Reader<'t>, key: &str) -> Self {
        self.ask(r, key);
        let value = self.table.and_then(|table| table.get(key));
        let path = self.path_of(key);
        let schema = joined(&self.schema, key);
        self.below(r, key, value, path, schema)
    }

    fn below(
        &self,
        r: &mut Reader<'t>,
        key: &str,
        value: Option<&'t Spanned<DeValue<'t>>>,
        path: String,
        schema: String,
    ) -> Self {
        let table = match value.map(Spanned::get_ref) {
            None => None,
            Some(DeValue::Table(table)) => Some(table),
            Some(other) => {
                let wrong = Wrong::Type {
                    expected: "a table".to_owned(),
                    found: found(other),
                };
                r.problem(
                    self.place_of(r, key),
                    &path,
                    wrong,
                    Some(format!("write [{path}]")),
                );
                None
            }
        };
        Self {
            table,
            path,
            schema,
            place: self.place_of(r, key),
            names: false,
            asked: Vec::new(),
        }
    }

    /// The names that the user gave in this table, byte for byte, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.table
            .into_iter()
            .flat_map(|table| table.keys())
            .map(|key| key.get_ref().clone().into_owned())
            .collect()
    }

    /// The table under a name of the user.
    pub(super) fn named_section(&mut self, r: &mut Reader<'t>, name: &str) -> Self {
        self.asked.push(name.to_owned());
        let value = self.table.and_then(|table| table.get(name));
        let path = self.path_of(name);
        let schema = joined(&self.schema, "*");
        self.below(r, name, value, path, schema)
    }

    /// Makes this a table whose keys are names of the user, so that no variable can set them.
    pub(super) fn of_names(mut self) -> Self {
        self.names = true;
        self
    }

    /// Notes every key that was not asked for.
    pub(super) fn finish(self, r: &mut Reader<'t>) {
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            if self.asked.iter().any(|asked| asked == key.get_ref()) {
                continue;
            }
            let near = nearest(key.get_ref(), self.asked.iter().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let place = r.place(key.span().start);
            r.problem(place, &self.path_of(key.get_ref()), Wrong::UnknownKey, hint);
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// What a value is, in words of a person who does not know TOML.
pub(super) fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
