//! From files to one harvest: every member is looked at, surveyed where that is needed, and read; a large plain file by two
//! threads, each a part of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::error::{Result, SalesError};
use super::facts::{self, Facts, OrderCells};
use super::harvest::{FileTally, Harvest, Sink};
use super::overlap::{self, Beside, Span, Wins};
use super::records::{Broken, Records, Rows};
use super::rows::{Reading, Stop, Terms, Watch};
use super::shape::{self, Asked, Shape};
use super::source::{self, Member};

/// Files from this size on are read in parts.
const PART_BYTES_LEAST: u64 = 8 << 20;
/// Parts of a large file. More gain nothing where the reader is as fast as memory.
const PARTS: u64 = 2;
/// Attempts at one file: each learns one thing (encoding, line ends, facts).
const ATTEMPTS_MAX: usize = 5;
/// Most files of one run.
const FILES_MAX: usize = 10_000;

/// Copies of files, each with its original.
type Copies = Vec<(String, String)>;

/// One file, and what was found in it.
#[derive(Debug)]
pub(super) struct ReadFile {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) tally: FileTally,
}

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Everything<S> {
    pub(super) files: Vec<ReadFile>,
    pub(super) harvest: Harvest<S>,
    /// Files that are copies of others, with their originals.
    pub(super) copies: Copies,
}

/// Bytes on disk, for a bar of progress.
pub fn size(files: &[PathBuf]) -> u64 {
    files
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|data| data.len())
        .sum()
}

/// Reads all files.
///
/// # Errors
/// [`SalesError`] for a file that cannot be read as sales.
pub(super) fn all<S: Sink>(
    paths: &[PathBuf],
    asked: &Asked,
    terms: &Terms<'_>,
    wins: Option<Wins>,
    watch: &dyn Watch,
) -> Result<Everything<S>> {
    let (members, copies) = members(paths)?;
    let mut shapes = Vec::with_capacity(members.len());
    for member in &members {
        shapes.push(shape::find(member, asked)?);
    }
    // Orders may be cut across files, so the cells of their first rows are gathered from all files first.
    let mut known = Vec::with_capacity(members.len());
    for (member, shape) in members.iter().zip(&mut shapes) {
        let columns = &shape.columns;
        let wanted = columns.parent.is_some() || columns.order_cells.iter().any(Option::is_some);
        known.push(if wanted {
            Some(survey(member, shape, asked, terms)?)
        } else {
            None
        });
    }
    let mut harvest: Harvest<S> = Harvest::new();
    let mut files = Vec::with_capacity(members.len());
    let mut covered: Vec<Span> = Vec::new();
    for number in overlap::order(&shapes, wins) {
        let (Some(member), Some(shape)) = (members.get(number), shapes.get(number)) else {
            continue;
        };
        let mut one = One {
            member,
            shape: shape.clone(),
            covered: &covered,
            facts: known.get_mut(number).and_then(Option::take),
            asked,
            terms,
            number: u16::try_from(number).unwrap_or(u16::MAX),
        };
        let others: Vec<&OrderCells> = known.iter().flatten().map(|facts| &facts.cells).collect();
        let mut found: Harvest<S> = one.read(&others, watch)?;
        let tally = std::mem::take(&mut found.tally);
        if tally.read == 0 {
            let hint = "check that the export is the one you mean, and its dates";
            return Err(SalesError::file(
                &member.name,
                "no data rows below the header",
                hint,
            ));
        }
        harvest.join(found, 0);
        if let Some(slot) = known.get_mut(number) {
            *slot = one.facts.take();
        }
        let file = ReadFile {
            name: member.name.clone(),
            shape: one.shape,
            tally,
        };
        covered.extend(overlap::covers(&file, wins));
        files.push((number, file));
    }
    files.sort_by_key(|(number, _)| *number);
    let files: Vec<ReadFile> = files.into_iter().map(|(_, file)| file).collect();
    overlap::refuse(&files, wins)?;
    Ok(Everything {
        files,
        harvest,
        copies,
    })
}

