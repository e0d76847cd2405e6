//! The books: every message, order, movement and belief about what channels show, durable before anything is answered.
//!
//! SQLite in the box; the schema is in `schema.sql` and the steps after it. [`record`] takes messages in, [`counts`] takes
//! what people counted, [`moves`] what they moved, received and held, [`incidents`] watches for what is owed, [`tables`] is
//! what a store must be able to do, [`Ledger`] owns it and commits in groups.

pub mod counts;
pub mod incidents;
pub mod life;
pub mod moves;
pub mod record;
pub mod review;
pub mod runs;
pub mod sqlite;
pub mod tables;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

pub use writer::Ledger;

/// Why the store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder cannot be made or opened.
    #[error("open the store {path}: {problem}; hint: {hint}")]
    Open {
        /// The file.
        path: String,
        /// What went wrong.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// The library has a bug that can damage files.
    #[error(
        "use SQLite {found}: it can damage a store that two connections write; hint: build with 3.51.3 or newer"
    )]
    Library {
        /// The version that is linked.
        found: String,
    },
    /// The file was written by a newer program.
    #[error(
        "read the store {path}: it has schema {found}, this program knows up to {known}; hint: use the newer program"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another process held the lock for too long.
    #[error("write to the store: another process holds its lock; hint: try again")]
    Busy,
    /// The file is damaged.
    #[error("read the store: it is damaged ({0}); hint: keep the file and restore the last backup")]
    Damaged(String),
    /// There is no room on the disk.
    #[error("write to the store: the disk is full; hint: make room, it goes on by itself then")]
    Full,
    /// The disk failed. What reached it is not known, so nothing is written any more until the store is opened anew.
    #[error("write to the store: the disk failed ({0}); hint: check the disk, then start again")]
    Disk(String),
    /// The thread that owns the store has ended.
    #[error("use the store: it was closed")]
    Closed,
    /// Anything else that SQLite says.
    #[error("use the store: {0}")]
    Other(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            Some(ErrorCode::DiskFull) => Self::Full,
            // The index of the log could not grow.
            Some(ErrorCode::SystemIoFailure)
                if error.sqlite_error().is_some_and(|known| {
                    known.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
                }) =>
            {
                Self::Full
            }
            Some(ErrorCode::SystemIoFailure) => Self::Disk(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}
