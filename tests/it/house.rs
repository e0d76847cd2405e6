//! Reads the sources and holds who may import whom, and which words may stand where.

#![expect(clippy::string_slice, reason = "cut where a match was found")]

use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms of ours that it may import.
const IMPORTS: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("channels", &["channels", "domain"]),
    ("sandbox", &["sandbox", "domain"]),
    ("ledger", &["ledger", "domain", "planted"]),
    ("broker", &["broker", "domain"]),
    ("output", &["output", "domain"]),
    ("config", &["config", "channels", "domain"]),
    ("sales", &["sales", "domain"]),
    (
        "runtime",
        &[
            "runtime", "broker", "channels", "domain", "ledger", "planted",
        ],
    ),
    ("cli", &["cli", "config", "domain", "output"]),
    (
        "commands",
        &[
            "commands", "broker", "cli", "exit", "config", "channels", "domain", "ledger",
            "output", "runtime", "sales", "sandbox",
        ],
    ),
];

/// Room, and words that may not stand in its code.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "tokio",
            "reqwest",
            "std::fs",
            "std::net",
            "SystemTime",
            "Instant",
            "rand",
        ],
    ),
    ("channels", &["reqwest"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn room(name: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name);
    let found: Vec<_> = sources(&folder)
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    assert!(!found.is_empty(), "{name} has no sources");
    found
}

/// The lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn has_word(line: &str, word: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word).any(|(at, _)| {
        edge(line[..at].chars().next_back()) && edge(line[at + word.len()..].chars().next())
    })
}

#[test]
fn imports_never_turn_back() {
    for (name, allowed) in IMPORTS {
        for (path, text) in room(name) {
            for line in code(&text) {
                for (at, _) in line.match_indices("crate::") {
                    let rest = &line[at + "crate::".len()..];
                    let target: String = rest
                        .chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect();
                    assert!(
                        allowed.contains(&target.as_str()),
                        "{}: {name} may not import {target}: {line}",
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn forbidden_words_stay_out() {
    for (name, words) in FORBIDDEN {
        for (path, text) in room(name) {
            for line in code(&text) {
                for word in *words {
                    assert!(
                        !has_word(line, word),
                        "{}: `{word}` in {name}: {line}",
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn polars_stays_in_its_room() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&src) {
        if path.starts_with(src.join("sales")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in code(&text) {
            assert!(!has_word(line, "polars"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn only_output_prints_and_no_file_is_called_util() {
    let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for path in all {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let vague = [
            "util", "utils", "helper", "helpers", "common", "misc", "manager",
        ];
        assert!(
            !vague.contains(&stem.as_str()),
            "{} says nothing",
            path.display()
        );
        if path.components().any(|part| part.as_os_str() == "output") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let tests = path.components().any(|part| part.as_os_str() == "tests");
        let tests = tests || stem == "tests" || stem == "testing";
        let code_before_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code(code_before_tests) {
            assert!(
                tests || !line.contains("println!"),
                "{}: prints: {line}",
                path.display()
            );
        }
    }
}
