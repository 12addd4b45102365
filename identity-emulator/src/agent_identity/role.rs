//! The agent takes its role: contract section 5.7. Anonymous: whoever holds the token is the agent.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::actions::Answer;
use super::error::ApiError;
use super::form::{Form, moment};
use super::signature::{check_time, use_up};
use super::workload_token::bearer;
use super::workloads::arn;
use super::{SESSION_PREFIXES, StsSession};
use crate::audit::AuditOutcome;
use crate::canonical::{Received, sha256};
use crate::clock;
use crate::core::Core;
use crate::object_store::Policy;
use crate::user::person;
use crate::vault::{Grant, bound_name};

/// How long a session lives when the request does not say, in seconds.
const LIFETIME: u64 = 3_600;
const LONGEST_POLICY: usize = 2_048;

pub(super) fn assume(core: &Arc<Core>, received: Received<'_>) -> Answer {
    let (form, now) = (Form::read(received)?, core.clock.now());
    check_time(form.required("Timestamp")?, now)?;
    let nonce = form.required("SignatureNonce")?;
    let bearer = bearer(core, form.required("WorkloadAccessToken")?)?;
    let session = form.required("RoleSessionName")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'@' | b'-' | b'_');
    if !(2..=64).contains(&session.len()) || !session.bytes().all(fits) {
        let rule = "must have 2 to 64 characters, each a letter, a digit, ., @, - or _";
        return Err(ApiError::invalid("RoleSessionName", rule));
    }
    let seconds = form.number("DurationSeconds")?.unwrap_or(LIFETIME);
    let policy = form.text("Policy").map(policy).transpose()?;
    use_up(&core.agent_identity, &sha256(form.required("WorkloadAccessToken")?.as_bytes()), nonce, now)?;
    let role = bearer.agent.role.clone().ok_or_else(|| {
        ApiError::bad("MissingRoleArn", "The workload identity has no role; update it with a RoleArn.")
    })?;
    let longest =
        super::role_name(&role).and_then(|name| core.vault.read().role(name).ok().map(|role| role.longest_session));
    let longest = longest.unwrap_or(43_200);
    if !(900..=longest).contains(&seconds) {
        return Err(ApiError::invalid("DurationSeconds", format!("must be a number from 900 to {longest}")));
    }
    let end = clock::add(now, Duration::from_secs(seconds));
    let agent = &bearer.agent.identity.name;
    let sts = StsSession { role: role.clone(), agent: Some(agent.clone()), policy };
    let issued = core.agent_identity.access.issue(SESSION_PREFIXES, sts, end, now);
    let grant = Grant { identity: bound_name(agent), provider_id: role.clone(), user: String::new() };
    let user = bearer.user.as_deref().map(person);
    core.audit("assume_role_for_workload_identity", &grant, user, AuditOutcome::Released);
    Ok(json!({
        "Credentials": {
            "AccessKeyId": issued.access_key,
            "AccessKeySecret": issued.secret.expose_secret(),
            "SecurityToken": issued.token.expose_secret(),
            "Expiration": moment(end),
        },
        "AssumedRoleUser": {
            "Arn": format!("{role}/{session}"),
            "AssumedRoleId": format!("{}:{session}", role_id(&role)),
        },
        "WorkloadContextInfo": {
            "WorkloadIdentityArn": arn(agent),
            "UserContext": bearer.context.unwrap_or_else(|| json!({})),
        },
    }))
}

fn policy(text: &str) -> Result<Arc<Policy>, ApiError> {
    if text.len() > LONGEST_POLICY {
        return Err(ApiError::invalid("Policy", "must have at most 2048 bytes"));
    }
    Policy::read(text).map(Arc::new).map_err(|rule| ApiError::invalid("Policy", rule))
}

/// A number that stands for the role, always the same.
pub(super) fn role_id(role: &str) -> String {
    sha256(role.as_bytes()).bytes().take(17).fold(String::from("3"), |mut digits, byte| {
        digits.push(char::from(b'0' + byte % 10));
        digits
    })
}
