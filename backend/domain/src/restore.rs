//! Restores a backup: checks it, loads it beside the target, compares every table, stamps it, and swaps.
//!
//! What must be true before anybody may connect is done while the database still has another name (`store::snapshot`):
//! shops wait for reconciling, stock is quarantined, the epoch is higher (`store::restored_shops`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::SecretText;
use kamiflow_store::StoreError;
use kamiflow_store::snapshot::{Contents, Stamped, TableSum, Target};

use crate::backup::{self, BackupError, Manifest, Progress, Told, Unlock};
use crate::doctor::{self, Level};

/// What may be in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InTheWay {
    /// Nothing: the database does not exist, or has no table.
    Nothing,
    /// A schema without any merchant: `--into-empty`.
    Schema,
    /// Anything; it is renamed and kept: `--force`.
    Anything,
}

/// The request.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The database that is to hold the backup, as a superuser.
    pub url: SecretText,
    /// The program `pg_restore`.
    pub pg_restore: PathBuf,
    /// The backup's folder.
    pub folder: PathBuf,
    /// What opens it.
    pub unlock: Unlock,
    /// What may be in the way.
    pub in_the_way: InTheWay,
    /// The moment, by this machine's clock: names what is made, and must not be far from the database's.
    pub now: DateTime<Utc>,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct RestoredBackup {
    /// What the backup holds.
    pub manifest: Manifest,
    /// What was changed in it before anybody could connect.
    pub stamped: Stamped,
    /// The database that has now the name under which the former one is kept.
    pub kept_as: Option<String>,
}

/// Why a backup was not restored. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something is in the way.
    #[error("database `{database}` {what}; {cure}")]
    InTheWay {
        /// The database.
        database: String,
        /// What it holds.
        what: &'static str,
        /// What to do.
        cure: &'static str,
    },
    /// Somebody works with the database.
    #[error("{count} connections to database `{database}` are open: stop `serve`, `work` and everybody else first")]
    InUse {
        /// The database.
        database: String,
        /// How many.
        count: i64,
    },
    /// The clocks differ by more than anything here could be judged by.
    #[error("{what}; {cure}, then restore")]
    Clock {
        /// By how much.
        what: String,
        /// What to do.
        cure: String,
    },
    /// What was loaded is not what was backed up.
    #[error("the restored tables differ from the backup: {0}")]
    Differs(String),
    /// The backup cannot be read, or a program failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The store failed.
    #[error("the database cannot be restored")]
    Store(#[from] StoreError),
}

/// Restores a backup.
///
/// # Errors
/// See [`RestoreError`]; a database that was only half filled is dropped.
pub async fn restore(request: &Restore, told: Told<'_>) -> Result<RestoredBackup, RestoreError> {
    let manifest = backup::read_manifest(&request.folder)?;
    let stamp = request.now.format("%Y%m%d%H%M%S").to_string();
    let target = Target::new(request.url.expose(), &stamp)?;
    compare_clocks(&target, request.now).await?;
    let (before, connected) = target.inspect().await?;
    admit(request.in_the_way, before, &target)?;
    if connected > 0 {
        return Err(RestoreError::InUse { database: target.name().to_owned(), count: connected });
    }
    told(Progress::Step("checking the backup"));
    backup::check_dump(&request.folder, &manifest.dump, &request.unlock, told).await?;

    let filled = fill(request, &manifest, &target, told).await;
    let swapped = match filled {
        Ok(stamped) => target.swap(before).await.map(|kept| (stamped, kept)).map_err(RestoreError::from),
        Err(error) => Err(error),
    };
    match swapped {
        Ok((stamped, kept)) => {
            Ok(RestoredBackup { manifest, stamped, kept_as: kept.then(|| target.aside().to_owned()) })
        }
        Err(error) => {
            // The first error is the one that counts; what stays behind has `_restoring_` in its name.
            let _ = target.drop_scratch().await;
            Err(error)
        }
    }
}

