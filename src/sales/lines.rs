//! Line items as `--lines` shows them: every row, what was understood, and why it counts or not.

use super::moment::Resolution;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) file: u16,
    /// Its line.
    pub(super) stands_at: u64,
    pub(super) order: String,
    pub(super) sku: String,
    /// Thousandths of units; not known if the cell is no number.
    pub(super) milli: Option<i64>,
    /// An instant or a local day, as text.
    pub(super) at: Option<String>,
    pub(super) hour: i32,
    pub(super) resolution: Resolution,
    pub(super) channel: String,
    pub(super) counted: bool,
    pub(super) reason: String,
    /// Its first place among the counted rows.
    pub(super) sale: Option<usize>,
}

/// Quantities as JSON shows them: whole where they are.
pub(super) fn units(milli: i64) -> serde_json::Value {
    if milli % super::cells::MILLI == 0 {
        (milli / super::cells::MILLI).into()
    } else {
        #[expect(clippy::cast_precision_loss, reason = "below four million units")]
        (milli as f64 / 1_000.0).into()
    }
}
