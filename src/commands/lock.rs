//! The delivery lock: one process delivers from a store (design D7). The system frees it when its holder dies, however
//! that comes about, so a killed holder blocks nobody.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exit::Failure;

/// How often the lock is tried before its holder is believed to be there to stay.
const TRIES_MAX: u32 = 3;
const TRY_AGAIN: Duration = Duration::from_millis(20);
/// How a holder that delivers once says so.
const ONCE: &str = " with `onhand ";

/// The lock, held for as long as this lives.
#[derive(Debug)]
pub(super) struct DeliveryLock {
    _file: File,
}

impl DeliveryLock {
    /// Takes the lock of the store at `store`.
    ///
    /// # Errors
    /// [`Failure::Held`] with who holds it; [`Failure::Disk`] if the lock cannot be made.
    pub(super) fn take(store: &Path) -> Result<Self, Failure> {
        let file = lock(&path_of(store, ""), "")?.map_err(Failure::Held)?;
        Ok(Self { _file: file })
    }

    /// As [`DeliveryLock::take`], for a command that delivers once and takes no work over.
    ///
    /// # Errors
    /// As [`DeliveryLock::take`].
    pub(super) fn take_once(store: &Path, command: &str) -> Result<Self, Failure> {
        let says = format!("{ONCE}{command}`");
        let file = lock(&path_of(store, ""), &says)?.map_err(Failure::Held)?;
        Ok(Self { _file: file })
    }

    /// Whether a holder takes work over.
    pub(super) fn serves(holder: &str) -> bool {
        !holder.contains(ONCE)
    }

    /// Who delivers from the store at `store` now; `None` if nobody does, or if that cannot be said.
    pub(super) fn holder(store: &Path) -> Option<String> {
        holder(&path_of(store, ""))
    }
}

/// A lock that keeps a kind of work to one process at a time, such as `reconcile`; two may deliver one after the other.
#[derive(Debug)]
pub(super) struct WorkLock {
    _file: File,
}

impl WorkLock {
    /// Takes the lock of `work` on the store at `store`.
    ///
    /// # Errors
    /// [`Failure::Running`] with who holds it; [`Failure::Disk`] if the lock cannot be made.
    pub(super) fn take(store: &Path, work: &'static str) -> Result<Self, Failure> {
        let running = |holder| Failure::Running { work, holder };
        let file = lock(&path_of(store, work), "")?.map_err(running)?;
        Ok(Self { _file: file })
    }
}

/// Takes a file lock; the inner error is who holds it.
fn lock(path: &Path, says: &str) -> Result<Result<File, String>, Failure> {
    let disk = |error: std::io::Error| Failure::Disk {
        path: path.display().to_string(),
        problem: error.to_string(),
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(disk)?;
    let mut tries = 0;
    while let Err(refused) = file.try_lock() {
        match refused {
            TryLockError::Error(error) => return Err(disk(error)),
            // Whoever only asks who delivers holds it for a moment.
            TryLockError::WouldBlock if tries < TRIES_MAX => tries += 1,
            TryLockError::WouldBlock => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(disk)?;
                return Ok(Err(holder.trim().to_owned()));
            }
        }
        std::thread::sleep(TRY_AGAIN);
    }
    file.set_len(0).map_err(disk)?;
    file.rewind().map_err(disk)?;
    let holder = format!("process {}{says}", std::process::id());
    file.write_all(holder.as_bytes()).map_err(disk)?;
    Ok(Ok(file))
}

/// Who holds a file lock.
fn holder(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).ok()?;
            Some(holder.trim().to_owned())
        }
        // Dropping the file gives it back.
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// `onhand.db.lock`, or `onhand.db.reconcile.lock`.
fn path_of(store: &Path, work: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    if !work.is_empty() {
        path.push(".");
        path.push(work);
    }
    path.push(".lock");
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_of_the_first_and_comes_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("onhand.db");
        assert_eq!(DeliveryLock::holder(&store), None, "no file yet");
        let first = DeliveryLock::take(&store).unwrap();
        let own = Some(format!("process {}", std::process::id()));
        assert_eq!(DeliveryLock::holder(&store), own);
        let Err(Failure::Held(holder)) = DeliveryLock::take(&store) else {
            panic!("taken twice")
        };
        assert_eq!(holder, format!("process {}", std::process::id()));
        drop(first);
        assert_eq!(DeliveryLock::holder(&store), None);
        DeliveryLock::take(&store).unwrap();
    }
}
