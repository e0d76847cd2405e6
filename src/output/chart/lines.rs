//! Values over an axis: curves, what is uncertain about them, bounds, and where the seller stands.

use plotters::element::{
    Circle, Cross, EmptyElement, PathElement, Polygon, Rectangle, Text, TriangleMarker,
};
use plotters::prelude::{ChartBuilder, Color as _, DashedLineSeries, SVGBackend};
use plotters::style::text_anchor::{HPos, VPos};

use super::scale::{Axis, Scale};
use super::{Bound, Drawn, Key, Numbers, Painted, Width, painted, palette, place, short};
use crate::output::{Cell, OutputError};

/// Points that can be told apart on a picture.
const POINTS_MAX: usize = 400;
/// With at most so many points each has its sign.
const SIGNS_MAX: usize = 24;
/// Rows of the table behind a curve.
const ROWS_MAX: usize = 60;
/// Room for the picture, without its texts.
const HEIGHT_PX: u32 = 300;

/// One curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Its points, by x.
    pub points: Vec<(f64, f64)>,
    /// Between what it may be: x, lower, upper. May be empty.
    pub band: Vec<(f64, f64, f64)>,
}

/// A place that matters, such as where the seller stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What it is, in a few words.
    pub name: String,
    /// Where.
    pub x: f64,
    /// Where.
    pub y: f64,
}

/// Curves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// Along the bottom.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// The curves; at most five can be told apart.
    pub series: Vec<Series>,
    /// Lines from left to right, at a y.
    pub across: Vec<Bound>,
    /// Lines from bottom to top, at an x.
    pub upright: Vec<Bound>,
    /// Places.
    pub marks: Vec<Mark>,
}

type Plot<'a, 's> =
    plotters::chart::ChartContext<'a, SVGBackend<'s>, plotters::prelude::Cartesian2d<Scale, Scale>>;

impl Lines {
    fn scales(&self) -> (Scale, Scale) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bands = || self.series.iter().flat_map(|series| &series.band);
        let marks = || self.marks.iter();
        let xs = points()
            .map(|(x, _)| *x)
            .chain(marks().map(|mark| mark.x))
            .chain(self.upright.iter().map(|bound| bound.value));
        let ys = points()
            .map(|(_, y)| *y)
            .chain(bands().flat_map(|(_, low, high)| [*low, *high]))
            .chain(marks().map(|mark| mark.y))
            .chain(self.across.iter().map(|bound| bound.value));
        (self.x.scale(xs), self.y.scale(ys))
    }

    pub(super) fn drawn(&self, width: Width) -> Result<Drawn, OutputError> {
        let (x, y) = self.scales();
        let left = u32::try_from(y.letters()).unwrap_or(0) * palette::LETTER_PX + 14;
        let top = palette::LINE_PX + 6;
        let height = HEIGHT_PX + top + 2 * palette::LINE_PX;
        painted(width.px(), height, |area| {
            let soft = |h_pos| palette::text(palette::SOFT, h_pos, VPos::Top);
            let y_label = short(&self.y.label, letters(width.px()));
            area.draw(&Text::new(y_label, (0, palette::TOP_PX), soft(HPos::Left)))?;
            let x_label = short(&self.x.label, letters(width.px() - left));
            let below = (place(width.px()) - 12, place(height - palette::LINE_PX));
            area.draw(&Text::new(x_label, below, soft(HPos::Right)))?;
            let mut plot = ChartBuilder::on(area)
                .margin_top(top)
                .margin_bottom(palette::LINE_PX)
                .margin_right(22)
                .y_label_area_size(left)
                .x_label_area_size(palette::LINE_PX + 6)
                .build_cartesian_2d(x.clone(), y.clone())?;
            plot.configure_mesh()
                .disable_x_mesh()
                .bold_line_style(palette::line(palette::RULE, 1))
                .axis_style(palette::line(palette::RULE, 1))
                .label_style(palette::text(palette::SOFT, HPos::Left, VPos::Top))
                .x_label_formatter(&|value| x.word(*value))
                .y_label_formatter(&|value| y.word(*value))
                .draw()?;
            self.bounds(&mut plot, &x, &y)?;
            for (idx, series) in self.series.iter().enumerate() {
                curve(&mut plot, series, idx)?;
            }
            self.places(&mut plot, width)
        })
    }

    fn bounds(&self, plot: &mut Plot<'_, '_>, x: &Scale, y: &Scale) -> Painted {
        use plotters::coord::ranged1d::Ranged as _;
        let (xs, ys) = (x.range(), y.range());
        let style = palette::line(palette::SOFT, 1);
        for bound in &self.across {
            let ends = [(xs.start, bound.value), (xs.end, bound.value)];
            plot.draw_series(DashedLineSeries::new(ends, 5, 4, style))?;
            let text = palette::text(palette::SOFT, HPos::Right, VPos::Bottom);
            let name = Text::new(short(&bound.name, 34), (0, -2), text);
            plot.draw_series([EmptyElement::at((xs.end, bound.value)) + name])?;
        }
        for bound in &self.upright {
            let ends = [(bound.value, ys.start), (bound.value, ys.end)];
            plot.draw_series(DashedLineSeries::new(ends, 5, 4, style))?;
            let (side, dx) = beside(x.share(bound.value));
            let text = palette::text(palette::SOFT, side, VPos::Top);
            let name = Text::new(short(&bound.name, 34), (dx, 2), text);
            plot.draw_series([EmptyElement::at((bound.value, ys.end)) + name])?;
        }
        Ok(())
    }

    fn places(&self, plot: &mut Plot<'_, '_>, width: Width) -> Painted {
        let (x, _) = self.scales();
        for mark in &self.marks {
            let (side, dx) = beside(x.share(mark.x));
            let name = short(&mark.name, letters(width.px() / 2));
            let text = palette::text(palette::MARK, side, VPos::Bottom);
            let diamond = vec![(0, -7), (7, 0), (0, 7), (-7, 0)];
            plot.draw_series([EmptyElement::at((mark.x, mark.y))
                + Polygon::new(diamond, palette::MARK.filled())
                + Text::new(name, (dx, -6), text)])?;
        }
        Ok(())
    }

    pub(super) fn keys(&self) -> Vec<Key<'_>> {
        if self.series.len() < 2 {
            return Vec::new();
        }
        let of =
            |list: [&'static str; 5], idx: usize| list.get(idx % list.len()).copied().unwrap_or("");
        self.series
            .iter()
            .enumerate()
            .map(|(idx, series)| Key {
                symbol: of(palette::SYMBOLS, idx),
                class: of(palette::CLASSES, idx),
                name: &series.name,
            })
            .collect()
    }

    pub(super) fn numbers(&self) -> Numbers {
        let headers = vec![String::new(), self.x.label.clone(), self.y.label.clone()];
        let mut rows = Vec::new();
        for series in &self.series {
            for (x, y) in thinned(&series.points, ROWS_MAX) {
                rows.push(row(&series.name, self.x_word(x), y));
            }
        }
        for mark in &self.marks {
            rows.push(row(
                &format!("{} {}", palette::MARK_SYMBOL, mark.name),
                self.x_word(mark.x),
                mark.y,
            ));
        }
        Numbers { headers, rows }
    }

    fn x_word(&self, value: f64) -> Cell {
        let tick = self
            .x
            .ticks
            .iter()
            .find(|(tick, _)| tick.total_cmp(&value).is_eq());
        tick.map_or_else(
            || super::plain_number(value).as_ref().into(),
            |(_, word)| word.as_str().into(),
        )
    }
}

