//! The agent behind a front end.

use secrecy::ExposeSecret as _;
use url::Url;

use crate::{
    env::{Environment, check_text},
    error::BuildError,
    transport::Endpoint,
};

/// The agent that a front end sends its users' questions to.
#[derive(Debug, Clone)]
pub struct AgentTarget {
    name: Option<String>,
    endpoint: Endpoint,
}

impl AgentTarget {
    /// An agent at this URL.
    ///
    /// # Errors
    /// For anything but an absolute https URL (http on loopback) without user information, query and fragment.
    pub fn new(endpoint: &str) -> Result<Self, BuildError> {
        Ok(Self { name: None, endpoint: Endpoint::parse(endpoint, "the agent's endpoint")? })
    }

    /// From `AGENT_ENDPOINT` and, if it is set, `AGENT_NAME`.
    ///
    /// # Errors
    /// Missing ([`BuildError::is_missing`]) without `AGENT_ENDPOINT`; broken as in [`new`](Self::new).
    pub fn from_environment(environment: &Environment) -> Result<Self, BuildError> {
        let endpoint = environment.setting("AGENT_ENDPOINT")?.ok_or_else(|| {
            BuildError::missing("AGENT_ENDPOINT is not set", "set it to the URL of the agent that users talk to")
        })?;
        let endpoint = Endpoint::parse(endpoint.expose_secret(), "AGENT_ENDPOINT")?;
        let name = environment.setting("AGENT_NAME")?.map(|name| name.expose_secret().to_owned());
        if let Some(name) = &name {
            check_text(name, "AGENT_NAME")?;
        }
        Ok(Self { name, endpoint })
    }

    /// What it is called, for people.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it is, as it was given.
    #[must_use]
    pub fn endpoint(&self) -> &Url {
        self.endpoint.url()
    }

    /// Where it takes invocations: `/invocations` below the endpoint, unless the endpoint ends so.
    #[must_use]
    pub fn invocations(&self) -> Url {
        let mut url = self.endpoint.url().clone();
        let path = url.path().trim_end_matches('/').to_owned();
        if !path.ends_with("/invocations") {
            url.set_path(&format!("{path}/invocations"));
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_takes_invocations_below_its_endpoint() {
        for (endpoint, invocations) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/invocations"),
            ("https://a.example.com/agents/x/", "https://a.example.com/agents/x/invocations"),
            ("https://a.example.com/invocations", "https://a.example.com/invocations"),
        ] {
            assert_eq!(AgentTarget::new(endpoint).unwrap().invocations().as_str(), invocations);
        }
        let environment = Environment::of([("AGENT_ENDPOINT", "http://agent.example.com")]);
        assert!(AgentTarget::from_environment(&environment).unwrap_err().is_broken());
        let environment = Environment::of([("AGENT_NAME", "a")]);
        assert!(AgentTarget::from_environment(&environment).unwrap_err().is_missing());
    }
}
