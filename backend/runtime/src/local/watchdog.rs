//! Stops a server whose parent died without stopping it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::error::LocalError;

/// `cat` ends when the parent's end of the pipe closes, however the parent died. The server is
/// signalled only if its pid file still names it, so a reused pid is safe.
const SCRIPT: &str = r#"cat >/dev/null; read -r pid <"$1" && [ "$pid" = "$2" ] && kill -s INT "$pid""#;

/// A shell that outlives this process by a moment.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Watches over the server `pid`, whose pid is the first line of `pid_file`.
    pub(super) fn start(pid_file: &Path, pid: i32) -> Result<Self, LocalError> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "kamiflow-watchdog"])
            .arg(pid_file)
            .arg(pid.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: Ctrl-C in the terminal must not end it.
            .process_group(0)
            .spawn()
            .map_err(LocalError::io("run", Path::new("/bin/sh")))?;
        Ok(Self { shell })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
