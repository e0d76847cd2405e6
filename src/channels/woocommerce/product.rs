//! One product or variation: how a listing names it, what it shows, and whether its quantity can be set.
//!
//! A listing is `{product}` for what keeps a quantity by itself, and `{parent}/{variation}` for a variation. A variation
//! with `manage_stock: "parent"` draws on its parent's quantity: it is listed as not publishable, its parent as
//! publishable. Source: connector notes, W2 and W3, seen on WooCommerce 11.0.1.

use serde::Deserialize;
use serde_json::Value;

use super::super::{Fault, Level, Listing};
use super::answers::{self, Id, Manage, Round};
use crate::domain::clock::Timestamp;
use crate::domain::ids::ListingId;

/// The fields of [`Product`], for `_fields`.
pub(super) const FIELDS: &str =
    "id,sku,type,parent_id,manage_stock,stock_quantity,backorders,date_modified_gmt";

/// The id of a listing from the two numbers on an order line or a product; 0 means "none".
pub(super) fn listing_id(product: u64, variation: u64) -> Option<ListingId> {
    let text = match (product, variation) {
        (0, 0) => return None,
        (product, 0) => product.to_string(),
        // The parent was deleted: the bare number is the listing's alias.
        (0, variation) => variation.to_string(),
        (product, variation) => format!("{product}/{variation}"),
    };
    ListingId::new(&text).ok()
}

/// What a listing id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// A product; or a variation that somebody named by its bare number.
    Bare(u64),
    /// A variation.
    Variation {
        /// Its variable product.
        parent: u64,
        /// Its own number.
        id: u64,
    },
}

impl Target {
    /// `None` if the text is not one of ours.
    pub(super) fn read(listing: &ListingId) -> Option<Self> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|n| digits && *n > 0)
        };
        match listing.as_str().split_once('/') {
            None => number(listing.as_str()).map(Self::Bare),
            Some((parent, id)) => Some(Self::Variation {
                parent: number(parent)?,
                id: number(id)?,
            }),
        }
    }
}

/// The fields of a product or variation that we read.
#[derive(Debug, Deserialize)]
pub(super) struct Product {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) parent_id: Option<Id>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    pub(super) manage_stock: Manage,
    #[serde(default)]
    stock_quantity: Value,
    #[serde(default)]
    sku: Option<String>,
    #[serde(default)]
    backorders: Option<String>,
    #[serde(default)]
    date_modified_gmt: Option<String>,
}

impl Product {
    /// Its variable product, if it is a variation.
    pub(super) fn parent(&self) -> Option<u64> {
        let is_variation = self.kind.as_deref().is_none_or(|kind| kind == "variation");
        self.parent_id
            .map(|id| id.0)
            .filter(|id| is_variation && *id > 0)
    }

    fn listing(&self) -> Result<ListingId, Fault> {
        let id = match self.parent() {
            Some(parent) => listing_id(parent, self.id.0),
            None => listing_id(self.id.0, 0),
        };
        id.ok_or_else(|| Fault::Unreadable("a product without a number".into()))
    }

    /// A variable product without a quantity is a folder of variations and nothing that shows a quantity.
    pub(super) fn is_folder(&self) -> bool {
        self.kind.as_deref() == Some("variable") && self.manage_stock != Manage::Own
    }

    /// The quantity that it keeps itself.
    pub(super) fn shows(&self) -> Result<Option<i64>, Fault> {
        match self.manage_stock {
            Manage::Parent | Manage::No => Ok(None),
            Manage::Own if self.stock_quantity.is_null() => Ok(None),
            Manage::Own => answers::units(&self.stock_quantity, Round::Down)
                .map(Some)
                .ok_or_else(|| Fault::Unreadable(format!("the quantity of product {}", self.id.0))),
        }
    }

    /// When it was last changed.
    pub(super) fn modified(&self) -> Option<Timestamp> {
        Timestamp::parse_utc(self.date_modified_gmt.as_ref()?)
    }

    /// What it shows, under its own name.
    pub(super) fn level(&self, at: Option<Timestamp>) -> Result<Level, Fault> {
        Ok(Level {
            listing: self.listing()?,
            shows: self.shows()?,
            at,
        })
    }

