//! How a file is written and what it is: encoding, separator, quotes, where its header stands, and which profile that is of.

use std::io::Read;

use super::columns::{Columns, Header};
use super::encoding::{self, Decoded, Encoded, LineEnds};
use super::error::{Result, SalesError};
use super::profile::{Profile, built_in};
use super::records::{Broken, Dialect, Records, Rows, has_lone_return};
use super::source::Member;

/// Bytes at the beginning that are looked at.
const HEAD_BYTES: usize = 1 << 18;
/// Lines in which the header is looked for.
const HEADER_LINES_MAX: usize = 40;
/// Separators that are tried.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What the user says about the files.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Use this profile instead of the one that the header tells.
    pub profile: Option<Profile>,
    /// Use this encoding.
    pub encoding: Option<String>,
    /// Rows with these reasons count.
    pub counted: Vec<String>,
}

/// How one member is read.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) encoded: Encoded,
    /// The user says so: what does not decode is replaced, and nothing else is tried.
    pub(super) forced: bool,
    /// Lines end with a lone CR somewhere.
    pub(super) lone_returns: bool,
    pub(super) dialect: Dialect,
    /// The sheet of a workbook.
    pub(super) sheet: Option<usize>,
    /// Records before the first row: the header and what stands above it.
    pub(super) n_skipped: usize,
    pub(super) profile: Profile,
    pub(super) columns: Columns,
}

impl Shape {
    /// As reports say it.
    pub(super) fn separator_name(&self) -> &'static str {
        match self.dialect.separator {
            _ if self.sheet.is_some() => "-",
            b'\t' => "\\t",
            b';' => ";",
            b'|' => "|",
            _ => ",",
        }
    }

    /// As reports say it.
    pub(super) fn encoding_name(&self) -> &'static str {
        if self.sheet.is_some() {
            "xlsx"
        } else {
            self.encoded.name()
        }
    }
}

/// Finds out how a member is written.
///
/// # Errors
/// [`SalesError::File`] if no profile fits, or the one that fits cannot be classified.
pub(super) fn find(member: &Member, asked: &Asked) -> Result<Shape> {
    let shape = match member.sheets() {
        Some(_) => in_sheets(member, asked)?,
        None => in_text(member, asked)?,
    };
    if let Some(refusal) = &shape.profile.refuse {
        let says = format!("it is a {}", shape.profile.about);
        return Err(SalesError::file(&member.name, says, refusal.clone()));
    }
    Ok(shape)
}

/// UTF-8 of a member, from its first byte after the mark.
pub(super) fn text(member: &Member, shape: &Shape) -> Result<Box<dyn Read + Send>> {
    let encoded = shape.encoded;
    let mut source = member.open()?;
    let mut mark = vec![0; encoded.mark];
    source
        .read_exact(&mut mark)
        .map_err(|error| SalesError::io(&member.name, &error))?;
    let decoded: Box<dyn Read + Send> = if encoded.is_utf8() && !shape.forced {
        source
    } else {
        Box::new(Decoded::new(source, encoded.encoding))
    };
    Ok(if shape.lone_returns {
        Box::new(LineEnds::new(decoded))
    } else {
        decoded
    })
}

fn in_text(member: &Member, asked: &Asked) -> Result<Shape> {
    let failed = |error: std::io::Error| SalesError::io(&member.name, &error);
    let wanted = asked.encoding.as_deref().or(asked
        .profile
        .as_ref()
        .and_then(|profile| profile.layout.encoding.as_deref()));
    let mut head = Vec::new();
    member
        .open()?
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let marked = encoding::first_guess(&head);
    let encoded = match wanted {
        _ if marked.mark > 0 => marked,
        None => marked,
        Some(name) => encoding::named(name).ok_or_else(|| {
            let hint = "such as utf-8, utf-16le, windows-1252 or windows-31j";
            SalesError::file(
                &member.name,
                format!("no encoding is called {name:?}"),
                hint,
            )
        })?,
    };
    let whole = head.len() < HEAD_BYTES;
    let readable = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && !whole,
    };
    let body = head.get(encoded.mark..).unwrap_or_default();
    let encoded = if wanted.is_none() && encoded.is_utf8() && !readable(body) {
        encoding::second_guess(member.open()?).map_err(failed)?
    } else {
        encoded
    };
    shape_of_text(member, asked, &head, encoded, wanted.is_some())
}

