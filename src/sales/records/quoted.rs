//! Records that hold quotes: read by `csv-core`, so that quoted line breaks and doubled quotes are what they are everywhere.

use std::io::Read;

use csv_core::ReadRecordResult;
use memchr::memchr;

use super::{Broken, RECORD_BYTES_MAX, Records};

impl<R: Read> Records<R> {
    /// Reads a record that holds quotes.
    pub(super) fn unquote(&mut self) -> Result<bool, Broken> {
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
    pub(super) fn is_open(&self, used: usize) -> bool {
        let read = self.block.get(self.at..self.at + used).unwrap_or_default();
        memchr(b'\n', read).is_some() && memchr::memchr_iter(b'"', read).count() % 2 == 1
    }

    /// Makes what was unquoted the current record.
    pub(super) fn taken(&mut self, used: usize, n_ends: usize) -> bool {
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
        self.one_record();
        true
    }

    /// Leaves the line whose quote is never closed, so that one bad row does not swallow the file.
    pub(super) fn open_quote(&mut self, line: u64) -> Result<bool, Broken> {
        let rest = self.block.get(self.at..self.filled).unwrap_or_default();
        self.at = match memchr(b'\n', rest) {
            Some(found) => self.at + found + 1,
            None => self.filled,
        };
        self.line = line + 1;
        self.cells.clear();
        self.at_hand.clear();
        Err(Broken::OpenQuote { line })
    }
}
