//! The delivery lock: one process delivers from a store (design D7). The system frees it when its holder dies, however
//! that comes about, so a killed holder blocks nobody.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::exit::Failure;

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
        let mut path = store.as_os_str().to_owned();
        path.push(".lock");
        let path = Path::new(&path);
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
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(disk)?;
                return Err(Failure::Held(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(disk(error)),
        }
        file.set_len(0).map_err(disk)?;
        file.rewind().map_err(disk)?;
        let holder = format!("process {}", std::process::id());
        file.write_all(holder.as_bytes()).map_err(disk)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_of_the_first_and_comes_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("onhand.db");
        let first = DeliveryLock::take(&store).unwrap();
        let Err(Failure::Held(holder)) = DeliveryLock::take(&store) else {
            panic!("taken twice")
        };
        assert_eq!(holder, format!("process {}", std::process::id()));
        drop(first);
        DeliveryLock::take(&store).unwrap();
    }
}
