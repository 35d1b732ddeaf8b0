//! The files of a backup: readable by their owner only, encrypted on the way to the disk, complete or not there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::stream::StreamWriter;
use age::{Decryptor, Encryptor, IdentityFile, Recipient};
use kamiflow_kernel::SecretText;
use sha2::{Digest as _, Sha256};

use super::{BackupError, DumpFile, Progress, Told};

/// Bytes moved at once.
const PORTION: usize = 256 * 1024;

/// Who will be able to read a dump.
#[derive(Debug, Clone)]
pub enum Protection {
    /// Whoever has the file.
    None,
    /// Whoever knows it.
    Passphrase(SecretText),
    /// The holders of the identities to these recipients (`age1…`).
    Recipients(Vec<String>),
}

impl Protection {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Passphrase(_) => "passphrase",
            Self::Recipients(_) => "recipients",
        }
    }

    pub(super) const fn file_name(&self) -> &'static str {
        match self {
            Self::None => "dump.pgc",
            Self::Passphrase(_) | Self::Recipients(_) => "dump.pgc.age",
        }
    }

    fn encryptor(&self) -> Result<Option<Encryptor>, BackupError> {
        match self {
            Self::None => Ok(None),
            Self::Passphrase(passphrase) => {
                Ok(Some(Encryptor::with_user_passphrase(SecretString::from(passphrase.expose().to_owned()))))
            }
            Self::Recipients(texts) => {
                let recipients = texts
                    .iter()
                    .map(|text| text.parse::<age::x25519::Recipient>())
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|why| BackupError::Key(format!("a recipient is not usable: {why}")))?;
                Encryptor::with_recipients(recipients.iter().map(|one| -> &dyn Recipient { one }))
                    .map(Some)
                    .map_err(|why| BackupError::Key(format!("the recipients are not usable: {why}")))
            }
        }
    }
}

/// What opens an encrypted dump.
#[derive(Debug, Clone, Default)]
pub struct Unlock {
    /// The passphrase.
    pub passphrase: Option<SecretText>,
    /// A file with identities, as `age-keygen` writes it.
    pub identity_file: Option<PathBuf>,
}

/// A folder that has its final name only when it is complete; dropped before, it is removed.
pub(crate) struct PartialFolder {
    path: PathBuf,
    complete: PathBuf,
    keep: bool,
}

