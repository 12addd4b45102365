//! A signed-in user, and their access token.

use std::{fmt, sync::Arc};

use identity_client::{AccessToken, Error, ErrorKind, User};
use subtle::ConstantTimeEq as _;

use super::{
    client::LoginClient,
    seal::{SealedSession, SealedTokens, Seconds},
};

/// Whoever waited for a renewal that failed need not fail it again.
const REST: Seconds = 1;

/// The session of a signed-in user. An extractor, where [`LoginClient::layer`] is around the handler: nobody else gets in, see
/// [`NotSignedIn`](super::NotSignedIn); as `Option<LoginSession>` everybody does. Cheap to clone.
#[derive(Clone)]
pub struct LoginSession(Arc<Inner>);

struct Inner {
    client: LoginClient,
    user: User,
    content: SealedSession,
    /// Sealed with the current key.
    is_current: bool,
}

impl LoginSession {
    pub(super) fn new(client: LoginClient, content: SealedSession, is_current: bool) -> Option<Self> {
        let user = User::asserted(&content.user).ok()?;
        Some(Self(Arc::new(Inner { client, user, content, is_current })))
    }

    /// Who is signed in, by the verified ID token.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// What to call the user: `name`, else `preferred_username` of the ID token. To be shown, not to be relied on.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.content.name.as_deref()
    }

    /// `email` of the ID token. To be shown, not to be relied on.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.0.content.email.as_deref()
    }

    /// What a form of this application must have in the field `csrf_token`, so that no page of somebody else can send it.
    #[must_use]
    pub fn csrf_token(&self) -> &str {
        &self.0.content.csrf
    }

    /// Whether a form, or a header that a script of this application has set, has the right [`csrf_token`](Self::csrf_token).
    #[must_use]
    pub fn has_csrf_token(&self, token: &str) -> bool {
        self.0.content.csrf.as_bytes().ct_eq(token.as_bytes()).into()
    }

    /// The access token to call the agent with on the user's behalf. It is renewed if it is about to end: once, however many ask.
    ///
    /// Ask before the answer to a request begins, so that the answer can carry the renewed cookies.
    ///
    /// # Errors
    /// [`ErrorKind::AuthorizationExpired`] if the user has to sign in again; others if the issuer cannot be asked just now and the
    /// token is over.
    ///
    /// # Cancel safety
    /// Cancel safe: a renewal goes on for the others who wait for it.
    pub async fn access_token(&self) -> Result<AccessToken, Error> {
        let tokens = self.tokens();
        if tokens.is_fresh(self.0.client.0.now()) {
            return AccessToken::new(tokens.access.clone());
        }
        // In a task of its own: a refresh token may be good once, and its successor must not get lost with this caller.
        let this = self.clone();
        let renewal = tokio::spawn(async move { this.renew(None).await });
        let tokens = renewal.await.map_err(|_| interrupted())??;
        AccessToken::new(tokens.access.clone())
    }

    /// Another access token after the agent refused this one with 401, although it was not over.
    ///
    /// # Errors
    /// As [`access_token`](Self::access_token); also [`ErrorKind::AuthorizationExpired`] if there is no refresh token.
    ///
    /// # Cancel safety
    /// As [`access_token`](Self::access_token).
    pub async fn access_token_after(&self, refused: &AccessToken) -> Result<AccessToken, Error> {
        let (this, refused) = (self.clone(), refused.clone());
        let renewal = tokio::spawn(async move { this.renew(Some(&refused)).await });
        let tokens = renewal.await.map_err(|_| interrupted())??;
        AccessToken::new(tokens.access.clone())
    }

    /// The newest tokens that this process knows of.
    pub(super) fn tokens(&self) -> Arc<SealedTokens> {
        let known = self.0.client.0.store.newest(&self.0.content.id);
        let own = &self.0.content.tokens;
        known.filter(|known| known.generation > own.generation).unwrap_or_else(|| Arc::new(own.clone()))
    }

    async fn renew(&self, refused: Option<&AccessToken>) -> Result<Arc<SealedTokens>, Error> {
        let client = &*self.0.client.0;
        let content = &self.0.content;
        let renewing = client.store.renewing(&content.id, content.until, client.now());
        let mut renewing = renewing.lock().await;
        let (now, tokens) = (client.now(), self.tokens());
        let is_refused = refused.is_some_and(|refused| is_same(refused, &tokens));
        if client.store.is_over(&content.id) {
            return Err(over());
        }
        if !is_refused && tokens.is_fresh(now) {
            return Ok(tokens);
        }
        let still_good = || (!is_refused && tokens.is_good(now)).then(|| Arc::clone(&tokens));
        // A clock that was set back has no failures behind it.
        let rests = |at: Seconds| (at..=at + REST).contains(&now);
        let failure = renewing.failure.as_ref().filter(|(_, at)| rests(*at)).map(|(error, _)| error.clone());
        let renewed = match (failure, &tokens.refresh) {
            (Some(error), _) => Err(error),
            (None, None) => return still_good().ok_or_else(over),
            (None, Some(refresh)) => client.party.refresh(&self.0.user, refresh).await,
        };
        match renewed {
            Ok(renewed) => {
                let tokens = SealedTokens::new(&renewed, tokens.generation.saturating_add(1), client.clock.now().wall);
                client.store.renewed(&content.id, content.until, now, tokens);
                renewing.failure = None;
                Ok(self.tokens())
            }
            Err(error) if error.kind() == ErrorKind::AuthorizationExpired => {
                tracing::info!("the issuer does not renew the tokens of a session, which is over therefore");
                client.store.end(&content.id, content.until, now);
                Err(over())
            }
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "the tokens of a session could not be renewed");
                renewing.failure = Some((error.clone(), client.now()));
                still_good().ok_or(error)
            }
        }
    }

    /// Ends the session, for every copy of its cookies that reaches this process.
    pub(super) fn end(&self) {
        let client = &*self.0.client.0;
        client.store.end(&self.0.content.id, self.0.content.until, client.now());
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.client.0.store.is_over(&self.0.content.id)
    }

    /// What the browser should have instead of what it has shown; `None` if that is as good.
    pub(super) fn newer(&self) -> Option<SealedSession> {
        let tokens = self.tokens();
        let is_newer = tokens.generation > self.0.content.tokens.generation || !self.0.is_current;
        is_newer.then(|| self.0.content.with_tokens((*tokens).clone()))
    }
}

fn is_same(refused: &AccessToken, tokens: &SealedTokens) -> bool {
    use secrecy::ExposeSecret as _;
    refused.expose_secret().as_bytes().ct_eq(tokens.access.expose_secret().as_bytes()).into()
}

fn over() -> Error {
    Error::from_platform(ErrorKind::AuthorizationExpired, "the session is over; have the user sign in again")
}

fn interrupted() -> Error {
    Error::from_platform(ErrorKind::Unavailable, "the renewal of a session's tokens was interrupted")
}

impl fmt::Debug for LoginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginSession").field("user", &self.0.user).finish_non_exhaustive()
    }
}
