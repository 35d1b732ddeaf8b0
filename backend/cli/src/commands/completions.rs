//! `kamiflow completions`: completion scripts for shells.

use std::io;

use anyhow::Result;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::exit::Exit;

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow completions bash > /etc/bash_completion.d/kamiflow
  kamiflow completions zsh > ~/.zfunc/_kamiflow
  kamiflow completions fish > ~/.config/fish/completions/kamiflow.fish";

/// Options of `kamiflow completions`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(options: Options) -> Result<Exit> {
    clap_complete::generate(options.shell, &mut Arguments::command(), "kamiflow", &mut io::stdout());
    Ok(Exit::Done)
}
