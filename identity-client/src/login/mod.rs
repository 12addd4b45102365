//! Signing users in at an OpenID issuer: OpenID Connect's authorization code flow with PKCE (RFC 7636), state, nonce and the
//! issuer in the response (RFC 9207).
//!
//! This is the protocol alone: [`RelyingParty`] says where to send the browser, judges what comes back, and fetches and renews
//! tokens. What belongs to a web server, routes, cookies and sessions, is `LoginClient` of `identity-runtime`.
//!
//! ```no_run
//! use identity_client::login::{CallbackParameters, RelyingParty};
//!
//! # async fn story(query: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let party = RelyingParty::builder("https://id.example.com", "my-client", "https://app.example.com/callback")
//!     .with_client_secret("…")
//!     .build()?;
//! let departure = party.begin().await?;
//! // Send the browser to `departure.authorization_url()`, and keep `departure.attempt` where only this browser has it.
//! let parameters = CallbackParameters::parse(query)?; // of the request to the redirect URI
//! let signed_in = party.finish(&departure.attempt, &parameters).await?;
//! println!("{:?} is here", signed_in.user);
//! # Ok(()) }
//! ```
//!
//! # What is checked
//! The state belongs to this attempt; the response is of this issuer and, if the issuer says that it always names itself, names it; the
//! ID token is verified as [`inbound`](crate::inbound) does, with the nonce and `at_hash`. Until all of that holds nothing is
//! believed, and before state and issuer are checked nothing is sent. Discovery, tokens and keys go over https (http on loopback),
//! no redirects are followed. Implicit and password grants cannot be asked for.

mod attempt;
mod builder;
mod callback;
mod metadata;
mod party;
mod target;
mod tokens;

pub use attempt::{LoginAttempt, LoginDeparture};
pub use builder::RelyingPartyBuilder;
pub use callback::{CallbackParameters, LoginFailure};
pub use party::{RelyingParty, SignedIn};
pub use target::AgentTarget;
pub use tokens::LoginTokens;
