//! Response bodies: contract section 5.

use jiff::Timestamp;
use serde::Serialize;

use crate::core::Core;
use crate::vault::{Endpoints, Identity, OAuthProvider};

/// RFC 3339 with `Z`, to the millisecond.
fn timestamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentityBody {
    id: String,
    name: String,
    description: Option<String>,
    allowed_return_urls: Vec<String>,
    created_at: String,
    updated_at: String,
}

impl From<&Identity> for IdentityBody {
    fn from(identity: &Identity) -> Self {
        Self {
            id: identity.id.clone(),
            name: identity.name.clone(),
            description: identity.description.clone(),
            allowed_return_urls: identity.return_urls.clone(),
            created_at: timestamp(identity.created_at),
            updated_at: timestamp(identity.updated_at),
        }
    }
}

/// Static and delegated alike.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyProviderBody {
    id: String,
    name: String,
    status: &'static str,
    created_at: String,
    updated_at: String,
}

impl KeyProviderBody {
    pub(super) fn new(id: &str, name: &str, created_at: Timestamp, updated_at: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            status: "ACTIVE",
            created_at: timestamp(created_at),
            updated_at: timestamp(updated_at),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OAuthProviderBody {
    id: String,
    name: String,
    client_id: String,
    authorization_url: String,
    token_url: String,
    status: &'static str,
    callback_url: String,
    created_at: String,
    updated_at: String,
}

impl OAuthProviderBody {
    pub(super) fn new(core: &Core, provider: &OAuthProvider) -> Self {
        let built_in = &core.built_in;
        let (client_id, authorization_url, token_url) = match &provider.endpoints {
            Endpoints::BuiltIn | Endpoints::Feishu => {
                (&built_in.client_id, built_in.authorization_url.as_str(), built_in.token_url.as_str())
            }
            Endpoints::Outside { authorization_url, token_url } => {
                (&provider.client_id, authorization_url.as_str(), token_url.as_str())
            }
        };
        Self {
            id: provider.id.clone(),
            name: provider.name.clone(),
            client_id: client_id.clone(),
            authorization_url: authorization_url.to_owned(),
            token_url: token_url.to_owned(),
            status: "ACTIVE",
            callback_url: callback_url(core, &provider.id),
            created_at: timestamp(provider.created_at),
            updated_at: timestamp(provider.updated_at),
        }
    }
}

/// What must be registered at the outside provider.
pub(crate) fn callback_url(core: &Core, provider_id: &str) -> String {
    format!("{}/oauth2/callback/{provider_id}", core.identity_url())
}
