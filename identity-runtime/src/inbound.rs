//! Who is calling.

#[cfg(feature = "inbound")]
mod custom_jwt;

use std::{
    fmt,
    task::{Context, Poll},
};

use http::{HeaderName, Request};
use identity_client::User;
use tower::{Layer, Service};

#[cfg(feature = "inbound")]
pub use self::custom_jwt::{CustomJwtLayer, CustomJwtService};

const USER_ID: HeaderName = HeaderName::from_static("x-greennode-agentbase-user-id");

/// The user that a request was verified to come from, in the extensions of the request. A layer puts it there;
/// [`AgentApp`](crate::AgentApp) makes it the user of the handler's context.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a layer outside this crate must be able to make one")]
pub struct InboundUser(pub User);

/// Believes the header `X-GreenNode-AgentBase-User-Id`, for an agent that can be reached through a gateway alone which sets
/// or removes that header itself.
///
/// **Whoever can send a request to the agent can then act as any user.** Runtime endpoints of AgentBase were seen to pass
/// requests from the internet on as they are, so there this must not be used.
#[derive(Debug, Clone)]
pub struct TrustedHeadersLayer(());

impl TrustedHeadersLayer {
    /// Believes the header. `reason` says why nobody but the gateway can send it, and goes to the log.
    #[must_use]
    pub fn dangerously_trust_the_user_id_header(reason: &str) -> Self {
        tracing::warn!(
            reason,
            "the user of a request is believed from a header: whoever reaches this agent can be any user"
        );
        Self(())
    }
}

impl<S> Layer<S> for TrustedHeadersLayer {
    type Service = TrustedHeadersService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TrustedHeadersService(inner)
    }
}

/// The service of [`TrustedHeadersLayer`].
#[derive(Clone)]
pub struct TrustedHeadersService<S>(S);

impl<S> fmt::Debug for TrustedHeadersService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustedHeadersService")
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for TrustedHeadersService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let mut values = request.headers().get_all(USER_ID).iter();
        // Two of them mean that somebody added one.
        let only = values.next().filter(|_| values.next().is_none());
        let user = only.and_then(|value| value.to_str().ok()).and_then(|id| User::asserted(id).ok());
        if let Some(user) = user {
            request.extensions_mut().insert(InboundUser(user));
        }
        self.0.call(request)
    }
}
