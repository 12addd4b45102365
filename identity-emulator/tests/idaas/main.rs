//! The dialect of IDaaS over real connections, by a client that shares nothing with it.

// Always true here; it tells the linter that helpers are test code, too, in which a failure may panic.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;
mod consent;
mod developer;
mod exchange;
mod federation;
mod methods;
mod replay;
mod support;
