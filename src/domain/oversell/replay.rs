//! One stockout, order by order: each channel sells what it shows, as much of an order as that is, until none shows any.
//!
//! Stock is shared, and the same units are withheld from every channel. What the others sold is not seen by a channel until
//! the next sync, or until the latency has passed. The pool is so large before that nothing can go wrong; only what comes
//! after is gone through.

use super::{Mode, Order};

/// How channels learn of each other, and what is withheld.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// How.
    pub mode: Mode,
    /// The latency, or the interval of syncs, in milliseconds; above 0.
    pub latency_ms: f64,
    /// When the syncs are, as a share of the interval, 0 to below 1; for [`Mode::Batch`].
    pub phase: f64,
    /// Units withheld from each channel.
    pub buffer: f64,
}

/// What became of the stock.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Units accepted that were not there.
    pub oversold_units: f64,
    /// Orders that were not there, in whole or in part.
    pub oversold_orders: f64,
    /// Units that buyers were refused although channels that know everything would have sold them.
    pub lost_units: f64,
    /// Units left when no channel shows any.
    pub stranded_units: f64,
}

/// One SKU's orders with times of their own, ready to be sold again and again.
#[derive(Debug, Clone)]
pub struct Path {
    /// Time in milliseconds, channel by its place, units.
    orders: Vec<(f64, usize, f64)>,
    /// Units before each order, and of all at the end.
    before: Vec<f64>,
    /// Units of each channel that the others have not seen, while a stockout is replayed.
    unseen: Vec<f64>,
    /// Units taken of each order since the replay began.
    taken: Vec<f64>,
}

/// The pool while it runs out.
struct Pool {
    /// What it began with.
    stock: f64,
    /// Units that channels took.
    accepted: f64,
    /// Units that buyers wanted.
    wanted: f64,
    /// Units taken that other channels have not seen.
    unseen: f64,
    /// The first order that others may not have seen.
    unseen_from: usize,
}

impl Pool {
    /// What is there, less what was promised and was not.
    fn left(&self) -> f64 {
        self.stock - self.accepted
    }
}

impl Path {
    /// Draws the moment of each order from its spread. `dice` gives numbers from 0 to below 1.
    pub fn new(orders: &[Order], mut dice: impl FnMut() -> f64) -> Self {
        let mut channels: Vec<u16> = orders.iter().map(|order| order.channel).collect();
        channels.sort_unstable();
        channels.dedup();
        let first = orders.first().map_or(0, |order| order.at_ms);
        let placed = |order: &Order| {
            let at = super::millis(order.at_ms.saturating_sub(first));
            let at = at + f64::from(order.spread_ms) * dice();
            let place = channels.partition_point(|channel| *channel < order.channel);
            (at, place, order.units)
        };
        let mut orders: Vec<_> = orders.iter().map(placed).collect();
        orders.sort_by(|a, b| a.0.total_cmp(&b.0));
        let sums = orders.iter().scan(0.0, |sum, order| {
            *sum += order.2;
            Some(*sum)
        });
        Self {
            before: std::iter::once(0.0).chain(sums).collect(),
            unseen: vec![0.0; channels.len()],
            taken: Vec::new(),
            orders,
        }
    }

    /// All units.
    pub fn units(&self) -> f64 {
        self.before.last().copied().unwrap_or(0.0)
    }

    /// The moment at which perfect channels would have sold this stock, in milliseconds after the first order's earliest
    /// moment.
    pub fn runs_out_ms(&self, stock: f64) -> f64 {
        let idx = self.before.partition_point(|before| *before < stock);
        let at = |idx: usize| self.orders.get(idx).map(|order| order.0);
        at(idx.saturating_sub(1)).unwrap_or(0.0)
    }

