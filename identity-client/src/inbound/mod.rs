//! Who is calling the agent: verification of the JWTs that callers bring.
//!
//! ```no_run
//! use identity_client::{User, inbound::{Challenge, TokenVerifier}};
//!
//! # async fn serve(headers: http::HeaderMap) -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = TokenVerifier::issuer("https://id.example.com").with_audience("https://agent.example.com").build()?;
//! let challenge = Challenge::new().with_realm("agents")?;
//! // For each request:
//! match verifier.verify_request(&headers).await {
//!     Ok(claims) => println!("{:?} calls", User::from_verified_token(&claims)?),
//!     Err(refusal) => {
//!         eprintln!("{}", refusal.code()); // for the log: why
//!         let (status, header) = (refusal.status(), refusal.www_authenticate(&challenge)); // for the caller
//!         # let _ = (status, header);
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! # What is checked
//! In this order; the first that fails is the [`RefusalCode`]. The form: length, three parts, base64url in its one spelling, JSON
//! objects without a member twice. The header: an algorithm that the verifier accepts, `typ`, and none of `crit`, `b64`, `zip`,
//! `cty`, `jwk`, `jku`, `x5u` and `x5c`. `iss`, character by character. The key: of the issuer's published ones the one that `kid`
//! names, or, without `kid`, the only one that fits; its type, curve, `alg`, `use`, `key_ops` and strength. The signature. Then `exp`,
//! `nbf` and `iat` with leeway, `aud`, `client_id` and `azp`, what tells ID tokens from access tokens, `sub`, and scopes.
//!
//! # Keys
//! Discovery and keys are fetched over https (http on loopback), 1 MiB at most, no redirects followed, at most 100 keys. They are
//! fresh for five minutes and renewed ahead of that. An unknown `kid` asks the issuer at most once in 30 s. A key that the issuer
//! withdraws is honoured for what is left of the five minutes, all keys for a day while the issuer cannot be reached.
//!
//! # The algorithms
//! The cryptography is that of `aws-lc-rs`, which is also that of TLS by default. A key works with one algorithm: the one that it is
//! published for, or else the only one of its type that the verifier accepts. RSA-PSS therefore has to be chosen. Ed448 and
//! secp256k1 are not supported.

mod algorithm;
mod bearer;
mod builder;
mod claims;
mod compact;
mod issuer;
mod json;
mod jwk;
mod keys;
mod presets;
mod refusal;
mod rules;
mod several;
#[cfg(test)]
mod vectors;
mod verifier;

#[cfg(feature = "login")]
pub(crate) use {
    builder::discovery_url,
    issuer::{fetch_metadata, may_be_fetched},
    json::object,
};

pub use algorithm::Algorithm;
pub use builder::TokenVerifierBuilder;
pub use claims::VerifiedClaims;
pub use compact::MAX_TOKEN_LENGTH;
pub use refusal::{Challenge, Refusal, RefusalCode};
pub use several::TokenVerifiers;
pub use verifier::{IdTokenCheck, TokenVerifier};
