//! A folder in which sales exports appear: what is new in it refreshes the tiers.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::seller::Seller;

/// The fact of the store that says what was seen in the folder.
const SEEN: &str = "exports_seen";

/// Whether this build can read exports.
pub(super) const CAN_CLASSIFY: bool = cfg!(feature = "sales");

/// Classifies from these files and stores the tiers; how it ended, in words.
///
/// # Errors
/// Why not, in words.
#[cfg(feature = "sales")]
async fn classify(seller: &Seller, files: &[PathBuf]) -> Result<String, String> {
    super::classify::refresh(seller, files)
        .await
        .map_err(|failure| failure.to_string())
}

/// As above, in a build that cannot read exports.
#[cfg(not(feature = "sales"))]
async fn classify(_seller: &Seller, files: &[PathBuf]) -> Result<String, String> {
    std::future::ready(Err(format!(
        "{} exports are there, and this build cannot read them",
        files.len()
    )))
    .await
}

/// Refreshes the tiers if anything in the folder is new.
///
/// # Errors
/// Why not, in words; it is tried again at the next slot.
pub(super) async fn refresh(seller: &Seller, folder: &Path) -> Result<String, String> {
    let (files, now) = look(&seller.settings.folder.join(folder))?;
    let store = |error: crate::ledger::StoreError| error.to_string();
    let seen = seller
        .ledger
        .read(|tables| tables.fact(SEEN))
        .await
        .map_err(store)?;
    if files.is_empty() || seen.as_deref() == Some(now.as_str()) {
        return Ok("nothing new".to_owned());
    }
    let says = classify(seller, &files).await?;
    seller
        .ledger
        .write(move |tables| tables.set_fact(SEEN, &now))
        .await
        .map_err(store)?;
    Ok(says)
}

/// The files of a folder, and a digest of their names, sizes and times.
fn look(folder: &Path) -> Result<(Vec<PathBuf>, String), String> {
    let failed = |error: std::io::Error| format!("read {}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let about = entry.metadata().map_err(failed)?;
        // What is still being written often has a name that begins with a dot.
        if about.is_file() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push((entry.path(), about.len(), about.modified().ok()));
        }
    }
    found.sort();
    let mut hash = Sha256::new();
    for one in &found {
        hash.update(format!("{one:?}\n"));
    }
    let files = found.into_iter().map(|(path, ..)| path).collect();
    Ok((files, hex::encode(hash.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_new_when_a_file_comes_or_grows() {
        let folder = tempfile::tempdir().unwrap();
        let (files, empty) = look(folder.path()).unwrap();
        assert!(files.is_empty());
        fs::write(folder.path().join("a.csv"), "x").unwrap();
        fs::write(folder.path().join(".b.csv.part"), "x").unwrap();
        let (files, one) = look(folder.path()).unwrap();
        assert_eq!(files, [folder.path().join("a.csv")]);
        assert_eq!(look(folder.path()).unwrap().1, one);
        fs::write(folder.path().join("a.csv"), "xy").unwrap();
        let grown = look(folder.path()).unwrap().1;
        assert!(grown != one && one != empty);
        assert!(look(&folder.path().join("none")).is_err());
    }
}
