//! The vault on disk: one encrypted file, replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use super::crypto::{Key, Unopened};
use super::records::State;
use super::{VaultError, key_file};

const SNAPSHOT: &str = "vault.snapshot";
const TEMPORARY: &str = "vault.snapshot.new";
const LOCK: &str = "lock";

/// A data directory, held by this process alone while the value lives.
pub(super) struct Snapshot {
    directory: PathBuf,
    handle: File,
    key: Key,
    _lock: File,
}

impl Snapshot {
    /// Opens or makes the directory, takes its lock, and reads what is there. Nothing is written over before it was understood.
    pub(super) fn open(directory: &Path, key_path: &Path) -> Result<(Self, Option<State>), VaultError> {
        let failed = |error| VaultError::file("open the data directory", directory, error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let directory = directory.canonicalize().map_err(failed)?;
        let handle = File::open(&directory).map_err(failed)?;
        let lock = take_lock(&directory)?;
        let path = directory.join(SNAPSHOT);
        let bytes = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(VaultError::file("read the snapshot", &path, error)),
        };
        let key = key_file::load(key_path, &directory, bytes.is_some())?;
        let state = bytes.map(|bytes| understand(&bytes, &key, &path, key_path)).transpose()?;
        Ok((Self { directory, handle, key, _lock: lock }, state))
    }

    /// Replaces the snapshot. When this returns the state survives a crash of process or machine; when it fails or the
    /// process dies on the way, the one before does.
    pub(super) fn write(&self, state: &State) -> Result<(), VaultError> {
        let temporary = self.directory.join(TEMPORARY);
        let failed = |error| VaultError::file("write the snapshot", &temporary, error);
        let content = Zeroizing::new(serde_json::to_vec(state).map_err(|error| failed(error.into()))?);
        let sealed = self.key.seal(&content).ok_or_else(|| failed(io::ErrorKind::FileTooLarge.into()))?;
        // Left over from a crash, perhaps with other permissions.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(failed)?;
        file.write_all(&sealed).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&temporary, self.directory.join(SNAPSHOT)).map_err(failed)?;
        // The rename itself is durable only once the directory is.
        self.handle.sync_all().map_err(failed)
    }
}

fn take_lock(directory: &Path) -> Result<File, VaultError> {
    let path = directory.join(LOCK);
    let failed = |error| VaultError::file("open the lock file", &path, error);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(VaultError::InUse { path: directory.to_owned() }),
        Err(error) => Err(failed(error.into())),
    }
}

fn understand(bytes: &[u8], key: &Key, path: &Path, key_path: &Path) -> Result<State, VaultError> {
    let content = key.open(bytes).map_err(|unopened| match unopened {
        Unopened::Foreign => VaultError::SnapshotForeign { path: path.to_owned() },
        Unopened::Refused => VaultError::SnapshotRefused { path: path.to_owned(), key: key_path.to_owned() },
    })?;
    // The error of the parser may quote content: it is dropped.
    serde_json::from_slice(&content).map_err(|_| VaultError::SnapshotForeign { path: path.to_owned() })
}
