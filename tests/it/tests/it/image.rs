//! The container image is built by what the repository says, from what is compiled.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// Returns what stands behind a mark, to the end of its line.
fn behind<'t>(text: &'t str, mark: &str) -> &'t str {
    text.lines().find_map(|line| line.strip_prefix(mark)).unwrap_or_else(|| panic!("no {mark}")).trim_matches('"')
}

#[test]
fn its_toolchain_is_that_of_the_repository() {
    let (image, toolchain) = (read("k8s/image/Dockerfile"), read("rust-toolchain.toml"));
    assert_eq!(behind(&image, "ARG RUST="), behind(&toolchain, "channel = "));
}

#[test]
fn what_is_compiled_is_sent_to_its_build() {
    let ignored = read(".dockerignore");
    let workspace = read("Cargo.toml");
    let is_ignored = |path: &str| ignored.lines().any(|line| path.split('/').next() == Some(line));
    let members = workspace.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    let needed: Vec<&str> = members.chain(["migrations", ".cargo", "Cargo.lock", "dev"]).collect();
    assert!(needed.len() > 20 && is_ignored("target"), "both were read");
    let missing: Vec<_> = needed.iter().filter(|path| is_ignored(path)).collect();
    assert!(missing.is_empty(), "the build is not sent {missing:?}");
}
