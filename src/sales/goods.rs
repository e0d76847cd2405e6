//! SKU texts of exports, understood once each: which SKU it is, or what is wrong with it. With a catalog, bundles and
//! multipacks become what they are made of, and damaged texts get a suggestion.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::cells::{self, Damage, SkuCell};
use super::harvest::{Map, Words};
use super::profile::SkuRule;

/// What the seller has: to explode bundles, and to know damage when it is seen.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Every SKU; none if it is not known.
    pub skus: BTreeSet<String>,
    /// What bundles and multipacks are made of: SKU and units.
    pub recipes: BTreeMap<String, Vec<(String, u32)>>,
}

impl Catalog {
    fn knows(&self, text: &str) -> bool {
        self.skus.contains(text) || self.recipes.contains_key(text)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.skus
            .iter()
            .chain(self.recipes.keys())
            .map(String::as_str)
    }

    /// SKUs that a damaged text may have been, nearest first.
    fn candidates(&self, text: &str, how: Damage) -> Vec<&str> {
        let mut found: Vec<&str> = match how {
            Damage::Exponent => {
                let Some(kept) = Exponent::of(text) else {
                    return Vec::new();
                };
                self.names().filter(|name| kept.may_be(name)).collect()
            }
            Damage::Date => {
                let Some(date) = day_and_month(text) else {
                    return Vec::new();
                };
                self.names()
                    .filter(|name| day_and_month(name) == Some(date))
                    .collect()
            }
            Damage::Undecodable | Damage::TooLong | Damage::Control => Vec::new(),
        };
        found.sort_by_key(|name| strsim::levenshtein(name, text));
        found
    }

    /// The SKUs that this number is without its zeros in front.
    fn with_zeros(&self, text: &str) -> Vec<&str> {
        let same = |name: &&str| name.len() > text.len() && name.trim_start_matches('0') == text;
        self.names().filter(same).collect()
    }
}

/// What spreadsheets keep of a long number.
struct Exponent {
    digits: String,
    length: usize,
}

impl Exponent {
    fn of(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let (kept, power) = upper.split_once("E+")?;
        let digits: String = kept.chars().filter(char::is_ascii_digit).collect();
        Some(Self {
            digits,
            length: power.parse::<usize>().ok()? + 1,
        })
    }

    /// The last kept digit may have been rounded up.
    fn may_be(&self, name: &str) -> bool {
        let bare = name.trim_start_matches('0');
        let n_exact = self.digits.len().saturating_sub(1);
        bare.len() == self.length
            && bare.bytes().all(|byte| byte.is_ascii_digit())
            && bare.as_bytes().get(..n_exact) == self.digits.as_bytes().get(..n_exact)
    }
}

/// Two numbers of a date, the smaller first; a month counts as its number.
fn day_and_month(text: &str) -> Option<(u32, u32)> {
    const MONTHS: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let upper = text.to_uppercase();
    let mut parts: Vec<String> = Vec::new();
    let mut kind = None;
    for c in upper.chars() {
        let now = (c.is_alphabetic(), c.is_ascii_digit());
        if now == (false, false) {
            kind = None;
            continue;
        }
        if kind != Some(now) {
            parts.push(String::new());
            kind = Some(now);
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let value = |part: &String| -> Option<u32> {
        let month = MONTHS.iter().position(|month| part == month);
        month.map_or_else(|| part.parse().ok(), |idx| u32::try_from(idx + 1).ok())
    };
    let (a, b) = match parts.as_slice() {
        [a, b] | [a, b, _] => (value(a)?, value(b)?),
        _ => return None,
    };
    ((1..=31).contains(&a) && (1..=31).contains(&b)).then_some((a.min(b), a.max(b)))
}

/// What a text of an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goods {
    /// Nothing.
    Empty,
    /// One SKU, by number.
    One(u32),
    /// A bundle: SKUs by number, and units of each.
    Bundle {
        /// Its own number.
        name: u32,
        /// What is in it.
        parts: Vec<(u32, u32)>,
    },
    /// It cannot be used.
    Damaged {
        /// As it stands there.
        text: String,
        /// Why, and what it may have been.
        says: String,
    },
}

/// Longest text that is kept beside its place.
const SHORT_BYTES: usize = 23;

/// A short text with its length, in three words: comparing it touches no other memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short([u64; 3]);

impl Short {
    #[inline]
    fn of(text: &[u8]) -> Option<Self> {
        if text.len() > SHORT_BYTES {
            return None;
        }
        let mut bytes = [0_u8; SHORT_BYTES + 1];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        *bytes.last_mut()? = u8::try_from(text.len()).ok()?;
        let mut words = [0_u64; 3];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Some(Self(words))
    }

    #[inline]
    fn hash(&self) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        for word in self.0 {
            hasher.write_u64(word);
        }
        hasher.finish()
    }
}

