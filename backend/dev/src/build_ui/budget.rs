//! How much a first visit may download, compressed with brotli.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::FOLDER;
use crate::repository::{Repository, say};

const KIB: u64 = 1024;
/// All wasm and scripts of the site.
const CODE: u64 = 150 * KIB;
/// Everything the first page needs, its HTML included.
const FIRST_PAGE: u64 = 200 * KIB;
/// What the largest public page's HTML takes; a test of the server keeps it there.
const HTML: u64 = 16 * KIB;

/// Prints the sizes and fails when they are over the budget.
pub(super) fn check(repository: &Repository) -> Result<ExitCode> {
    let (mut code, mut all) = (0, HTML);
    for entry in fs::read_dir(repository.path(FOLDER)).with_context(|| format!("{FOLDER} is not there"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".br") else { continue };
        let size = entry.metadata()?.len();
        all += size;
        if name.ends_with(".js") || name.ends_with(".wasm") {
            code += size;
        }
    }
    say(&format!(
        "build-ui: {FOLDER}: wasm and scripts {}, first page {} (brotli)",
        kib(code, CODE),
        kib(all, FIRST_PAGE)
    ));
    if code <= CODE && all <= FIRST_PAGE {
        return Ok(ExitCode::SUCCESS);
    }
    say("build-ui: over the budget: make an island smaller, or show what it does on the server");
    Ok(ExitCode::FAILURE)
}

fn kib(size: u64, most: u64) -> String {
    format!("{}.{} of {} KiB", size / KIB, size % KIB * 10 / KIB, most / KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_tenths() {
        assert_eq!(kib(1536, 150 * KIB), "1.5 of 150 KiB");
        assert_eq!(kib(0, KIB), "0.0 of 1 KiB");
    }
}
