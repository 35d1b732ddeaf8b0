//! The programs that compile: cargo for wasm32, wasm-bindgen as a library, and two from npm.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use kamiflow_runtime::config::{EnvSource as _, ProcessEnv};
use wasm_bindgen_cli_support::Bindgen;

use crate::repository::{Repository, say};

const TARGET: &str = "wasm32-unknown-unknown";
/// The profile of the workspace's Cargo.toml.
const PROFILE: &str = "wasm";
/// Where npm puts its programs: outside of the sources.
const TOOLS: &str = ".kamiflow/tools/ui";

/// The islands: a module, and the wasm that it loads.
pub(super) struct Islands {
    pub(super) module: Vec<u8>,
    pub(super) wasm: Vec<u8>,
}

/// The programs, installed.
pub(super) struct Programs<'a> {
    repository: &'a Repository,
    tools: PathBuf,
}

impl<'a> Programs<'a> {
    /// Installs what is missing.
    pub(super) fn ready(repository: &'a Repository) -> Result<Self> {
        let programs = Self { repository, tools: repository.path(TOOLS) };
        programs.install()?;
        Ok(programs)
    }

    /// Runs npm when the list of programs is another than the installed one.
    fn install(&self) -> Result<()> {
        fs::create_dir_all(&self.tools)?;
        let installed = self.tools.join("installed.json");
        let wanted = self.repository.read("frontend/style/package-lock.json")?;
        if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
            return Ok(());
        }
        say("build-ui: Installing Tailwind, daisyUI and Binaryen with npm (usually half a minute)");
        for file in ["package.json", "package-lock.json"] {
            fs::copy(self.repository.path("frontend/style").join(file), self.tools.join(file))?;
        }
        // Not `npm ci`: it refuses a lock file that was written where another platform's optional packages are unknown.
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-fund", "--no-audit", "--ignore-scripts", "--loglevel=error"])
            .current_dir(&self.tools);
        run(npm, "npm could not install them: see above; `./dev setup` installs npm itself")?;
        fs::write(installed, wanted)?;
        Ok(())
    }

    /// Compiles the islands.
    pub(super) fn islands(&self) -> Result<Islands> {
        let folder = self.compile()?;
        let work = self.tools.join("islands");
        fs::create_dir_all(&work)?;
        Bindgen::new()
            .input_path(folder.join("kamiflow_hydrate.wasm"))
            .web(true)?
            .typescript(false)
            .remove_producers_section(true)
            .out_name("islands")
            .generate(&work)
            .context("wasm-bindgen failed; its version must be that of the library: both are pinned in Cargo.toml")?;
        let (plain, small) = (work.join("islands_bg.wasm"), work.join("small.wasm"));
        let mut optimize = Command::new(self.tools.join("node_modules/.bin/wasm-opt"));
        // What rustc emits by default for this target.
        optimize.args([
            "-Oz",
            "--strip-debug",
            "--enable-bulk-memory",
            "--enable-sign-ext",
            "--enable-mutable-globals",
        ]);
        optimize.args(["--enable-nontrapping-float-to-int", "--enable-multivalue", "--enable-reference-types"]);
        optimize.arg(&plain).arg("-o").arg(&small);
        run(optimize, "wasm-opt failed")?;
        Ok(Islands { module: fs::read(work.join("islands.js"))?, wasm: fs::read(small)? })
    }

    /// Returns the folder that cargo put the library into.
    fn compile(&self) -> Result<PathBuf> {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--locked", "--package", "kamiflow-hydrate", "--target", TARGET, "--profile", PROFILE]);
        cargo.current_dir(self.repository.path(""));
        // `cargo run` describes this package to us; an inner cargo would take it for a change of the environment.
        for name in ProcessEnv.names() {
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        run(cargo, "the islands do not build; if the target is missing: rustup target add wasm32-unknown-unknown")?;
        let target = ProcessEnv.get("CARGO_TARGET_DIR").map_or_else(|| self.repository.path("target"), PathBuf::from);
        Ok(target.join(TARGET).join(PROFILE))
    }

    /// Compiles the style sheet. The sources lie beside the programs then, where their imports are found.
    pub(super) fn style(&self) -> Result<Vec<u8>> {
        let out = self.tools.join("style.css");
        for file in ["main.css", "tokens.css", "base.css", "components.css"] {
            let text = self.repository.read(&format!("frontend/style/{file}"))?;
            let pages = self.repository.path("frontend/app/src");
            fs::write(self.tools.join(file), text.replace("../app/src", &pages.to_string_lossy()))?;
        }
        let mut tailwind = Command::new(self.tools.join("node_modules/.bin/tailwindcss"));
        tailwind.args(["--minify", "--input", "main.css", "--output"]).arg(&out).current_dir(&self.tools);
        run(tailwind, "Tailwind failed")?;
        Ok(fs::read(out)?)
    }
}

fn run(mut command: Command, cure: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("could not run {program}: {cure}"))?;
    if !status.success() {
        bail!("{program} ended with {status}: {cure}");
    }
    Ok(())
}
