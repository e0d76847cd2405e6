//! Values by name as horizontal bars, with what they may be between, and bounds across.

use plotters::element::{PathElement, Rectangle, Text};
use plotters::prelude::Color as _;
use plotters::style::text_anchor::{HPos, VPos};

use super::{
    Area, Bound, Drawn, Numbers, Painted, Width, painted, palette, place, plain_number, px, short,
    text_px,
};
use crate::output::{Cell, OutputError};

/// Height of a bar.
const BAR_PX: u32 = 18;
/// Between two bars.
const GAP_PX: u32 = 10;
/// The widest column of labels; longer ones are cut, and stand whole in the table.
const LABEL_PX_MAX: u32 = 240;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it is.
    pub label: String,
    /// How much; never below 0.
    pub value: f64,
    /// What it may be between.
    pub interval: Option<(f64, f64)>,
    /// What is written beside it; the value itself if it is empty.
    pub says: String,
}

impl Bar {
    /// A bar without an interval.
    pub fn new(label: impl Into<String>, value: f64) -> Self {
        Self {
            label: label.into(),
            value,
            interval: None,
            says: String::new(),
        }
    }

    /// Between these.
    #[must_use]
    pub fn between(mut self, low: f64, high: f64) -> Self {
        self.interval = Some((low, high));
        self
    }

    /// With these words beside it.
    #[must_use]
    pub fn saying(mut self, says: impl Into<String>) -> Self {
        self.says = says.into();
        self
    }

    fn words(&self) -> String {
        if self.says.is_empty() {
            plain_number(self.value).into_owned()
        } else {
            short(&self.says, 30)
        }
    }

    fn most(&self) -> f64 {
        self.interval
            .map_or(self.value, |(_, high)| high.max(self.value))
    }
}

/// Bars, from top to bottom.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bars {
    /// What is measured, with its unit.
    pub unit: String,
    /// The bars.
    pub bars: Vec<Bar>,
    /// Lines across all bars.
    pub bounds: Vec<Bound>,
}

/// Where things stand.
struct Frame {
    left: u32,
    length: u32,
    step: u32,
    top: u32,
    /// Labels stand above their bars.
    labels_above: bool,
    most: f64,
}

impl Frame {
    fn x(&self, value: f64) -> i32 {
        let share = if self.most > 0.0 {
            value / self.most
        } else {
            0.0
        };
        place(self.left) + px(share.clamp(0.0, 1.0) * f64::from(self.length))
    }
}

impl Bars {
    fn frame(&self, width: Width) -> Frame {
        let widest = |texts: &mut dyn Iterator<Item = u32>| texts.max().unwrap_or(0);
        let labels = widest(&mut self.bars.iter().map(|bar| text_px(&bar.label)));
        let says = widest(&mut self.bars.iter().map(|bar| text_px(&bar.words())));
        let most = self
            .bars
            .iter()
            .map(Bar::most)
            .chain(self.bounds.iter().map(|bound| bound.value))
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        let labels_above = width == Width::Narrow;
        let left = if labels_above {
            1
        } else {
            labels.min(LABEL_PX_MAX) + 12
        };
        let label_line = if labels_above { palette::LINE_PX } else { 0 };
        Frame {
            left,
            length: width.px().saturating_sub(left + says.max(40) + 16),
            step: BAR_PX + GAP_PX + label_line,
            top: palette::LINE_PX * u32::try_from(self.bounds.len()).unwrap_or(0) + 6,
            labels_above,
            most,
        }
    }

    pub(super) fn drawn(&self, width: Width) -> Result<Drawn, OutputError> {
        let frame = self.frame(width);
        let n = u32::try_from(self.bars.len()).unwrap_or(0);
        let height = frame.top + n * frame.step;
        painted(width.px(), height.max(1), |area| {
            let axis = [
                (place(frame.left), place(frame.top)),
                (place(frame.left), place(height)),
            ];
            area.draw(&PathElement::new(axis, palette::line(palette::RULE, 1)))?;
            let mut y = frame.top;
            for bar in &self.bars {
                one(area, &frame, bar, y)?;
                y += frame.step;
            }
            self.across(area, &frame, width, height)
        })
    }

