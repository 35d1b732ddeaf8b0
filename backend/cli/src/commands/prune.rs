//! `kamiflow prune`: removes what nobody needs any more, and makes partitions ahead of time.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use kamiflow_domain::retention::{self, COUNTED_AT_MOST, Removed, RetentionPolicy, RetentionReport, RetentionRun};
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, Database, DatabaseOwner, EnvSource as _, ProcessEnv, Retention};
use kamiflow_store::retention::{Owner, Patience};

use crate::connect;
use crate::console::{Console, Table, Tone};
use crate::exit::Exit;

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow prune --dry-run       # what would go
  kamiflow prune                 # what `kamiflow work` does once a day
  KAMIFLOW_DATABASE_OWNER_URL=… KAMIFLOW_RETENTION_ORDERS_DAYS=1095 kamiflow prune    # old orders too

Ages are KAMIFLOW_RETENTION_…_DAYS: docs/reference/env.md. The card ledger, cards, deliveries, redemptions and
exceptions are kept for ever, and so is whatever belongs to an order that is not settled. The audit log and orders go
only when their age is set and the owner's URL is given. Exits with 1 when something had to wait; run it again.";

/// The owner's URL, without which history stays.
const OWNER_URL: &str = "KAMIFLOW_DATABASE_OWNER_URL";

/// Options of `kamiflow prune`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only tells what would be removed.
    #[arg(long)]
    dry_run: bool,
}

/// Removes, or tells.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let (database, ages): (Database, Retention) = config::load(&ProcessEnv)?;
    let policy = policy(&ages);
    let store = connect::store_without_keys(&database)?;
    let now = SystemClock.now();
    let report = if options.dry_run {
        retention::preview(&store, &policy, now).await?
    } else {
        let spinner = spinner(console);
        let mut run = RetentionRun::begin(&store, policy, Patience::Operator, now);
        while run.step().await? {
            spinner.set_message(format!("{} removed", run.report().removed.len()));
        }
        let mut report = run.report().clone();
        if ProcessEnv.get(OWNER_URL).is_some() {
            let owner: DatabaseOwner = config::load(&ProcessEnv)?;
            let mut owner = Owner::connect(owner.url.expose()).await?;
            retention::drop_history(&mut owner, &policy, now, &mut report).await?;
        } else if policy.audit_log.is_some() || policy.orders.is_some() {
            console.note(format_args!("The audit log and orders stay: {OWNER_URL} is not set."));
        }
        spinner.finish_and_clear();
        report
    };
    if console.is_json() {
        console.print_json(&report)?;
    } else {
        show(&report, options.dry_run, console);
    }
    Ok(if report.held.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Returns the ages as the domain takes them.
pub(crate) const fn policy(ages: &Retention) -> RetentionPolicy {
    RetentionPolicy {
        order_events: ages.order_events,
        outbox: ages.outbox,
        coverage: ages.coverage,
        rollups: ages.rollups,
        hints: ages.hints,
        payloads: ages.payloads,
        audit_log: ages.audit_log,
        orders: ages.orders,
    }
}

fn spinner(console: Console) -> ProgressBar {
    if !console.is_watched() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

fn show(report: &RetentionReport, dry_run: bool, console: Console) {
    for part in &report.made {
        console.print(format_args!("{} {part}", console.toned(Tone::Good, "made")));
    }
    let mut table = Table::new(&[if dry_run { "would go" } else { "gone" }, "how much", "kept"]);
    for removed in &report.removed {
        let kept = if removed.kept == 0 { String::new() } else { format!("{} rows", removed.kept) };
        table.row([(removed.what.clone(), None), (amount(removed), None), (kept, None)]);
    }
    if table.is_empty() {
        console.print(format_args!("Nothing is old enough to go."));
    } else {
        table.print(console);
    }
    for held in &report.held {
        let stays = console.toned(Tone::Warn, "stays:");
        console.print(format_args!("{stays} {} ({})", held.what, held.reason));
    }
}

fn amount(removed: &Removed) -> String {
    match (removed.rows, removed.bytes) {
        (Some(rows), _) if rows >= i64::from(COUNTED_AT_MOST) => format!("{rows} rows or more"),
        (Some(rows), _) => format!("{rows} rows"),
        (None, Some(bytes)) => format!("a partition of {} MiB", bytes / (1 << 20)),
        (None, None) => "a partition".to_owned(),
    }
}
