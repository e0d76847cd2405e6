//! Emulated marketplaces.
mod faults;
mod journal;
mod sign;
mod stage;
pub use faults::{Fault, FaultCounts, Faults};
pub use journal::{Entry, Happening};
pub use stage::{Answer, Clock, Conduct, Delivery, wall_clock};
