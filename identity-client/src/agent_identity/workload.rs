//! Who the workload is, and for whom: workload access tokens, and the temporary keys of its role that they open.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    call::{Call, Caller, Plane, no_keys},
    form::Form,
    kept::{Fresh, Kept},
    keys::WireKey,
    refusal::is_of_workload_token,
};
use crate::{
    acs3::{self, AccessKey},
    clock::Clock,
    credential_request::RoleSession,
    error::{Error, ErrorKind},
    name::AgentIdentityName,
    principal::User,
    wire::filled,
};

/// No answer says how long a token lives; about five minutes were measured. It is never parsed to find out.
const TOKEN_LIFE: Duration = Duration::from_secs(120);
const TOKEN_OPERATION: &str = "get a workload access token";
const ROLE_OPERATION: &str = "get temporary keys of the workload identity's role";
/// The vendor's SDK asks for an hour.
const SESSION: Duration = Duration::from_secs(3600);

/// Whom a token is for: nobody but the workload itself, or a user by id and by what they showed. Two users, or a user and one
/// who is called like another's token, can never be equal: it is no joined text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Who(Option<(Box<str>, Option<[u8; 32]>)>);

impl Who {
    pub(crate) fn of(user: Option<&User>) -> Self {
        Self(user.map(|user| (user.id().into(), user.as_ref().digest().copied())))
    }
}

/// The workload as it acts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Workload(Arc<Shared>);

struct Shared {
    caller: Caller,
    /// Missing where the runtime gave a token and no name.
    name: Option<AgentIdentityName>,
    /// A token that the runtime gave. Whom it is for is unknown, so it is used for the workload itself only.
    given: Option<Arc<SecretString>>,
    tokens: Arc<Kept<Who, SecretString>>,
    roles: Arc<Kept<Who, AccessKey>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TokenAnswer {
    workload_access_token: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleAnswer {
    credentials: Option<WireKey>,
}

impl Workload {
    pub(crate) fn new(
        caller: Caller,
        name: Option<AgentIdentityName>,
        given: Option<SecretString>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (tokens, roles) = (Kept::new(Arc::clone(clock)), Kept::new(Arc::clone(clock)));
        Self(Arc::new(Shared { caller, name, given: given.map(Arc::new), tokens, roles }))
    }

    /// A token that is used for a while, however many ask.
    pub(crate) async fn token(&self, user: Option<&User>) -> Result<Arc<SecretString>, Error> {
        if let Some(given) = self.given(user) {
            return Ok(given);
        }
        self.0.tokens.get(Who::of(user), self.fetching_token(user.cloned())).await
    }

    /// A new one, and how long it is used.
    pub(crate) async fn fresh_token(
        &self,
        user: Option<&User>,
    ) -> Result<(Arc<SecretString>, Option<Duration>), Error> {
        if let Some(given) = self.given(user) {
            return Ok((given, None));
        }
        let who = Who::of(user);
        let token = self.0.tokens.renew(who.clone(), self.fetching_token(user.cloned())).await?;
        Ok((token, self.0.tokens.left(&who)))
    }

    fn given(&self, user: Option<&User>) -> Option<Arc<SecretString>> {
        self.0.given.clone().filter(|_| user.is_none())
    }

    fn fetching_token(
        &self,
        user: Option<User>,
    ) -> impl FnOnce() -> futures_util::future::BoxFuture<'static, Result<Fresh<SecretString>, Error>> {
        let shared = Arc::clone(&self.0);
        move || Box::pin(async move { shared.fetch_token(user.as_ref()).await })
    }

    /// Temporary keys of the role to sign with, kept for as long as they say that they are good.
    pub(crate) async fn role(&self, user: Option<&User>) -> Result<Arc<AccessKey>, Error> {
        let (this, owned) = (self.clone(), user.cloned());
        let fetch = move || async move { this.session(owned.as_ref(), &RoleSession::default()).await };
        self.0.roles.get(Who::of(user), fetch).await
    }

    /// Keys of a session of the role. A token that is refused is replaced once.
    pub(crate) async fn session(&self, user: Option<&User>, session: &RoleSession) -> Result<Fresh<AccessKey>, Error> {
        let token = self.token(user).await?;
        match self.0.assume(&token, session).await {
            Err(error) if is_of_workload_token(&error) => {
                let token = self.another_token(user, &token, error).await?;
                self.0.assume(&token, session).await
            }
            assumed => assumed,
        }
    }

    /// A token instead of one that was refused with this error.
    pub(crate) async fn another_token(
        &self,
        user: Option<&User>,
        refused: &Arc<SecretString>,
        error: Error,
    ) -> Result<Arc<SecretString>, Error> {
        if self.given(user).is_some() {
            return Err(error.with_hint(
                "the workload access token that the runtime gave (AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN) is over; start anew, or unset it and configure an AccessKey",
            ));
        }
        self.0.tokens.forget(&Who::of(user), refused);
        self.token(user).await
    }

    /// Keys of the role instead of those that were refused.
    pub(crate) async fn another_role(
        &self,
        user: Option<&User>,
        refused: &Arc<AccessKey>,
    ) -> Result<Arc<AccessKey>, Error> {
        self.0.roles.forget(&Who::of(user), refused);
        self.role(user).await
    }
}

impl Shared {
    /// By the user's own token if they showed one, else by the id that the application vouches for. Never the one instead of the
    /// other, and never nobody instead of a user.
    async fn fetch_token(&self, user: Option<&User>) -> Result<Fresh<SecretString>, Error> {
        let since = self.caller.now();
        if self.caller.source().is_none() {
            return Err(no_keys());
        }
        let name = self.name.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::ConfigurationMissing, "which workload identity this is, is not configured")
                .with_hint("set AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME; the token that the runtime gave serves the agent itself only")
        })?;
        let form = Form::new().text("WorkloadIdentityName", name.as_str());
        let (action, form) = match (user, user.and_then(User::token)) {
            (None, _) => ("GetWorkloadAccessToken", form),
            (Some(user), None) => ("GetWorkloadAccessTokenForUserId", form.text("UserId", user.id())),
            (Some(_), Some(token)) => {
                check_user_token(token)?;
                ("GetWorkloadAccessTokenForJWT", form.secret("UserToken", token))
            }
        };
        let hidden = user.map(User::id).into_iter().chain(user.and_then(User::token).map(ExposeSecret::expose_secret));
        let call = Call::new(Plane::Data, TOKEN_OPERATION, action, form)
            .hiding(hidden)
            .if_not_found("check that a workload identity of this name exists in this region; none is created for you");
        let answer: TokenAnswer = self.caller.send(&call).await?.json()?;
        let token = answer.workload_access_token.filter(filled);
        let value = token.ok_or_else(|| {
            Error::protocol(format!("could not {TOKEN_OPERATION}: Agent Identity answered without one"))
        })?;
        Ok(Fresh { value, since, life: TOKEN_LIFE, margin: Duration::ZERO })
    }

    /// With nothing but a token: whoever has it has the role.
    async fn assume(&self, token: &SecretString, session: &RoleSession) -> Result<Fresh<AccessKey>, Error> {
        let since = self.caller.now();
        let name = match &session.name {
            Some(name) => name.clone(),
            None => format!("AgentIdentitySessionRole-{}", acs3::nonce()?),
        };
        let form = Form::new()
            .secret("WorkloadAccessToken", token)
            .text("RoleSessionName", &name)
            .text("DurationSeconds", &session.duration.unwrap_or(SESSION).as_secs().to_string())
            .text_if("Policy", session.policy.as_deref());
        let hidden = [token.expose_secret()].into_iter().chain(session.policy.as_deref());
        let call = Call::new(Plane::Data, ROLE_OPERATION, "AssumeRoleForWorkloadIdentity", form).hiding(hidden);
        let answer: RoleAnswer = self.caller.anonymous(&call, since).await?.json()?;
        let fresh = answer.credentials.and_then(|key| key.into_fresh(since)).ok_or_else(|| {
            Error::protocol(format!(
                "could not {ROLE_OPERATION}: Agent Identity answered without all three parts and their end"
            ))
        })?;
        if fresh.life.is_zero() {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("could not {ROLE_OPERATION}: the keys were over when they came"),
            )
            .with_hint("check this machine's clock"));
        }
        Ok(fresh)
    }
}

