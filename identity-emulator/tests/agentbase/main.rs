//! The emulator from outside, over real HTTP on loopback.

// Always true here; it tells the linter that helpers are test code, too, in which a failure may panic.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod human;
mod iam;
mod overview;
mod program;
mod resources;
mod sessions;
mod support;
mod wire;
