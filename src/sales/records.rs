//! Records of text with separators, one after another, in bounded memory: each is a line number and its cells as bytes.
//!
//! A record without quotes is cut at its separators; any other is read by `csv-core`, so that quoted line breaks and
//! doubled quotes are what they are everywhere. Lines end with LF, CR LF or CR.

mod quoted;

use std::io::Read;

use csv_core::{Reader, ReaderBuilder};
use memchr::memchr;

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 1 << 18;
/// The longest record. A longer one is a quote that was opened and never closed.
pub(super) const RECORD_BYTES_MAX: usize = 1 << 20;

/// Plain records that are cut together.
const RECORDS_AT_HAND: usize = 64;

/// Why the next record cannot be had.
#[derive(Debug)]
pub(super) enum Broken {
    /// The bytes cannot be read.
    Io(std::io::Error),
    /// They are not UTF-8: another encoding has to be tried.
    NotUtf8,
    /// Lines end with a lone CR, too: they have to be made LF first.
    LoneReturn,
    /// A quote is opened in this line and not closed; reading goes on below it.
    OpenQuote {
        /// Its line.
        line: u64,
    },
}

/// Records one after another, from text or from a sheet.
pub(super) trait Rows {
    /// Goes to the next record; `false` at the end.
    fn advance(&mut self) -> Result<bool, Broken>;
    /// Its line, from 1.
    fn line(&self) -> u64;
    /// How many cells it has.
    fn width(&self) -> usize;
    /// One of its cells; empty if it has none there.
    fn cell(&self, idx: usize) -> &[u8];
    /// Whether a sheet holds this cell as a number rather than as text.
    fn is_number(&self, _idx: usize) -> bool {
        false
    }
    /// Bytes that were read up to here.
    fn bytes(&self) -> u64;
    /// How many records are at hand from the current one on, if it is the first of some that were cut together; else 0.
    fn at_hand(&self) -> usize {
        0
    }
    /// A cell of a record at hand; 0 is the first of them.
    fn cell_at_hand(&self, _record: usize, _idx: usize) -> &[u8] {
        &[]
    }
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Between cells.
    pub(super) separator: u8,
    /// Whether quotes hold cells together.
    pub(super) quotes: bool,
}

/// Reads records.
pub(super) struct Records<R> {
    source: R,
    dialect: Dialect,
    /// Bytes must be checked, for they were not decoded by us.
    check: bool,
    block: Vec<u8>,
    /// Next byte to read in `block`.
    at: usize,
    /// Bytes of `block` before this are checked.
    checked: usize,
    filled: usize,
    ended: bool,
    /// Bytes that left the block already.
    passed: u64,
    line: u64,
    /// The line of the current record.
    record_line: u64,
    /// Cells of the records at hand.
    cells: Vec<(usize, usize)>,
    /// Records at hand: where the cells of each end, and where the record after it begins.
    at_hand: Vec<(usize, usize)>,
    /// Which of them is the current one.
    current: usize,
    /// The current record, if it had to be unquoted.
    unquoted: Vec<u8>,
    in_unquoted: bool,
    ends: Vec<usize>,
    quoted: Reader,
}

impl<R: Read> Records<R> {
    /// Reads records from their first byte, which is in `first_line`.
    pub(super) fn new(source: R, dialect: Dialect, check: bool, first_line: u64) -> Self {
        let quoted = ReaderBuilder::new()
            .delimiter(dialect.separator)
            .quoting(dialect.quotes)
            .build();
        Self {
            source,
            dialect,
            check,
            block: vec![0; BLOCK_BYTES],
            at: 0,
            checked: 0,
            filled: 0,
            ended: false,
            passed: 0,
            line: first_line,
            record_line: first_line,
            cells: Vec::with_capacity(64),
            at_hand: Vec::with_capacity(RECORDS_AT_HAND),
            current: 0,
            unquoted: Vec::new(),
            in_unquoted: false,
            ends: vec![0; 64],
            quoted,
        }
    }

    /// The line in which the next record begins.
    pub(super) const fn next_line(&self) -> u64 {
        self.line
    }

    /// Goes to the next record; empty lines are records with one empty cell.
    #[inline]
    fn next_record(&mut self) -> Result<bool, Broken> {
        self.record_line = self.line;
        self.current += 1;
        if let Some(&(_, next)) = self.at_hand.get(self.current) {
            self.at = next;
            self.line += 1;
            return Ok(true);
        }
        self.next_records()
    }

