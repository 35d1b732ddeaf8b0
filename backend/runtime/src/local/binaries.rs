//! Finds the servers' programs: in PATH, where Debian puts them, or under `.kamiflow/tools`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::LocalError;
use crate::config::{EnvSource as _, ProcessEnv};

/// Where Debian and Ubuntu keep one folder per major version, off the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one installed Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PostgresPrograms {
    pub(super) bin: PathBuf,
    pub(super) major: String,
}

impl PostgresPrograms {
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.bin.join(program)
    }
}

/// Returns the newest Postgres, or the one whose major version is `wanted`.
pub(super) fn postgres(near: &Path, wanted: Option<&str>, data: &Path) -> Result<PostgresPrograms, LocalError> {
    let installed = installed_postgres(near);
    let Some(newest) = installed.first() else {
        let looked = format!("PATH, {DEBIAN}/*/bin and .kamiflow/tools");
        return Err(LocalError::Missing { program: "Postgres (initdb)", looked });
    };
    let Some(found) = wanted else { return Ok(newest.clone()) };
    installed.iter().find(|one| one.major == found).cloned().ok_or_else(|| LocalError::Version {
        data: data.to_owned(),
        found: found.to_owned(),
        available: installed.iter().map(|one| one.major.as_str()).collect::<Vec<_>>().join(", "),
    })
}

/// Lists what is installed, the newest first.
fn installed_postgres(near: &Path) -> Vec<PostgresPrograms> {
    let mut folders = search_path();
    if let Ok(versions) = std::fs::read_dir(DEBIAN) {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.extend(tool_folders(near).map(|tools| tools.join("postgres/bin")));

    let mut installed: Vec<PostgresPrograms> = folders
        .into_iter()
        .filter_map(|bin| major_version(&bin).map(|major| PostgresPrograms { bin, major }))
        .collect();
    installed.sort_by_key(|one| std::cmp::Reverse(one.major.parse::<u32>().unwrap_or(0)));
    installed
}

/// Returns the major version of a folder that has all three programs. Debian puts `pg_ctl` nowhere
/// else, but some systems have client programs alone in PATH.
fn major_version(bin: &Path) -> Option<String> {
    if !["initdb", "pg_ctl", "postgres"].iter().all(|program| bin.join(program).is_file()) {
        return None;
    }
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    // "postgres (PostgreSQL) 15.12 (Debian 15.12-0+deb12u2)"
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// Returns a Redis server, or Valkey, which is the same for us.
pub(super) fn redis(near: &Path) -> Result<PathBuf, LocalError> {
    let mut folders = search_path();
    folders.extend(tool_folders(near).map(|tools| tools.join("redis/bin")));
    folders
        .iter()
        .flat_map(|folder| ["redis-server", "valkey-server"].map(|program| folder.join(program)))
        .find(|program| program.is_file())
        .ok_or_else(|| LocalError::Missing {
            program: "Redis (redis-server or valkey-server)",
            looked: "PATH and .kamiflow/tools".to_owned(),
        })
}

/// Returns the mail catcher, if it is installed: only the demo wants one.
pub(super) fn mail_catcher(near: &Path) -> Option<PathBuf> {
    let mut folders = search_path();
    folders.extend(tool_folders(near).map(|tools| tools.join("maildev/node_modules/.bin")));
    folders.into_iter().map(|folder| folder.join("maildev")).find(|program| program.is_file())
}

fn search_path() -> Vec<PathBuf> {
    let path = ProcessEnv.get("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

/// Lists `.kamiflow/tools` of the folders above `near` and above the working folder: `./dev setup`
/// puts programs there when it cannot install packages.
fn tool_folders(near: &Path) -> impl Iterator<Item = PathBuf> {
    let working = std::env::current_dir().unwrap_or_default();
    let above: Vec<PathBuf> = near.ancestors().chain(working.ancestors()).map(Path::to_owned).collect();
    above.into_iter().map(|folder| folder.join(".kamiflow/tools")).filter(|tools| tools.is_dir())
}
