//! Records of text with separators, one after another, in bounded memory: each is a line number and its cells as bytes.
//!
//! A record without quotes is cut at its separators; any other is read by `csv-core`, so that quoted line breaks and
//! doubled quotes are what they are everywhere. Lines end with LF, CR LF or CR.

use std::io::Read;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr;

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 1 << 18;
/// The longest record. A longer one is a quote that was opened and never closed.
pub(super) const RECORD_BYTES_MAX: usize = 1 << 20;

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
    cells: Vec<(usize, usize)>,
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
    fn next_record(&mut self) -> Result<bool, Broken> {
        self.in_unquoted = false;
        self.record_line = self.line;
        loop {
            match self.cut() {
                Cut::Whole { next } => {
                    self.at = next;
                    self.line += 1;
                    return Ok(true);
                }
                Cut::Quoted => return self.unquote(),
                Cut::More if self.ended => {
                    if self.at >= self.filled {
                        return Ok(false);
                    }
                    // The last line has no end.
                    return self.last();
                }
                Cut::More => self.fill()?,
            }
        }
    }

    /// Cuts the record at `at`, if its line is in the block and holds no quote.
    #[inline]
    fn cut(&mut self) -> Cut {
        self.cells.clear();
        let Some(rest) = self.block.get(self.at..self.checked) else {
            return Cut::More;
        };
        let mut from = self.at;
        let (separator, quotes) = (self.dialect.separator, self.dialect.quotes);
        if quotes {
            for found in memchr::memchr3_iter(separator, b'\n', b'"', rest) {
                let to = self.at + found;
                match rest.get(found) {
                    Some(b'\n') => return self.ended_at(from, to),
                    Some(b'"') => return Cut::Quoted,
                    _ => {
                        self.cells.push((from, to));
                        from = to + 1;
                    }
                }
            }
        } else {
            for found in memchr::memchr2_iter(separator, b'\n', rest) {
                let to = self.at + found;
                if rest.get(found) == Some(&b'\n') {
                    return self.ended_at(from, to);
                }
                self.cells.push((from, to));
                from = to + 1;
            }
        }
        Cut::More
    }

    #[inline]
    fn ended_at(&mut self, from: usize, newline: usize) -> Cut {
        let returned = newline > from && self.block.get(newline - 1) == Some(&b'\r');
        let to = if returned { newline - 1 } else { newline };
        self.cells.push((from, to));
        Cut::Whole { next: newline + 1 }
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
        Ok(true)
    }

    /// Reads a record that holds quotes.
    fn unquote(&mut self) -> Result<bool, Broken> {
        let (begin_line, mut out_at, mut n_ends, mut used) = (self.line, 0, 0, 0);
        self.quoted.reset();
        self.unquoted.resize(self.unquoted.len().max(1 << 12), 0);
        loop {
            let upto = if self.ended {
                self.filled
            } else {
                self.checked
            };
            let input = self
                .block
                .get(self.at + used..upto.max(self.at + used))
                .unwrap_or_default();
            if input.is_empty() && !self.ended {
                self.fill()?;
                if used > RECORD_BYTES_MAX {
                    return self.open_quote(begin_line);
                }
                continue;
            }
            let (result, n_in, n_out, n_end) = self.quoted.read_record(
                input,
                self.unquoted.get_mut(out_at..).unwrap_or_default(),
                self.ends.get_mut(n_ends..).unwrap_or_default(),
            );
            used += n_in;
            out_at += n_out;
            n_ends += n_end;
            match result {
                ReadRecordResult::InputEmpty if self.ended && n_in == 0 && n_end == 0 => {
                    return self.open_quote(begin_line);
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    let longer = self.unquoted.len() * 2;
                    self.unquoted.resize(longer, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    let longer = self.ends.len() * 2;
                    self.ends.resize(longer, 0);
                }
                ReadRecordResult::Record if input.is_empty() && self.is_open(used) => {
                    return self.open_quote(begin_line);
                }
                ReadRecordResult::Record => return Ok(self.taken(used, n_ends)),
                ReadRecordResult::End => return self.open_quote(begin_line),
            }
            if used > RECORD_BYTES_MAX {
                return self.open_quote(begin_line);
            }
        }
    }

    /// Whether a record that the end of the file ended was within quotes: it holds lines, and a quote without another.
    fn is_open(&self, used: usize) -> bool {
        let read = self.block.get(self.at..self.at + used).unwrap_or_default();
        memchr(b'\n', read).is_some() && memchr::memchr_iter(b'"', read).count() % 2 == 1
    }

    /// Makes what was unquoted the current record.
    fn taken(&mut self, used: usize, n_ends: usize) -> bool {
        let mut end = self.at + used;
        let read = self.block.get(self.at..end).unwrap_or_default();
        let mut n_lines = memchr::memchr_iter(b'\n', read).count() as u64;
        // csv-core stops after the CR of a CR LF.
        if read.last() == Some(&b'\r') {
            if self.block.get(end) == Some(&b'\n') && end < self.filled {
                end += 1;
            }
            n_lines += 1;
        } else if read.last() != Some(&b'\n') {
            n_lines += 1;
        }
        self.line += n_lines;
        self.at = end;
        self.cells.clear();
        let mut from = 0;
        for &to in self.ends.get(..n_ends).unwrap_or_default() {
            self.cells.push((from, to));
            from = to;
        }
        self.in_unquoted = true;
        true
    }

    /// Leaves the line whose quote is never closed, so that one bad row does not swallow the file.
    fn open_quote(&mut self, line: u64) -> Result<bool, Broken> {
        let rest = self.block.get(self.at..self.filled).unwrap_or_default();
        self.at = match memchr(b'\n', rest) {
            Some(found) => self.at + found + 1,
            None => self.filled,
        };
        self.line = line + 1;
        self.cells.clear();
        Err(Broken::OpenQuote { line })
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
        self.cells.len()
    }

    #[inline]
    fn cell(&self, idx: usize) -> &[u8] {
        let held = if self.in_unquoted {
            &self.unquoted
        } else {
            &self.block
        };
        self.cells
            .get(idx)
            .and_then(|&(from, to)| held.get(from..to))
            .unwrap_or_default()
    }

    fn bytes(&self) -> u64 {
        self.passed + self.at as u64
    }
}

/// What a look at the block gave.
enum Cut {
    /// The record is there, and this is where the next one begins.
    Whole { next: usize },
    /// It holds a quote.
    Quoted,
    /// Its line is not all there.
    More,
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
