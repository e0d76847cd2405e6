//! What waits for its turn in one lane, and whose turn is next. In memory only: what is dirty is asked of the books.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::Mark;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ListingId;

/// A dirty listing and when its turn is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Since when it waits.
    pub(super) since: Timestamp,
    /// When its turn comes.
    pub(super) due: Timestamp,
    /// Smaller goes first.
    pub(super) urgency: (u8, i64, Timestamp),
    /// The sale that it waits for.
    pub(super) mark: Option<Mark>,
    /// It is a raise that waits until the channel's orders were read.
    pub(super) for_orders: bool,
}

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct Queue(BTreeMap<ListingId, Waiting>);

impl Queue {
    /// One that waits.
    pub(super) fn get(&self, listing: &ListingId) -> Option<&Waiting> {
        self.0.get(listing)
    }

    /// Lets one wait; what was known of it is replaced.
    pub(super) fn put(&mut self, listing: ListingId, waiting: Waiting) {
        self.0.insert(listing, waiting);
    }

    /// One needs no turn any more.
    pub(super) fn remove(&mut self, listing: &ListingId) {
        self.0.remove(listing);
    }

    /// Its next turn is then.
    pub(super) fn delay(&mut self, listing: &ListingId, due: Timestamp, for_orders: bool) {
        if let Some(waiting) = self.0.get_mut(listing) {
            (waiting.due, waiting.for_orders) = (due, for_orders);
        }
    }

    /// The channel's orders were read: raises that waited for that have their turn. Nothing else does: a retry keeps its
    /// time and a batch its interval.
    pub(super) fn orders_were_read(&mut self, now: Timestamp) {
        for waiting in self.0.values_mut().filter(|waiting| waiting.for_orders) {
            waiting.due = waiting.due.min(now);
        }
    }

    /// Whether anybody's turn has come.
    pub(super) fn any_due(&self, now: Timestamp) -> bool {
        self.0.values().any(|waiting| waiting.due <= now)
    }

    /// How long it is until the next turn, at least 1 ms and at most `most`.
    pub(super) fn next_in(&self, now: Timestamp, most: Duration) -> Duration {
        let next = self.0.values().map(|waiting| waiting.due.since(now)).min();
        next.map_or(most, |ms| {
            let ms = u64::try_from(ms).unwrap_or(0).max(1);
            Duration::from_millis(ms).min(most)
        })
    }

    /// How many wait, and since when the oldest does.
    pub(super) fn backlog(&self) -> (usize, Option<Timestamp>) {
        let oldest = self.0.values().map(|waiting| waiting.since).min();
        (self.0.len(), oldest)
    }

    /// The most urgent that are due, at most `most`: those that go in one call with the most urgent of all.
    pub(super) fn pick<'a>(
        &'a self,
        now: Timestamp,
        most: usize,
        call_of: impl Fn(&'a ListingId) -> &'a str,
    ) -> Vec<ListingId> {
        let mut due: Vec<_> = self
            .0
            .iter()
            .filter(|(_, waiting)| waiting.due <= now)
            .collect();
        due.sort_by(|(a, x), (b, y)| x.urgency.cmp(&y.urgency).then_with(|| a.cmp(b)));
        let Some(call) = due.first().map(|(first, _)| call_of(first)) else {
            return Vec::new();
        };
        due.into_iter()
            .map(|(listing, _)| listing)
            .filter(|listing| call_of(listing) == call)
            .take(most)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn id(text: &str) -> ListingId {
        ListingId::new(text).unwrap()
    }

    fn queue(rows: &[(&str, i64, i64)]) -> Queue {
        let mut queue = Queue::default();
        for (listing, due, urgency) in rows {
            let waiting = Waiting {
                since: at(0),
                due: at(*due),
                urgency: (1, *urgency, at(0)),
                mark: None,
                for_orders: false,
            };
            queue.put(id(listing), waiting);
        }
        queue
    }

    #[test]
    fn a_read_of_orders_wakes_raises_and_no_retry_and_no_batch() {
        let mut queue = queue(&[("retry", 120_000, 1), ("raise", 0, 2)]);
        queue.delay(&id("raise"), at(2_000), true);
        assert!(!queue.any_due(at(500)));
        queue.orders_were_read(at(500));
        assert_eq!(queue.pick(at(500), 9, |_| ""), [id("raise")]);
        assert_eq!(queue.get(&id("retry")).unwrap().due, at(120_000));
    }

    fn parent(listing: &ListingId) -> &str {
        listing.as_str().split('/').next().unwrap()
    }

    #[test]
    fn one_call_takes_what_goes_with_the_most_urgent() {
        let queue = queue(&[
            ("11/1", 0, 3),
            ("11/2", 0, 1),
            ("12/1", 0, 2),
            ("11/3", 9, 0),
        ]);
        assert_eq!(queue.pick(at(5), 9, parent), [id("11/2"), id("11/1")]);
        assert_eq!(queue.pick(at(5), 1, parent), [id("11/2")]);
        assert_eq!(
            queue.pick(at(5), 9, |_| ""),
            [id("11/2"), id("12/1"), id("11/1")]
        );
    }

    #[test]
    fn it_sleeps_until_the_next_turn() {
        let most = Duration::from_secs(1);
        assert_eq!(Queue::default().next_in(at(0), most), most);
        let queue = queue(&[("a", 300, 1), ("b", 90_000, 1)]);
        assert_eq!(queue.next_in(at(0), most).as_millis(), 300);
        assert_eq!(queue.next_in(at(400), most).as_millis(), 1);
    }
}
