//! An example, run as a program with nobody at the keyboard.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

pub(crate) type Anything = Box<dyn std::error::Error>;

pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// `cargo test` builds the examples beside the tests.
pub(crate) fn program(name: &str) -> Result<PathBuf, Anything> {
    let test = std::env::current_exe()?;
    let program = test.ancestors().nth(2).ok_or("a test lies in a folder")?.join("examples").join(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("{} is missing; run `cargo build -p identity-examples --examples` first", program.display()).into())
}

/// Runs an example where no configuration of a platform reaches it.
pub(crate) async fn run(name: &str, arguments: &[&str]) -> Result<Output, Anything> {
    let folder = tempfile::tempdir()?;
    let mut example = Command::new(program(name)?);
    example.args(arguments).env_clear().current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    Ok(timeout(LONGEST, example.output()).await??)
}

/// The example succeeds and its output has these lines in this order; a line is given by how it begins.
pub(crate) async fn tells(name: &str, arguments: &[&str], story: &[&str]) -> Result<String, Anything> {
    let output = run(name, arguments).await?;
    let (told, complaint) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{}: {told}{complaint}", output.status);
    let mut lines = told.lines();
    for expected in story {
        assert!(lines.any(|line| line.starts_with(expected)), "no line `{expected}…` in its place in:\n{told}");
    }
    assert!(!told.contains("unexpected"), "{told}");
    Ok(told)
}