    fn next_records(&mut self) -> Result<bool, Broken> {
        self.in_unquoted = false;
        self.current = 0;
        loop {
            let quote = self.cut();
            if let Some(&(_, next)) = self.at_hand.first() {
                self.at = next;
                self.line += 1;
                return Ok(true);
            }
            if quote {
                return self.unquote();
            }
            if !self.ended {
                self.fill()?;
            } else if self.at >= self.filled {
                return Ok(false);
            } else {
                // The last line has no end.
                return self.last();
            }
        }
    }

    /// Cuts the plain records from `at` on, as far as their lines are in the block. Says whether a quote ended that.
    fn cut(&mut self) -> bool {
        self.cells.clear();
        self.at_hand.clear();
        let begin = self.at;
        let rest = self.block.get(begin..self.checked).unwrap_or_default();
        let mut from = begin;
        let separator = self.dialect.separator;
        // Without quotes a second look for the separator changes nothing.
        let quote = if self.dialect.quotes { b'"' } else { separator };
        for found in memchr::memchr3_iter(separator, b'\n', quote, rest) {
            let to = begin + found;
            match rest.get(found) {
                Some(b'\n') => {
                    let returned = to > from && rest.get(found - 1) == Some(&b'\r');
                    self.cells.push((from, to - usize::from(returned)));
                    self.at_hand.push((self.cells.len(), to + 1));
                    if self.at_hand.len() == RECORDS_AT_HAND {
                        return false;
                    }
                }
                Some(byte) if *byte == separator => self.cells.push((from, to)),
                _ => return true,
            }
            from = to + 1;
        }
        false
    }

    /// Where the cells of a record at hand begin and end.
    #[inline]
    fn cells_of(&self, record: usize) -> (usize, usize) {
        let end_of = |record: usize| self.at_hand.get(record).map_or(0, |(end, _)| *end);
        let begin = record.checked_sub(1).map_or(0, end_of);
        (begin, end_of(record).max(begin))
    }

    /// The cells that were cut are one record.
    fn one_record(&mut self) {
        self.at_hand.clear();
        self.at_hand.push((self.cells.len(), self.at));
        self.current = 0;
    }

    /// The rest of the block is the last line.
    fn last(&mut self) -> Result<bool, Broken> {
        let rest = self.block.get(self.at..self.filled).unwrap_or_default();
        if self.dialect.quotes && memchr(b'"', rest).is_some() {
            return self.unquote();
        }
        self.cells.clear();
        let mut from = self.at;
        for found in memchr::memchr_iter(self.dialect.separator, rest) {
            self.cells.push((from, (self.at + found)));
            from = self.at + found + 1;
        }
        let end = if rest.last() == Some(&b'\r') {
            (self.filled - 1).max(from)
        } else {
            self.filled
        };
        self.cells.push((from, end));
        self.at = self.filled;
        self.line += 1;
        self.one_record();
        Ok(true)
    }

    /// Reads more bytes; those before the current record leave.
    fn fill(&mut self) -> Result<(), Broken> {
        if self.at > 0 {
            self.block.copy_within(self.at..self.filled, 0);
            self.passed += self.at as u64;
            self.filled -= self.at;
            self.checked -= self.at;
            self.at = 0;
        }
        if self.filled == self.block.len() {
            // A record that is longer than the block.
            self.block.resize(self.block.len() * 2, 0);
        }
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        let n_read = self.source.read(room).map_err(Broken::Io)?;
        self.filled += n_read;
        self.ended = n_read == 0;
        self.check_lines()
    }

    /// Checks the whole lines that came in; the rest of a line waits, for it may end within a letter.
    fn check_lines(&mut self) -> Result<(), Broken> {
        let fresh = self
            .block
            .get(self.checked..self.filled)
            .unwrap_or_default();
        let n_whole = if self.ended {
            fresh.len()
        } else {
            memchr::memrchr(b'\n', fresh).map_or(0, |found| found + 1)
        };
        let whole = fresh.get(..n_whole).unwrap_or_default();
        if self.check && std::str::from_utf8(whole).is_err() {
            return Err(Broken::NotUtf8);
        }
        if self.check && has_lone_return(whole) {
            return Err(Broken::LoneReturn);
        }
        self.checked += n_whole;
        if n_whole == 0 && self.filled - self.at > RECORD_BYTES_MAX {
            let line = self.line;
            self.at = self.filled;
            self.checked = self.filled;
            return Err(Broken::OpenQuote { line });
        }
        Ok(())
    }
}

/// Whether a CR stands without its LF.
pub(super) fn has_lone_return(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}