/// Where a text is on the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is this SKU.
    One(u32),
    /// It is something else, at this place.
    Other(u32),
}

/// Texts that were understood before.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    short: HashTable<(Short, Place)>,
    long: Map<Box<[u8]>, Place>,
    others: Vec<Goods>,
    /// Short texts that are looked up together, with their hashes.
    asked: Vec<Option<(Short, u64)>>,
}

impl Shelf {
    /// The places of texts that were understood before, in `places`. They are looked up together, so that the memory is
    /// waited for once and not by each.
    pub(super) fn places<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t [u8]>,
        places: &mut Vec<Option<Place>>,
    ) {
        let short = texts.map(|text| Short::of(text).map(|short| (short, short.hash())));
        self.asked.clear();
        self.asked.extend(short);
        places.clear();
        places.extend(self.asked.iter().map(|asked| {
            let (short, hash) = asked.as_ref()?;
            self.found(short, *hash)
        }));
    }

    #[inline]
    fn found(&self, short: &Short, hash: u64) -> Option<Place> {
        let found = self.short.find(hash, |(known, _)| known == short);
        found.map(|(_, place)| *place)
    }

    /// The place of a text.
    pub(super) fn place(
        &mut self,
        raw: &[u8],
        rule: &SkuRule,
        catalog: &Catalog,
        skus: &mut Words,
    ) -> Place {
        let short = Short::of(raw);
        let known = match &short {
            Some(short) => self.found(short, short.hash()),
            None => self.long.get(raw).copied(),
        };
        if let Some(known) = known {
            return known;
        }
        let place = match understood(raw, rule, catalog, skus) {
            Goods::One(sku) => Place::One(sku),
            other => {
                self.others.push(other);
                Place::Other(u32::try_from(self.others.len() - 1).unwrap_or(u32::MAX))
            }
        };
        match short {
            Some(short) => {
                let hash = |(known, _): &(Short, Place)| known.hash();
                self.short.insert_unique(short.hash(), (short, place), hash);
            }
            None => {
                self.long.insert(Box::from(raw), place);
            }
        }
        place
    }

    /// What stands at a place that is not one SKU.
    pub(super) fn other(&self, place: u32) -> &Goods {
        self.others.get(place as usize).unwrap_or(&Goods::Empty)
    }
}

fn understood(raw: &[u8], rule: &SkuRule, catalog: &Catalog, skus: &mut Words) -> Goods {
    let text = match cells::sku(raw, rule) {
        SkuCell::Empty => return Goods::Empty,
        SkuCell::Damaged { text, how }
            if catalog.knows(&text) && matches!(how, Damage::Exponent | Damage::Date) =>
        {
            text
        }
        SkuCell::Damaged { text, how } => {
            let says = suggestion(how.says(), &text, &catalog.candidates(&text, how));
            return Goods::Damaged { text, says };
        }
        SkuCell::Sku(text) => text,
    };
    if !catalog.knows(&text) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let known = catalog.with_zeros(&text);
        if !known.is_empty() {
            let says = suggestion(
                "looks like a SKU that lost its zeros in front",
                &text,
                &known,
            );
            return Goods::Damaged { text, says };
        }
    }
    let name = skus.number(&text);
    match catalog.recipes.get(&text) {
        None => Goods::One(name),
        Some(recipe) => Goods::Bundle {
            name,
            parts: recipe
                .iter()
                .map(|(sku, units)| (skus.number(sku), *units))
                .collect(),
        },
    }
}

