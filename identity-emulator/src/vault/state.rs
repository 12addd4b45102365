//! What may be done to the state, and what that takes along.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::records::{
    Asks, Endpoints, Grant, Identity, KeyProvider, OAuthProvider, Session, SessionStatus, State, StoredToken, TokenKey,
    UserKey, UserKeyProvider,
};
use crate::random;

/// How many records of one kind the vault keeps. Sessions beyond it push out the oldest; others are refused.
pub(super) const MOST: usize = 10_000;
/// How long a session can still be asked about after its end.
const SESSION_REMEMBERED: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// The kinds of things that can be missing, there already, or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Identity,
    Provider,
    Session,
    Credential,
    Pool,
    Client,
    Config,
}

/// Why a change did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Missing(Thing),
    Exists(Thing),
    Full(Thing),
}

pub(super) fn found<'a, T>(map: &'a BTreeMap<String, Arc<T>>, name: &str, thing: Thing) -> Result<&'a Arc<T>, Refusal> {
    map.get(name).ok_or(Refusal::Missing(thing))
}

pub(super) fn found_mut<'a, T: Clone>(
    map: &'a mut BTreeMap<String, Arc<T>>,
    name: &str,
    thing: Thing,
) -> Result<&'a mut T, Refusal> {
    map.get_mut(name).map(Arc::make_mut).ok_or(Refusal::Missing(thing))
}

pub(super) fn add<T>(
    map: &mut BTreeMap<String, Arc<T>>,
    name: &str,
    record: T,
    thing: Thing,
) -> Result<Arc<T>, Refusal> {
    if map.contains_key(name) {
        return Err(Refusal::Exists(thing));
    }
    if map.len() >= MOST {
        return Err(Refusal::Full(thing));
    }
    let record = Arc::new(record);
    map.insert(name.to_owned(), Arc::clone(&record));
    Ok(record)
}

impl State {
    pub(crate) fn identity(&self, name: &str) -> Result<&Arc<Identity>, Refusal> {
        found(&self.identities, name, Thing::Identity)
    }

    pub(crate) fn key_provider(&self, name: &str) -> Result<&Arc<KeyProvider>, Refusal> {
        found(&self.key_providers, name, Thing::Provider)
    }

    pub(crate) fn user_key_provider(&self, name: &str) -> Result<&Arc<UserKeyProvider>, Refusal> {
        found(&self.user_key_providers, name, Thing::Provider)
    }

    pub(crate) fn oauth_provider(&self, name: &str) -> Result<&Arc<OAuthProvider>, Refusal> {
        found(&self.oauth_providers, name, Thing::Provider)
    }

    pub(crate) fn oauth_provider_by_id(&self, id: &str) -> Result<&Arc<OAuthProvider>, Refusal> {
        let pooled = self.pooled.providers.values().map(|pooled| &pooled.provider);
        let idaas = self.idaas.providers.values().map(|idaas| &idaas.provider);
        let vaulted = self.vaulted.providers.values().map(|vaulted| &vaulted.provider);
        let mut all = self.oauth_providers.values().chain(pooled).chain(idaas).chain(vaulted);
        all.find(|provider| provider.id == id).ok_or(Refusal::Missing(Thing::Provider))
    }

    pub(crate) fn create_identity(
        &mut self,
        name: &str,
        description: Option<String>,
        return_urls: Vec<String>,
        now: Timestamp,
    ) -> Result<Arc<Identity>, Refusal> {
        let identity = Identity {
            id: random::uuid(),
            name: name.to_owned(),
            description,
            return_urls,
            created_at: now,
            updated_at: now,
        };
        add(&mut self.identities, name, identity, Thing::Identity)
    }

    /// What is `None` stays as it is.
    pub(crate) fn update_identity(
        &mut self,
        name: &str,
        description: Option<String>,
        return_urls: Option<Vec<String>>,
        now: Timestamp,
    ) -> Result<Arc<Identity>, Refusal> {
        let identity = found_mut(&mut self.identities, name, Thing::Identity)?;
        if let Some(description) = description {
            identity.description = Some(description);
        }
        if let Some(return_urls) = return_urls {
            identity.return_urls = return_urls;
        }
        identity.updated_at = now;
        self.identity(name).cloned()
    }

    /// Takes along everything that users granted to this agent: a later agent of the same name must not inherit it.
    pub(crate) fn delete_identity(&mut self, name: &str) -> Result<(), Refusal> {
        self.identities.remove(name).ok_or(Refusal::Missing(Thing::Identity))?;
        self.forget(|grant| grant.identity == name);
        Ok(())
    }

