//! Programs of `peers/` that come from npm: installed below the target directory, started by a test and ended with it.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::Mutex,
    time::timeout,
};

use crate::Anything;

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
const FILES: [&str; 3] = ["package.json", "package-lock.json", "server.mjs"];

/// A running program. It ends with the test: by id when it is dropped, by itself when its standard input closes.
#[derive(Debug)]
pub struct NpmPeer {
    _process: Child,
}

impl NpmPeer {
    /// Starts `server.mjs` of this folder of `peers/`, and hands out the line with which it says that it is ready. `target` is
    /// a folder below the target directory.
    ///
    /// # Errors
    /// If it cannot be installed or does not start.
    pub async fn start(peer: &str, target: &Path, options: &[&str]) -> Result<(Self, String), Anything> {
        let mut process = Command::new("node")
            .arg("server.mjs")
            .args(options)
            .current_dir(installed(peer, target).await?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("node does not start ({error}); see peers/README.md"))?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no standard output")?).lines();
        let ready = timeout(Duration::from_secs(30), lines.next_line()).await??;
        Ok((Self { _process: process }, ready.ok_or_else(|| format!("{peer} ended at once"))?))
    }
}

/// Where it is installed: once for each state of its files.
async fn installed(peer: &str, target: &Path) -> Result<PathBuf, Anything> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let source = Path::new(PEERS).join(peer);
    let mut hasher = DefaultHasher::new();
    for file in FILES {
        fs::read(source.join(file))?.hash(&mut hasher);
    }
    let folder = target.join(format!("{peer}-{:016x}", hasher.finish()));
    if folder.is_dir() {
        return Ok(folder);
    }
    let fresh = tempfile::tempdir_in(target)?;
    for file in FILES {
        fs::copy(source.join(file), fresh.path().join(file))?;
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(fresh.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status();
    let status = timeout(Duration::from_secs(180), npm).await??;
    if !status.success() {
        return Err(format!("npm ci: {status}; see peers/README.md").into());
    }
    match fs::rename(fresh.path(), &folder) {
        // Another process of these tests was faster.
        Err(error) if !folder.is_dir() => {
            Err(io::Error::other(format!("cannot keep the installation: {error}")).into())
        }
        _ => Ok(folder),
    }
}
