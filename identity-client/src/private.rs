//! What the attributes expand to. Not for use by hand: it changes with every version.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;

use crate::{
    client::IdentityClient,
    consent::{PendingAuthorization, PromptFn, PromptOutcome, prompt_fn},
    context::RequestContext,
    credential::Credential,
    error::Error,
    inject::{FromAccessToken, FromApiKey, FromCredentialError, FromStsCredentials, FromWorkloadToken},
    principal::{User, UserRef},
    together,
};
pub use crate::{
    consent::{Prompt, Wait},
    credential_request::Flow,
    need::{Need, UserArgument},
};

/// A credential that was fetched for a handler.
#[derive(Debug)]
pub struct Fetched(Option<Credential>);

/// Fetches what a handler needs: at once, without a task or an allocation, if the cache has all of it.
pub fn fetch<const N: usize>(needs: [Need<'_>; N]) -> Fetch<'_, N> {
    let cached = needs.map(|need| Fetched(need.cached()));
    if cached.iter().all(|fetched| fetched.0.is_some()) {
        return Fetch(State::Ready(Some(cached)));
    }
    Fetch(State::Slow(Box::pin(async move {
        let mut fetched = together::obtain(&needs, cached.map(|fetched| fetched.0)).await?.into_iter();
        Ok(std::array::from_fn(|_| Fetched(fetched.next())))
    })))
}

/// The future of [`fetch`].
#[must_use]
pub struct Fetch<'a, const N: usize>(State<'a, N>);

enum State<'a, const N: usize> {
    Ready(Option<[Fetched; N]>),
    Slow(BoxFuture<'a, Result<[Fetched; N], Error>>),
}

impl<const N: usize> Future for Fetch<'_, N> {
    type Output = Result<[Fetched; N], Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(fetched) => match fetched.take() {
                Some(fetched) => Poll::Ready(Ok(fetched)),
                None => Poll::Pending,
            },
            State::Slow(slow) => slow.as_mut().poll(cx),
        }
    }
}

impl<const N: usize> std::fmt::Debug for Fetch<'_, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fetch")
    }
}

/// Makes a handler's API key parameter.
pub fn api_key_parameter<'a, T: FromApiKey<'a>>(fetched: &'a Fetched) -> Result<T, Error> {
    match &fetched.0 {
        Some(Credential::ApiKey(key)) => T::from_api_key(key),
        _ => Err(Error::protocol("another kind of credential came than an API key")),
    }
}

/// Makes a handler's access token parameter.
pub fn access_token_parameter<'a, T: FromAccessToken<'a>>(fetched: &'a Fetched) -> Result<T, Error> {
    match &fetched.0 {
        Some(Credential::AccessToken(token)) => T::from_access_token(token),
        _ => Err(Error::protocol("another kind of credential came than an access token")),
    }
}

/// Makes a handler's STS credentials parameter.
pub fn sts_credentials_parameter<'a, T: FromStsCredentials<'a>>(fetched: &'a Fetched) -> Result<T, Error> {
    match &fetched.0 {
        Some(Credential::StsCredentials(credentials)) => T::from_sts_credentials(credentials),
        _ => Err(Error::protocol("another kind of credential came than STS credentials")),
    }
}

/// Makes a handler's workload token parameter.
pub fn workload_token_parameter<'a, T: FromWorkloadToken<'a>>(fetched: &'a Fetched) -> Result<T, Error> {
    match &fetched.0 {
        Some(Credential::WorkloadToken(token)) => T::from_workload_token(token),
        _ => Err(Error::protocol("another kind of credential came than a workload token")),
    }
}

/// Makes a handler's return value of an error.
pub fn fail<R: FromCredentialError>(error: Error) -> R {
    R::from_credential_error(error)
}

/// A sync or async function as a prompt.
pub fn prompt<F, R, M>(function: F) -> PromptFn<F, (R, M)>
where
    F: Fn(PendingAuthorization) -> R + Send + Sync,
    R: PromptOutcome<M>,
{
    prompt_fn(function)
}

/// Texts as borrowed texts.
pub fn scopes<T: AsRef<str>>(list: &[T]) -> Vec<&str> {
    list.iter().map(AsRef::as_ref).collect()
}

/// Pairs of texts as borrowed ones.
pub fn parameters<K: AsRef<str>, V: AsRef<str>>(list: &[(K, V)]) -> Vec<(&str, &str)> {
    list.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
}

/// What `user_id = ..` may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a user",
    label = "give a `User`, a `&str` or a `String`, or an `Option` of one"
)]
pub trait AsUser {
    /// The user; nobody if none is named.
    fn as_argument(&self) -> UserArgument<'_>;
}

/// The user that a call names.
pub fn user<U: AsUser + ?Sized>(user: &U) -> UserArgument<'_> {
    user.as_argument()
}

impl AsUser for str {
    fn as_argument(&self) -> UserArgument<'_> {
        UserArgument(Some(UserRef::of_id(self)))
    }
}

impl AsUser for String {
    fn as_argument(&self) -> UserArgument<'_> {
        UserArgument(Some(UserRef::of_id(self)))
    }
}

impl AsUser for User {
    fn as_argument(&self) -> UserArgument<'_> {
        self.into()
    }
}

impl<U: AsUser + ?Sized> AsUser for &U {
    fn as_argument(&self) -> UserArgument<'_> {
        (**self).as_argument()
    }
}

impl<U: AsUser> AsUser for Option<U> {
    fn as_argument(&self) -> UserArgument<'_> {
        self.as_ref().map_or(UserArgument(None), AsUser::as_argument)
    }
}

/// What `client = ..` may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a client",
    label = "give an `IdentityClient`, or a reference or an `Arc` of one"
)]
pub trait AsClient {
    /// The client.
    fn as_client(&self) -> &IdentityClient;
}

/// The client that a call names.
pub fn client<T: AsClient + ?Sized>(named: &T) -> &IdentityClient {
    named.as_client()
}

impl AsClient for IdentityClient {
    fn as_client(&self) -> &IdentityClient {
        self
    }
}

impl<T: AsClient + ?Sized> AsClient for &T {
    fn as_client(&self) -> &IdentityClient {
        (**self).as_client()
    }
}

impl<T: AsClient + ?Sized> AsClient for &mut T {
    fn as_client(&self) -> &IdentityClient {
        (**self).as_client()
    }
}

impl<T: AsClient + ?Sized> AsClient for Arc<T> {
    fn as_client(&self) -> &IdentityClient {
        (**self).as_client()
    }
}

/// What `context = ..` may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no context of a request",
    label = "give a `RequestContext`, or a reference or an `Arc` of one"
)]
pub trait AsContext {
    /// The context.
    fn as_context(&self) -> &RequestContext;
}

/// The context that a call names.
pub fn context<T: AsContext + ?Sized>(named: &T) -> &RequestContext {
    named.as_context()
}

impl AsContext for RequestContext {
    fn as_context(&self) -> &RequestContext {
        self
    }
}

impl<T: AsContext + ?Sized> AsContext for &T {
    fn as_context(&self) -> &RequestContext {
        (**self).as_context()
    }
}

impl<T: AsContext + ?Sized> AsContext for &mut T {
    fn as_context(&self) -> &RequestContext {
        (**self).as_context()
    }
}

impl<T: AsContext + ?Sized> AsContext for Arc<T> {
    fn as_context(&self) -> &RequestContext {
        (**self).as_context()
    }
}