/// Finds out again, for bytes that turned out to be no UTF-8 beyond the beginning of the file.
///
/// # Errors
/// As [`find`].
pub(super) fn find_again(member: &Member, asked: &Asked) -> Result<Shape> {
    let failed = |error: std::io::Error| SalesError::io(&member.name, &error);
    let encoded = encoding::second_guess(member.open()?).map_err(failed)?;
    let mut head = Vec::new();
    member
        .open()?
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(failed)?;
    shape_of_text(member, asked, &head, encoded, false)
}

/// Finds header and separator in the first bytes, once the encoding is known.
fn shape_of_text(
    member: &Member,
    asked: &Asked,
    head: &[u8],
    encoded: Encoded,
    forced: bool,
) -> Result<Shape> {
    let body = head.get(encoded.mark..).unwrap_or_default();
    let mut text = Vec::new();
    let decoded = Decoded::new(body, encoded.encoding);
    { decoded }
        .read_to_end(&mut text)
        .map_err(|error| SalesError::io(&member.name, &error))?;
    // A CR at the very end may have its LF beyond what was looked at.
    let lone_returns = has_lone_return(text.strip_suffix(b"\r").unwrap_or(&text));
    if lone_returns {
        let mut ended = Vec::new();
        LineEnds::new(&text[..])
            .read_to_end(&mut ended)
            .map_err(|error| SalesError::io(&member.name, &error))?;
        text = ended;
    }
    let separators = match named_separator(&text) {
        Some(separator) => vec![separator],
        None => SEPARATORS.to_vec(),
    };
    let mut best: Option<Candidate> = None;
    let mut near: Vec<Candidate> = Vec::new();
    for separator in separators {
        let dialect = Dialect {
            separator,
            quotes: separator != b'\t',
        };
        let mut rows = Records::new(&text[..], dialect, false, 1);
        let found = look(&mut rows, asked, &mut near);
        if let Some(mut found) = found
            && best.as_ref().is_none_or(|best| found.rank() < best.rank())
        {
            found.separator = separator;
            best = Some(found);
        }
    }
    let found = best.ok_or_else(|| unknown(member, asked, &near))?;
    let columns = bind(member, &found.profile, found.header, asked)?;
    let quotes = found.separator != b'\t' || !found.profile.layout.unquoted_tabs;
    Ok(Shape {
        encoded,
        forced,
        lone_returns,
        dialect: Dialect {
            separator: found.separator,
            quotes,
        },
        sheet: None,
        n_skipped: found.at + 1,
        profile: found.profile,
        columns,
    })
}

fn bind(member: &Member, profile: &Profile, header: Header, asked: &Asked) -> Result<Columns> {
    if profile.refuse.is_some() {
        // It is refused by name; what it lacks does not matter.
        let mut none = profile.clone();
        none.time.day_total = true;
        none.columns.sku.clone_from(&none.find.all);
        none.columns.quantity.clone_from(&none.find.all);
        if let Some(names) = none.find.any.first() {
            none.columns.sku.extend(names.iter().cloned());
            none.columns.quantity.extend(names.iter().cloned());
        }
        return Columns::bind(&none, header, &[])
            .map_err(|says| SalesError::file(&member.name, says, "export the orders"));
    }
    Columns::bind(profile, header, &asked.counted).map_err(|says| {
        let hint = "name the columns, such as --columns sku=…,quantity=…,time=…,order=…";
        SalesError::file(&member.name, format!("as {}: {says}", profile.about), hint)
    })
}

