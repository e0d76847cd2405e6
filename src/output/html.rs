//! Reports as one HTML file: no scripts, nothing loaded from elsewhere, readable in light, dark and print. Every text is
//! escaped by the template; what acts on a terminal or turns the direction of writing is shown as an escape.

use std::borrow::Cow;

use askama::Template;
use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::terminal::clean;
use super::{Cell, OutputError};

/// Width of the column of labels in a chart.
const LABEL_PX: u32 = 130;
/// The longest bar; what is left of 720 is for its number.
const BAR_PX: u64 = 520;
/// From one bar to the next.
const STEP_PX: u32 = 28;

/// How a figure is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// It is only said.
    #[default]
    Plain,
    /// It is as it must be.
    Good,
    /// It is not.
    Bad,
}

impl Tone {
    /// [`Tone::Good`] if it is so, else [`Tone::Bad`].
    pub const fn of(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// One sentence that sums it up.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The sentence.
    pub says: String,
    /// How it is meant; the words carry it, too.
    pub tone: Tone,
}

/// A number with its name.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its name.
    pub label: String,
    /// The number, with its unit.
    pub value: String,
    /// How it is meant.
    pub tone: Tone,
}

/// What stands below the figures, in order.
#[derive(Debug, Clone)]
pub enum Part {
    /// Rows.
    Table {
        /// What they are.
        title: String,
        /// One per column.
        headers: Vec<&'static str>,
        /// The rows.
        rows: Vec<Vec<Cell>>,
    },
    /// Horizontal bars.
    Bars {
        /// What they are.
        title: String,
        /// How to read them.
        about: String,
        /// Label and value.
        bars: Vec<(String, u64)>,
    },
    /// Counts by row and column, as shades.
    Heat {
        /// What they are.
        title: String,
        /// How to read them.
        about: String,
        /// Label and counts; the columns are numbered from 0.
        rows: Vec<(String, Vec<u64>)>,
    },
    /// Falling values on a logarithmic scale.
    Curve {
        /// What they are.
        title: String,
        /// How to read them.
        about: String,
        /// The values, largest first.
        values: Vec<f64>,
        /// Lines across, with their names.
        bounds: Vec<(String, f64)>,
    },
    /// Sentences.
    List {
        /// What they are.
        title: String,
        /// The sentences.
        lines: Vec<String>,
    },
}

/// A whole report.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// The outcome.
    pub verdict: Option<Verdict>,
    /// The numbers that matter most.
    pub figures: Vec<Figure>,
    /// Everything else.
    pub parts: Vec<Part>,
    /// Where it comes from.
    pub footer: String,
}

const STYLE: &str = include_str!("../../templates/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Report<'a> {
    page: &'a Page,
    style: &'static str,
    style_digest: String,
}

/// A bar as it is drawn.
struct Bar<'a> {
    label: &'a str,
    value: u64,
    width: u32,
    y: u32,
}

struct Chart<'a> {
    bars: Vec<Bar<'a>>,
    height: u32,
}

/// What could act is shown as an escape, before the template escapes it for HTML.
fn visible(text: &str) -> Cow<'_, str> {
    clean(text)
}

fn plain(cell: &Cell) -> String {
    clean(&cell.plain()).into_owned()
}

/// Whether a column holds numbers.
fn numeric(rows: &[Vec<Cell>], column_idx: usize) -> bool {
    rows.iter()
        .any(|row| row.get(column_idx).is_some_and(Cell::is_number))
}

fn chart(bars: &[(String, u64)]) -> Chart<'_> {
    let most = bars.iter().map(|(_, value)| *value).max().unwrap_or(0);
    let width = |value: u64| {
        let px = value.saturating_mul(BAR_PX).checked_div(most).unwrap_or(0);
        // What is not nothing can be seen.
        u32::try_from(px).unwrap_or(0).max(u32::from(value > 0))
    };
    let mut y = 0;
    let mut drawn = Vec::with_capacity(bars.len());
    for (label, value) in bars {
        drawn.push(Bar {
            label,
            value: *value,
            width: width(*value),
            y: y + 4,
        });
        y += STEP_PX;
    }
    Chart {
        bars: drawn,
        height: y,
    }
}

/// Shades of a heat map: 0 is none, 9 the most.
const SHADES: u64 = 9;
/// Width and height of a cell of a heat map.
const HEAT_CELL_PX: u32 = 24;
/// Where the first column of a heat map begins.
const HEAT_LABEL_PX: u32 = 48;

/// A cell as it is drawn.
struct Shade {
    x: u32,
    y: u32,
    depth: u64,
    says: String,
}

struct HeatMap<'a> {
    labels: Vec<(&'a str, u32)>,
    hours: Vec<(usize, u32)>,
    cells: Vec<Shade>,
    width: u32,
    height: u32,
}

