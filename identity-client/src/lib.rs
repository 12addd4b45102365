//! A typed async client for managed agent-identity platforms: API keys and access tokens from a vault to a handler.
//!
//! ```
//! use identity_client::{ApiKey, Error, requires_api_key};
//!
//! #[requires_api_key(provider_name = "openai-key")]
//! async fn answer(question: &str, api_key: ApiKey) -> Result<String, Error> {
//!     Ok(format!("answered {question} with a key of {} characters", api_key.expose_secret().len()))
//! }
//!
//! async fn run() -> Result<(), Error> {
//!     println!("{}", answer("how are you?").await?);
//!     Ok(())
//! }
//! ```
//!
//! Start with the attributes [`requires_api_key`], [`requires_access_token`], [`requires_sts_credentials`] and
//! [`requires_workload_token`], or with [`IdentityClient`], which they ask.
//! [`RequestContext`] says for which user a request runs, [`Error`] what went wrong and what to do, and a [`Platform`] is what the
//! client stands on: [`agentbase::AgentBase`], or one of your own.
//!
//! # Configuration
//! The attributes use the client of their `client = ..`, else that of the request's context, else the one that
//! [`IdentityClient::install`] made the process's, else one that [`IdentityClient::from_env`] builds at the first call. Call
//! `IdentityClient::from_env()?.install()?` at start-up to hear of a broken configuration there. Which variables and files are read is
//! said by the module of each platform: [`agentbase`], `agentkit`, `agent_identity`, `idaas`. Tests give a client to the
//! [`RequestContext`], built with [`Environment::of`] the variables of an emulator (the crate `identity-emulator`).
//!
//! # What a client does for each request
//! Names, scopes and combinations are checked before anything is sent. A credential that is in memory and good is handed out;
//! one that is ageing is handed out and renewed in the background; else the platform is asked once, however many wait, and all of
//! them get its answer or its error. When a user must agree first, the user is told once and one poller waits for
//! everybody. Nothing that asks for a credential creates anything on the platform.
//!
//! # Spans and events
//! Everything is emitted through `tracing`; nothing is installed. No field ever holds a secret, a body, an authorization URL or a
//! user's id.
//!
//! | span, level DEBUG | fields |
//! | --- | --- |
//! | `identity_client.acquire`: a request that the cache could not serve at once | `platform`, `provider`, `credential` (`api_key`, `access_token`, `sts_credentials`, `workload_token`), `flow` (`M2M`, `USER_FEDERATION`, `ON_BEHALF_OF`), `source` (`Cache`, `Platform`), `outcome` (`Released`, `ConsentRequired`, `Failed(kind)`) |
//! | `identity_client.http`: one try of one HTTP request | `operation`, `attempt` (from 1), `status` |
//!
//! | event | level | fields |
//! | --- | --- | --- |
//! | a credential from the cache | TRACE | `provider`, `credential` |
//! | trying again | DEBUG | `operation`, `delay_ms` |
//! | waiting for a user to agree | INFO | `provider`, `host` of the authorization URL |
//! | a credential could not be renewed; the old one is still good | WARN | `provider`, `kind` |
//! | not tried again: too many requests have failed lately | WARN | `operation` |
//! | the keys of an issuer could not be fetched (feature `inbound`) | WARN | `kind` |
//! | receipts of [`TracingAudit`], target `identity_client::audit` | INFO | those of [`Receipt`], the user's id among them |
//!
//! # Features
//! | feature | default | |
//! | --- | --- | --- |
//! | `agentbase` | yes | the platform GreenNode AgentBase |
//! | `agentkit` | | the platform Volcengine Agent Identity (AgentKit) |
//! | `idaas` | | the platform Alibaba Cloud IDaaS |
//! | `agent-identity` | | the platform Alibaba Cloud Agent Identity |
//! | `macros` | yes | the attributes |
//! | `rustls-tls` | yes | TLS by rustls with aws-lc-rs and the operating system's roots |
//! | `rustls-no-provider` | | rustls with the crypto provider that the process installs before it builds a client |
//! | `browser` | | `BrowserPrompt`, which opens the link on this machine |
//! | `inbound` | | module `inbound`: verifies the tokens of those who call the agent |
//! | `login` | | module `login`: signs users in at an OpenID issuer; `identity-runtime` makes routes and sessions of it |
//! | `native-tls` | | the operating system's TLS library |
//!
//! Without any TLS feature only loopback can be reached.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "agentbase", feature = "agentkit", feature = "agent-identity", feature = "idaas")),
    expect(dead_code, reason = "what serves the platforms, when none is compiled in")
)]

