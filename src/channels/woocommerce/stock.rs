//! WooCommerce's products and variations read in pages: all of them, or some by their numbers.
//!
//! Variations are not in `GET /products`; `GET /variations` has all of them since 10.3, before that each parent is asked.
//! Source: connector notes, W3, seen on WooCommerce 11.0.1.

use super::super::{Cursor, Fault, Level, Listing, Page, Wire};
use super::WooCommerce;
use super::answers;
use super::auth::Call;
use super::product::{FIELDS, Product, Target};
use crate::domain::ids::ListingId;

/// Products or variations on one page; more are refused with 400.
const PER_PAGE: usize = 100;
/// Parents whose variations one page of the older way asks for: each costs a call of its own.
const PARENTS_PER_PAGE: usize = 10;
/// Pages of variations of one parent; WooCommerce's editor gives up far earlier.
const VARIATION_PAGES_MAX: u32 = 50;

/// Where a walk over everything goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Products(u32),
    Variations(u32),
    /// The way before 10.3: parents, and of each its variations.
    Parents(u32),
}

impl Place {
    fn read(cursor: Option<&Cursor>) -> Result<Self, Fault> {
        let Some(cursor) = cursor else {
            return Ok(Self::Products(1));
        };
        let place = cursor.0.split_once(':').and_then(|(list, page)| {
            let page = page.parse().ok().filter(|page| *page > 0)?;
            match list {
                "products" => Some(Self::Products(page)),
                "variations" => Some(Self::Variations(page)),
                "parents" => Some(Self::Parents(page)),
                _ => None,
            }
        });
        place.ok_or_else(|| {
            Fault::Rejected(format!("{:?} is not a place in the products", cursor.0))
        })
    }

    fn cursor(self) -> Cursor {
        Cursor(match self {
            Self::Products(page) => format!("products:{page}"),
            Self::Variations(page) => format!("variations:{page}"),
            Self::Parents(page) => format!("parents:{page}"),
        })
    }
}

/// One page of what the whole shop shows.
///
/// # Errors
/// As the wire.
pub(super) async fn levels(
    shop: &WooCommerce,
    wire: &dyn Wire,
    cursor: Option<&Cursor>,
) -> Result<Page<Level>, Fault> {
    let (products, next) = walk(shop, wire, cursor).await?;
    let items = products
        .iter()
        .filter(|product| !product.is_folder())
        .map(|product| product.level(None))
        .collect::<Result<_, _>>()?;
    Ok(Page {
        items,
        next,
        unreadable: Vec::new(),
    })
}

/// One page of what the shop sells.
///
/// # Errors
/// As the wire.
pub(super) async fn listings(
    shop: &WooCommerce,
    wire: &dyn Wire,
    cursor: Option<&Cursor>,
) -> Result<Page<Listing>, Fault> {
    let (products, next) = walk(shop, wire, cursor).await?;
    let items = products
        .iter()
        .filter(|product| !product.is_folder())
        .map(|product| product.offer(shop.opt_in_manage_stock))
        .collect::<Result<_, _>>()?;
    Ok(Page {
        items,
        next,
        unreadable: Vec::new(),
    })
}

