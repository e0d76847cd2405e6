//! What the tests of this room share.

use crate::channels::Profile;

/// A platform that allows a lot.
pub(super) fn profile() -> Profile {
    Profile {
        platform: "test",
        compare_and_set: false,
        batch_max: 100,
        calls_at_once: 100,
        calls_per_second: 1_000.0,
        burst: 1_000,
        settling_ms: 0,
        orders_visible_after_ms: 0,
        delivery_id_unique: true,
        forged_status: 401,
        clock_skew_ms: 0,
        call_timeout_ms: 5_000,
    }
}
