//! The programs that come with Postgres: `pg_dump`, whose output is ours to write, and `pg_restore`.
//!
//! The URL goes to them as an argument without its password, which goes through the environment: arguments are readable
//! to everybody on the machine.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::files::write_dump;
use super::{BackupError, MakeBackup, Progress, Told};

/// What a program says when it fails is cut to this many characters.
const MOST_TOLD: usize = 600;

/// Runs `pg_dump` on a snapshot and writes what it says; returns the dump's length and sha256.
pub(super) async fn dump(
    request: &MakeBackup,
    snapshot: &str,
    path: PathBuf,
    told: Told<'_>,
) -> Result<(u64, String), BackupError> {
    let mut command = program(&request.pg_dump, request.url.expose());
    command
        .args(["--format=custom", "--enable-row-security", "--no-password", "--lock-wait-timeout=30s"])
        .arg(format!("--snapshot={snapshot}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (protection, name) = (request.protection.clone(), display(&request.pg_dump));
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let writing = tokio::task::spawn_blocking(move || {
        let mut child = Running::start(&mut command, &name)?;
        let said = child.listen();
        let from = child.0.stdout.take().ok_or_else(|| lost(&name))?;
        let written = write_dump(from, &path, &protection, |bytes| {
            let _ = sender.send(bytes);
        });
        child.end(&name, said)?;
        written
    });
    while let Some(bytes) = receiver.recv().await {
        told(Progress::Bytes(bytes));
    }
    writing.await.map_err(|error| BackupError::Damaged(error.to_string()))?
}

/// Feeds a dump to `pg_restore`, which fills an empty database and stops at the first error.
pub(crate) async fn restore_into(
    pg_restore: &Path,
    url: &str,
    mut dump: Box<dyn Read + Send>,
    told: Told<'_>,
) -> Result<(), BackupError> {
    let mut command = program(pg_restore, url);
    command
        .args(["--format=custom", "--exit-on-error", "--no-password"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let name = display(pg_restore);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let feeding = tokio::task::spawn_blocking(move || {
        let mut child = Running::start(&mut command, &name)?;
        let said = child.listen();
        let mut into = child.0.stdin.take().ok_or_else(|| lost(&name))?;
        let mut portion = vec![0; 256 * 1024];
        let fed = loop {
            match dump.read(&mut portion) {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    let _ = sender.send(u64::try_from(read).unwrap_or(0));
                    if let Err(error) = into.write_all(portion.get(..read).unwrap_or_default()) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        drop(into);
        // A program that failed closes its input: what it says is the cause.
        child.end(&name, said)?;
        fed.map_err(|source| BackupError::Program { program: name, source })
    });
    while let Some(bytes) = receiver.recv().await {
        told(Progress::Bytes(bytes));
    }
    feeding.await.map_err(|error| BackupError::Damaged(error.to_string()))?
}

/// A program that does not outlive whoever started it.
struct Running(Child);

type Said = std::thread::JoinHandle<String>;

impl Running {
    fn start(command: &mut Command, name: &str) -> Result<Self, BackupError> {
        let failed = |source| BackupError::Program { program: name.to_owned(), source };
        Ok(Self(command.spawn().map_err(failed)?))
    }

    /// Reads what it complains about, so that it never waits for a reader.
    fn listen(&mut self) -> Option<Said> {
        let mut from = self.0.stderr.take()?;
        Some(std::thread::spawn(move || {
            let mut said = String::new();
            let _ = from.read_to_string(&mut said);
            said
        }))
    }

    fn end(&mut self, name: &str, said: Option<Said>) -> Result<(), BackupError> {
        let status = self.0.wait().map_err(|source| BackupError::Program { program: name.to_owned(), source })?;
        let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let told = said.trim().chars().take(MOST_TOLD).collect::<String>().replace('\n', "; ");
        let told = if told.is_empty() { status.to_string() } else { told };
        Err(BackupError::Failed { program: name.to_owned(), told })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn lost(name: &str) -> BackupError {
    BackupError::Program { program: name.to_owned(), source: io::Error::from(io::ErrorKind::BrokenPipe) }
}

fn display(program: &Path) -> String {
    program.display().to_string()
}

fn program(path: &Path, url: &str) -> Command {
    let mut command = Command::new(path);
    let (url, password) = without_password(url);
    command.arg(format!("--dbname={url}"));
    // Settings of whoever calls must not reach the sessions of a backup.
    command.env_remove("PGOPTIONS").env("PGAPPNAME", "kamiflow-backup").env("LC_ALL", "C.UTF-8");
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    command
}

/// Takes the password out of a URL.
fn without_password(url: &str) -> (String, Option<String>) {
    let whole = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else { return whole() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let Some((user, host)) = authority.rsplit_once('@') else { return whole() };
    let Some((user, password)) = user.split_once(':') else { return whole() };
    (format!("{scheme}://{user}@{host}{behind}"), Some(percent_decoded(password)))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let decoded = digits.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = behind.get(if decoded.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_apart_from_its_url() {
        for (url, plain, password) in [
            ("postgres://u:p%40s@h:1/db?sslmode=disable", "postgres://u@h:1/db?sslmode=disable", Some("p@s")),
            ("postgres://u@h/db", "postgres://u@h/db", None),
            ("postgres://h/db?a=b:c@d", "postgres://h/db?a=b:c@d", None),
            ("postgres://u:@h", "postgres://u@h", Some("")),
        ] {
            assert_eq!(without_password(url), (plain.to_owned(), password.map(str::to_owned)), "{url}");
        }
    }
}
