//! `kamiflow restore`: puts a backup in the place of a database, and stock back that this has quarantined.

mod stock;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use kamiflow_domain::backup::{BackupError, Unlock};
use kamiflow_domain::restore::{InTheWay, Restore, RestoreError, RestoredBackup, restore};
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, BackupTools, EnvSource as _, ProcessEnv, Redis, RestoreTarget, Worker};
use serde_json::json;

use super::backup::{Bar, program};
use crate::connect;
use crate::console::{Console, Tone};
use crate::exit::{Exit, Refused, WrongUsage};

pub(crate) const EXAMPLES: &str = "\
Examples:
  # Stop serve and work everywhere, then, as a Postgres superuser:
  export KAMIFLOW_BACKUP_ADMIN_URL=postgres://postgres@db/kamiflow
  kamiflow restore /var/backups/kamiflow-20261122T233000Z
  kamiflow restore /var/backups/kamiflow-20261122T233000Z --force      # over data
  KAMIFLOW_BACKUP_PASSPHRASE=… kamiflow restore FOLDER --json
  # Afterwards, for each shop:
  kamiflow reconcile --shop shop_… --from SNAPSHOT --to NOW
  # and for each pool, when somebody knows how many cards may have gone out since the backup:
  kamiflow restore stock --merchant mer_…
  kamiflow restore stock --merchant mer_… --pool pool_… --keep 150

What may be in the way:
  (nothing)      the database does not exist or has no table in it
  --into-empty   it has tables, but no merchant: a schema that was migrated and never used
  --force        it has anything: data, or somebody else's tables
What is in the way is renamed to NAME_before_TIME and kept; drop it yourself when you are sure.
The backup is loaded into a database of another name, compared table by table, and takes the name
at the end: when something fails, everything is as it was. Grants on the database itself and ALTER
DATABASE … SET are not in a backup.";

/// Options of `kamiflow restore`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Options {
    /// The backup's folder.
    #[arg(value_name = "FOLDER", required = true)]
    folder: Option<PathBuf>,

    /// Replaces a database that has tables but no merchant in them; it is renamed and kept.
    #[arg(long, conflicts_with = "force")]
    into_empty: bool,

    /// Replaces a database whatever it holds; it is renamed and kept.
    #[arg(long)]
    force: bool,

    /// Opens a backup that was encrypted for a recipient: the file that age-keygen wrote.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows stock that a restore has quarantined, and puts it back pool by pool.
    #[command(after_help = stock::EXAMPLES)]
    Stock(stock::Options),
}

/// Restores a backup and tells what to do next.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    if let Some(Command::Stock(options)) = options.command {
        return stock::run(options, console).await;
    }
    let Some(folder) = options.folder else { return Err(WrongUsage("name the backup's folder".to_owned()).into()) };
    let (target, tools): (RestoreTarget, BackupTools) = config::load(&ProcessEnv)?;
    let request = Restore {
        url: target.url,
        pg_restore: program(&tools, "pg_restore")?,
        folder,
        unlock: Unlock { passphrase: tools.passphrase, identity_file: options.identity },
        in_the_way: match (options.into_empty, options.force) {
            (_, true) => InTheWay::Anything,
            (true, false) => InTheWay::Schema,
            (false, false) => InTheWay::Nothing,
        },
        now: SystemClock.now(),
    };
    let bar = Bar::new(console);
    let restored = restore(&request, &|progress| bar.tell(progress)).await;
    bar.clear();
    let restored = match restored {
        Err(error @ (RestoreError::InTheWay { .. } | RestoreError::InUse { .. } | RestoreError::Clock { .. })) => {
            return Err(Refused(error.to_string()).into());
        }
        Err(RestoreError::Backup(BackupError::Key(why))) => return Err(WrongUsage(why).into()),
        restored => restored?,
    };
    let redis = forget(&restored).await;
    tell(&restored, redis, console)?;
    Ok(Exit::Done)
}

/// Empties the queue, if Redis is configured here. Workers do the same when they start; limits and leases of the former
/// data are gone earlier this way.
async fn forget(restored: &RestoredBackup) -> Option<Result<bool>> {
    ProcessEnv.get("KAMIFLOW_REDIS_URL")?;
    let incarnation = restored.stamped.incarnation();
    Some(
        async {
            let (redis, worker): (Redis, Worker) = config::load(&ProcessEnv)?;
            Ok(connect::queue(&redis, &worker).await?.adopt(&incarnation).await?)
        }
        .await,
    )
}

fn tell(restored: &RestoredBackup, redis: Option<Result<bool>>, console: Console) -> Result<()> {
    let (manifest, stamped) = (&restored.manifest, restored.stamped);
    let rows: i64 = manifest.tables.iter().map(|table| table.rows).sum();
    if let Some(Err(error)) = &redis {
        console.note(format_args!("the queue was not emptied ({error:#}): the first worker that starts does it"));
    }
    if console.is_json() {
        return console.print_json(&json!({
            "snapshot_at": manifest.snapshot_at, "rows": rows, "epoch": stamped.epoch, "shops": stamped.shops,
            "quarantined": stamped.quarantined, "kept_as": restored.kept_as,
            "queue_emptied": redis.and_then(Result::ok),
        }));
    }
    console.print(format_args!(
        "{} {rows} rows as of {}, every table compared",
        console.toned(Tone::Good, "restored"),
        manifest.snapshot_at.to_rfc3339()
    ));
    if let Some(kept) = &restored.kept_as {
        console.print(format_args!("the former database is `{kept}`; drop it when you are sure"));
    }
    console.print(format_args!("the instance's epoch is {} now", stamped.epoch));
    console.print(format_args!(
        "{} shops are in trial run and must be reconciled from {} on; {} cards in stock are quarantined",
        stamped.shops,
        manifest.snapshot_at.to_rfc3339(),
        stamped.quarantined
    ));
    Ok(())
}
