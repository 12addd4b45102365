//! Tokens of third parties, and the consent that a user's need: contract section 10.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::developer::{Answer, Caller, Request, required};
use super::error::IdaasError;
use crate::agentkit::CALLBACK_PATH;
use crate::audit::AuditOutcome;
use crate::consent::{Asked, open, session_id, session_uri};
use crate::core::Core;
use crate::oauth::is_scope_token;
use crate::tokens;
use crate::trouble::Trouble;
use crate::vault::{Asks, Grant, Session, SessionStatus, StoredToken, TokenKey, TokenProvider};

const LONGEST_SCOPE: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fetch {
    credential_provider_identifier: Option<String>,
    scope: Option<String>,
    #[serde(default)]
    force_authentication: bool,
    #[serde(default)]
    custom_parameters: BTreeMap<String, String>,
}

pub(super) async fn fetch(request: &Request<'_>) -> Answer {
    let core = request.core;
    let caller = request.caller("authentication_token:obtain").await?;
    let fetch: Fetch = request.read()?;
    let identifier = required(fetch.credential_provider_identifier.clone(), "credentialProviderIdentifier")?;
    let provider = core.vault.read().idaas.providers.get(&identifier).cloned();
    let answered = match provider {
        Some(provider) => Box::pin(answer(core, &caller, &provider, fetch)).await,
        None => Err(crate::vault::Refusal::Missing(crate::vault::Thing::Provider).into()),
    };
    let outcome = answered.as_ref().map_or(AuditOutcome::Failed, |(outcome, _)| *outcome);
    caller.audited(core, "fetch_oauth_authentication_token", &identifier, outcome);
    answered.map(|(_, answer)| answer)
}

type Outcome = Result<(AuditOutcome, Value), IdaasError>;

async fn answer(core: &Arc<Core>, caller: &Caller, provider: &TokenProvider, fetch: Fetch) -> Outcome {
    let scopes: BTreeSet<String> = match &fetch.scope {
        Some(scope) if scope.len() > LONGEST_SCOPE => {
            return Err(IdaasError::invalid("scope must have at most 256 characters"));
        }
        Some(scope) => scope.split_ascii_whitespace().map(str::to_owned).collect(),
        None => provider.scopes.iter().cloned().collect(),
    };
    if !scopes.iter().all(|scope| is_scope_token(scope)) {
        return Err(IdaasError::invalid("scope must be scope tokens, separated by spaces"));
    }
    let key = TokenKey { grant: caller.grant(core, &provider.provider.id), scopes };
    if provider.machine {
        let registration = core.registration(&provider.provider).ok_or(Trouble::Unusable)?;
        let scopes: Vec<String> = key.scopes.iter().cloned().collect();
        let granted = core.engine.client_credentials(&registration, &scopes).await?;
        return Ok((AuditOutcome::Released, released(core, caller, &key, &tokens::stored(core, granted))));
    }
    if caller.user.is_none() {
        return Err(IdaasError::forbidden(
            "the credential provider asks a user for consent: exchange the user's token and come with that",
        ));
    }
    for_user(core, caller, provider, key, fetch).await
}

async fn for_user(core: &Arc<Core>, caller: &Caller, provider: &TokenProvider, key: TokenKey, fetch: Fetch) -> Outcome {
    if fetch.force_authentication {
        let grant = key.grant.clone();
        let change = core.vault.change(move |state| {
            state.start_over(&grant);
            Ok::<_, IdaasError>(())
        });
        change.await?;
    } else {
        core.human.settle(core, &key.grant).await;
        if let Some(token) = tokens::current(core, &provider.provider, &key.grant, &key.scopes).await? {
            return Ok((AuditOutcome::Released, released(core, caller, &key, &token)));
        }
        let same = |session: &Session| {
            matches!(&session.asks, Asks::Consent { scopes, parameters, .. }
                if *scopes == key.scopes && *parameters == fetch.custom_parameters)
        };
        let open = core.vault.read().open_session_of(&key.grant, core.clock.now(), same).cloned();
        if let Some(open) = open {
            return Ok((AuditOutcome::Pending, pending(core, &open)));
        }
    }
    core.allow_own_callback(&core.registration(&provider.provider).ok_or(Trouble::Unusable)?)?;
    let asked = Asked {
        scopes: key.scopes,
        parameters: fetch.custom_parameters,
        redirect: format!("{}{CALLBACK_PATH}", core.origin).parse().map_err(|_| Trouble::Unusable)?,
        return_url: String::new(),
        custom_state: None,
    };
    let session = open(core, &provider.provider, key.grant, asked).await?;
    Ok((AuditOutcome::ConsentAsked, pending(core, &session)))
}

