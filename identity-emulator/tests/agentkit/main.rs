//! The dialect of AgentKit over real connections, by a client that shares nothing with it.

// Always true here; it tells the linter that helpers are test code, too, in which a failure may panic.
#![cfg(test)]

mod binding;
#[path = "../common/mod.rs"]
mod common;
mod management;
mod outbound;
mod replay;
mod signature;
#[path = "../common/signed.rs"]
mod signed;
mod support;
mod user_pool;
