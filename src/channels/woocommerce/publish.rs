//! Setting quantities: one batch per call, one parent per batch of variations, and no answer believed unread.
//!
//! WooCommerce answers 200 whatever becomes of the items, silently ignores quantities of products that are not managed,
//! and takes anything that is not a number for 0 in a batch. So only whole numbers are sent, and each echoed item is
//! compared with what was sent (rules R55, R56). Source: connector notes, W2, and recorded batches of WooCommerce 11.0.1.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Fault, Update, Verdict, Wire};
use super::WooCommerce;
use super::answers::{self, ErrorBody, Id, Manage, Round};
use super::auth::Call;
use super::product::Target;
use super::stock::one;

/// Fewest items that a slow shop is sent in one call: ten took 1.5 s on a quiet server.
const BATCH_MIN: usize = 5;
/// How many more are tried after a full batch was answered.
const BATCH_STEP: usize = 5;

/// One quantity to send, and the updates that it answers.
#[derive(Debug, Clone)]
struct Item {
    id: u64,
    quantity: u32,
    slots: Vec<usize>,
}

/// What one item came to.
enum Outcome {
    Done(Result<Verdict, Fault>),
    /// It was named by its bare number and is a variation.
    IsVariation,
}

/// Items by the call that they belong to: products (`None`), or the variations of one parent.
type Groups = BTreeMap<Option<u64>, Vec<Item>>;
type Results = Vec<Option<Result<Verdict, Fault>>>;

/// Sets quantities; one result per update, in their order.
pub(super) async fn publish(
    shop: &WooCommerce,
    wire: &dyn Wire,
    updates: &[Update],
) -> Vec<Result<Verdict, Fault>> {
    let mut results: Results = vec![None; updates.len()];
    let groups = plan(shop, updates, &mut results);
    let mut variations: Vec<Item> = Vec::new();
    let mut closed = None;
    for (parent, items) in groups {
        for (item, outcome) in send(shop, wire, parent, items, &mut closed).await {
            match outcome {
                Outcome::Done(result) => settle(&mut results, &item, &result),
                Outcome::IsVariation => variations.push(item),
            }
        }
    }
    let mut groups = Groups::new();
    for item in variations {
        match parent_of(shop, wire, item.id).await {
            Ok(parent) => groups.entry(Some(parent)).or_default().push(item),
            Err(result) => settle(&mut results, &item, &result),
        }
    }
    for (parent, items) in groups {
        for (item, outcome) in send(shop, wire, parent, items, &mut closed).await {
            let result = match outcome {
                Outcome::Done(result) => result,
                Outcome::IsVariation => Ok(Verdict::Refused(
                    "the shop calls it a variation and a product at once".into(),
                )),
            };
            settle(&mut results, &item, &result);
        }
    }
    results
        .into_iter()
        .map(|result| {
            result.unwrap_or_else(|| Err(Fault::Unknown("the update was not answered".into())))
        })
        .collect()
}

fn settle(results: &mut Results, item: &Item, result: &Result<Verdict, Fault>) {
    for slot in &item.slots {
        if let Some(place) = results.get_mut(*slot) {
            *place = Some(result.clone());
        }
    }
}

/// Sorts updates into calls. Of several for one thing only the newest is sent, and its verdict answers them all (R36).
fn plan(shop: &WooCommerce, updates: &[Update], results: &mut Results) -> Groups {
    for update in updates {
        if let Some(Target::Variation { parent, id }) = Target::read(&update.listing) {
            shop.remember(id, parent);
        }
    }
    let mut groups = Groups::new();
    for (slot, update) in updates.iter().enumerate() {
        let (parent, id) = match Target::read(&update.listing).map(|target| shop.resolved(target)) {
            Some(Target::Bare(id)) => (None, id),
            Some(Target::Variation { parent, id }) => (Some(parent), id),
            None => {
                if let Some(place) = results.get_mut(slot) {
                    *place = Some(Ok(Verdict::Refused(format!(
                        "{:?} is not a WooCommerce listing; hint: name it by its number, or parent/variation",
                        update.listing.as_str()
                    ))));
                }
                continue;
            }
        };
        let items = groups.entry(parent).or_default();
        let quantity = update.quantity.units();
        match items.iter_mut().find(|item| item.id == id) {
            Some(item) => {
                item.quantity = quantity;
                item.slots.push(slot);
            }
            None => items.push(Item {
                id,
                quantity,
                slots: vec![slot],
            }),
        }
    }
    groups
}