/// All tables of all files; copies of a file are named and left out.
fn members(paths: &[PathBuf]) -> Result<(Vec<Member>, Copies)> {
    let mut found: Vec<Member> = Vec::new();
    for path in paths {
        found.extend(source::members(path)?);
        if found.len() > FILES_MAX {
            let name = path.display().to_string();
            return Err(SalesError::file(
                &name,
                format!("more than {FILES_MAX} files"),
                "give fewer at once",
            ));
        }
    }
    let mut kept: Vec<(Member, Option<[u8; 32]>)> = Vec::with_capacity(found.len());
    let mut copies = Vec::new();
    for member in found {
        let mut original = None;
        let mut digest = None;
        for (known, known_digest) in kept
            .iter_mut()
            .filter(|(known, _)| known.bytes == member.bytes)
        {
            let here = match digest {
                Some(digest) => digest,
                None => *digest.insert(self::digest(&member)?),
            };
            let there = match known_digest {
                Some(digest) => *digest,
                None => *known_digest.insert(self::digest(known)?),
            };
            if here == there {
                original = Some(known.name.clone());
                break;
            }
        }
        match original {
            Some(original) => copies.push((member.name, original)),
            None => kept.push((member, digest)),
        }
    }
    Ok((kept.into_iter().map(|(member, _)| member).collect(), copies))
}

fn digest(member: &Member) -> Result<[u8; 32]> {
    let mut source = member.open()?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let n = source
            .read(&mut block)
            .map_err(|error| SalesError::io(&member.name, &error))?;
        if n == 0 {
            // Sheets have no bytes of their own here; their name tells them apart.
            if member.sheets().is_some() {
                digest.update(member.name.as_bytes());
            }
            return Ok(digest.finalize().into());
        }
        digest.update(block.get(..n).unwrap_or_default());
    }
}

fn survey(member: &Member, shape: &mut Shape, asked: &Asked, terms: &Terms<'_>) -> Result<Facts> {
    for _ in 0..ATTEMPTS_MAX {
        let found = match member.sheets().zip(shape.sheet) {
            Some((sheets, idx)) => match sheets.get(idx) {
                Some(sheet) => facts::survey(shape, terms, &mut sheet.rows()),
                None => break,
            },
            None => facts::survey(shape, terms, &mut records(member, shape)?),
        };
        match found {
            Ok(facts) => return Ok(facts),
            Err(Broken::Io(error)) => return Err(SalesError::io(&member.name, &error)),
            Err(Broken::NotUtf8) => *shape = shape::find_again(member, asked)?,
            Err(Broken::LoneReturn) => shape.lone_returns = true,
            Err(Broken::OpenQuote { .. }) => break,
        }
    }
    Err(unsettled(&member.name))
}

fn unsettled(name: &str) -> SalesError {
    SalesError::file(
        name,
        "its encoding and line ends change within the file",
        "say --encoding, or export it again",
    )
}

fn records(member: &Member, shape: &Shape) -> Result<Records<Box<dyn Read + Send>>> {
    let check = shape.encoded.is_utf8() && !shape.forced && !shape.lone_returns;
    Ok(Records::new(
        shape::text(member, shape)?,
        shape.dialect,
        check,
        1,
    ))
}

/// One member on its way.
struct One<'a> {
    member: &'a Member,
    shape: Shape,
    facts: Option<Facts>,
    /// What counts in other exports.
    covered: &'a [Span],
    asked: &'a Asked,
    terms: &'a Terms<'a>,
    number: u16,
}

