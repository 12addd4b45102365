//! Callers with the JWTs of an issuer, which the platforms call `custom_jwt`.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode, header::WWW_AUTHENTICATE};
use identity_client::{
    BuildError, User,
    inbound::{Challenge, Refusal, RefusalCode, TokenVerifier, TokenVerifiers, VerifiedClaims},
};
use tower::{Layer, Service};

use super::InboundUser;
use crate::app::Failure;

/// Lets nobody through without a good bearer token, and says in the extensions of the request who it is: an
/// [`InboundUser`], and the [`VerifiedClaims`]. A refusal is RFC 6750's, with a body in the form of the app's other errors;
/// the log has the reason.
///
/// The user is the token's `sub`. A machine's own token (client credentials) usually has its client there (RFC 9068 section 2.2), so
/// that is the user then; that no user and no client have one name is the issuer's to see to (section 5 there).
///
/// It works on any service of `tower`, an [`axum::Router`] for example. For an [`AgentApp`](crate::AgentApp):
///
/// ```
/// use identity_client::{Error, RequestContext};
/// use identity_runtime::{AgentApp, CustomJwtLayer};
///
/// async fn hello(_: serde_json::Value, context: RequestContext) -> Result<String, Error> {
///     Ok(format!("{:?} is verified", context.user()))
/// }
///
/// # fn build() -> Result<AgentApp, Box<dyn std::error::Error>> {
/// let discovery = "https://id.example.com/.well-known/openid-configuration";
/// let callers = CustomJwtLayer::custom_jwt(discovery, ["portal"], ["https://agent.example.com"])?;
/// let app = AgentApp::builder(hello).with_inbound(callers).build()?;
/// # Ok(app)
/// # }
/// ```
#[derive(Clone)]
pub struct CustomJwtLayer(Arc<Rules>);

#[derive(Clone)]
struct Rules {
    verifiers: TokenVerifiers,
    challenge: Challenge,
}

impl CustomJwtLayer {
    /// The platforms' own three settings: whose tokens, for which clients they may have been issued, and for whom they must be.
    /// One of the lists may be empty: without clients, any client of the issuer may call; without audiences, a token for
    /// another service is as good as one for this agent if an allowed client has it.
    ///
    /// # Errors
    /// For a discovery URL that cannot be used, and if both lists are empty.
    pub fn custom_jwt<C: Into<String>, A: Into<String>>(
        discovery_url: &str,
        allowed_clients: impl IntoIterator<Item = C>,
        allowed_audiences: impl IntoIterator<Item = A>,
    ) -> Result<Self, BuildError> {
        let mut builder = TokenVerifier::discovery(discovery_url)?;
        let (mut clients, mut audiences) = (0, 0);
        for client in allowed_clients {
            builder = builder.with_allowed_client(client);
            clients += 1;
        }
        for audience in allowed_audiences {
            builder = builder.with_audience(audience);
            audiences += 1;
        }
        if audiences == 0 && clients > 0 {
            builder = builder.with_any_audience();
        }
        Self::new([builder.build()?])
    }

    /// Verifiers of one's own, one an issuer.
    ///
    /// # Errors
    /// As [`TokenVerifiers::new`].
    pub fn new(verifiers: impl IntoIterator<Item = TokenVerifier>) -> Result<Self, BuildError> {
        let verifiers = TokenVerifiers::new(verifiers)?;
        Ok(Self(Arc::new(Rules { verifiers, challenge: Challenge::new() })))
    }

    /// What a refusal tells callers about how to get in. Default: nothing but the scheme.
    #[must_use]
    pub fn with_challenge(self, challenge: Challenge) -> Self {
        Self(Arc::new(Rules { challenge, ..Arc::unwrap_or_clone(self.0) }))
    }
}

impl fmt::Debug for CustomJwtLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomJwtLayer").field("verifiers", &self.0.verifiers).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for CustomJwtLayer {
    type Service = CustomJwtService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CustomJwtService { inner, rules: Arc::clone(&self.0) }
    }
}

/// The service of [`CustomJwtLayer`].
#[derive(Clone)]
pub struct CustomJwtService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> fmt::Debug for CustomJwtService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomJwtService")
    }
}

impl<S, B, R> Service<Request<B>> for CustomJwtService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: From<String> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone was not asked whether it is ready; the one that was goes into the future.
        let fresh = self.inner.clone();
        let (mut inner, rules) = (std::mem::replace(&mut self.inner, fresh), Arc::clone(&self.rules));
        Box::pin(async move {
            match rules.who(request.headers()).await {
                Ok((claims, user)) => {
                    // Whoever was named before, by whatever, is not who was verified.
                    request.extensions_mut().remove::<InboundUser>();
                    request.extensions_mut().insert(claims);
                    if let Some(user) = user {
                        request.extensions_mut().insert(InboundUser(user));
                    }
                    inner.call(request).await
                }
                Err(response) => Ok(response),
            }
        })
    }
}

impl Rules {
    /// The caller, and the user that it is or acts for; a machine's token may name none.
    async fn who<R: From<String>>(&self, headers: &HeaderMap) -> Result<(VerifiedClaims, Option<User>), Response<R>> {
        let claims = self.verifiers.verify_request(headers).await.map_err(|refusal| self.refused(&refusal))?;
        if claims.subject().is_none() {
            return Ok((claims, None));
        }
        match User::from_verified_token(&claims) {
            Ok(user) => Ok((claims, Some(user))),
            Err(error) => {
                tracing::info!(kind = ?error.kind(), "the subject of a good token cannot be a user, or the token is too long");
                Err(self.refused(&RefusalCode::SubjectMalformed.into()))
            }
        }
    }

    fn refused<R: From<String>>(&self, refusal: &Refusal) -> Response<R> {
        tracing::info!(code = refusal.code().as_str(), status = refusal.status(), "a caller is refused");
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let (code, text) = match refusal.error_code() {
            Some(code) => (code, "The bearer token is not accepted"),
            None if status == StatusCode::SERVICE_UNAVAILABLE => {
                ("keys_unavailable", "The token cannot be verified now")
            }
            None => ("token_missing", "A bearer token is needed"),
        };
        let mut failure = Failure::new(status, code, text);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            failure = failure.with_retry_after(refusal.retry_after().unwrap_or(Duration::from_secs(1)));
        }
        let mut response = failure.response(None);
        if let Some(challenge) = refusal.www_authenticate(&self.challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
