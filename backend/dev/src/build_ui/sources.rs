//! Whether anything changed since the last build.

use anyhow::Result;

use super::publish::hash;
use crate::repository::Repository;

/// What the built files depend on. Versions of libraries are in the lock file, those of programs in package.json.
const SOURCES: &[&str] = &["frontend/", "Cargo.lock", "Cargo.toml", "rust-toolchain.toml", "backend/dev/src/build_ui"];

/// Returns a hash over the names and contents of all sources.
pub(super) fn fingerprint(repository: &Repository) -> Result<String> {
    let mut all = Vec::new();
    for file in repository.files()? {
        if SOURCES.iter().any(|prefix| file.starts_with(prefix)) {
            all.extend_from_slice(file.as_bytes());
            all.extend(std::fs::read(repository.path(&file))?);
        }
    }
    Ok(hash(&all))
}
