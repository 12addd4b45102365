//! The records of the management API, and the rules for what is sent to it.

use std::{fmt, time::SystemTime};

use serde::Deserialize;

use crate::{
    error::Error,
    wire::{or_default, timestamp},
};

/// An agent identity. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AgentIdentity {
    /// Its id, a UUID; never changes.
    pub id: Option<String>,
    /// Its name, unique in the organisation; never changes.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Where a browser may land after a consent for this agent.
    #[serde(deserialize_with = "or_default")]
    pub allowed_return_urls: Vec<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub updated_at: Option<SystemTime>,
}

/// A provider of API keys, static or delegated. It does not hold the key. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ApiKeyProvider {
    /// Its id, a UUID.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What state it is in.
    pub status: Option<ProviderStatus>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub updated_at: Option<SystemTime>,
}

/// An OAuth 2.0 provider. It does not hold the client secret. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct OAuth2Provider {
    /// Its id, a UUID.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The client id at the outside provider.
    pub client_id: Option<String>,
    /// Where the outside provider asks its users.
    pub authorization_url: Option<String>,
    /// Where the outside provider issues tokens.
    pub token_url: Option<String>,
    /// What state it is in.
    pub status: Option<ProviderStatus>,
    /// The redirect URI to register at the outside provider; the platform makes it.
    pub callback_url: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub updated_at: Option<SystemTime>,
}

/// The state of a provider. One that is not known here is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum ProviderStatus {
    /// `ACTIVE`
    Active,
    /// `UPDATING`
    Updating,
    /// `REFRESHING_TOKEN`, of OAuth 2.0 providers.
    RefreshingToken,
    /// `DELETING`
    Deleting,
    /// `DELETED`
    Deleted,
    /// Another one.
    Other(String),
}

impl From<String> for ProviderStatus {
    fn from(text: String) -> Self {
        match text.as_str() {
            "ACTIVE" => Self::Active,
            "UPDATING" => Self::Updating,
            "REFRESHING_TOKEN" => Self::RefreshingToken,
            "DELETING" => Self::Deleting,
            "DELETED" => Self::Deleted,
            _ => Self::Other(text),
        }
    }
}

impl fmt::Display for ProviderStatus {
    /// As on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::RefreshingToken => "REFRESHING_TOKEN",
            Self::Deleting => "DELETING",
            Self::Deleted => "DELETED",
            Self::Other(text) => text,
        })
    }
}

/// A name of any of the four kinds. It is not quoted: what breaks the rule may be a secret in the wrong place.
pub(crate) fn check_name(name: &str, what: &str) -> Result<(), Error> {
    identity_grammar::check_agentbase_name(name)
        .map_err(|violation| Error::invalid(format!("invalid {what}: {violation}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::{check_length, check_secret};

    #[test]
    fn w20_every_field_can_be_missing_null_or_unknown() {
        let empty: AgentIdentity = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, AgentIdentity::default());
        let nulls = r#"{"id":null,"name":null,"description":null,"allowedReturnUrls":null,"createdAt":null}"#;
        assert_eq!(serde_json::from_str::<AgentIdentity>(nulls).unwrap(), empty);

        let text = r#"{"name":"p-1","status":"HIBERNATING","createdAt":"yesterday","updatedAt":7,"news":{"a":[1]}}"#;
        let provider: ApiKeyProvider = serde_json::from_str(text).unwrap();
        assert_eq!(provider.status, Some(ProviderStatus::Other("HIBERNATING".to_owned())));
        assert_eq!(provider.status.unwrap().to_string(), "HIBERNATING");
        assert_eq!((provider.created_at, provider.updated_at), (None, None));
    }

    #[test]
    fn timestamps_are_instants() {
        let text = r#"{"createdAt":"1970-01-01T00:01:00Z","updatedAt":"1970-01-01T02:00:00.500+02:00"}"#;
        let provider: OAuth2Provider = serde_json::from_str(text).unwrap();
        let after = |ms| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        assert_eq!((provider.created_at, provider.updated_at), (after(60_000), after(500)));
    }

    #[test]
    fn every_known_status_reads_as_it_writes() {
        for text in ["ACTIVE", "UPDATING", "REFRESHING_TOKEN", "DELETING", "DELETED"] {
            let status = ProviderStatus::from(text.to_owned());
            assert!(!matches!(status, ProviderStatus::Other(_)));
            assert_eq!(status.to_string(), text);
        }
    }

    #[test]
    fn w32_a_refusal_counts_and_does_not_quote() {
        let error = check_secret(&"hunter2-".repeat(200).into(), "API key", 1000).unwrap_err();
        assert!(error.to_string().contains("1600 characters; 1 to 1000"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        check_secret(&" ".into(), "API key", 1000).unwrap_err();
        check_length("ä".repeat(500).as_str(), "description", 0, 500).unwrap();
        let error = check_name("hunter2 hunter2", "provider name").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
