//! Where the service account, the agent identity and the endpoints come from.

use std::{collections::BTreeMap, fmt, path::Path};

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::{
    env::{Environment, both_or_neither, check_text},
    error::{BuildError, Error},
    name::AgentIdentityName,
    transport::Endpoint,
};

/// The identity service in production.
pub(crate) const IDENTITY_ENDPOINT: &str = "https://agentbase.api.vngcloud.vn/identity";
/// The IAM token endpoint in production.
pub(crate) const IAM_TOKEN_ENDPOINT: &str = "https://iam.api.vngcloud.vn/accounts-api/v2/auth/token";

const FILE: &str = ".greennode.json";
/// A real one has a few hundred bytes.
const FILE_LIMIT: u64 = 64 * 1024;

const CLIENT_ID: Key = Key { variable: "GREENNODE_CLIENT_ID", key: "client_id" };
const CLIENT_SECRET: Key = Key { variable: "GREENNODE_CLIENT_SECRET", key: "client_secret" };
const AGENT_IDENTITY: Key = Key { variable: "GREENNODE_AGENT_IDENTITY", key: "agent_identity" };
/// That spelling in both places.
const AGENT_USER_ID: Key = Key { variable: "agent_user_id", key: "agent_user_id" };

/// What the vendor's SDK and its deploy command keep in the same file, and what is nobody's business here.
const OTHERS: [Key; 7] = [
    Key { variable: "DOCKER_CONTAINER", key: "docker_container" },
    Key { variable: "GREENNODE_RUNTIME", key: "runtime" },
    Key { variable: "GREENNODE_DEBUG", key: "debug" },
    Key { variable: "GREENNODE_REGISTRY_URL", key: "registry_url" },
    Key { variable: "GREENNODE_REGISTRY_USERNAME", key: "registry_username" },
    Key { variable: "GREENNODE_REGISTRY_PASSWORD", key: "registry_password" },
    Key { variable: "GREENNODE_FLAVOR_ID", key: "flavor_id" },
];

const IDENTITY_VARIABLE: &str = "GREENNODE_IDENTITY_ENDPOINT";
const IAM_VARIABLE: &str = "GREENNODE_IAM_TOKEN_ENDPOINT";

/// A setting under its two names; the file knows it under both.
#[derive(Clone, Copy)]
struct Key {
    variable: &'static str,
    key: &'static str,
}

/// Where the id and the secret of the service account came from: always both from one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialSource {
    /// From the builder.
    Code,
    /// From the variables `GREENNODE_CLIENT_ID` and `GREENNODE_CLIENT_SECRET`.
    Environment,
    /// From `.greennode.json` in the working directory.
    File,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "given in code",
            Self::Environment => "from the environment",
            Self::File => "from .greennode.json",
        })
    }
}

/// An IAM service account.
#[derive(Clone)]
pub(crate) struct ServiceAccount {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    pub(crate) source: CredentialSource,
}

impl ServiceAccount {
    fn checked(id: &str, secret: SecretString, source: CredentialSource) -> Result<Self, BuildError> {
        check_text(id, &format!("the client id {source}"))?;
        check_text(secret.expose_secret(), &format!("the client secret {source}"))?;
        if id.contains(':') {
            return Err(BuildError::broken(
                format!("the client id {source} has a colon, which Basic authentication cannot carry (RFC 7617)"),
                "copy the client id of the service account again",
            ));
        }
        Ok(Self { id: id.to_owned(), secret, source })
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("source", &self.source).finish_non_exhaustive()
    }
}

/// What was given in code.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) credentials: Option<(String, SecretString)>,
    pub(crate) agent_identity: Option<String>,
    pub(crate) identity_endpoint: Option<String>,
    pub(crate) iam_token_endpoint: Option<String>,
}

/// All that a client of AgentBase needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) account: ServiceAccount,
    pub(crate) agent_identity: Option<AgentIdentityName>,
    pub(crate) identity_endpoint: Endpoint,
    pub(crate) iam_token_endpoint: Endpoint,
}