fn row(name: &str, x: Cell, y: f64) -> Vec<Cell> {
    vec![name.into(), x, super::plain_number(y).as_ref().into()]
}

/// How many letters fit.
fn letters(width_px: u32) -> usize {
    usize::try_from(width_px / palette::LETTER_PX).unwrap_or(usize::MAX)
}

/// On which side of a place its name has room.
fn beside(share: f64) -> (HPos, i32) {
    if share > 0.5 {
        (HPos::Right, -9)
    } else {
        (HPos::Left, 9)
    }
}

/// Every so many-th point, and the last.
fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(most).max(1);
    let mut kept: Vec<_> = points.iter().copied().step_by(step).collect();
    if let Some(last) = points.last()
        && kept.last() != Some(last)
    {
        kept.push(*last);
    }
    kept
}

fn curve(plot: &mut Plot<'_, '_>, series: &Series, idx: usize) -> Painted {
    let color = palette::series(idx);
    if !series.band.is_empty() {
        let lower = series.band.iter().map(|(x, low, _)| (*x, *low));
        let upper = series.band.iter().rev().map(|(x, _, high)| (*x, *high));
        let around: Vec<_> = lower.chain(upper).collect();
        plot.draw_series([Polygon::new(around, color.mix(0.18))])?;
    }
    let points = thinned(&series.points, POINTS_MAX);
    plot.draw_series([PathElement::new(points.clone(), palette::line(color, 2))])?;
    if points.len() > SIGNS_MAX {
        return Ok(());
    }
    let filled = color.filled();
    match idx % palette::SYMBOLS.len() {
        0 => plot.draw_series(points.iter().map(|at| Circle::new(*at, 4, filled)))?,
        1 => plot.draw_series(points.iter().map(|at| TriangleMarker::new(*at, 6, filled)))?,
        2 => plot.draw_series(
            points
                .iter()
                .map(|at| Cross::new(*at, 5, palette::line(color, 2))),
        )?,
        3 => plot.draw_series(
            points
                .iter()
                .map(|at| EmptyElement::at(*at) + Rectangle::new([(-4, -4), (4, 4)], filled)),
        )?,
        _ => plot.draw_series(
            points
                .iter()
                .map(|at| Circle::new(*at, 4, palette::line(color, 2))),
        )?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let points: Vec<_> = (0..1_000_u32).map(|n| (f64::from(n), 1.0)).collect();
        let kept = thinned(&points, 60);
        assert!(kept.len() <= 61, "{}", kept.len());
        assert_eq!((kept[0].0, kept[kept.len() - 1].0), (0.0, 999.0));
        assert_eq!(thinned(&[], 60), []);
    }
}
