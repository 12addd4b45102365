//! Why an emulator could not be started.

use std::io;
use std::net::SocketAddr;

use crate::oauth::OAuthFailure;
use crate::seed::SeedError;
use crate::vault::VaultError;

/// Why an emulator could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The address is not on loopback. The emulator hands out credentials in clear and must not be reachable from elsewhere.
    #[error("{address} is not a loopback address; listen on 127.0.0.1 or [::1]")]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on; most likely another program does.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory or its key cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The seed cannot be used.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The OAuth2 engine or the built-in provider cannot be set up.
    #[error("the OAuth2 side cannot be set up: {0}")]
    OAuth(#[from] OAuthFailure),
    /// A step of IDaaS could not be done.
    #[error("IDaaS: {problem}")]
    Idaas {
        /// Why.
        problem: String,
    },
    /// No HTTP client can be set up for the scripted human.
    #[error("no HTTP client can be set up on this machine")]
    HttpClient,
}
