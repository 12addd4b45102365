//! What the seeds of several platforms have in common: identities, keys and clients of OAuth2 providers.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;

use super::node::Node;
use super::{OwnClients, SeedError};
use crate::random;
use crate::vault::{Endpoints, Identity, KeyProvider, OAuthProvider};

/// Whose client a provider has.
#[derive(Clone, Debug)]
pub(super) enum Client {
    BuiltIn,
    Feishu,
    Outside { id: String, secret: SecretString, endpoints: Endpoints },
}

impl Client {
    /// `built_in` is what the seed says of it, if anything.
    pub(super) fn read(node: &mut Node, built_in: Option<bool>) -> Result<Self, SeedError> {
        match (built_in, node.text("vendor")?) {
            (Some(true), None) => Ok(Self::BuiltIn),
            (None, Some(vendor)) if vendor == "feishu" => Ok(Self::Feishu),
            (None, None) => Self::outside(node),
            _ => {
                let rule = "must have \"builtin\": true or \"vendor\": \"feishu\" or a client of its own";
                Err(SeedError::new(&node.place, rule))
            }
        }
    }

    pub(super) fn outside(node: &mut Node) -> Result<Self, SeedError> {
        let (id, secret) = (node.required("client_id")?, node.required("client_secret")?.into());
        let (authorization_url, token_url) = (node.url("authorization_url")?, node.url("token_url")?);
        Ok(Self::Outside { id, secret, endpoints: Endpoints::Outside { authorization_url, token_url } })
    }

    pub(super) fn record(self, name: String, own: &OwnClients, now: Timestamp) -> Arc<OAuthProvider> {
        let (client_id, client_secret, endpoints) = match self {
            Self::BuiltIn => (own.built_in.client_id.clone(), own.built_in.client_secret.clone(), Endpoints::BuiltIn),
            Self::Feishu => (own.feishu.client_id.clone(), own.feishu.client_secret.clone(), Endpoints::Feishu),
            Self::Outside { id, secret, endpoints } => (id, secret, endpoints),
        };
        let (id, created_at, updated_at) = (random::uuid(), now, now);
        Arc::new(OAuthProvider { id, name, client_id, client_secret, endpoints, created_at, updated_at })
    }
}

pub(super) fn key(node: &mut Node) -> Result<SecretString, SeedError> {
    let key = node.required("apikey")?;
    if key.is_empty() {
        return Err(SeedError::new(format_args!("{}.apikey", node.place), "must have at least 1 character"));
    }
    Ok(key.into())
}

pub(super) fn key_record(name: String, key: SecretString, now: Timestamp) -> KeyProvider {
    KeyProvider { id: random::uuid(), name, key, created_at: now, updated_at: now }
}

pub(super) fn identity_record(name: String, return_urls: Vec<String>, now: Timestamp) -> Identity {
    Identity { id: random::uuid(), name, description: None, return_urls, created_at: now, updated_at: now }
}
