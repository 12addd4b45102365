//! The part of a seed that is for IDaaS.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use super::node::Node;
use super::shared::{Client, key_record};
use super::{OwnClients, SeedError, tolerate};
use crate::idaas::{is_public_key, is_signer, is_user};
use crate::random;
use crate::vault::{Application, Federated, HostedKey, JwtProvider, Secret, State, TokenProvider, Trust};

#[derive(Clone, Debug, Default)]
pub(super) struct IdaasSeed {
    instance: Option<String>,
    applications: Vec<ApplicationSeed>,
    keys: Vec<KeySeed>,
    providers: Vec<ProviderSeed>,
    jwt_providers: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Debug)]
struct ApplicationSeed {
    id: String,
    secrets: Vec<SecretString>,
    public_keys: Vec<String>,
    federated: Vec<Federated>,
    permissions: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone, Debug)]
struct KeySeed {
    identifier: String,
    key: SecretString,
    exclusive_user: Option<String>,
}

#[derive(Clone, Debug)]
struct ProviderSeed {
    identifier: String,
    machine: bool,
    scopes: Vec<String>,
    client: Client,
}

/// Instances and applications: what a path, a claim and a separator can hold.
fn id(node: &Node, key: &str, value: String) -> Result<String, SeedError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=128).contains(&value.len()) && value.bytes().all(plain) {
        return Ok(value);
    }
    let rule = "must have 1 to 128 letters, digits, - or _";
    Err(SeedError::new(format_args!("{}.{key}", node.place), rule))
}

fn identifier(node: &mut Node) -> Result<String, SeedError> {
    let identifier = node.required("identifier")?;
    if (1..=256).contains(&identifier.len()) && !identifier.chars().any(char::is_control) {
        return Ok(identifier);
    }
    let rule = "must have 1 to 256 bytes and no control character";
    Err(SeedError::new(format_args!("{}.identifier", node.place), rule))
}

fn secret(node: &mut Node, key: &str) -> Result<Option<SecretString>, SeedError> {
    match node.text(key)? {
        Some(secret) if !(1..=4096).contains(&secret.len()) => {
            Err(SeedError::new(format_args!("{}.{key}", node.place), "must have 1 to 4096 bytes"))
        }
        secret => Ok(secret.map(SecretString::from)),
    }
}

impl IdaasSeed {
    pub(super) fn read(mut node: Node) -> Result<Self, SeedError> {
        let instance = node.text("instance")?;
        let seed = Self {
            instance: instance.map(|instance| id(&node, "instance", instance)).transpose()?,
            applications: node.list("applications", ApplicationSeed::read)?,
            keys: node.list("api_keys", KeySeed::read)?,
            providers: node.list("oauth2_providers", ProviderSeed::read)?,
            jwt_providers: node.list("jwt_providers", |item| Ok((identifier(item)?, item.texts("issuers")?)))?,
        };
        node.finish()?;
        Ok(seed)
    }

    pub(super) fn names(&self) -> (Option<String>, Option<String>) {
        let first = self.applications.iter().find(|application| !application.secrets.is_empty());
        (self.instance.clone(), first.map(|application| application.id.clone()))
    }

    pub(super) fn apply(self, state: &mut State, own: &OwnClients, now: Timestamp) -> Result<(), SeedError> {
        for application in self.applications {
            tolerate("idaas.applications", state.create_application(application.record(now)))?;
        }
        for KeySeed { identifier, key, exclusive_user } in self.keys {
            let provider = key_record(identifier, key, now);
            tolerate("idaas.api_keys", state.create_hosted_key(HostedKey { provider, exclusive_user }))?;
        }
        for provider in self.providers {
            tolerate("idaas.oauth2_providers", state.create_token_provider(provider.record(own, now)))?;
        }
        for (identifier, issuers) in self.jwt_providers {
            let id = format!("atp_{}", random::uuid().replace('-', ""));
            tolerate("idaas.jwt_providers", state.create_jwt_provider(JwtProvider { id, identifier, issuers }))?;
        }
        Ok(())
    }
}

