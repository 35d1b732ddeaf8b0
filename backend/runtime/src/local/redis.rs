//! A private Redis that keeps nothing: its contents are coordination and may vanish at any moment.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tracing::{info, warn};

use super::binaries;
use super::error::LocalError;
use super::folder::{self, Lock, SocketFolder};
use super::watchdog::Watchdog;

const START_SECONDS: u64 = 15;
const STOP_SECONDS: u64 = 10;

/// How often a server that starts or stops is asked whether it has.
const POLL: Duration = Duration::from_millis(5);

/// A running Redis that stops when dropped.
#[derive(Debug)]
pub struct LocalRedis {
    child: Child,
    home: PathBuf,
    socket: SocketFolder,
    // Fields drop in this order: the watchdog goes after the server, the lock last.
    _watchdog: Watchdog,
    _lock: Lock,
}

impl LocalRedis {
    /// Starts an empty Redis whose socket and log are in `dir`.
    ///
    /// # Errors
    /// Fails when Redis is not installed, the folder is in use, or the server does not come up.
    pub async fn start(dir: &Path) -> Result<Self, LocalError> {
        let home = folder::prepare(dir, None)?;
        let lock = Lock::take(&home)?;
        stop_left_behind(&home)?;
        let program = binaries::redis(&home)?;
        let socket = SocketFolder::make(&home, None)?;
        let child = spawn(&program, &home, socket.path())?;
        let pid = pid_of(&child);
        let pid_file = pid_file(&home);
        fs::write(&pid_file, format!("{pid}\n")).map_err(LocalError::io("write", &pid_file))?;
        let watchdog = Watchdog::start(&pid_file, pid)?;
        let mut server = Self { child, home, socket, _watchdog: watchdog, _lock: lock };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Returns the URL of the server, as the `redis` crate takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket_path().display())
    }

    /// Returns the socket, as `redis-cli -s` wants it.
    #[must_use]
    pub fn socket_path(&self) -> PathBuf {
        self.socket.path().join("redis.sock")
    }

    /// Returns the process id of the server.
    #[must_use]
    pub fn pid(&self) -> i32 {
        pid_of(&self.child)
    }

    /// Returns where the server logs.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.home.join("redis.log")
    }

    /// Stops the server and waits until it has ended.
    ///
    /// # Errors
    /// Fails when it can be neither asked nor made to end.
    pub fn stop(mut self) -> Result<(), LocalError> {
        self.end()
    }

    async fn wait_until_ready(&mut self) -> Result<(), LocalError> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
        let path = self.socket_path();
        while !answers(&path).await {
            let ended = self.child.try_wait().map_err(LocalError::io("wait for", &path))?;
            if let Some(status) = ended {
                let output = folder::log_tail(&self.log_path());
                return Err(LocalError::Failed { program: "Redis".to_owned(), status: status.to_string(), output });
            }
            if Instant::now() > deadline {
                return Err(late("answer", START_SECONDS, &self.home));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Asks the server to end and, having nothing to lose, makes it.
    fn end(&mut self) -> Result<(), LocalError> {
        let socket = self.socket_path();
        if self.child.try_wait().map_err(LocalError::io("wait for", &socket))?.is_some() {
            return Ok(());
        }
        self.child.kill().map_err(LocalError::io("stop the server of", &socket))?;
        self.child.wait().map_err(LocalError::io("wait for the server of", &socket))?;
        let _ = fs::remove_file(pid_file(&self.home));
        let _ = fs::remove_file(socket);
        Ok(())
    }
}

impl Drop for LocalRedis {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            warn!("Could not stop the private Redis {}: {error}", self.pid());
        }
    }
}

fn spawn(program: &Path, home: &Path, socket: &Path) -> Result<Child, LocalError> {
    let log = home.join("redis.log");
    let output = File::create(&log).map_err(LocalError::io("create", &log))?;
    let errors = output.try_clone().map_err(LocalError::io("open", &log))?;
    Command::new(program)
        .args(["--port", "0", "--unixsocketperm", "700", "--save", "", "--appendonly", "no"])
        .args(["--maxmemory-policy", "noeviction", "--daemonize", "no"])
        .arg("--unixsocket")
        .arg(socket.join("redis.sock"))
        .arg("--dir")
        .arg(home)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // Ctrl-C in the terminal reaches us; when the server stops is ours to say.
        .process_group(0)
        .spawn()
        .map_err(LocalError::io("run", program))
}

/// Stops a server that a dead process left in `home`; the caller holds its lock.
pub(super) fn stop_left_behind(home: &Path) -> Result<(), LocalError> {
    let path = pid_file(home);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
    let Ok(raw) = text.trim().parse::<i32>() else { return Ok(()) };
    if !is_ours(raw, home) {
        return Ok(());
    }
    let action = "stop a Redis that an earlier process left behind";
    let pid = Pid::from_raw(raw);
    kill(pid, Signal::SIGKILL).map_err(|source| LocalError::System { action, source })?;
    let deadline = Instant::now() + Duration::from_secs(STOP_SECONDS);
    while is_ours(raw, home) {
        if Instant::now() > deadline {
            return Err(late("end", STOP_SECONDS, home));
        }
        std::thread::sleep(POLL);
    }
    let _ = fs::remove_file(&path);
    info!("Stopped a Redis that an earlier process left behind in {}", home.display());
    Ok(())
}

/// Returns whether the process works in this folder, which a later owner of its pid would not.
fn is_ours(pid: i32, home: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == home)
}

async fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket).await else { return false };
    let mut answer = [0_u8; 5];
    stream.write_all(b"PING\r\n").await.is_ok() && stream.read_exact(&mut answer).await.is_ok() && answer == *b"+PONG"
}

fn pid_file(home: &Path) -> PathBuf {
    home.join("redis.pid")
}

/// Linux pids fit; a child's id is below 2^22.
fn pid_of(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap_or(i32::MAX)
}

fn late(action: &'static str, seconds: u64, home: &Path) -> LocalError {
    let log = folder::log_tail(&home.join("redis.log"));
    LocalError::Late { server: "Redis", action, seconds, log }
}
