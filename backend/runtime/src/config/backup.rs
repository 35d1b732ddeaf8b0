//! Section BACKUP: how the database is backed up and restored.

use std::path::PathBuf;

use kamiflow_kernel::SecretText;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::source::{EnvSource as _, ProcessEnv};
use super::variable::{Kind, Preset, Variable};

const SCHEMES: &[&str] = &["postgres", "postgresql"];

static URL: Variable = Variable {
    name: "KAMIFLOW_BACKUP_URL",
    kind: Kind::Url(SCHEMES),
    preset: Preset::Required,
    doc: "Postgres as the role that may read everything (`kamiflow_backup`).",
    secret: true,
    used_by: &["backup"],
};

static ADMIN_URL: Variable = Variable {
    name: "KAMIFLOW_BACKUP_ADMIN_URL",
    kind: Kind::Url(SCHEMES),
    preset: Preset::Required,
    doc: "The database to restore to, as a superuser: roles, owners and policies come with a backup. It need not exist.",
    secret: true,
    used_by: &["restore"],
};

static PROGRAMS: Variable = Variable {
    name: "KAMIFLOW_BACKUP_PROGRAMS",
    kind: Kind::Path,
    preset: Preset::Instead("`PATH`, then the newest folder of `/usr/lib/postgresql/*/bin`,"),
    doc: "The folder with `pg_dump` and `pg_restore`, which must not be older than the server.",
    secret: false,
    used_by: &["backup", "restore"],
};

static PASSPHRASE: Variable = Variable {
    name: "KAMIFLOW_BACKUP_PASSPHRASE",
    kind: Kind::Text,
    preset: Preset::Optional,
    doc: "Encrypts backups, and opens those that were encrypted with it. Without it, and without a recipient, the dump \
          is not encrypted; sealed columns are sealed either way.",
    secret: true,
    used_by: &["backup", "restore"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Backup",
    about: "The key ring is not part of a backup, and a backup is worth nothing without it.",
    variables: &[&URL, &ADMIN_URL, &PROGRAMS, &PASSPHRASE],
};

/// What making a backup and restoring one have in common.
#[derive(Debug)]
pub struct BackupTools {
    /// The folder with Postgres' client programs, if it was named.
    pub programs: Option<String>,
    /// What encrypts and opens a backup.
    pub passphrase: Option<SecretText>,
}

impl BackupTools {
    /// Finds one of Postgres' client programs: in the named folder alone, or in PATH, then where Debian puts them.
    #[must_use]
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        let folders = match &self.programs {
            Some(folder) => vec![PathBuf::from(folder)],
            None => {
                let path = ProcessEnv.get("PATH").unwrap_or_default();
                let path = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
                path.chain(debian_folders()).collect()
            }
        };
        folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
    }
}

/// One folder per major version, the newest first.
fn debian_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

impl Section for BackupTools {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let programs = reader.raw(&PROGRAMS);
        let passphrase = reader.optional_secret(&PASSPHRASE);
        Some(Self { programs, passphrase })
    }
}

/// Postgres as the role that may read everything.
#[derive(Debug)]
pub struct BackupSource {
    /// `postgres://…`, with the password.
    pub url: SecretText,
}

impl Section for BackupSource {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.secret_url(&URL)?;
        Some(Self { url })
    }
}

/// The database to restore to, as a superuser.
#[derive(Debug)]
pub struct RestoreTarget {
    /// `postgres://…`, with the password.
    pub url: SecretText,
}

impl Section for RestoreTarget {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.secret_url(&ADMIN_URL)?;
        Some(Self { url })
    }
}
