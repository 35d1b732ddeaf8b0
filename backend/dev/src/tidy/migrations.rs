//! Every migration can be taken back.

use std::collections::BTreeMap;

use super::tree::{Finding, Tree};

/// Files beside the migrations.
const BESIDE: &[&str] = &["bootstrap.sql", "README.md"];

/// Reports migrations without a way up or down, and files that are neither.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut migrations: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, text) in tree.iter() {
        let Some(rest) = path.strip_prefix("migrations/") else { continue };
        match rest.split_once('/') {
            None if BESIDE.contains(&rest) => {}
            Some((folder, file @ ("up.sql" | "down.sql"))) => {
                migrations.entry(folder).or_default().push(file);
                if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with("--")) {
                    findings.push(Finding::new(path, 1, "does nothing", "write the statements"));
                }
            }
            _ => {
                let cure = "keep migrations/NAME/up.sql and down.sql only";
                findings.push(Finding::new(path, 1, "is no migration", cure));
            }
        }
    }
    for (folder, files) in migrations {
        for missing in ["up.sql", "down.sql"].into_iter().filter(|file| !files.contains(file)) {
            let path = format!("migrations/{folder}/{missing}");
            findings.push(Finding::new(&path, 1, "is missing", "write it"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down_pass() {
        let tree = Tree::of(&[
            ("migrations/1_a/up.sql", "CREATE TABLE a ();\n"),
            ("migrations/1_a/down.sql", "-- Back.\nDROP TABLE a;\n"),
            ("migrations/bootstrap.sql", ""),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_missing_down_an_empty_up_and_a_stray_file_are_found() {
        let tree = Tree::of(&[
            ("migrations/1_a/up.sql", "-- nothing\n"),
            ("migrations/1_a/notes.txt", ""),
            ("migrations/seed.sql", ""),
        ]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 4, "{findings:?}");
    }
}
