//! Only `runtime` reads the environment; clippy knows two of the ways, this check the others.

use super::tree::{Finding, Tree};

/// `option_env!` and `env!` are missing on purpose: they read the environment of the build.
const READERS: &[&str] = &["env::var(", "env::var_os(", "env::vars(", "env::vars_os(", "clap::env", "#[arg(env"];

/// Reports readers of the environment outside of `backend/runtime`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        // Cargo tells build scripts through the environment where to write.
        let is_build_script = path.ends_with("/build.rs");
        if is_build_script || path.starts_with("backend/runtime/") || path == "backend/dev/src/tidy/environment.rs" {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if READERS.iter().any(|reader| code.contains(reader)) {
                let cure = "declare a variable in backend/runtime/src/config and take the section as an argument";
                findings.push(Finding::new(path, index + 1, "reads the environment", cure));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_found_outside_of_runtime_only() {
        let text = "//! A.\nlet all = std::env::vars();\n// std::env::vars()\n";
        let tree = Tree::of(&[("backend/runtime/src/a.rs", text), ("backend/store/src/a.rs", text)]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].to_string().starts_with("backend/store/src/a.rs:2: "));
    }
}
