//! What a verifier demands of the claims of a token. Knows no keys and does no I/O.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    claims::Checked,
    refusal::{Refusal, RefusalCode},
};
use crate::principal::check_user_id;

/// No token is for more.
const MAX_AUDIENCES: usize = 64;

/// The end of the year 9999, in seconds since 1970: beyond it are milliseconds that were taken for seconds.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Which kind of token is expected. The two are signed with the same keys, and one must not pass for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Access,
    Id { client_id: String },
}

/// A scope that the token must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Required {
    /// Set for a permission of IDaaS.
    pub(crate) audience: Option<String>,
    pub(crate) scope: String,
}

impl Required {
    pub(crate) fn as_asked_for(&self) -> String {
        match &self.audience {
            Some(audience) => format!("{audience}|{}", self.scope),
            None => self.scope.clone(),
        }
    }

    /// IDaaS documents bare permissions beside `aud`; without another audience they can only be meant for that one.
    fn is_met(&self, scopes: &[String], audiences: &[String]) -> bool {
        let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
        match &self.audience {
            None => has(&self.scope),
            Some(audience) => {
                (audiences == std::slice::from_ref(audience) && has(&self.scope)) || has(&self.as_asked_for())
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) issuer: Arc<str>,
    pub(crate) kind: Kind,
    /// `typ`, normalised; empty accepts none at all.
    pub(crate) types: Vec<String>,
    /// Whether a token may leave `typ` out.
    pub(crate) untyped: bool,
    /// One of these must be in `aud`. Empty: not checked, which the builder allows only when it was told to.
    pub(crate) audiences: Vec<String>,
    pub(crate) clients: Vec<String>,
    pub(crate) required: Vec<Required>,
    pub(crate) leeway: Duration,
    pub(crate) max_age: Option<Duration>,
    pub(crate) needs_subject: bool,
    pub(crate) qualified: bool,
}

impl Rules {
    pub(crate) fn check_type(&self, kind: Option<&str>) -> Result<(), RefusalCode> {
        let allowed = match kind {
            None => self.untyped,
            Some(kind) => self.types.iter().any(|allowed| allowed == kind),
        };
        if allowed { Ok(()) } else { Err(RefusalCode::TypeNotAllowed) }
    }

    /// Before any key is looked for, so that a token of somebody else makes nobody ask for keys.
    pub(crate) fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), RefusalCode> {
        let issuer = claims.get("iss").and_then(Value::as_str).ok_or(RefusalCode::IssuerMissing)?;
        if issuer == &*self.issuer { Ok(()) } else { Err(RefusalCode::IssuerMismatch) }
    }

    /// After the signature was checked.
    pub(crate) fn check(&self, claims: Map<String, Value>, now: Duration) -> Result<Checked, Refusal> {
        self.check_issuer(&claims)?;
        let (expires_at, issued_at) = self.check_dates(&claims, now)?;
        let audiences = self.check_audiences(&claims)?;
        let client_id = self.check_client(&claims)?;
        self.check_kind(&claims, &audiences)?;
        let subject = self.subject(&claims)?;
        let scopes = scopes(&claims)?;
        if !self.required.iter().all(|required| required.is_met(&scopes, &audiences)) {
            let wanted: Vec<_> = self.required.iter().map(Required::as_asked_for).collect();
            return Err(Refusal::lacking(wanted.join(" ").into()));
        }
        let issuer = Arc::clone(&self.issuer);
        let qualified = self.qualified;
        Ok(Checked { issuer, subject, audiences, client_id, scopes, expires_at, issued_at, all: claims, qualified })
    }

    fn check_dates(
        &self,
        claims: &Map<String, Value>,
        now: Duration,
    ) -> Result<(Duration, Option<Duration>), RefusalCode> {
        let expires_at = date(claims, "exp")?.ok_or(RefusalCode::ExpiryMissing)?;
        let (not_before, issued_at) = (date(claims, "nbf")?, date(claims, "iat")?);
        let latest = now + self.leeway;
        if now >= expires_at + self.leeway {
            return Err(RefusalCode::Expired);
        }
        if not_before.is_some_and(|from| from > latest) {
            return Err(RefusalCode::NotYetValid);
        }
        if issued_at.is_some_and(|at| at > latest) {
            return Err(RefusalCode::IssuedInFuture);
        }
        if let Some(max_age) = self.max_age {
            let issued_at = issued_at.ok_or(RefusalCode::IssuedAtMissing)?;
            if now > issued_at + max_age + self.leeway {
                return Err(RefusalCode::TooOld);
            }
        } else if issued_at.is_none() && matches!(self.kind, Kind::Id { .. }) {
            return Err(RefusalCode::IssuedAtMissing);
        }
        Ok((expires_at, issued_at))
    }

    fn check_audiences(&self, claims: &Map<String, Value>) -> Result<Vec<String>, RefusalCode> {
        let audiences = match claims.get("aud") {
            None => Vec::new(),
            Some(value) => {
                texts(value).filter(|all| all.len() <= MAX_AUDIENCES).ok_or(RefusalCode::AudienceMalformed)?
            }
        };
        if audiences.is_empty() && !self.audiences.is_empty() {
            return Err(RefusalCode::AudienceMissing);
        }
        if !self.audiences.is_empty() && !audiences.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(RefusalCode::AudienceMismatch);
        }
        Ok(audiences)
    }

