//! The dialect of Alibaba Cloud IDaaS (EIAM): an instance's authorization server and the developer API behind it.
//!
//! Written from the contract of the platform, independently of the client: no wire type is shared. What the contract leaves open
//! (section 16: error codes, lifetimes, replay rules) is answered strictly, by the standards.

mod access_token;
mod assertion;
mod attested;
mod client;
mod consent;
mod credentials;
mod developer;
mod error;
mod federation;
mod issuer;
mod jws;
mod keys;
mod minted;
mod names;
mod open_api;
mod scope;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use jiff::Timestamp;
use secrecy::SecretString;

pub(crate) use self::access_token::for_user;
pub(crate) use self::attested::is_signer;
use self::error::IdaasError;
pub(crate) use self::jws::is_public_key;
use self::keys::Keys;
pub(crate) use self::names::operation;
pub(crate) use self::open_api::generate_oauth_token;
use self::scope::Scope;
use crate::bounded::{Bounded, digest};
use crate::core::Core;
use crate::random;
use crate::vault::{Application, Secret, State};

/// The audience of the developer API (contract section 1).
pub(crate) const PAM: &str = "urn:cloud:idaas:pam";
/// Every permission on an audience (contract section 2).
pub(crate) const ALL: &str = ".all";
/// Below an instance.
const AUTHORIZATION_SERVER: &str = "api/v2/iauths_system/oauth2";
/// How many assertions are remembered.
const ASSERTIONS: usize = 10_000;

/// What the dialect keeps beside the vault.
pub(crate) struct Platform {
    /// As clients know it: named in tokens, and the beginning of the address that their assertions are for.
    pub(crate) issuer: String,
    pub(crate) instance: String,
    /// The application that the handle names.
    pub(crate) client: (String, SecretString),
    keys: Keys,
    spent: Mutex<Bounded<()>>,
}

impl Platform {
    pub(crate) fn new(origin: &str, issuer: Option<String>, settled: Settled) -> Self {
        let Settled { instance, client } = settled;
        let own = || format!("{origin}/idaas/{instance}/{AUTHORIZATION_SERVER}");
        let issuer = issuer.map_or_else(own, |issuer| issuer.trim_end_matches('/').to_owned());
        Self { issuer, instance, client, keys: Keys::default(), spent: Mutex::new(Bounded::new(ASSERTIONS)) }
    }

    /// Where the authorization server really is.
    pub(crate) fn served_at(&self, origin: &str) -> String {
        format!("{origin}/idaas/{}/{AUTHORIZATION_SERVER}", self.instance)
    }

    fn token_endpoint(&self) -> String {
        format!("{}/token", self.issuer)
    }

    /// Whether this assertion comes for the first time.
    fn spend(&self, client: &str, id: &str, until: Timestamp, now: Timestamp) -> bool {
        let key = digest(&format!("{client}\u{1f}{id}"));
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = spent.get(&key).is_none();
        if fresh {
            spent.insert(key, (), until, now);
        }
        fresh
    }
}

/// Everything that the instance serves.
pub(crate) fn router(core: &Arc<Core>) -> Router {
    issuer::router().merge(developer::router()).with_state(Arc::clone(core))
}

/// What the handle names.
pub(crate) struct Settled {
    instance: String,
    client: (String, SecretString),
}

/// What is there from the start: an instance, and an application with a secret, which may use the developer API unless a seed
/// brought one already. `instance` is the seed's, for a vault that has none yet.
pub(crate) fn prepare(state: &mut State, instance: Option<String>, first: Option<&str>, now: Timestamp) -> Settled {
    if state.idaas.instance.is_empty() {
        state.idaas.instance = instance.unwrap_or_else(|| format!("idaas_{}", plain_id()));
    }
    let instance = state.idaas.instance.clone();
    let with_secret = |application: &&Arc<Application>| !application.secrets.is_empty();
    let named = first.and_then(|first| state.idaas.applications.get(first)).filter(with_secret);
    let known = named.or_else(|| state.idaas.applications.values().find(with_secret));
    if let Some(application) = known {
        let secret = application.secrets[0].0.clone();
        return Settled { instance, client: (application.id.clone(), secret) };
    }
    let secret = SecretString::from(format!("CS{}", random::token()));
    let application = Application {
        id: format!("app_{}", plain_id()),
        secrets: vec![Secret(secret.clone())],
        public_keys: Vec::new(),
        federated: Vec::new(),
        permissions: BTreeMap::from([(PAM.to_owned(), BTreeSet::from([ALL.to_owned()]))]),
        created_at: now,
    };
    let id = application.id.clone();
    // An error means that the vault is full of applications without a secret: then this one counts for nothing.
    let _ = state.create_application(application);
    Settled { instance, client: (id, secret) }
}

/// Unguessable, of letters and digits only.
fn plain_id() -> String {
    random::uuid().replace('-', "")
}

/// Makes a new signing key. The one before still verifies, the one before that no longer.
pub(crate) async fn rotate(core: &Core) -> Result<(), IdaasError> {
    core.idaas.keys.rotate(core).await
}

/// What a user may be called.
pub(crate) fn is_user(name: &str) -> bool {
    (1..=1024).contains(&name.len()) && !name.chars().any(char::is_control)
}
