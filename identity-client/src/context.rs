//! What one invocation of an agent carries.

use std::{fmt, future::Future, sync::Arc};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use http::HeaderMap;

use crate::{client::IdentityClient, consent::Prompt, error::Error, principal::User};

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// What one invocation carries: for which user it runs, with which client, and where a browser returns to.
///
/// Cheap to clone. A handler's own `RequestContext` parameter comes first; else the one that the task was given with
/// [`scope`](Self::scope).
///
/// ```
/// # use identity_client::{RequestContext, User, Error};
/// # async fn handle() -> Result<(), Error> { Ok(()) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let context = RequestContext::new().with_user(User::asserted("user-123")?);
/// context.scope(handle()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct RequestContext(Arc<Parts>);

#[derive(Clone, Default)]
struct Parts {
    client: Option<IdentityClient>,
    user: Option<User>,
    return_url: Option<String>,
    request_id: Option<String>,
    session_id: Option<String>,
    custom_headers: HeaderMap,
    prompt: Option<Arc<dyn Prompt>>,
    end_of_waits: Option<Shared<BoxFuture<'static, ()>>>,
}

impl RequestContext {
    /// An empty context: no user, so only the agent's own credentials can be asked for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs for this user.
    #[must_use]
    pub fn with_user(self, user: User) -> Self {
        self.change(|parts| parts.user = Some(user))
    }

    /// Uses this client instead of the installed one.
    #[must_use]
    pub fn with_client(self, client: IdentityClient) -> Self {
        self.change(|parts| parts.client = Some(client))
    }

    /// Where the browser lands after a consent, unless an attribute says otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a URL that is relative, plain http to another machine, or has a fragment or user information.
    pub fn with_return_url(self, url: impl Into<String>) -> Result<Self, Error> {
        let url = url.into();
        identity_grammar::check_return_url(&url).map_err(|violation| Error::invalid(violation.to_string()))?;
        Ok(self.change(|parts| parts.return_url = Some(url)))
    }

    /// The id of this request, for logs and receipts.
    #[must_use]
    pub fn with_request_id(self, id: impl Into<String>) -> Self {
        self.change(|parts| parts.request_id = Some(id.into()))
    }

    /// The id of the conversation that this request belongs to.
    #[must_use]
    pub fn with_session_id(self, id: impl Into<String>) -> Self {
        self.change(|parts| parts.session_id = Some(id.into()))
    }

    /// Headers of the request that the application let through to its handlers. They are the caller's words: nothing that a
    /// user or a permission may be taken from.
    #[must_use]
    pub fn with_custom_headers(self, headers: HeaderMap) -> Self {
        self.change(|parts| parts.custom_headers = headers)
    }

    /// Tells the caller of this invocation where its user agrees. Comes after a call's own `on_auth_url` and before the
    /// client's prompt; shows nobody a consent of another user than this context's; and is used for each call that needs a
    /// consent, also one that somebody was told of before, for this caller may not have been.
    #[must_use]
    pub fn with_prompt(self, prompt: Arc<dyn Prompt>) -> Self {
        self.change(|parts| parts.prompt = Some(prompt))
    }

    /// Ends every wait for a consent in this context as soon as a future is ready, for example because the application
    /// shuts down. The call fails with [`ErrorKind::AuthorizationRequired`](crate::ErrorKind::AuthorizationRequired), and the
    /// pending can be resumed.
    #[must_use]
    pub fn with_end_of_waits(self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        self.change(|parts| parts.end_of_waits = Some(end.boxed().shared()))
    }

    /// The same context for work that goes on after its caller was answered: nobody is there to be told.
    #[must_use]
    pub fn without_caller(self) -> Self {
        self.change(|parts| parts.prompt = None)
    }

    fn change(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The user it runs for.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.0.user.as_ref()
    }

    /// The client it uses.
    #[must_use]
    pub fn client(&self) -> Option<&IdentityClient> {
        self.0.client.as_ref()
    }

    /// Where the browser lands after a consent.
    #[must_use]
    pub fn return_url(&self) -> Option<&str> {
        self.0.return_url.as_deref()
    }

    /// The id of this request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The id of the conversation.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.0.session_id.as_deref()
    }

    /// A header that the application let through, if it is text. The name is compared without case.
    #[must_use]
    pub fn custom_header(&self, name: &str) -> Option<&str> {
        self.0.custom_headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All headers that the application let through.
    #[must_use]
    pub fn custom_headers(&self) -> &HeaderMap {
        &self.0.custom_headers
    }

    /// How this caller is told of a consent of this user.
    pub(crate) fn prompt_for(&self, user: &User) -> Option<&dyn Prompt> {
        self.0.prompt.as_deref().filter(|_| self.user() == Some(user))
    }

    pub(crate) fn end_of_waits(&self) -> Option<Shared<BoxFuture<'static, ()>>> {
        self.0.end_of_waits.clone()
    }

    /// The context of the running task, if it was given one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs a future with this as the task's context. What the future spawns does not inherit it: use [`spawn`](Self::spawn).
    ///
    /// # Cancel safety
    /// As cancel safe as the future.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// Spawns a task that runs with the context of the running task, or with none if there is none.
    ///
    /// `tokio::spawn` alone would lose the context, and with it the user.
    ///
    /// # Panics
    /// Outside a tokio runtime, like `tokio::spawn`.
    pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match Self::current() {
            Some(context) => tokio::spawn(context.scope(future)),
            None => tokio::spawn(future),
        }
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("user", &self.user())
            .field("request_id", &self.request_id())
            .field("session_id", &self.session_id().map(|_| ".."))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(user: &str) -> RequestContext {
        RequestContext::new().with_user(User::asserted(user).unwrap())
    }

    fn user() -> Option<String> {
        RequestContext::current().and_then(|context| context.user().map(|user| user.id().to_owned()))
    }

    #[tokio::test]
    async fn a_task_has_its_own_context_and_spawn_carries_it() {
        assert_eq!(user(), None);
        let seen = context("alice")
            .scope(async {
                let bare = tokio::spawn(async { user() }).await.unwrap();
                let carried = RequestContext::spawn(async { user() }).await.unwrap();
                let nested = context("bob").scope(async { user() }).await;
                (user(), bare, carried, nested)
            })
            .await;
        let name = |text: &str| Some(text.to_owned());
        assert_eq!(seen, (name("alice"), None, name("alice"), name("bob")));
    }

    #[test]
    fn return_urls_are_checked() {
        assert!(RequestContext::new().with_return_url("/relative").is_err());
        let context = RequestContext::new().with_return_url("https://app.example.com/cb").unwrap();
        assert_eq!(context.return_url(), Some("https://app.example.com/cb"));
    }
}