fn suggestion(says: &str, text: &str, candidates: &[&str]) -> String {
    match candidates {
        [] => {
            format!("{says}: {text}; hint: export again, and do not open the file in a spreadsheet")
        }
        some => {
            let some: Vec<_> = some.iter().take(3).copied().collect();
            format!("{says}: {text}; hint: it may be {}", some.join(" or "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let skus = [
            "1914310000010100016",
            "3-10",
            "MAR1",
            "00123",
            "123456 Oaktree",
            "10-Apr",
        ];
        Catalog {
            skus: skus.iter().map(ToString::to_string).collect(),
            recipes: BTreeMap::from([(
                "SET".to_owned(),
                vec![("3-10".to_owned(), 2), ("MAR1".to_owned(), 1)],
            )]),
        }
    }

    fn found(raw: &str) -> (Goods, Words) {
        let mut words = Words::default();
        let goods = understood(raw.as_bytes(), &SkuRule::default(), &catalog(), &mut words);
        (goods, words)
    }

    #[test]
    fn damage_is_quarantined_with_what_it_may_have_been() {
        for (raw, says) in [
            (
                "1.9143100000101E+18",
                "lossy number format: 1.9143100000101E+18; hint: it may be 1914310000010100016",
            ),
            ("10-Mar", "it may be 3-10"),
            ("1-Mar", "it may be MAR1"),
            ("123", "lost its zeros in front: 123; hint: it may be 00123"),
            ("9-Sep", "do not open the file in a spreadsheet"),
        ] {
            match found(raw).0 {
                Goods::Damaged { says: found, .. } => {
                    let plain = found.replace(": a spreadsheet cut off digits of this SKU", "");
                    assert!(plain.contains(says), "{raw}: {found}");
                }
                other => panic!("{raw}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_the_catalog_knows_is_not_damaged() {
        for raw in [
            "10-Apr",
            "00123",
            "123456 Oaktree",
            "123456  Oaktree",
            "NEW-1",
            "870",
        ] {
            assert!(matches!(found(raw).0, Goods::One(_)), "{raw}");
        }
    }

    #[test]
    fn texts_of_any_length_are_told_apart() {
        let (mut shelf, mut words) = (Shelf::default(), Words::default());
        let texts = [
            "A",
            "A\0",
            "B",
            "12345678901234567890123",
            "123456789012345678901234",
            "1234567890123456789012345",
        ];
        for _ in 0..2 {
            for text in texts {
                let place = shelf.place(
                    text.as_bytes(),
                    &SkuRule::default(),
                    &Catalog::default(),
                    &mut words,
                );
                let Place::One(sku) = place else {
                    panic!("{place:?}");
                };
                assert_eq!(words.word(sku), text.trim_end_matches('\0'));
                let mut together = Vec::new();
                shelf.places([text.as_bytes()].into_iter(), &mut together);
                let short = (text.len() <= SHORT_BYTES).then_some(place);
                assert_eq!(together, [short]);
            }
        }
        assert_eq!(shelf.short.len() + shelf.long.len(), texts.len());
    }

    #[test]
    fn a_bundle_is_what_is_in_it() {
        let (goods, words) = found("SET");
        let Goods::Bundle { name, parts } = goods else {
            panic!("{goods:?}");
        };
        assert_eq!(words.word(name), "SET");
        let parts: Vec<_> = parts
            .iter()
            .map(|(sku, units)| (words.word(*sku), *units))
            .collect();
        assert_eq!(parts, [("3-10", 2), ("MAR1", 1)]);
    }
}
