//! Reports as one HTML file: no scripts, nothing loaded from elsewhere, readable in light, dark and print. Every text is
//! escaped by the template; what acts on a terminal or turns the direction of writing is shown as an escape.

use std::borrow::Cow;

use askama::Template;
use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::chart::{Chart, Drawn, Width};
use super::terminal::clean;
use super::{Cell, OutputError};

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
    /// What it is and where it comes from, one click away; empty if its name says it all.
    pub means: String,
}

impl Figure {
    /// A figure that is only said.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
            tone: Tone::Plain,
            means: String::new(),
        }
    }

    /// Meant like this.
    #[must_use]
    pub fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// With its definition.
    #[must_use]
    pub fn meaning(mut self, means: impl Into<String>) -> Self {
        self.means = means.into();
        self
    }
}

/// What stands below the figures, in order.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a page has some tens of parts")]
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
    /// A picture, with its numbers behind it.
    Chart {
        /// What it is.
        title: String,
        /// How to read it.
        about: String,
        /// What is drawn.
        chart: Chart,
    },
    /// Words and what they mean, one click away each.
    Terms {
        /// What they are.
        title: String,
        /// Word and meaning.
        terms: Vec<(String, String)>,
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
    parts: Vec<Shown<'a>>,
    style: &'static str,
    style_digest: String,
}

/// A part with its pictures, one for each width.
struct Shown<'a> {
    part: &'a Part,
    pictures: Vec<(&'static str, Drawn)>,
}

impl<'a> Shown<'a> {
    fn of(part: &'a Part) -> Result<Self, OutputError> {
        let Part::Chart { chart, .. } = part else {
            let pictures = Vec::new();
            return Ok(Self { part, pictures });
        };
        let draw = |width: Width| Ok((width.class(), chart.drawn(width)?));
        let pictures = Width::BOTH
            .into_iter()
            .map(draw)
            .collect::<Result<_, OutputError>>()?;
        Ok(Self { part, pictures })
    }
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

/// The page as text.
///
/// # Errors
/// [`OutputError::Write`] if the template fails, which it does for no page.
pub fn drawn(page: &Page) -> Result<String, OutputError> {
    let digest = Sha256::digest(STYLE.as_bytes());
    let report = Report {
        page,
        parts: page.parts.iter().map(Shown::of).collect::<Result<_, _>>()?,
        style: STYLE,
        style_digest: base64::engine::general_purpose::STANDARD.encode(digest),
    };
    report
        .render()
        .map_err(|error| OutputError::Write(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::super::chart::{Bar, Bars, Lines, Series};
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
            figures: vec![Figure::new(evil(), evil()).toned(Tone::Bad).meaning(evil())],
            parts: vec![
                Part::Table {
                    title: evil(),
                    headers: vec!["name", "units"],
                    rows: vec![vec![Cell::Text(evil()), Cell::Whole(-3)]],
                },
                Part::Chart {
                    title: evil(),
                    about: evil(),
                    chart: Chart::Bars(Bars {
                        unit: evil(),
                        bars: vec![Bar::new(evil(), 4.0)],
                        bounds: Vec::new(),
                    }),
                },
                Part::Chart {
                    title: evil(),
                    about: evil(),
                    chart: Chart::Lines(Lines {
                        series: vec![
                            Series {
                                name: evil(),
                                ..Series::default()
                            };
                            2
                        ],
                        ..Lines::default()
                    }),
                },
                Part::Terms {
                    title: evil(),
                    terms: vec![(evil(), evil())],
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
}
