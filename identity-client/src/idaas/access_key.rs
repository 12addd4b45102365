//! The AccessKey of a RAM role, with which the OpenAPI is asked.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    acs3::AccessKey,
    env::{Environment, check_text},
    error::{BuildError, Error},
};

const ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
const TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

type Provider = Arc<dyn Fn() -> BoxFuture<'static, Result<CloudKey, Error>> + Send + Sync>;

/// An AccessKey of Alibaba Cloud: its id, its secret, and the security token of a temporary one.
#[derive(Clone)]
pub struct CloudKey(AccessKey);

impl CloudKey {
    /// A temporary one: what STS answers for a role.
    pub fn temporary(id: impl Into<String>, secret: impl Into<SecretString>, token: impl Into<SecretString>) -> Self {
        Self(AccessKey { id: id.into(), secret: secret.into(), security_token: Some(token.into()) })
    }

    /// A long-term one. Prefer a role's.
    pub fn long_term(id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        Self(AccessKey { id: id.into(), secret: secret.into(), security_token: None })
    }
}

impl fmt::Debug for CloudKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Where the AccessKey is taken from, for every request anew: those of a role end after an hour or so.
#[derive(Clone)]
pub struct AccessKeySource(Source);

#[derive(Clone)]
enum Source {
    Environment,
    Given(Provider),
}

impl AccessKeySource {
    /// From the variables `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET` and
    /// `ALIBABA_CLOUD_SECURITY_TOKEN`, in which Function Compute and AgentRun put those of the function's role.
    #[must_use]
    pub fn environment() -> Self {
        Self(Source::Environment)
    }

    /// This one.
    #[must_use]
    pub fn fixed(key: CloudKey) -> Self {
        Self::from_fn(move || std::future::ready(Ok(key.clone())))
    }

    /// Whatever the function gives: it is called for each request and should keep what is still good.
    pub fn from_fn<F, R>(function: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<CloudKey, Error>> + Send + 'static,
    {
        Self(Source::Given(Arc::new(move || Box::pin(function()))))
    }

    pub(crate) async fn key(&self, environment: &Environment) -> Result<AccessKey, Error> {
        let key = match &self.0 {
            Source::Environment => from_variables(environment)?,
            Source::Given(provider) => provider().await?.0,
        };
        check_text(&key.id, "the id of the AccessKey")?;
        check_text(key.secret.expose_secret(), "the secret of the AccessKey")?;
        Ok(key)
    }
}

fn from_variables(environment: &Environment) -> Result<AccessKey, BuildError> {
    let (id, secret) = (environment.setting(ID)?, environment.setting(SECRET)?);
    let names = [ID, SECRET].map(|name| format!("the variable {name}"));
    let pair = crate::env::both_or_neither((id, secret), &names)?;
    let (id, secret) = pair.ok_or_else(|| {
        BuildError::missing(
            format!("there is no AccessKey of a RAM role: {ID} and {SECRET} are not set"),
            format!("give the function or machine a role, or set {ID}, {SECRET} and {TOKEN}; or give a source in code with `ClientAuthentication::open_api(..)`"),
        )
    })?;
    Ok(AccessKey { id: id.expose_secret().to_owned(), secret, security_token: environment.setting(TOKEN)? })
}

impl fmt::Debug for AccessKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Environment => "AccessKeySource(environment)",
            Source::Given(_) => "AccessKeySource(given)",
        })
    }
}
