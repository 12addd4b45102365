//! Sessions of roles: contract section 3.1.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::tz::Offset;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::actions::{Answer, Call};
use super::error::ApiError;
use super::{ACCOUNT, identity_token, role_name};
use crate::canonical::Received;
use crate::clock;
use crate::core::Core;
use crate::random;

/// How long a session lives when the request does not say, in seconds.
const LIFETIME: u64 = 3_600;

fn form(received: Received<'_>) -> Result<HashMap<String, String>, ApiError> {
    let kind = received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(ApiError::invalid("Content-Type must be application/x-www-form-urlencoded"));
    }
    Ok(url::form_urlencoded::parse(received.body).into_owned().collect())
}

pub(super) fn assume_role(call: &Call<'_>) -> Answer {
    let form = form(call.received)?;
    // A session does not breed sessions: the account's own key opens them.
    if call.caller.role.is_some() {
        return Err(no_permission());
    }
    session(call.core, &form)
}

pub(super) async fn assume_role_with_oidc(core: &Arc<Core>, received: Received<'_>) -> Answer {
    let form = form(received)?;
    let token = form.get("OIDCToken").filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| ApiError::missing("OIDCToken"))?;
    identity_token::user(core, token).await?;
    session(core, &form)
}

fn no_permission() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "NoPermission", "You have no permission for this action.")
}

fn session(core: &Core, form: &HashMap<String, String>) -> Answer {
    let required = |field: &str| {
        form.get(field).filter(|value| !value.is_empty()).cloned().ok_or_else(|| ApiError::missing(field))
    };
    let (trn, session) = (required("RoleTrn")?, required("RoleSessionName")?);
    let seconds = match form.get("DurationSeconds") {
        None => LIFETIME,
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| (900..=43_200).contains(seconds))
            .ok_or_else(|| ApiError::invalid("DurationSeconds must be a number from 900 to 43200"))?,
    };
    let may = core.vault.read().pooled.roles.contains(&trn);
    let role = role_name(&trn).filter(|_| may).ok_or_else(no_permission)?;
    let now = core.clock.now();
    let end = clock::add(now, Duration::from_secs(seconds));
    let issued = core.agentkit.access.issue(super::SESSION_PREFIXES, role.to_owned(), end, now);
    Ok(json!({
        "Credentials": {
            "AccessKeyId": issued.access_key,
            "SecretAccessKey": issued.secret.expose_secret(),
            "SessionToken": issued.token.expose_secret(),
            "CurrentTime": local(now),
            "ExpiredTime": local(end),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{}:{session}", random::uuid()),
            "Trn": format!("trn:sts::{ACCOUNT}:assumed-role/{role}/{session}"),
        },
    }))
}

/// The service writes these in China's time, with its offset.
fn local(at: jiff::Timestamp) -> Value {
    let at = at.display_with_offset(Offset::constant(8));
    Value::String(format!("{at:.0}"))
}
