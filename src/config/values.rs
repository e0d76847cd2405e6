//! Values of keys: numbers within bounds, words of a few, texts and lists. A value of the wrong type or out of bounds is
//! noted, and the default goes on.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::de::{DeArray, DeInteger, DeValue};

use super::problem::{Wrong, did_you_mean};
use super::read::{Given, Placed, Reader, Section, found};

impl<'t> Section<'t> {
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