/// What was made before the restore, and what was paid, is told from what came later by moments of the database's clock.
/// One of two clocks that differ much is wrong, and it may be that one.
async fn compare_clocks(target: &Target, ours: DateTime<Utc>) -> Result<(), RestoreError> {
    let asked = Instant::now();
    let theirs = target.now().await?;
    let answered = TimeDelta::from_std(asked.elapsed()).unwrap_or(TimeDelta::MAX);
    let found = doctor::clock("clock.database", "the database's clock", theirs, ours, answered);
    match found.level {
        Level::Fail => Err(RestoreError::Clock { what: found.text, cure: found.cure }),
        Level::Ok | Level::Warn => Ok(()),
    }
}

fn admit(allowed: InTheWay, before: Contents, target: &Target) -> Result<(), RestoreError> {
    let refuse = |what, cure| Err(RestoreError::InTheWay { database: target.name().to_owned(), what, cure });
    match (before, allowed) {
        (Contents::Missing | Contents::Empty, _)
        | (Contents::SchemaOnly, InTheWay::Schema | InTheWay::Anything)
        | (Contents::Data, InTheWay::Anything) => Ok(()),
        (Contents::SchemaOnly, InTheWay::Nothing) => {
            refuse("has tables, and no merchant in them", "`--into-empty` puts the backup in its place")
        }
        (Contents::Data, InTheWay::Nothing | InTheWay::Schema) => {
            refuse("holds data", "`--force` renames it, keeps it, and puts the backup in its place")
        }
    }
}

async fn fill(
    request: &Restore,
    manifest: &Manifest,
    target: &Target,
    told: Told<'_>,
) -> Result<Stamped, RestoreError> {
    told(Progress::Step("loading"));
    target.create_scratch().await?;
    let dump = backup::open_dump(&request.folder, &manifest.dump, &request.unlock)?;
    backup::restore_into(&request.pg_restore, &target.scratch_url(), dump, told).await?;
    told(Progress::Step("comparing"));
    told(Progress::Tables(manifest.tables.len()));
    let sums = target.sums(&|sum| told(Progress::Table(sum))).await?;
    compare(&manifest.tables, &sums)?;
    told(Progress::Step("taking shops back to trial run"));
    Ok(target.stamp(manifest.snapshot_at).await?)
}

fn compare(backed_up: &[TableSum], restored: &[TableSum]) -> Result<(), RestoreError> {
    let by_name = |sums: &[TableSum]| -> BTreeMap<String, (i64, String)> {
        sums.iter().map(|sum| (sum.table.clone(), (sum.rows, sum.hash.clone()))).collect()
    };
    let (expected, found) = (by_name(backed_up), by_name(restored));
    let mut differing: Vec<String> = Vec::new();
    for (table, (rows, hash)) in &expected {
        match found.get(table) {
            None => differing.push(format!("`{table}` is missing")),
            Some((there, _)) if there != rows => differing.push(format!("`{table}` has {there} rows, not {rows}")),
            Some((_, other)) if other != hash => differing.push(format!("`{table}` has other contents")),
            Some(_) => {}
        }
    }
    differing
        .extend(found.keys().filter(|table| !expected.contains_key(*table)).map(|table| format!("`{table}` is new")));
    if differing.is_empty() { Ok(()) } else { Err(RestoreError::Differs(differing.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_row_a_changed_one_and_a_table_too_many_are_named() {
        let sum = |table: &str, rows, hash: &str| TableSum { table: table.to_owned(), rows, hash: hash.to_owned() };
        let was = [sum("a", 1, "x"), sum("b", 2, "y"), sum("c", 3, "z")];
        assert!(compare(&was, &was).is_ok());
        let is = [sum("a", 0, "x"), sum("b", 2, "other"), sum("d", 0, "")];
        let told = compare(&was, &is).unwrap_err().to_string();
        for part in ["`a` has 0 rows, not 1", "`b` has other contents", "`c` is missing", "`d` is new"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
