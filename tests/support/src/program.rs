//! What programs made of these parts have in common: they run to an end, say what goes on, and show a result.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "programs that people and scripts read")]

use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Does a program's work, which tells whether all is well; an error is said on stderr and is not well.
pub fn run(work: impl Future<Output = Result<bool>>) -> ExitCode {
    kamiflow_pinduoduo::install_crypto_provider();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(work));
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns when somebody wants the end; whoever waits for it then ends what was started.
pub async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Says something on stderr, with the seconds since the first time anything was said.
pub fn note(what: impl Display) {
    let began = BEGAN.get_or_init(Instant::now);
    eprintln!("[{:7.1} s] {what}", began.elapsed().as_secs_f64());
}

/// Prints a result: as one object, or as a line per figure.
///
/// # Errors
/// Fails if it cannot be written as JSON.
pub fn show(result: &impl Serialize, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(result)?);
    } else if let Some(figures) = serde_json::to_value(result)?.as_object() {
        for (name, figure) in figures {
            println!("{name:<20} {figure}");
        }
    }
    Ok(())
}
