#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! [`Emulator`] starts one. A test scripts the person with [`Human`] and the network with [`Fault`], and looks at [`Counters`],
//! [`RecordedRequest`] and [`AuditEntry`]. [`oauth`] and [`provider`] are the OAuth2 engine and the built-in provider on their own.

mod access;
mod agent_identity;
mod agentbase;
mod agentkit;
mod audit;
mod bounded;
mod builder;
mod canonical;
mod clock;
mod consent;
mod core;
mod counters;
mod emulator;
mod environment;
mod error;
mod faults;
mod gate;
mod handles;
mod html;
mod human;
mod idaas;
mod listener;
mod naming;
pub mod oauth;
mod object_store;
mod operation;
mod overview;
pub mod provider;
mod random;
mod recorder;
mod returning;
mod seed;
mod signed;
mod tokens;
mod trouble;
mod user;
mod variables;
mod vault;

pub use audit::{AuditEntry, AuditOutcome};
pub use builder::EmulatorBuilder;
pub use counters::Counters;
pub use emulator::Emulator;
pub use error::EmulatorError;
pub use faults::{Fault, Faults};
pub use handles::{AgentBaseHandle, AgentIdentityHandle, AgentKitHandle, IdaasHandle, ProviderHandle, RoleSession};
pub use human::{Human, ParseHumanError};
pub use recorder::{RecordedBody, RecordedRequest};
pub use seed::{Seed, SeedError};
pub use vault::VaultError;
