//! One sale in two exports: what a shipping or order tool exports repeats what the marketplaces export themselves. Told apart
//! by the channel's name and by time; which of both counts is said by the user, and nothing is guessed.

use super::error::SalesError;
use super::read::ReadFile;
use super::shape::Shape;

/// Which export counts where a tool's repeats a channel's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wins {
    /// The channel's own export.
    Own,
    /// The tool's export.
    Tool,
}

/// Sales of a channel between two times, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) channel: String,
    pub(super) first_s: i64,
    pub(super) last_s: i64,
}

impl Span {
    fn overlaps(&self, other: &Self) -> bool {
        self.first_s <= other.last_s && other.first_s <= self.last_s
    }
}

/// A tool names a marketplace by its own name and more: `Amazon.co.uk`, `My Shopify Store`.
fn is_of(in_tool: &str, own: &str) -> bool {
    in_tool.to_lowercase().contains(own)
}

/// What the exports beside one file hold, and what it holds itself.
#[derive(Debug)]
pub(super) struct Beside<'a> {
    shape: &'a Shape,
    /// What counts in other exports.
    covered: &'a [Span],
    /// First and last time by number of a channel, of a tool's export.
    seen: Vec<(u32, i64, i64)>,
}

impl<'a> Beside<'a> {
    pub(super) const fn new(shape: &'a Shape, covered: &'a [Span]) -> Self {
        Self {
            shape,
            covered,
            seen: Vec::new(),
        }
    }

    /// Whether a sale of this channel counts in another export.
    pub(super) fn holds(&self, channel: &str, at_s: i64) -> bool {
        let tool = self.shape.profile.aggregator;
        self.covered.iter().any(|span| {
            let same = if tool {
                is_of(channel, &span.channel)
            } else {
                is_of(&span.channel, &self.shape.profile.channel)
            };
            same && (span.first_s..=span.last_s).contains(&at_s)
        })
    }

    pub(super) const fn shape(&self) -> &'a Shape {
        self.shape
    }

    /// No other export counts instead.
    pub(super) const fn is_alone(&self) -> bool {
        self.covered.is_empty()
    }

    /// A counted sale.
    #[inline]
    pub(super) fn see(&mut self, channel: u32, at_s: i64) {
        if !self.shape.profile.aggregator {
            return;
        }
        match self.seen.iter_mut().find(|(known, ..)| *known == channel) {
            Some((_, first_s, last_s)) => {
                *first_s = at_s.min(*first_s);
                *last_s = at_s.max(*last_s);
            }
            None => self.seen.push((channel, at_s, at_s)),
        }
    }

    /// What was seen, by the channels' names.
    pub(super) fn spans<'w>(self, word: impl Fn(u32) -> &'w str) -> Vec<Span> {
        let named = |(channel, first_s, last_s)| Span {
            channel: word(channel).to_owned(),
            first_s,
            last_s,
        };
        self.seen.into_iter().map(named).collect()
    }
}

/// In which order files are read: those that count wherever two say the same come first.
pub(super) fn order(shapes: &[Shape], wins: Option<Wins>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..shapes.len()).collect();
    let tool = |idx: &usize| {
        shapes
            .get(*idx)
            .is_some_and(|shape| shape.profile.aggregator)
    };
    match wins {
        Some(Wins::Own) => order.sort_by_key(|idx| tool(idx)),
        Some(Wins::Tool) => order.sort_by_key(|idx| !tool(idx)),
        None => {}
    }
    order
}

/// What counts in a file, and nowhere else, if its kind of export wins.
pub(super) fn covers(file: &ReadFile, wins: Option<Wins>) -> Vec<Span> {
    match (wins, file.shape.profile.aggregator) {
        (Some(Wins::Own), false) => own(file).into_iter().collect(),
        (Some(Wins::Tool), true) => file.tally.channels.clone(),
        _ => Vec::new(),
    }
}

fn own(file: &ReadFile) -> Option<Span> {
    Some(Span {
        channel: file.shape.profile.channel.clone(),
        first_s: file.tally.first_s?,
        last_s: file.tally.last_s?,
    })
}

/// Pairs of a tool's export and another export.
fn pairs(files: &[ReadFile]) -> impl Iterator<Item = (&ReadFile, &ReadFile)> {
    let tools = files.iter().filter(|file| file.shape.profile.aggregator);
    tools.flat_map(|tool| {
        let others = files.iter().filter(|file| !file.shape.profile.aggregator);
        others.map(move |other| (tool, other))
    })
}

/// Refuses files that say the same sales twice, as long as nobody said which of both counts.
///
/// # Errors
/// [`SalesError`] that names both files, the channel and what to do.
pub(super) fn refuse(files: &[ReadFile], wins: Option<Wins>) -> Result<(), SalesError> {
    if wins.is_some() {
        return Ok(());
    }
    for (tool, other) in pairs(files) {
        let Some(own) = own(other) else { continue };
        let same = |span: &&Span| is_of(&span.channel, &own.channel) && span.overlaps(&own);
        if let Some(span) = tool.tally.channels.iter().find(same) {
            return Err(SalesError::file(
                &tool.name,
                format!(
                    "its orders of {} are in {}, too, for the same days: they would count twice",
                    span.channel, other.name
                ),
                "leave one of both out, or say which counts: --overlap own or --overlap tool",
            ));
        }
    }
    Ok(())
}

/// Warns of exports that may say the same sales twice: of a shop's own name nobody can tell which channel it is.
pub(super) fn warnings(files: &[ReadFile]) -> Vec<String> {
    let mut found = Vec::new();
    for (tool, other) in pairs(files) {
        let Some(own) = own(other) else { continue };
        let unclear = |span: &&Span| !is_of(&span.channel, &own.channel) && span.overlaps(&own);
        let names: Vec<&str> = tool
            .tally
            .channels
            .iter()
            .filter(unclear)
            .map(|span| span.channel.as_str())
            .collect();
        if !names.is_empty() {
            found.push(format!(
                "{}: {} covers the same days; if it holds orders of {}, their sales count twice",
                tool.name,
                other.name,
                names.join(", ")
            ));
        }
    }
    found
}
