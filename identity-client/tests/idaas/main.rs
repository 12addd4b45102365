//! IDaaS over real loopback HTTP: recorded traffic, authentication, tokens, users, consent, configuration.

#![cfg(feature = "idaas")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking, and is read as a whole"
)]

mod assertions;
mod authentication;
#[path = "../common/captured.rs"]
mod captured;
mod configuration;
mod consent;
#[path = "../common/loopback.rs"]
mod loopback;
mod operations;
mod secrets;
mod standards;
mod support;
mod tokens;
mod users;
mod wire;
