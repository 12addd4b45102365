//! What an emulator starts with.

mod agent_identity;
mod agentkit;
mod idaas;
mod node;
mod shared;

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use secrecy::SecretString;

use self::agent_identity::AgentIdentitySeed;
use self::agentkit::AgentKitSeed;
use self::idaas::IdaasSeed;
use self::node::Node;
use crate::core::ServiceAccount;
use crate::oauth::ProviderRegistration;
use crate::vault::{Endpoints, Refusal, State};

/// The largest seed file.
const LARGEST: u64 = 1024 * 1024;

/// Identities and providers that an emulator starts with, from JSON:
///
/// ```json
/// {"agentbase": {
///   "client_id": "my-service-account",
///   "client_secret": "its-secret",
///   "identities": [{"name": "demo-agent", "description": "optional", "allowed_return_urls": ["http://127.0.0.1:8080/done"]}],
///   "api_key_providers": [{"name": "demo-key", "apikey": "synthetic-key"}],
///   "delegated_api_key_providers": [{"name": "demo-delegated"}],
///   "oauth2_providers": [
///     {"name": "demo-oauth", "builtin": true},
///     {"name": "other-oauth", "client_id": "id", "client_secret": "secret",
///      "authorization_url": "https://idp.example.com/authorize", "token_url": "https://idp.example.com/token"}
///   ]
/// },
/// "agentkit": {
///   "access_key": "AKLTexample",
///   "secret_key": "its-secret",
///   "roles": ["trn:iam::2100000000:role/RuntimeRole"],
///   "workload_identities": [{"name": "my-agent", "allowed_return_urls": ["http://127.0.0.1:8080/bound"]}],
///   "api_key_providers": [{"name": "weather_key", "apikey": "synthetic-key", "location": "HEADER", "parameter_name": "X-Api-Key"}],
///   "oauth2_providers": [
///     {"name": "feishu_oauth", "vendor": "feishu", "flow": "USER_FEDERATION", "scopes": ["docx:document:readonly"]},
///     {"name": "service", "builtin": true, "flow": "M2M"}
///   ],
///   "user_pools": [{"name": "users", "clients": [
///     {"name": "web", "client_id": "web-client", "client_secret": "its-secret", "callback_urls": ["http://127.0.0.1:8082/callback"]}
///   ]}],
///   "permissions": [{"principal": "user:alice", "operation": "Action:invoke", "resource": "agent:my-agent"}]
/// },
/// "idaas": {
///   "instance": "idaas_example",
///   "applications": [{
///     "client_id": "app_agent", "client_secret": "CSexample",
///     "permissions": {"urn:cloud:idaas:pam": [".all"], "https://api.example.com": ["read:file"]},
///     "federated_credentials": [
///       {"name": "cluster", "issuer": "http://127.0.0.1:8083", "audience": "idaas", "subject": "system:serviceaccount:default:agent"}
///     ]
///   }],
///   "api_keys": [{"identifier": "llm_api_key", "apikey": "synthetic-key"},
///     {"identifier": "llm_api_key", "apikey": "synthetic-key-of-alice", "exclusive_user": "alice"}],
///   "oauth2_providers": [{"identifier": "calendar", "builtin": true, "flow": "user_federation", "scopes": ["read"]}],
///   "jwt_providers": [{"identifier": "internal", "issuers": ["https://issuer.example.com"]}]
/// },
/// "agent_identity": {
///   "access_key_id": "LTAIexample",
///   "access_key_secret": "its-secret",
///   "identity_providers": [{"name": "users", "discovery_url": "https://idp.example.com/.well-known/openid-configuration", "allowed_audience": ["app"]}],
///   "workload_identities": [{"name": "my-agent", "role": "AgentRole", "identity_provider": "users",
///     "allowed_return_urls": ["http://127.0.0.1:8090/callback"], "session_binding": true}],
///   "api_key_providers": [{"name": "weather-key", "apikey": "synthetic-key"}],
///   "oauth2_providers": [{"name": "calendar", "builtin": true, "flow": "USER_FEDERATION"}],
///   "buckets": ["agent-data"]
/// }}
/// ```
///
/// An application of IDaaS proves itself with a `client_secret` (a second one is `other_client_secret`), with one of its
/// `public_keys` (PEM), or with a federated credential: a token of an issuer, a certificate (`"roots"` in PEM and `"dns_name"`), or a
/// document that a cloud signs about one of its machines (`"attested_by"`, the cloud's certificates in PEM, and `"machine"`, the instance's id).
///
/// Every key is optional, except `name` and the values that a provider cannot do without; `client_id` and `client_secret` go together. A key
/// that is none of these is an error that names it. Names follow the platform's rule (AgentBase: 3–50 letters, digits, `_`, `-`).
/// What of AgentKit names no `pool` goes to `default`; in a permission `*` stands for anything, and a `namespace` that is left out for every one.
///
/// What of Agent Identity names no `vault` goes to `default`.
///
/// What the data directory holds already is left as it is: a seed adds what is missing.
#[derive(Clone, Debug, Default)]
pub struct Seed {
    account: Option<ServiceAccount>,
    identities: Vec<IdentitySeed>,
    keys: Vec<(String, SecretString)>,
    delegated: Vec<String>,
    oauth: Vec<OAuthSeed>,
    agentkit: AgentKitSeed,
    idaas: IdaasSeed,
    agent_identity: AgentIdentitySeed,
}

