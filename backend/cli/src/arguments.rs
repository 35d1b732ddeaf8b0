//! The command line.

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, Subcommand};

use crate::commands;
use crate::exit::CODES;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Kamiflow 卡密流 delivers and redeems the virtual orders of Pinduoduo shops.
///
/// Processes are configured by environment variables: docs/reference/env.md.
#[derive(Debug, Parser)]
#[command(name = "kamiflow", version, styles = STYLES, after_help = CODES, after_long_help = CODES)]
pub(crate) struct Arguments {
    /// Prints results as JSON on stdout; everything else goes to stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves health, readiness and metrics.
    #[command(after_help = commands::serve::EXAMPLES)]
    Serve(commands::serve::Options),
    /// Sees, delivers and redeems: the background half.
    #[command(after_help = commands::work::EXAMPLES)]
    Work(commands::work::Options),
    /// Brings the database to this version's schema.
    #[command(after_help = commands::migrate::EXAMPLES)]
    Migrate(commands::migrate::Options),
    /// Writes a backup: one snapshot of the database, with a manifest to check it by.
    #[command(after_help = commands::backup::EXAMPLES)]
    Backup(commands::backup::Options),
    /// Restores a backup; every shop waits in trial run until it is reconciled.
    #[command(after_help = commands::restore::EXAMPLES)]
    Restore(commands::restore::Options),
    /// Exchanges the keys that seal secrets, while everything runs.
    #[command(after_help = commands::rotate_keys::EXAMPLES)]
    RotateKeys(commands::rotate_keys::Options),
    /// Runs a Pinduoduo on this machine, with faults, clock control and a ledger.
    #[command(after_help = commands::sandbox::EXAMPLES)]
    Sandbox(commands::sandbox::Options),
    /// Runs everything on this machine, live: servers, sandbox, workers, two shops and their buyers.
    #[command(after_help = commands::demo::EXAMPLES)]
    Demo(commands::demo::Options),
    /// Shows how servers, queues, shops and tokens do; exits with 1 when something is wrong.
    #[command(after_help = commands::status::EXAMPLES)]
    Status(commands::status::Options),
    /// Looks the installation over, and says what helps against what is wrong.
    #[command(after_help = commands::doctor::EXAMPLES)]
    Doctor(commands::doctor::Options),
    /// Looks at one order and does what is safe about it.
    Order(commands::order::Options),
    /// Lists applications of the Open Platform, and resumes one that the platform has stopped.
    Application(commands::application::Options),
    /// Makes accounts of the operator's own people, who review identities at /staff.
    Staff(commands::staff::Options),
    /// Removes what nobody needs any more, and makes partitions ahead of time.
    #[command(after_help = commands::prune::EXAMPLES)]
    Prune(commands::prune::Options),
    /// Reads a range of shops' history again, stores what had been missed, and tells it.
    #[command(after_help = commands::reconcile::EXAMPLES)]
    Reconcile(commands::reconcile::Options),
    /// Prints a completion script for a shell.
    #[command(after_help = commands::completions::EXAMPLES)]
    Completions(commands::completions::Options),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound_and_every_command_shows_examples() {
        let command = Arguments::command();
        command.clone().debug_assert();
        let mut open: Vec<clap::Command> = command.get_subcommands().cloned().collect();
        while let Some(next) = open.pop() {
            let below: Vec<clap::Command> = next.get_subcommands().cloned().collect();
            let help = next.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!below.is_empty() || help.contains("kamiflow "), "{} shows no example", next.get_name());
            open.extend(below);
        }
    }
}
