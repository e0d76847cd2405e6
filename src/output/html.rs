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