    /// Both names of the client are looked at: a token that has two must not choose which one counts.
    fn check_client(&self, claims: &Map<String, Value>) -> Result<Option<String>, RefusalCode> {
        let (client_id, party) = (client(claims, "client_id")?, client(claims, "azp")?);
        if !self.clients.is_empty() {
            if client_id.is_none() && party.is_none() {
                return Err(RefusalCode::ClientMissing);
            }
            let allowed = |name: &&str| self.clients.iter().any(|client| client == name);
            if ![client_id, party].iter().flatten().all(allowed) {
                return Err(RefusalCode::ClientNotAllowed);
            }
        }
        Ok(client_id.or(party).map(str::to_owned))
    }

    fn check_kind(&self, claims: &Map<String, Value>, audiences: &[String]) -> Result<(), RefusalCode> {
        let Kind::Id { client_id } = &self.kind else {
            // What only ID tokens have (OpenID Connect Core 2 and 3.3.2.11). Their audience is a client, which can be that of an
            // access token as well.
            let marks = ["nonce", "at_hash", "c_hash", "s_hash"];
            return if marks.iter().any(|mark| claims.contains_key(*mark)) {
                Err(RefusalCode::IdToken)
            } else {
                Ok(())
            };
        };
        // What only access tokens have (RFC 9068 section 2.2.3).
        if claims.contains_key("scope") || claims.contains_key("scp") {
            return Err(RefusalCode::AccessToken);
        }
        // OpenID Connect Core 3.1.3.7, numbers 3 to 5.
        if !audiences.iter().all(|audience| self.audiences.contains(audience)) {
            return Err(RefusalCode::AudienceUntrusted);
        }
        if !audiences.contains(client_id) {
            return Err(RefusalCode::AudienceMismatch);
        }
        match client(claims, "azp")? {
            Some(party) if party != client_id => Err(RefusalCode::AuthorizedPartyMismatch),
            None if audiences.len() > 1 => Err(RefusalCode::AuthorizedPartyMissing),
            _ => Ok(()),
        }
    }

    fn subject(&self, claims: &Map<String, Value>) -> Result<Option<String>, RefusalCode> {
        match claims.get("sub") {
            None if self.needs_subject => Err(RefusalCode::SubjectMissing),
            None => Ok(None),
            Some(Value::String(subject)) if check_user_id(subject).is_ok() => Ok(Some(subject.clone())),
            Some(_) => Err(RefusalCode::SubjectMalformed),
        }
    }
}

/// Seconds since 1970, whole or not (RFC 7519 section 2). Text is not taken for a number: CVE-2026-25537 began so.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<Duration>, RefusalCode> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds));
    let date = match (value.as_u64(), seconds) {
        (Some(whole), Some(_)) => Some(Duration::from_secs(whole)),
        (None, Some(seconds)) => Duration::try_from_secs_f64(seconds).ok(),
        _ => None,
    };
    date.map(Some).ok_or(RefusalCode::DateMalformed)
}

fn client<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, RefusalCode> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(client)) if !client.is_empty() => Ok(Some(client)),
        Some(_) => Err(RefusalCode::ClientMalformed),
    }
}

/// Text, or a list of texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// `scope` is text (RFC 9068 section 2.2.3); some issuers write a list, or `scp`.
fn scopes(claims: &Map<String, Value>) -> Result<Vec<String>, RefusalCode> {
    let Some(value) = claims.get("scope").or_else(|| claims.get("scp")) else { return Ok(Vec::new()) };
    let texts = texts(value).ok_or(RefusalCode::ScopeMalformed)?;
    Ok(texts.iter().flat_map(|text| text.split(' ')).filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
}
