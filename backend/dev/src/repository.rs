//! The check-out these commands work on.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The check-out: its root and the files that belong to it.
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// Returns the check-out that the working folder is in.
    pub(crate) fn find() -> Result<Self> {
        let working = std::env::current_dir().context("the working folder is gone")?;
        let root = working
            .ancestors()
            .find(|folder| folder.join("Cargo.lock").is_file() && folder.join("backend/dev").is_dir())
            .context("run this inside of a check-out of kamiflow")?;
        Ok(Self { root: root.to_owned() })
    }

    /// Returns the path of a file of the check-out.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Returns a file's text, or what to call it when it cannot be read.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        fs::read_to_string(self.path(relative)).with_context(|| format!("could not read {relative}"))
    }

    /// Lists files that are committed or about to be, relative to the root, sorted.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(&self.root)
            .output()
            .context("git is needed to list the files of the check-out")?;
        if !output.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let listed = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
        let mut files: Vec<String> = listed
            .split('\0')
            .filter(|file| !file.is_empty() && self.path(file).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// Writes a line to stdout; a reader that went away is no error of ours.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
