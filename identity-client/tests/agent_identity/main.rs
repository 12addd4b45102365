//! Agent Identity over real loopback HTTP: recorded traffic, the caller's keys, workload tokens and roles, consent, and the
//! weaknesses of the vendor's SDK that could be ours.

#![cfg(feature = "agent-identity")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking, and is read as a whole"
)]

mod applications;
#[path = "../common/captured.rs"]
mod captured;
mod configuration;
mod consent;
mod keys;
#[expect(dead_code, reason = "shared with tests that need more of it")]
#[path = "../common/loopback.rs"]
mod loopback;
mod ram;
mod secrets;
mod support;
mod weaknesses;
mod wire;
