//! The store in one SQLite file: write-ahead log, every commit synced, owner-only access.

mod books;
mod chain;
mod delivery;
mod facts;
mod incidents;
mod keeping;
mod life;
mod names;
mod papers;
mod review;
mod runs;
mod shelf;
mod slots;
mod story;
mod tables;
mod tiers;
mod verify;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::tables::{Store, Tables};

/// The schema, step by step; a store at version n has had the first n applied. Steps are never changed, only added.
const MIGRATIONS: &[&str] = &[
    include_str!("../schema.sql"),
    include_str!("../tiers.sql"),
    include_str!("../runs.sql"),
    include_str!("../life.sql"),
    include_str!("../places.sql"),
    include_str!("../shelf.sql"),
];

/// The first version of SQLite without the bug that damages a file when two connections write and checkpoint at once.
const SQLITE_LEAST: i32 = 3_051_003;

/// Pages of the file that each connection keeps in memory, in KiB: with SQLite's own 2 MiB, a busy store fetched the same
/// pages of its indexes from the system again and again.
const CACHE_KIB: i64 = 16 * 1024;
/// Pages in the write-ahead log before they are brought into the file, 16 MiB: a page that changes often is then written
/// there once instead of several times.
const CHECKPOINT_PAGES: i64 = 4_000;

/// How long a write waits for another process before it gives up. A message that comes while one wait is under way waits
/// twice, and senders hang up after 5 s (rule R63).
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// A store in one file (or in memory).
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    seen: Option<i64>,
}

impl Sqlite {
    /// As [`open`].
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        open(path).map(|connection| Self {
            connection,
            seen: None,
        })
    }

    /// As [`in_memory`].
    ///
    /// # Errors
    /// As [`in_memory`].
    pub fn in_memory() -> Result<Self, StoreError> {
        in_memory().map(|connection| Self {
            connection,
            seen: None,
        })
    }

    fn run(
        &mut self,
        behavior: TransactionBehavior,
        work: &mut dyn FnMut(&mut dyn Tables) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        work(&mut tables::Rows::over(&transaction))?;
        Ok(transaction.commit()?)
    }
}

impl Store for Sqlite {
    fn write(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Tables) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.run(TransactionBehavior::Immediate, work)
    }

    fn read(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Tables) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.run(TransactionBehavior::Deferred, work)
    }

    fn changed_by_others(&mut self) -> Result<bool, StoreError> {
        // `data_version` changes only by commits of other connections.
        let now: i64 = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(self.seen.replace(now).is_some_and(|seen| seen != now))
    }

    fn verify(&mut self) -> Result<Vec<String>, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Deferred)?;
        verify::verify(&transaction)
    }

    fn fold_log(&mut self) -> Result<bool, StoreError> {
        let busy: bool =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(!busy)
    }
}

/// Opens a store, making the file and its folder where they are missing, and brings its schema up to date.
///
/// # Errors
/// [`StoreError`] if the file cannot be opened, is damaged, or was written by a newer program.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error: std::io::Error| StoreError::Open {
        path: path.display().to_string(),
        problem: error.to_string(),
        hint: "check that the folder can be written, or set [store] url",
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    // Made by hand, so that it is never open to others, not even for a moment.
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    prepare(Connection::open(path)?, path)
}

/// A store in memory, for tests and the simulation.
///
/// # Errors
/// As [`open`].
pub fn in_memory() -> Result<Connection, StoreError> {
    prepare(Connection::open_in_memory()?, Path::new(":memory:"))
}

fn prepare(mut connection: Connection, path: &Path) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < SQLITE_LEAST {
        return Err(StoreError::Library {
            found: rusqlite::version().to_owned(),
        });
    }
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is erased is overwritten, not only unlinked.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.set_prepared_statement_cache_capacity(128);
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// All missing steps in one transaction: the old schema or the new one, never between.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer {
            path: path.display().to_string(),
            found,
            known,
        });
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_made_once_and_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/onhand.db");
        let first = open(&path).unwrap();
        first
            .execute("INSERT INTO fact (name, value) VALUES ('a', 'b')", [])
            .unwrap();
        drop(first);
        let again = open(&path).unwrap();
        let value: String = again
            .query_row("SELECT value FROM fact", [], |row| row.get(0))
            .unwrap();
        assert_eq!(value, "b");
        let mode: String = again
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        let synchronous: i64 = again
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 2));
    }

    #[test]
    fn nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/onhand.db");
        let _open = open(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn a_newer_store_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("onhand.db");
        open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            open(&path),
            Err(StoreError::Newer { found: 99, .. })
        ));
    }

    #[test]
    fn what_is_no_store_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("onhand.db");
        fs::write(
            &path,
            "this is not a database at all, but a text".repeat(20),
        )
        .unwrap();
        assert!(matches!(open(&path), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let mut store = Sqlite::in_memory().unwrap();
        let pages: i64 = store
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        let limit = |store: &Sqlite, most: i64| {
            store
                .connection
                .pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))
                .unwrap();
        };
        let write = |store: &mut Sqlite| {
            store.write(&mut |tables| tables.set_fact("a", &"x".repeat(100_000)))
        };
        limit(&store, pages + 1);
        assert_eq!(write(&mut store), Err(StoreError::Full));
        limit(&store, pages + 1_000);
        assert_eq!(write(&mut store), Ok(()));
        let said = |code| {
            let error = rusqlite::ffi::Error::new(code);
            StoreError::from(rusqlite::Error::SqliteFailure(error, None))
        };
        for code in [
            rusqlite::ffi::SQLITE_IOERR_FSYNC,
            rusqlite::ffi::SQLITE_IOERR_WRITE,
            rusqlite::ffi::SQLITE_IOERR_READ,
        ] {
            assert!(matches!(said(code), StoreError::Disk(_)), "{code}");
        }
        assert_eq!(said(rusqlite::ffi::SQLITE_FULL), StoreError::Full);
        assert_eq!(said(rusqlite::ffi::SQLITE_IOERR_SHMSIZE), StoreError::Full);
    }
}
