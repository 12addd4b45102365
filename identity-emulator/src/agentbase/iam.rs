//! The IAM token endpoint: contract section 2.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::clock::{self, Clock};
use crate::core::{Core, ServiceAccount};
use crate::random;

/// Bearers and failing clients that are remembered; the oldest make room.
const MOST: usize = 10_000;
/// After this many failures in a row a client id is shut out.
const FAILURES: u32 = 10;
/// For how long, from its first failure.
const SHUT_OUT: SignedDuration = SignedDuration::from_secs(60);

type Fingerprint = [u8; 32];

/// The service account and the bearers issued to it. Bearers are kept as hashes, in memory only: a restart ends them.
pub(crate) struct Iam {
    pub(crate) account: ServiceAccount,
    lifetime: Duration,
    bearers: Mutex<HashMap<Fingerprint, Timestamp>>,
    failures: Mutex<HashMap<Fingerprint, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    since: Timestamp,
}

/// Which spelling the client speaks: contract section 2.4.
#[derive(Clone, Copy)]
enum Dialect {
    V1,
    V2,
}

fn fingerprint(text: &str) -> Fingerprint {
    Sha256::digest(text.as_bytes()).into()
}

impl Iam {
    pub(crate) fn new(account: ServiceAccount, lifetime: Duration) -> Self {
        Self { account, lifetime, bearers: Mutex::default(), failures: Mutex::default() }
    }

    /// Whether this bearer was issued here and still counts.
    pub(crate) fn accepts(&self, bearer: &str, clock: &Clock) -> bool {
        let bearers = self.bearers.lock().unwrap_or_else(PoisonError::into_inner);
        bearers.get(&fingerprint(bearer)).is_some_and(|expires_at| clock.now() < *expires_at)
    }

    pub(crate) fn revoke_all(&self) {
        self.bearers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn issue(&self, clock: &Clock) -> SecretString {
        let bearer = random::token();
        let now = clock.now();
        let mut bearers = self.bearers.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut bearers, |expires_at| *expires_at, |expires_at| *expires_at <= now);
        bearers.insert(fingerprint(&bearer), clock::add(now, self.lifetime));
        bearer.into()
    }

    fn is_shut_out(&self, client: &Fingerprint, now: Timestamp) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(client)
            .is_some_and(|failed| failed.count >= FAILURES && now.duration_since(failed.since) < SHUT_OUT)
    }

    fn note(&self, client: Fingerprint, success: bool, now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if success {
            failures.remove(&client);
            return;
        }
        let stale = |failed: &Failures| now.duration_since(failed.since) >= SHUT_OUT;
        make_room(&mut failures, |failed| failed.since, stale);
        let failed = failures.entry(client).or_insert(Failures { count: 0, since: now });
        if stale(failed) {
            *failed = Failures { count: 0, since: now };
        }
        failed.count = failed.count.saturating_add(1);
    }

    /// Id and secret are both compared, whichever is wrong, so that time does not tell which.
    fn knows(&self, id: &str, secret: &str) -> bool {
        let id = random::same_secret(&self.account.id, id);
        random::same_secret(self.account.secret.expose_secret(), secret) & id
    }
}

/// Keeps a map below its bound: what is over goes first, then the oldest.
fn make_room<V>(map: &mut HashMap<Fingerprint, V>, age: impl Fn(&V) -> Timestamp, over: impl Fn(&V) -> bool) {
    if map.len() < MOST {
        return;
    }
    map.retain(|_, value| !over(value));
    while map.len() >= MOST {
        let oldest = map.iter().min_by_key(|(_, value)| age(value)).map(|(key, _)| *key);
        let Some(oldest) = oldest else { return };
        map.remove(&oldest);
    }
}

pub(super) async fn token_v2(State(core): State<Arc<Core>>, headers: HeaderMap, body: Bytes) -> Response {
    token(&core, Dialect::V2, &headers, &body)
}

pub(super) async fn token_v1(State(core): State<Arc<Core>>, headers: HeaderMap, body: Bytes) -> Response {
    token(&core, Dialect::V1, &headers, &body)
}

fn token(core: &Core, dialect: Dialect, headers: &HeaderMap, body: &[u8]) -> Response {
    if let Err(message) = check_form(dialect, headers, body) {
        return refusal(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message);
    }
    let Some((id, secret)) = credentials(headers) else {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "AUTHENTICATION_FAILED",
            "client credentials are missing: send them with Basic authentication",
        );
    };
    let (client, now) = (fingerprint(&id), core.clock.now());
    if core.iam.is_shut_out(&client, now) {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "TOO_MANY_FAILED_LOGINS",
            "too many failed logins: wait a minute and correct the client secret",
        );
    }
    let success = core.iam.knows(&id, secret.expose_secret());
    core.iam.note(client, success, now);
    if !success {
        return refusal(StatusCode::UNAUTHORIZED, "AUTHENTICATION_FAILED", "bad credentials");
    }
    let bearer = core.iam.issue(&core.clock);
    let seconds = core.iam.lifetime.as_secs();
    let body = match dialect {
        Dialect::V1 => json!({ "accessToken": bearer.expose_secret(), "expiresIn": seconds, "tokenType": "Bearer" }),
        Dialect::V2 => json!({
            "access_token": bearer.expose_secret(),
            "expires_in": seconds,
            "token_type": "Bearer",
            "refresh_expires_in": 0,
        }),
    };
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn check_form(dialect: Dialect, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err("Content-Type must be application/x-www-form-urlencoded");
    }
    let (field, message) = match dialect {
        Dialect::V1 => ("grantType", "grantType must be client_credentials"),
        Dialect::V2 => ("grant_type", "grant_type must be client_credentials"),
    };
    let mut grants = url::form_urlencoded::parse(body).filter(|(name, _)| name == field);
    match (grants.next(), grants.next()) {
        (Some((_, grant)), None) if grant == "client_credentials" => Ok(()),
        _ => Err(message),
    }
}

/// Base64 of `id:secret` in UTF-8, neither half percent-encoded: contract section 2.1.
fn credentials(headers: &HeaderMap) -> Option<(String, SecretString)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.into()))
}

/// The form that one public client's types know: contract section 2.5.
fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = Json(json!({ "errors": [{ "code": code, "message": message }] }));
    if status == StatusCode::UNAUTHORIZED {
        return (status, [(WWW_AUTHENTICATE, "Basic realm=\"iam\"")], body).into_response();
    }
    (status, body).into_response()
}
