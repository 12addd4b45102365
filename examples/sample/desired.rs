//! What there should be.

use identity_client::Error;
use secrecy::SecretString;

use super::{Anything, secret};
use crate::argument;

/// The description of everything that `prepare` makes. What is described otherwise is somebody else's.
pub const MARK: &str = "Sample application of Agent Identity: made by prepare, deleted by clear";

/// Where the sample's backend takes the browser back after a consent.
const RETURN_URL: &str = "http://localhost:8090/callback";
/// The issuer of the sample's users: Alibaba Cloud's own sign-in.
const DISCOVERY_URL: &str = "https://oauth.aliyun.com/.well-known/openid-configuration";
/// Whose endpoints the platform knows.
const VENDOR: &str = "AliyunOAuth2";

/// What everything is called. The role's and the policy's are those of the vendor's own tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The workload identity.
    pub workload: String,
    /// The identity provider.
    pub identity_provider: String,
    /// The RAM role.
    pub role: String,
    /// The RAM policy.
    pub policy: String,
    /// The API key provider.
    pub api_key_provider: String,
    /// The OAuth 2.0 provider.
    pub oauth2_provider: String,
}

impl Names {
    /// Those that follow from the workload identity's.
    #[must_use]
    pub fn of(workload: &str) -> Self {
        Self {
            workload: workload.to_owned(),
            identity_provider: format!("{workload}-users"),
            role: format!("AgentIdentityRole-{workload}"),
            policy: format!("AgentIdentityPolicy-AgentIdentityRole-{workload}"),
            api_key_provider: format!("{workload}-weather"),
            oauth2_provider: format!("{workload}-mcp"),
        }
    }

    /// The same, with those that the program's arguments give.
    #[must_use]
    pub fn from_arguments() -> Self {
        let usual = Self::of(&argument("--workload").unwrap_or_else(|| "sample-agent".to_owned()));
        Self {
            identity_provider: argument("--identity-provider").unwrap_or(usual.identity_provider),
            role: argument("--role").unwrap_or(usual.role),
            policy: argument("--policy").unwrap_or(usual.policy),
            api_key_provider: argument("--api-key-provider").unwrap_or(usual.api_key_provider),
            oauth2_provider: argument("--oauth2-provider").unwrap_or(usual.oauth2_provider),
            workload: usual.workload,
        }
    }
}

/// All that the sample application needs. The token vault is `default`, which everybody has.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What everything is called.
    pub names: Names,
    /// The discovery document of the users' issuer.
    pub discovery_url: String,
    /// For whom the users' tokens must be.
    pub audience: Vec<String>,
    /// Where a browser may land after a consent.
    pub return_urls: Vec<String>,
    /// Whose OAuth 2.0 tokens the agent gets.
    pub vendor: String,
    /// The client there.
    pub client_id: String,
    /// Its secret; needed only when the provider is made, or gets another client.
    pub client_secret: Option<SecretString>,
    /// The API key; needed only when its provider is made.
    pub api_key: Option<SecretString>,
}

impl Sample {
    /// As the program's arguments say; the secrets from the environment or from files.
    ///
    /// # Errors
    /// If an argument that has no default is missing, or a secret cannot be read.
    pub fn from_arguments() -> Result<Self, Anything> {
        let needed = |name: &str, what: &str| argument(name).ok_or_else(|| format!("{name} is missing: {what}"));
        Ok(Self {
            names: Names::from_arguments(),
            discovery_url: argument("--discovery-url").unwrap_or_else(|| DISCOVERY_URL.to_owned()),
            audience: list(&needed(
                "--audience",
                "for whom the users' tokens are, the client id of the application that signs users in (several: a,b)",
            )?),
            return_urls: list(&argument("--return-urls").unwrap_or_else(|| RETURN_URL.to_owned())),
            vendor: argument("--vendor").unwrap_or_else(|| VENDOR.to_owned()),
            client_id: needed("--client-id", "the OAuth 2.0 client with which the agent asks for users' tokens")?,
            client_secret: secret::given(secret::CLIENT_SECRET)?,
            api_key: secret::given(secret::API_KEY)?,
        })
    }

    /// One for an emulator in this process, with secrets that nobody knows.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn made_up() -> Result<Self, Error> {
        Ok(Self {
            names: Names::from_arguments(),
            discovery_url: DISCOVERY_URL.to_owned(),
            audience: vec!["sample-app".to_owned()],
            return_urls: vec![RETURN_URL.to_owned()],
            vendor: VENDOR.to_owned(),
            client_id: "sample-mcp-client".to_owned(),
            client_secret: Some(secret::random()?),
            api_key: Some(secret::random()?),
        })
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
