//! What can go wrong with a data directory.

use std::io;
use std::path::{Path, PathBuf};

/// Why a data directory or its key could not be used. Nothing was overwritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The key file is missing although there is a snapshot that it has to open.
    #[error(
        "the data directory is encrypted with a key that is not at {path}; put the key file back, name it with \
         IDENTITY_EMULATOR_KEY_FILE, or start with an empty data directory"
    )]
    KeyMissing {
        /// Where the key was looked for.
        path: PathBuf,
    },
    /// The key file lies inside the data directory, where it would protect nothing.
    #[error("the key file {path} lies inside the data directory; keep it elsewhere (IDENTITY_EMULATOR_KEY_FILE)")]
    KeyInsideDataDirectory {
        /// The key file.
        path: PathBuf,
    },
    /// Other users of the machine could read the key.
    #[error("the key file {path} has mode {mode:04o}, so others can read it; run: chmod 600 {path}")]
    KeyReadableByOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file does not hold a key.
    #[error("the key file {path} does not hold 32 bytes in base64; put the right file there")]
    KeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// Neither `IDENTITY_EMULATOR_KEY_FILE` nor a home directory is known.
    #[error("no place for the key of the data directory: set IDENTITY_EMULATOR_KEY_FILE or HOME")]
    KeyHomeless,
    /// The key does not open the snapshot, or the snapshot is damaged.
    #[error(
        "the key in {key} does not open {path}: it is another directory's key, or the file is damaged; name the right \
         key with IDENTITY_EMULATOR_KEY_FILE"
    )]
    SnapshotRefused {
        /// The snapshot.
        path: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The file is not a snapshot that this version understands.
    #[error(
        "{path} is not a snapshot that this version understands; use the version that wrote it, or another data directory"
    )]
    SnapshotForeign {
        /// The snapshot.
        path: PathBuf,
    },
    /// Another process uses the data directory.
    #[error("the data directory {path} is in use by another emulator; stop that one or choose another directory")]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The emulator was shut down.
    #[error("the vault is closed: the emulator was shut down")]
    Closed,
}

impl VaultError {
    pub(super) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }
}