    fn across(&self, area: &Area<'_>, frame: &Frame, width: Width, height: u32) -> Painted {
        let mut y = palette::TOP_PX;
        for bound in &self.bounds {
            let x = frame.x(bound.value);
            let ends = [(x, y + 2), (x, place(height))];
            area.draw(&PathElement::new(ends, palette::line(palette::SOFT, 1)))?;
            let right = x > place(width.px() / 2);
            let (side, dx) = if right {
                (HPos::Right, -5)
            } else {
                (HPos::Left, 5)
            };
            let style = palette::text(palette::SOFT, side, VPos::Top);
            area.draw(&Text::new(short(&bound.name, 40), (x + dx, y), style))?;
            y += place(palette::LINE_PX);
        }
        Ok(())
    }

    pub(super) fn numbers(&self) -> Numbers {
        let intervals = self.bars.iter().any(|bar| bar.interval.is_some());
        let mut headers = vec![String::new(), self.unit.clone()];
        if intervals {
            headers.extend(["from".to_owned(), "to".to_owned()]);
        }
        let number = |value: f64| Cell::from(plain_number(value).as_ref());
        let row = |bar: &Bar| {
            let mut row = vec![bar.label.as_str().into(), number(bar.value)];
            if intervals {
                let (low, high) = bar.interval.unzip();
                row.extend([low.map(number).into(), high.map(number).into()]);
            }
            row
        };
        Numbers {
            headers,
            rows: self.bars.iter().map(row).collect(),
        }
    }
}

fn one(area: &Area<'_>, frame: &Frame, bar: &Bar, y: u32) -> Painted {
    let mut y = place(y);
    let half = place(BAR_PX) / 2;
    if frame.labels_above {
        let style = palette::text(palette::INK, HPos::Left, VPos::Top);
        area.draw(&Text::new(short(&bar.label, 44), (0, y), style))?;
        y += place(palette::LINE_PX);
    } else {
        let style = palette::text(palette::INK, HPos::Right, VPos::Center);
        let letters = usize::try_from(LABEL_PX_MAX / palette::LETTER_PX).unwrap_or(0);
        let at = (place(frame.left) - 10, y + half);
        area.draw(&Text::new(short(&bar.label, letters), at, style))?;
    }
    let from = place(frame.left);
    // What is not nothing can be seen.
    let to = frame.x(bar.value).max(from + i32::from(bar.value > 0.0));
    if to > from {
        let color = palette::series(0).filled();
        area.draw(&Rectangle::new([(from, y), (to, y + place(BAR_PX))], color))?;
    }
    if let Some((low, high)) = bar.interval {
        let ink = palette::line(palette::INK, 2);
        let (low, high) = (frame.x(low), frame.x(high));
        area.draw(&PathElement::new([(low, y + half), (high, y + half)], ink))?;
        for x in [low, high] {
            let cap = [(x, y + half - 5), (x, y + half + 5)];
            area.draw(&PathElement::new(cap, ink))?;
        }
    }
    let style = palette::text(palette::SOFT, HPos::Left, VPos::Center);
    let at = (frame.x(bar.most()).max(to) + 8, y + half);
    area.draw(&Text::new(bar.words(), at, style))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let lengths = |values: &[f64]| -> Vec<i32> {
            let bars = Bars {
                bars: values.iter().map(|value| Bar::new("", *value)).collect(),
                ..Bars::default()
            };
            let frame = bars.frame(Width::Wide);
            let from = place(frame.left);
            values.iter().map(|value| frame.x(*value) - from).collect()
        };
        let found = lengths(&[4.0, 1.0, 0.0]);
        assert_eq!((found[0], found[2]), (found[1] * 4, 0));
        assert_eq!(lengths(&[0.0, 0.0]), [0, 0]);
        assert_eq!(lengths(&[]), [0; 0]);
    }
}
