//! `kamiflow rotate-keys`: exchanges master keys, and on demand the data keys below them, while everything runs.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use kamiflow_domain::rotate_keys::{MOST_WAITS, Progress, RotateKeys, RotatedKeys, rotate_keys};
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, Database, Keyring, ProcessEnv};
use serde_json::json;

use crate::connect;
use crate::console::{Console, Tone};
use crate::exit::Exit;

pub(crate) const EXAMPLES: &str = "\
Examples:
  # 1. Add a master key to the ring of every process, make it the active one, and restart them:
  export KAMIFLOW_KEYRING_KEYS=k1:…,k2:$(openssl rand -base64 32) KAMIFLOW_KEYRING_ACTIVE=k2
  # 2. Wrap all data keys with it; takes milliseconds a merchant:
  kamiflow rotate-keys
  # or, if a data key may be known to somebody: make new ones and seal every row anew
  kamiflow rotate-keys --reseal
  # 3. When it says so, take k1 out of the ring.

Safe to interrupt and to run again: it goes on where it was. Workers and imports go on meanwhile.
Under one master key a data key is exchanged once; add another master key to exchange it again.
Duplicate cards are found as before.";

/// Options of `kamiflow rotate-keys`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Makes a new data key for each merchant and seals every credential, card, code and request anew with it.
    #[arg(long)]
    reseal: bool,

    /// Rows of one transaction of --reseal; workers wait for a row of it for as long as it takes.
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = clap::value_parser!(i64).range(1..=5_000))]
    batch: i64,
}

/// Exchanges keys and says which master keys are needed no more.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let (database, keyring): (Database, Keyring) = config::load(&ProcessEnv)?;
    let store = connect::store(&database, &keyring)?;
    let request = RotateKeys {
        reseal: options.reseal,
        batch: options.batch,
        most_waits: MOST_WAITS,
        request_id: format!("rotate-keys-{}", uuid::Uuid::now_v7().simple()),
        now: SystemClock.now(),
    };
    let bar = bar(console, options.reseal);
    let told = |progress: Progress| match progress {
        Progress::Rows(more) => bar.inc_length(more),
        Progress::Resealed(rows) => bar.inc(rows),
        Progress::Waiting(time) => {
            bar.set_message(format!("waiting {} s for other processes to use the new keys", time.as_secs()));
        }
    };
    let done = rotate_keys(&store, &request, &told).await;
    bar.finish_and_clear();
    tell(&done?, &keyring, console)
}

fn bar(console: Console, reseal: bool) -> ProgressBar {
    if !reseal || !console.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} rows {per_sec} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn tell(done: &RotatedKeys, keyring: &Keyring, console: Console) -> Result<Exit> {
    let complete = done.is_complete();
    let others: Vec<&str> =
        keyring.keys.iter().map(|key| key.id.as_str()).filter(|id| *id != keyring.active.as_str()).collect();
    let removable = if complete { others } else { Vec::new() };
    if console.is_json() {
        console.print_json(&json!({ "active": keyring.active, "removable": removable, "rotated": done }))?;
    } else {
        let RotatedKeys { owners, rewrapped, made, resealed, left, wrapped_otherwise, unsettled } = done;
        console.print(format_args!("{rewrapped} data keys of {owners} owners wrapped with `{}`", keyring.active));
        console.print(format_args!("{made} new data keys, {resealed} rows sealed anew"));
        if complete {
            let good = console.toned(Tone::Good, "complete");
            match removable.as_slice() {
                [] => console.print(format_args!("{good}")),
                ids => console.print(format_args!("{good}: {} may leave the key ring", ids.join(", "))),
            }
        } else {
            let warn = console.toned(Tone::Warn, "run it again:");
            console.print(format_args!("{warn} {left} rows and {wrapped_otherwise} data keys still need a former key"));
            if *unsettled > 0 {
                console.print(format_args!(
                    "something that seals with a former data key still runs for {unsettled} owners"
                ));
            }
        }
    }
    Ok(if complete { Exit::Done } else { Exit::Failed })
}