fn in_sheets(member: &Member, asked: &Asked) -> Result<Shape> {
    let sheets = member.sheets().unwrap_or_default();
    let mut best: Option<(Candidate, usize)> = None;
    let mut near = Vec::new();
    for (idx, sheet) in sheets.iter().enumerate() {
        let Some(found) = look(&mut sheet.rows(), asked, &mut near) else {
            continue;
        };
        let wanted = found.profile.layout.sheet.as_ref() == Some(&sheet.name);
        if wanted || best.is_none() {
            best = Some((found, idx));
        }
        if wanted {
            break;
        }
    }
    let (found, sheet) = best.ok_or_else(|| unknown(member, asked, &near))?;
    let columns = bind(member, &found.profile, found.header, asked)?;
    Ok(Shape {
        encoded: encoding::first_guess(b""),
        forced: false,
        lone_returns: false,
        dialect: Dialect {
            separator: b',',
            quotes: true,
        },
        sheet: Some(sheet),
        n_skipped: found.at + 1,
        profile: found.profile,
        columns,
    })
}

/// A header that a profile fits.
struct Candidate {
    profile: Profile,
    /// Its place among the profiles.
    place: usize,
    header: Header,
    /// Records above it.
    at: usize,
    n_cells: usize,
    separator: u8,
}

impl Candidate {
    /// Lower is better: a more particular profile, then more columns.
    fn rank(&self) -> (usize, usize) {
        (self.place, usize::MAX - self.n_cells)
    }
}

/// Looks for a header in the first lines.
fn look(rows: &mut impl Rows, asked: &Asked, near: &mut Vec<Candidate>) -> Option<Candidate> {
    let wanted = asked.profile.as_ref().map(std::slice::from_ref);
    let profiles = wanted.unwrap_or_else(|| built_in());
    let mut best: Option<Candidate> = None;
    for at in 0..HEADER_LINES_MAX {
        match rows.advance() {
            Ok(true) => {}
            Err(Broken::OpenQuote { .. }) => continue,
            Ok(false) | Err(_) => break,
        }
        if rows.width() < 2 {
            continue;
        }
        let header = Header::new((0..rows.width()).map(|idx| rows.cell(idx)));
        for (place, profile) in profiles.iter().enumerate() {
            let candidate = || Candidate {
                profile: profile.clone(),
                place,
                header: header.clone(),
                at,
                n_cells: rows.width(),
                separator: b',',
            };
            if !header.is_of(profile) {
                if wanted.is_some() {
                    near.push(candidate());
                }
                continue;
            }
            if best.as_ref().is_none_or(|best| place < best.place) {
                best = Some(candidate());
            }
        }
    }
    best
}

/// What to say of a file whose header is not found.
fn unknown(member: &Member, asked: &Asked, near: &[Candidate]) -> SalesError {
    let Some(profile) = &asked.profile else {
        return SalesError::file(
            &member.name,
            format!("none of its first {HEADER_LINES_MAX} lines is the header of a known export"),
            "name the columns, such as --columns sku=…,quantity=…,time=…,order=…, or write a profile",
        );
    };
    let closest = near
        .iter()
        .map(|candidate| candidate.header.lacks(profile))
        .max_by_key(|(_, n_found)| *n_found);
    let lacking = match closest {
        Some((lacking, n_found)) if n_found > 0 => lacking,
        _ => profile.find.all.iter().map(String::as_str).collect(),
    };
    SalesError::file(
        &member.name,
        format!(
            "it is no {}: its header lacks {}",
            profile.about,
            lacking.join(", ")
        ),
        "check the export, or leave --export out",
    )
}

/// The separator of a first line such as `sep=;`.
fn named_separator(text: &[u8]) -> Option<u8> {
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let line = line.trim_ascii();
    let line = line
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(line);
    let rest = line
        .strip_prefix(b"sep=")
        .or_else(|| line.strip_prefix(b"SEP="))?;
    match rest {
        [separator] => Some(*separator),
        // The blank at the end was trimmed: it was a tab.
        b"\\t" | [] => Some(b'\t'),
        _ => None,
    }
}
