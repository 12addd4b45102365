//! JWTs that the platform makes for an application: contract section 10.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::developer::{Answer, Caller, Request, required, respond};
use super::error::IdaasError;
use super::{PAM, consent, plain_id};
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::random;
use crate::vault::{JwtProvider, MintedJwt, Refusal, Thing};

/// How long a JWT counts when nobody says, and at most, in seconds.
const LIFETIME: (i64, i64) = (900, 86_400);
/// What only the platform says.
const OWN_CLAIMS: [&str; 9] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "act", "sub_type"];
const AUDIENCES: usize = 20;
/// How many items a list has when nobody says, and at most.
const PAGE: (usize, usize) = (20, 100);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generate {
    credential_provider_identifier: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    audiences: Vec<String>,
    issuer: Option<String>,
    #[serde(default)]
    custom_claims: Map<String, Value>,
    expiration: Option<i64>,
    #[serde(default)]
    include_derived_short_token: bool,
}

fn no_provider() -> IdaasError {
    Refusal::Missing(Thing::Provider).into()
}

fn no_token() -> IdaasError {
    IdaasError::not_found("authentication_token_not_found", "there is no such token of this caller")
}

fn owner(caller: &Caller) -> (String, Option<String>) {
    (caller.client.clone(), caller.user.clone())
}

pub(super) async fn generate(request: &Request<'_>) -> Answer {
    let core = request.core;
    let caller = request.caller("authentication_token:obtain").await?;
    let wanted: Generate = request.read()?;
    let identifier = required(wanted.credential_provider_identifier.clone(), "credentialProviderIdentifier")?;
    let provider = core.vault.read().idaas.jwt_providers.get(&identifier).cloned();
    let made = match provider {
        Some(provider) => make(core, &caller, &provider, wanted).await,
        None => Err(no_provider()),
    };
    let outcome = if made.is_ok() { AuditOutcome::Released } else { AuditOutcome::Failed };
    caller.audited(core, "generate_jwt_authentication_token", &identifier, outcome);
    Ok(with_content(core, &*made?))
}

async fn make(
    core: &Core,
    caller: &Caller,
    provider: &JwtProvider,
    wanted: Generate,
) -> Result<Arc<MintedJwt>, IdaasError> {
    let now = core.clock.now();
    let lifetime = wanted.expiration.unwrap_or(LIFETIME.0);
    if !(1..=LIFETIME.1).contains(&lifetime) {
        return Err(IdaasError::invalid("expiration must be a number of seconds from 1 to 86400"));
    }
    let end = now.as_second().saturating_add(lifetime);
    let claims = claims(core, provider, wanted.include_derived_short_token, (now.as_second(), end), wanted)?;
    let (short, claims) = claims;
    let signer = core.idaas.keys.signer(core).await?;
    let jwt = signer.sign(&claims).ok_or_else(|| IdaasError::server("the JWT was not signed"))?;
    let minted = MintedJwt {
        id: format!("atntkn_{}", plain_id()),
        provider: (provider.identifier.clone(), provider.id.clone()),
        owner: owner(caller),
        jwt,
        short: short.then(|| SecretString::from(format!("dst_{}", random::token()))),
        revoked: false,
        created_at: now,
        updated_at: now,
        expires_at: Timestamp::from_second(end).unwrap_or(Timestamp::MAX),
    };
    core.vault.change(move |state| state.keep_jwt(minted).map_err(IdaasError::from)).await
}

/// What the JWT says, and whether a short token goes with it.
fn claims(
    core: &Core,
    provider: &JwtProvider,
    short: bool,
    (now, end): (i64, i64),
    wanted: Generate,
) -> Result<(bool, Value), IdaasError> {
    let subject = required(wanted.subject, "subject")?;
    let own = format!("{}/{}", core.idaas.issuer, provider.id);
    let issuer = wanted.issuer.filter(|issuer| !issuer.is_empty()).unwrap_or_else(|| own.clone());
    // Never as the authorization server itself: such a JWT would be an access token.
    let allowed = issuer == own || (provider.issuers.contains(&issuer) && issuer != core.idaas.issuer);
    if !allowed {
        return Err(IdaasError::invalid("issuer is not among those of the credential provider"));
    }
    if wanted.audiences.is_empty() || wanted.audiences.len() > AUDIENCES {
        return Err(IdaasError::invalid("audiences must have 1 to 20 items"));
    }
    let reserved = PAM.trim_end_matches(":pam");
    if wanted.audiences.iter().any(|audience| audience.is_empty() || audience.starts_with(reserved)) {
        return Err(IdaasError::invalid("audiences must not be empty or start with urn:cloud:idaas"));
    }
    if wanted.custom_claims.keys().any(|name| OWN_CLAIMS.contains(&name.as_str())) {
        return Err(IdaasError::invalid("customClaims must not have a claim that the platform sets"));
    }
    let mut claims = wanted.custom_claims;
    for (name, value) in [
        ("iss", json!(issuer)),
        ("sub", json!(subject)),
        ("aud", json!(wanted.audiences)),
        ("iat", json!(now)),
        ("exp", json!(end)),
        ("jti", json!(random::uuid())),
    ] {
        claims.insert(name.to_owned(), value);
    }
    Ok((short, Value::Object(claims)))
}