    pub(crate) fn create_key_provider(
        &mut self,
        name: &str,
        key: SecretString,
        now: Timestamp,
    ) -> Result<Arc<KeyProvider>, Refusal> {
        let provider = KeyProvider { id: random::uuid(), name: name.to_owned(), key, created_at: now, updated_at: now };
        add(&mut self.key_providers, name, provider, Thing::Provider)
    }

    pub(crate) fn rotate_key(
        &mut self,
        name: &str,
        key: SecretString,
        now: Timestamp,
    ) -> Result<Arc<KeyProvider>, Refusal> {
        let provider = found_mut(&mut self.key_providers, name, Thing::Provider)?;
        provider.key = key;
        provider.updated_at = now;
        self.key_provider(name).cloned()
    }

    pub(crate) fn delete_key_provider(&mut self, name: &str) -> Result<(), Refusal> {
        self.key_providers.remove(name).map(drop).ok_or(Refusal::Missing(Thing::Provider))
    }

    pub(crate) fn create_user_key_provider(
        &mut self,
        name: &str,
        now: Timestamp,
    ) -> Result<Arc<UserKeyProvider>, Refusal> {
        let provider = UserKeyProvider { id: random::uuid(), name: name.to_owned(), created_at: now, updated_at: now };
        add(&mut self.user_key_providers, name, provider, Thing::Provider)
    }

    pub(crate) fn delete_user_key_provider(&mut self, name: &str) -> Result<(), Refusal> {
        let provider = self.user_key_providers.remove(name).ok_or(Refusal::Missing(Thing::Provider))?;
        self.forget(|grant| grant.provider_id == provider.id);
        Ok(())
    }

    pub(crate) fn create_oauth_provider(
        &mut self,
        name: &str,
        client_id: String,
        client_secret: SecretString,
        endpoints: Endpoints,
        now: Timestamp,
    ) -> Result<Arc<OAuthProvider>, Refusal> {
        let provider = OAuthProvider {
            id: random::uuid(),
            name: name.to_owned(),
            client_id,
            client_secret,
            endpoints,
            created_at: now,
            updated_at: now,
        };
        add(&mut self.oauth_providers, name, provider, Thing::Provider)
    }

    /// Another client or other endpoints end every grant: a refresh token must never reach an endpoint that did not issue it.
    pub(crate) fn update_oauth_provider(
        &mut self,
        name: &str,
        client_id: String,
        client_secret: SecretString,
        endpoints: Endpoints,
        now: Timestamp,
    ) -> Result<Arc<OAuthProvider>, Refusal> {
        let provider = found_mut(&mut self.oauth_providers, name, Thing::Provider)?;
        let moved = (provider.client_id != client_id || provider.endpoints != endpoints).then(|| provider.id.clone());
        provider.client_id = client_id;
        provider.client_secret = client_secret;
        provider.endpoints = endpoints;
        provider.updated_at = now;
        if let Some(id) = moved {
            self.forget(|grant| grant.provider_id == id);
        }
        self.oauth_provider(name).cloned()
    }

    /// Answers what was deleted.
    pub(crate) fn delete_oauth_provider(&mut self, name: &str) -> Result<Arc<OAuthProvider>, Refusal> {
        let provider = self.oauth_providers.remove(name).ok_or(Refusal::Missing(Thing::Provider))?;
        self.forget(|grant| grant.provider_id == provider.id);
        Ok(provider)
    }

    pub(super) fn forget(&mut self, ended: impl Fn(&Grant) -> bool) {
        self.user_keys.retain(|grant, _| !ended(grant));
        self.tokens.retain(|key, _| !ended(&key.grant));
        self.sessions.retain(|_, session| !ended(&session.grant));
    }

    pub(crate) fn user_key(&self, grant: &Grant) -> Option<&SecretString> {
        self.user_keys.get(grant).map(|stored| &stored.key)
    }

    /// The token for exactly these scopes, else one that covers them.
    pub(crate) fn token(&self, grant: &Grant, scopes: &BTreeSet<String>) -> Option<(&TokenKey, &Arc<StoredToken>)> {
        let first = TokenKey { grant: grant.clone(), scopes: BTreeSet::new() };
        let mut covering = None;
        for (key, token) in self.tokens.range(first..).take_while(|(key, _)| key.grant == *grant) {
            if key.scopes == *scopes {
                return Some((key, token));
            }
            if covering.is_none() && key.scopes.is_superset(scopes) {
                covering = Some((key, token));
            }
        }
        covering
    }

