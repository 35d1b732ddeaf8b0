//! `kamiflow backup`: one snapshot of the database as a folder with a dump and a manifest.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use kamiflow_domain::backup::{MakeBackup, Progress, Protection, make_backup};
use kamiflow_runtime::config::{self, BackupSource, BackupTools, ProcessEnv};
use serde_json::json;

use crate::connect;
use crate::console::{Console, Tone};
use crate::exit::{Exit, WrongUsage};

pub(crate) const EXAMPLES: &str = "\
Examples:
  export KAMIFLOW_BACKUP_URL=postgres://kamiflow_backup@db/kamiflow
  kamiflow backup /var/backups                              # → /var/backups/kamiflow-20261122T233000Z/
  kamiflow backup /var/backups --recipient age1…            # only the holder of the identity can read it
  KAMIFLOW_BACKUP_PASSPHRASE=… kamiflow backup /var/backups --json

The folder holds manifest.json and dump.pgc, or dump.pgc.age, which `age -d` opens and
`pg_restore` reads. Files are readable by their owner only, and a folder that is not complete ends
in .partial. The key ring is not in it: back it up apart from it. Run it while everything works;
it stops nobody.";

/// Options of `kamiflow backup`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder that the backup's folder is made in.
    #[arg(value_name = "FOLDER")]
    parent: PathBuf,

    /// Encrypts for the holder of the identity to this recipient (`age1…`, from `age-keygen`); may be repeated.
    #[arg(long = "recipient", value_name = "RECIPIENT")]
    recipients: Vec<String>,
}

/// Makes a backup and tells where it is.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let (source, tools): (BackupSource, BackupTools) = config::load(&ProcessEnv)?;
    let protection = match (options.recipients, &tools.passphrase) {
        (recipients, None) if recipients.is_empty() => Protection::None,
        (recipients, Some(passphrase)) if recipients.is_empty() => Protection::Passphrase(passphrase.clone()),
        (recipients, None) => Protection::Recipients(recipients),
        (_, Some(_)) => {
            let both = "give --recipient or KAMIFLOW_BACKUP_PASSPHRASE, not both: a backup has one way to open it";
            return Err(WrongUsage(both.to_owned()).into());
        }
    };
    let request = MakeBackup {
        url: source.url,
        pg_dump: program(&tools, "pg_dump")?,
        parent: options.parent,
        protection,
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let bar = Bar::new(console);
    let made = make_backup(&request, &|progress| bar.tell(progress)).await;
    bar.clear();
    let (folder, manifest) = made?;
    let rows: i64 = manifest.tables.iter().map(|table| table.rows).sum();
    if console.is_json() {
        console.print_json(&json!({ "folder": folder, "manifest": manifest }))?;
    } else {
        console.print(format_args!("{} {}", console.toned(Tone::Good, "written"), folder.display()));
        let tables = manifest.tables.len();
        console.print(format_args!("{rows} rows of {tables} tables as of {}", manifest.snapshot_at.to_rfc3339()));
        if manifest.dump.encryption == "none" {
            let warn = console.toned(Tone::Warn, "not encrypted:");
            console.print(format_args!("{warn} names and order numbers are readable; cards and tokens are sealed"));
        }
    }
    Ok(Exit::Done)
}

/// Finds one of Postgres' programs.
pub(super) fn program(tools: &BackupTools, name: &str) -> Result<PathBuf> {
    tools.find(name).ok_or_else(|| {
        let cure = "install Postgres' client programs, or name their folder in KAMIFLOW_BACKUP_PROGRAMS";
        WrongUsage(format!("`{name}` was not found: {cure}")).into()
    })
}

/// How far a backup or a restore is, for whoever watches.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(console: Console) -> Self {
        if !console.is_watched() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {bytes} {bytes_per_sec} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    pub(super) fn tell(&self, progress: Progress<'_>) {
        match progress {
            Progress::Bytes(bytes) => self.0.inc(bytes),
            Progress::Tables(count) => self.0.set_message(format!("{count} tables")),
            Progress::Table(sum) => self.0.set_message(format!("{} ({} rows)", sum.table, sum.rows)),
            Progress::Step(step) => {
                self.0.set_position(0);
                self.0.set_prefix(step);
            }
        }
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
