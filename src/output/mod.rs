//! The one door to stdout and stderr: stdout is data, stderr is talk.
//!
//! Data is a table, one JSON document that begins with its `schema`, or CSV. Whoever reads us may stop reading: a closed
//! pipe is success, and [`Out::is_closed`] tells streams to end. Names from elsewhere reach a terminal only through
//! [`terminal::clean`], a spreadsheet only through [`csv::neutralised`].

pub mod chart;
pub mod csv;
pub mod html;
pub mod json;
pub mod logging;
pub mod progress;
pub mod table;
pub mod terminal;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr;

use serde::Serialize;

/// What data looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Columns for people; the same in a pipe.
    #[default]
    Table,
    /// One document.
    Json,
    /// For spreadsheets and scripts.
    Csv,
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err(format!("{text:?} is no format; hint: table, json or csv")),
        }
    }
}

/// One value of a row. Its type decides how it is aligned, and that a number stays one in a spreadsheet.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text, perhaps from elsewhere.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number with so many decimals; nothing is shown for what is not a number.
    Decimal(f64, usize),
    /// Not known, or not applicable.
    Empty,
}

impl Cell {
    /// What is written, before it is made safe for where it goes.
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Whole(number) => number.to_string(),
            Self::Decimal(number, decimals) if number.is_finite() => format!("{number:.decimals$}"),
            Self::Decimal(..) | Self::Empty => String::new(),
        }
    }

    /// Whether it is a number.
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Decimal(..))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self::Whole(i64::from(number))
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// Why something could not be written. A closed pipe is none of these.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The other end does not take it, such as a full disk.
    #[error("cannot write the output: {0}")]
    Write(#[from] io::Error),
    /// The value has no JSON form.
    #[error("cannot write {schema} as JSON: {source}")]
    Json {
        /// Which document.
        schema: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The logging of this process was set up before, or its filter is wrong.
    #[error("cannot start the log: {0}")]
    Log(String),
}

/// What the user asked for, and what the terminals are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// What data looks like.
    pub format: Format,
    /// No notes, no progress.
    pub quiet: bool,
    /// How many `-v`.
    pub verbose: u8,
    /// Colour is not wanted: `NO_COLOR` is set and not empty, or `TERM` is `dumb`.
    pub no_color: bool,
}

impl Wishes {
    /// Whether the variables `NO_COLOR` and `TERM` forbid colour (see no-color.org).
    pub fn forbids_color(no_color: Option<&str>, term: Option<&str>) -> bool {
        no_color.is_some_and(|value| !value.is_empty()) || term == Some("dumb")
    }
}

