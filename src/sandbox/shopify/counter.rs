//! Shoppers and employees of an emulated Shopify: what they do to stock, and which webhooks that sends.

use std::collections::BTreeMap;

use serde_json::Value;

use super::shop::{Line, Order, Refund, RefundLine, Shop};
use crate::sandbox::journal::Happening;
use crate::sandbox::market::{CounterError, Goods, Sold};

pub(super) type Topics = Vec<(&'static str, Value)>;

impl Shop {
    /// The inventory item that is meant.
    pub(super) fn find(&self, goods: Goods<'_>) -> Result<u64, CounterError> {
        let found = match goods {
            Goods::Sku(sku) => self.item_of(sku),
            Goods::Item(item) => self.variants.contains_key(&item).then_some(item),
        };
        found.ok_or_else(|| CounterError::UnknownGoods(format!("{goods:?}")))
    }

    /// Item and units of each line that can be sold.
    fn wanted(
        &mut self,
        lines: &[(Goods<'_>, i64)],
        at_till: bool,
    ) -> Result<Vec<(u64, i64)>, CounterError> {
        let mut wanted: Vec<(u64, i64)> = Vec::new();
        for (goods, units) in lines {
            let item = self.find(*goods)?;
            if *units < 1 {
                return Err(CounterError::BadUnits {
                    units: *units,
                    most: i64::MAX,
                });
            }
            let so_far: i64 = wanted
                .iter()
                .filter(|one| one.0 == item)
                .map(|one| one.1)
                .sum();
            if !at_till {
                self.check_shown(item, so_far.saturating_add(*units))?;
            }
            wanted.push((item, *units));
        }
        Ok(wanted)
    }

    /// Places an order, online or at the till of a location; all lines or none. A till sells what is handed to it, whatever
    /// the numbers say, and the goods are gone at once.
    pub(super) fn place(
        &mut self,
        lines: &[(Goods<'_>, i64)],
        till: Option<u64>,
    ) -> Result<Vec<Sold>, CounterError> {
        let wanted = self.wanted(lines, till.is_some())?;
        let now_ms = self.stage.now_ms();
        let id = self.new_id();
        let mut sold = Vec::new();
        let mut order = Order {
            id,
            number: 1_001 + self.orders.len() as u64,
            created_ms: now_ms,
            updated_ms: now_ms,
            cancelled_ms: None,
            lines: Vec::new(),
            refunds: Vec::new(),
            till,
            routes: BTreeMap::new(),
        };
        for (item, units) in wanted {
            let shown_before = self.shown(item);
            let drawn = match till {
                Some(till) => self.draw_at(item, till, units),
                None => self.draw(item, units),
            };
            let line = Line {
                id: self.new_id(),
                item,
                units,
                refunded: 0,
                fulfilled: till.is_some(),
                sent: till.map(|_| drawn.clone()).unwrap_or_default(),
                drawn,
            };
            let one = Sold {
                order: id,
                line: line.id,
                item,
                units,
                shown_before,
                shown_after: self.shown(item),
            };
            self.stage.note(Happening::Sale {
                order: id,
                line: line.id,
                sku: self.sku(item),
                item,
                units,
                shown_before,
                shown_after: one.shown_after,
            });
            order.lines.push(line);
            sold.push(one);
        }
        self.route(&mut order);
        let body = self.order_body(&order);
        let mut topics = vec![("orders/create", body.clone()), ("orders/updated", body)];
        for line in &order.lines {
            self.level_topics(line.item, &line.drawn, &mut topics);
            topics.push(("products/update", self.product_body(line.item)));
        }
        topics.extend(Self::routed_topics(&order));
        self.orders.insert(id, order);
        self.announce(topics);
        Ok(sold)
    }

    fn check_shown(&mut self, item: u64, units: i64) -> Result<(), CounterError> {
        let free = self
            .variants
            .get(&item)
            .is_some_and(|one| one.oversells || !one.tracked);
        let shown = self.shown(item);
        if free || shown >= units {
            return Ok(());
        }
        let sku = self.sku(item);
        self.stage.note(Happening::SaleRefused {
            sku: sku.clone(),
            item,
            units,
            shown,
        });
        Err(CounterError::NotEnough { sku, units, shown })
    }

    /// Moves units from available to committed, location by location; what is missing comes from the first.
    fn draw(&mut self, item: u64, units: i64) -> Vec<(u64, i64)> {
        if !self.variants.get(&item).is_some_and(|one| one.tracked) {
            return Vec::new();
        }
        let levels: Vec<_> = self
            .levels_of(item)
            .map(|(at, level)| (at, level.available))
            .collect();
        let mut left = units;
        let mut drawn: Vec<(u64, i64)> = Vec::new();
        for (location, available) in &levels {
            let part = left.min(*available).max(0);
            if part > 0 {
                drawn.push((*location, part));
                left -= part;
            }
        }
        if let (true, Some((first, _))) = (left > 0, levels.first()) {
            match drawn.iter_mut().find(|one| one.0 == *first) {
                Some(one) => one.1 += left,
                None => drawn.push((*first, left)),
            }
        }
        for (location, part) in &drawn {
            self.shift(item, *location, -part, *part);
        }
        drawn
    }

    pub(super) fn level_topics(&self, item: u64, places: &[(u64, i64)], topics: &mut Topics) {
        for (location, _) in places {
            topics.push(("inventory_levels/update", self.level_body(item, *location)));
        }
    }

    pub(super) fn take_order(&self, order: u64) -> Result<Order, CounterError> {
        let found = self.orders.get(&order).cloned();
        let found = found.ok_or(CounterError::UnknownOrder { order, line: None })?;
        let state = found.cancelled_ms.map(|_| "cancelled".to_owned());
        match state {
            Some(state) => Err(CounterError::WrongState { order, state }),
            None => Ok(found),
        }
    }

    /// Cancels with restock, as Shopify's own dialog proposes.
    pub(super) fn cancel(&mut self, id: u64) -> Result<(), CounterError> {
        let mut order = self.take_order(id)?;
        if order.lines.iter().any(|line| line.fulfilled) {
            let state = "fulfilled".to_owned();
            return Err(CounterError::WrongState { order: id, state });
        }
        let now_ms = self.stage.now_ms();
        let mut topics = Topics::new();
        let mut parts = Vec::new();
        for line in &mut order.lines {
            let units = line.current();
            if units == 0 {
                continue;
            }
            line.refunded = line.units;
            let given = line.give_back(units);
            for (location, part) in &given {
                self.shift(line.item, *location, *part, -part);
            }
            self.level_topics(line.item, &given, &mut topics);
            parts.extend(refund_lines(line.id, units, "CANCEL", &given));
            let sku = self.sku(line.item);
            self.stage.note(Happening::Cancelled {
                order: id,
                sku,
                item: line.item,
                units,
            });
        }
        let refund = Refund {
            id: self.new_id(),
            created_ms: now_ms,
            lines: parts,
        };
        order.refunds.push(refund.clone());
        order.cancelled_ms = Some(now_ms);
        order.updated_ms = now_ms;
        topics.push(("orders/cancelled", self.order_body(&order)));
        self.close(order, refund, topics);
        Ok(())
    }

    /// Refunds units of a line. What had been sent is put back at `place`, else where it had been.
    pub(super) fn refund(
        &mut self,
        id: u64,
        line_id: u64,
        units: i64,
        restock: bool,
        place: Option<u64>,
    ) -> Result<(), CounterError> {
        let mut order = self.take_order(id)?;
        let line = order.lines.iter_mut().find(|line| line.id == line_id);
        let line = line.ok_or(CounterError::UnknownOrder {
            order: id,
            line: Some(line_id),
        })?;
        if units < 1 || units > line.current() {
            return Err(CounterError::BadUnits {
                units,
                most: line.current(),
            });
        }
        let mut given = line.give_back(units);
        line.refunded += units;
        let (item, fulfilled) = (line.item, line.fulfilled);
        if let Some(place) = place.filter(|_| fulfilled && !given.is_empty()) {
            given = vec![(place, units)];
        }
        for (location, part) in &given {
            let back = if restock { *part } else { 0 };
            let committed = if fulfilled { 0 } else { -part };
            self.shift(item, *location, back, committed);
        }
        let kind = match (restock, fulfilled) {
            (false, _) => "NO_RESTOCK",
            (true, true) => "RETURN",
            (true, false) => "CANCEL",
        };
        let now_ms = self.stage.now_ms();
        let lines = refund_lines(line_id, units, kind, &given);
        let refund = Refund {
            id: self.new_id(),
            created_ms: now_ms,
            lines,
        };
        order.refunds.push(refund.clone());
        order.updated_ms = now_ms;
        let sku = self.sku(item);
        self.stage.note(Happening::Refunded {
            order: id,
            sku,
            item,
            units,
            restocked: restock,
        });
        let mut topics = Topics::new();
        if restock {
            self.level_topics(item, &given, &mut topics);
        }
        self.close(order, refund, topics);
        Ok(())
    }

    fn close(&mut self, order: Order, refund: Refund, mut topics: Topics) {
        topics.push(("orders/updated", self.order_body(&order)));
        if !refund.lines.is_empty() {
            topics.push(("refunds/create", self.refund_body(&order, &refund)));
        }
        self.orders.insert(order.id, order);
        self.announce(topics);
    }

    /// Ships everything that is left of an order.
    pub(super) fn fulfil(&mut self, id: u64) -> Result<(), CounterError> {
        let mut order = self.take_order(id)?;
        for line in order.lines.iter_mut().filter(|line| !line.fulfilled) {
            line.fulfil();
            for (location, part) in &line.drawn {
                self.shift(line.item, *location, 0, -part);
            }
        }
        order.updated_ms = self.stage.now_ms();
        self.stage.note(Happening::Fulfilled { order: id });
        let topics = vec![("orders/updated", self.order_body(&order))];
        self.orders.insert(id, order);
        self.announce(topics);
        Ok(())
    }

    /// Sets available by hand at the first location that stocks the item.
    pub(super) fn edit(&mut self, goods: Goods<'_>, units: i64) -> Result<(), CounterError> {
        let item = self.find(goods)?;
        let first = self
            .levels_of(item)
            .next()
            .map(|(at, level)| (at, level.available));
        let (location, available) = first.ok_or(CounterError::NotCounted(item))?;
        let from = self.shown(item);
        self.shift(item, location, units.saturating_sub(available), 0);
        let to = self.shown(item);
        self.stage.note(Happening::Edited { item, from, to });
        let body = self.level_body(item, location);
        self.announce(vec![("inventory_levels/update", body)]);
        Ok(())
    }
}

/// One part per location; one without a location if none gave units (untracked goods).
fn refund_lines(
    line: u64,
    units: i64,
    kind: &'static str,
    given: &[(u64, i64)],
) -> Vec<RefundLine> {
    if given.is_empty() {
        return vec![RefundLine {
            line,
            units,
            kind,
            location: None,
        }];
    }
    let part = |(location, units): &(u64, i64)| RefundLine {
        line,
        units: *units,
        kind,
        location: Some(*location),
    };
    given.iter().map(part).collect()
}