impl One<'_> {
    fn read<S: Sink>(&mut self, others: &[&OrderCells], watch: &dyn Watch) -> Result<Harvest<S>> {
        for _ in 0..ATTEMPTS_MAX {
            let found = match self.in_parts(others, watch) {
                Some(found) => found,
                None => self.in_one(others, watch),
            };
            match found {
                Ok(harvest) => return Ok(harvest),
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::NotUtf8) => {
                    self.shape = shape::find_again(self.member, self.asked)?;
                    self.facts = None;
                }
                Err(Stop::LoneReturn) => self.shape.lone_returns = true,
                Err(Stop::NeedFacts) => {
                    self.facts = Some(survey(
                        self.member,
                        &mut self.shape,
                        self.asked,
                        self.terms,
                    )?);
                }
            }
        }
        Err(unsettled(&self.member.name))
    }

    fn reading<'r, S: Sink>(&'r self, others: &'r [&'r OrderCells]) -> Reading<'r, S> {
        let place = (self.number, self.member.name.as_str());
        let beside = Beside::new(&self.shape, self.covered);
        Reading::new(beside, self.terms, self.facts.as_ref(), others, place)
    }

    fn in_one<S: Sink>(
        &self,
        others: &[&OrderCells],
        watch: &dyn Watch,
    ) -> std::result::Result<Harvest<S>, Stop> {
        let n_skipped = self.shape.n_skipped;
        let sheet = self
            .member
            .sheets()
            .zip(self.shape.sheet)
            .and_then(|(sheets, idx)| sheets.get(idx));
        if let Some(sheet) = sheet {
            return self
                .reading(others)
                .read(&mut sheet.rows(), n_skipped, u64::MAX, watch);
        }
        let mut rows = records(self.member, &self.shape).map_err(Stop::Failed)?;
        self.reading(others)
            .read(&mut rows, n_skipped, u64::MAX, watch)
    }

    /// Reads a large plain file by several threads. Nothing if it is not one.
    fn in_parts<S: Sink>(
        &self,
        others: &[&OrderCells],
        watch: &dyn Watch,
    ) -> Option<std::result::Result<Harvest<S>, Stop>> {
        let path = self.member.plain()?;
        let shape = &self.shape;
        let simple = shape.encoded.is_utf8()
            && !shape.forced
            && !shape.lone_returns
            && shape.columns.once.is_empty();
        if !simple || self.facts.is_some() || self.member.bytes < PART_BYTES_LEAST {
            return None;
        }
        let failed =
            |error: std::io::Error| Stop::Failed(SalesError::io(&self.member.name, &error));
        let begin = shape.encoded.mark as u64;
        let cut = |n: u64| begin + (self.member.bytes - begin) * n / PARTS;
        let one = |n: u64| -> std::result::Result<Part<S>, Stop> {
            let mut file = File::open(path).map_err(failed)?;
            let from = if n == 0 {
                begin
            } else {
                line_after(&mut file, cut(n)).map_err(failed)?
            };
            let to = if n + 1 == PARTS {
                u64::MAX
            } else {
                line_after(&mut file, cut(n + 1)).map_err(failed)?
            };
            file.seek(SeekFrom::Start(from)).map_err(failed)?;
            let mut rows = Records::new(file, shape.dialect, true, 1);
            let (n_skipped, length) = (
                if n == 0 { shape.n_skipped } else { 0 },
                to.saturating_sub(from),
            );
            let mut reading = self.reading(others);
            if n > 0 {
                reading.begins_at(from);
            }
            let harvest = reading.read(&mut rows, n_skipped, length, watch)?;
            let (bytes, lines) = (rows.bytes(), rows.next_line() - 1);
            Ok(Part {
                harvest,
                whole: bytes <= length,
                lines,
            })
        };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..PARTS).map(|n| scope.spawn(move || one(n))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a part is read or fails"))
                .collect()
        });
        joined(parts)
    }
}

/// What a thread read.
struct Part<S> {
    harvest: Harvest<S>,
    /// Its last record ended where the next part begins: the cut was no line break within quotes.
    whole: bool,
    lines: u64,
}

/// Brings parts together. Nothing if a cut went through a record, for then the file has to be read in one.
fn joined<S: Sink>(
    parts: Vec<std::result::Result<Part<S>, Stop>>,
) -> Option<std::result::Result<Harvest<S>, Stop>> {
    let (mut all, mut lines) = (None::<Harvest<S>>, 0);
    for part in parts {
        let part = match part {
            Ok(part) => part,
            // A cut within quotes reads nonsense; read in one, the file says what is really wrong with it.
            Err(Stop::Failed(_)) => return None,
            Err(stop) => return Some(Err(stop)),
        };
        if !part.whole {
            return None;
        }
        match &mut all {
            None => all = Some(part.harvest),
            Some(all) => all.join(part.harvest, lines),
        }
        lines += part.lines;
    }
    all.map(Ok)
}

/// The first byte after the next line end.
fn line_after(file: &mut File, at: u64) -> std::io::Result<u64> {
    file.seek(SeekFrom::Start(at))?;
    let mut block = vec![0; 1 << 16];
    let mut passed = at;
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            return Ok(passed);
        }
        let read = block.get(..n).unwrap_or_default();
        if let Some(found) = memchr::memchr(b'\n', read) {
            return Ok(passed + found as u64 + 1);
        }
        passed += n as u64;
    }
}