/// The shape of a signed token: three parts of base64url. What it says is for the service to verify; here it is not read.
pub(crate) fn check_user_token(token: &SecretString) -> Result<(), Error> {
    let mut parts = 0;
    for part in token.expose_secret().as_bytes().split(|byte| *byte == b'.') {
        let fit = !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_');
        if !fit {
            parts = 0;
            break;
        }
        parts += 1;
    }
    if parts == 3 {
        return Ok(());
    }
    Err(Error::invalid("the user's token is no signed token: three parts of letters, digits, `-` and `_`, with dots between")
        .with_hint("pass the ID token or access token that the identity provider issued to the user, whole; to be told the id alone instead, name the user without a token"))
}

impl std::fmt::Debug for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workload")
            .field("name", &self.0.name)
            .field("given", &self.0.given.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w2_a_user_token_of_another_shape_is_refused_and_not_quoted() {
        assert!(check_user_token(&"eyJ.a-b_c.d9".into()).is_ok());
        for bad in
            ["hunter2", "hunter2.b", "hunter2.b.c.d", "hunter2..c", ".b.c", "a.b.", "a.b.c+d", "a.b.c=", "a.b.c.d.e"]
        {
            let error = check_user_token(&bad.into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn w7_no_two_users_share_a_slot() {
        let user = |id: &str, token: Option<&str>| {
            let user = User::asserted(id).unwrap();
            token.map_or(user.clone(), |token| user.with_token(token).unwrap())
        };
        let all = [
            None,
            Some(user("None", None)),
            Some(user("a", Some("b:c"))),
            Some(user("a:b", Some("c"))),
            Some(user("a", None)),
            Some(user("a:b:c", None)),
        ];
        for (index, one) in all.iter().enumerate() {
            for (other, two) in all.iter().enumerate() {
                assert_eq!(Who::of(one.as_ref()) == Who::of(two.as_ref()), index == other);
            }
        }
    }
}
