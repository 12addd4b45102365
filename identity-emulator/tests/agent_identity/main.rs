//! The dialect of Alibaba Cloud Agent Identity over real connections, by a client that shares nothing with it.

// Always true here; it tells the linter that helpers are test code, too, in which a failure may panic.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;

mod object_store;
mod outbound;
mod replay;
mod signature;
#[path = "../common/signed.rs"]
mod signed;
mod support;
mod users;
