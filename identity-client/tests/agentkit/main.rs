//! Agent Identity over real loopback HTTP: recorded traffic, keys and roles, workload tokens, consent, management.

#![cfg(feature = "agentkit")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking, and is read as a whole"
)]

#[path = "../common/captured.rs"]
mod captured;
mod configuration;
mod consent;
mod keys;
#[path = "../common/loopback.rs"]
mod loopback;
mod management;
mod registration;
mod secrets;
mod support;
mod troubles;
mod user_data;
mod wire;
mod workload;
