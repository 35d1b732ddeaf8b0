//! Rust files start with a sentence and end before they are too long.

use super::tree::{Finding, Tree};

const CEILING: usize = 600;
const TEST_CEILING: usize = 800;

/// Reports missing headers, files over the ceiling, and `mod.rs`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        if path.ends_with("/mod.rs") {
            findings.push(Finding::new(path, 1, "is a mod.rs", "name it after its folder, beside the folder"));
        }
        if is_generated(text) {
            continue;
        }
        let first = text.lines().next().unwrap_or_default();
        if first.strip_prefix("//! ").is_none_or(|sentence| sentence.trim().is_empty()) {
            let cure = "start it with a `//! ` sentence that says what the file is about";
            findings.push(Finding::new(path, 1, "has no header", cure));
        }
        let lines = text.lines().count();
        let ceiling = if is_test(path) { TEST_CEILING } else { CEILING };
        if lines > ceiling {
            let what = format!("has {lines} lines, over {ceiling}");
            findings.push(Finding::new(path, ceiling + 1, what, "split it by subject"));
        }
    }
    findings
}

/// Generated files (diesel's schema) say so in their first lines, and are nobody's to split.
fn is_generated(text: &str) -> bool {
    text.lines().take(3).any(|line| line.starts_with("//") && line.contains("@generated"))
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[cfg(test)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        let tree = Tree::of(&[
            ("a/src/good.rs", "//! Says it.\n"),
            ("a/src/bare.rs", "use std;\n"),
            ("a/src/blank.rs", "//! \n"),
            ("a/src/empty.rs", ""),
        ]);
        let found = lines(&check(&tree));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(!found.iter().any(|line| line.contains("good.rs")));
    }

    #[test]
    fn ceilings_differ_for_tests_and_spare_generated_files() {
        let long = format!("//! Long.\n{}", "\n".repeat(CEILING));
        let longer = format!("//! Longer.\n{}", "\n".repeat(TEST_CEILING));
        let generated = format!("// @generated automatically by Diesel CLI.\n{longer}");
        let tree = Tree::of(&[
            ("a/src/long.rs", &long),
            ("a/src/long/tests.rs", &long),
            ("tests/it/src/longer.rs", &longer),
            ("a/src/schema.rs", &generated),
        ]);
        assert_eq!(
            lines(&check(&tree)),
            [
                "a/src/long.rs:601: has 601 lines, over 600: split it by subject",
                "tests/it/src/longer.rs:801: has 801 lines, over 800: split it by subject",
            ]
        );
    }

    #[test]
    fn mod_rs_is_found() {
        assert_eq!(check(&Tree::of(&[("a/src/b/mod.rs", "//! B.\n")])).len(), 1);
    }
}