/// Our own providers' clients.
pub(crate) struct OwnClients {
    pub(crate) built_in: ProviderRegistration,
    pub(crate) feishu: ProviderRegistration,
}

#[derive(Clone, Debug)]
struct IdentitySeed {
    name: String,
    description: Option<String>,
    return_urls: Vec<String>,
}

#[derive(Clone, Debug)]
struct OAuthSeed {
    name: String,
    /// `None`: the built-in provider's.
    client: Option<(String, SecretString, Endpoints)>,
}

/// Why a seed cannot be used. Names the place and the rule, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed: {place}: {problem}")]
pub struct SeedError {
    place: String,
    problem: String,
}

impl SeedError {
    fn new(place: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self { place: place.to_string(), problem: problem.to_string() }
    }
}

impl Seed {
    /// Reads a seed file of at most 1 MiB.
    ///
    /// # Errors
    /// When the file cannot be read or is no seed.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SeedError> {
        let path = path.as_ref();
        let unreadable = |error: std::io::Error| SeedError::new(path.display(), error);
        if std::fs::metadata(path).map_err(unreadable)?.len() > LARGEST {
            return Err(SeedError::new(path.display(), "is larger than 1 MiB"));
        }
        Self::from_json(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads a seed.
    ///
    /// # Errors
    /// When the text is no seed.
    pub fn from_json(text: &str) -> Result<Self, SeedError> {
        // The parser's own message may quote the text; line and column are enough to find the place.
        let value = serde_json::from_str(text).map_err(|error| {
            SeedError::new(format_args!("line {}, column {}", error.line(), error.column()), "is not JSON")
        })?;
        let mut root = Node::new(String::new(), value)?;
        let seed = match root.take("agentbase") {
            Some(value) => Self::read(Node::new("agentbase".to_owned(), value)?)?,
            None => Self::default(),
        };
        let agentkit = match root.take("agentkit") {
            Some(value) => AgentKitSeed::read(Node::new("agentkit".to_owned(), value)?)?,
            None => AgentKitSeed::default(),
        };
        let idaas = match root.take("idaas") {
            Some(value) => IdaasSeed::read(Node::new("idaas".to_owned(), value)?)?,
            None => IdaasSeed::default(),
        };
        let agent_identity = match root.take("agent_identity") {
            Some(value) => AgentIdentitySeed::read(Node::new("agent_identity".to_owned(), value)?)?,
            None => AgentIdentitySeed::default(),
        };
        root.finish()?;
        Ok(Self { agentkit, idaas, agent_identity, ..seed })
    }

    fn read(mut node: Node) -> Result<Self, SeedError> {
        let account = node.account("client_id", "client_secret")?;
        let seed = Self {
            account,
            identities: node.list("identities", IdentitySeed::read)?,
            keys: node.list("api_key_providers", |item| {
                let key = item.required("apikey")?;
                if key.is_empty() || key.chars().count() > 1000 {
                    return Err(SeedError::new(
                        format_args!("{}.apikey", item.place),
                        "must have 1 to 1000 characters",
                    ));
                }
                Ok((item.name()?, key.into()))
            })?,
            delegated: node.list("delegated_api_key_providers", Node::name)?,
            oauth: node.list("oauth2_providers", OAuthSeed::read)?,
            agentkit: AgentKitSeed::default(),
            idaas: IdaasSeed::default(),
            agent_identity: AgentIdentitySeed::default(),
        };
        node.finish()?;
        Ok(seed)
    }

    pub(crate) fn account(&self) -> Option<ServiceAccount> {
        self.account.clone()
    }

    pub(crate) fn agent_identity_key(&self) -> Option<ServiceAccount> {
        self.agent_identity.account()
    }

    pub(crate) fn access_key(&self) -> Option<ServiceAccount> {
        self.agentkit.account()
    }

    /// The instance of IDaaS, and the application that the handle names.
    pub(crate) fn idaas(&self) -> (Option<String>, Option<String>) {
        self.idaas.names()
    }

    /// Adds what is missing.
    pub(crate) fn apply(self, state: &mut State, own: &OwnClients, now: Timestamp) -> Result<(), SeedError> {
        let built_in = &own.built_in;
        for identity in self.identities {
            let created = state.create_identity(&identity.name, identity.description, identity.return_urls, now);
            tolerate("agentbase.identities", created)?;
        }
        for (name, key) in self.keys {
            tolerate("agentbase.api_key_providers", state.create_key_provider(&name, key, now))?;
        }
        for name in self.delegated {
            tolerate("agentbase.delegated_api_key_providers", state.create_user_key_provider(&name, now))?;
        }
        for OAuthSeed { name, client } in self.oauth {
            let (id, secret, endpoints) = client
                .unwrap_or_else(|| (built_in.client_id.clone(), built_in.client_secret.clone(), Endpoints::BuiltIn));
            let created = state.create_oauth_provider(&name, id, secret, endpoints, now);
            tolerate("agentbase.oauth2_providers", created)?;
        }
        self.agentkit.apply(state, own, now)?;
        self.idaas.apply(state, own, now)?;
        self.agent_identity.apply(state, own, now)
    }
}

fn tolerate<T>(place: &str, created: Result<T, Refusal>) -> Result<(), SeedError> {
    match created.err() {
        None | Some(Refusal::Exists(_)) => Ok(()),
        Some(_) => Err(SeedError::new(place, "has more items than the vault keeps")),
    }
}

impl IdentitySeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let return_urls = node.texts("allowed_return_urls")?;
        if return_urls.len() > 10 {
            return Err(SeedError::new(
                format_args!("{}.allowed_return_urls", node.place),
                "must have at most 10 items",
            ));
        }
        let description = node.text("description")?;
        if description.as_ref().is_some_and(|text| text.chars().count() > 500) {
            return Err(SeedError::new(format_args!("{}.description", node.place), "must have at most 500 characters"));
        }
        Ok(Self { name: node.name()?, description, return_urls })
    }
}