/// Who a variation belongs to.
async fn parent_of(
    shop: &WooCommerce,
    wire: &dyn Wire,
    id: u64,
) -> Result<u64, Result<Verdict, Fault>> {
    match one(shop, wire, id).await {
        Ok(Some(product)) => product.parent().ok_or_else(|| {
            Ok(Verdict::Refused(
                "the shop calls it a variation but names no parent".into(),
            ))
        }),
        Ok(None) => Err(Ok(Verdict::Refused("the shop does not have it".into()))),
        // Nothing was sent for this item: whatever went wrong, it did not happen.
        Err(Fault::Unknown(what)) => Err(Err(Fault::Transient(what))),
        Err(fault) => Err(Err(fault)),
    }
}

/// Sends one group in batches; a batch that is too large for the site (413) goes again in halves. Once the shop asked to
/// slow down or took the credentials for wrong, it is `closed` for all that follow.
async fn send(
    shop: &WooCommerce,
    wire: &dyn Wire,
    parent: Option<u64>,
    items: Vec<Item>,
    closed: &mut Option<Fault>,
) -> Vec<(Item, Outcome)> {
    let path = match parent {
        None => "/products/batch".to_owned(),
        Some(parent) => format!("/products/{parent}/variations/batch"),
    };
    let batch_max = shop.batch.load(Ordering::Relaxed).max(1);
    let mut waiting: Vec<Vec<Item>> = items.chunks(batch_max).rev().map(<[_]>::to_vec).collect();
    let mut outcomes = Vec::with_capacity(items.len());
    let all = |batch: Vec<Item>, result: Result<Verdict, Fault>| {
        let done = move |item| (item, Outcome::Done(result.clone()));
        batch.into_iter().map(done)
    };
    while let Some(mut batch) = waiting.pop() {
        if let Some(fault) = &closed {
            outcomes.extend(all(batch, Err(fault.clone())));
            continue;
        }
        let body = json!({ "update": batch.iter().map(|item| {
            if shop.opt_in_manage_stock {
                json!({"id": item.id, "stock_quantity": item.quantity, "manage_stock": true})
            } else {
                json!({"id": item.id, "stock_quantity": item.quantity})
            }
        }).collect::<Vec<_>>() });
        let reply = shop
            .site
            .send(wire, &Call::post(&path, body, "publish"))
            .await;
        let echo = match reply {
            Ok(reply) if reply.status == 413 && batch.len() > 1 => {
                let half = batch.split_off(batch.len().div_ceil(2));
                waiting.push(half);
                waiting.push(batch);
                continue;
            }
            Ok(reply) => answers::read::<Echo>(&reply, true),
            Err(fault) => Err(fault),
        };
        adapt(shop, batch.len(), &echo);
        match echo {
            Ok(echo) => outcomes.extend(compare(batch, &echo)),
            // The parent itself is gone, and every variation with it.
            Err(Fault::Gone(what)) => outcomes.extend(all(batch, Ok(Verdict::Refused(what)))),
            Err(fault) => {
                if matches!(fault, Fault::Throttled { .. } | Fault::Unauthorized(_)) {
                    *closed = Some(fault.clone());
                }
                outcomes.extend(all(batch, Err(fault)));
            }
        }
    }
    outcomes
}

/// A shop whose answer was lost is most likely too slow for so many items: hosts cut at 30 s, the work behind goes on.
/// Half as many are sent the next time, and slowly more again when full batches are answered.
fn adapt<T>(shop: &WooCommerce, sent: usize, echo: &Result<T, Fault>) {
    let limit = shop.batch.load(Ordering::Relaxed);
    let next = match echo {
        Ok(_) if sent >= limit => limit.saturating_add(BATCH_STEP),
        Err(Fault::Unknown(_)) => sent.min(limit).div_ceil(2).max(BATCH_MIN),
        Ok(_) | Err(_) => return,
    };
    shop.batch
        .store(next.min(shop.profile.batch_max), Ordering::Relaxed);
}

/// A batch's answer: items in the order of the request, each a product or an error.
#[derive(Deserialize)]
struct Echo {
    update: Vec<Value>,
}

#[derive(Deserialize)]
struct EchoedItem {
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    manage_stock: Option<Manage>,
    #[serde(default)]
    stock_quantity: Value,
    #[serde(default)]
    error: Option<ErrorBody>,
}

