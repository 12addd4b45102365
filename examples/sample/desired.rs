//! What there should be.

use identity_client::{Error, agent_identity::ApplicationKind};
use secrecy::SecretString;

use super::secret;

/// The description of everything that `prepare` makes. What is described otherwise is somebody else's.
pub const MARK: &str = "Sample application of Agent Identity: made by prepare, deleted by clear";
/// The same for an OAuth application, which has no description: what it shows to users, in the 24 characters that there are.
pub const APPLICATION_MARK: &str = "Agent Identity sample";

/// Where the sample's front end takes the browser back after the sign-in.
pub(crate) const SIGN_IN_URL: &str = "http://localhost:8090";
/// Where the sample's backend takes the browser back after a consent.
pub(crate) const RETURN_URL: &str = "http://localhost:8090/callback";
/// The issuer of the sample's users: Alibaba Cloud's own sign-in.
pub(crate) const DISCOVERY_URL: &str = "https://oauth.aliyun.com/.well-known/openid-configuration";
/// Whose endpoints the platform knows.
pub(crate) const VENDOR: &str = "AliyunOAuth2";
/// The issuers whose clients are the account's own applications, on the vendor's two sites.
pub(crate) const OWN_ISSUERS: [&str; 2] = ["https://oauth.aliyun.com/", "https://oauth.alibabacloud.com/"];
/// The vendors whose clients are the account's own applications.
pub(crate) const OWN_VENDORS: [&str; 2] = [VENDOR, "AlibabaCloudOAuth2"];

/// What everything is called. The role's and the policy's are those of the vendor's own tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The workload identity.
    pub workload: String,
    /// The application with which users sign in.
    pub sign_in_application: String,
    /// The application with which the agent gets tokens for MCP servers.
    pub mcp_application: String,
    /// The identity provider.
    pub identity_provider: String,
    /// The RAM role.
    pub role: String,
    /// The RAM policy.
    pub policy: String,
    /// The API key provider.
    pub api_key_provider: String,
    /// The OAuth 2.0 provider of users' tokens.
    pub oauth2_provider: String,
    /// The OAuth 2.0 provider of the agent's own tokens.
    pub machine_provider: String,
}

impl Names {
    /// Those that follow from the workload identity's.
    #[must_use]
    pub fn of(workload: &str) -> Self {
        Self {
            workload: workload.to_owned(),
            sign_in_application: format!("{workload}-sign-in"),
            mcp_application: format!("{workload}-mcp"),
            identity_provider: format!("{workload}-users"),
            role: format!("AgentIdentityRole-{workload}"),
            policy: format!("AgentIdentityPolicy-AgentIdentityRole-{workload}"),
            api_key_provider: format!("{workload}-weather"),
            oauth2_provider: format!("{workload}-mcp"),
            machine_provider: format!("{workload}-dingtalk"),
        }
    }
}

/// A client at an outside provider that was registered there by somebody.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret; needed only when a provider is made with it, or gets it.
    pub secret: Option<SecretString>,
    /// Whether it has none.
    pub is_public: bool,
}

/// A client with which the agent gets tokens of its own.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// Where it gets its tokens.
    pub token_endpoint: String,
}

impl Machine {
    /// Whose tokens they are.
    pub const VENDOR: &str = "DingTalkOAuth2";

    /// An application of an organisation at DingTalk.
    #[must_use]
    pub fn at_dingtalk(app_key: &str, app_secret: SecretString, corporation: &str) -> Self {
        let token_endpoint = format!("https://api.dingtalk.com/v1.0/oauth2/{corporation}/token");
        Self { client_id: app_key.to_owned(), client_secret: app_secret, token_endpoint }
    }
}

/// An OAuth application as it should be, but for where a browser may land.
pub(crate) struct Registration {
    pub(crate) kind: ApplicationKind,
    /// Users cannot leave one out.
    pub(crate) scopes: &'static [&'static str],
}

impl Registration {
    pub(crate) const PROTOCOL: &str = "2.1";
    /// With it, users sign in to the sample.
    pub(crate) const SIGN_IN: Self = Self { kind: ApplicationKind::WebApp, scopes: &["aliuid", "openid", "profile"] };
    /// With it, the agent asks users for tokens for Alibaba Cloud's MCP servers.
    pub(crate) const MCP: Self =
        Self { kind: ApplicationKind::NativeApp, scopes: &["/acs/mcp-server", "aliuid", "openid", "profile"] };
}

/// All that the sample application needs. The token vault is `default`, which everybody has.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What everything is called.
    pub names: Names,
    /// The discovery document of the users' issuer.
    pub discovery_url: String,
    /// For whom the users' tokens must be; nothing for an application that is registered for them.
    pub audience: Option<Vec<String>>,
    /// Where that application takes the browser back to.
    pub sign_in_urls: Vec<String>,
    /// Where a browser may land after a consent.
    pub return_urls: Vec<String>,
    /// Whose OAuth 2.0 tokens of users the agent gets.
    pub vendor: String,
    /// The client there; nothing for an application that is registered for it.
    pub client: Option<Client>,
    /// A client for tokens of the agent's own, if there is one.
    pub machine: Option<Machine>,
    /// The API key; needed only when its provider is made.
    pub api_key: Option<SecretString>,
    /// Whether secrets that the platform has are replaced by those that are given.
    pub replaces_secrets: bool,
}

impl Sample {
    /// One for an emulator in this process, with secrets that nobody knows.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn made_up(names: Names) -> Result<Self, Error> {
        Ok(Self {
            names,
            discovery_url: DISCOVERY_URL.to_owned(),
            audience: None,
            sign_in_urls: vec![SIGN_IN_URL.to_owned()],
            return_urls: vec![RETURN_URL.to_owned()],
            vendor: VENDOR.to_owned(),
            client: None,
            machine: Some(Machine::at_dingtalk("sample-app-key", secret::random()?, "sample-corporation")),
            api_key: Some(secret::random()?),
            replaces_secrets: false,
        })
    }

    /// The same, with the secrets that the platform has by then.
    #[must_use]
    pub fn keeping_secrets(&self) -> Self {
        Self { replaces_secrets: false, ..self.clone() }
    }
}
