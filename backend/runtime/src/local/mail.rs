//! A private mail server that sends nothing: it catches mails and shows them on a page.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tracing::warn;

use super::binaries;
use super::error::LocalError;
use super::folder::{self, Lock};
use super::watchdog::Watchdog;

const START_SECONDS: u64 = 30;

/// How often a server that starts is asked whether it has.
const POLL: Duration = Duration::from_millis(20);

/// A running mail catcher (npm `maildev`) that stops when dropped. What it caught is in its folder.
#[derive(Debug)]
pub struct LocalMail {
    child: Child,
    home: PathBuf,
    smtp: SocketAddr,
    page: SocketAddr,
    // Fields drop in this order: the watchdog goes after the server, the lock last.
    _watchdog: Watchdog,
    _lock: Lock,
}

impl LocalMail {
    /// Starts one whose log and mails are in `dir`; `None` where the program is not installed.
    ///
    /// # Errors
    /// Fails when the folder is in use, or the server does not come up.
    pub async fn start(dir: &Path) -> Result<Option<Self>, LocalError> {
        let home = folder::prepare(dir, None)?;
        let Some(program) = binaries::mail_catcher(&home) else { return Ok(None) };
        let lock = Lock::take(&home)?;
        let (smtp, page) = free_ports()?;
        let child = spawn(&program, &home, smtp, page)?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let pid_file = home.join("mail.pid");
        fs::write(&pid_file, format!("{pid}\n")).map_err(LocalError::io("write", &pid_file))?;
        let watchdog = Watchdog::start(&pid_file, pid)?;
        let mut server = Self { child, home, smtp, page, _watchdog: watchdog, _lock: lock };
        server.wait_until_ready().await?;
        Ok(Some(server))
    }

    /// Returns where mail is handed in: `smtp://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.smtp)
    }

    /// Returns the page that shows what was caught.
    #[must_use]
    pub fn page(&self) -> String {
        format!("http://{}", self.page)
    }

    async fn wait_until_ready(&mut self) -> Result<(), LocalError> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
        for addr in [self.smtp, self.page] {
            while TcpStream::connect(addr).await.is_err() {
                let ended = self.child.try_wait().map_err(LocalError::io("wait for", &self.home))?;
                let log = folder::log_tail(&self.home.join("mail.log"));
                if let Some(status) = ended {
                    let program = "the mail catcher".to_owned();
                    return Err(LocalError::Failed { program, status: status.to_string(), output: log });
                }
                if Instant::now() > deadline {
                    let (server, action, seconds) = ("the mail catcher", "answer", START_SECONDS);
                    return Err(LocalError::Late { server, action, seconds, log });
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }
}

impl Drop for LocalMail {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            warn!("Could not stop the mail catcher {}: {error}", self.child.id());
        }
        let _ = fs::remove_file(self.home.join("mail.pid"));
    }
}

fn spawn(program: &Path, home: &Path, smtp: SocketAddr, page: SocketAddr) -> Result<Child, LocalError> {
    let log = home.join("mail.log");
    let output = File::create(&log).map_err(LocalError::io("create", &log))?;
    let errors = output.try_clone().map_err(LocalError::io("open", &log))?;
    Command::new(program)
        // Without these it listens on every interface.
        .args(["--ip", "127.0.0.1", "--web-ip", "127.0.0.1"])
        .args(["-s", &smtp.port().to_string(), "-w", &page.port().to_string()])
        .arg("--mail-directory")
        .arg(home.join("mails"))
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // Ctrl-C in the terminal reaches us; when the server stops is ours to say.
        .process_group(0)
        .spawn()
        .map_err(LocalError::io("run", program))
}

/// Finds two ports that were free a moment ago; the program cannot be told to choose by itself.
fn free_ports() -> Result<(SocketAddr, SocketAddr), LocalError> {
    let bind = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.local_addr().map(|addr| (listener, addr))
    };
    let refused = |source| LocalError::Io { action: "find a free port for", path: "the mail catcher".into(), source };
    let (first, smtp) = bind().map_err(refused)?;
    let (second, page) = bind().map_err(refused)?;
    // Both are held until both are known, so that they differ.
    drop((first, second));
    Ok((smtp, page))
}
