//! AgentBase over real loopback HTTP: recorded traffic, IAM, errors, consent, configuration.

#![cfg(feature = "agentbase")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking, and is read as a whole"
)]

#[expect(dead_code, reason = "shared with tests that need more of it")]
#[path = "../common/captured.rs"]
mod captured;
mod configuration;
mod consent;
mod errors;
mod iam;
#[path = "../common/loopback.rs"]
mod loopback;
mod management;
mod support;
mod wire;
