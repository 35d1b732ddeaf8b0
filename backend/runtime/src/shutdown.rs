//! Shutdown: one token for the whole process, cancelled by the first signal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The conventional exit status of a process ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Returns a token that SIGTERM or SIGINT cancels. A second signal ends the process at once, for
/// people who do not want to wait for what is in flight.
///
/// Must be called inside a tokio runtime, once per process.
///
/// # Errors
/// Fails when the signal handlers cannot be installed.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let name = next_signal(&mut interrupt, &mut terminate).await;
        info!("Stopping after {name}; a second signal ends the process at once");
        cancelled.cancel();
        let name = next_signal(&mut interrupt, &mut terminate).await;
        warn!("Ending at once after a second {name}");
        std::process::exit(INTERRUPTED);
    });
    Ok(token)
}

async fn next_signal(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, raise};

    use super::*;

    #[tokio::test]
    async fn the_first_signal_cancels_the_token() {
        let token = on_signals().unwrap();
        assert!(!token.is_cancelled());
        raise(Signal::SIGTERM).unwrap();
        token.cancelled().await;
    }
}
