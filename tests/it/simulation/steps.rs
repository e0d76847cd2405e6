//! The steps of a world: what buyers, the platforms' messengers, the processes and bad luck do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use onhand::broker::Rings;
use onhand::channels::{Channel, Webhook};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::ids::{ChannelId, ListingKey};
use onhand::ledger::Ledger;
use onhand::ledger::counts;
use onhand::ledger::tables::{ListingState, Outcome, Selection};
use onhand::runtime::desk::Desk;
use onhand::sandbox::{Delivery, Goods, Marketplace};
use rand::RngExt;

use super::end::shipped;
use super::process::{Death, Process, WorldWire, book_rules};
use super::world::{SKUS, World, now, shop, web};

/// A message that was answered with success.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) channel: ChannelId,
    pub(super) delivery: Option<String>,
    pub(super) received_at: Timestamp,
    pub(super) outcome: Outcome,
}

/// Where the messages of one marketplace come in.
#[derive(Clone)]
struct Door {
    id: ChannelId,
    market: Arc<dyn Marketplace>,
    channel: Arc<dyn Channel>,
    wire: WorldWire,
    desk: Desk,
    answered: Arc<Mutex<Vec<Answered>>>,
    handed: Arc<AtomicU64>,
}

impl Door {
    /// Takes one message in, as the listener does before it answers.
    fn take_in(&self, delivery: &Delivery) -> Answered {
        let header = |(name, value): &(String, String)| {
            let name = name.parse::<HeaderName>().ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        let headers: HeaderMap = delivery.headers.iter().filter_map(header).collect();
        let hook = Webhook {
            method: &Method::POST,
            query: "",
            headers: &headers,
            body: &delivery.body,
        };
        let received_at = self.desk.clock.now();
        let read = now(self.channel.receive(&self.wire, &hook, received_at));
        let intake = Desk::intake(&self.id, read, &delivery.body, received_at)
            .unwrap_or_else(|| panic!("{} was forged", delivery.topic));
        let delivery = intake.delivery.clone();
        let recorded = now(self.desk.take_in(intake)).unwrap();
        self.handed.fetch_add(1, Ordering::SeqCst);
        Answered {
            channel: self.id.clone(),
            delivery,
            received_at,
            outcome: recorded.outcome,
        }
    }

    /// Takes in and answers whatever is due.
    fn take_all_in(&self) {
        for delivery in self.market.take_deliveries() {
            let taken = self.take_in(&delivery);
            self.market.settle(&delivery, Some(200));
            self.answered.lock().unwrap().push(taken);
        }
    }
}

impl World {
    pub(super) fn step(&mut self) {
        let id = if self.dice.random_bool(0.5) {
            shop()
        } else {
            web()
        };
        let text = SKUS[self.dice.random_range(0..SKUS.len())];
        match self.dice.random_range(0..100) {
            0..25 => self.buy(&id, text),
            25..29 => self.undo(),
            29..54 => self.deliver(),
            54..56 => self.deliver_and_die(&id),
            56..78 => self.deliver_stock(&id),
            78..84 => {
                now(self.process.fetcher.turn()).unwrap();
            }
            84..86 => {
                let then = self.clock.now();
                now(self.process.fetcher.ask_orders(then)).unwrap();
            }
            86..88 => self.other_process(text),
            88..89 => self.crash(),
            89..92 => self.die_in_a_call(&id),
            92..93 => self.stand_in(&id),
            93..94 if self.dice.random_bool(0.15) => self.go_dark(&id),
            _ => {
                let ms = self.dice.random_range(1..20_000);
                self.clock.advance(ms);
            }
        }
        let ms = self.dice.random_range(1..50);
        self.clock.advance(ms);
        self.look();
    }

    /// What must be true after every step.
    pub(super) fn look(&mut self) {
        let listings = self.listings();
        let ledger = self.process.desk.ledger.clone();
        let given_up = |key: &ListingKey| {
            let letters = now(ledger.read(|t| t.dead_letters())).unwrap();
            letters
                .iter()
                .any(|l| l.channel == key.channel && l.what == key.listing.as_str())
        };
        let policy = Arc::clone(&self.wires[&shop()].judge.policy);
        let wrong = self.versions.look(&listings, &policy, given_up);
        self.violations.lock().unwrap().extend(wrong);
    }