    /// Lets the pool begin with so many units, and sells until no channel shows any or the orders end.
    pub fn stockout(&mut self, stock: f64, terms: &Terms) -> Outcome {
        let begin = self.begin(stock, terms);
        self.unseen.fill(0.0);
        self.taken.clear();
        let before = self.before.get(begin).copied().unwrap_or(0.0);
        let mut pool = Pool {
            stock,
            accepted: before,
            wanted: before,
            unseen: 0.0,
            unseen_from: begin,
        };
        let mut found = Outcome::default();
        for idx in begin..self.orders.len() {
            self.see(&mut pool, idx, begin, terms);
            if pool.unseen_from == idx && pool.left() <= terms.buffer {
                // Nobody shows any, and nothing is on its way.
                break;
            }
            self.sell(&mut pool, idx, terms.buffer, &mut found);
        }
        // Whoever came after the last channel closed was refused.
        found.lost_units += (stock.min(self.units()) - pool.wanted).max(0.0);
        found.stranded_units = pool.left().clamp(0.0, terms.buffer);
        found
    }

    /// What the other channels sold long enough ago is seen when this order comes.
    fn see(&mut self, pool: &mut Pool, idx: usize, begin: usize, terms: &Terms) {
        let at = self.orders.get(idx).map_or(0.0, |order| order.0);
        while let Some(&(then, channel, _)) = self.orders.get(pool.unseen_from)
            && pool.unseen_from < idx
            && terms.sees(then, at)
        {
            let taken = self.taken.get(pool.unseen_from - begin);
            let units = taken.copied().unwrap_or(0.0);
            pool.unseen -= units;
            if let Some(sum) = self.unseen.get_mut(channel) {
                *sum -= units;
            }
            pool.unseen_from += 1;
        }
    }

    /// The order takes what its channel shows.
    fn sell(&mut self, pool: &mut Pool, idx: usize, buffer: f64, found: &mut Outcome) {
        let Some(&(_, channel, units)) = self.orders.get(idx) else {
            return;
        };
        let own = self.unseen.get(channel).copied().unwrap_or(0.0);
        let shown = pool.left() + pool.unseen - own - buffer;
        let take = units.min(shown.max(0.0));
        let there = pool.left().max(0.0);
        if take > there {
            found.oversold_units += take - there;
            found.oversold_orders += 1.0;
        }
        let perfect = units.min((pool.stock - pool.wanted).max(0.0));
        found.lost_units += (perfect - take).max(0.0);
        pool.wanted += units;
        pool.accepted += take;
        pool.unseen += take;
        self.taken.push(take);
        if let Some(sum) = self.unseen.get_mut(channel) {
            *sum += take;
        }
    }

    /// The first order of which another may be unseen when the stock comes into reach of the buffer: all before it were
    /// taken whole, and everybody has seen them.
    fn begin(&self, stock: f64, terms: &Terms) -> usize {
        let sure = stock - terms.buffer;
        let short = self.before.partition_point(|before| *before <= sure);
        let short = short.saturating_sub(1).min(self.orders.len());
        let Some(&(at, ..)) = self.orders.get(short) else {
            return self.orders.len();
        };
        self.orders
            .partition_point(|order| terms.sees(order.0, at))
            .min(short)
    }
}

impl Terms {
    /// Whether a channel knows at a moment what another sold at an earlier one.
    fn sees(&self, earlier: f64, at: f64) -> bool {
        match self.mode {
            Mode::Event => earlier <= at - self.latency_ms,
            Mode::Batch => self.interval(earlier) < self.interval(at),
        }
    }

