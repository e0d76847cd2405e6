//! Reads tables by asking for keys: whatever was not asked for is unknown, so the schema is the code that reads it.
//!
//! Every answer carries its place. A problem is noted and the default goes on, so that one run finds all of them.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::env::{Environment, variable};
use super::problem::{Place, Problem, Warning, Wrong, did_you_mean, written_key};

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

enum Given<'t> {
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
    fn given(&mut self, r: &mut Reader<'t>, key: &str) -> Option<Placed<Given<'t>>> {
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

    /// A whole number within bounds.
    pub(super) fn number<T>(
        &mut self,
        r: &mut Reader<'t>,
        key: &str,
        default: T,
        range: RangeInclusive<T>,
    ) -> T
    where
        T: Copy + PartialOrd + Display + TryFrom<i64>,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(given) = self.given(r, key) else {
            return default;
        };
        let number = match &given.value {
            Given::Variable(text) => text.trim().parse::<i64>().ok(),
            Given::Value(DeValue::Integer(integer)) => whole(integer),
            Given::Value(other) => {
                r.wrong_type(&given, &expected, found(other));
                return default;
            }
        };
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) if range.contains(&number) => number,
            _ => {
                r.refuse(&given, format!("expected {expected}"), "");
                default
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, r: &mut Reader<'t>, key: &str, default: bool) -> bool {
        let Some(given) = self.given(r, key) else {
            return default;
        };
        match given.value {
            Given::Value(DeValue::Boolean(flag)) => *flag,
            Given::Variable("true") => true,
            Given::Variable("false") => false,
            Given::Variable(_) => {
                r.wrong_type(&given, "true or false", "another text");
                default
            }
            Given::Value(other) => {
                r.wrong_type(&given, "true or false", found(other));
                default
            }
        }
    }

    /// A text, as it stands.
    pub(super) fn text(&mut self, r: &mut Reader<'t>, key: &str) -> Option<Placed<String>> {
        let given = self.given(r, key)?;
        let value = match given.value {
            Given::Variable(text) => text.to_owned(),
            Given::Value(DeValue::String(text)) => text.clone().into_owned(),
            Given::Value(other) => {
                r.wrong_type(&given, "a text in quotes", found(other));
                return None;
            }
        };
        Some(Placed {
            value,
            place: given.place,
            key: given.key,
        })
    }

    /// A text, or a number that is meant as one (buffers, options of platforms): `3` is `"3"`.
    pub(super) fn text_or_number(
        &mut self,
        r: &mut Reader<'t>,
        key: &str,
    ) -> Option<Placed<String>> {
        let given = self.given(r, key)?;
        let value = match given.value {
            Given::Variable(text) => text.to_owned(),
            Given::Value(DeValue::String(text)) => text.clone().into_owned(),
            Given::Value(DeValue::Integer(integer)) => integer.to_string(),
            Given::Value(other) => {
                r.wrong_type(&given, "a text in quotes or a whole number", found(other));
                return None;
            }
        };
        Some(Placed {
            value,
            place: given.place,
            key: given.key,
        })
    }

    /// Text, number, `true` or `false`, or a list of these with commas between: what a platform reads itself.
    pub(super) fn option(&mut self, r: &mut Reader<'t>, key: &str) -> Option<Placed<String>> {
        let given = self.given(r, key)?;
        let value = match given.value {
            Given::Variable(text) => Some(text.to_owned()),
            Given::Value(DeValue::Array(items)) => {
                let texts: Option<Vec<_>> = items.iter().map(|i| plain(i.get_ref())).collect();
                texts.map(|texts| texts.join(","))
            }
            Given::Value(value) => plain(value),
        };
        if value.is_none() {
            r.wrong_type(
                &given,
                "a text, a number, true or false, or a list of them",
                "something else",
            );
        }
        Some(Placed {
            value: value?,
            place: given.place,
            key: given.key,
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        r: &mut Reader<'t>,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let placed = self.text(r, key)?;
        let found = words.iter().find(|(word, _)| *word == placed.value);
        if found.is_none() {
            let valid = words.iter().map(|(word, _)| *word);
            let hint = did_you_mean(&placed.value, valid).unwrap_or_default();
            r.refuse(
                &placed,
                format!("{:?} is none of the choices", placed.value),
                &hint,
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A list of texts; in the environment with commas between. `None` if it is not given or not a list.
    pub(super) fn texts(&mut self, r: &mut Reader<'t>, key: &str) -> Option<Vec<Placed<String>>> {
        let given = self.given(r, key)?;
        let place = given.place.clone();
        let path = given.key.clone();
        match given.value {
            Given::Variable(text) => Some(
                text.split(',')
                    .map(|part| Placed {
                        value: part.trim().to_owned(),
                        place: place.clone(),
                        key: path.clone(),
                    })
                    .collect(),
            ),
            Given::Value(DeValue::Array(items)) => Some(r.text_items(items, &path)),
            Given::Value(other) => {
                r.wrong_type(&given, "a list of texts, such as [\"…\"]", found(other));
                None
            }
        }
    }

    /// A list of whole numbers within bounds; in the environment with commas between.
    pub(super) fn numbers(
        &mut self,
        r: &mut Reader<'t>,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<Placed<Vec<u64>>> {
        let given = self.given(r, key)?;
        let expected = format!(
            "a list of whole numbers from {} to {}",
            range.start(),
            range.end()
        );
        let numbers: Option<Vec<u64>> = match &given.value {
            Given::Variable(text) => text
                .split(',')
                .map(|part| part.trim().parse().ok())
                .collect(),
            Given::Value(DeValue::Array(items)) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::Integer(integer) => whole(integer).and_then(|n| u64::try_from(n).ok()),
                    _ => None,
                })
                .collect(),
            Given::Value(other) => {
                r.wrong_type(&given, &expected, found(other));
                return None;
            }
        };
        let numbers = numbers.filter(|numbers| numbers.iter().all(|n| range.contains(n)));
        if numbers.is_none() {
            r.refuse(&given, format!("expected {expected}"), "");
        }
        Some(Placed {
            value: numbers?,
            place: given.place,
            key: given.key,
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
            let near =
                super::problem::nearest(key.get_ref(), self.asked.iter().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let place = r.place(key.span().start);
            r.problem(place, &self.path_of(key.get_ref()), Wrong::UnknownKey, hint);
        }
    }
}

impl Reader<'_> {
    fn wrong_type<T>(&mut self, placed: &Placed<T>, expected: &str, found: &'static str) {
        let wrong = Wrong::Type {
            expected: expected.to_owned(),
            found,
        };
        self.problem(placed.place.clone(), &placed.key, wrong, None);
    }

    fn text_items(&mut self, items: &DeArray<'_>, path: &str) -> Vec<Placed<String>> {
        let mut texts = Vec::with_capacity(items.len());
        for (item_idx, item) in items.iter().enumerate() {
            let placed = Placed {
                value: item
                    .get_ref()
                    .as_str()
                    .map(ToOwned::to_owned)
                    .unwrap_or_default(),
                place: self.place(item.span().start),
                key: format!("{path}[{item_idx}]"),
            };
            if item.get_ref().is_str() {
                texts.push(placed);
            } else {
                self.wrong_type(&placed, "a text in quotes", found(item.get_ref()));
            }
        }
        texts
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn whole(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(integer) => Some(integer.to_string()),
        DeValue::Float(float) => Some(float.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// What a value is, in words of a person who does not know TOML.
fn found(value: &DeValue<'_>) -> &'static str {
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
