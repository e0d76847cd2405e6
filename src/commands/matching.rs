//! Which SKU of ours a channel's SKU text is: byte for byte, else without blanks at the ends, else as the channel folds.
//! What could be several is not guessed. The books find order lines by the same rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::catalog::Folding;
use crate::domain::ids::Sku;

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match<'s> {
    /// Nothing of ours.
    None,
    /// This.
    One(&'s Sku),
    /// One of these; nobody can say which.
    Several(Vec<&'s Sku>),
}

/// Our SKUs, to be looked up as a channel compares.
#[derive(Debug)]
pub(super) struct Ours<'s> {
    skus: &'s BTreeSet<Sku>,
    folding: Folding,
    by_key: BTreeMap<String, Vec<&'s Sku>>,
}

impl<'s> Ours<'s> {
    /// For a channel that folds like this.
    pub(super) fn new(skus: &'s BTreeSet<Sku>, folding: Folding) -> Self {
        let mut by_key: BTreeMap<String, Vec<&Sku>> = BTreeMap::new();
        for sku in skus {
            by_key
                .entry(folding.key(sku.as_str()))
                .or_default()
                .push(sku);
        }
        Self {
            skus,
            folding,
            by_key,
        }
    }

    /// Looks a text up.
    pub(super) fn find(&self, text: &str) -> Match<'s> {
        if let Some(same) = self.skus.get(text) {
            return Match::One(same);
        }
        let exact = Folding::default();
        let candidates = self.by_key.get(&self.folding.key(text));
        let mut found = candidates.cloned().unwrap_or_default();
        let trimmed: Vec<_> = found
            .iter()
            .copied()
            .filter(|sku| exact.key(sku.as_str()) == exact.key(text))
            .collect();
        if let [only] = trimmed.as_slice() {
            return Match::One(only);
        }
        match found.len() {
            0 => Match::None,
            1 => Match::One(found.remove(0)),
            _ => Match::Several(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ours: &[&str], case: bool, text: &str, expected: &[&str]) {
        let skus = ours.iter().map(|text| Sku::new(text).unwrap()).collect();
        let found = match Ours::new(&skus, Folding { case }).find(text) {
            Match::None => Vec::new(),
            Match::One(sku) => vec![sku.as_str().to_owned()],
            Match::Several(several) => several.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_nearest_spelling_wins_and_nothing_is_guessed() {
        check(&["mug", "MUG"], true, "mug", &["mug"]);
        check(&["mug", "MUG"], true, "Mug", &["MUG", "mug"]);
        check(&["mug", "MUG"], true, "mug ", &["mug"]);
        check(&["mug"], true, "MUG", &["mug"]);
        check(&["mug"], false, "MUG", &[]);
        check(&["0870"], true, "870", &[]);
        check(&[" mug", "mug "], false, "mug", &[" mug", "mug "]);
        check(&["mug"], false, "", &[]);
    }
}
