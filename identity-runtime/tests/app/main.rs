//! `AgentApp` over real connections on loopback: the contract of section 8 of the AgentBase notes, and its bounds.

#[expect(dead_code, reason = "shared with tests that need more of it")]
#[path = "../../../identity-client/tests/common/captured.rs"]
mod captured;
mod contract;
mod faults;
mod life;
mod limits;
mod streams;
mod support;
#[cfg(feature = "inbound")]
mod tokens;
mod users;
