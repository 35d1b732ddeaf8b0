//! One module per subcommand.

pub(crate) mod application;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod migrate;
pub(crate) mod order;
pub(crate) mod prune;
pub(crate) mod reconcile;
pub(crate) mod restore;
pub(crate) mod rotate_keys;
pub(crate) mod sandbox;
pub(crate) mod serve;
pub(crate) mod staff;
pub(crate) mod status;
pub(crate) mod work;

use anyhow::Result;

use crate::arguments::Command;
use crate::console::Console;
use crate::exit::Exit;

/// Runs a subcommand.
///
/// # Errors
/// Whatever ended it; [`Exit::of`] knows the code.
pub(crate) async fn run(command: Command, console: &Console) -> Result<Exit> {
    match command {
        Command::Serve(options) => serve::run(options, *console).await,
        Command::Work(options) => work::run(options, *console).await,
        Command::Migrate(options) => migrate::run(options, *console).await,
        Command::Backup(options) => backup::run(options, *console).await,
        Command::Restore(options) => restore::run(options, *console).await,
        Command::RotateKeys(options) => rotate_keys::run(options, *console).await,
        Command::Sandbox(options) => sandbox::run(options, *console).await,
        Command::Demo(options) => demo::run(options, *console).await,
        Command::Status(options) => status::run(options, *console).await,
        Command::Doctor(options) => doctor::run(options, *console).await,
        Command::Order(options) => order::run(options, *console).await,
        Command::Application(options) => application::run(options, *console).await,
        Command::Staff(options) => staff::run(options, *console).await,
        Command::Prune(options) => prune::run(options, *console).await,
        Command::Reconcile(options) => reconcile::run(options, *console).await,
        Command::Completions(options) => completions::run(options),
    }
}
