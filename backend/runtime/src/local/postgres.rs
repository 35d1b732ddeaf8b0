//! A private Postgres cluster.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tracing::{info, warn};

use super::binaries::{self, PostgresPrograms};
use super::bootstrap;
use super::error::LocalError;
use super::folder::{self, Account, Lock, SocketFolder};
use super::watchdog::Watchdog;

/// The name of the socket file ends with it; nothing listens on a port.
const PORT: u16 = 5432;
const SUPERUSER: &str = "postgres";
const START_SECONDS: u64 = 60;

/// What a private Postgres should be.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The database to create, owned by `kamiflow_owner`.
    pub database: String,
    /// Whether its data must survive a crash of the machine.
    pub durability: Durability,
    /// The most connections.
    pub max_connections: u16,
}

/// Whether data must survive a crash of the machine. It survives a crash of Postgres either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every commit is on disk, as in production.
    Durable,
    /// Commits reach the operating system only: several times faster, for tests.
    Throwaway,
}

impl PostgresOptions {
    /// Returns the options of a server whose data is kept.
    #[must_use]
    pub fn durable(database: &str) -> Self {
        Self { database: database.to_owned(), durability: Durability::Durable, max_connections: 200 }
    }

    /// Returns the options of a server for tests.
    #[must_use]
    pub fn throwaway(database: &str) -> Self {
        Self { durability: Durability::Throwaway, ..Self::durable(database) }
    }
}

/// A running Postgres that stops when dropped.
#[derive(Debug)]
pub struct LocalPostgres {
    cluster: Cluster,
    socket: SocketFolder,
    pid: i32,
    database: String,
    stopped: bool,
    // Fields drop in this order: the watchdog goes after the server, the lock last.
    _watchdog: Watchdog,
    _lock: Lock,
}

impl LocalPostgres {
    /// Starts the cluster in `dir`, making it on first use, and creates the roles of
    /// `migrations/bootstrap.sql` and the database where they are missing.
    ///
    /// # Errors
    /// Fails when Postgres is not installed, the folder is in use, or the server does not come up.
    pub async fn start(dir: &Path, options: &PostgresOptions) -> Result<Self, LocalError> {
        let (dir, wanted) = (dir.to_owned(), options.clone());
        let server = tokio::task::spawn_blocking(move || Self::launch(&dir, &wanted)).await??;
        bootstrap::bootstrap(&server.superuser_url("postgres"), &server.superuser_url(&options.database)).await?;
        Ok(server)
    }

    fn launch(dir: &Path, options: &PostgresOptions) -> Result<Self, LocalError> {
        let account = Account::instead_of_root()?;
        let home = folder::prepare(dir, account)?;
        let lock = Lock::take(&home)?;
        let cluster = Cluster::find(&home, account)?;
        if cluster.stop_if_running()? {
            info!("Stopped a Postgres that an earlier process left behind in {}", home.display());
        }
        if !cluster.exists() {
            info!("Creating a Postgres cluster in {}", home.display());
            cluster.create(options.durability)?;
        }
        let socket = SocketFolder::make(&home, account)?;
        cluster.configure(options, socket.path())?;
        let pid = cluster.start()?;
        let watchdog = Watchdog::start(&cluster.pid_file(), pid)?;
        let database = options.database.clone();
        Ok(Self { cluster, socket, pid, database, stopped: false, _watchdog: watchdog, _lock: lock })
    }

    /// Returns the URL of a database as `role`; roles have no password here.
    #[must_use]
    pub fn url(&self, role: &str, database: &str) -> String {
        let socket = percent_encode(&self.socket.path().to_string_lossy());
        format!("postgres://{role}@{socket}:{PORT}/{database}")
    }

    /// Returns the URL of a database as the superuser.
    #[must_use]
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(SUPERUSER, database)
    }

    /// Returns the URL of the options' database as the application role.
    #[must_use]
    pub fn app_url(&self) -> String {
        self.url("kamiflow_app", &self.database)
    }

    /// Returns the URL of the options' database as the owner of the schema.
    #[must_use]
    pub fn owner_url(&self) -> String {
        self.url("kamiflow_owner", &self.database)
    }

    /// Returns the folder of the socket, as `psql --host` wants it.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.socket.path()
    }

    /// Returns the process id of the postmaster.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Returns where the server logs.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.cluster.log()
    }

    /// Stops the server and waits until it has ended.
    ///
    /// # Errors
    /// Fails when it does not end within half a minute.
    pub fn stop(mut self) -> Result<(), LocalError> {
        self.stopped = true;
        self.cluster.stop_if_running().map(|_| ())
    }
}

impl Drop for LocalPostgres {
    fn drop(&mut self) {
        if !self.stopped
            && let Err(error) = self.cluster.stop_if_running()
        {
            warn!("Could not stop the private Postgres {}: {error}", self.pid);
        }
    }
}

/// Stops a server that a dead process left in `dir`; the caller holds its lock.
pub(super) fn stop_left_behind(home: &Path) -> Result<(), LocalError> {
    if home.join("data/postmaster.pid").exists() {
        Cluster::find(home, Account::instead_of_root()?)?.stop_if_running()?;
    }
    Ok(())
}