impl PartialFolder {
    pub(super) fn create(parent: &Path, name: &str) -> Result<Self, BackupError> {
        let (path, complete) = (parent.join(format!("{name}.partial")), parent.join(name));
        if complete.exists() {
            let there = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(BackupError::File { path: complete, source: there });
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(BackupError::file(&path))?;
        Ok(Self { path, complete, keep: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file and waits until it is on the disk.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<(), BackupError> {
        let path = self.path.join(name);
        let mut file = create(&path)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(BackupError::file(&path))
    }

    /// Gives the folder its name.
    pub(super) fn complete(mut self) -> Result<PathBuf, BackupError> {
        let sync = |path: &Path| File::open(path).and_then(|folder| folder.sync_all());
        sync(&self.path).map_err(BackupError::file(&self.path))?;
        fs::rename(&self.path, &self.complete).map_err(BackupError::file(&self.complete))?;
        self.keep = true;
        if let Some(parent) = self.complete.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent).map_err(BackupError::file(parent))?;
        }
        Ok(self.complete.clone())
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn create(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(BackupError::file(path))
}

enum Sink {
    Plain(BufWriter<File>),
    Sealed(StreamWriter<BufWriter<File>>),
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Sealed(file) => file.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Sealed(file) => file.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Writes what a program says into a new file; returns its length and sha256 before encryption.
pub(super) fn write_dump(
    mut from: impl Read,
    path: &Path,
    protection: &Protection,
    told: impl Fn(u64),
) -> Result<(u64, String), BackupError> {
    let encryptor = protection.encryptor()?;
    let file = BufWriter::new(create(path)?);
    let mut sink = match encryptor {
        None => Sink::Plain(file),
        Some(encryptor) => Sink::Sealed(encryptor.wrap_output(file).map_err(BackupError::file(path))?),
    };
    let (mut digest, mut total) = (Sha256::new(), 0);
    let mut portion = vec![0; PORTION];
    loop {
        let read = from.read(&mut portion).map_err(BackupError::file(path))?;
        let bytes = portion.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        digest.update(bytes);
        sink.write(bytes).map_err(BackupError::file(path))?;
        let read = u64::try_from(read).unwrap_or(0);
        total += read;
        told(read);
    }
    sink.finish().map_err(BackupError::file(path))?;
    Ok((total, hex(&digest.finalize())))
}

/// Opens a dump for reading, decrypted.
pub(crate) fn open_dump(folder: &Path, dump: &DumpFile, unlock: &Unlock) -> Result<Box<dyn Read + Send>, BackupError> {
    let path = folder.join(&dump.name);
    let file = BufReader::new(File::open(&path).map_err(BackupError::file(&path))?);
    let wrong = |why: age::DecryptError| BackupError::Key(format!("the dump cannot be decrypted: {why}"));
    match dump.encryption.as_str() {
        "none" => Ok(Box::new(file)),
        "passphrase" => {
            let missing = || BackupError::Key("the dump is encrypted with a passphrase: give it".to_owned());
            let passphrase = unlock.passphrase.as_ref().ok_or_else(missing)?;
            let scrypt = age::scrypt::Identity::new(SecretString::from(passphrase.expose().to_owned()));
            let identity: &dyn age::Identity = &scrypt;
            let decryptor = Decryptor::new(file).map_err(wrong)?;
            Ok(Box::new(decryptor.decrypt(std::iter::once(identity)).map_err(wrong)?))
        }
        "recipients" => {
            let missing =
                || BackupError::Key("the dump is encrypted for a recipient: give the identity file".to_owned());
            let path = unlock.identity_file.as_ref().ok_or_else(missing)?;
            let identities = IdentityFile::from_file(path.display().to_string())
                .map_err(BackupError::file(path))?
                .into_identities()
                .map_err(|why| BackupError::Key(format!("{}: {why}", path.display())))?;
            let decryptor = Decryptor::new(file).map_err(wrong)?;
            let identities = identities.iter().map(|one| -> &dyn age::Identity { one.as_ref() });
            Ok(Box::new(decryptor.decrypt(identities).map_err(wrong)?))
        }
        other => Err(BackupError::Damaged(format!("it is encrypted by `{other}`, which this program does not know"))),
    }
}

/// Reads a whole dump and compares it with its manifest.
pub(crate) async fn check_dump(
    folder: &Path,
    dump: &DumpFile,
    unlock: &Unlock,
    told: Told<'_>,
) -> Result<(), BackupError> {
    let (folder, dump, unlock) = (folder.to_owned(), dump.clone(), unlock.clone());
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let checking = tokio::task::spawn_blocking(move || {
        compare(&folder, &dump, &unlock, |bytes| {
            let _ = sender.send(bytes);
        })
    });
    while let Some(bytes) = receiver.recv().await {
        told(Progress::Bytes(bytes));
    }
    checking.await.map_err(|error| BackupError::Damaged(error.to_string()))?
}

fn compare(folder: &Path, dump: &DumpFile, unlock: &Unlock, told: impl Fn(u64)) -> Result<(), BackupError> {
    let path = folder.join(&dump.name);
    let mut reader = open_dump(folder, dump, unlock)?;
    let (mut digest, mut total) = (Sha256::new(), 0_u64);
    let mut portion = vec![0; PORTION];
    loop {
        let read = match reader.read(&mut portion) {
            Ok(read) => read,
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                return Err(BackupError::Damaged("its dump was changed or cut off".to_owned()));
            }
            Err(error) => return Err(BackupError::File { path, source: error }),
        };
        let bytes = portion.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        digest.update(bytes);
        let read = u64::try_from(read).unwrap_or(0);
        total += read;
        told(read);
    }
    if total != dump.bytes || hex(&digest.finalize()) != dump.sha256 {
        return Err(BackupError::Damaged("its dump is not the one its manifest describes".to_owned()));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
