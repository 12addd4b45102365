//! Programs for Node, started by a test and ended with it.

use std::{process::Stdio, time::Duration};

use identity_tests::Anything;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// A running program; it ends when this is dropped, and by itself after ten minutes.
pub(crate) struct Node {
    _child: Child,
    /// Its line that says that it is ready.
    ready: Value,
}

impl Node {
    pub(crate) async fn start(program: &str, arguments: &[&str]) -> Result<Self, Anything> {
        let path = format!("{}/peers/faults/{program}", env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new("node")
            .arg(path)
            .args(arguments)
            .args(["--max-seconds", "600"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run node, which these tests need: {error}"))?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await??;
        let ready = serde_json::from_str(&line.ok_or("the program ended before it was ready")?)?;
        Ok(Self { _child: child, ready })
    }

    pub(crate) fn port(&self, field: &str) -> Result<u16, Anything> {
        Ok(u16::try_from(self.ready[field].as_u64().ok_or("no such port")?)?)
    }

    pub(crate) fn text(&self, field: &str) -> Result<&str, Anything> {
        Ok(self.ready[field].as_str().ok_or("no such text")?)
    }

    pub(crate) fn names(&self, field: &str) -> Vec<String> {
        let names = self.ready[field].as_array().into_iter().flatten();
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }
}

/// Speaks to the programs' own control ports.
#[expect(clippy::disallowed_methods, reason = "carries no credential")]
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::new()
}