impl<R: Read> Rows for Records<R> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Broken> {
        self.next_record()
    }

    #[expect(
        clippy::misnamed_getters,
        reason = "`line` is where the next record begins"
    )]
    fn line(&self) -> u64 {
        self.record_line
    }

    fn width(&self) -> usize {
        let (begin, end) = self.cells_of(self.current);
        end - begin
    }

    #[inline]
    fn cell(&self, idx: usize) -> &[u8] {
        self.cell_at_hand(self.current, idx)
    }

    #[inline]
    fn at_hand(&self) -> usize {
        if self.current == 0 {
            self.at_hand.len()
        } else {
            0
        }
    }

    #[inline]
    fn cell_at_hand(&self, record: usize, idx: usize) -> &[u8] {
        let (begin, end) = self.cells_of(record);
        let held = if self.in_unquoted {
            &self.unquoted
        } else {
            &self.block
        };
        self.cells
            .get(begin..end)
            .and_then(|cells| cells.get(idx))
            .and_then(|&(from, to)| held.get(from..to))
            .unwrap_or_default()
    }

    fn bytes(&self) -> u64 {
        self.passed + self.at as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], separator: u8, quotes: bool) -> Vec<(u64, Vec<String>)> {
        let dialect = Dialect { separator, quotes };
        let mut records = Records::new(text, dialect, true, 1);
        let mut found = Vec::new();
        loop {
            match records.advance() {
                Ok(true) => {}
                Ok(false) => return found,
                Err(Broken::OpenQuote { line }) => {
                    found.push((line, vec!["OPEN".to_owned()]));
                    continue;
                }
                Err(other) => panic!("{other:?}"),
            }
            let cells = (0..records.width())
                .map(|idx| String::from_utf8(records.cell(idx).to_vec()).unwrap())
                .collect();
            found.push((records.line(), cells));
        }
    }

    #[track_caller]
    fn check(text: &str, quotes: bool, expected: &[(u64, &[&str])]) {
        let found = read(text.as_bytes(), b',', quotes);
        let found: Vec<(u64, Vec<&str>)> = found
            .iter()
            .map(|(line, cells)| (*line, cells.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(u64, Vec<&str>)> = expected
            .iter()
            .map(|(line, cells)| (*line, cells.to_vec()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn records_keep_their_lines_and_cells() {
        check("", true, &[]);
        check("a,b\nc,d\n", true, &[(1, &["a", "b"]), (2, &["c", "d"])]);
        check("a,b\r\nc,\r\n", true, &[(1, &["a", "b"]), (2, &["c", ""])]);
        check("a,b\nc,d", true, &[(1, &["a", "b"]), (2, &["c", "d"])]);
        check("\n\na\n", true, &[(1, &[""]), (2, &[""]), (3, &["a"])]);
        check(
            "a,\"b\nc\",d\ne",
            true,
            &[(1, &["a", "b\nc", "d"]), (3, &["e"])],
        );
        check(
            "a,\"b\"\"\"\r\nc,d\r\n",
            true,
            &[(1, &["a", "b\""]), (2, &["c", "d"])],
        );
        check("\"a\",\"b\"\nc", true, &[(1, &["a", "b"]), (2, &["c"])]);
        check("a,\"b\"", true, &[(1, &["a", "b"])]);
        check(
            "12\" x,b\nc,d\n",
            true,
            &[(1, &["12\" x", "b"]), (2, &["c", "d"])],
        );
        check(
            "12\" x,\"b\nc,d\n",
            false,
            &[(1, &["12\" x", "\"b"]), (2, &["c", "d"])],
        );
    }

    #[test]
    fn an_open_quote_costs_one_line() {
        check(
            "a\n\"b,c\nd,e\n",
            true,
            &[(1, &["a"]), (2, &["OPEN"]), (3, &["d", "e"])],
        );
    }

    #[test]
    fn records_across_blocks_are_whole() {
        let row = |n: usize| format!("{n},\"x\ny\",{}\n", "z".repeat(n % 97));
        let text: String = (0..20_000).map(row).collect();
        let found = read(text.as_bytes(), b',', true);
        assert_eq!(found.len(), 20_000);
        for (n, (line, cells)) in found.iter().enumerate() {
            assert_eq!(*line, 2 * n as u64 + 1);
            assert_eq!(cells[0], n.to_string());
            assert_eq!(cells[2].len(), n % 97);
        }
    }

    #[test]
    fn a_record_without_an_end_does_not_fill_the_memory() {
        let text = vec![b'x'; 3 * RECORD_BYTES_MAX];
        assert_eq!(read(&text, b',', true).len(), 2);
    }
}
