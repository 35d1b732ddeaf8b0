//! Arrows between crates point down only, and some libraries are known to one crate only.
//!
//! The table is docs/ARCHITECTURE.md's "Arrows" in full. A new edge is a decision about the
//! architecture: write an ADR, then add it here.

use toml::{Table, Value};

use super::tree::{Finding, Tree, line_of};

/// Each crate and what it may see of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("store", &["kernel"]),
    ("domain", &["kernel", "store"]),
    ("pinduoduo", &["kernel", "domain"]),
    ("runner", &["kernel", "store", "domain", "pinduoduo", "queue"]),
    ("app", &["kernel", "domain"]),
    ("hydrate", &["app"]),
    ("server", &["app", "kernel", "store", "domain", "pinduoduo", "queue", "runner", "runtime"]),
    ("queue", &[]),
    ("runtime", &["kernel"]),
    ("sandbox", &[]),
    ("dev", &["kernel", "runtime"]),
    ("fuzz-bodies", &["kernel", "domain", "pinduoduo"]),
];

/// Crates that put everything together and may see all others.
const TOPS: &[&str] = &["cli", "test-support", "it", "load", "chaos", "browser"];

/// Libraries that only some crates may know. Tests may know all of them.
const KNOWN_TO: &[(&str, &[&str])] = &[
    ("actix-web", &["server", "sandbox"]),
    ("leptos_actix", &["server"]),
    ("actix-ws", &["sandbox"]),
    ("deadpool-redis", &["queue"]),
    ("diesel", &["store"]),
    ("diesel-async", &["store"]),
    ("diesel_migrations", &["store"]),
    ("lettre", &["runner"]),
    ("redis", &["queue"]),
    ("tokio-postgres", &["store", "runtime"]),
    ("tokio-tungstenite", &["pinduoduo", "sandbox"]),
];

/// Reports edges that are not in the tables, and manifests that step out of the workspace.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.manifests().flat_map(|(path, text)| check_manifest(path, text)).collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let Ok(manifest) = text.parse::<Table>() else {
        return vec![Finding::new(path, 1, "is not TOML", "correct it")];
    };
    let package = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let Some(name) = package.and_then(|name| name.strip_prefix("kamiflow-")) else {
        return vec![Finding::new(
            path,
            1,
            "has no name that starts with kamiflow-",
            "name the crate after its folder",
        )];
    };

    let mut findings = Vec::new();
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true)) {
        let cure = "add `[lints]` with `workspace = true`";
        findings.push(Finding::new(path, 1, "does not use the workspace's lints", cure));
    }
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = manifest.get(kind).and_then(Value::as_table) else { continue };
        for (dependency, value) in dependencies {
            let mut find = |what: String, cure: &str| {
                findings.push(Finding::new(path, line_of(text, dependency), what, cure));
            };
            if value.get("workspace") != Some(&Value::Boolean(true)) {
                find(format!("`{dependency}` has a version of its own"), "move it to [workspace.dependencies]");
            }
            if !may_see(name, dependency, kind) {
                find(
                    format!("kamiflow-{name} may not depend on {dependency}"),
                    "go through the layer that may, or write an ADR and extend backend/dev/src/tidy/layers.rs",
                );
            }
        }
    }
    findings
}

fn may_see(name: &str, dependency: &str, kind: &str) -> bool {
    if TOPS.contains(&name) && name != "cli" {
        return true;
    }
    if let Some((_, crates)) = KNOWN_TO.iter().find(|(library, _)| *library == dependency) {
        // A crate's own tests may break a database behind its back.
        let for_tests = kind == "dev-dependencies" && dependency == "tokio-postgres";
        return for_tests || crates.contains(&name);
    }
    let Some(ours) = dependency.strip_prefix("kamiflow-") else { return true };
    if TOPS.contains(&name) {
        return !TOPS.contains(&ours);
    }
    // A crate's own tests may start servers, which is what runtime is for.
    let for_tests = kind == "dev-dependencies" && ours == "runtime";
    for_tests || ARROWS.iter().any(|(from, to)| *from == name && to.contains(&ours))
}

#[cfg(test)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    fn manifest(name: &str, dependencies: &str) -> String {
        format!("[package]\nname = \"kamiflow-{name}\"\n[lints]\nworkspace = true\n[dependencies]\n{dependencies}\n")
    }

    fn findings(name: &str, dependencies: &str) -> Vec<String> {
        lines(&check(&Tree::of(&[("a/Cargo.toml", &manifest(name, dependencies))])))
    }

    #[test]
    fn arrows_down_pass() {
        assert_eq!(findings("domain", "kamiflow-store.workspace = true\nserde.workspace = true"), [""; 0]);
        assert_eq!(findings("store", "diesel = { workspace = true, features = [\"x\"] }"), [""; 0]);
        assert_eq!(findings("cli", "kamiflow-runner.workspace = true\nkamiflow-sandbox.workspace = true"), [""; 0]);
        assert_eq!(findings("it", "redis.workspace = true\nkamiflow-test-support.workspace = true"), [""; 0]);
    }

    #[test]
    fn arrows_up_and_sideways_are_found() {
        for (from, to) in [
            ("kernel", "kamiflow-store"),
            ("store", "kamiflow-domain"),
            ("queue", "kamiflow-kernel"),
            ("sandbox", "kamiflow-pinduoduo"),
            ("cli", "kamiflow-test-support"),
            ("domain", "diesel"),
            ("runner", "redis"),
            ("cli", "diesel-async"),
            ("unheard-of", "kamiflow-kernel"),
        ] {
            let found = findings(from, &format!("{to}.workspace = true"));
            assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
            assert!(found[0].starts_with("a/Cargo.toml:6: "), "{found:?}");
        }
    }

    #[test]
    fn a_version_outside_of_the_workspace_table_is_found() {
        assert_eq!(findings("store", "serde = \"1\"").len(), 1);
    }

    #[test]
    fn a_crate_without_the_workspaces_lints_is_found() {
        let tree = Tree::of(&[("a/Cargo.toml", "[package]\nname = \"kamiflow-store\"\n")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
