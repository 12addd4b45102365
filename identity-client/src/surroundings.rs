//! What the builder of every platform is told besides the platform's own configuration, and the setters that are alike.

use std::sync::Arc;

use crate::{
    clock::{Clock, SystemClock},
    env::Environment,
    error::BuildError,
    transport::{HttpOptions, Transport},
};

/// Where a platform's client finds itself.
pub(crate) struct Surroundings {
    pub(crate) environment: Option<Environment>,
    pub(crate) http: Option<HttpOptions>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { environment: None, http: None, clock: Arc::new(SystemClock) }
    }
}

impl Surroundings {
    /// The way to the platform; `default` is for when no other options were given.
    pub(crate) fn transport(&self, default: &HttpOptions) -> Result<Transport, BuildError> {
        Transport::new(self.http.as_ref().unwrap_or(default), Arc::clone(&self.clock))
    }
}

/// Setters of texts in the field `given` of a builder: `with_region = region;` sets `given.region`.
macro_rules! texts {
    ($($(#[$doc:meta])* $setter:ident = $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $setter(mut self, $field: impl Into<String>) -> Self {
            self.given.$field = Some($field.into());
            self
        }
    )*};
}

/// The setters of the field `surroundings` of a builder, each with what it means for the platform.
macro_rules! surroundings {
    (
        $(#[$http:meta])* with_http;
        $(#[$environment:meta])* with_environment;
        $(#[$clock:meta])* with_clock;
    ) => {
        $(#[$http])*
        pub fn with_http(mut self, options: $crate::HttpOptions) -> Self {
            self.surroundings.http = Some(options);
            self
        }

        $(#[$environment])*
        pub fn with_environment(mut self, environment: &$crate::Environment) -> Self {
            self.surroundings.environment = Some(environment.clone());
            self
        }

        $(#[$clock])*
        pub fn with_clock(mut self, clock: impl $crate::Clock) -> Self {
            self.surroundings.clock = std::sync::Arc::new(clock);
            self
        }
    };
}

pub(crate) use {surroundings, texts};
