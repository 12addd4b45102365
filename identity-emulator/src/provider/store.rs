//! Codes, tokens and begun consents, with the rules of RFC 6749, 7636 and 9700 about their use.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::TokenInfo;
use crate::bounded::{Bounded, TokenDigest, digest};
use crate::oauth::{OAuthFailure, challenge_of, random_token};

const CAPACITY: usize = 10_000;
/// A consent page holds what the browser sent, up to 8 KiB each: fewer of them.
const INTERACTIONS: usize = 1_000;
const INTERACTION_LIFETIME: Duration = Duration::from_secs(600);
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// A used code is remembered longer than it lives: its second use must still revoke.
const CODE_MEMORY: Duration = Duration::from_secs(24 * 3600);
const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// A consent that waits for its person.
#[derive(Clone)]
pub(super) struct Interaction {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) scopes: Vec<String>,
    /// `None` where PKCE is not used.
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
}

struct Waiting {
    interaction: Interaction,
    browser: TokenDigest,
    expires_at: Timestamp,
}

struct Code {
    grant: u64,
    subject: String,
    scopes: Vec<String>,
    redirect_uri: String,
    challenge: Option<String>,
    nonce: Option<String>,
    expires_at: Timestamp,
    used: bool,
}

struct Access {
    grant: Option<u64>,
    info: TokenInfo,
}

struct Refresh {
    grant: u64,
    subject: String,
    scopes: Vec<String>,
    expires_at: Timestamp,
    used: bool,
}

/// Tokens that were just made, and what for.
pub(super) struct Issued {
    pub(super) access_token: SecretString,
    pub(super) refresh_token: Option<SecretString>,
    pub(super) scopes: Vec<String>,
    pub(super) subject: Option<String>,
    pub(super) nonce: Option<String>,
}

/// Makes an access token for what it is to stand for.
pub(super) type Mint<'a> = &'a dyn Fn(&TokenInfo) -> Result<SecretString, OAuthFailure>;

/// Why no token was made.
#[derive(Debug)]
pub(super) enum Refusal {
    /// `invalid_grant`, with the description.
    Grant(&'static str),
    /// `invalid_scope`.
    Scope,
    /// No random bytes.
    Unequipped,
}

impl From<OAuthFailure> for Refusal {
    fn from(_: OAuthFailure) -> Self {
        Self::Unequipped
    }
}

pub(super) struct Store {
    pub(super) redirect_uris: BTreeSet<String>,
    interactions: Bounded<Waiting>,
    codes: Bounded<Code>,
    access: Bounded<Access>,
    refresh: Bounded<Refresh>,
    grants: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            redirect_uris: BTreeSet::new(),
            interactions: Bounded::new(INTERACTIONS),
            codes: Bounded::new(CAPACITY),
            access: Bounded::new(CAPACITY),
            refresh: Bounded::new(CAPACITY),
            grants: 0,
        }
    }
}

impl Store {
    /// Remembers a consent; `id` goes into the form, `browser` into the cookie.
    pub(super) fn begin(&mut self, interaction: Interaction, id: &str, browser: &str, now: Timestamp) {
        let expires_at = later(now, INTERACTION_LIFETIME);
        let waiting = Waiting { interaction, browser: digest(browser), expires_at };
        self.interactions.insert(digest(id), waiting, expires_at, now);
    }

    /// Takes a consent out, once, and only for the browser that began it.
    pub(super) fn take(&mut self, id: &str, browser: &str, now: Timestamp) -> Option<Interaction> {
        let key = digest(id);
        let waiting = self.interactions.get(&key)?;
        if !bool::from(waiting.browser.ct_eq(&digest(browser))) {
            return None;
        }
        let waiting = self.interactions.remove(&key)?;
        (waiting.expires_at > now).then_some(waiting.interaction)
    }

    /// The person said yes: a code for one exchange within 60 s.
    pub(super) fn allow(
        &mut self,
        interaction: Interaction,
        subject: String,
        now: Timestamp,
    ) -> Result<SecretString, OAuthFailure> {
        let code = random_token()?;
        self.grants += 1;
        let entry = Code {
            grant: self.grants,
            subject,
            scopes: interaction.scopes,
            redirect_uri: interaction.redirect_uri,
            challenge: interaction.challenge,
            nonce: interaction.nonce,
            expires_at: later(now, CODE_LIFETIME),
            used: false,
        };
        self.codes.insert(digest(code.expose_secret()), entry, later(now, CODE_MEMORY), now);
        Ok(code)
    }

