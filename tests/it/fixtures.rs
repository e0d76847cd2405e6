//! Captured deliveries and documents, which are not part of the project.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder of captured material, if it is there. Without it the tests that need it say so, and fail in CI.
pub(crate) fn shared(part: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = std::env::var_os("ONHAND_SHARED")
        .map_or_else(|| here.join("../shared"), PathBuf::from)
        .join(part);
    if found.exists() {
        return Some(found);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is missing",
        found.display()
    );
    // Past the capture of a test that passes.
    writeln!(std::io::stderr(), "SKIPPED: {} is missing", found.display()).unwrap();
    None
}