impl Settings {
    /// What was given in code first, then the variables, then the file. The file is read only if something is still missing
    /// by then.
    pub(crate) fn resolve(given: Given, environment: Option<&Environment>) -> Result<Self, BuildError> {
        let mut places = Places { environment, file: None };
        if places.variable(AGENT_USER_ID.variable).is_ok_and(|value| value.is_some()) {
            warn_of_default_user("the environment");
        }
        let account = match given.credentials {
            Some((id, secret)) => ServiceAccount::checked(&id, secret, CredentialSource::Code)?,
            None => places.account()?,
        };
        let agent_identity = match given.agent_identity {
            Some(name) => Some(identity_name(&name, "given in code")?),
            None => places.agent_identity()?,
        };
        let identity_endpoint =
            places.endpoint(given.identity_endpoint, "identity endpoint", IDENTITY_VARIABLE, IDENTITY_ENDPOINT)?;
        let iam_token_endpoint =
            places.endpoint(given.iam_token_endpoint, "IAM token endpoint", IAM_VARIABLE, IAM_TOKEN_ENDPOINT)?;
        if identity_endpoint.is_loopback() != iam_token_endpoint.is_loopback() {
            return Err(BuildError::broken(
                "one of the identity endpoint and the IAM token endpoint is on this machine and the other is not, so credentials of one would go to the other",
                format!(
                    "give both or neither: `with_identity_endpoint` and `with_iam_token_endpoint`, or {IDENTITY_VARIABLE} and {IAM_VARIABLE}"
                ),
            ));
        }
        Ok(Self { account, agent_identity, identity_endpoint, iam_token_endpoint })
    }
}

/// Whether anything in an environment is meant for this platform.
pub(crate) fn is_configured(environment: &Environment) -> bool {
    let variables =
        [CLIENT_ID.variable, CLIENT_SECRET.variable, AGENT_IDENTITY.variable, IDENTITY_VARIABLE, IAM_VARIABLE];
    variables.iter().any(|name| environment.get(name) != Ok(None)) || environment.changed_at(Path::new(FILE)).is_some()
}

struct Places<'a> {
    environment: Option<&'a Environment>,
    /// Read at the first question.
    file: Option<BTreeMap<String, Field>>,
}

impl Places<'_> {
    fn account(&mut self) -> Result<ServiceAccount, BuildError> {
        let id = self.variable(CLIENT_ID.variable)?;
        let secret = self.variable(CLIENT_SECRET.variable)?;
        let names = [CLIENT_ID, CLIENT_SECRET].map(|key| format!("the variable {}", key.variable));
        if let Some((id, secret)) = both_or_neither((id, secret), &names)? {
            return ServiceAccount::checked(id.expose_secret(), secret, CredentialSource::Environment);
        }
        let id = self.key(CLIENT_ID)?;
        let secret = self.key(CLIENT_SECRET)?;
        let names = [CLIENT_ID, CLIENT_SECRET].map(|key| format!("`{}` in {FILE}", key.key));
        if let Some((id, secret)) = both_or_neither((id, secret), &names)? {
            return ServiceAccount::checked(id.expose_secret(), secret, CredentialSource::File);
        }
        Err(BuildError::missing(
            "no credentials of a GreenNode AgentBase service account are configured",
            format!(
                "set {} and {}; or write `{}` and `{}` into {FILE} in the working directory; or give them in code with `AgentBase::builder().with_client_credentials(..)`",
                CLIENT_ID.variable, CLIENT_SECRET.variable, CLIENT_ID.key, CLIENT_SECRET.key
            ),
        ))
    }

    fn agent_identity(&mut self) -> Result<Option<AgentIdentityName>, BuildError> {
        if let Some(name) = self.variable(AGENT_IDENTITY.variable)? {
            return identity_name(name.expose_secret(), &format!("in the variable {}", AGENT_IDENTITY.variable))
                .map(Some);
        }
        let name = self.key(AGENT_IDENTITY)?;
        name.map(|name| identity_name(name.expose_secret(), &format!("in {FILE}"))).transpose()
    }

    /// Endpoints never come from the file: what lies in a working directory must not decide where credentials go.
    fn endpoint(
        &self,
        given: Option<String>,
        what: &str,
        variable: &'static str,
        default: &str,
    ) -> Result<Endpoint, BuildError> {
        if let Some(given) = given {
            return Endpoint::parse(&given, &format!("the {what} given in code"));
        }
        match self.variable(variable)? {
            Some(text) => Endpoint::parse(text.expose_secret(), &format!("the {what} in the variable {variable}")),
            None => Endpoint::parse(default, what),
        }
    }

    fn variable(&self, name: &str) -> Result<Option<SecretString>, BuildError> {
        self.environment.map_or(Ok(None), |environment| environment.setting(name))
    }

    fn key(&mut self, key: Key) -> Result<Option<SecretString>, BuildError> {
        let file = match &mut self.file {
            Some(file) => file,
            unread => unread.insert(self.environment.map_or_else(|| Ok(BTreeMap::new()), read_file)?),
        };
        for name in [key.key, key.variable] {
            match file.get(name) {
                None | Some(Field::Null) => {}
                Some(Field::Text(text)) if !text.expose_secret().trim().is_empty() => return Ok(Some(text.clone())),
                Some(Field::Text(_)) => {
                    return Err(BuildError::broken(
                        format!("`{name}` in {FILE} is empty"),
                        format!("give `{name}` a value, or remove it"),
                    ));
                }
                Some(Field::Other) => {
                    return Err(BuildError::broken(
                        format!("`{name}` in {FILE} is not a string"),
                        format!("write the value of `{name}` in quotes"),
                    ));
                }
            }
        }
        Ok(None)
    }
}

