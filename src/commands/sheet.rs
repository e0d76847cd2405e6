//! CSV files that people bring: separated by commas, semicolons or tabs, columns in any order, with or without a mark in
//! front. Texts are kept byte for byte; only what our own CSV put in front of a formula is taken off again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::Serialize;

use crate::domain::ids::Sku;
use crate::exit::Failure;
use crate::output::csv::restored;

/// Largest file in bytes: millions of rows; more is a mistake, and would not fit into memory everywhere.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// What can stand between two columns.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// A row that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Rejected {
    /// The file, as it was named.
    pub(super) file: String,
    /// The line where the row begins, from 1.
    pub(super) line: u64,
    /// Why.
    pub(super) reason: String,
}

/// A column that a file may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its name in the header.
    pub(super) name: &'static str,
    /// Without it the file means nothing.
    pub(super) needed: bool,
}

/// A column without which the file means nothing.
pub(super) const fn needed(name: &'static str) -> Column {
    Column { name, needed: true }
}

/// A column that may be left out.
pub(super) const fn wanted(name: &'static str) -> Column {
    Column {
        name,
        needed: false,
    }
}

/// A file that was read: its rows, and what could not be read of it.
#[derive(Debug)]
pub(super) struct Sheet {
    /// The file, as it was named.
    pub(super) file: String,
    /// Its rows, in order.
    pub(super) rows: Vec<Row>,
    /// Rows that are no rows.
    pub(super) rejected: Vec<Rejected>,
    /// Columns that mean nothing here.
    pub(super) unknown: Vec<String>,
    columns: BTreeMap<&'static str, usize>,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// The line where it begins, from 1.
    pub(super) line: u64,
    fields: csv::StringRecord,
}

impl Sheet {
    /// Whether the header has this column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// What a row has in a column; `None` if that is empty or missing.
    pub(super) fn field<'r>(&self, row: &'r Row, column: &str) -> Option<&'r str> {
        let text = row.fields.get(*self.columns.get(column)?)?;
        (!text.is_empty()).then_some(text)
    }

    /// What a row has in a column, with the mark against formulas taken off.
    pub(super) fn name(&self, row: &Row, column: &str) -> Result<String, String> {
        self.field(row, column)
            .map(|text| restored(text).into_owned())
            .ok_or_else(|| format!("{column} is empty"))
    }

    /// A SKU of ours. What a spreadsheet makes of codes that it takes for numbers or dates is refused, unless it is known:
    /// the digits that it left out are gone, and a guess would make goods that nobody has.
    pub(super) fn sku(&self, row: &Row, known: &BTreeSet<Sku>) -> Result<Sku, String> {
        let sku = Sku::new(&self.name(row, "sku")?).map_err(|error| error.to_string())?;
        match spoiled(sku.as_str()).filter(|_| !known.contains(&sku)) {
            Some(what) => Err(format!(
                "the SKU {:?} looks like a {what} that a spreadsheet made of a code; hint: format the column as text before \
                 the codes are put in, and save it again",
                sku.as_str()
            )),
            None => Ok(sku),
        }
    }

    /// A whole number between two bounds, blanks around it left out; `None` if there is nothing.
    pub(super) fn whole(
        &self,
        row: &Row,
        column: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, String> {
        let Some(text) = self.field(row, column).map(str::trim) else {
            return Ok(None);
        };
        if text.is_empty() {
            return Ok(None);
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "{column} is {text:?}, which is no whole number; hint: digits only, without a separator"
            ));
        }
        match text.parse::<i64>() {
            Ok(number) if number < 0 && least >= 0 => Err(format!("{column} is {text}, below 0")),
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(format!(
                "{column} is {text}, and has to be between {least} and {most}"
            )),
        }
    }

    /// A rejection of this row.
    pub(super) fn reject(&mut self, line: u64, reason: impl Into<String>) {
        self.rejected.push(Rejected {
            file: self.file.clone(),
            line,
            reason: reason.into(),
        });
    }
}

/// What a spreadsheet made of a code, if it looks like that: a number of 12 digits or more becomes `1.91431E+18`, `3/10` and
/// `MAR1` become `10-Mar` and `1-Mar`, `MAR2010` becomes `Mar-10`.
fn spoiled(text: &str) -> Option<&'static str> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let text = text.trim().to_ascii_lowercase();
    let digits = |part: &str, most| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some((mantissa, exponent)) = text.split_once("e+") {
        let (whole, rest) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
        let large = digits(exponent, 3) && exponent.parse::<u32>().is_ok_and(|power| power >= 11);
        return (large && digits(whole, 1) && digits(rest, 20)).then_some("number");
    }
    let (one, other) = text.split_once('-')?;
    let month = |part: &str| MONTHS.contains(&part);
    ((digits(one, 2) && month(other)) || (month(one) && digits(other, 2))).then_some("date")
}

