//! Which channel item is which SKU.
//!
//! A listing says how many units of a SKU one of its own units is (a 6-pack: 6). Orders name it by its id or an alias;
//! where no mapping is known, a SKU text that equals one of ours is that SKU (rule R33: byte for byte, with blanks at the
//! ends left out of the comparison, and case only where the channel says so, rule R35).

use serde::{Deserialize, Serialize};

use super::ids::{ListingId, LocationId, Sku};

/// Who holds the goods of a listing, which decides whether a quantity may ever be sent to it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Fulfilment {
    /// We ship: the listing follows our stock.
    #[default]
    Merchant,
    /// The marketplace holds the goods (FBA, WFS): read only for us (rule R40).
    Channel,
}

/// What a listing shows of our stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The goods.
    pub sku: Sku,
    /// Units of the SKU in one unit of the listing, 1 or more.
    pub factor: u32,
    /// A location of its own; else the channel's.
    pub location: Option<LocationId>,
    /// Who ships.
    pub fulfilment: Fulfilment,
}

/// How a channel's SKU texts are compared with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Folding {
    /// Upper and lower case are the same (WooCommerce compares so).
    pub case: bool,
}

impl Folding {
    /// The text by which two SKUs are compared: without blanks at the ends, and in lower case if so told.
    pub fn key(self, text: &str) -> String {
        let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if self.case {
            trimmed.to_lowercase()
        } else {
            trimmed.to_owned()
        }
    }
}

/// The first name under which an order line can be found: its listing, and beside it its SKU text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sold {
    /// The listing id or alias on the line.
    pub listing: Option<ListingId>,
    /// The SKU text on the line.
    pub sku: String,
}

/// Two SKUs of ours that a folding makes one: matching by it would guess.
///
/// `ours` in any order; returns the first pair found, in the order of SKUs.
pub fn collision<'a>(
    folding: Folding,
    ours: impl IntoIterator<Item = &'a Sku>,
) -> Option<(&'a Sku, &'a Sku)> {
    let mut seen = std::collections::BTreeMap::new();
    let mut sorted: Vec<_> = ours.into_iter().collect();
    sorted.sort();
    sorted.into_iter().find_map(|sku| {
        seen.insert(folding.key(sku.as_str()), sku)
            .map(|first| (first, sku))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_at_the_ends_do_not_make_a_twin() {
        let exact = Folding::default();
        for text in ["SKU123", "SKU123 ", "\u{a0}SKU123", "SKU123\u{feff}"] {
            assert_eq!(exact.key(text), "SKU123");
        }
        assert_ne!(exact.key("123456 Oaktree"), exact.key("123456  Oaktree"));
        assert_ne!(exact.key("mug-1"), exact.key("MUG-1"));
        assert_eq!(
            Folding { case: true }.key("mug-1"),
            Folding { case: true }.key("MUG-1 ")
        );
        assert_ne!(exact.key("0870"), exact.key("870"));
    }

    #[test]
    fn skus_that_fold_into_one_are_found() {
        let ours = [
            Sku::new("mug-1").unwrap(),
            Sku::new("MUG-1").unwrap(),
            Sku::new("cup").unwrap(),
        ];
        assert_eq!(collision(Folding::default(), &ours), None);
        assert!(collision(Folding { case: true }, &ours).is_some());
    }
}
