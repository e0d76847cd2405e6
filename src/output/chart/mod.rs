//! Charts of reports as SVG: lines over an axis, bars with intervals, shades. Drawn by plotters, in two widths: a phone
//! shows the narrow one, so that no letter shrinks.
//!
//! A chart has no script, no font and no colour of its own: texts are escaped, and the report's style sheet maps the few
//! colours of [`palette`] to those of light, dark and paper. Every chart can say its [`Chart::numbers`], which stand
//! behind it for whoever cannot see it.

mod bars;
mod heat;
mod lines;
mod palette;
mod scale;

use std::borrow::Cow;

use plotters::prelude::{DrawingArea, IntoDrawingArea as _, SVGBackend};

use super::terminal::clean;
use super::{Cell, OutputError};
use crate::domain::money::grouped;

pub use bars::{Bar, Bars};
pub use heat::Heat;
pub use lines::{Lines, Mark, Series};
pub use scale::Axis;

/// A value that is a line across, such as a bound that decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// What it is, in a few words.
    pub name: String,
    /// Where.
    pub value: f64,
}

impl Bound {
    /// A named value.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
        }
    }
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Chart {
    /// Values over an axis.
    Lines(Lines),
    /// Values by name, with their intervals.
    Bars(Bars),
    /// Counts by row and column, as shades.
    Heat(Heat),
}

/// For which screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// A desk, or paper.
    Wide,
    /// A phone.
    Narrow,
}

impl Width {
    pub(super) const BOTH: [Self; 2] = [Self::Wide, Self::Narrow];

    /// In the style sheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Wide => "at-desk",
            Self::Narrow => "on-phone",
        }
    }

    const fn px(self) -> u32 {
        match self {
            Self::Wide => 720,
            Self::Narrow => 350,
        }
    }
}

/// A drawing, without the element around it.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    /// SVG elements, escaped.
    pub(super) inside: String,
}

/// What a line or a mark means.
#[derive(Debug)]
pub(super) struct Key<'c> {
    pub(super) symbol: &'static str,
    pub(super) class: &'static str,
    pub(super) name: &'c str,
}

/// The values of a chart as a table.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) headers: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Chart {
    /// Draws it.
    ///
    /// # Errors
    /// [`OutputError::Write`] if plotters fails, which it does for nothing that is written to memory.
    pub(super) fn drawn(&self, width: Width) -> Result<Drawn, OutputError> {
        match self {
            Self::Lines(lines) => lines.drawn(width),
            Self::Bars(bars) => bars.drawn(width),
            Self::Heat(heat) => heat.drawn(width),
        }
    }

    /// What its lines mean; empty if it has one only.
    pub(super) fn keys(&self) -> Vec<Key<'_>> {
        match self {
            Self::Lines(lines) => lines.keys(),
            Self::Bars(_) | Self::Heat(_) => Vec::new(),
        }
    }

    /// Its values.
    pub(super) fn numbers(&self) -> Numbers {
        match self {
            Self::Lines(lines) => lines.numbers(),
            Self::Bars(bars) => bars.numbers(),
            Self::Heat(heat) => heat.numbers(),
        }
    }
}

type Area<'s> = DrawingArea<SVGBackend<'s>, plotters::coord::Shift>;
type Painted = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Lets plotters paint, and takes the element around it away: the template writes its own, with a name.
fn painted(
    width_px: u32,
    height_px: u32,
    paint: impl FnOnce(&Area<'_>) -> Painted,
) -> Result<Drawn, OutputError> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width_px, height_px)).into_drawing_area();
        paint(&area)
            .and_then(|()| area.present().map_err(Into::into))
            .map_err(|error| OutputError::Write(std::io::Error::other(error.to_string())))?;
    }
    let inside = text
        .split_once('>')
        .and_then(|(_, rest)| rest.rsplit_once("</svg>"))
        .map_or(String::new(), |(inside, _)| inside.to_owned());
    Ok(Drawn {
        width_px,
        height_px,
        inside,
    })
}

/// At most so many letters, made safe to be seen; what is cut off is told by a sign.
fn short(text: &str, letters_max: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= letters_max {
        return text.into_owned();
    }
    let kept: String = text.chars().take(letters_max.saturating_sub(1)).collect();
    format!("{kept}\u{2026}")
}

/// A place on a picture.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a place on a picture of some hundred pixels"
)]
fn px(value: f64) -> i32 {
    value.round().clamp(-10_000.0, 10_000.0) as i32
}

/// A size as plotters takes places.
fn place(size: u32) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// About how wide a text is, in pixels; there are no fonts to measure it with.
fn text_px(text: &str) -> u32 {
    u32::try_from(text.chars().count())
        .unwrap_or(u32::MAX)
        .saturating_mul(palette::LETTER_PX)
}

/// A number as people write it: as many decimals as tell something, thousands apart.
pub(super) fn plain_number(value: f64) -> Cow<'static, str> {
    if !value.is_finite() {
        return "".into();
    }
    let size = value.abs();
    let decimals = if size == 0.0 || size >= 100.0 {
        0
    } else if size >= 1.0 {
        2
    } else {
        // Two digits that are not zero.
        let zeros = -size.log10().floor();
        usize::try_from(px(zeros) + 1).unwrap_or(2).min(8)
    };
    let text = format!("{value:.decimals$}");
    let text = if decimals > 0 {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    grouped(&text).into()
}

#[cfg(test)]
mod tests;
