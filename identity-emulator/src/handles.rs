//! What clients need to reach a running emulator.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::{agent_identity, agentkit::REGION};

/// What a client of GreenNode AgentBase needs to reach the emulator.
#[derive(Clone, Debug)]
pub struct AgentBaseHandle {
    pub(crate) identity_url: String,
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
}

impl AgentBaseHandle {
    /// Base of the identity API, `http://127.0.0.1:PORT/identity`.
    pub fn identity_url(&self) -> &str {
        &self.identity_url
    }

    /// The IAM token endpoint, `http://127.0.0.1:PORT/accounts-api/v2/auth/token`.
    pub fn token_url(&self) -> &str {
        &self.token_url
    }

    /// Client id of the service account.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Client secret of the service account.
    pub fn client_secret(&self) -> &SecretString {
        &self.client_secret
    }
}

/// The built-in OAuth2 provider, as somebody who registers it sees it.
#[derive(Clone, Debug)]
pub struct ProviderHandle {
    pub(crate) authorization_url: String,
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
}

impl ProviderHandle {
    /// Where a browser is sent for consent.
    pub fn authorization_url(&self) -> &str {
        &self.authorization_url
    }

    /// Where tokens are fetched.
    pub fn token_url(&self) -> &str {
        &self.token_url
    }

    /// The registered client's id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The registered client's secret.
    pub fn client_secret(&self) -> &SecretString {
        &self.client_secret
    }
}

/// What a client of Volcengine Agent Identity (AgentKit) needs to reach the emulator.
#[derive(Clone, Debug)]
pub struct AgentKitHandle {
    pub(crate) endpoint: String,
    pub(crate) callback_url: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretString,
    pub(crate) role_trn: String,
}

impl AgentKitHandle {
    /// The endpoint of the identity API and of STS, `http://127.0.0.1:PORT`: overrides both hosts.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The region to sign for, `cn-beijing`; any other is answered, too.
    pub fn region(&self) -> &'static str {
        REGION
    }

    /// The OAuth2 callback of the vault, `http://127.0.0.1:PORT/api/v1/oauth2callback`.
    pub fn callback_url(&self) -> &str {
        &self.callback_url
    }

    /// Access key id of the account.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// Secret access key of the account.
    pub fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }

    /// A role that the account may assume.
    pub fn role_trn(&self) -> &str {
        &self.role_trn
    }
}

/// What a client of Alibaba Cloud Agent Identity needs to reach the emulator.
#[derive(Clone, Debug)]
pub struct AgentIdentityHandle {
    pub(crate) endpoint: String,
    pub(crate) object_store: String,
    pub(crate) access_key_id: String,
    pub(crate) access_key_secret: SecretString,
}

impl AgentIdentityHandle {
    /// The endpoint of both planes, of RAM and of IMS, `http://127.0.0.1:PORT`: overrides every host.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The region, `cn-beijing`.
    pub fn region(&self) -> &'static str {
        agent_identity::REGION
    }

    /// The account in the ARNs.
    pub fn account_id(&self) -> &'static str {
        agent_identity::ACCOUNT
    }

    /// Access key id of the account.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Access key secret of the account.
    pub fn access_key_secret(&self) -> &SecretString {
        &self.access_key_secret
    }

    /// The ARN of the account's role of this name. Agents may have any; it need not be created first.
    pub fn role_arn(&self, name: &str) -> String {
        agent_identity::role_arn(name)
    }

    /// The object store, `http://127.0.0.1:PORT/object-store/`: S3 with bucket names in the path and any region, for temporary credentials
    /// only.
    pub fn object_store(&self) -> &str {
        &self.object_store
    }

    /// A bucket that is there from the start.
    pub fn bucket(&self) -> &'static str {
        agent_identity::DEFAULT_BUCKET
    }
}

/// Temporary credentials of a role, on AgentKit or Agent Identity.
#[derive(Clone, Debug)]
pub struct RoleSession {
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretString,
    pub(crate) session_token: SecretString,
    pub(crate) expires_at: Timestamp,
}

impl RoleSession {
    /// Access key id.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// Secret access key.
    pub fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }

    /// The session token, without which the key counts for nothing.
    pub fn session_token(&self) -> &SecretString {
        &self.session_token
    }

    /// From this moment, by the emulator's clock, the session is over.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// What a client of Alibaba Cloud IDaaS needs to reach the emulator.
#[derive(Clone, Debug)]
pub struct IdaasHandle {
    pub(crate) issuer: String,
    pub(crate) served_at: String,
    pub(crate) developer_api_endpoint: String,
    pub(crate) open_api_endpoint: String,
    pub(crate) instance_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
}

impl IdaasHandle {
    /// The issuer that tokens name, `http://127.0.0.1:PORT/idaas/INSTANCE/api/v2/iauths_system/oauth2` unless
    /// [`EmulatorBuilder::with_idaas_issuer`](crate::EmulatorBuilder::with_idaas_issuer) said otherwise.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the emulator itself serves what is below the issuer: discovery, `/jwks` and `/token`.
    pub fn served_at(&self) -> &str {
        &self.served_at
    }

    /// Where tokens are fetched; assertions must name it as their audience.
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.issuer)
    }

    /// Base of the developer API, `http://127.0.0.1:PORT`; its paths begin with `/v2/INSTANCE`.
    pub fn developer_api_endpoint(&self) -> &str {
        &self.developer_api_endpoint
    }

    /// The OpenAPI, for `GenerateOauthToken`: signed with the access key of [`AgentIdentityHandle`], or with a session of
    /// [`Emulator::open_sts_session`](crate::Emulator::open_sts_session).
    pub fn open_api_endpoint(&self) -> &str {
        &self.open_api_endpoint
    }

    /// Id of the instance, `idaas_…`.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// Client id of an application with a secret: the first of the seed, else a random one that may use the whole developer API.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The application's secret.
    pub fn client_secret(&self) -> &SecretString {
        &self.client_secret
    }
}
