//! Orders of an emulated WooCommerce, and the shoppers and employees who make them.
//!
//! Stock moves as W4 of the fact page says: down when an order becomes processing, on-hold or completed, up
//! when it becomes cancelled, pending or failed, and a line remembers in `_reduced_stock` what it holds.

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime};
use http::Response;

use super::answer::{Query, Trouble, list};
use super::shop::{Line, Order, Shop};
use crate::sandbox::journal::Happening;
use crate::sandbox::market::{CounterError, Goods, Sold};
use crate::sandbox::sign;

/// `modified_after` in milliseconds; site-local unless `dates_are_gmt` or a zone is given.
pub(super) fn after(query: &Query, offset_ms: i64) -> Result<Option<i64>, Trouble> {
    let Some(text) = query.get("modified_after") else {
        return Ok(None);
    };
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Some(at.timestamp_millis()));
    }
    let Ok(at) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S") else {
        return Err(Trouble::param("modified_after", "Invalid date."));
    };
    let shift_ms = if query.is("dates_are_gmt") {
        0
    } else {
        offset_ms
    };
    Ok(Some(at.and_utc().timestamp_millis() - shift_ms))
}

/// A status as WooCommerce spells it; none for one it does not have.
fn status_named(name: &str) -> Option<&'static str> {
    let all = [
        "pending",
        "processing",
        "on-hold",
        "completed",
        "cancelled",
        "refunded",
        "failed",
    ];
    all.into_iter().find(|one| *one == name)
}

impl Shop {
    /// `GET /orders`.
    pub(super) fn list_orders(&self, query: &Query) -> Result<Response<Bytes>, Trouble> {
        let after_ms = after(query, self.offset_ms)?;
        let wanted = query.get("status").filter(|status| *status != "any");
        let mut rows: Vec<_> = self
            .orders
            .values()
            .filter(|one| {
                after_ms.is_none_or(|after_ms| one.modified_ms / 1_000 * 1_000 > after_ms)
            })
            .filter(|one| {
                wanted.map_or(one.status != "trash", |all| {
                    all.split(',').any(|status| status == one.status)
                })
            })
            .collect();
        if query.get("orderby") == Some("modified") {
            rows.sort_by_key(|one| (one.modified_ms / 1_000, one.id));
        }
        if !query.ascending() {
            rows.reverse();
        }
        let render = |one| self.order_json(one);
        list(
            rows.into_iter(),
            render,
            query,
            &self.base_url,
            &self.href("orders"),
        )
    }

    /// The product or variation that is meant.
    pub(super) fn find(&self, goods: Goods<'_>) -> Result<u64, CounterError> {
        let found = match goods {
            Goods::Sku(sku) => self.by_sku(sku),
            Goods::Item(id) => self.products.contains_key(&id).then_some(id),
        };
        found.ok_or_else(|| CounterError::UnknownGoods(format!("{goods:?}")))
    }

    fn sku(&self, id: u64) -> String {
        self.products
            .get(&id)
            .map(|one| one.sku.clone())
            .unwrap_or_default()
    }