fn heat(rows: &[(String, Vec<u64>)]) -> HeatMap<'_> {
    let most = rows
        .iter()
        .flat_map(|(_, counts)| counts)
        .copied()
        .max()
        .unwrap_or(0);
    let place = |idx: usize| u32::try_from(idx).unwrap_or(0) * HEAT_CELL_PX;
    let mut cells = Vec::new();
    for (row_idx, (label, counts)) in rows.iter().enumerate() {
        for (idx, &count) in counts.iter().enumerate() {
            let shade = (count * SHADES).div_ceil(most.max(1));
            cells.push(Shade {
                x: HEAT_LABEL_PX + place(idx),
                y: place(row_idx),
                depth: shade,
                says: format!("{label} {idx}: {count}"),
            });
        }
    }
    let n_columns = rows
        .iter()
        .map(|(_, counts)| counts.len())
        .max()
        .unwrap_or(0);
    let height = place(rows.len());
    HeatMap {
        labels: rows
            .iter()
            .enumerate()
            .map(|(idx, (label, _))| (label.as_str(), place(idx) + 17))
            .collect(),
        hours: (0..n_columns)
            .step_by(3)
            .map(|idx| (idx, HEAT_LABEL_PX + place(idx) + 4))
            .collect(),
        cells,
        width: HEAT_LABEL_PX + place(n_columns),
        height: height + HEAT_CELL_PX,
    }
}

/// Size of a curve.
const CURVE_WIDTH: f64 = 640.0;
const CURVE_HEIGHT: f64 = 240.0;
const CURVE_LEFT: f64 = 60.0;
/// Points of a curve; more cannot be told apart.
const CURVE_POINTS: usize = 400;
/// What is slower than this is drawn there.
const CURVE_LEAST: f64 = 0.01;

struct CurveLines<'a> {
    points: String,
    bounds: Vec<(&'a str, f64)>,
    last: usize,
}

fn curve<'a>(values: &[f64], bounds: &'a [(String, f64)]) -> CurveLines<'a> {
    let top = values.iter().copied().fold(20.0_f64, f64::max).log10();
    let bottom = CURVE_LEAST.log10();
    let y = |value: f64| {
        let share = (value.max(CURVE_LEAST).log10() - bottom) / (top - bottom);
        ((1.0 - share) * CURVE_HEIGHT * 10.0).round() / 10.0 + 10.0
    };
    let step = values.len().div_ceil(CURVE_POINTS).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a place on a picture")]
    let x = |idx: usize| {
        CURVE_LEFT + CURVE_WIDTH * idx as f64 / values.len().saturating_sub(1).max(1) as f64
    };
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .step_by(step)
        .map(|(idx, value)| format!("{:.1},{:.1}", x(idx), y(*value)))
        .collect();
    CurveLines {
        points: points.join(" "),
        bounds: bounds
            .iter()
            .map(|(name, value)| (name.as_str(), y(*value)))
            .collect(),
        last: values.len(),
    }
}

/// The page as text.
///
/// # Errors
/// [`OutputError::Write`] if the template fails, which it does for no page.
pub fn drawn(page: &Page) -> Result<String, OutputError> {
    let digest = Sha256::digest(STYLE.as_bytes());
    let report = Report {
        page,
        style: STYLE,
        style_digest: base64::engine::general_purpose::STANDARD.encode(digest),
    };
    report
        .render()
        .map_err(|error| OutputError::Write(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let evil = || "<script>alert(1)</script>\"'\u{202e}\u{1b}".to_owned();
        Page {
            title: evil(),
            about: evil(),
            verdict: Some(Verdict {
                says: evil(),
                tone: Tone::Good,
            }),
            figures: vec![Figure {
                label: evil(),
                value: evil(),
                tone: Tone::Bad,
            }],
            parts: vec![
                Part::Table {
                    title: evil(),
                    headers: vec!["name", "units"],
                    rows: vec![vec![Cell::Text(evil()), Cell::Whole(-3)]],
                },
                Part::Bars {
                    title: evil(),
                    about: evil(),
                    bars: vec![(evil(), 4), ("b".to_owned(), 1), ("none".to_owned(), 0)],
                },
                Part::Heat {
                    title: evil(),
                    about: evil(),
                    rows: vec![(evil(), vec![0, 3, 9])],
                },
                Part::Curve {
                    title: evil(),
                    about: evil(),
                    values: vec![100.0, 5.0, 0.0, f64::NAN],
                    bounds: vec![(evil(), 10.0)],
                },
                Part::List {
                    title: evil(),
                    lines: vec![evil()],
                },
            ],
            footer: evil(),
        }
    }

    #[test]
    fn a_name_cannot_act_in_a_page() {
        let text = drawn(&page()).unwrap();
        assert!(!text.contains("<script"), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{1b}']));
        assert!(text.contains("default-src 'none'; style-src 'sha256-"));
        assert!(!text.contains("http:") && !text.contains("https:"));
        assert!(!text.contains(" style=\""), "the policy forbids it");
    }

    #[test]
    fn what_sold_most_is_darkest_and_what_sold_at_all_is_seen() {
        let rows = [("Mon".to_owned(), vec![0, 1, 500, 1_000])];
        let shades: Vec<u64> = heat(&rows).cells.iter().map(|cell| cell.depth).collect();
        assert_eq!(shades, [0, 1, 5, 9]);
        assert!(heat(&[]).cells.is_empty());
        assert_eq!(curve(&[], &[]).points, "");
        assert_eq!(curve(&[20.0], &[]).points, "60.0,10.0");
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let widths = |values: &[u64]| -> Vec<u32> {
            let bars: Vec<_> = values.iter().map(|&n| (String::new(), n)).collect();
            chart(&bars).bars.iter().map(|bar| bar.width).collect()
        };
        assert_eq!(widths(&[4, 1, 0]), [520, 130, 0]);
        assert_eq!(widths(&[100_000, 1]), [520, 1], "seen");
        assert_eq!(widths(&[0, 0]), [0, 0]);
        assert_eq!(widths(&[]), [0; 0]);
    }
}
