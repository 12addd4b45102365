#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! [`Emulator`] starts one. A test scripts the person with [`Human`] and the network with [`Fault`], and looks at [`Counters`],
//! [`RecordedRequest`] and [`AuditEntry`]. [`oauth`] and [`provider`] are the OAuth2 engine and the built-in provider on their own.

mod agentbase;
mod audit;
mod builder;
mod clock;
mod core;
mod counters;
mod emulator;
mod environment;
mod error;
mod faults;
mod gate;
mod html;
mod human;
mod listener;
pub mod oauth;
mod operation;
mod overview;
pub mod provider;
mod random;
mod recorder;
mod seed;
mod vault;

pub use audit::{AuditEntry, AuditOutcome};
pub use builder::EmulatorBuilder;
pub use counters::Counters;
pub use emulator::{AgentBaseHandle, Emulator, ProviderHandle};
pub use error::EmulatorError;
pub use faults::{Fault, Faults};
pub use human::{Human, ParseHumanError};
pub use recorder::{RecordedBody, RecordedRequest};
pub use seed::{Seed, SeedError};
pub use vault::VaultError;