impl OAuthSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let name = node.name()?;
        if node.flag("builtin")? {
            return Ok(Self { name, client: None });
        }
        let (id, secret) = (node.required("client_id")?, node.required("client_secret")?);
        for (key, value) in [("client_id", &id), ("client_secret", &secret)] {
            if !(1..=100).contains(&value.chars().count()) {
                return Err(SeedError::new(format_args!("{}.{key}", node.place), "must have 1 to 100 characters"));
            }
        }
        let endpoints =
            Endpoints::Outside { authorization_url: node.url("authorization_url")?, token_url: node.url("token_url")? };
        Ok(Self { name, client: Some((id, secret.into(), endpoints)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agentbase::NAME_RULE;

    fn error(text: &str) -> String {
        Seed::from_json(text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_place_and_never_a_value() {
        for (text, expected) in [
            ("[", "seed: line 1, column 1: is not JSON"),
            ("[]", "seed: the whole: must be a JSON object"),
            (r#"{"agentbse":{}}"#, "seed: the whole: unknown key \"agentbse\""),
            (r#"{"agentbase":{"identites":[]}}"#, "seed: agentbase: unknown key \"identites\""),
            (r#"{"agentbase":{"client_id":"a"}}"#, "seed: agentbase: client_id and client_secret go together"),
            (
                r#"{"agentbase":{"api_key_providers":[{"name":"demo-key","apikye":"hush"}]}}"#,
                "seed: agentbase.api_key_providers[0].apikey: is required",
            ),
            (
                r#"{"agentbase":{"api_key_providers":[{"name":"demo-key","apikey":"hush","x":1}]}}"#,
                "seed: agentbase.api_key_providers[0]: unknown key \"x\"",
            ),
            (
                r#"{"agentbase":{"api_key_providers":[{"name":"demo-key","apikey":["hush"]}]}}"#,
                "seed: agentbase.api_key_providers[0].apikey: must be a string",
            ),
            (
                r#"{"agentbase":{"oauth2_providers":[{"name":"demo-oauth","builtin":true,"client_secret":"hush"}]}}"#,
                "seed: agentbase.oauth2_providers[0]: unknown key \"client_secret\"",
            ),
        ] {
            let shown = error(text);
            assert_eq!(shown, expected);
            assert!(!shown.contains("hush"));
        }
        assert!(error(r#"{"agentbase":{"identities":[{"name":"x"}]}}"#).contains(NAME_RULE));
    }

    #[test]
    fn the_seed_of_the_readme_is_one() {
        let (_, rest) = include_str!("../../README.md").split_once("```json\n").unwrap();
        let seed = Seed::from_json(rest.split_once("```").unwrap().0).unwrap();
        let counts = (seed.identities.len(), seed.keys.len(), seed.delegated.len(), seed.oauth.len());
        assert_eq!((seed.account.is_some(), counts), (true, (1, 1, 1, 2)));
    }

    #[test]
    fn debug_hides_secrets() {
        let seed = Seed::from_json(
            r#"{"agentbase":{"client_id":"id","client_secret":"hush","api_key_providers":[{"name":"demo-key","apikey":"hush"}]}}"#,
        );
        assert!(!format!("{:?}", seed.unwrap()).contains("hush"));
    }
}
