//! Who is calling: forged tokens, and issuers that misbehave.

#![cfg(feature = "inbound")]
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
#[expect(dead_code, reason = "the tests of the platforms use the rest")]
#[path = "../common/loopback.rs"]
mod loopback;
mod properties;
mod refusals;
