//! Bugs that can be planted, to see whether the simulation notices them: a test of the tests.
//!
//! With the feature `planted` a thread may plant one bug for itself. Without it nothing can be planted, [`is`] is a
//! constant, and the places that ask it cost nothing. It imports `domain`; the rooms that have such places import it.

use crate::domain::ids::ListingKey;
use crate::domain::quantity::Quantity;

/// A mistake that software of this kind makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A message is answered before it is in the store.
    AckBeforeSync,
    /// What was taken in before is remembered in memory and not asked of the books.
    DedupOnlyInMemory,
    /// The quantity is computed when a listing begins to wait, not when it is sent.
    QuantityBoundAtEnqueue,
    /// A retry acknowledges the newest version, although it sent the quantity of an older one.
    NoVersionCheckOnRetry,
    /// A raise goes out before the channel's orders were read.
    RaiseWithoutEvidence,
    /// A listing of which nothing is certain is acknowledged without a call if the last number was right.
    AcknowledgedWhileUnknown,
}

#[cfg(feature = "planted")]
pub(crate) use self::sown::{bind, bound, early, is, remembered};
#[cfg(feature = "planted")]
pub use self::sown::{crash, plant};

#[cfg(not(feature = "planted"))]
pub(crate) use self::fallow::{bind, bound, early, is, remembered};

/// Nothing is planted.
#[cfg(not(feature = "planted"))]
mod fallow {
    use super::{Bug, ListingKey, Quantity};

    #[inline]
    pub(crate) const fn is(_: Bug) -> bool {
        false
    }

    #[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
    #[inline]
    pub(crate) fn early<T: 'static>(message: T) -> Option<T> {
        Some(message)
    }

    #[inline]
    pub(crate) const fn remembered(_: &str) -> bool {
        true
    }

    #[inline]
    pub(crate) const fn bind(_: &ListingKey, _: Quantity) {}

    #[inline]
    pub(crate) const fn bound(_: &ListingKey, fresh: Quantity) -> Quantity {
        fresh
    }
}

#[cfg(feature = "planted")]
mod sown {
    use std::any::Any;
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Bug, ListingKey, Quantity};

    /// What the process with the bug has in memory and nowhere else.
    #[derive(Default)]
    struct Memory {
        answered: Option<Box<dyn Any>>,
        seen: BTreeSet<String>,
        bound: BTreeMap<ListingKey, Quantity>,
    }

    thread_local! {
        static PLANTED: RefCell<(Option<Bug>, Memory)> = RefCell::default();
    }

    /// Plants a bug on this thread, or takes it out again.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set((bug, Memory::default()));
    }

    /// The process dies: what it had only in memory is gone.
    pub fn crash() {
        PLANTED.with_borrow_mut(|(_, memory)| *memory = Memory::default());
    }

    pub(crate) fn is(bug: Bug) -> bool {
        PLANTED.with_borrow(|(planted, _)| *planted == Some(bug))
    }

    /// The message to take in now: this one, or with the bug the one that was answered before it.
    pub(crate) fn early<T: 'static>(message: T) -> Option<T> {
        if !is(Bug::AckBeforeSync) {
            return Some(message);
        }
        let before =
            PLANTED.with_borrow_mut(|(_, memory)| memory.answered.replace(Box::new(message)))?;
        before.downcast().ok().map(|message| *message)
    }

    /// Whether this was seen before by this process; remembers it.
    pub(crate) fn remembered(what: &str) -> bool {
        PLANTED.with_borrow_mut(|(_, memory)| !memory.seen.insert(what.to_owned()))
    }

    /// A listing begins to wait.
    pub(crate) fn bind(listing: &ListingKey, quantity: Quantity) {
        PLANTED.with_borrow_mut(|(_, memory)| {
            memory.bound.entry(listing.clone()).or_insert(quantity);
        });
    }

    /// Its turn has come.
    pub(crate) fn bound(listing: &ListingKey, fresh: Quantity) -> Quantity {
        let bound = PLANTED.with_borrow_mut(|(_, memory)| memory.bound.remove(listing));
        bound
            .filter(|_| is(Bug::QuantityBoundAtEnqueue))
            .unwrap_or(fresh)
    }
}
