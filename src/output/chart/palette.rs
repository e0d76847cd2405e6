//! The colours of charts. Each is a name for a variable of `report.css`, which maps them by their value.

use plotters::prelude::RGBColor;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, ShapeStyle, TextStyle};

/// Texts.
pub(super) const INK: RGBColor = RGBColor(0x1c, 0x24, 0x30);
/// Texts that matter less.
pub(super) const SOFT: RGBColor = RGBColor(0x5d, 0x68, 0x78);
/// Axes and grids.
pub(super) const RULE: RGBColor = RGBColor(0xd8, 0xde, 0xe6);
/// Where the seller stands.
pub(super) const MARK: RGBColor = RGBColor(0xb3, 0x26, 0x1e);
/// Lines and bars, in order; told apart without colours by the symbols beside them.
pub(super) const SERIES: [RGBColor; 5] = [
    RGBColor(0x2f, 0x6f, 0xb3),
    RGBColor(0xb8, 0x5c, 0x12),
    RGBColor(0x1a, 0x7f, 0x6b),
    RGBColor(0x7a, 0x4f, 0xa3),
    RGBColor(0x6b, 0x6b, 0x1f),
];
/// The signs of the series, in the same order.
pub(super) const SYMBOLS: [&str; 5] = ["\u{25cf}", "\u{25b2}", "\u{2715}", "\u{25a0}", "\u{25cb}"];
/// Their classes in the style sheet.
pub(super) const CLASSES: [&str; 5] = ["k0", "k1", "k2", "k3", "k4"];
/// The sign of where the seller stands.
pub(super) const MARK_SYMBOL: &str = "\u{25c6}";

/// plotters divides sizes by this before it writes them.
const SIZE_TIMES: f64 = 1.24;
/// Letters of charts, in pixels.
const TEXT_PX: f64 = 13.0;
/// About how wide a letter of that size is.
pub(super) const LETTER_PX: u32 = 8;
/// Letters at the top begin below it: their boxes are higher than they are.
pub(super) const TOP_PX: i32 = 4;
/// From one line of text to the next.
pub(super) const LINE_PX: u32 = 18;

/// A text of this colour.
pub(super) fn text(color: RGBColor, h_pos: HPos, v_pos: VPos) -> TextStyle<'static> {
    let style: TextStyle<'static> = ("sans-serif", TEXT_PX * SIZE_TIMES).into();
    TextStyle {
        color: color.to_backend_color(),
        ..style
    }
    .pos(Pos::new(h_pos, v_pos))
}

/// A line of this colour.
pub(super) fn line(color: RGBColor, width_px: u32) -> ShapeStyle {
    color.stroke_width(width_px)
}

/// The colour of a series; they repeat.
pub(super) fn series(idx: usize) -> RGBColor {
    SERIES.get(idx % SERIES.len()).copied().unwrap_or(INK)
}
