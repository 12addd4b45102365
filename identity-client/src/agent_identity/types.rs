//! The records of the management API, and the rules for what is sent to it.

use std::time::SystemTime;

use serde::Deserialize;

use crate::{
    error::Error,
    wire::{or_default, timestamp},
};

/// An issuer of users' tokens. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct IdentityProvider {
    /// Its name.
    #[serde(rename = "IdentityProviderName")]
    pub name: Option<String>,
    /// Its ARN.
    #[serde(rename = "IdentityProviderArn")]
    pub arn: Option<String>,
    /// Its OpenID Connect discovery document.
    #[serde(rename = "DiscoveryURL")]
    pub discovery_url: Option<String>,
    /// For whom its tokens must be.
    #[serde(deserialize_with = "or_default")]
    pub allowed_audience: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub create_time: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub update_time: Option<SystemTime>,
}

/// A workload identity. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct WorkloadIdentity {
    /// Its name.
    #[serde(rename = "WorkloadIdentityName")]
    pub name: Option<String>,
    /// Its ARN.
    #[serde(rename = "WorkloadIdentityArn")]
    pub arn: Option<String>,
    /// The RAM role that it can assume.
    pub role_arn: Option<String>,
    /// Whose users' tokens it takes.
    pub identity_provider_name: Option<String>,
    /// Where a browser may land after a consent.
    #[serde(rename = "AllowedResourceOAuth2ReturnURLs", deserialize_with = "or_default")]
    pub allowed_return_urls: Vec<String>,
    /// Where a browser may land after a consent to offline access.
    #[serde(rename = "AllowedConsentCallbackURLs", deserialize_with = "or_default")]
    pub allowed_consent_urls: Vec<String>,
    /// Whether a consent has to be confirmed by the application ([`Platform::complete`](crate::Platform::complete)).
    pub session_binding_enabled: Option<bool>,
    /// The agent that it was made for.
    pub source_agent_arn: Option<String>,
    /// The product that made it.
    pub source_platform: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub create_time: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub update_time: Option<SystemTime>,
}

/// A provider of OAuth 2.0 tokens. The client's secret, which the platform may answer, is not read. Every field of an answer can
/// be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct OAuth2CredentialProvider {
    /// Its name.
    #[serde(rename = "OAuth2CredentialProviderName")]
    pub name: Option<String>,
    /// Its ARN.
    #[serde(rename = "CredentialProviderArn")]
    pub arn: Option<String>,
    /// Which outside provider it stands for, for example `CustomOAuth2`.
    pub credential_provider_vendor: Option<String>,
    /// For which flow it is, for example `USER_FEDERATION`.
    #[serde(rename = "OAuthType")]
    pub oauth_type: Option<String>,
    /// The client's id at the outside provider.
    #[serde(rename = "OAuth2ProviderConfig", deserialize_with = "client_id")]
    pub client_id: Option<String>,
    /// The redirect URI to register at the outside provider.
    #[serde(rename = "CallbackURL")]
    pub callback_url: Option<String>,
    /// The vault that it is in.
    pub token_vault_name: Option<String>,
    /// The product that made it.
    pub source_platform: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub create_time: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub update_time: Option<SystemTime>,
}

/// A provider of an API key. It does not hold the key. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct ApiKeyCredentialProvider {
    /// Its name.
    #[serde(rename = "APIKeyCredentialProviderName")]
    pub name: Option<String>,
    /// Its ARN.
    #[serde(rename = "CredentialProviderArn")]
    pub arn: Option<String>,
    /// The vault that it is in.
    pub token_vault_name: Option<String>,
    /// The product that made it.
    pub source_platform: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub create_time: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub update_time: Option<SystemTime>,
}

/// A token vault. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct TokenVault {
    /// Its name.
    #[serde(rename = "TokenVaultName")]
    pub name: Option<String>,
    /// Its ARN.
    #[serde(rename = "TokenVaultArn")]
    pub arn: Option<String>,
    /// The role with which the service uses the customer's key.
    pub role_arn: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub create_time: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "timestamp")]
    pub update_time: Option<SystemTime>,
}

/// The id alone of a client's configuration: its secret is not kept.
fn client_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Client {
        client_id: Option<String>,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "IncludedOAuth2ProviderConfig")]
        included: Option<Client>,
        #[serde(rename = "CustomOAuth2ProviderConfig")]
        custom: Option<Client>,
    }
    let config = Option::<Config>::deserialize(deserializer)?;
    Ok(config.and_then(|config| config.included.or(config.custom)?.client_id))
}

/// A name of any kind. It is not quoted: what breaks the rule may be a secret in the wrong place.
pub(crate) fn check_name(name: &str, what: &str) -> Result<(), Error> {
    identity_grammar::check_name(name).map_err(|violation| Error::invalid(format!("invalid {what}: {violation}")))
}

/// What the platform will trust or send secrets to, so plain http is for this machine only.
pub(crate) fn check_https(text: &str, what: &str) -> Result<(), Error> {
    let invalid = |problem: &str| Err(Error::invalid(format!("the {what} {problem}")));
    let Ok(url) = url::Url::parse(text) else { return invalid("is not a URL") };
    let loopback = url.host_str().is_some_and(identity_grammar::is_loopback_host);
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return invalid("is not an https URL (http only on loopback)");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return invalid("has user information or a fragment");
    }
    Ok(())
}

/// Reads one record out of an answer that wraps it.
macro_rules! wrapped {
    ($reply:expr, $field:literal, $record:ty) => {{
        #[derive(serde::Deserialize)]
        struct Wrapped {
            #[serde(rename = $field)]
            record: $record,
        }
        $reply.json::<Wrapped>().map(|answer| answer.record)
    }};
}
pub(crate) use wrapped;
