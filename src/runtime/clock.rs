//! The wall clock of the program: the one place that asks the system for the time.

use crate::domain::clock::{Clock, Timestamp};

/// The system's wall clock. It may jump; waits and timeouts use the runtime's own steady clock instead.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(chrono::Utc::now().timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_a_time_after_it_was_written() {
        let written = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        assert!(SystemClock.now() > written);
    }
}