fn compare(batch: Vec<Item>, echo: &Echo) -> Vec<(Item, Outcome)> {
    let echoed: Vec<Option<EchoedItem>> = echo
        .update
        .iter()
        .map(|value| EchoedItem::deserialize(value).ok())
        .collect();
    let ids: BTreeSet<u64> = batch.iter().map(|item| item.id).collect();
    let named = |item: Option<&EchoedItem>| item.and_then(|item| item.id).map(|id| id.0);
    batch
        .into_iter()
        .enumerate()
        .map(|(n, item)| {
            // By number; by place only if the answer at that place names nothing that we asked for.
            let by_id = echoed
                .iter()
                .flatten()
                .find(|echo| named(Some(echo)) == Some(item.id));
            let by_place = echoed.get(n).and_then(Option::as_ref).filter(|echo| {
                echo.error.is_some() && named(Some(echo)).is_none_or(|id| !ids.contains(&id))
            });
            let outcome = match by_id.or(by_place) {
                Some(echo) => judged(&item, echo),
                None => Outcome::Done(Err(Fault::Unknown(format!(
                    "the answer says nothing about {}",
                    item.id
                )))),
            };
            (item, outcome)
        })
        .collect()
}

fn judged(item: &Item, echo: &EchoedItem) -> Outcome {
    if let Some(error) = &echo.error {
        if error.code == "woocommerce_rest_invalid_product_id" {
            return Outcome::IsVariation;
        }
        return Outcome::Done(if error.status() >= 500 {
            Err(Fault::Unknown(error.says()))
        } else {
            Ok(Verdict::Refused(format!(
                "{}{}",
                error.says(),
                error.hint()
            )))
        });
    }
    Outcome::Done(match echo.manage_stock {
        Some(Manage::Own) => {
            let shows = answers::units(&echo.stock_quantity, Round::Down);
            if shows == Some(i64::from(item.quantity)) {
                Ok(Verdict::Applied)
            } else {
                Err(Fault::Unknown(format!(
                    "{} was sent and {} came back",
                    item.quantity, echo.stock_quantity
                )))
            }
        }
        Some(Manage::Parent) => Ok(Verdict::Refused(
            "the parent product holds the quantity of this variation; hint: map the parent's listing".into(),
        )),
        Some(Manage::No) => Ok(Verdict::Refused(
            "not managed: the shop ignores the quantity; hint: switch on \"Track stock quantity\", or set opt_in_manage_stock".into(),
        )),
        None => Err(Fault::Unknown(
            "the answer does not say who manages the quantity".into(),
        )),
    })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::super::testing::{Script, recorded, reply, settings, shop};
    use super::*;
    use crate::domain::ids::ListingId;
    use crate::domain::quantity::Quantity;

    fn updates(wanted: &[(&str, i64)]) -> Vec<Update> {
        wanted
            .iter()
            .map(|(listing, units)| Update {
                listing: ListingId::new(listing).unwrap(),
                quantity: Quantity::new(*units).unwrap(),
                compare: None,
                key: "k".into(),
            })
            .collect()
    }

    fn brief(results: &[Result<Verdict, Fault>]) -> Vec<&'static str> {
        results
            .iter()
            .map(|result| match result {
                Ok(Verdict::Applied) => "applied",
                Ok(Verdict::Refused(_)) => "refused",
                Ok(Verdict::Accepted | Verdict::Pending { .. } | Verdict::Stale { .. }) => "other",
                Err(Fault::Unknown(_)) => "unknown",
                Err(Fault::Transient(_)) => "transient",
                Err(_) => "fault",
            })
            .collect()
    }

    fn echo(items: &[(u64, i64)]) -> Result<super::super::super::Reply, Fault> {
        let items: Vec<_> = items
            .iter()
            .map(|(id, units)| json!({"id": id, "manage_stock": true, "stock_quantity": units}))
            .collect();
        reply(200, &json!({ "update": items }).to_string())
    }

    async fn check(
        script: Vec<super::super::testing::Step>,
        wanted: &[(&str, i64)],
        expected: &[&str],
    ) -> Vec<String> {
        let wire = Script::new(script);
        let results = publish(&shop(), &wire, &updates(wanted)).await;
        assert_eq!(brief(&results), expected, "{results:?}");
        wire.done()
            .iter()
            .map(|request| String::from_utf8(request.body.to_vec()).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn a_recorded_batch_gives_a_verdict_per_item_and_finds_the_variation() {
        let (Some(products), Some(variation)) = (
            recorded("products-batch-partial-failure"),
            recorded("variation-get"),
        ) else {
            return;
        };
        let sent = check(
            vec![
                ("POST", "/products/batch", Ok(products)),
                ("GET", "/products/12?_fields=", Ok(variation)),
                ("POST", "/products/11/variations/batch", echo(&[(12, 6)])),
            ],
            &[("10", 42), ("999999", 5), ("12", 6)],
            &["applied", "refused", "applied"],
        )
        .await;
        assert_eq!(
            sent[0],
            r#"{"update":[{"id":10,"stock_quantity":42},{"id":999999,"stock_quantity":5},{"id":12,"stock_quantity":6}]}"#
        );
    }

    #[tokio::test]
    async fn a_recorded_batch_of_variations_is_compared_with_what_was_sent() {
        let Some(batch) = recorded("variations-batch-partial-failure") else {
            return;
        };
        check(
            vec![("POST", "/products/11/variations/batch", Ok(batch))],
            &[("11/12", 12), ("11/13", 2), ("11/999999", 1)],
            &["applied", "unknown", "refused"],
        )
        .await;
    }

    #[tokio::test]
    async fn a_write_that_was_silently_ignored_is_not_applied() {
        let (Some(unmanaged), Some(parent)) = (
            recorded("product-put-ignored-unmanaged"),
            recorded("variation-put-ignored-parent-managed"),
        ) else {
            return;
        };
        let wrap = |one: &super::super::super::Reply| {
            let body = String::from_utf8(one.body.to_vec()).unwrap();
            reply(200, &format!(r#"{{"update":[{body}]}}"#))
        };
        check(
            vec![("POST", "/products/batch", wrap(&unmanaged))],
            &[("17", 9)],
            &["refused"],
        )
        .await;
        check(
            vec![("POST", "/products/11/variations/batch", wrap(&parent))],
            &[("11/13", 3)],
            &["refused"],
        )
        .await;
        check(
            vec![("POST", "/products/11/variations/batch", wrap(&parent))],
            &[("11/13", 20)],
            &["refused"],
        )
        .await;
    }

    #[tokio::test]
    async fn a_recorded_item_that_became_zero_by_a_bad_type_is_not_applied() {
        let Some(zero) = recorded("batch-bad-type-becomes-zero") else {
            return;
        };
        check(
            vec![("POST", "/products/batch", Ok(zero))],
            &[("17", 5)],
            &["unknown"],
        )
        .await;
    }

    #[tokio::test]
    async fn each_parent_is_a_call_and_a_lost_call_loses_only_its_own() {
        check(
            vec![
                ("POST", "/products/batch", echo(&[(10, 1)])),
                (
                    "POST",
                    "/products/11/variations/batch",
                    Err(Fault::Unknown("time-out".into())),
                ),
                (
                    "POST",
                    "/products/21/variations/batch",
                    echo(&[(22, 4), (23, 5)]),
                ),
            ],
            &[
                ("11/12", 2),
                ("10", 1),
                ("21/22", 4),
                ("11/13", 3),
                ("21/23", 5),
            ],
            &["unknown", "applied", "applied", "unknown", "applied"],
        )
        .await;
    }

    #[tokio::test]
    async fn of_one_thing_named_twice_only_the_newest_is_sent() {
        let sent = check(
            vec![
                ("POST", "/products/batch", echo(&[(10, 7)])),
                ("POST", "/products/11/variations/batch", echo(&[(12, 9)])),
            ],
            &[("10", 5), ("12", 3), ("10", 7), ("11/12", 9)],
            &["applied", "applied", "applied", "applied"],
        )
        .await;
        assert_eq!(sent[0], r#"{"update":[{"id":10,"stock_quantity":7}]}"#);
        assert_eq!(sent[1], r#"{"update":[{"id":12,"stock_quantity":9}]}"#);
    }

    #[tokio::test]
    async fn a_batch_that_is_too_large_goes_again_in_halves() {
        let Some(large) = recorded("batch-over-100-items") else {
            return;
        };
        let too_large = || Ok(large.clone());
        check(
            vec![
                ("POST", "/products/batch", too_large()),
                ("POST", "/products/batch", echo(&[(1, 1), (2, 2)])),
                ("POST", "/products/batch", too_large()),
            ],
            &[("1", 1), ("2", 2), ("3", 3)],
            &["applied", "applied", "fault"],
        )
        .await;
    }

    #[tokio::test]
    async fn an_answer_that_is_missing_or_not_json_is_unknown() {
        let html = reply(200, "<html>cached</html>");
        check(
            vec![("POST", "/products/batch", html)],
            &[("1", 1), ("2", 2)],
            &["unknown", "unknown"],
        )
        .await;
        check(
            vec![("POST", "/products/batch", reply(200, "{}"))],
            &[("1", 1)],
            &["unknown"],
        )
        .await;
        check(
            vec![("POST", "/products/batch", echo(&[(2, 2)]))],
            &[("1", 1), ("2", 2)],
            &["unknown", "applied"],
        )
        .await;
        let no_fields = reply(200, r#"{"update":[{"id":1}]}"#);
        check(
            vec![("POST", "/products/batch", no_fields)],
            &[("1", 1)],
            &["unknown"],
        )
        .await;
        let nameless = reply(
            200,
            r#"{"update":[{"id":null,"error":{"code":"x","message":"y"}}]}"#,
        );
        check(
            vec![("POST", "/products/batch", nameless)],
            &[("1", 1)],
            &["refused"],
        )
        .await;
        let notice = reply(
            200,
            "<b>Deprecated</b>: f() in [x]\n{\"update\":[{\"id\":1,\"manage_stock\":true,\"stock_quantity\":1}]}",
        );
        check(
            vec![("POST", "/products/batch", notice)],
            &[("1", 1)],
            &["applied"],
        )
        .await;
    }

    #[tokio::test]
    async fn what_is_not_ours_is_refused_without_a_call_and_zero_is_zero() {
        let sent = check(
            vec![("POST", "/products/batch", echo(&[(1, 0)]))],
            &[("MUG-1", 1), ("1", 0)],
            &["refused", "applied"],
        )
        .await;
        assert_eq!(sent, [r#"{"update":[{"id":1,"stock_quantity":0}]}"#]);
        check(vec![], &[], &[]).await;
    }

    #[tokio::test]
    async fn managing_is_switched_on_only_for_who_asked() {
        let mut settings = settings("https://shop.example");
        settings
            .options
            .insert("opt_in_manage_stock".into(), "true".into());
        let shop = WooCommerce::open(&settings).unwrap();
        let wire = Script::new(vec![("POST", "/products/batch", echo(&[(17, 9)]))]);
        let results = publish(&shop, &wire, &updates(&[("17", 9)])).await;
        assert_eq!(brief(&results), ["applied"]);
        let sent: Value = serde_json::from_slice(&wire.done()[0].body).unwrap();
        assert_eq!(
            sent,
            json!({"update": [{"id": 17, "stock_quantity": 9, "manage_stock": true}]})
        );
    }

    #[tokio::test]
    async fn batches_hold_no_more_than_the_profile_says() {
        let wanted: Vec<_> = (1..=120).map(|n: i64| (n.to_string(), n)).collect();
        let wanted: Vec<_> = wanted.iter().map(|(id, n)| (id.as_str(), *n)).collect();
        let part = |from: u64, to: u64| {
            let items: Vec<_> = (from..=to)
                .map(|n| (n, i64::try_from(n).unwrap()))
                .collect();
            ("POST", "/products/batch", echo(&items))
        };
        check(
            vec![part(1, 50), part(51, 100), part(101, 120)],
            &wanted,
            &["applied"; 120],
        )
        .await;
    }

    #[tokio::test]
    async fn a_shop_that_was_too_slow_gets_smaller_batches_and_slowly_larger_ones() {
        let wanted: Vec<_> = (1..=50).map(|n: i64| (n.to_string(), n)).collect();
        let wanted: Vec<_> = wanted.iter().map(|(id, n)| (id.as_str(), *n)).collect();
        let lost = || Err(Fault::Unknown("time-out".into()));
        let part = |from: u64, to: u64| {
            let items: Vec<_> = (from..=to)
                .map(|n| (n, i64::try_from(n).unwrap()))
                .collect();
            ("POST", "/products/batch", echo(&items))
        };
        let wire = Script::new(vec![
            ("POST", "/products/batch", lost()),
            part(1, 25),
            part(26, 50),
            part(1, 30),
            part(31, 50),
        ]);
        let shop = shop();
        let lost = publish(&shop, &wire, &updates(&wanted)).await;
        assert_eq!(brief(&lost), ["unknown"; 50]);
        for _ in 0..2 {
            let done = publish(&shop, &wire, &updates(&wanted)).await;
            assert_eq!(brief(&done), ["applied"; 50]);
        }
        wire.done();
    }
}
