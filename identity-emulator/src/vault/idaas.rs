//! Records of an identity provider whose applications fetch hosted credentials, and what may be done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::records::{KeyProvider, OAuthProvider, State};
use super::sealed;
use super::state::{self, Refusal, Thing};
use crate::random;

/// One instance of the identity provider.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Idaas {
    pub(crate) instance: String,
    /// PKCS#8 in base64, the newest first: it signs, the others still verify.
    pub(crate) signing_keys: Vec<Secret>,
    /// By client id.
    pub(crate) applications: BTreeMap<String, Arc<Application>>,
    /// By [`HostedKey::place`].
    pub(crate) keys: BTreeMap<String, Arc<HostedKey>>,
    /// By identifier, as the next one.
    pub(crate) providers: BTreeMap<String, Arc<TokenProvider>>,
    pub(crate) jwt_providers: BTreeMap<String, Arc<JwtProvider>>,
    /// By id.
    pub(crate) jwts: BTreeMap<String, Arc<MintedJwt>>,
}

/// A secret of which there may be several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(#[serde(with = "sealed::secret")] pub(crate) SecretString);

/// A machine-to-machine application: an agent, a client or a service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) secrets: Vec<Secret>,
    /// Each a SubjectPublicKeyInfo in PEM.
    pub(crate) public_keys: Vec<String>,
    pub(crate) federated: Vec<Federated>,
    /// What it may ask for, by audience.
    pub(crate) permissions: BTreeMap<String, BTreeSet<String>>,
    pub(crate) created_at: Timestamp,
}

/// Somebody else's credential that counts as the application's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Federated {
    pub(crate) name: String,
    pub(crate) trust: Trust,
}

/// Whose word counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Trust {
    /// A token of this issuer for this audience about this subject.
    Oidc { issuer: String, audience: String, subject: String },
    /// A certificate that leads to one of these (PEM), with this DNS name in it.
    Certificates { roots: String, dns_name: String },
    /// A document about this machine that a cloud signed with the key of one of these certificates (PEM).
    Attested { certificates: String, machine: String },
}

/// An API key that the platform keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HostedKey {
    /// The name is the identifier.
    pub(crate) provider: KeyProvider,
    /// Nobody else is given it.
    pub(crate) exclusive_user: Option<String>,
}

impl HostedKey {
    /// No user's name has the separator, so that no two pairs meet.
    pub(crate) fn place(identifier: &str, user: Option<&str>) -> String {
        match user {
            None => identifier.to_owned(),
            Some(user) => format!("{user}\u{1f}{identifier}"),
        }
    }
}

/// An OAuth2 client at a third party.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenProvider {
    /// The name is the identifier.
    pub(crate) provider: Arc<OAuthProvider>,
    /// Whether the token is the machine's own, not a user's.
    pub(crate) machine: bool,
    pub(crate) scopes: Vec<String>,
}

/// Where JWTs are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JwtProvider {
    pub(crate) id: String,
    pub(crate) identifier: String,
    /// Issuers that may be named besides its own.
    pub(crate) issuers: Vec<String>,
}

/// A JWT that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MintedJwt {
    pub(crate) id: String,
    /// Identifier and id of the provider.
    pub(crate) provider: (String, String),
    /// The application, and the user for whom it acted.
    pub(crate) owner: (String, Option<String>),
    #[serde(with = "sealed::secret")]
    pub(crate) jwt: SecretString,
    #[serde(with = "sealed::optional_secret")]
    pub(crate) short: Option<SecretString>,
    pub(crate) revoked: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl State {
    pub(crate) fn create_application(&mut self, application: Application) -> Result<Arc<Application>, Refusal> {
        let id = application.id.clone();
        state::add(&mut self.idaas.applications, &id, application, Thing::Client)
    }

    pub(crate) fn create_hosted_key(&mut self, key: HostedKey) -> Result<Arc<HostedKey>, Refusal> {
        let place = HostedKey::place(&key.provider.name, key.exclusive_user.as_deref());
        state::add(&mut self.idaas.keys, &place, key, Thing::Provider)
    }

    /// The user's own key of this identifier, else the one that everybody may use.
    pub(crate) fn hosted_key(&self, identifier: &str, user: Option<&str>) -> Result<&Arc<HostedKey>, Refusal> {
        // A name with the separator in it would be somebody's place.
        if identifier.chars().any(char::is_control) {
            return Err(Refusal::Missing(Thing::Provider));
        }
        let own = user.and_then(|user| self.idaas.keys.get(&HostedKey::place(identifier, Some(user))));
        own.or_else(|| self.idaas.keys.get(identifier)).ok_or(Refusal::Missing(Thing::Provider))
    }

    pub(crate) fn create_token_provider(&mut self, provider: TokenProvider) -> Result<Arc<TokenProvider>, Refusal> {
        let identifier = provider.provider.name.clone();
        state::add(&mut self.idaas.providers, &identifier, provider, Thing::Provider)
    }

    pub(crate) fn create_jwt_provider(&mut self, provider: JwtProvider) -> Result<Arc<JwtProvider>, Refusal> {
        let identifier = provider.identifier.clone();
        state::add(&mut self.idaas.jwt_providers, &identifier, provider, Thing::Provider)
    }

    /// Makes room by forgetting what has expired.
    pub(crate) fn keep_jwt(&mut self, jwt: MintedJwt) -> Result<Arc<MintedJwt>, Refusal> {
        let now = jwt.created_at;
        self.idaas.jwts.retain(|_, kept| now < kept.expires_at);
        let id = jwt.id.clone();
        state::add(&mut self.idaas.jwts, &id, jwt, Thing::Credential)
    }

    /// Revokes, or takes that back, what `concerns`; how many those are.
    pub(crate) fn set_revoked(
        &mut self,
        revoked: bool,
        now: Timestamp,
        concerns: impl Fn(&MintedJwt) -> bool,
    ) -> usize {
        let mut found = 0;
        for jwt in self.idaas.jwts.values_mut().filter(|jwt| concerns(jwt)) {
            let jwt = Arc::make_mut(jwt);
            (jwt.revoked, jwt.updated_at) = (revoked, now);
            found += 1;
        }
        found
    }

    /// The JWT that this is, or stands for. Every candidate is compared, each in constant time.
    pub(crate) fn minted_jwt(&self, token: &str) -> Option<&Arc<MintedJwt>> {
        let mut hit = None;
        for jwt in self.idaas.jwts.values() {
            let short = jwt.short.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
            let same = random::same_secret(jwt.jwt.expose_secret(), token);
            if same || (!short.is_empty() && random::same_secret(short, token)) {
                hit = Some(jwt);
            }
        }
        hit
    }
}