impl ApplicationSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let client_id = node.required("client_id")?;
        let secrets = [secret(node, "client_secret")?, secret(node, "other_client_secret")?];
        let public_keys = node.texts("public_keys")?;
        if public_keys.len() > 10 || !public_keys.iter().all(|pem| is_public_key(pem)) {
            let rule = "must be at most 10 public keys in PEM (BEGIN PUBLIC KEY)";
            return Err(SeedError::new(format_args!("{}.public_keys", node.place), rule));
        }
        let permissions = match node.take("permissions") {
            None => BTreeMap::new(),
            Some(value) => serde_json::from_value(value).map_err(|_| {
                SeedError::new(
                    format_args!("{}.permissions", node.place),
                    "must be an object of lists of strings, by audience",
                )
            })?,
        };
        Ok(Self {
            id: id(node, "client_id", client_id)?,
            secrets: secrets.into_iter().flatten().collect(),
            public_keys,
            federated: node.list("federated_credentials", federated)?,
            permissions,
        })
    }

    fn record(self, now: Timestamp) -> Application {
        Application {
            id: self.id,
            secrets: self.secrets.into_iter().map(Secret).collect(),
            public_keys: self.public_keys,
            federated: self.federated,
            permissions: self.permissions,
            created_at: now,
        }
    }
}

fn federated(node: &mut Node) -> Result<Federated, SeedError> {
    let name = node.required("name")?;
    let trust = match (node.text("issuer")?, node.text("roots")?, node.text("attested_by")?) {
        (Some(issuer), None, None) => {
            if !issuer.parse().is_ok_and(|url| crate::oauth::is_usable(&url)) {
                let rule = "must be https (http only on loopback)";
                return Err(SeedError::new(format_args!("{}.issuer", node.place), rule));
            }
            Trust::Oidc { issuer, audience: node.required("audience")?, subject: node.required("subject")? }
        }
        (None, Some(roots), None) => Trust::Certificates { roots, dns_name: node.required("dns_name")? },
        (None, None, Some(certificates)) => {
            if !is_signer(&certificates) {
                let rule = "must be 1 to 8 certificates in PEM";
                return Err(SeedError::new(format_args!("{}.attested_by", node.place), rule));
            }
            Trust::Attested { certificates, machine: node.required("machine")? }
        }
        _ => {
            let rule = "must have one of issuer, roots and attested_by";
            return Err(SeedError::new(&node.place, rule));
        }
    };
    Ok(Federated { name, trust })
}

impl KeySeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let key = secret(node, "apikey")?;
        let key = key.ok_or_else(|| SeedError::new(format_args!("{}.apikey", node.place), "is required"))?;
        let exclusive_user = node.text("exclusive_user")?;
        if exclusive_user.as_deref().is_some_and(|user| !is_user(user)) {
            let rule = "must have 1 to 1024 bytes and no control character";
            return Err(SeedError::new(format_args!("{}.exclusive_user", node.place), rule));
        }
        Ok(Self { identifier: identifier(node)?, key, exclusive_user })
    }
}

impl ProviderSeed {
    fn read(node: &mut Node) -> Result<Self, SeedError> {
        let machine = match node.required("flow")?.as_str() {
            "m2m" => true,
            "user_federation" => false,
            _ => {
                return Err(SeedError::new(format_args!("{}.flow", node.place), "must be m2m or user_federation"));
            }
        };
        let client = match node.take("builtin") {
            Some(Value::Bool(true)) => Client::BuiltIn,
            None => Client::outside(node)?,
            Some(_) => return Err(SeedError::new(format_args!("{}.builtin", node.place), "must be true, or left out")),
        };
        Ok(Self { identifier: identifier(node)?, machine, scopes: node.texts("scopes")?, client })
    }

    fn record(self, own: &OwnClients, now: Timestamp) -> TokenProvider {
        let provider = self.client.record(self.identifier, own, now);
        TokenProvider { provider, machine: self.machine, scopes: self.scopes }
    }
}
