//! `kamiflow doctor`: looks an installation over and says what helps.
//!
//! Each check stands for itself: one that fails, or cannot be made, does not keep the others from being made.

mod examination;
mod servers;

use anyhow::Result;
use clap::Args;
use kamiflow_domain::doctor::{Finding, Level};
use serde_json::json;

use self::examination::Examination;
use crate::connect;
use crate::console::{Console, Tone};
use crate::exit::Exit;

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow doctor
  kamiflow doctor --json | jq '.findings[] | select(.level != \"ok\")'
  kamiflow doctor --ledger-days 365      # whatever moved within the last year; slow with large stocks

Looks at the configuration, at Postgres, Redis and the gateway, at clocks, roles, policies, functions, keys, partitions
and the sealed days of the card ledger. Changes nothing. Run it with the environment of `kamiflow work`. Exits with 1
if something fails; what is a warning is shown and is not an error.";

/// Options of `kamiflow doctor`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Checks the chains of each card ledger that moved in so many days, and computes the roots of so many sealed ones.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(0..=3_650))]
    ledger_days: u32,
}

/// Makes every check and shows what was found.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let findings = Examination::new(options.ledger_days, console).run().await;
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    if console.is_json() {
        let rows: Vec<_> = findings
            .iter()
            .map(|found| {
                json!({ "code": found.code, "level": found.level.as_str(), "text": found.text, "cure": found.cure })
            })
            .collect();
        console.print_json(&json!({ "level": worst.as_str(), "findings": rows }))?;
    } else {
        show(&findings, console);
    }
    Ok(if worst == Level::Fail { Exit::Failed } else { Exit::Done })
}

fn show(findings: &[Finding], console: Console) {
    for finding in findings {
        let tone = tone(finding.level);
        let level = console.toned(tone, format_args!("{:<4}", finding.level.as_str()));
        console.print(format_args!("{level} {:<22} {}", finding.code, finding.text));
        if !finding.cure.is_empty() {
            console.print(format_args!("     {:<22} {} {}", "", console.toned(Tone::Strong, "cure:"), finding.cure));
        }
    }
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (ok, warn, fail) = (count(Level::Ok), count(Level::Warn), count(Level::Fail));
    console.print(format_args!("{ok} ok, {warn} to look at, {fail} wrong"));
}

const fn tone(level: Level) -> Tone {
    match level {
        Level::Ok => Tone::Good,
        Level::Warn => Tone::Warn,
        Level::Fail => Tone::Bad,
    }
}
