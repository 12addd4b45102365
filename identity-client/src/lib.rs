//! A typed async client for managed agent-identity platforms: API keys and access tokens from a vault to a handler.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "agentbase"),
    expect(dead_code, reason = "what serves the platforms, when none is compiled in")
)]

// Expansions of the attributes name this crate, in its own tests and examples too.
extern crate self as identity_client;

mod audit;
mod authorization_url;
mod binding;
mod cache;
mod client;
mod clock;
mod configured;
mod consent;
mod context;
mod credential;
mod credential_request;
mod env;
mod error;
mod flight;
mod flow_lookup;
mod gate;
mod inject;
mod lru;
mod name;
mod need;
mod platform;
mod poll;
mod principal;
mod request;
mod retry;
mod token_source;
mod transport;
mod waiting;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(feature = "agentbase")]
pub mod agentbase;

pub use audit::{AuditSink, Bound, JsonLinesAudit, Outcome, Receipt, Source, TracingAudit};
pub use binding::{BindingRefusal, Confirmed, Departure, SessionBinding};
pub use client::{IdentityClient, IdentityClientBuilder, Requestable};
pub use clock::{Clock, Moment, SystemClock};
pub use consent::{
    Acquired, AsyncPrompt, DEFAULT_CONSENT_TIMEOUT, PendingAuthorization, PendingParts, Polled, Prompt, PromptError,
    PromptOutcome, PromptResult, SyncPrompt, Wait,
};
pub use context::RequestContext;
pub use credential::{AccessToken, ApiKey, CredentialKind, CredentialRef, OutgoingRequest};
pub use credential_request::{ConsentOptions, CredentialRequest, Flow};
pub use env::Environment;
pub use error::{BuildError, Error, ErrorKind};
#[cfg(feature = "macros")]
pub use identity_macros::{requires_access_token, requires_api_key};
pub use inject::{FromAccessToken, FromApiKey, FromCredentialError};
pub use name::{AgentIdentityName, ProviderName, Scope};
pub use platform::{Capabilities, Description, Issued, Platform};
pub use principal::{Principal, User};
pub use request::{AccessTokenRequest, ApiKeyRequest, Request, ResumeRequest};
pub use retry::RetryPolicy;
pub use secrecy::SecretString;
pub use token_source::TokenSource;
pub use transport::HttpOptions;