    /// Which interval between syncs a moment is in.
    fn interval(&self, at: f64) -> f64 {
        (at / self.latency_ms - self.phase).floor()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn orders(made: &[(i64, u16, u32)]) -> Vec<Order> {
        let order = |&(at_ms, channel, units): &(i64, u16, u32)| Order {
            at_ms,
            spread_ms: 0,
            channel,
            units: f64::from(units),
        };
        made.iter().map(order).collect()
    }

    fn terms(mode: Mode, latency_ms: f64) -> Terms {
        Terms {
            mode,
            latency_ms,
            phase: 0.0,
            buffer: 0.0,
        }
    }

    fn oversold(orders: &[Order], terms: &Terms) -> Vec<f64> {
        let mut path = Path::new(orders, || 0.0);
        let mut stock = 0.0;
        let mut found = Vec::new();
        while stock < path.units() {
            stock += 1.0;
            found.push(path.stockout(stock, terms).oversold_units);
        }
        found
    }

    /// Pairs of units that did not see each other, one by one.
    fn blind(orders: &[Order], terms: &Terms) -> f64 {
        let first = orders.first().map_or(0, |order| order.at_ms);
        let at = |order: &Order| crate::domain::oversell::millis(order.at_ms - first);
        let mut sum = 0.0;
        for (idx, later) in orders.iter().enumerate() {
            for earlier in orders.iter().take(idx) {
                if earlier.channel != later.channel && !terms.sees(at(earlier), at(later)) {
                    sum += earlier.units * later.units;
                }
            }
        }
        sum
    }

    #[test]
    fn every_stock_by_hand() {
        let tenths = [2, 5, 9, 11, 13, 26, 27];
        let first: Vec<_> = tenths
            .iter()
            .zip([0, 1, 2, 0, 1, 2, 0])
            .map(|(tenth, channel)| (tenth * 100, channel, 1))
            .collect();
        let first = orders(&first);
        let event = terms(Mode::Event, 1_000.0);
        assert_eq!(
            oversold(&first, &event),
            [2.0, 2.0, 2.0, 1.0, 0.0, 1.0, 0.0]
        );
        assert!((blind(&first, &event) - 8.0).abs() < 1e-12);
        // Times count from the first order here, so that a sync at 1.0 is at 0.8 of an interval.
        let batch = Terms {
            phase: 0.8,
            ..terms(Mode::Batch, 1_000.0)
        };
        assert_eq!(
            oversold(&first, &batch),
            [2.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
        );
        assert!((blind(&first, &batch) - 5.0).abs() < 1e-12);
        let second = orders(&[(0, 0, 1), (1_000, 1, 1), (1_500, 0, 1), (4_000, 1, 1)]);
        for mode in [Mode::Event, Mode::Batch] {
            let found = oversold(&second, &terms(mode, 2_000.0));
            assert_eq!(found, [1.0, 1.0, 0.0, 0.0], "{mode:?}");
        }
    }

    #[test]
    fn a_buffer_on_every_channel_leaves_units() {
        let made = orders(&[(0, 0, 1), (1, 1, 1), (2, 0, 1), (3, 1, 1), (9_000, 0, 1)]);
        let mut path = Path::new(&made, || 0.0);
        let mut with = |stock, buffer| {
            let terms = Terms {
                buffer,
                ..terms(Mode::Event, 1_000.0)
            };
            path.stockout(stock, &terms)
        };
        // Three units, each channel shows two and sells two within a second: one is oversold.
        let found = with(3.0, 1.0);
        assert_eq!((found.oversold_units, found.oversold_orders), (1.0, 1.0));
        assert_eq!((found.lost_units, found.stranded_units), (0.0, 0.0));
        // Two withheld: each shows one. The first two are sold, the unit left is refused to the third.
        let found = with(3.0, 2.0);
        assert_eq!((found.oversold_units, found.oversold_orders), (0.0, 0.0));
        assert_eq!((found.lost_units, found.stranded_units), (1.0, 1.0));
        // All withheld.
        let found = with(3.0, 5.0);
        assert_eq!((found.lost_units, found.stranded_units), (3.0, 3.0));
    }

    prop_compose! {
        fn some_orders()(made in proptest::collection::vec((0_i64..40, 0_u16..4, 1_u32..5), 0..24)) -> Vec<Order> {
            let mut made = made;
            made.sort_unstable_by_key(|order| order.0);
            orders(&made)
        }
    }

    proptest! {
        #[test]
        fn what_is_oversold_over_all_stocks_is_the_blind_pairs(
            made in some_orders(), latency in 1_u32..30, phase in 0.0..1.0, batch in any::<bool>(),
        ) {
            let mode = if batch { Mode::Batch } else { Mode::Event };
            let terms = Terms { phase, ..terms(mode, f64::from(latency)) };
            let sum: f64 = oversold(&made, &terms).iter().sum();
            prop_assert!((sum - blind(&made, &terms)).abs() < 1e-6);
        }

        #[test]
        fn pair_counting_and_replay_agree(made in some_orders(), latency in 1_u32..30) {
            let latency = f64::from(latency);
            let counted = super::super::pairs::per_stockout(&made, Mode::Event, &[latency]);
            let terms = terms(Mode::Event, latency);
            let sum: f64 = oversold(&made, &terms).iter().sum();
            let units: f64 = made.iter().map(|order| order.units).sum();
            prop_assert!((sum - counted[0].units * units).abs() < 1e-6);
        }

        #[test]
        fn pair_counting_is_the_mean_over_all_phases(made in some_orders(), latency in 1_u16..30) {
            // Times are whole, so syncs halfway between them see every case.
            let counted = super::super::pairs::per_stockout(&made, Mode::Batch, &[f64::from(latency)]);
            let units: f64 = made.iter().map(|order| order.units).sum();
            let sums = (0..latency).map(|shift| {
                let phase = (f64::from(shift) + 0.5) / f64::from(latency);
                blind(&made, &Terms { phase, ..terms(Mode::Batch, f64::from(latency)) })
            });
            let mean = sums.sum::<f64>() / f64::from(latency);
            prop_assert!((mean - counted[0].units * units).abs() < 1e-6);
        }

        #[test]
        fn nothing_is_lost_or_left_without_buffers(made in some_orders(), latency in 1_u32..30, stock in 1_u32..60) {
            let mut path = Path::new(&made, || 0.0);
            let terms = terms(Mode::Event, f64::from(latency));
            let found = path.stockout(f64::from(stock), &terms);
            prop_assert!(found.lost_units.abs() < 1e-9 && found.stranded_units.abs() < 1e-9);
        }

        #[test]
        fn a_larger_buffer_never_oversells_more(
            made in some_orders(), latency in 1_u32..30, stock in 1_u32..60, buffer in 0_u32..6, batch in any::<bool>(),
        ) {
            let mode = if batch { Mode::Batch } else { Mode::Event };
            let mut path = Path::new(&made, || 0.0);
            let mut with = |buffer: u32| {
                let terms = Terms { buffer: f64::from(buffer), ..terms(mode, f64::from(latency)) };
                path.stockout(f64::from(stock), &terms)
            };
            let (less, more) = (with(buffer), with(buffer + 1));
            prop_assert!(more.oversold_units <= less.oversold_units + 1e-9);
            prop_assert!(more.stranded_units >= less.stranded_units - 1e-9);
        }

        #[test]
        fn beginning_late_changes_nothing(
            made in some_orders(), latency in 1_u32..30, stock in 1_u32..60, buffer in 0_u32..6,
        ) {
            // An order of another SKU long before makes no difference; neither does one that everybody has seen.
            let mut path = Path::new(&made, || 0.0);
            let mut shifted = made.clone();
            shifted.insert(0, Order { at_ms: -1_000, spread_ms: 0, channel: 0, units: 50.0 });
            let mut longer = Path::new(&shifted, || 0.0);
            let terms = Terms { buffer: f64::from(buffer), ..terms(Mode::Event, f64::from(latency)) };
            let (here, there) = (
                path.stockout(f64::from(stock), &terms),
                longer.stockout(f64::from(stock) + 50.0, &terms),
            );
            if path.units() >= f64::from(stock) && stock >= buffer {
                prop_assert_eq!(here, there);
            }
        }
    }
}