    /// What the shop sells here. `opt_in`: publishing switches stock management on.
    pub(super) fn offer(&self, opt_in: bool) -> Result<Listing, Fault> {
        let kind = self.kind.as_deref().unwrap_or_default();
        let not_publishable = match self.manage_stock {
            Manage::Own => None,
            Manage::Parent => Some(format!(
                "draws on the quantity of product {}; map that listing to the shared goods",
                self.parent().unwrap_or_default()
            )),
            Manage::No if matches!(kind, "grouped" | "external") => {
                Some(format!("a {kind} product has no quantity of its own"))
            }
            Manage::No if opt_in => None,
            Manage::No => Some(
                "stock is not managed; switch on \"Track stock quantity\" in the shop, or set opt_in_manage_stock".into(),
            ),
        };
        let remark = match self.backorders.as_deref() {
            Some("yes" | "notify") => Some("sells below zero (backorders are allowed)"),
            _ if self.manage_stock == Manage::No && not_publishable.is_none() => {
                Some("the first publish switches its stock management on")
            }
            _ => None,
        };
        Ok(Listing {
            listing: self.listing()?,
            alias: match self.parent() {
                Some(_) => listing_id(self.id.0, 0),
                None => None,
            },
            location: None,
            sku: self.sku.clone().unwrap_or_default(),
            not_publishable,
            remark: remark.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listing(text: &str) -> ListingId {
        ListingId::new(text).unwrap()
    }

    #[test]
    fn a_listing_id_is_one_number_or_two() {
        for (text, expected) in [
            ("10", Some(Target::Bare(10))),
            ("11/12", Some(Target::Variation { parent: 11, id: 12 })),
            ("0", None),
            ("+1", None),
            ("11/", None),
            ("11/12/13", None),
            ("MUG-1", None),
            ("1 ", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(Target::read(&listing(text)), expected, "{text}");
        }
    }

    #[track_caller]
    fn check(
        product: Value,
        shows: Option<i64>,
        publishable: bool,
        name: &str,
        alias: Option<&str>,
    ) {
        let product: Product = serde_json::from_value(product).unwrap();
        let offer = product.offer(false).unwrap();
        assert_eq!(product.shows().unwrap(), shows);
        assert_eq!(offer.not_publishable.is_none(), publishable, "{offer:?}");
        assert_eq!(offer.listing.as_str(), name);
        assert_eq!(offer.alias, alias.map(listing));
    }

    #[test]
    fn only_what_keeps_its_own_quantity_shows_one_and_can_be_set() {
        check(
            json!({"id": 10, "type": "simple", "manage_stock": true, "stock_quantity": -3}),
            Some(-3),
            true,
            "10",
            None,
        );
        check(
            json!({"id": 10, "type": "simple", "manage_stock": true, "stock_quantity": 2.5}),
            Some(2),
            true,
            "10",
            None,
        );
        check(
            json!({"id": 17, "type": "simple", "manage_stock": false, "stock_quantity": null}),
            None,
            false,
            "17",
            None,
        );
        check(
            json!({"id": 18, "type": "external", "manage_stock": false}),
            None,
            false,
            "18",
            None,
        );
        check(
            json!({"id": 11, "type": "variable", "manage_stock": true, "stock_quantity": 20}),
            Some(20),
            true,
            "11",
            None,
        );
        check(
            json!({"id": 13, "type": "variation", "parent_id": 11, "manage_stock": "parent", "stock_quantity": 20}),
            None,
            false,
            "11/13",
            Some("13"),
        );
        check(
            json!({"id": 12, "parent_id": 11, "manage_stock": true, "stock_quantity": 5}),
            Some(5),
            true,
            "11/12",
            Some("12"),
        );
        // A simple product inside a grouped one has a parent too, in old versions.
        check(
            json!({"id": 9, "type": "simple", "parent_id": 4, "manage_stock": true, "stock_quantity": 5}),
            Some(5),
            true,
            "9",
            None,
        );
    }

    #[test]
    fn what_is_not_a_product_is_not_read_as_one() {
        for body in [
            json!({"id": 1}),
            json!({"id": 1, "manage_stock": 7}),
            json!({"id": null, "manage_stock": true}),
        ] {
            assert!(serde_json::from_value::<Product>(body).is_err());
        }
    }

    #[test]
    fn what_is_not_managed_can_be_set_by_who_opted_in_and_a_pool_still_not() {
        for (product, publishable) in [
            (
                json!({"id": 17, "type": "simple", "manage_stock": false}),
                true,
            ),
            (
                json!({"id": 18, "type": "grouped", "manage_stock": false}),
                false,
            ),
            (
                json!({"id": 13, "type": "variation", "parent_id": 11, "manage_stock": "parent"}),
                false,
            ),
        ] {
            let product: Product = serde_json::from_value(product).unwrap();
            let offer = product.offer(true).unwrap();
            assert_eq!(offer.not_publishable.is_none(), publishable);
            assert_eq!(offer.remark.is_some(), publishable, "{offer:?}");
        }
    }

    #[test]
    fn a_listing_that_sells_below_zero_says_so() {
        let product =
            json!({"id": 1, "type": "simple", "manage_stock": true, "backorders": "notify"});
        let product: Product = serde_json::from_value(product).unwrap();
        assert!(
            product
                .offer(false)
                .unwrap()
                .remark
                .unwrap()
                .contains("below zero")
        );
    }
}
