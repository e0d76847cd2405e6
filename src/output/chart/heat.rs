//! Counts by row and column, as shades.

use plotters::element::{Rectangle, Text};
use plotters::prelude::Color as _;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Drawn, Numbers, Width, painted, palette, place, short};
use crate::output::{Cell, OutputError};

/// Shades: 0 is none, 9 the most.
const SHADES: u64 = 9;
/// Between two cells.
const GAP_PX: i32 = 1;
/// Where the first column begins.
const LABEL_PX: u32 = 34;

/// Counts; the columns are numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heat {
    /// Label and counts.
    pub rows: Vec<(String, Vec<u64>)>,
}

impl Heat {
    fn columns(&self) -> usize {
        let lengths = self.rows.iter().map(|(_, counts)| counts.len());
        lengths.max().unwrap_or(0)
    }

    /// How dark each cell is: what sold at all is seen.
    fn shades(&self) -> Vec<Vec<u64>> {
        let counts = self.rows.iter().flat_map(|(_, counts)| counts);
        let most = counts.copied().max().unwrap_or(0).max(1);
        let shade = |count: &u64| (count * SHADES).div_ceil(most);
        let rows = self.rows.iter();
        rows.map(|(_, counts)| counts.iter().map(shade).collect())
            .collect()
    }

    pub(super) fn drawn(&self, width: Width) -> Result<Drawn, OutputError> {
        let n_columns = u32::try_from(self.columns()).unwrap_or(0).max(1);
        let n_rows = u32::try_from(self.rows.len()).unwrap_or(0);
        let cell = (width.px() - LABEL_PX) / n_columns;
        let tall = cell.max(20);
        let height = n_rows * tall + palette::LINE_PX + 4;
        painted(width.px(), height, |area| {
            let ink = palette::text(palette::INK, HPos::Left, VPos::Center);
            let mut y = 0;
            for ((label, _), shades) in self.rows.iter().zip(self.shades()) {
                let at = (0, y + place(tall / 2));
                area.draw(&Text::new(short(label, 4), at, ink.clone()))?;
                let mut x = place(LABEL_PX);
                for shade in shades {
                    let to = (x + place(cell) - GAP_PX, y + place(tall) - GAP_PX);
                    area.draw(&Rectangle::new([(x, y), to], shaded(shade)))?;
                    x += place(cell);
                }
                y += place(tall);
            }
            let soft = palette::text(palette::SOFT, HPos::Left, VPos::Top);
            for column in (0..n_columns).step_by(3) {
                let at = (place(LABEL_PX + column * cell), y + 4);
                area.draw(&Text::new(column.to_string(), at, soft.clone()))?;
            }
            Ok(())
        })
    }

    pub(super) fn numbers(&self) -> Numbers {
        let columns = (0..self.columns()).map(|column| column.to_string());
        let row = |(label, counts): &(String, Vec<u64>)| {
            let whole = |count: &u64| Cell::Whole(i64::try_from(*count).unwrap_or(i64::MAX));
            std::iter::once(label.as_str().into())
                .chain(counts.iter().map(whole))
                .collect()
        };
        Numbers {
            headers: std::iter::once(String::new()).chain(columns).collect(),
            rows: self.rows.iter().map(row).collect(),
        }
    }
}

fn shaded(shade: u64) -> plotters::style::ShapeStyle {
    let share = f64::from(u32::try_from(shade).unwrap_or(0)) / 9.0;
    if shade == 0 {
        palette::RULE.mix(0.4).filled()
    } else {
        palette::series(0).mix(share).filled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sold_most_is_darkest_and_what_sold_at_all_is_seen() {
        let heat = Heat {
            rows: vec![("Mon".to_owned(), vec![0, 1, 500, 1_000])],
        };
        assert_eq!(heat.shades(), [[0, 1, 5, 9]]);
        assert!(Heat::default().shades().is_empty());
    }
}
