//! The key lives apart from what it opens.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::VaultError;
use super::crypto::Key;
use crate::random;

/// A key file holds 45 bytes; anything much longer is something else.
const LONGEST: u64 = 1024;

/// Reads the key at `path`. When there is none it is made, unless `needed` says that it must open an existing snapshot.
pub(super) fn load(path: &Path, data_dir: &Path, needed: bool) -> Result<Key, VaultError> {
    refuse_inside(path, data_dir)?;
    match File::open(path) {
        Ok(file) => read(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound && needed => {
            Err(VaultError::KeyMissing { path: path.to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(VaultError::file("open the key file", path, error)),
    }
}

/// A key beside what it opens protects nothing: whoever copies the directory has both.
fn refuse_inside(path: &Path, data_dir: &Path) -> Result<(), VaultError> {
    let absolute = std::path::absolute(path).map_err(|error| VaultError::file("find the key file", path, error))?;
    let inside = |candidate: &Path| candidate.starts_with(data_dir);
    // The file, its directory, or the nearest ancestor that exists: links must not hide where it really is.
    let real = absolute.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    if inside(&absolute) || real.is_some_and(|real| inside(&real)) {
        return Err(VaultError::KeyInsideDataDirectory { path: path.to_owned() });
    }
    Ok(())
}

fn read(path: &Path, file: File) -> Result<Key, VaultError> {
    let failed = |error| VaultError::file("read the key file", path, error);
    // Asked of the open file, so that it cannot be exchanged in between.
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(VaultError::KeyReadableByOthers { path: path.to_owned(), mode: metadata.mode() & 0o777 });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    Key::from_text(&text).ok_or_else(|| VaultError::KeyMalformed { path: path.to_owned() })
}

/// Writes the whole key under another name first: a second process never reads half of it.
fn create(path: &Path) -> Result<Key, VaultError> {
    let failed = |error| VaultError::file("create the key file", path, error);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let temporary = directory.join(format!(".key-{}", random::uuid()));
    let key = Key::random();
    let written = write(&temporary, &key).and_then(|()| fs::hard_link(&temporary, path));
    // The link, if it was made, keeps the content; a leftover temporary file would keep a key that nobody uses.
    let _ = fs::remove_file(&temporary);
    match written {
        Ok(()) => {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
            tracing::info!(path = %path.display(), "created a key for the data directory; keep it: without it the data is lost");
            Ok(key)
        }
        // Another process was faster: its key counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path, File::open(path).map_err(failed)?),
        Err(error) => Err(failed(error)),
    }
}

fn write(path: &Path, key: &Key) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(key.to_text().as_bytes())?;
    file.sync_all()
}
