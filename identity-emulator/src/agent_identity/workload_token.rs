//! Workload access tokens: contract sections 5.1 to 5.3.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::actions::{Answer, Call};
use super::error::ApiError;
use super::sealed_token::{self, Sealed};
use super::user_token;
use super::workloads::arn;
use crate::clock;
use crate::core::Core;
use crate::user::User;
use crate::vault::{BoundAgent, Grant, bound_name};

const WORKLOAD: &str = "WorkloadIdentity";

fn agent(call: &Call<'_>) -> Result<Arc<BoundAgent>, ApiError> {
    let name = call.form.required("WorkloadIdentityName")?;
    let state = call.core.vault.read();
    state.agent(name).cloned().map_err(|refusal| ApiError::about(WORKLOAD, refusal))
}

pub(super) fn plain(call: &Call<'_>) -> Answer {
    let agent = agent(call)?;
    issue(call, &agent, None, None, Timestamp::MAX)
}

pub(super) fn for_user(call: &Call<'_>) -> Answer {
    let agent = agent(call)?;
    let id = call.form.required("UserId")?;
    let user = User::named(id.to_owned()).ok_or_else(|| ApiError::invalid("UserId", User::RULE))?;
    let context = json!({ "UserId": id });
    issue(call, &agent, Some((user, context)), None, Timestamp::MAX)
}

/// The user's token is verified, and the new one does not outlive it.
pub(super) async fn for_jwt(call: &Call<'_>) -> Answer {
    let agent = agent(call)?;
    let inbound = call.form.secret("UserToken")?;
    let known = user_token::verify(call.core, &agent, inbound.expose_secret()).await?;
    let context = json!({ "JwtClaims": known.claims });
    issue(call, &agent, Some((known.user, context)), Some(&inbound), known.end)
}

fn issue(
    call: &Call<'_>,
    agent: &BoundAgent,
    user: Option<(User, Value)>,
    inbound: Option<&SecretString>,
    most: Timestamp,
) -> Answer {
    let core = call.core;
    let end = clock::add(core.clock.now(), core.agent_identity.token_lifetime).min(most);
    let (user, context) = user.unzip();
    let sealed = Sealed {
        agent: agent.identity.name.clone(),
        agent_id: agent.identity.id.clone(),
        user: user.map(|user| user.key().to_owned()),
        context: context.clone(),
        inbound: inbound.map(|token| token.expose_secret().to_owned()),
        end: end.as_second(),
    };
    let state = core.vault.read();
    let token = state.vaulted.sealing_key.as_ref().and_then(|key| sealed_token::seal(key, &sealed));
    let token = token.ok_or_else(|| ApiError::internal("The token could not be sealed."))?;
    let mut answer = json!({
        "WorkloadAccessToken": token.expose_secret(),
        "WorkloadIdentityArn": arn(&agent.identity.name),
    });
    if let Some(context) = context {
        answer["UserContext"] = context;
    }
    Ok(answer)
}

/// Whom a workload access token stands for.
pub(super) struct Bearer {
    pub(super) agent: Arc<BoundAgent>,
    pub(super) user: Option<String>,
    pub(super) context: Option<Value>,
    pub(super) inbound: Option<SecretString>,
}

impl Bearer {
    pub(super) fn grant(&self, provider_id: &str) -> Option<Grant> {
        let user = self.user.clone()?;
        Some(Grant { identity: bound_name(&self.agent.identity.name), provider_id: provider_id.to_owned(), user })
    }
}

/// Whom the token of this call stands for.
pub(super) fn bearer(core: &Core, token: &str) -> Result<Bearer, ApiError> {
    let invalid = |message| ApiError::bad("InvalidParameter.WorkloadAccessToken", message);
    let state = core.vault.read();
    let sealed = state.vaulted.sealing_key.as_ref().and_then(|key| sealed_token::open(key, token));
    let sealed = sealed.ok_or_else(|| invalid("The workload access token is none of this service."))?;
    if core.clock.now().as_second() >= sealed.end {
        return Err(invalid("The workload access token has expired; get a new one."));
    }
    let agent = state.agent(&sealed.agent).ok().filter(|agent| agent.identity.id == sealed.agent_id);
    let agent = Arc::clone(agent.ok_or_else(|| invalid("The workload identity of the token was deleted."))?);
    let inbound = sealed.inbound.map(SecretString::from);
    Ok(Bearer { agent, user: sealed.user, context: sealed.context, inbound })
}