fn identity_name(name: &str, place: &str) -> Result<AgentIdentityName, BuildError> {
    let checked = AgentIdentityName::new(name).and_then(|checked| {
        identity_grammar::check_agentbase_name(name).map_err(|violation| Error::invalid(violation.to_string()))?;
        Ok(checked)
    });
    checked.map_err(|error| {
        BuildError::broken(
            format!("the agent identity {place} is not one: {error}"),
            "write the name as it is registered on AgentBase",
        )
    })
}

fn read_file(environment: &Environment) -> Result<BTreeMap<String, Field>, BuildError> {
    let text = environment.read_file(Path::new(FILE), FILE_LIMIT).map_err(|error| {
        BuildError::broken(format!("{FILE} cannot be read"), "make it a readable text file, or remove it")
            .with_source(error)
    })?;
    let Some(text) = text.map(Zeroizing::new) else { return Ok(BTreeMap::new()) };
    let fields: BTreeMap<String, Field> = serde_json::from_str(&text).map_err(|error| {
        // The parser's own words quote the text.
        let problem = if error.is_data() { "is not a JSON object" } else { "is not JSON" };
        BuildError::broken(
            format!("{FILE} {problem} (line {}, column {})", error.line(), error.column()),
            "correct the file, or remove it; nothing was changed in it",
        )
    })?;
    let has =
        |key: Key| [key.key, key.variable].into_iter().any(|name| matches!(fields.get(name), Some(Field::Text(_))));
    if has(CLIENT_SECRET) && environment.others_can_read(Path::new(FILE)) {
        tracing::warn!(
            "{FILE} holds a client secret and other accounts of this machine can read it; run `chmod 600 {FILE}`"
        );
    }
    if has(AGENT_USER_ID) {
        warn_of_default_user(FILE);
    }
    let known = [CLIENT_ID, CLIENT_SECRET, AGENT_IDENTITY, AGENT_USER_ID].into_iter().chain(OTHERS);
    let known: Vec<&str> = known.flat_map(|key| [key.key, key.variable]).collect();
    let unknown = fields.keys().filter(|name| !known.contains(&name.as_str())).count();
    if unknown > 0 {
        tracing::warn!(unknown, "{FILE} has keys that nothing reads; endpoints are set by variables only");
    }
    Ok(fields)
}

fn warn_of_default_user(place: &str) {
    tracing::warn!(
        "agent_user_id in {place} is not used: there is no default user, for a request without a user would get that user's credentials"
    );
}

/// A value of the file, read without a copy that outlives it.
enum Field {
    Text(SecretString),
    Null,
    Other,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Field, E> {
                Ok(Field::Text(text.into()))
            }

            fn visit_unit<E>(self) -> Result<Field, E> {
                Ok(Field::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
                Ok(Field::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Field, E> {
                Ok(Field::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Field, E> {
                Ok(Field::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
                Ok(Field::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Field, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Field::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Field, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Field::Other)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