    pub(crate) fn store_token(&mut self, key: TokenKey, token: StoredToken) -> Result<Arc<StoredToken>, Refusal> {
        if self.tokens.len() >= MOST && !self.tokens.contains_key(&key) {
            return Err(Refusal::Full(Thing::Credential));
        }
        let token = Arc::new(token);
        self.tokens.insert(key, Arc::clone(&token));
        Ok(token)
    }

    /// Forgets a token, unless it was replaced in the meantime.
    pub(crate) fn drop_token(&mut self, key: &TokenKey, token: &StoredToken) {
        let same = |stored: &Arc<StoredToken>| {
            random::same_secret(stored.access_token.expose_secret(), token.access_token.expose_secret())
        };
        if self.tokens.get(key).is_some_and(same) {
            self.tokens.remove(key);
        }
    }

    pub(crate) fn session(&self, id: &str, grant: &Grant) -> Result<&Arc<Session>, Refusal> {
        // Ids are made in lower case; either case is the same UUID.
        let session = self.sessions.get(&id.to_ascii_lowercase());
        session.filter(|session| session.grant == *grant).ok_or(Refusal::Missing(Thing::Session))
    }

    pub(crate) fn open_session(&mut self, session: Session) -> Arc<Session> {
        let now = session.created_at;
        self.sessions
            .retain(|_, old| now < old.expires_at.saturating_add(SESSION_REMEMBERED).unwrap_or(Timestamp::MAX));
        while self.sessions.len() >= MOST {
            let oldest =
                self.sessions.values().min_by_key(|session| session.created_at).map(|session| session.id.clone());
            let Some(oldest) = oldest else { break };
            self.sessions.remove(&oldest);
        }
        let session = Arc::new(session);
        self.sessions.insert(session.id.clone(), Arc::clone(&session));
        session
    }

    /// The open session whose browser carries this `state`. Every candidate is compared, each in constant time.
    pub(crate) fn session_by_state(
        &self,
        provider_id: &str,
        state: &str,
        now: Timestamp,
    ) -> Result<&Arc<Session>, Refusal> {
        self.session_with_state(state, now, |session| session.grant.provider_id == provider_id)
    }

    pub(super) fn session_with_state(
        &self,
        state: &str,
        now: Timestamp,
        concerns: impl Fn(&Session) -> bool,
    ) -> Result<&Arc<Session>, Refusal> {
        let mut hit = None;
        for session in self.sessions.values().filter(|session| concerns(session)) {
            let expected = session.state.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
            if !expected.is_empty() && random::same_secret(expected, state) {
                hit = Some(session);
            }
        }
        hit.filter(|session| session.status_at(now) == SessionStatus::Open).ok_or(Refusal::Missing(Thing::Session))
    }

    /// An open session, to be changed.
    pub(crate) fn open_session_mut(&mut self, id: &str, now: Timestamp) -> Result<&mut Session, Refusal> {
        let session = found_mut(&mut self.sessions, id, Thing::Session)?;
        if session.status_at(now) == SessionStatus::Open { Ok(session) } else { Err(Refusal::Missing(Thing::Session)) }
    }

    /// Uses up the `state` and answers the session as it was before, with its PKCE verifier.
    pub(crate) fn take_state(
        &mut self,
        provider_id: &str,
        state: &str,
        now: Timestamp,
    ) -> Result<Arc<Session>, Refusal> {
        let session = Arc::clone(self.session_by_state(provider_id, state, now)?);
        self.use_up_state(session, now)
    }

    pub(super) fn use_up_state(&mut self, session: Arc<Session>, now: Timestamp) -> Result<Arc<Session>, Refusal> {
        let open = self.open_session_mut(&session.id, now)?;
        open.state = None;
        if let Asks::Consent { verifier, .. } = &mut open.asks {
            *verifier = None;
        }
        Ok(session)
    }

    pub(crate) fn finish_session(&mut self, id: &str, status: SessionStatus, now: Timestamp) -> Result<(), Refusal> {
        self.open_session_mut(id, now)?.status = status;
        Ok(())
    }

    pub(crate) fn store_user_key(&mut self, grant: Grant, key: SecretString) -> Result<(), Refusal> {
        if self.user_keys.len() >= MOST && !self.user_keys.contains_key(&grant) {
            return Err(Refusal::Full(Thing::Credential));
        }
        self.user_keys.insert(grant, Arc::new(UserKey { key }));
        Ok(())
    }
}
