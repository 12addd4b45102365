//! Credentials of single users: contract section 5.2. Whose they are, only a workload access token says.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::actions::{Answer, Call};
use super::body::{self, moment, required};
use super::error::ApiError;
use super::outbound::{audited, bearer_of};
use crate::audit::AuditOutcome;
use crate::random;
use crate::vault::UserCredentialKey;

/// In bytes.
const LONGEST: usize = 64 * 1024;
const LONGEST_ID: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    identity_token: Option<SecretString>,
    credential_id: Option<String>,
    credential_data: Option<SecretString>,
    pool_name: Option<String>,
}

/// Whose credential is meant.
async fn owned(call: &Call<'_>, request: &Request, id: String) -> Result<UserCredentialKey, ApiError> {
    let bearer = bearer_of(call.core, request.identity_token.as_ref()).await?;
    if id.len() > LONGEST_ID || id.chars().any(char::is_control) {
        return Err(ApiError::invalid("CredentialId must have at most 256 bytes and no control character"));
    }
    let user = bearer.user.as_ref().ok_or_else(|| {
        ApiError::invalid("IdentityToken names no user; a user's credential needs a workload access token for a user")
    })?;
    let pool = request.pool_name.clone().filter(|pool| !pool.is_empty()).unwrap_or_else(|| bearer.pool.clone());
    call.core.vault.read().workload_pool(&pool)?;
    let key = UserCredentialKey { identity: bearer.identity(), user: user.key().to_owned(), pool, id };
    Ok(key)
}

fn data_of(data: Option<SecretString>) -> Result<Option<SecretString>, ApiError> {
    let Some(data) = data else { return Ok(None) };
    if (1..=LONGEST).contains(&data.expose_secret().len()) {
        return Ok(Some(data));
    }
    Err(ApiError::invalid("CredentialData must have 1 to 65536 bytes"))
}

pub(super) async fn create(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: Request = body::read(members)?;
    let data = data_of(request.credential_data.take())?.ok_or_else(|| ApiError::missing("CredentialData"))?;
    let id = request.credential_id.take().filter(|id| !id.is_empty()).unwrap_or_else(random::uuid);
    let key = owned(call, &request, id.clone()).await?;
    let now = call.core.clock.now();
    let named = id.clone();
    let change = call.core.vault.change(move |state| {
        state.create_user_credential(key, data, now).map_err(|refusal| ApiError::creating(&named, refusal))
    });
    change.await?;
    Ok(json!({ "CredentialId": id }))
}

pub(super) async fn get(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: Request = body::read(members)?;
    let id = required(request.credential_id.take(), "CredentialId")?;
    let key = owned(call, &request, id).await?;
    let bearer = bearer_of(call.core, request.identity_token.as_ref()).await?;
    let state = call.core.vault.read();
    let found = state.user_credential(&key);
    let outcome = if found.is_ok() { AuditOutcome::Released } else { AuditOutcome::Failed };
    audited(call.core, "get_user_credential", &bearer, &key.id, outcome);
    let found = found?;
    Ok(json!({
        "CredentialId": key.id,
        "CredentialData": found.data.expose_secret(),
        "CreatedAt": moment(found.created_at),
        "UpdatedAt": moment(found.updated_at),
    }))
}

pub(super) async fn update(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: Request = body::read(members)?;
    let data = data_of(request.credential_data.take())?;
    let id = required(request.credential_id.take(), "CredentialId")?;
    let key = owned(call, &request, id.clone()).await?;
    let now = call.core.clock.now();
    let change =
        call.core.vault.change(move |state| state.update_user_credential(&key, data, now).map_err(ApiError::from));
    let updated = change.await?;
    Ok(json!({
        "CredentialId": id,
        "CreatedAt": moment(updated.created_at),
        "UpdatedAt": moment(updated.updated_at),
    }))
}

pub(super) async fn delete(call: &Call<'_>, members: Map<String, Value>) -> Answer {
    let mut request: Request = body::read(members)?;
    let id = required(request.credential_id.take(), "CredentialId")?;
    let key = owned(call, &request, id).await?;
    let change = call.core.vault.change(move |state| state.delete_user_credential(&key).map_err(ApiError::from));
    change.await.map(|()| json!({}))
}
