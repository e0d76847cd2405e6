//! Sheets of a workbook as rows of text. Numbers stay recognisable as such, for a SKU that became one may have lost zeros.

use std::path::Path;

use calamine::{Data, Reader, Xlsx, open_workbook};

use super::error::{Result, SalesError};
use super::moment::{self, Moment, Resolution};
use super::records::{Broken, Rows};

/// One sheet.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    /// Its name.
    pub(super) name: String,
    /// Its rows, each with its line.
    rows: Vec<(u64, Vec<SheetCell>)>,
}

/// One cell.
#[derive(Debug, Clone, Default)]
struct SheetCell {
    text: String,
    number: bool,
}

/// Reads every sheet.
///
/// # Errors
/// [`SalesError::File`] if it is no workbook that can be read.
pub(super) fn read(path: &Path, name: &str) -> Result<Vec<Sheet>> {
    let damaged = |error: calamine::XlsxError| {
        SalesError::file(
            name,
            format!("the workbook cannot be read ({error})"),
            "save it again, or as CSV",
        )
    };
    let mut book: Xlsx<_> = open_workbook(path).map_err(damaged)?;
    let mut sheets = Vec::new();
    for sheet in book.sheet_names() {
        // A chart or a damaged sheet beside the one that matters is no reason to stop.
        let Ok(range) = book.worksheet_range(&sheet) else {
            continue;
        };
        let first = range.start().map_or(0, |(row, _)| u64::from(row)) + 1;
        let rows = range
            .rows()
            .enumerate()
            .map(|(idx, row)| (first + idx as u64, row.iter().map(cell).collect()))
            .collect();
        sheets.push(Sheet { name: sheet, rows });
    }
    Ok(sheets)
}

fn cell(data: &Data) -> SheetCell {
    let number = |text: String| SheetCell { text, number: true };
    match data {
        Data::Empty => SheetCell::default(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => SheetCell {
            text: text.clone(),
            number: false,
        },
        Data::Int(whole) => number(whole.to_string()),
        Data::Float(value) => number(value.to_string()),
        Data::Bool(flag) => SheetCell {
            text: flag.to_string(),
            number: false,
        },
        Data::DateTime(at) => SheetCell {
            text: moment::from_serial(at.as_f64()).map_or_else(String::new, written),
            number: false,
        },
        Data::Error(error) => SheetCell {
            text: error.to_string(),
            number: false,
        },
    }
}

/// A date of the sheet as text.
fn written(moment: Moment) -> String {
    let format = match moment.resolution {
        Resolution::Day => "%Y-%m-%d",
        _ => "%Y-%m-%d %H:%M:%S",
    };
    chrono::DateTime::from_timestamp(moment.wall_s, 0)
        .map_or_else(String::new, |at| at.format(format).to_string())
}

/// The rows of a sheet, one after another.
#[derive(Debug)]
pub(super) struct SheetRows<'a> {
    rows: std::slice::Iter<'a, (u64, Vec<SheetCell>)>,
    row: Option<&'a (u64, Vec<SheetCell>)>,
    n_passed: u64,
}

impl Sheet {
    /// Its rows from the first one.
    pub(super) fn rows(&self) -> SheetRows<'_> {
        SheetRows {
            rows: self.rows.iter(),
            row: None,
            n_passed: 0,
        }
    }
}

impl SheetRows<'_> {
    fn at(&self, idx: usize) -> Option<&SheetCell> {
        self.row.and_then(|(_, cells)| cells.get(idx))
    }
}

impl Rows for SheetRows<'_> {
    fn advance(&mut self) -> std::result::Result<bool, Broken> {
        self.row = self.rows.next();
        self.n_passed += 1;
        Ok(self.row.is_some())
    }

    fn line(&self) -> u64 {
        self.row.map_or(0, |(line, _)| *line)
    }

    fn width(&self) -> usize {
        self.row.map_or(0, |(_, cells)| cells.len())
    }

    fn cell(&self, idx: usize) -> &[u8] {
        self.at(idx).map_or(&[], |cell| cell.text.as_bytes())
    }

    fn is_number(&self, idx: usize) -> bool {
        self.at(idx).is_some_and(|cell| cell.number)
    }

    fn bytes(&self) -> u64 {
        self.n_passed
    }
}
