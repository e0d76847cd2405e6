//! Files as analysts have them: plain, gzip, zip with several files inside, workbooks. What unpacks is limited, so that a
//! small file cannot fill memory or time.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::error::{Result, SalesError};
use super::sheet::{self, Sheet};

/// What may come out of one packed file, whatever its ratio.
const UNPACKED_FREE_BYTES: u64 = 64 << 20;
/// How many times its size a packed file may grow. Sales exports grow 5 to 40 times.
const RATIO_MAX: u64 = 200;
/// The most that may come out of a packed file at all.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// The most that may come out of a workbook, for its cells are held in memory.
const WORKBOOK_BYTES_MAX: u64 = 1 << 30;
/// Files in one archive.
const ENTRIES_MAX: usize = 1_000;

/// One table of rows: a file, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// As it is called in reports.
    pub(super) name: String,
    /// The file.
    path: PathBuf,
    /// How it is held.
    kind: Kind,
    /// Bytes on disk.
    pub(super) bytes: u64,
}

#[derive(Debug, Clone)]
enum Kind {
    Plain,
    Gzip,
    Entry { begin: u64, deflated: bool },
    Sheets(Vec<Sheet>),
}

impl Member {
    /// The file as it stands on disk, for reading parts of it at once.
    pub(super) fn plain(&self) -> Option<&Path> {
        matches!(self.kind, Kind::Plain).then_some(self.path.as_path())
    }

    /// Its sheets, if it is a workbook.
    pub(super) fn sheets(&self) -> Option<&[Sheet]> {
        match &self.kind {
            Kind::Sheets(sheets) => Some(sheets),
            _ => None,
        }
    }

    /// Its bytes, unpacked, from the beginning.
    ///
    /// # Errors
    /// [`SalesError::Io`] if it cannot be opened.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>> {
        let failed = |error| SalesError::io(&self.name, &error);
        let mut file = File::open(&self.path).map_err(failed)?;
        Ok(match &self.kind {
            Kind::Plain => Box::new(file),
            Kind::Gzip => Box::new(Limited::new(
                MultiGzDecoder::new(BufReader::new(file)),
                self.bytes,
            )),
            Kind::Entry { begin, deflated } => {
                file.seek(SeekFrom::Start(*begin)).map_err(failed)?;
                let packed = BufReader::new(file.take(self.bytes));
                if *deflated {
                    Box::new(Limited::new(DeflateDecoder::new(packed), self.bytes))
                } else {
                    Box::new(packed)
                }
            }
            Kind::Sheets(_) => Box::new(io::empty()),
        })
    }
}

/// The tables in a file.
///
/// # Errors
/// [`SalesError`] if it cannot be opened, or is an archive that cannot be used.
pub(super) fn members(path: &Path) -> Result<Vec<Member>> {
    let name = path.display().to_string();
    let failed = |error| SalesError::io(&name, &error);
    let mut file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let mut head = Vec::with_capacity(8);
    Read::by_ref(&mut file)
        .take(8)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let member = |kind| Member {
        name: name.clone(),
        path: path.to_owned(),
        kind,
        bytes,
    };
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        file.rewind().map_err(failed)?;
        return archive(path, &name, file);
    }
    if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(SalesError::file(
            &name,
            "it is a workbook of the old kind (.xls)",
            "save it as .xlsx or CSV",
        ));
    }
    Ok(vec![member(if head.starts_with(&[0x1f, 0x8b]) {
        Kind::Gzip
    } else {
        Kind::Plain
    })])
}

