//! The rows of one SQLite transaction: each method of [`Tables`] in the file that it belongs to.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::books::{balances, basis_word, json, stock_line};
use super::life::Meanwhile;
use super::{books, chain, delivery, facts, keeping, papers, story, tiers};
use crate::domain::bundle::Recipes;
use crate::domain::clock::Timestamp;
use crate::domain::decide::Books;
use crate::domain::ids::{ChannelId, ListingKey, LocationId, OrderId, Sku};
use crate::domain::message::Hint;
use crate::domain::quantity::Balance;
use crate::domain::stock::{Balances, Count};
use crate::ledger::tables::{
    AuditEntry, AuditRow, CatalogRow, ChannelState, DeadLetter, EntryLine, Erasure, EventLine,
    EventRow, Forgotten, HintRow, Horizon, KeptTier, ListingState, Result, Selection, Settled,
    StockLine, Tables, Totals, Wanted,
};

/// One open transaction.
pub(super) struct Rows<'a>(pub(super) &'a Connection, pub(super) Meanwhile);

impl<'a> Rows<'a> {
    /// Over an open transaction.
    pub(super) fn over(db: &'a Connection) -> Self {
        Self(db, Meanwhile::default())
    }
}

impl Tables for Rows<'_> {
    fn gather(&mut self, wanted: &Wanted) -> Result<Books> {
        books::gather(self.0, wanted)
    }

    fn write_books(&mut self, books: &Books, recorded_at: Timestamp) -> Result<()> {
        let moved = books.entries.iter().map(|entry| entry.sku.clone());
        self.1.moved.extend(moved);
        books::write(self.0, books, recorded_at)
    }

    fn add_events(&mut self, events: &[EventRow]) -> Result<Vec<i64>> {
        facts::add_events(self.0, events)
    }

    fn seen_deliveries(
        &mut self,
        ids: &BTreeSet<(ChannelId, String)>,
    ) -> Result<BTreeSet<(ChannelId, String)>> {
        facts::seen_deliveries(self.0, ids)
    }

    fn parked_orders(&mut self) -> Result<BTreeSet<(ChannelId, OrderId)>> {
        facts::parked_orders(self.0)
    }

    fn on_hand_at(&mut self, sku: &Sku, location: &LocationId, at: Timestamp) -> Result<Balances> {
        let mut read = self.0.prepare_cached(
            "SELECT COALESCE(SUM(on_hand), 0), COALESCE(SUM(committed), 0), COALESCE(SUM(set_aside), 0),
               COALESCE(SUM(incoming), 0) FROM entry WHERE sku = ?1 AND location = ?2 AND at <= ?3",
        )?;
        Ok(read.query_row(
            params![sku.as_str(), location.as_str(), at.millis()],
            |row| balances(row, 0),
        )?)
    }

    fn set_aside_at(&mut self, sku: &Sku, location: &LocationId) -> Result<Option<Timestamp>> {
        let mut read = self
            .0
            .prepare_cached("SELECT aside_at FROM stock WHERE sku = ?1 AND location = ?2")?;
        let at: Option<Option<i64>> = read
            .query_row([sku.as_str(), location.as_str()], |row| row.get(0))
            .optional()?;
        Ok(at.flatten().map(Timestamp::from_millis))
    }

    fn note_count(
        &mut self,
        sku: &Sku,
        location: &LocationId,
        count: Count,
        reference: Balance,
    ) -> Result<()> {
        self.0
            .prepare_cached(
                "INSERT INTO stock (sku, location, on_hand, committed, set_aside, incoming, counted_at, basis, reference)
                 VALUES (?1, ?2, 0, 0, 0, 0, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET counted_at = ?3, basis = ?4, reference = ?5",
            )?
            .execute(params![
                sku.as_str(),
                location.as_str(),
                count.at.millis(),
                basis_word(count.basis),
                reference
            ])?;
        Ok(())
    }

    fn stock(&mut self) -> Result<Vec<StockLine>> {
        let mut read = self.0.prepare_cached(
            "SELECT sku, location, on_hand, committed, set_aside, incoming, counted_at, basis, reference
             FROM stock ORDER BY sku, location",
        )?;
        let mut rows = read.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(stock_line(row)?);
        }
        Ok(found)
    }

    fn add_skus(&mut self, skus: &BTreeSet<Sku>) -> Result<()> {
        books::add_skus(self.0, skus)
    }

    fn recipes(&mut self) -> Result<Recipes> {
        books::recipes(self.0)
    }

    fn put_recipes(&mut self, recipes: &Recipes) -> Result<()> {
        delivery::put_recipes(self.0, recipes)
    }

    fn put_listings(&mut self, rows: &[CatalogRow]) -> Result<usize> {
        delivery::put_listings(self.0, rows)
    }

    fn listings(&mut self, which: &Selection) -> Result<Vec<ListingState>> {
        let mut found = delivery::listings(self.0, which)?;
        papers::add_moment(self.0, &mut found, &self.1)?;
        Ok(found)
    }

    fn begin_send(&mut self, sending: &[(ListingKey, i64)]) -> Result<()> {
        delivery::begin_send(self.0, sending)
    }

    fn acknowledge(&mut self, done: &[(ListingKey, i64)]) -> Result<()> {
        delivery::acknowledge(self.0, done)
    }

    fn settle(&mut self, settled: &[Settled]) -> Result<()> {
        delivery::settle(self.0, settled)
    }

    fn doubt_open(&mut self) -> Result<usize> {
        delivery::doubt_open(self.0)
    }

    fn raise_versions(&mut self, skus: &BTreeSet<Sku>) -> Result<()> {
        let mut raise = self.0.prepare_cached(
            "UPDATE sku SET version = version + 1 WHERE sku IN (SELECT value FROM json_each(?1))",
        )?;
        raise.execute([json(skus)?])?;
        Ok(())
    }

    fn tiers(&mut self) -> Result<BTreeMap<Sku, KeptTier>> {
        tiers::tiers(self.0)
    }

    fn set_tiers(&mut self, tiers: &BTreeMap<Sku, KeptTier>) -> Result<()> {
        tiers::set_tiers(self.0, tiers)
    }

    fn ask(&mut self, hints: &[(ChannelId, Hint)], now: Timestamp) -> Result<()> {
        facts::ask(self.0, hints, now)
    }

    fn due_hints(
        &mut self,
        of: &BTreeSet<ChannelId>,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<HintRow>> {
        facts::due_hints(self.0, of, now, most)
    }

    fn hint_done(&mut self, hint: &HintRow) -> Result<()> {
        facts::hint_done(self.0, hint)
    }

    fn hint_later(&mut self, hint: &HintRow, due_at: Timestamp) -> Result<()> {
        facts::hint_later(self.0, hint, due_at)
    }

    fn add_dead_letter(&mut self, letter: &DeadLetter) -> Result<()> {
        facts::add_dead_letter(self.0, letter)
    }

    fn close_dead_letter(&mut self, channel: &ChannelId, kind: &str, what: &str) -> Result<()> {
        facts::close_dead_letter(self.0, channel, kind, what)
    }

    fn close_letters_of(&mut self, orders: &BTreeSet<(ChannelId, OrderId)>) -> Result<()> {
        facts::close_letters_of(self.0, orders)
    }

    fn dead_letters(&mut self) -> Result<Vec<DeadLetter>> {
        facts::dead_letters(self.0)
    }

    fn channel(&mut self, channel: &ChannelId) -> Result<ChannelState> {
        facts::channel(self.0, channel)
    }

    fn set_channel(&mut self, channel: &ChannelId, state: &ChannelState) -> Result<()> {
        facts::set_channel(self.0, channel, state)
    }

    fn close_until(&mut self, closed: &BTreeMap<ChannelId, Timestamp>) -> Result<()> {
        facts::close_until(self.0, closed)
    }

    fn heard(&mut self, channels: &BTreeSet<ChannelId>, at: Timestamp) -> Result<()> {
        facts::heard(self.0, channels, at)
    }

    fn fact(&mut self, name: &str) -> Result<Option<String>> {
        facts::fact(self.0, name)
    }

    fn set_fact(&mut self, name: &str, value: &str) -> Result<()> {
        facts::set_fact(self.0, name, value)
    }

    fn audit(&mut self, rows: &[AuditRow]) -> Result<()> {
        chain::audit(self.0, rows)
    }

    fn audit_of(&mut self, subject: &str) -> Result<Vec<AuditEntry>> {
        chain::audit_of(self.0, subject)
    }

    fn events_of(&mut self, subject: &str) -> Result<Vec<EventLine>> {
        story::events_of(self.0, subject)
    }

    fn entries_of_order(&mut self, order: &str) -> Result<Vec<EntryLine>> {
        story::entries_of_order(self.0, order)
    }

    fn entries_of_sku(&mut self, sku: &Sku) -> Result<Vec<EntryLine>> {
        story::entries_of_sku(self.0, sku)
    }

    fn skus(&mut self) -> Result<BTreeSet<Sku>> {
        story::skus(self.0)
    }

    fn forget(&mut self, before: Horizon, most: usize) -> Result<Forgotten> {
        keeping::forget(self.0, before, most)
    }

    fn erasable(&mut self, what: &Erasure) -> Result<BTreeSet<i64>> {
        keeping::erasable(self.0, what)
    }

    fn erase(&mut self, events: &BTreeSet<i64>) -> Result<usize> {
        keeping::erase(self.0, events)
    }

    fn hand_over(&mut self, what: &str, now: Timestamp) -> Result<i64> {
        keeping::hand_over(self.0, what, now)
    }

    fn pending_requests(&mut self) -> Result<Vec<(i64, String)>> {
        keeping::pending_requests(self.0)
    }

    fn answer(&mut self, id: i64, result: &str) -> Result<()> {
        keeping::answer(self.0, id, result)
    }

    fn result_of(&mut self, id: i64) -> Result<Option<String>> {
        keeping::result_of(self.0, id)
    }

    fn totals(&mut self) -> Result<Totals> {
        story::totals(self.0)
    }
}
