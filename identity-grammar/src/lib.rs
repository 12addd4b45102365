//! The rules for names, scopes, durations, flows and URLs, in one place.
//!
//! `identity-client` applies them when it is given a value, `identity-macros` when it is given a literal, so that a wrong
//! literal is refused at compile time with the words that a wrong value gets at run time.
//!
//! ```
//! use identity_grammar::{check_scope, parse_duration};
//!
//! assert!(check_scope("https://www.googleapis.com/auth/calendar.readonly").is_ok());
//! assert!(check_scope("read write").is_err());
//! assert_eq!(parse_duration("90s"), Ok(std::time::Duration::from_secs(90)));
//! ```

mod duration;
mod flow;
mod name;
mod scope;
mod session;
mod url;

use std::fmt;

pub use duration::{MAX_WAIT, parse_duration};
pub use flow::{Flow, parse_flow};
pub use name::{check_agentbase_name, check_name};
pub use scope::check_scope;
pub use session::{
    SESSION_DURATIONS, check_policy, check_session_duration, check_session_name, parse_session_duration,
};
pub use url::{check_return_url, is_loopback_host};

/// Why a value breaks a rule, and what to write instead.
///
/// The text never quotes more of the value than a name or a scope, neither of which is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(String);

impl Violation {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}
