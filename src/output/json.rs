//! JSON documents: `schema` first, the rest in the order of the struct, so that two runs can be compared.

use std::fmt::Write as _;

use serde::Serialize;

use super::OutputError;
use super::terminal::is_unsafe;

#[derive(Serialize)]
struct Document<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// One document with a line end. What acts on a terminal is written as an escape, which reads back as the same text.
///
/// # Errors
/// [`OutputError::Json`] if `body` is no struct or map, or holds a map whose keys are no texts.
pub fn document<T: Serialize>(schema: &str, body: &T, pretty: bool) -> Result<String, OutputError> {
    let document = Document { schema, body };
    let text = if pretty {
        serde_json::to_string_pretty(&document)
    } else {
        serde_json::to_string(&document)
    };
    let mut text = text.map_err(|source| OutputError::Json {
        schema: schema.to_owned(),
        source,
    })?;
    // Outside strings the only such character is the line break of the pretty form.
    let acts = |c: char| c != '\n' && is_unsafe(c);
    if text.contains(acts) {
        text = escaped(&text, acts);
    }
    text.push('\n');
    Ok(text)
}

fn escaped(text: &str, acts: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            write!(safe, "\\u{:04x}", u32::from(c)).expect("a text takes everything");
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Status {
        zeta: u32,
        alpha: Vec<&'static str>,
    }

    #[test]
    fn the_schema_stands_first_and_order_is_kept() {
        let body = Status {
            zeta: 1,
            alpha: vec!["x"],
        };
        let line = document("onhand.status/1", &body, false).unwrap();
        assert_eq!(
            line,
            "{\"schema\":\"onhand.status/1\",\"zeta\":1,\"alpha\":[\"x\"]}\n"
        );
        let pretty = document("onhand.status/1", &body, true).unwrap();
        assert!(pretty.starts_with("{\n  \"schema\": \"onhand.status/1\",\n  \"zeta\": 1,\n"));
    }

    #[test]
    fn a_name_cannot_act_and_reads_back_the_same() {
        let name = "a\u{202e}b\u{1b}\u{9b}\nö\u{feff}";
        let body = BTreeMap::from([(name, name)]);
        let text = document("onhand.x/1", &body, true).unwrap();
        assert!(!text.contains(|c| c != '\n' && is_unsafe(c)), "{text:?}");
        let back: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back[name], name);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(document("x", &[1, 2], false).is_err());
        assert!(document("x", &"text", false).is_err());
        assert!(document("x", &3, true).is_err());
        assert!(document("x", &BTreeMap::from([((1, 2), 3)]), false).is_err());
    }
}
