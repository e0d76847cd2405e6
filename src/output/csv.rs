//! CSV for spreadsheets: UTF-8, commas, `\n`, quoted only where needed. A text that a spreadsheet would run as a formula
//! gets a quote mark in front, and [`restored`] takes it off again when such a file is imported (rule R39).

use std::borrow::Cow;
use std::io::{self, Write};

use super::Cell;

/// Writes a header and rows.
///
/// # Errors
/// If the writer fails.
pub fn write(
    to: impl Write,
    headers: &[&str],
    rows: impl IntoIterator<Item: AsRef<[Cell]>>,
) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(to);
    writer.write_record(
        headers
            .iter()
            .map(|header| neutralised(header).into_owned()),
    )?;
    for row in rows {
        writer.write_record(row.as_ref().iter().map(|cell| {
            let plain = cell.plain();
            if cell.is_number() {
                plain
            } else {
                neutralised(&plain).into_owned()
            }
        }))?;
    }
    writer.flush()
}

/// The text, with a quote mark before each line that a spreadsheet would run (`=`, `+`, `-`, `@` and their wide forms,
/// tab, carriage return; also after blanks). Numbers such as `-5` or `-1.5` stay numbers.
///
/// Source: rule S23 of the security notes; OWASP, CSV injection.
pub fn neutralised(text: &str) -> Cow<'_, str> {
    if !pieces(text).any(runs) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 1);
    for piece in pieces(text) {
        if runs(piece) {
            safe.push('\'');
        }
        safe.push_str(piece);
    }
    Cow::Owned(safe)
}

/// Takes off what [`neutralised`] put on.
pub fn restored(text: &str) -> Cow<'_, str> {
    let marked = |piece: &str| piece.strip_prefix('\'').is_some_and(runs);
    if !pieces(text).any(marked) {
        return Cow::Borrowed(text);
    }
    let piece = |piece| match str::strip_prefix(piece, '\'') {
        Some(rest) if runs(rest) => rest,
        _ => piece,
    };
    Cow::Owned(pieces(text).map(piece).collect())
}

/// Lines with their ends. A bare carriage return ends one too, for spreadsheets break there.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['\n', '\r'])
}

/// Whether a line would run. Quote marks in front do not count, so that adding one can always be undone.
fn runs(line: &str) -> bool {
    let line = line.trim_start_matches('\'');
    let bare = line.trim_start_matches(|c: char| {
        matches!(c, '\u{feff}' | '\u{200b}')
            || (c.is_whitespace() && !matches!(c, '\t' | '\r' | '\n'))
    });
    let starts = |c| {
        matches!(
            c,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠'
        )
    };
    bare.starts_with(starts) && !is_number(line.trim_end_matches(['\n', '\r']))
}

/// `-5`, `-1.50`: what no spreadsheet reads as anything else.
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = text.strip_prefix('-') else {
        return false;
    };
    match number.split_once('.') {
        Some((whole, decimals)) => digits(whole) && digits(decimals),
        None => digits(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_texts_and_numbers_stay() {
        for text in [
            "", "abc", "5", "-5", "-1.50", "0870", "1E5", "a=b", "a+b", "x-y", "größe", "'",
            "'abc", "a\nb", "50%", "'-5",
        ] {
            assert!(
                matches!(neutralised(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
            assert_eq!(restored(text), text);
        }
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_marked() {
        for (text, safe) in [
            ("=1+1", "'=1+1"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+4912345", "'+4912345"),
            ("+1", "'+1"),
            ("-1+1", "'-1+1"),
            ("-", "'-"),
            ("-1.", "'-1."),
            ("-1e5", "'-1e5"),
            ("--5", "'--5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("  =1", "'  =1"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            (" \t=1", "' \t=1"),
            ("＝1", "'＝1"),
            ("a\n=1", "a\n'=1"),
            ("a\r\n=1\n-5", "a\r\n'=1\n-5"),
            ("a\r=1", "a\r'=1"),
            ("'=1", "''=1"),
            ("''=1", "'''=1"),
        ] {
            assert_eq!(neutralised(text), safe);
            assert_eq!(restored(safe), text);
        }
    }

    proptest! {
        #[test]
        fn marking_can_always_be_undone(text in "['=+@\\-\t\r\n 5.a\u{a0}]{0,12}") {
            let safe = neutralised(&text);
            prop_assert_eq!(restored(&safe), text.as_str());
            prop_assert!(pieces(&safe).all(|piece| piece.starts_with('\'') || !runs(piece)));
        }
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut text = Vec::new();
        let row = vec![
            Cell::from("a,\"b\""),
            Cell::Whole(-3),
            Cell::from("=1\n@2"),
            Cell::Empty,
        ];
        write(&mut text, &["a", "b", "c", "d"], &[row]).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "a,b,c,d\n\"a,\"\"b\"\"\",-3,\"'=1\n'@2\",\n");
    }
}
