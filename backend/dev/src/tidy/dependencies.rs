//! Every dependency has its reason in docs/dependencies.md, and every reason its dependency.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::tree::{Finding, Tree, line_of};

const PAGE: &str = "docs/dependencies.md";
const MANIFEST: &str = "Cargo.toml";

/// Reports dependencies without a reason, reasons without a dependency, and open versions.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(manifest) = tree.get(MANIFEST) else { return Vec::new() };
    let table = manifest.parse::<Table>().unwrap_or_default();
    let dependencies = table.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let external: Vec<(&String, &Value)> = dependencies
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.get("path").is_none())
        .collect();

    let page = tree.get(PAGE).unwrap_or_default();
    let reasons: BTreeSet<&str> = page.lines().filter_map(explained).collect();
    let mut findings = Vec::new();
    for (name, value) in &external {
        let version = value.as_str().or_else(|| value.get("version").and_then(Value::as_str));
        if version.is_none_or(|version| version.contains('*')) {
            let line = line_of(manifest, name);
            findings.push(Finding::new(MANIFEST, line, format!("`{name}` has no version"), "name one"));
        }
        if !reasons.contains(name.as_str()) {
            let cure = format!("add a line `- `{name}`: reason.`");
            findings.push(Finding::new(PAGE, 1, format!("gives no reason for `{name}`"), cure));
        }
    }
    for name in reasons {
        if !external.iter().any(|(known, _)| *known == name) {
            let line = line_of(page, &format!("- `{name}`:"));
            findings.push(Finding::new(PAGE, line, format!("explains `{name}`, which is not used"), "remove the line"));
        }
    }
    findings
}

/// Returns the name of a line of the form "- `name`: a sentence."
fn explained(line: &str) -> Option<&str> {
    let (name, reason) = line.strip_prefix("- `")?.split_once("`:")?;
    reason.trim().ends_with('.').then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    #[test]
    fn missing_and_superfluous_reasons_are_found() {
        let manifest =
            "[workspace.dependencies]\nours = { path = \"x\" }\nserde = \"1\"\ntokio = { version = \"1\" }\n";
        let page = "# Dependencies\n\n- `serde`: names fields once.\n- `tokio`:\n- `rand`: left over.\n";
        let found = lines(&check(&Tree::of(&[(MANIFEST, manifest), (PAGE, page)])));
        assert_eq!(
            found,
            [
                "docs/dependencies.md:1: gives no reason for `tokio`: add a line `- `tokio`: reason.`",
                "docs/dependencies.md:5: explains `rand`, which is not used: remove the line",
            ]
        );
    }

    #[test]
    fn an_open_version_is_found() {
        let manifest = "[workspace.dependencies]\nserde = \"*\"\n";
        let tree = Tree::of(&[(MANIFEST, manifest), (PAGE, "- `serde`: x.\n")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
