//! Files and modules are named after what is in them; some names say nothing.

use std::path::Path;

use super::tree::{Finding, Tree};

const BANNED: &[&str] = &["common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"];

/// Reports files, folders, crates and inline modules with a banned name.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let cure = "name it after its subject";
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let stems = Path::new(path).components().filter_map(|part| part.as_os_str().to_str());
        for stem in stems.map(|part| part.trim_end_matches(".rs")).filter(|stem| is_banned(stem)) {
            findings.push(Finding::new(path, 1, format!("is named `{stem}`"), cure));
        }
        for (index, line) in text.lines().enumerate() {
            if let Some(name) = declared_module(line).filter(|name| is_banned(name)) {
                findings.push(Finding::new(path, index + 1, format!("declares the module `{name}`"), cure));
            }
        }
    }
    findings
}

/// Also matches `order_utils` and `utils2`, the usual ways around.
fn is_banned(name: &str) -> bool {
    name.split('_').any(|word| BANNED.contains(&word.trim_end_matches(|digit: char| digit.is_ascii_digit())))
}

/// Returns `x` of `mod x;`, `pub mod x {` and `pub(crate) mod x;`.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = match line.strip_prefix("pub") {
        Some(public) => public.strip_prefix("(crate)").or_else(|| public.strip_prefix("(super)")).unwrap_or(public),
        None => line,
    };
    let name = rest.trim_start().strip_prefix("mod ")?;
    name.split([';', '{', ' ']).next()
}

#[cfg(test)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    #[test]
    fn banned_names_are_found_as_files_folders_and_modules() {
        let tree = Tree::of(&[
            ("a/src/utils.rs", "//! A.\n"),
            ("a/src/common/x.rs", "//! A.\n"),
            ("a/src/b.rs", "//! A.\npub(crate) mod order_helpers {}\nmod misc2;\n"),
        ]);
        let found = lines(&check(&tree));
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.contains(&"a/src/b.rs:3: declares the module `misc2`: name it after its subject".to_owned()));
    }

    #[test]
    fn names_that_merely_contain_a_banned_one_pass() {
        let text = "//! A.\nmod commonwealth;\n// mod utils;\nlet model = 1;\n";
        let tree = Tree::of(&[("a/src/utilization.rs", text)]);
        assert_eq!(check(&tree), []);
    }
}
