//! Managed agent-identity platforms on one's own machine: the real wire format, no account, no network.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), identity_emulator::EmulatorError> {
//! use identity_emulator::{Emulator, Human};
//!
//! let emulator = Emulator::builder().with_human(Human::Approve).start().await?;
//! let agentbase = emulator.agentbase();
//! println!("identity API at {}, tokens at {}", agentbase.identity_url(), agentbase.token_url());
//! // … point a client at it …
//! assert_eq!(emulator.counters().count("get_api_key_for_agent_identity"), 0);
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Behind every dialect there is one vault (in memory, or encrypted in a data directory) and one OAuth2 engine that really talks
//! to the registered provider; a small built-in provider serves for offline use. A test scripts the person with [`Human`] and the network with [`Fault`],
//! and looks at [`Counters`], [`RecordedRequest`] and [`AuditEntry`].
//!
//! Only loopback is served, in clear: nothing here is meant for a network.

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
mod human;
mod listener;
pub mod oauth;
mod operation;
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
