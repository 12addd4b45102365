//! The one home of environment variables.

use std::path::PathBuf;

/// An environment variable as a path; set but empty counts as not set.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where the key of a data directory lives: `IDENTITY_EMULATOR_KEY_FILE`, else `identity-emulator/key` under
/// `XDG_CONFIG_HOME`, else under `~/.config`. `None` when not even `HOME` is set.
pub(crate) fn key_file() -> Option<PathBuf> {
    path("IDENTITY_EMULATOR_KEY_FILE").or_else(|| {
        let configuration = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")))?;
        Some(configuration.join("identity-emulator").join("key"))
    })
}
