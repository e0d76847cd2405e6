//! The channel as its callers see it, over a scripted wire. Bodies are recorded answers, shortened, wherever one exists.
#![expect(
    clippy::indexing_slicing,
    reason = "a missing place fails the test, as it should"
)]

mod calls;
mod hooks;
mod orders;
mod places;
mod publish;
mod reads;
