//! What a crash leaves behind: a message and a backtrace, never the process' memory.

use std::io;

use nix::sys::resource::{Resource, setrlimit};

/// Forbids core dumps of this process and of the programs it starts: their memory holds master keys and opened cards.
///
/// # Errors
/// When the system refuses the lower limit, which it does not.
pub fn forbid_core_dumps() -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)
}
