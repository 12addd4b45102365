//! The OAuth2 engine: how the emulated platform talks to a registered outside provider, for real.
//!
//! A platform of this kind keeps the client id and secret that somebody registered at an outside provider and runs the
//! grants of RFC 6749 with them: client credentials for the agent itself, authorization code with PKCE (RFC 7636) for a
//! user, refresh for both. Everything here is bounded: 5 s to connect, 15 s in all, 256 KiB of answer, no redirect is
//! followed, nothing is sent in clear except on loopback.

mod authorization;
mod client_authentication;
mod dynamic;
mod engine;
mod failure;
mod grant;
mod pkce;
mod registration;
mod scope;

pub use authorization::AuthorizationStart;
pub use engine::OAuthEngine;
pub use failure::OAuthFailure;
pub use grant::TokenGrant;
pub use registration::ProviderRegistration;

pub(crate) use engine::TOKEN_EXCHANGE;
#[cfg(test)]
pub(crate) use engine::client_for_tests;
pub(crate) use pkce::{challenge_of, random_token};
pub(crate) use registration::is_usable;
pub(crate) use scope::is_scope_token;