// Expansions of the attributes name this crate, in its own tests and examples too.
extern crate self as identity_client;

#[cfg(feature = "acs3")]
mod acs3;
mod audit;
mod authorization_url;
#[cfg(any(feature = "agentbase", feature = "idaas", feature = "login"))]
mod basic;
mod binding;
mod cache;
#[cfg(any(feature = "agentbase", feature = "agentkit", feature = "agent-identity", feature = "idaas"))]
mod call;
mod capabilities;
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
mod hash;
mod inject;
mod lru;
mod name;
mod need;
#[cfg(any(feature = "agentbase", feature = "idaas"))]
mod pause;
mod platform;
mod poll;
mod principal;
mod prompt_failure;
mod prompts;
mod random;
#[cfg(any(feature = "agentbase", feature = "agentkit", feature = "agent-identity", feature = "idaas"))]
mod refusal;
#[cfg(any(feature = "agentbase", feature = "agent-identity", feature = "idaas"))]
mod reply;
mod request;
mod retry;
mod retry_budget;
mod shown;
mod step_up;
#[cfg(any(feature = "agentbase", feature = "agentkit", feature = "agent-identity", feature = "idaas"))]
mod surroundings;
mod together;
mod token_source;
mod transport;
mod undo;
mod waiting;
mod wire;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(feature = "agent-identity")]
pub mod agent_identity;
#[cfg(feature = "agentbase")]
pub mod agentbase;
#[cfg(feature = "agentkit")]
pub mod agentkit;
#[cfg(feature = "idaas")]
pub mod idaas;
#[cfg(feature = "inbound")]
pub mod inbound;
#[cfg(feature = "login")]
pub mod login;

pub use audit::{AuditSink, Bound, JsonLinesAudit, Outcome, Receipt, Source, TracingAudit};
pub use binding::{BindingRefusal, Confirmed, Departure, SessionBinding};
pub use capabilities::Capabilities;
pub use client::{IdentityClient, IdentityClientBuilder, Requestable};
pub use clock::{Clock, Moment, SystemClock};
pub use consent::{
    Acquired, AsyncPrompt, DEFAULT_CONSENT_TIMEOUT, PendingAuthorization, PendingParts, Polled, Prompt, PromptError,
    PromptOutcome, PromptResult, SyncPrompt, Wait,
};
pub use context::RequestContext;
pub use credential::{
    AccessToken, ApiKey, CredentialKind, CredentialRef, OutgoingRequest, StsCredentials, WorkloadToken,
};
pub use credential_request::{ConsentOptions, CredentialRequest, Flow, RoleSession};
pub use env::Environment;
pub use error::{BuildError, Error, ErrorKind};
#[cfg(feature = "macros")]
pub use identity_macros::{requires_access_token, requires_api_key, requires_sts_credentials, requires_workload_token};
pub use inject::{FromAccessToken, FromApiKey, FromCredentialError, FromStsCredentials, FromWorkloadToken};
pub use name::{AgentIdentityName, ProviderName, Scope};
pub use platform::{Description, Issued, Platform};
pub use principal::{Principal, User};
#[cfg(feature = "browser")]
pub use prompts::BrowserPrompt;
pub use prompts::TerminalPrompt;
pub use request::{
    AccessTokenRequest, ApiKeyRequest, Request, ResumeRequest, StsCredentialsRequest, WorkloadTokenRequest,
};
pub use retry::RetryPolicy;
pub use secrecy::SecretString;
pub use token_source::TokenSource;
pub use transport::HttpOptions;