/// What these listings show, each under the name that was asked for. What the shop does not have is not in the answer.
///
/// # Errors
/// As the wire.
pub(super) async fn these(
    shop: &WooCommerce,
    wire: &dyn Wire,
    asked: &[ListingId],
) -> Result<Page<Level>, Fault> {
    let mut products: Vec<u64> = Vec::new();
    let mut families: Vec<(u64, Vec<u64>)> = Vec::new();
    for target in asked.iter().filter_map(Target::read) {
        match shop.resolved(target) {
            Target::Bare(id) => products.push(id),
            Target::Variation { parent, id } => {
                match families.iter_mut().find(|family| family.0 == parent) {
                    Some(family) => family.1.push(id),
                    None => families.push((parent, vec![id])),
                }
            }
        }
    }
    let mut found: Vec<Product> = Vec::new();
    for some in products.chunks(PER_PAGE) {
        let query = listed(some, "status", "any");
        found.extend(products_of(shop, wire, "/products", query).await?);
    }
    // A bare number that is not a product may be a variation's, which this list never holds.
    for id in products {
        if !found.iter().any(|product| product.id.0 == id) {
            found.extend(one(shop, wire, id).await?);
        }
    }
    for (parent, ids) in families {
        for some in ids.chunks(PER_PAGE) {
            let path = format!("/products/{parent}/variations");
            let query = listed(some, "orderby", "id");
            match products_of(shop, wire, &path, query).await {
                Ok(some) => found.extend(some),
                Err(Fault::Gone(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
    }
    let mut items = Vec::new();
    for listing in asked {
        let Some(Target::Bare(id) | Target::Variation { id, .. }) = Target::read(listing) else {
            continue;
        };
        if let Some(product) = found.iter().find(|product| product.id.0 == id) {
            items.push(Level {
                listing: listing.clone(),
                shows: product.shows()?,
                at: None,
            });
        }
    }
    Ok(Page {
        items,
        next: None,
        unreadable: Vec::new(),
    })
}

/// One product or variation by its number; `None` if the shop does not have it.
///
/// # Errors
/// As the wire.
pub(super) async fn one(
    shop: &WooCommerce,
    wire: &dyn Wire,
    id: u64,
) -> Result<Option<Product>, Fault> {
    let path = format!("/products/{id}");
    let query = vec![("_fields", FIELDS.to_owned())];
    match shop
        .site
        .read(wire, &Call::get(&path, query, "levels"))
        .await
    {
        Ok((product, _)) => {
            let product: Product = product;
            if let Some(parent) = product.parent() {
                shop.remember(id, parent);
            }
            Ok(Some(product))
        }
        Err(Fault::Gone(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn walk(
    shop: &WooCommerce,
    wire: &dyn Wire,
    cursor: Option<&Cursor>,
) -> Result<(Vec<Product>, Option<Cursor>), Fault> {
    let place = Place::read(cursor)?;
    let (products, next) = match place {
        Place::Products(page) => {
            let call = Call::get("/products", paged(page, PER_PAGE), "walk");
            let (products, reply) = shop.site.read::<Vec<Product>>(wire, &call).await?;
            let more = answers::more(&reply.headers, page, products.len(), PER_PAGE);
            let next = if more {
                Place::Products(page.saturating_add(1))
            } else {
                Place::Variations(1)
            };
            (products, Some(next))
        }
        Place::Variations(page) => {
            let call = Call::get("/variations", paged(page, PER_PAGE), "walk");
            let reply = shop.site.send(wire, &call).await?;
            if page == 1 && answers::no_route(&reply) {
                return by_parent(shop, wire, 1).await;
            }
            let products: Vec<Product> = answers::read(&reply, false)?;
            let more = answers::more(&reply.headers, page, products.len(), PER_PAGE);
            (
                products,
                more.then(|| Place::Variations(page.saturating_add(1))),
            )
        }
        Place::Parents(page) => return by_parent(shop, wire, page).await,
    };
    Ok((products, next.map(Place::cursor)))
}

/// The variations of some parents: the way before 10.3, which had no list of all variations.
async fn by_parent(
    shop: &WooCommerce,
    wire: &dyn Wire,
    page: u32,
) -> Result<(Vec<Product>, Option<Cursor>), Fault> {
    let mut query = paged(page, PARENTS_PER_PAGE);
    query.push(("type", "variable".to_owned()));
    let call = Call::get("/products", query, "walk");
    let (parents, reply) = shop.site.read::<Vec<Product>>(wire, &call).await?;
    let mut found = Vec::new();
    for parent in &parents {
        let path = format!("/products/{}/variations", parent.id.0);
        for at in 1..=VARIATION_PAGES_MAX {
            let call = Call::get(&path, paged(at, PER_PAGE), "walk");
            let (mut some, reply) = shop.site.read::<Vec<Product>>(wire, &call).await?;
            let more = answers::more(&reply.headers, at, some.len(), PER_PAGE);
            for product in &mut some {
                product.parent_id = Some(parent.id);
            }
            found.append(&mut some);
            if !more {
                break;
            }
            if at == VARIATION_PAGES_MAX {
                return Err(Fault::Rejected(format!(
                    "product {} has more than {VARIATION_PAGES_MAX} pages of variations",
                    parent.id.0
                )));
            }
        }
    }
    let more = answers::more(&reply.headers, page, parents.len(), PARENTS_PER_PAGE);
    let next = more.then(|| Place::Parents(page.saturating_add(1)).cursor());
    Ok((found, next))
}

async fn products_of(
    shop: &WooCommerce,
    wire: &dyn Wire,
    path: &str,
    query: Vec<(&'static str, String)>,
) -> Result<Vec<Product>, Fault> {
    let call = Call::get(path, query, "levels");
    Ok(shop.site.read(wire, &call).await?.0)
}

fn paged(page: u32, per_page: usize) -> Vec<(&'static str, String)> {
    vec![
        ("per_page", per_page.to_string()),
        ("page", page.to_string()),
        ("orderby", "id".to_owned()),
        ("order", "asc".to_owned()),
        ("status", "any".to_owned()),
        ("_fields", FIELDS.to_owned()),
    ]
}

fn listed(ids: &[u64], name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    vec![
        ("include", ids.join(",")),
        ("per_page", PER_PAGE.to_string()),
        (name, value.to_owned()),
        ("_fields", FIELDS.to_owned()),
    ]
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::super::testing::{Script, page_of, reply, shop};
    use super::*;

    fn listing(text: &str) -> ListingId {
        ListingId::new(text).unwrap()
    }

    #[tokio::test]
    async fn a_walk_goes_over_products_then_variations() {
        let wire = Script::new(vec![
            (
                "GET",
                "/products?per_page=100&page=1&orderby=id&order=asc&status=any&_fields=id%2Csku",
                page_of(
                    "2",
                    r#"[{"id":10,"type":"simple","manage_stock":true,"stock_quantity":4,"sku":"A"}]"#,
                ),
            ),
            (
                "GET",
                "/products?per_page=100&page=2",
                page_of(
                    "2",
                    r#"[{"id":11,"type":"variable","manage_stock":false,"sku":"T"}]"#,
                ),
            ),
            (
                "GET",
                "/variations?per_page=100&page=1",
                page_of(
                    "1",
                    r#"[{"id":12,"parent_id":11,"manage_stock":true,"stock_quantity":5,"sku":"T-S"}]"#,
                ),
            ),
        ]);
        let (shop, mut cursor, mut seen) = (shop(), None, Vec::new());
        loop {
            let page = levels(&shop, &wire, cursor.as_ref()).await.unwrap();
            seen.extend(
                page.items
                    .iter()
                    .map(|level| (level.listing.to_string(), level.shows)),
            );
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(
            seen,
            [("10".into(), Some(4)), ("11/12".into(), Some(5))],
            "the folder 11 shows nothing"
        );
        wire.done();
    }

    #[tokio::test]
    async fn a_shop_without_the_list_of_variations_is_asked_parent_by_parent() {
        let wire = Script::new(vec![
            (
                "GET",
                "/variations?",
                reply(
                    404,
                    r#"{"code":"rest_no_route","message":"No route","data":{"status":404}}"#,
                ),
            ),
            (
                "GET",
                "/products?per_page=10&page=1",
                page_of(
                    "2",
                    r#"[{"id":11,"type":"variable","manage_stock":true,"stock_quantity":20}]"#,
                ),
            ),
            (
                "GET",
                "/products/11/variations?per_page=100&page=1",
                page_of(
                    "1",
                    r#"[{"id":13,"manage_stock":"parent","stock_quantity":20}]"#,
                ),
            ),
        ]);
        let at = Cursor("variations:1".into());
        let page = listings(&shop(), &wire, Some(&at)).await.unwrap();
        assert_eq!(page.items[0].listing.as_str(), "11/13");
        assert!(
            page.items[0]
                .not_publishable
                .as_ref()
                .unwrap()
                .contains("product 11")
        );
        assert_eq!(page.next, Some(Cursor("parents:2".into())));
        assert!(wire.done()[1].url.contains("type=variable"));
    }

    #[tokio::test]
    async fn a_bare_number_of_a_variation_is_looked_up_and_absent_is_not_zero() {
        let wire = Script::new(vec![
            (
                "GET",
                "/products?include=10%2C12%2C99&per_page=100&status=any",
                reply(
                    200,
                    r#"[{"id":10,"type":"simple","manage_stock":true,"stock_quantity":4}]"#,
                ),
            ),
            (
                "GET",
                "/products/12?_fields",
                reply(
                    200,
                    r#"{"id":12,"type":"variation","parent_id":11,"manage_stock":true,"stock_quantity":5}"#,
                ),
            ),
            (
                "GET",
                "/products/99?_fields",
                reply(
                    404,
                    r#"{"code":"woocommerce_rest_product_invalid_id","message":"Invalid ID."}"#,
                ),
            ),
            (
                "GET",
                "/products/11/variations?include=13&",
                reply(
                    200,
                    r#"[{"id":13,"manage_stock":"parent","stock_quantity":5}]"#,
                ),
            ),
            (
                "GET",
                "/products/77/variations?include=78&",
                reply(
                    404,
                    r#"{"code":"woocommerce_rest_product_invalid_id","message":"Invalid ID."}"#,
                ),
            ),
            (
                "GET",
                "/products/11/variations?include=12&",
                reply(200, r#"[{"id":12,"manage_stock":true,"stock_quantity":6}]"#),
            ),
        ]);
        let shop = shop();
        let asked = ["10", "12", "99", "11/13", "77/78", "MUG-1"].map(listing);
        let page = these(&shop, &wire, &asked).await.unwrap();
        let seen: Vec<_> = page
            .items
            .iter()
            .map(|level| (level.listing.as_str(), level.shows))
            .collect();
        assert_eq!(seen, [("10", Some(4)), ("12", Some(5)), ("11/13", None)]);
        let again = these(&shop, &wire, &[listing("12")]).await.unwrap();
        assert_eq!(again.items[0].shows, Some(6), "the parent is remembered");
        wire.done();
    }
}