/// Reads a whole file.
///
/// # Errors
/// [`Failure::File`] if it is not there, too large, or its header is not the wanted one.
pub(super) fn read(path: &Path, columns: &[Column]) -> Result<Sheet, Failure> {
    let file = path.display().to_string();
    let bytes = bytes_of(path, &file)?;
    parse(&bytes, file, columns)
}

fn bytes_of(path: &Path, file: &str) -> Result<Vec<u8>, Failure> {
    let wrong = |problem: String, hint| Failure::File {
        path: file.to_owned(),
        problem,
        hint,
    };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|opened| {
        opened
            .take(FILE_BYTES_MAX.saturating_add(1))
            .read_to_end(&mut bytes)
    });
    match read {
        Ok(size) if u64::try_from(size).unwrap_or(u64::MAX) > FILE_BYTES_MAX => Err(wrong(
            format!("it is larger than {FILE_BYTES_MAX} bytes"),
            "split it",
        )),
        Ok(_) => Ok(bytes),
        Err(error) => match error.kind() {
            ErrorKind::NotFound => Err(wrong("no such file".to_owned(), "check the path")),
            ErrorKind::PermissionDenied => {
                Err(wrong("it may not be read".to_owned(), "check its mode"))
            }
            ErrorKind::IsADirectory => Err(wrong("it is a folder".to_owned(), "name a file in it")),
            _ => Err(Failure::Disk {
                path: file.to_owned(),
                problem: error.to_string(),
            }),
        },
    }
}

fn parse(bytes: &[u8], file: String, wanted: &[Column]) -> Result<Sheet, Failure> {
    let wrong = |problem: String, hint| Failure::File {
        path: file.clone(),
        problem,
        hint,
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(wrong("it is UTF-16".to_owned(), "save it as CSV UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let header = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let header = std::str::from_utf8(header)
        .map_err(|_| wrong("its header is not UTF-8".to_owned(), "save it as CSV UTF-8"))?;
    let delimiter = delimiter(header, wanted);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(bytes);
    let names = reader
        .headers()
        .cloned()
        .map_err(|error| wrong(error.to_string(), "save it as CSV UTF-8"))?;
    let (columns, unknown) = columns(&names, wanted).map_err(|problem| {
        wrong(
            problem,
            "the first line names the columns; see --help of this command",
        )
    })?;
    let mut sheet = Sheet {
        file,
        rows: Vec::new(),
        rejected: Vec::new(),
        unknown,
        columns,
    };
    let mut lines = Lines::of(bytes);
    for record in reader.into_byte_records() {
        // Reading from memory cannot fail, and every record is a record when lengths may differ.
        let Ok(record) = record else { continue };
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            continue;
        }
        match csv::StringRecord::from_byte_record(record) {
            Err(_) => sheet.reject(line, "it is not UTF-8; hint: save the file as CSV UTF-8"),
            Ok(fields) if fields.len() != names.len() => sheet.reject(
                line,
                format!("it has {} fields, the header {}", fields.len(), names.len()),
            ),
            Ok(fields) => sheet.rows.push(Row { line, fields }),
        }
    }
    Ok(sheet)
}

/// Counts lines up to where a record begins. The reader's own count is one short after `\r\n`.
struct Lines<'b> {
    bytes: &'b [u8],
    seen: usize,
    line: u64,
}

impl<'b> Lines<'b> {
    const fn of(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            seen: 0,
            line: 1,
        }
    }

    /// The line of a byte, from 1; line ends at that place belong to the record before. Bytes only go forward.
    fn at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.bytes.get(self.seen)
            && (self.seen < byte || matches!(next, b'\r' | b'\n'))
        {
            self.line = self.line.saturating_add(u64::from(*next == b'\n'));
            self.seen = self.seen.saturating_add(1);
        }
        self.line
    }
}

