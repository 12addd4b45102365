//! The client above a platform: cache, flights, consent, principals, receipts, secrets. The platform is a fake that counts.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking, and is read as a whole"
)]

mod binding;
mod cache;
#[path = "../common/captured.rs"]
mod captured;
mod consent;
mod principals;
mod rejection;
mod runtimes;
mod secrets;
mod support;
#[cfg(feature = "macros")]
mod together;
mod union;