    /// Places an order and pays it; all lines or none.
    pub(super) fn place(
        &mut self,
        lines: &[(Goods<'_>, i64)],
        status: &'static str,
    ) -> Result<Vec<Sold>, CounterError> {
        let mut wanted: Vec<(u64, i64)> = Vec::new();
        for (goods, units) in lines {
            let id = self.find(*goods)?;
            if *units < 1 {
                return Err(CounterError::BadUnits {
                    units: *units,
                    most: i64::MAX,
                });
            }
            let holder = self.holder(id);
            let same = wanted
                .iter()
                .filter(|one| holder.is_some() && self.holder(one.0) == holder);
            let so_far: i64 = same.map(|one| one.1).sum();
            self.check_shown(id, so_far.saturating_add(*units))?;
            wanted.push((id, *units));
        }
        let now_ms = self.stage.now_ms();
        let id = self.new_id();
        let mut order = Order {
            id,
            status: "pending",
            key: format!("wc_order_{}", sign::short_hash(&self.stage.dice.uuid())),
            created_ms: now_ms,
            modified_ms: now_ms,
            completed_ms: None,
            lines: Vec::new(),
            refunds: Vec::new(),
        };
        for (goods, units) in wanted {
            let line = self.new_line();
            order.lines.push(Line {
                id: line,
                goods,
                units,
                refunded: 0,
                reduced: 0,
                restocked: 0,
            });
            if let Some(one) = self.products.get_mut(&goods) {
                one.n_sold += units;
            }
        }
        let sold = self.sell(&mut order, status);
        self.orders.insert(id, order);
        self.announce("order.created", id);
        self.announce("order.updated", id);
        Ok(sold)
    }

    /// Books the sale of each line and gives the order its status.
    fn sell(&mut self, order: &mut Order, status: &'static str) -> Vec<Sold> {
        let reduces = reduces(status);
        order.status = status;
        let mut sold = Vec::new();
        for line in &mut order.lines {
            let holder = self.holder(line.goods);
            let item = holder.unwrap_or(line.goods);
            let shown_before = self.quantity(line.goods).unwrap_or(0);
            if let (true, Some(holder)) = (reduces, holder) {
                self.shift(holder, -line.units);
                line.reduced = line.units;
                self.announce("product.updated", holder);
            }
            let shown_after = self.quantity(line.goods).unwrap_or(0);
            let one = Sold {
                order: order.id,
                line: line.id,
                item,
                units: line.units,
                shown_before,
                shown_after,
            };
            if reduces {
                self.note_sale(line.goods, &one);
            }
            sold.push(one);
        }
        sold
    }

    /// An unpaid order is no sale yet; it becomes one when it takes its units.
    fn note_sale(&mut self, goods: u64, one: &Sold) {
        let sku = self.sku(goods);
        self.stage.note(Happening::Sale {
            order: one.order,
            line: one.line,
            sku,
            item: one.item,
            units: one.units,
            shown_before: one.shown_before,
            shown_after: one.shown_after,
        });
    }

    fn check_shown(&mut self, id: u64, units: i64) -> Result<(), CounterError> {
        let backorders = self.products.get(&id).is_some_and(|one| one.backorders);
        let Some(shown) = self
            .quantity(id)
            .filter(|shown| !backorders && *shown < units)
        else {
            return Ok(());
        };
        let sku = self.sku(id);
        let item = self.holder(id).unwrap_or(id);
        self.stage.note(Happening::SaleRefused {
            sku: sku.clone(),
            item,
            units,
            shown,
        });
        Err(CounterError::NotEnough { sku, units, shown })
    }

    fn take_order(&self, id: u64) -> Result<Order, CounterError> {
        let unknown = CounterError::UnknownOrder {
            order: id,
            line: None,
        };
        let order = self.orders.get(&id).cloned().ok_or(unknown)?;
        if matches!(order.status, "cancelled" | "refunded" | "trash") {
            let state = order.status.to_owned();
            return Err(CounterError::WrongState { order: id, state });
        }
        Ok(order)
    }

    fn save(&mut self, mut order: Order) {
        order.modified_ms = self.stage.now_ms();
        let id = order.id;
        self.orders.insert(id, order);
        self.announce("order.updated", id);
    }

    /// Gives an order another status, and moves the stock that goes with it.
    pub(super) fn set_status(&mut self, id: u64, status: &str) -> Result<(), CounterError> {
        let mut order = self.take_order(id)?;
        let state = status.to_owned();
        let status = status_named(status).ok_or(CounterError::WrongState { order: id, state })?;
        let restores = matches!(status, "cancelled" | "pending" | "failed");
        for line in &mut order.lines {
            let holder = self.holder(line.goods);
            let item = holder.unwrap_or(line.goods);
            let left = line.units - line.refunded;
            if reduces(status) && line.reduced == 0 && left > 0 && !reduces(order.status) {
                let shown_before = self.quantity(line.goods).unwrap_or(0);
                if let Some(holder) = holder {
                    self.shift(holder, -left);
                    line.reduced = left;
                    self.announce("product.updated", holder);
                }
                let one = Sold {
                    order: id,
                    line: line.id,
                    item,
                    units: left,
                    shown_before,
                    shown_after: self.quantity(line.goods).unwrap_or(0),
                };
                self.note_sale(line.goods, &one);
            } else if restores && reduces(order.status) {
                let units = std::mem::take(&mut line.reduced);
                if let Some(holder) = holder.filter(|_| units > 0) {
                    self.shift(holder, units);
                    self.announce("product.updated", holder);
                }
                let sku = self.sku(line.goods);
                self.stage.note(Happening::Cancelled {
                    order: id,
                    sku,
                    item,
                    units,
                });
            }
        }
        order.status = status;
        if status == "completed" {
            order.completed_ms = Some(self.stage.now_ms());
            self.stage.note(Happening::Fulfilled { order: id });
        }
        self.save(order);
        Ok(())
    }

    /// Refunds units of a line.
    pub(super) fn refund(
        &mut self,
        id: u64,
        line_id: u64,
        units: i64,
        restock: bool,
    ) -> Result<(), CounterError> {
        let mut order = self.take_order(id)?;
        let line = order.lines.iter_mut().find(|line| line.id == line_id);
        let line = line.ok_or(CounterError::UnknownOrder {
            order: id,
            line: Some(line_id),
        })?;
        let most = line.units - line.refunded;
        if units < 1 || units > most {
            return Err(CounterError::BadUnits { units, most });
        }
        line.refunded += units;
        let goods = line.goods;
        let holder = self.holder(goods);
        let back = if restock { units.min(line.reduced) } else { 0 };
        line.reduced -= back;
        line.restocked += back;
        if let Some(holder) = holder.filter(|_| back > 0) {
            self.shift(holder, back);
            self.announce("product.updated", holder);
        }
        let sku = self.sku(goods);
        let item = holder.unwrap_or(goods);
        self.stage.note(Happening::Refunded {
            order: id,
            sku,
            item,
            units,
            restocked: restock,
        });
        let refund = self.new_id();
        order.refunds.push((refund, units));
        if order.lines.iter().all(|line| line.refunded == line.units) {
            order.status = "refunded";
        }
        self.save(order);
        Ok(())
    }

    /// Moves an order to the trash, or deletes it for good; neither gives anything back.
    pub(super) fn delete_order(&mut self, id: u64, forced: bool) -> Result<(), CounterError> {
        let unknown = CounterError::UnknownOrder {
            order: id,
            line: None,
        };
        let order = self.orders.get_mut(&id).ok_or(unknown)?;
        if forced {
            self.orders.remove(&id);
        } else {
            order.status = "trash";
            self.announce("order.deleted", id);
        }
        self.stage
            .note(Happening::OrderDeleted { order: id, forced });
        Ok(())
    }

    /// Sets a stock by hand.
    pub(super) fn edit(&mut self, goods: Goods<'_>, units: i64) -> Result<(), CounterError> {
        let id = self.find(goods)?;
        let item = self.holder(id).ok_or(CounterError::NotCounted(id))?;
        let from = self.quantity(item).unwrap_or(0);
        self.shift(item, units.saturating_sub(from));
        self.stage.note(Happening::Edited {
            item,
            from,
            to: units,
        });
        self.announce("product.updated", item);
        Ok(())
    }
}

/// Whether an order in this status has taken its units.
fn reduces(status: &str) -> bool {
    matches!(status, "processing" | "completed" | "on-hold")
}