/// A cluster on disk and the programs that fit it.
#[derive(Debug)]
struct Cluster {
    home: PathBuf,
    programs: PostgresPrograms,
    account: Option<Account>,
}

impl Cluster {
    fn find(home: &Path, account: Option<Account>) -> Result<Self, LocalError> {
        let data = home.join("data");
        let version = fs::read_to_string(data.join("PG_VERSION")).ok();
        let programs = binaries::postgres(home, version.as_deref().map(str::trim), &data)?;
        Ok(Self { home: home.to_owned(), programs, account })
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// `initdb` writes this last, so a cluster whose making was interrupted does not count.
    fn exists(&self) -> bool {
        self.home.join("complete").exists()
    }

    fn create(&self, durability: Durability) -> Result<(), LocalError> {
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data).map_err(LocalError::io("remove", &data))?;
        }
        let mut initdb = self.program("initdb");
        initdb.arg("--pgdata").arg(&data).args(["--auth=trust", "--no-locale", "--encoding=UTF8", "--username"]);
        initdb.arg(SUPERUSER);
        if durability == Durability::Throwaway {
            initdb.arg("--no-sync");
        }
        self.run(initdb)?;
        let complete = self.home.join("complete");
        fs::write(&complete, "").map_err(LocalError::io("write", &complete))
    }

    /// Writes all settings anew: a kept cluster then always has those of this version.
    fn configure(&self, options: &PostgresOptions, socket: &Path) -> Result<(), LocalError> {
        let durability = match options.durability {
            Durability::Durable => "",
            // synchronous_commit stays on: tests kill backends, which restarts the cluster, and
            // what was committed must be in the operating system's hands by then.
            Durability::Throwaway => {
                "fsync = off\nfull_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\n\
                 max_wal_size = 2GB\ncheckpoint_timeout = 30min\n"
            }
        };
        let settings = format!(
            "listen_addresses = ''\nport = {PORT}\nunix_socket_directories = '{}'\n\
             unix_socket_permissions = 0700\nmax_connections = {}\nshared_buffers = 128MB\n\
             timezone = 'UTC'\nlog_timezone = 'UTC'\ndatestyle = 'iso, ymd'\nlc_messages = 'C'\n\
             default_text_search_config = 'pg_catalog.simple'\nlog_line_prefix = '%m [%p] %u@%d '\n{durability}",
            socket.to_string_lossy().replace('\'', "''"),
            options.max_connections,
        );
        // Trust is safe on a socket that only this server's user and root can reach.
        for (name, text) in [("postgresql.conf", settings.as_str()), ("pg_hba.conf", "local all all trust\n")] {
            let path = self.data().join(name);
            fs::write(&path, text).map_err(LocalError::io("write", &path))?;
        }
        Ok(())
    }

    fn start(&self) -> Result<i32, LocalError> {
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.arg("start").arg("--wait").arg(format!("--timeout={START_SECONDS}"));
        pg_ctl.arg("--pgdata").arg(self.data()).arg("--log").arg(self.log());
        self.run(pg_ctl)?;
        let path = self.pid_file();
        let text = fs::read_to_string(&path).map_err(LocalError::io("read", &path))?;
        text.lines().next().and_then(|line| line.trim().parse().ok()).ok_or_else(|| LocalError::Late {
            server: "Postgres",
            action: "write its process id",
            seconds: START_SECONDS,
            log: folder::log_tail(&self.log()),
        })
    }

    /// Returns whether there was something to stop. Clients are disconnected, not waited for.
    fn stop_if_running(&self) -> Result<bool, LocalError> {
        if !self.pid_file().exists() {
            return Ok(false);
        }
        let mut status = self.program("pg_ctl");
        status.arg("status").arg("--pgdata").arg(self.data()).stdout(Stdio::null()).stderr(Stdio::null());
        let path = self.programs.path("pg_ctl");
        if !status.status().map_err(LocalError::io("run", &path))?.success() {
            return Ok(false);
        }
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "--wait", "--timeout=30", "--mode=fast", "--pgdata"]).arg(self.data());
        self.run(stop)?;
        Ok(true)
    }

    /// Prepares a program that runs as the cluster's user, in a folder that user can enter.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.path(name));
        command.current_dir(&self.home).stdin(Stdio::null());
        // A user's own PGDATA, PGPORT, … must not reach this server.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("PG") {
                command.env_remove(variable);
            }
        }
        if let Some(account) = self.account {
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        // Ctrl-C in the terminal reaches us; when and how the server stops is ours to say.
        command.process_group(0);
        command
    }

    fn run(&self, mut command: Command) -> Result<(), LocalError> {
        let program = PathBuf::from(command.get_program());
        let output = command.output().map_err(LocalError::io("run", &program))?;
        if output.status.success() {
            return Ok(());
        }
        let printed = [output.stdout, output.stderr].concat();
        Err(LocalError::Failed {
            program: program.display().to_string(),
            status: output.status.to_string(),
            output: format!("{}\n{}", String::from_utf8_lossy(&printed).trim(), folder::log_tail(&self.log())),
        })
    }
}

/// Encodes a path as a part of a URL: as its host, which is how client libraries take socket folders, or a parameter.
pub(crate) fn percent_encode(path: &str) -> String {
    path.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}
