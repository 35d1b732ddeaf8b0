//! The top level of the check-out holds what its reader expects, and nothing else.

use std::collections::BTreeSet;

use super::tree::{Finding, Tree};

const FOLDERS: &[&str] = &["backend", "docs", "frontend", "k8s", "migrations", "tests", "workers"];
const FILES: &[&str] =
    &["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "clippy.toml", "deny.toml", "dev", "rust-toolchain.toml"];

/// Reports entries that are too many and entries that are missing; dotfiles are free.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    let mut findings = Vec::new();
    for (path, _) in tree.iter() {
        let (entry, expected) = match path.split_once('/') {
            Some((folder, _)) => (folder, FOLDERS),
            None => (path, FILES),
        };
        let is_new = found.insert(entry.to_owned());
        if is_new && !entry.starts_with('.') && !expected.contains(&entry) {
            findings.push(Finding::new(path, 1, format!("`{entry}` at the top level"), "move it into a folder"));
        }
    }
    for missing in FOLDERS.iter().chain(FILES).filter(|entry| !found.contains(**entry)) {
        let cure = "add it; a folder with nothing in it yet holds a README.md that says what will";
        findings.push(Finding::new(missing, 1, "is missing at the top level", cure));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Vec<(&'static str, &'static str)> {
        let folders =
            ["backend/x", "docs/x", "frontend/README.md", "k8s/README.md", "migrations/x", "tests/x", "workers/x"];
        folders.into_iter().chain(FILES.iter().copied()).map(|path| (path, "")).collect()
    }

    #[test]
    fn the_prescribed_entries_and_dotfiles_pass() {
        let mut files = complete();
        files.push((".gitignore", ""));
        files.push((".ci/run", ""));
        assert_eq!(check(&Tree::of(&files)), []);
    }

    #[test]
    fn another_entry_and_a_missing_one_are_found() {
        let mut files = complete();
        files.retain(|(path, _)| *path != "LICENSE");
        files.push(("scripts/a.sh", ""));
        files.push(("scripts/b.sh", ""));
        let findings = check(&Tree::of(&files));
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
