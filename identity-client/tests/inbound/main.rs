//! Who is calling: forged tokens, and issuers that misbehave.

#![cfg(all(feature = "inbound", feature = "agentbase"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking, and is read as a whole"
)]

mod building;
mod corpus;
mod generate;
mod issuer;
mod keys;
mod login;
mod properties;
mod refusals;
#[expect(dead_code, reason = "the loopback server and the clock of the tests of AgentBase; not the rest")]
#[path = "../agentbase/support.rs"]
mod support;
