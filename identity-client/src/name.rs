//! Names that the platforms know, checked when they are made.

use std::{fmt, sync::Arc};

use identity_grammar::{check_name, check_scope};
use serde::{Deserialize, Serialize};

use crate::error::Error;

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and takes it.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest), saying which character or length is wrong.
            pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
                let text = text.as_ref();
                // The text is not quoted: what breaks the rule may be a secret that was passed in the wrong place.
                $check(text).map_err(|violation| Error::invalid(format!("invalid {}: {violation}", $what)))?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }
    };
}

checked_name!(
    /// The name of a credential provider, as registered on the platform.
    ///
    /// Every platform's names fit; a platform's own, stricter rule is applied before a request is sent.
    ProviderName,
    "provider name",
    check_name
);

checked_name!(
    /// The name of the agent's own identity on the platform, also called workload identity.
    AgentIdentityName,
    "agent identity name",
    check_name
);

checked_name!(
    /// One OAuth 2.0 scope token (RFC 6749 section 3.3).
    Scope,
    "scope",
    check_scope
);
