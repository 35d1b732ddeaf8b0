//! The folder of a server: its lock, its owner, and a socket path that is short enough.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User};

use super::error::LocalError;

/// Where clusters live that their own user could not reach otherwise; only root may create there,
/// so nobody can put something in their place.
const REFUGE: &str = "/var/lib/kamiflow";

/// `sockaddr_un` holds 107 bytes; this leaves room for the longest file name of either server.
const LONGEST_SOCKET_FOLDER: usize = 80;

/// The user a server runs as instead of root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

impl Account {
    /// Returns `None` when this process is not root and servers simply run as it does.
    pub(super) fn instead_of_root() -> Result<Option<Self>, LocalError> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            let user = User::from_name(name)
                .map_err(|source| LocalError::System { action: "look up the user postgres", source })?;
            if let Some(user) = user {
                return Ok(Some(Self { uid: user.uid, gid: user.gid }));
            }
        }
        Err(LocalError::NoAccount)
    }

    /// Gives a file to this user.
    pub(super) fn own(self, path: &Path) -> Result<(), LocalError> {
        chown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
            .map_err(LocalError::io("change the owner of", path))
    }

    /// Returns whether this user may walk through every folder above `dir`.
    fn can_reach(self, dir: &Path) -> bool {
        dir.ancestors().skip(1).all(|folder| {
            fs::metadata(folder).is_ok_and(|meta| {
                let mode = meta.mode();
                mode & 0o001 != 0 || (meta.uid() == self.uid.as_raw() && mode & 0o100 != 0)
            })
        })
    }
}

/// Creates `dir` and returns where the server's files go: there, or where its user can reach them.
pub(super) fn prepare(dir: &Path, account: Option<Account>) -> Result<PathBuf, LocalError> {
    fs::create_dir_all(dir).map_err(LocalError::io("create", dir))?;
    let dir = dir.canonicalize().map_err(LocalError::io("find", dir))?;
    let Some(account) = account else { return Ok(dir) };
    let home = location(&dir, account);
    fs::create_dir_all(&home).map_err(LocalError::io("create", &home))?;
    account.own(&home)?;
    Ok(home)
}

/// Returns where [`prepare`] puts the files of `dir`, without creating anything; `None` if it does
/// not exist.
pub(super) fn find(dir: &Path, account: Option<Account>) -> Option<PathBuf> {
    let dir = dir.canonicalize().ok()?;
    Some(account.map_or_else(|| dir.clone(), |account| location(&dir, account)))
}

/// `dir` itself, or a folder in the refuge named after it.
fn location(dir: &Path, account: Account) -> PathBuf {
    if account.can_reach(dir) {
        return dir.to_owned();
    }
    let name = dir.to_string_lossy().trim_matches('/').replace('/', "-");
    // The end of a long path is what tells two of them apart; file names have 255 bytes.
    let start = name.char_indices().rev().map(|(at, _)| at).take_while(|at| name.len() - at <= 200).last();
    Path::new(REFUGE).join(name.get(start.unwrap_or(0)..).unwrap_or(&name))
}

/// The exclusive use of a folder; ends when dropped, or with the process.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl Lock {
    /// Takes the lock or tells who holds it.
    pub(super) fn take(home: &Path) -> Result<Self, LocalError> {
        let path = home.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(LocalError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.is_empty() { "(starting)".to_owned() } else { holder };
                return Err(LocalError::Busy { dir: home.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(LocalError::io("lock", &path)(source)),
        }
        file.set_len(0).map_err(LocalError::io("write", &path))?;
        write!(file, "{}", std::process::id()).map_err(LocalError::io("write", &path))?;
        Ok(Self(file))
    }
}

/// A folder for a socket that only the server's user (and root) can enter.
#[derive(Debug)]
pub(super) struct SocketFolder {
    path: PathBuf,
    /// Whether it lies outside of the server's folder and goes with the server.
    elsewhere: bool,
}

impl SocketFolder {
    /// Makes `home/run`, or a folder with a short name where that path is too long for a socket.
    pub(super) fn make(home: &Path, account: Option<Account>) -> Result<Self, LocalError> {
        let inside = home.join("run");
        let folder = if inside.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
            if !inside.is_dir() {
                private_folder(&inside)?;
            }
            Self { path: inside, elsewhere: false }
        } else {
            Self { path: short_folder()?, elsewhere: true }
        };
        if let Some(account) = account {
            account.own(&folder.path)?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFolder {
    fn drop(&mut self) {
        if self.elsewhere {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn private_folder(path: &Path) -> Result<(), LocalError> {
    DirBuilder::new().mode(0o700).create(path).map_err(LocalError::io("create", path))
}

/// Creating fails if the name is taken, so a folder that somebody else prepared is never used.
fn short_folder() -> Result<PathBuf, LocalError> {
    let mut number = 0_u32;
    loop {
        let path = std::env::temp_dir().join(format!("kamiflow-{}-{number}", std::process::id()));
        match private_folder(&path) {
            Ok(()) => return Ok(path),
            Err(LocalError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Returns the last lines of a log, for error messages.
pub(super) fn log_tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
