//! `cargo dev build-ui`: everything a browser downloads, in one folder that `kamiflow serve` hands out.
//!
//! ```text
//! frontend/hydrate ──cargo, wasm32──► .wasm ──wasm-bindgen──► module + wasm ──wasm-opt -Oz──┐
//! frontend/style   ──tailwind + daisyUI──► one style sheet ─────────────────────────────────┤
//! boot.js, passkey.js, icons.svg, mark.svg ─────────────────────────────────────────────────┴─► .kamiflow/site
//! ```
//! Names hold a hash of what is in the files, so that they never change under their name; beside each lie a brotli and a
//! gzip copy. `manifest.json` says which file is which, and is written last: a folder with one is complete. Nothing is
//! done again while the sources are as they were, which `sources` in the manifest's folder remembers.

mod budget;
mod programs;
mod publish;
mod sources;

use std::process::ExitCode;

use anyhow::Result;

use self::programs::Programs;
use crate::repository::{Repository, say};

/// Where the files end up, below the check-out.
pub(crate) const FOLDER: &str = ".kamiflow/site";

/// Builds what has changed, and fails when it is more than a first visit should download.
pub(crate) fn run(repository: &Repository) -> Result<ExitCode> {
    let sources = sources::fingerprint(repository)?;
    if publish::is_current(repository, &sources) {
        return budget::check(repository);
    }
    let programs = Programs::ready(repository)?;
    say("build-ui: Compiling the islands");
    let islands = programs.islands()?;
    say("build-ui: Compiling the style sheet");
    let style = programs.style()?;
    publish::publish(repository, &sources, islands, style)?;
    budget::check(repository)
}