/// What separates the columns: what finds most of the wanted ones in the header.
fn delimiter(header: &str, wanted: &[Column]) -> u8 {
    let found = |delimiter: &u8| {
        header
            .split(char::from(*delimiter))
            .filter(|name| {
                let name = folded(name.trim().trim_matches('"'));
                wanted.iter().any(|column| column.name == name)
            })
            .count()
    };
    // The last of equal ones wins, so commas stand last.
    DELIMITERS
        .iter()
        .rev()
        .max_by_key(|delimiter| found(delimiter))
        .copied()
        .unwrap_or(b',')
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

type Columns = BTreeMap<&'static str, usize>;

fn columns(names: &csv::StringRecord, wanted: &[Column]) -> Result<(Columns, Vec<String>), String> {
    let mut columns = Columns::new();
    let mut unknown = Vec::new();
    for (column_idx, name) in names.iter().enumerate() {
        let known = wanted.iter().find(|column| column.name == folded(name));
        match known {
            Some(column) if columns.insert(column.name, column_idx).is_some() => {
                return Err(format!("its header has the column {} twice", column.name));
            }
            Some(_) => {}
            None => unknown.push(name.to_owned()),
        }
    }
    let missing: Vec<_> = wanted
        .iter()
        .filter(|column| column.needed && !columns.contains_key(column.name))
        .map(|column| column.name)
        .collect();
    if missing.is_empty() {
        return Ok((columns, unknown));
    }
    let shown: Vec<_> = names.iter().take(20).collect();
    Err(format!(
        "its header {:?} lacks {}",
        shown.join(","),
        missing.join(" and ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [needed("sku"), needed("on_hand"), wanted("location")];

    fn sheet(text: &[u8]) -> Result<Sheet, Failure> {
        parse(text, "f.csv".to_owned(), &COLUMNS)
    }

    #[track_caller]
    fn check(text: &str, expected: &[(u64, &str, i64)]) {
        let sheet = sheet(text.as_bytes()).unwrap();
        let found: Vec<_> = sheet
            .rows
            .iter()
            .map(|row| {
                let units = sheet.whole(row, "on_hand", 0, 100).unwrap().unwrap();
                (row.line, sheet.name(row, "sku").unwrap(), units)
            })
            .collect();
        let found: Vec<_> = found.iter().map(|(l, s, u)| (*l, s.as_str(), *u)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn separators_order_and_marks_do_not_matter() {
        let rows = [(2, "A", 5), (3, "B", 6)];
        check("sku,on_hand\nA,5\nB,6\n", &rows);
        check("on_hand;sku\r\n5;A\r\n6;B\r\n", &rows);
        check("\u{feff}SKU\tOn hand\nA\t 5 \nB\t6", &rows);
        check(
            "sku,on_hand,note\nA,5,x\n,,\nB,6,y\n\n",
            &[(2, "A", 5), (4, "B", 6)],
        );
        check(
            "sku,on_hand\n\"A,1\",5\n'=1+1,6\n",
            &[(2, "A,1", 5), (3, "=1+1", 6)],
        );
        check("sku,on_hand\n 0870 ,5\n", &[(2, " 0870 ", 5)]);
    }

    #[test]
    fn a_header_that_is_not_the_wanted_one_is_refused() {
        for (text, says) in [
            ("", "lacks sku and on_hand"),
            ("sku,onhand\nA,5\n", "lacks on_hand"),
            ("sku,on_hand,sku\nA,5,B\n", "sku twice"),
            ("A,5\nB,6\n", "lacks sku"),
        ] {
            let error = sheet(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert!(sheet(b"\xff\xfes\0k\0u\0").is_err());
    }

    #[test]
    fn rows_that_are_no_rows_are_rejected_with_their_line() {
        let found = sheet(b"sku,on_hand\nA\nB,5,6\n\xff\xfe,7\nC,8\n").unwrap();
        let lines: Vec<_> = found.rejected.iter().map(|row| row.line).collect();
        assert_eq!((lines, found.rows.len()), (vec![2, 3, 4], 1));
    }

    #[test]
    fn what_a_spreadsheet_made_of_a_code_is_told_from_a_code() {
        for (text, what) in [
            ("1.9143100000101E+18", Some("number")),
            ("1,91431E+18", Some("number")),
            ("2E+11", Some("number")),
            ("1.5E+05", None),
            ("1914310000010100016", None),
            ("12.5E+18", None),
            ("MUGE+18", None),
            ("10-Mar", Some("date")),
            ("1-mar", Some("date")),
            ("Mar-10", Some("date")),
            ("3-10", None),
            ("MAR1", None),
            ("100-Mar", None),
            ("10-March", None),
            ("A-1", None),
        ] {
            assert_eq!(spoiled(text), what, "{text}");
        }
        let found = sheet(b"sku,on_hand\n10-Mar,5\n").unwrap();
        let row = &found.rows[0];
        let reason = found.sku(row, &BTreeSet::new()).unwrap_err();
        assert!(reason.contains("format the column as text"), "{reason}");
        let known = BTreeSet::from([Sku::new("10-Mar").unwrap()]);
        assert!(found.sku(row, &known).is_ok(), "it is really called so");
    }

    #[test]
    fn numbers_are_whole_and_within_bounds() {
        for (text, says) in [
            ("5.0", "no whole number"),
            ("1,000", "fields"),
            ("1e5", "no whole number"),
            ("--5", "no whole number"),
            ("-5", "below 0"),
            ("101", "between 0 and 100"),
            ("99999999999999999999", "between 0 and 100"),
        ] {
            let sheet = sheet(format!("sku,on_hand\nA,{text}\n").as_bytes()).unwrap();
            let reason = match sheet.rows.first() {
                Some(row) => sheet.whole(row, "on_hand", 0, 100).unwrap_err(),
                None => sheet.rejected[0].reason.clone(),
            };
            assert!(reason.contains(says), "{text}: {reason}");
        }
    }
}