fn meta(core: &Core, jwt: &MintedJwt) -> Value {
    let owner = Caller { client: jwt.owner.0.clone(), user: jwt.owner.1.clone() };
    let (kind, consumer) = owner.consumer();
    json!({
        "instanceId": core.idaas.instance,
        "authenticationTokenId": jwt.id,
        "authenticationTokenType": "jwt",
        "credentialProviderId": jwt.provider.1,
        "consumerType": kind,
        "consumerId": consumer,
        "creatorType": "application",
        "creatorId": owner.client,
        "revoked": jwt.revoked,
        "createTime": jwt.created_at.as_millisecond(),
        "updateTime": jwt.updated_at.as_millisecond(),
        "expirationTime": jwt.expires_at.as_millisecond(),
    })
}

fn with_content(core: &Core, jwt: &MintedJwt) -> Value {
    let mut answer = meta(core, jwt);
    answer["jwtContent"] = json!({ "jwtValue": jwt.jwt.expose_secret() });
    if let Some(short) = &jwt.short {
        answer["jwtContent"]["derivedShortToken"] = short.expose_secret().into();
    }
    answer
}

fn is_active(jwt: &MintedJwt, now: Timestamp) -> bool {
    !jwt.revoked && now < jwt.expires_at
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Obtain {
    consumer_id: Option<String>,
    authentication_token_id: Option<String>,
}

pub(super) async fn obtain(request: &Request<'_>) -> Answer {
    let core = request.core;
    let caller = request.caller("authentication_token:obtain").await?;
    let wanted: Obtain = request.read()?;
    let id = required(wanted.authentication_token_id, "authenticationTokenId")?;
    let consumer = required(wanted.consumer_id, "consumerId")?;
    let found = core.vault.read().idaas.jwts.get(&id).cloned();
    let own = |jwt: &Arc<MintedJwt>| jwt.owner == owner(&caller) && caller.consumer().1 == consumer;
    let found = found.filter(own).filter(|jwt| is_active(jwt, core.clock.now()));
    Ok(with_content(core, &*found.ok_or_else(no_token)?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Short {
    derived_short_token: Option<SecretString>,
}

/// No authentication: the short token is the credential.
pub(super) fn obtain_by_short_token(request: &Request<'_>) -> Answer {
    request.known()?;
    let wanted: Short = request.read()?;
    let short = wanted.derived_short_token.ok_or_else(|| IdaasError::missing("derivedShortToken"))?;
    let core = request.core;
    let found = core.vault.read().minted_jwt(short.expose_secret()).cloned();
    // The JWT itself is no short token.
    let is_short = |jwt: &Arc<MintedJwt>| !random::same_secret(jwt.jwt.expose_secret(), short.expose_secret());
    let found = found.filter(is_short).filter(|jwt| is_active(jwt, core.clock.now()));
    Ok(with_content(core, &*found.ok_or_else(no_token)?))
}

#[derive(Deserialize)]
struct Named {
    token: Option<SecretString>,
}

impl Named {
    fn token(self) -> Result<SecretString, IdaasError> {
        self.token.ok_or_else(|| IdaasError::missing("token"))
    }
}

/// No authentication: whoever has the token may ask whether it counts.
pub(super) fn validate(request: &Request<'_>) -> Answer {
    request.known()?;
    let token = request.read::<Named>()?.token()?;
    let core = request.core;
    let found = core.vault.read().minted_jwt(token.expose_secret()).cloned();
    Ok(json!({ "active": found.is_some_and(|jwt| is_active(&jwt, core.clock.now())) }))
}

/// `revoke` and `reinstate`.
pub(super) async fn set_revoked(request: &Request<'_>, revoked: bool) -> Answer {
    let core = request.core;
    let caller = request.caller("authentication_token:manage").await?;
    let token = request.read::<Named>()?.token()?;
    let found = core.vault.read().minted_jwt(token.expose_secret()).cloned();
    let found = found.filter(|jwt| jwt.owner == owner(&caller)).ok_or_else(no_token)?;
    let now = core.clock.now();
    let change = move |state: &mut crate::vault::State| {
        state.set_revoked(revoked, now, |jwt| jwt.id == found.id);
        Ok::<_, IdaasError>(json!({}))
    };
    core.vault.change(change).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfConsumer {
    consumer_id: Option<String>,
    credential_provider_identifier: Option<String>,
}

/// `revokeByConsumer` and `reinstateByConsumer`. A machine's token reaches every consumer of the application, a user's the user.
pub(super) async fn set_revoked_by_consumer(request: &Request<'_>, revoked: bool) -> Answer {
    let core = request.core;
    let caller = request.caller("authentication_token:manage").await?;
    let wanted: OfConsumer = request.read()?;
    let consumer = required(wanted.consumer_id, "consumerId")?;
    let provider = required(wanted.credential_provider_identifier, "credentialProviderIdentifier")?;
    if !core.vault.read().idaas.jwt_providers.contains_key(&provider) {
        return Err(no_provider());
    }
    if caller.user.as_ref().is_some_and(|user| *user != consumer) {
        return Err(IdaasError::forbidden("the access token is another consumer's"));
    }
    let now = core.clock.now();
    let change = move |state: &mut crate::vault::State| {
        state.set_revoked(revoked, now, |jwt| {
            let (client, user) = &jwt.owner;
            *client == caller.client && jwt.provider.0 == provider && *user.as_ref().unwrap_or(client) == consumer
        });
        Ok::<_, IdaasError>(json!({}))
    };
    core.vault.change(change).await
}

pub(super) async fn list(
    State(core): State<Arc<Core>>,
    Path(instance): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    respond(listed(&core, &instance, &headers, &query).await)
}

/// Everything of the caller: JWTs that were made, and what third parties granted.
async fn listed(core: &Core, instance: &str, headers: &HeaderMap, query: &HashMap<String, String>) -> Answer {
    let caller = Caller::of(core, instance, headers, "authentication_token:read").await?;
    let value = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let (revoked, expired) = (flag(value("revoked"), "revoked")?, flag(value("expired"), "expired")?);
    let size = value("maxResults").map_or(Some(PAGE.0), |size| size.parse().ok());
    let size = size.filter(|size| (1..=PAGE.1).contains(size));
    let size = size.ok_or_else(|| IdaasError::invalid("maxResults must be a number from 1 to 100"))?;
    let from: Option<usize> = value("nextToken").map_or(Some(0), |from| from.parse().ok());
    let from = from.ok_or_else(|| IdaasError::invalid("nextToken must be that of the answer before"))?;
    let now = core.clock.now();
    let state = core.vault.read();
    let provider = value("credentialProviderIdentifier");
    let mut entities: Vec<Value> = Vec::new();
    if value("consumerId").is_none_or(|consumer| consumer == caller.consumer().1) {
        let jwts = state.idaas.jwts.values().filter(|jwt| jwt.owner == owner(&caller));
        let jwts = jwts.filter(|jwt| provider.is_none_or(|provider| jwt.provider.0 == provider));
        entities.extend(jwts.map(|jwt| meta(core, jwt)));
        let granted = state.tokens.iter().filter(|(key, _)| key.grant == caller.grant(core, &key.grant.provider_id));
        let of_provider = |id: &str| {
            let known = state.oauth_provider_by_id(id);
            known.is_ok_and(|known| provider.is_none_or(|provider| known.name == provider))
        };
        let granted = granted.filter(|(key, _)| of_provider(&key.grant.provider_id));
        entities.extend(granted.map(|(key, token)| consent::meta(core, &caller, key, token)));
    }
    let is_expired = |entity: &Value| entity["expirationTime"].as_i64().is_some_and(|end| end <= now.as_millisecond());
    entities.retain(|entity| {
        revoked.is_none_or(|wanted| entity["revoked"] == wanted)
            && expired.is_none_or(|wanted| is_expired(entity) == wanted)
    });
    let total = entities.len();
    let page: Vec<Value> = entities.into_iter().skip(from).take(size).collect();
    let next = from.saturating_add(page.len());
    let next = if next < total { next.to_string() } else { String::new() };
    Ok(json!({ "entities": page, "totalCount": total, "nextToken": next, "maxResults": size }))
}

/// The vendor's Python client writes `True` and `False`.
fn flag(value: Option<&str>, name: &str) -> Result<Option<bool>, IdaasError> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(IdaasError::invalid(format!("{name} must be true or false"))),
    }
}
