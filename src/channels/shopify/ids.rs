//! Shopify's ids: numbers that may be larger than 2^53, so they are `u64` and never a float.
//!
//! Webhooks carry the number, GraphQL a `gid://shopify/Kind/number` that may end in a query part (levels do).

use crate::channels::Fault;
use crate::domain::ids::{LineId, ListingId, OrderId};

/// In front of the number of a fulfilment order that stands in for its order.
const FULFILMENT: &str = "fulfilment:";

/// One item at one location: what one quantity belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// Inventory item id.
    pub(super) item: u64,
    /// Location id.
    pub(super) location: u64,
}

/// Digits only, in their shortest form: `+5`, `05` and `5.0` are not ids.
pub(super) fn number(text: &str) -> Option<u64> {
    let id: u64 = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}

/// The number in a gid of this kind.
pub(super) fn gid_number(kind: &str, gid: &str) -> Option<u64> {
    let rest = gid
        .strip_prefix("gid://shopify/")?
        .strip_prefix(kind)?
        .strip_prefix('/')?;
    number(rest.split('?').next().unwrap_or(rest))
}

/// The gid of a number.
pub(super) fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// A location as people write it into the configuration: the number or the whole gid.
pub(super) fn location(text: &str) -> Option<u64> {
    number(text).or_else(|| gid_number("Location", text))
}

/// Reads `item` or `item@location`.
pub(super) fn read_listing(listing: &ListingId) -> Option<(u64, Option<u64>)> {
    match listing.as_str().split_once('@') {
        None => Some((number(listing.as_str())?, None)),
        Some((item, place)) => Some((number(item)?, Some(number(place)?))),
    }
}

/// The listing of an item; with a location only where that is not the channel's own.
pub(super) fn listing(item: u64, place: u64, own: Option<u64>) -> Result<ListingId, Fault> {
    if own == Some(place) {
        item_listing(item)
    } else {
        named(ListingId::new(&format!("{item}@{place}")))
    }
}

/// The listing of an item at the channel's own location.
pub(super) fn item_listing(item: u64) -> Result<ListingId, Fault> {
    named(ListingId::new(&item.to_string()))
}

/// How order lines name what was sold: webhooks know only the variant.
pub(super) fn variant_alias(variant: u64) -> Result<ListingId, Fault> {
    named(ListingId::new(&format!("variant:{variant}")))
}

/// An order.
pub(super) fn order_id(order: u64) -> Result<OrderId, Fault> {
    named(OrderId::new(&order.to_string()))
}

/// An order by one of its fulfilment orders, where a message names only that: which order it is has to be asked.
pub(super) fn order_of(fulfilment: u64) -> Result<OrderId, Fault> {
    named(OrderId::new(&format!("{FULFILMENT}{fulfilment}")))
}

/// The fulfilment order in such a name.
pub(super) fn fulfilment(order: &OrderId) -> Option<u64> {
    number(order.as_str().strip_prefix(FULFILMENT)?)
}

/// A line of an order.
pub(super) fn line_id(line: u64) -> Result<LineId, Fault> {
    named(LineId::new(&line.to_string()))
}

fn named<T>(name: Result<T, crate::domain::ids::NameError>) -> Result<T, Fault> {
    name.map_err(|e| Fault::Unreadable(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_whole_numbers_beyond_what_a_float_holds() {
        let large = 9_007_199_254_740_993;
        assert_eq!(number("9007199254740993"), Some(large));
        assert_eq!(
            gid_number("Order", "gid://shopify/Order/9007199254740993"),
            Some(large)
        );
        assert_eq!(
            gid_number(
                "InventoryLevel",
                "gid://shopify/InventoryLevel/143273001266?inventory_item_id=534"
            ),
            Some(143_273_001_266)
        );
        for refused in ["", "+5", "05", "5.0", "5e3", "-5", "18446744073709551616"] {
            assert_eq!(number(refused), None, "{refused}");
        }
        assert_eq!(gid_number("Order", "gid://shopify/OrderLine/5"), None);
        assert_eq!(location("gid://shopify/Location/7"), Some(7));
        assert_eq!(location("7"), Some(7));
        assert_eq!(location("main"), None);
    }

    #[test]
    fn a_listing_names_its_location_only_where_it_has_one_of_its_own() {
        assert_eq!(listing(5, 7, Some(7)).unwrap().as_str(), "5");
        assert_eq!(listing(5, 8, Some(7)).unwrap().as_str(), "5@8");
        assert_eq!(listing(5, 8, None).unwrap().as_str(), "5@8");
        let read = |text: &str| read_listing(&ListingId::new(text).unwrap());
        assert_eq!(read("5"), Some((5, None)));
        assert_eq!(read("5@8"), Some((5, Some(8))));
        for refused in ["MUG-1", "variant:5", "5@", "@8", "5@8@9"] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
