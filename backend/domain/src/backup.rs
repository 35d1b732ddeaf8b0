//! Makes a backup: one folder with a dump of one snapshot, and a manifest that says what is in it.
//!
//! ```text
//! kamiflow-20261122T233000Z/
//!     manifest.json         what, when, how many rows of which table, their hashes, the hash of the dump
//!     dump.pgc[.age]        pg_dump's custom format; `age -d` and `pg_restore` read it without us
//! ```
//! The dump and the sums of the tables are read in the same snapshot ([`Snapshot`]), side by side. The folder gets its
//! name when everything in it has reached the disk: a folder without `.partial` in its name is complete. Sealed columns
//! stay sealed: the dump is worth nothing without the key ring, which is backed up apart from it. Names, order numbers
//! and masks are readable in it, which is what the encryption is for.

mod files;
mod programs;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use kamiflow_kernel::SecretText;
use kamiflow_store::StoreError;
use kamiflow_store::snapshot::{Snapshot, TableSum};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::files::{PartialFolder, check_dump, open_dump};
pub use self::files::{Protection, Unlock};
pub(crate) use self::programs::restore_into;

/// The format of folder and manifest this program writes and reads.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const MANIFEST: &str = "manifest.json";

/// Why a backup was not made or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder cannot be read or written.
    #[error("{}: cannot be read or written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program of Postgres cannot be started.
    #[error("`{program}` cannot be started")]
    Program {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program of Postgres failed.
    #[error("`{program}` failed: {told}")]
    Failed {
        /// Which.
        program: String,
        /// What it said last.
        told: String,
    },
    /// A passphrase, recipient or identity is not usable, or not the right one.
    #[error("{0}")]
    Key(String),
    /// What was read is not what the manifest says.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// The store failed.
    #[error("the database cannot be read")]
    Store(#[from] StoreError),
}

impl BackupError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of folder and manifest.
    pub format: u32,
    /// The version of the program that made it.
    pub made_by: String,
    /// The moment it shows; what happened later is not in it.
    pub snapshot_at: DateTime<Utc>,
    /// The installation.
    pub installation: Uuid,
    /// The installation's epoch then.
    pub epoch: i64,
    /// The schema: versions of the migrations that were applied.
    pub migrations: Vec<String>,
    /// The version of the server it was read from.
    pub postgres: String,
    /// The dump.
    pub dump: DumpFile,
    /// Every table's rows and hash.
    pub tables: Vec<TableSum>,
}

/// The dump's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpFile {
    /// Its name in the folder.
    pub name: String,
    /// How it is encrypted: `none`, `passphrase` or `recipients`.
    pub encryption: String,
    /// Its length before encryption, bytes.
    pub bytes: u64,
    /// Its sha256 before encryption, in hex.
    pub sha256: String,
}

/// The request.
#[derive(Debug, Clone)]
pub struct MakeBackup {
    /// Postgres as `kamiflow_backup`.
    pub url: SecretText,
    /// The program `pg_dump`.
    pub pg_dump: PathBuf,
    /// The folder that the backup's folder is made in.
    pub parent: PathBuf,
    /// Who will be able to read it.
    pub protection: Protection,
    /// The version of this program.
    pub made_by: String,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many bytes more of the dump were read or written.
    Bytes(u64),
    /// So many tables are to be counted.
    Tables(usize),
    /// A table was counted.
    Table(&'a TableSum),
    /// The next step begins.
    Step(&'static str),
}

/// Who is told.
pub type Told<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

/// Makes a backup; returns its folder and manifest.
///
/// # Errors
/// When the database, the program or the disk fails; nothing with a final name is left behind then.
pub async fn make_backup(request: &MakeBackup, told: Told<'_>) -> Result<(PathBuf, Manifest), BackupError> {
    let mut snapshot = Snapshot::take(request.url.expose()).await?;
    let facts = snapshot.facts().await?;
    let name = format!("kamiflow-{}", snapshot.at().format("%Y%m%dT%H%M%SZ"));
    let folder = PartialFolder::create(&request.parent, &name)?;

    let dump_name = request.protection.file_name();
    let id = snapshot.id().to_owned();
    let dumping = programs::dump(request, &id, folder.path().join(dump_name), told);
    // The snapshot lives in this transaction: it must not end before the dump has.
    let (dump, tables) = futures_util::future::join(dumping, sums(&mut snapshot, told)).await;
    let ((bytes, sha256), tables) = (dump?, tables?);
    let snapshot_at = snapshot.at();
    snapshot.end().await?;

    let manifest = Manifest {
        format: FORMAT,
        made_by: request.made_by.clone(),
        snapshot_at,
        installation: facts.installation,
        epoch: facts.epoch,
        migrations: facts.migrations,
        postgres: facts.server,
        dump: DumpFile { name: dump_name.to_owned(), encryption: request.protection.word().to_owned(), bytes, sha256 },
        tables,
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::Damaged(error.to_string()))?;
    folder.write(MANIFEST, &text)?;
    let path = folder.complete()?;
    Ok((path, manifest))
}

async fn sums(snapshot: &mut Snapshot, told: Told<'_>) -> Result<Vec<TableSum>, StoreError> {
    let names = snapshot.tables().await?;
    told(Progress::Tables(names.len()));
    let mut sums = Vec::with_capacity(names.len());
    for name in names {
        let sum = snapshot.sum(&name).await?;
        told(Progress::Table(&sum));
        sums.push(sum);
    }
    Ok(sums)
}

/// Reads a backup's manifest.
///
/// # Errors
/// When there is none, or it is of a format this program does not know.
pub fn read_manifest(folder: &Path) -> Result<Manifest, BackupError> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read(&path).map_err(BackupError::file(&path))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| BackupError::Damaged(format!("its manifest cannot be read: {error}")))?;
    if manifest.format != FORMAT {
        return Err(BackupError::Damaged(format!("its format is {}, this program reads {FORMAT}", manifest.format)));
    }
    if manifest.dump.name.contains(['/', '\\']) {
        return Err(BackupError::Damaged("its manifest names a file outside of its folder".to_owned()));
    }
    Ok(manifest)
}
