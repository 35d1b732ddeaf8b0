//! Removes servers' folders: one on request, or all whose process is gone.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::LocalError;
use super::folder::{self, Account, Lock};
use super::{postgres, redis};

/// Deletes what [`LocalServers`](super::LocalServers) keeps in `dir`, stopping servers that a dead
/// process left behind. A folder that does not exist is fine.
///
/// # Errors
/// Fails with [`LocalError::Busy`] while a live process uses the folder.
pub fn wipe(dir: &Path) -> Result<(), LocalError> {
    let account = Account::instead_of_root()?;
    wipe_server(folder::find(&dir.join("postgres"), account), postgres::stop_left_behind)?;
    wipe_server(folder::find(&dir.join("redis"), None), redis::stop_left_behind)?;
    match fs::remove_dir_all(dir) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(LocalError::io("remove", dir)(source)),
        _ => Ok(()),
    }
}

fn wipe_server(home: Option<PathBuf>, stop: impl FnOnce(&Path) -> Result<(), LocalError>) -> Result<(), LocalError> {
    let Some(home) = home.filter(|home| home.is_dir()) else { return Ok(()) };
    let _lock = Lock::take(&home)?;
    stop(&home)?;
    fs::remove_dir_all(&home).map_err(LocalError::io("remove", &home))
}

/// Wipes each folder in `parent` that no live process uses; others are left alone.
///
/// # Errors
/// Fails when a folder is unused but cannot be removed.
pub fn sweep(parent: &Path) -> Result<(), LocalError> {
    let Ok(entries) = fs::read_dir(parent) else { return Ok(()) };
    for entry in entries.flatten() {
        match wipe(&entry.path()) {
            Ok(()) | Err(LocalError::Busy { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