    pub(super) fn note(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    pub(super) fn buy(&mut self, id: &ChannelId, text: &str) {
        let units = self.dice.random_range(1..=2);
        if let Ok(sold) = self.markets[id].buy(Goods::Sku(text), units) {
            self.orders.push((id.clone(), sold.order));
        }
    }

    pub(super) fn undo(&mut self) {
        if self.orders.is_empty() {
            return;
        }
        let (id, order) = self
            .orders
            .swap_remove(self.dice.random_range(0..self.orders.len()));
        let market = &self.markets[&id];
        // What cannot be done in the order's state is refused by the marketplace.
        let done = if self.dice.random_bool(0.5) {
            market.cancel(order)
        } else {
            market.fulfil(order)
        };
        drop(done);
    }

    fn door(&self, id: &ChannelId) -> Door {
        Door {
            id: id.clone(),
            market: Arc::clone(&self.markets[id]),
            channel: Arc::clone(&self.channels[id]),
            wire: self.wires[id].clone(),
            desk: self.process.desk.clone(),
            answered: Arc::clone(&self.answered),
            handed: Arc::clone(&self.handed),
        }
    }

    /// Hands due webhooks over.
    pub(super) fn deliver(&mut self) {
        for id in [shop(), web()] {
            self.door(&id).take_all_in();
        }
    }

    /// The process dies after it took a message in and before it answered; the messages behind it find nobody.
    fn deliver_and_die(&mut self, id: &ChannelId) {
        let door = self.door(id);
        for (n, delivery) in door.market.take_deliveries().iter().enumerate() {
            if n == 0 {
                door.take_in(delivery);
                self.note("died before the answer");
                self.crash();
            }
            door.market.settle(delivery, None);
        }
    }

    /// Something that happens while the next call to a marketplace is under way: a buyer at its counter or at the other's,
    /// whose message may come in before our call has ended.
    fn meanwhile(&mut self, id: &ChannelId) {
        let text = SKUS[self.dice.random_range(0..SKUS.len())];
        let here = self.dice.random_bool(0.5);
        let seller = if here == (*id == shop()) {
            shop()
        } else {
            web()
        };
        let (door, heard) = (self.door(&seller), self.dice.random_bool(0.5));
        let clock = self.clock.clone();
        self.note(if heard {
            "a sale during a call, and its message"
        } else {
            "a sale during a call"
        });
        let sale = move || {
            drop(door.market.buy(Goods::Sku(text), 1));
            if heard {
                clock.advance(250);
                door.take_all_in();
            }
        };
        *self.wires[id].meanwhile.lock().unwrap() = Some(Box::new(sale));
    }

    /// A marketplace cannot be reached for longer than all retries take. Its messages still come.
    fn go_dark(&mut self, id: &ChannelId) {
        let ms = self.dice.random_range(900_000..1_800_000);
        let until = self.clock.millis() + ms;
        self.wires[id].dark_until.store(until, Ordering::SeqCst);
        self.note("a marketplace could not be reached");
    }

    /// A turn of a lane.
    fn deliver_stock(&mut self, id: &ChannelId) {
        if self.dice.random_bool(0.4) {
            self.meanwhile(id);
        }
        let lane = self.process.lanes.get_mut(id).unwrap();
        let rings = lane.mailbox.take();
        now(lane.look(&rings)).unwrap();
        self.wires[id].judge.turn();
        now(lane.turn()).unwrap();
        self.wires[id].meanwhile.lock().unwrap().take();
    }

    /// The process dies within a call: what it began is never finished.
    fn die_in_a_call(&mut self, id: &ChannelId) {
        let death = if self.dice.random_bool(0.5) {
            Death::BeforeTheCall
        } else {
            Death::AfterTheEffect
        };
        *self.wires[id].death.lock().unwrap() = Some(death);
        let sends = self.dice.random_bool(0.7);
        let ended = if sends {
            let lane = self.process.lanes.get_mut(id).unwrap();
            let rings = Rings {
                sweep: true,
                orders: [id.clone()].into(),
                ..lane.mailbox.take()
            };
            now(lane.look(&rings)).unwrap();
            self.wires[id].judge.turn();
            lane.turn().now_or_never().map(drop)
        } else {
            let then = self.clock.now();
            now(self.process.fetcher.ask_orders(then)).unwrap();
            self.process.fetcher.turn().now_or_never().map(drop)
        };
        self.wires[id].death.lock().unwrap().take();
        if ended.is_some() {
            // Nothing was due, so that it did not call.
            return;
        }
        self.note(match (sends, death) {
            (true, Death::BeforeTheCall) => "died between begin and call",
            (true, Death::AfterTheEffect) => "died between effect and settle",
            (false, _) => "died in a fetch",
        });
        self.crash();
    }

    /// The process dies, another one takes over for a while and dies, too.
    fn stand_in(&mut self, id: &ChannelId) {
        self.note("another process stood in");
        self.die_in_a_call(id);
        self.crash();
        for _ in 0..self.dice.random_range(1..4) {
            self.deliver();
            self.deliver_stock(id);
            now(self.process.fetcher.turn()).unwrap();
            let ms = self.dice.random_range(1..3_000);
            self.clock.advance(ms);
        }
        self.die_in_a_call(id);
        self.crash();
    }

    /// Another process writes to the store: goods come in and the shelf is counted, and nobody rings.
    pub(super) fn other_process(&mut self, text: &str) {
        self.note("another process counted");
        let other = Ledger::inline(
            Box::new(self.store.clone()),
            book_rules(&self.channels),
            Arc::new(self.clock.clone()),
        );
        *self.came_in.entry(text.to_owned()).or_default() += self.dice.random_range(0..4);
        // What leaves or comes in the second of the count is on neither side of it.
        self.clock.advance(3_000);
        let row = self.counted(text, self.on_the_shelf(text));
        let then = self.clock.now();
        self.counts.push((row.sku.clone(), then));
        now(other.write(move |t| counts::count(t, std::slice::from_ref(&row), "count", then)))
            .unwrap();
        self.clock.advance(3_000);
    }

    /// What really lies there: what came in, less what the marketplaces' orders shipped.
    pub(super) fn on_the_shelf(&self, text: &str) -> i64 {
        let came_in = self.came_in.get(text).copied().unwrap_or(0);
        let shipped: i64 = self
            .markets
            .values()
            .map(|market| shipped(&market.log(), text))
            .sum();
        came_in - shipped
    }

    pub(super) fn crash(&mut self) {
        self.process = Process::start(
            &self.store,
            &self.channels,
            &self.wires,
            &self.clock,
            self.seed,
        );
        self.what_was_answered_is_kept();
    }

    pub(super) fn listings(&self) -> Vec<ListingState> {
        now(self
            .process
            .desk
            .ledger
            .read(|t| t.listings(&Selection::default())))
        .unwrap()
    }
}
