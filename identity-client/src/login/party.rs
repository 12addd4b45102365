//! A client of an OpenID issuer that signs users in.

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    attempt::{LoginAttempt, LoginDeparture},
    builder::RelyingPartyBuilder,
    callback::{CallbackParameters, LoginFailure},
    metadata::{Source, check_binding},
    tokens::{Client, Form, LoginTokens, exchange},
};
use crate::{
    clock::Clock,
    env::Environment,
    error::{BuildError, Error, ErrorKind},
    inbound::{IdTokenCheck, TokenVerifier, VerifiedClaims},
    principal::User,
    transport::Transport,
};

/// Signs users in at one OpenID issuer, as one client of it. Cheap to clone; clones share what is known of the issuer.
#[derive(Clone)]
pub struct RelyingParty(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) issuer: Arc<str>,
    pub(super) client: Client,
    /// As it was given, for the issuer compares it as text.
    pub(super) given_redirect_uri: String,
    pub(super) redirect_uri: Url,
    pub(super) scopes: String,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) unadvertised_pkce: bool,
    pub(super) verifier: TokenVerifier,
    pub(super) source: Source,
    pub(super) transport: Transport,
    pub(super) clock: Arc<dyn Clock>,
}

/// A user who has signed in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedIn {
    /// Who it is, by the verified ID token.
    pub user: User,
    /// All that the ID token says.
    pub claims: VerifiedClaims,
    /// For the user's agent.
    pub tokens: LoginTokens,
}

impl RelyingParty {
    /// A client of this issuer, which sends browsers back to this redirect URI. Both are given exactly as they are registered.
    #[must_use]
    pub fn builder(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        redirect_uri: impl Into<String>,
    ) -> RelyingPartyBuilder {
        RelyingPartyBuilder::new(issuer.into(), client_id.into(), redirect_uri.into())
    }

    /// From the variables of the platforms' tutorials: `OAUTH2_ISSUER_URI`, `OAUTH2_CLIENT_ID` and `OAUTH2_CLIENT_SECRET`;
    /// `OAUTH2_REDIRECT_URI`, by default `http://127.0.0.1:8082/callback`; `OAUTH2_SCOPES`, separated by spaces, by default
    /// `openid profile email`.
    ///
    /// # Errors
    /// Missing ([`BuildError::is_missing`]) if none of the first three is set; broken if some are, or one is empty.
    pub fn from_environment(environment: &Environment) -> Result<RelyingPartyBuilder, BuildError> {
        RelyingPartyBuilder::from_environment(environment)
    }

    /// The issuer, as its tokens name it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The client's id at the issuer.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.0.client.id
    }

    /// Where browsers come back to.
    #[must_use]
    pub fn redirect_uri(&self) -> &Url {
        &self.0.redirect_uri
    }

    /// Begins an attempt to sign in.
    ///
    /// # Errors
    /// If the issuer's discovery document cannot be had or used. [`ErrorKind::Unsupported`] if it does not promise PKCE.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn begin(&self) -> Result<LoginDeparture, Error> {
        let inner = &*self.0;
        let metadata = inner.source.get().await?;
        check_binding(&metadata, inner.unadvertised_pkce)?;
        let attempt = LoginAttempt::new(&inner.issuer)?;
        let mut url = metadata.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &inner.client.id)
            .append_pair("redirect_uri", &inner.given_redirect_uri)
            .append_pair("scope", &inner.scopes)
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(&inner.parameters);
        Ok(LoginDeparture { authorization_url: url.into(), attempt })
    }

    /// Finishes an attempt with what the browser brought back. Use each attempt once.
    ///
    /// # Errors
    /// [`LoginFailure`] with the first reason found. Unless state and issuer are right, nothing is sent.
    ///
    /// # Cancel safety
    /// The code may be used up; begin another attempt.
    pub async fn finish(
        &self,
        attempt: &LoginAttempt,
        parameters: &CallbackParameters,
    ) -> Result<SignedIn, LoginFailure> {
        let inner = &*self.0;
        if attempt.issuer != *inner.issuer {
            return Err(LoginFailure::UnknownState);
        }
        let metadata = inner.source.get().await?;
        let code = parameters.code(attempt, metadata.names_itself)?;
        let form = Form::code()
            .with("code", code)
            .with("redirect_uri", &inner.given_redirect_uri)
            .with("code_verifier", &attempt.verifier);
        let exchanged = exchange(&inner.transport, &*inner.clock, &metadata, &inner.client, form).await?;
        let id_token = exchanged.id_token.ok_or(LoginFailure::IdTokenMissing)?;
        let check =
            IdTokenCheck::new(attempt.nonce.as_str()).with_access_token(exchanged.tokens.access_token.expose_secret());
        let claims =
            inner.verifier.verify_id_token(id_token.expose_secret(), &check).await.map_err(LoginFailure::IdToken)?;
        let user = User::from_verified_token(&claims)?;
        Ok(SignedIn { user, claims, tokens: exchanged.tokens })
    }

    /// Renews the tokens of this user. Where the answer has no new refresh token, the old one stays good and is in it.
    ///
    /// # Errors
    /// [`ErrorKind::AuthorizationExpired`] if the user has to sign in again.
    ///
    /// # Cancel safety
    /// The refresh token may be used up and the answer lost: run it in a task of its own.
    pub async fn refresh(&self, user: &User, refresh_token: &SecretString) -> Result<LoginTokens, Error> {
        let inner = &*self.0;
        let metadata = inner.source.get().await?;
        let form = Form::refresh().with("refresh_token", refresh_token.expose_secret());
        let exchanged = exchange(&inner.transport, &*inner.clock, &metadata, &inner.client, form).await?;
        if let Some(id_token) = &exchanged.id_token {
            // OpenID Connect Core 12.2: of the same user. It has no nonce of this login.
            let claims = inner.verifier.verify(id_token.expose_secret()).await?;
            if User::from_verified_token(&claims)? != *user {
                return Err(Error::new(
                    ErrorKind::AuthorizationExpired,
                    "the issuer renewed the tokens of another user",
                )
                .with_hint("have the user sign in again, and report it to the issuer"));
            }
        }
        let mut tokens = exchanged.tokens;
        tokens.refresh_token.get_or_insert_with(|| refresh_token.clone());
        Ok(tokens)
    }

    /// Where to send the browser so that the issuer ends its session, too (OpenID Connect RP-Initiated Logout 1.0); `None` if the
    /// issuer offers no such page. `back_to` must be registered there as a post-logout redirect URI.
    ///
    /// The client is named by its id, not by an ID token: that is about a person, and would be in a URL.
    ///
    /// # Errors
    /// If the issuer's discovery document cannot be had.
    pub async fn end_session_url(&self, back_to: Option<&str>) -> Result<Option<String>, Error> {
        let Some(mut url) = self.0.source.get().await?.end_session.clone() else { return Ok(None) };
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &self.0.client.id);
            if let Some(back_to) = back_to {
                query.append_pair("post_logout_redirect_uri", back_to);
            }
        }
        Ok(Some(url.into()))
    }
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty")
            .field("issuer", &self.0.issuer)
            .field("redirect_uri", &self.0.given_redirect_uri)
            .finish_non_exhaustive()
    }
}