    /// A token without a way to renew it: for the client itself, or for a user whose token was exchanged.
    pub(super) fn issue_once(
        &mut self,
        subject: Option<String>,
        scopes: Vec<String>,
        (lifetime, mint): (Duration, Mint<'_>),
        now: Timestamp,
    ) -> Result<Issued, Refusal> {
        let info = TokenInfo { subject, scopes: scopes.clone(), expires_at: later(now, lifetime) };
        let access_token = self.issue_access(None, info, mint, now)?;
        Ok(Issued { access_token, refresh_token: None, scopes, subject: None, nonce: None })
    }

    /// Exchanges a code. The first try spends it, right or wrong; a second one ends what the first gave.
    pub(super) fn redeem(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        (lifetime, mint): (Duration, Mint<'_>),
        now: Timestamp,
    ) -> Result<Issued, Refusal> {
        let entry = self.codes.get_mut(&digest(code)).ok_or(Refusal::Grant("the code is unknown"))?;
        let grant = entry.grant;
        if std::mem::replace(&mut entry.used, true) {
            self.end(grant);
            return Err(Refusal::Grant("the code was used before; its tokens are revoked"));
        }
        if entry.expires_at <= now {
            return Err(Refusal::Grant("the code has expired"));
        }
        if entry.redirect_uri != redirect_uri {
            return Err(Refusal::Grant("redirect_uri is not the one of the authorization request"));
        }
        let proven = match (&entry.challenge, verifier) {
            (Some(challenge), Some(verifier)) => challenge_of(verifier).as_bytes().ct_eq(challenge.as_bytes()).into(),
            (None, None) => true,
            // A verifier without a challenge was meant for another request (RFC 9700 section 4.8.2).
            _ => false,
        };
        if !proven {
            return Err(Refusal::Grant("code_verifier does not match the code_challenge"));
        }
        let (subject, scopes, nonce) = (entry.subject.clone(), entry.scopes.clone(), entry.nonce.clone());
        let issued = self.issue(grant, subject, scopes.clone(), scopes, (lifetime, mint), now)?;
        Ok(Issued { nonce, ..issued })
    }

    /// Rotates a refresh token. `narrowed` are the scopes asked for, none meaning all.
    pub(super) fn refresh(
        &mut self,
        token: &str,
        narrowed: Vec<String>,
        (lifetime, mint): (Duration, Mint<'_>),
        now: Timestamp,
    ) -> Result<Issued, Refusal> {
        let entry = self.refresh.get_mut(&digest(token)).ok_or(Refusal::Grant("the refresh token is unknown"))?;
        let grant = entry.grant;
        if entry.used {
            self.end(grant);
            return Err(Refusal::Grant("the refresh token was used before; the grant is revoked"));
        }
        if entry.expires_at <= now {
            return Err(Refusal::Grant("the refresh token has expired"));
        }
        if !narrowed.iter().all(|scope| entry.scopes.contains(scope)) {
            return Err(Refusal::Scope);
        }
        entry.used = true;
        let (subject, all) = (entry.subject.clone(), entry.scopes.clone());
        let scopes = if narrowed.is_empty() { all.clone() } else { narrowed };
        self.issue(grant, subject, scopes, all, (lifetime, mint), now)
    }

    pub(super) fn introspect(&self, token: &str, now: Timestamp) -> Option<TokenInfo> {
        let access = self.access.get(&digest(token))?;
        (access.info.expires_at > now).then(|| access.info.clone())
    }

    /// An access token with `scopes` and a refresh token that keeps all of the grant's (RFC 6749 section 6).
    fn issue(
        &mut self,
        grant: u64,
        subject: String,
        scopes: Vec<String>,
        all: Vec<String>,
        (lifetime, mint): (Duration, Mint<'_>),
        now: Timestamp,
    ) -> Result<Issued, Refusal> {
        let expires_at = later(now, lifetime);
        let info = TokenInfo { subject: Some(subject.clone()), scopes: scopes.clone(), expires_at };
        let access_token = self.issue_access(Some(grant), info, mint, now)?;
        let refresh_token = random_token()?;
        let expires_at = later(now, REFRESH_LIFETIME);
        let entry = Refresh { grant, subject: subject.clone(), scopes: all, expires_at, used: false };
        self.refresh.insert(digest(refresh_token.expose_secret()), entry, expires_at, now);
        Ok(Issued { access_token, refresh_token: Some(refresh_token), scopes, subject: Some(subject), nonce: None })
    }

    fn issue_access(
        &mut self,
        grant: Option<u64>,
        info: TokenInfo,
        mint: Mint<'_>,
        now: Timestamp,
    ) -> Result<SecretString, OAuthFailure> {
        let token = mint(&info)?;
        let expires_at = info.expires_at;
        self.access.insert(digest(token.expose_secret()), Access { grant, info }, expires_at, now);
        Ok(token)
    }

    fn end(&mut self, grant: u64) {
        self.access.retain(|access| access.grant != Some(grant));
        self.refresh.retain(|refresh| refresh.grant != grant);
    }
}

/// All spans here are far below what a timestamp can hold; past the end of time is never.
fn later(now: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| now.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}