fn archive(path: &Path, name: &str, file: File) -> Result<Vec<Member>> {
    let damaged = |error: zip::result::ZipError| {
        SalesError::file(
            name,
            format!("the archive is damaged ({error})"),
            "download it again",
        )
    };
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    if archive.len() > ENTRIES_MAX {
        return Err(SalesError::file(
            name,
            format!("the archive holds more than {ENTRIES_MAX} files"),
            "unpack it and name the exports",
        ));
    }
    if archive.index_for_name("xl/workbook.xml").is_some() {
        return workbook(path, name, &mut archive);
    }
    let mut found = Vec::new();
    for idx in 0..archive.len() {
        let entry = archive.by_index_raw(idx).map_err(damaged)?;
        let inner = entry.name().map_err(damaged)?.into_owned();
        if entry.is_dir() || inner.starts_with("__MACOSX/") || inner.ends_with(".DS_Store") {
            continue;
        }
        let full = format!("{name}/{inner}");
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            _ => {
                let hint = "unpack it and name the exports";
                return Err(SalesError::file(
                    &full,
                    "it is packed in a way that we cannot read",
                    hint,
                ));
            }
        };
        if entry.encrypted() {
            return Err(SalesError::file(
                &full,
                "it is encrypted",
                "unpack it and name the exports",
            ));
        }
        let begin = entry
            .data_start()
            .ok_or_else(|| SalesError::file(name, "the archive is damaged", "download it again"))?;
        found.push(Member {
            name: full,
            path: path.to_owned(),
            kind: Kind::Entry { begin, deflated },
            bytes: entry.compressed_size(),
        });
    }
    if found.is_empty() {
        return Err(SalesError::file(
            name,
            "the archive is empty",
            "name the export itself",
        ));
    }
    Ok(found)
}

fn workbook(path: &Path, name: &str, archive: &mut ZipArchive<File>) -> Result<Vec<Member>> {
    let packed = std::fs::metadata(path).map_or(0, |data| data.len());
    let mut total = 0;
    for idx in 0..archive.len() {
        let failed = |error: String| {
            SalesError::file(
                name,
                format!("the workbook is damaged ({error})"),
                "save it again",
            )
        };
        let entry = archive
            .by_index(idx)
            .map_err(|error| failed(error.to_string()))?;
        let left = WORKBOOK_BYTES_MAX.saturating_sub(total);
        // Counted by unpacking, for what the archive says of itself may be a lie.
        let mut counted = Limited::new(entry, packed).take(left.saturating_add(1));
        total +=
            io::copy(&mut counted, &mut io::sink()).map_err(|error| failed(error.to_string()))?;
        if total > WORKBOOK_BYTES_MAX {
            return Err(SalesError::file(
                name,
                format!(
                    "the workbook unpacks to more than {} MiB",
                    WORKBOOK_BYTES_MAX >> 20
                ),
                "save its sheet as CSV",
            ));
        }
    }
    Ok(vec![Member {
        name: name.to_owned(),
        path: path.to_owned(),
        kind: Kind::Sheets(sheet::read(path, name)?),
        bytes: packed,
    }])
}

/// Stops a packed file that unpacks to more than can be meant.
struct Limited<R> {
    source: R,
    left: u64,
}

impl<R> Limited<R> {
    fn new(source: R, packed: u64) -> Self {
        let by_ratio = packed.saturating_mul(RATIO_MAX).max(UNPACKED_FREE_BYTES);
        Self {
            source,
            left: by_ratio.min(UNPACKED_BYTES_MAX),
        }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(into)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::other(format!(
                "it unpacks to more than {RATIO_MAX} times its size; hint: unpack it yourself if that is right"
            ))
        })?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn what_unpacks_without_end_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.csv.gz");
        let mut packer = GzEncoder::new(File::create(&path).unwrap(), Compression::best());
        let zeros = vec![b'0'; 1 << 20];
        for _ in 0..80 {
            packer.write_all(&zeros).unwrap();
        }
        packer.finish().unwrap();
        let member = members(&path).unwrap().remove(0);
        let error = io::copy(&mut member.open().unwrap(), &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("200 times its size"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = members(Path::new("nowhere.csv")).unwrap_err();
        assert!(
            matches!(error, SalesError::Io { missing: true, .. }),
            "{error}"
        );
    }
}