/// Writes data and talk.
pub struct Out {
    wishes: Wishes,
    color_data: bool,
    color_talk: bool,
    progress: bool,
    data: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
    closed: bool,
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out")
            .field("wishes", &self.wishes)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Out {
    /// Writes to this process's stdout and stderr.
    pub fn standard(wishes: Wishes) -> Self {
        let talk_terminal = io::stderr().is_terminal();
        Self {
            wishes,
            color_data: !wishes.no_color && io::stdout().is_terminal(),
            color_talk: !wishes.no_color && talk_terminal,
            progress: progress::shown(talk_terminal, wishes.quiet, wishes.verbose),
            data: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
            closed: false,
        }
    }

    /// Writes elsewhere, as to no terminal: no colour, no progress.
    pub fn to(
        wishes: Wishes,
        data: impl Write + Send + 'static,
        talk: impl Write + Send + 'static,
    ) -> Self {
        Self {
            wishes,
            color_data: false,
            color_talk: false,
            progress: false,
            data: Box::new(data),
            talk: Box::new(talk),
            closed: false,
        }
    }

    /// What data looks like.
    pub const fn format(&self) -> Format {
        self.wishes.format
    }

    /// Nobody reads the data any more; a stream may end, with success.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether talk may be coloured; for the log.
    pub const fn color_talk(&self) -> bool {
        self.color_talk
    }

    /// Writes a result in the format that was asked for: `body` as JSON, or the rows as a table or CSV.
    ///
    /// `schema` is the whole word, such as `onhand.status/1`; `body` is a struct or a map without a key `schema`.
    ///
    /// # Errors
    /// [`OutputError`] if it cannot be written; a closed pipe is success.
    pub fn result<T: Serialize>(
        &mut self,
        schema: &str,
        body: &T,
        headers: &[&str],
        rows: &[Vec<Cell>],
    ) -> Result<(), OutputError> {
        match self.wishes.format {
            Format::Json => self.json(schema, body),
            Format::Table => self.table(headers, rows),
            Format::Csv => self.csv(headers, rows),
        }
    }

    /// Writes columns for people.
    ///
    /// # Errors
    /// As [`Out::result`].
    pub fn table(&mut self, headers: &[&str], rows: &[Vec<Cell>]) -> Result<(), OutputError> {
        let text = table::drawn(headers, rows, self.color_data);
        self.raw(text.as_bytes())
    }

    /// Writes one JSON document over several lines.
    ///
    /// # Errors
    /// As [`Out::result`].
    pub fn json<T: Serialize>(&mut self, schema: &str, body: &T) -> Result<(), OutputError> {
        let text = json::document(schema, body, true)?;
        self.raw(text.as_bytes())
    }

    /// Writes one JSON document on one line, for streams.
    ///
    /// # Errors
    /// As [`Out::result`].
    pub fn json_line<T: Serialize>(&mut self, schema: &str, body: &T) -> Result<(), OutputError> {
        let text = json::document(schema, body, false)?;
        self.raw(text.as_bytes())
    }

    /// Writes CSV with a header.
    ///
    /// # Errors
    /// As [`Out::result`].
    pub fn csv(
        &mut self,
        headers: &[&str],
        rows: impl IntoIterator<Item: AsRef<[Cell]>>,
    ) -> Result<(), OutputError> {
        let mut text = Vec::new();
        csv::write(&mut text, headers, rows)?;
        self.raw(&text)
    }

    /// Writes our own text as data, with a line end; names in it are made safe for a terminal.
    ///
    /// # Errors
    /// As [`Out::result`].
    pub fn text(&mut self, text: &str) -> Result<(), OutputError> {
        let text = terminal::clean_lines(text);
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Writes bytes as they are: generated files such as completions and man pages.
    ///
    /// # Errors
    /// As [`Out::result`].
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        if self.closed {
            return Ok(());
        }
        match self.data.write_all(bytes).and_then(|()| self.data.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Says something that is not data; nothing with `--quiet`.
    pub fn note(&mut self, says: impl fmt::Display) {
        if !self.wishes.quiet {
            self.say("", "", &says.to_string());
        }
    }

    /// Says that something is risky; also with `--quiet`, for it may cost money.
    pub fn warning(&mut self, says: impl fmt::Display) {
        self.say("\u{1b}[33m", "warning: ", &says.to_string());
    }

    /// Says what went wrong; each line on its own.
    pub fn error(&mut self, says: impl fmt::Display) {
        self.say("\u{1b}[31m", "error: ", &says.to_string());
    }

    /// A bar on stderr, if it is to be seen; else a hidden one. `total` is not known for what only spins.
    pub fn progress(&self, total: Option<u64>, label: &'static str) -> indicatif::ProgressBar {
        progress::bar(self.progress, total, label)
    }

    /// A bar over bytes on stderr, if it is to be seen; else a hidden one.
    pub fn progress_of_bytes(&self, total: u64) -> indicatif::ProgressBar {
        progress::bytes_bar(self.progress, total)
    }

    /// Talk is best effort: if stderr is gone there is nobody left to tell.
    fn say(&mut self, color: &str, word: &str, text: &str) {
        let text = terminal::clean_lines(text);
        let line = if self.color_talk && !word.is_empty() {
            format!("{color}{word}\u{1b}[0m{text}\n")
        } else {
            format!("{word}{text}\n")
        };
        drop(
            self.talk
                .write_all(line.as_bytes())
                .and_then(|()| self.talk.flush()),
        );
    }
}

#[cfg(test)]
mod tests;