fn pending(core: &Core, session: &Session) -> Value {
    json!({ "instanceId": core.idaas.instance, "oauthAuthorizationSession": described(core, session) })
}

/// A session that nobody could finish any more has expired; only one that was refused has failed.
fn status(core: &Core, session: &Session) -> &'static str {
    match (session.status, session.status_at(core.clock.now())) {
        (SessionStatus::Open, SessionStatus::Failed) => "expired",
        (_, SessionStatus::Completed) => "completed",
        (_, SessionStatus::Failed) => "failed",
        // The browser came back, and its code is being exchanged.
        (_, SessionStatus::Open) if session.state.is_none() => "callback_received",
        (_, SessionStatus::Open) => "pending",
    }
}

fn described(core: &Core, session: &Session) -> Value {
    let status = status(core, session);
    let mut answer = json!({
        "sessionId": session.id,
        "sessionUri": session_uri(&session.id),
        "sessionStatus": status,
    });
    if let ("pending", Some(start)) = (status, &session.setting_out) {
        answer["authorizationUrl"] = start.url.expose_secret().into();
    }
    answer
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    session_uri: Option<String>,
}

/// How far a consent has come, for the user and the application that began it.
pub(super) async fn session(request: &Request<'_>) -> Answer {
    let core = request.core;
    let caller = request.caller("authentication_token:obtain").await?;
    let named: Named = request.read()?;
    let uri = required(named.session_uri, "sessionUri")?;
    let missing = || IdaasError::from(crate::vault::Refusal::Missing(crate::vault::Thing::Session));
    let id = session_id(&uri).ok_or_else(missing)?;
    let own = |session: &Session| session.grant == caller.grant(core, &session.grant.provider_id);
    let find = || core.vault.read().sessions.get(&id).filter(|session| own(session)).cloned();
    core.human.polled(core, &*find().ok_or_else(missing)?).await;
    let session = find().ok_or_else(missing)?;
    let provider = core.vault.read().oauth_provider_by_id(&session.grant.provider_id).cloned()?;
    let mut answer = described(core, &session);
    let (kind, consumer) = caller.consumer();
    for (name, value) in [
        ("instanceId", json!(core.idaas.instance)),
        ("credentialProviderIdentifier", json!(provider.name)),
        ("consumerType", json!(kind)),
        ("consumerId", json!(consumer)),
        ("creatorType", json!("application")),
        ("creatorId", json!(caller.client)),
        ("createTime", json!(session.created_at.as_millisecond())),
        ("updateTime", json!(session.created_at.as_millisecond())),
        ("expirationTime", json!(session.expires_at.as_millisecond())),
    ] {
        answer[name] = value;
    }
    match (status(core, &session), &session.asks) {
        ("completed", Asks::Consent { scopes, .. }) => {
            let key = TokenKey { grant: session.grant.clone(), scopes: scopes.clone() };
            answer["authenticationTokenId"] = token_id(&key).into();
        }
        ("failed", _) => {
            answer["errorCode"] = "authorization_failed".into();
            answer["errorDescription"] = "the user declined, or the third party did not grant access".into();
        }
        _ => {}
    }
    Ok(answer)
}

/// Names a token without saying anything about it.
fn token_id(TokenKey { grant, scopes }: &TokenKey) -> String {
    let Grant { identity, provider_id, user } = grant;
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let digest = Sha256::digest(json!([identity, provider_id, user, scopes]).to_string());
    let mut id = "atntkn_".to_owned();
    for byte in &digest[..12] {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// A third party's token without the token.
pub(super) fn meta(core: &Core, caller: &Caller, key: &TokenKey, token: &StoredToken) -> Value {
    let (kind, consumer) = caller.consumer();
    let now = core.clock.now().as_millisecond();
    let mut answer = json!({
        "instanceId": core.idaas.instance,
        "authenticationTokenId": token_id(key),
        "authenticationTokenType": "oauth_access_token",
        "credentialProviderId": format!("atp_{}", key.grant.provider_id.replace('-', "")),
        "consumerType": kind,
        "consumerId": consumer,
        "creatorType": "application",
        "creatorId": caller.client,
        "revoked": false,
        "createTime": now,
        "updateTime": now,
    });
    if let Some(end) = token.expires_at {
        answer["expirationTime"] = end.as_millisecond().into();
    }
    answer
}

fn released(core: &Core, caller: &Caller, key: &TokenKey, token: &StoredToken) -> Value {
    let mut answer = meta(core, caller, key, token);
    let scopes: Vec<&str> = key.scopes.iter().map(String::as_str).collect();
    answer["oauthAccessTokenContent"] = json!({
        "accessTokenValue": token.access_token.expose_secret(),
        "tokenType": token.token_type,
        "scope": scopes.join(" "),
    });
    answer
}
