//! Tokens that IDaaS keeps: those of third parties' OAuth servers, and the JWTs that it signs.

use std::time::Duration;

use futures_util::{Stream, TryStreamExt as _, stream};
use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    call::{Call, Caller, Right},
    types::{AuthenticationToken, ConsentSession},
};
use crate::{
    error::Error,
    principal::User,
    reply::Reply,
    wire::{check_length, check_secret, filled, is_false, or_default},
};

/// Far more than any instance has; a list that does not end by then never ends.
const MAX_PAGES: usize = 10_000;
const MAX_TOKEN: usize = 16 * 1024;
/// The namespace that the platform keeps for itself.
const RESERVED: &str = "urn:cloud:idaas";
const PROVIDER_NOT_FOUND: &str = "check the credential provider's identifier against the IDaaS console, and that it is authorised for this application";

/// Tokens that IDaaS keeps, asked for as the agent unless [`for_user`](Self::for_user) says otherwise.
///
/// Third parties' access tokens are asked for with [`IdentityClient::access_token`](crate::IdentityClient::access_token), which knows
/// how to wait for a consent.
#[derive(Debug, Clone)]
pub struct AuthenticationTokens {
    caller: Caller,
    user: Option<User>,
}

/// A JWT to be signed by IDaaS.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewJwt {
    audiences: Vec<String>,
    credential_provider_identifier: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    custom_claims: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    include_derived_short_token: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    subject: String,
}

impl NewJwt {
    /// Of this provider, about this subject, for these audiences, of which none may begin with `urn:cloud:idaas`.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if one of them is empty or reserved.
    pub fn new<A: Into<String>>(
        provider: impl Into<String>,
        subject: impl Into<String>,
        audiences: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error> {
        let audiences: Vec<String> = audiences.into_iter().map(Into::into).collect();
        let new = Self {
            audiences,
            credential_provider_identifier: provider.into(),
            custom_claims: Map::new(),
            expiration: None,
            include_derived_short_token: false,
            issuer: None,
            subject: subject.into(),
        };
        check_length(&new.credential_provider_identifier, "credential provider", 1, 512)?;
        check_length(&new.subject, "subject", 1, 1024)?;
        if new.audiences.is_empty()
            || new.audiences.iter().any(|audience| audience.trim().is_empty() || audience.starts_with(RESERVED))
        {
            return Err(Error::invalid(format!(
                "a JWT is for at least one audience, and none is empty or begins with `{RESERVED}`"
            )));
        }
        Ok(new)
    }

    /// Another issuer than the provider's own: one that the provider allows.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// One more claim.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.custom_claims.insert(name.into(), value.into());
        self
    }

    /// How long it is good, in whole seconds. Default: the provider's.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.expiration = Some(lifetime.as_secs());
        self
    }

    /// With a short token that stands for the JWT.
    #[must_use]
    pub fn with_short_token(mut self) -> Self {
        self.include_derived_short_token = true;
        self
    }
}

/// Which tokens to list. What is not set is not looked at.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TokenFilter {
    /// Of this consumer.
    pub consumer_id: Option<String>,
    /// Of this credential provider.
    pub provider: Option<String>,
    /// Revoked ones, or others.
    pub revoked: Option<bool>,
    /// Expired ones, or others.
    pub expired: Option<bool>,
    /// How many a page.
    pub page_size: Option<u32>,
}

impl TokenFilter {
    /// All of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this consumer.
    #[must_use]
    pub fn with_consumer(mut self, id: impl Into<String>) -> Self {
        self.consumer_id = Some(id.into());
        self
    }

    /// Of this credential provider.
    #[must_use]
    pub fn with_provider(mut self, identifier: impl Into<String>) -> Self {
        self.provider = Some(identifier.into());
        self
    }

    /// Revoked ones, or others.
    #[must_use]
    pub fn with_revoked(mut self, revoked: bool) -> Self {
        self.revoked = Some(revoked);
        self
    }

    /// Expired ones, or others.
    #[must_use]
    pub fn with_expired(mut self, expired: bool) -> Self {
        self.expired = Some(expired);
        self
    }

    /// How many a page.
    #[must_use]
    pub fn with_page_size(mut self, size: u32) -> Self {
        self.page_size = Some(size);
        self
    }

    fn query(&self, next: Option<&str>) -> Vec<(&'static str, String)> {
        let parts = [
            ("consumerId", self.consumer_id.clone()),
            ("credentialProviderIdentifier", self.provider.clone()),
            ("expired", self.expired.map(|expired| expired.to_string())),
            ("maxResults", self.page_size.map(|size| size.to_string())),
            ("nextToken", next.map(str::to_owned)),
            ("revoked", self.revoked.map(|revoked| revoked.to_string())),
        ];
        parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// One page of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenPage {
    /// What is on it. Without the tokens themselves.
    #[serde(rename = "entities")]
    pub items: Vec<AuthenticationToken>,
    /// How many there are in all, if IDaaS says so.
    pub total_count: Option<u64>,
    /// Where the next page begins; nothing on the last one.
    #[serde(default, deserialize_with = "or_default")]
    next_token: String,
}

impl TokenPage {
    /// Where the next page begins, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        Some(self.next_token.as_str()).filter(|next| !next.is_empty())
    }
}

#[derive(Serialize)]
struct TokenBody<'a> {
    token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShortTokenBody<'a> {
    derived_short_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsumerBody<'a> {
    consumer_id: &'a str,
    credential_provider_identifier: &'a str,
}

#[derive(Deserialize)]
struct Validity {
    active: Option<bool>,
}

impl AuthenticationTokens {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller, user: None }
    }

    /// As this user, in exchange for the token that the user shows.
    #[must_use]
    pub fn for_user(mut self, user: &User) -> Self {
        self.user = Some(user.clone());
        self
    }

    fn call(&self, operation: &'static str, right: Right, action: &str) -> Result<Call<'_>, Error> {
        let url = self.caller.url(&["authenticationTokens", "_", "actions", action])?;
        Ok(Call::new(operation, right, Method::POST, url).for_user(self.user.as_ref()).if_not_found(PROVIDER_NOT_FOUND))
    }

    /// Has IDaaS sign a JWT. Needs `authentication_token:obtain`. Tried again only if nothing can have been sent.
    ///
    /// # Errors
    /// Those of [`Idaas`](super::Idaas).
    pub async fn generate_jwt(&self, new: &NewJwt) -> Result<AuthenticationToken, Error> {
        let call = self.call("have a JWT signed", Right::ObtainToken, "generateJwt")?.once().with_json(new)?;
        with_jwt(self.caller.send(call).await?.json()?)
    }

    /// The JWT of this consumer and id. Needs `authentication_token:obtain`.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none; else those of [`Idaas`](super::Idaas).
    pub async fn obtain_jwt(&self, consumer_id: &str, token_id: &str) -> Result<AuthenticationToken, Error> {
        let body = serde_json::json!({ "consumerId": consumer_id, "authenticationTokenId": token_id });
        let call = self.call("get the JWT", Right::ObtainToken, "obtainJwt")?.with_json(&body)?;
        with_jwt(self.caller.send(call).await?.json()?)
    }

    /// The JWT that a short token stands for. Whoever has the short token may ask, so the agent shows nothing else.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none; else those of [`Idaas`](super::Idaas).
    pub async fn obtain_jwt_by_short_token(&self, token: &SecretString) -> Result<AuthenticationToken, Error> {
        check_secret(token, "short token", MAX_TOKEN)?;
        let body = ShortTokenBody { derived_short_token: token.expose_secret() };
        let call = self.call("get the JWT of a short token", Right::None, "obtainJwtByDerivedShortToken")?;
        let call = call.hiding([token.expose_secret()]).with_json(&body)?;
        with_jwt(self.caller.send(call).await?.json()?)
    }

    /// One page of the tokens that there are. Needs `authentication_token:read`. `next` is what the page before said.
    ///
    /// # Errors
    /// Those of [`Idaas`](super::Idaas).
    pub async fn list(&self, filter: &TokenFilter, next: Option<&str>) -> Result<TokenPage, Error> {
        let url = self.caller.url(&["authenticationTokens"])?;
        let call = Call::new("list the tokens", Right::ReadTokens, Method::GET, url);
        let call = call.with_query(filter.query(next)).for_user(self.user.as_ref()).if_not_found(PROVIDER_NOT_FOUND);
        self.caller.send(call).await?.json()
    }

    /// Every token of every page. Ends with an error if the list does not end.
    pub fn list_all(
        &self,
        filter: TokenFilter,
    ) -> impl Stream<Item = Result<AuthenticationToken, Error>> + Send + use<> {
        let tokens = self.clone();
        let pages = stream::try_unfold((0, Some(None::<String>)), move |(count, next)| {
            let (tokens, filter) = (tokens.clone(), filter.clone());
            async move {
                let Some(next) = next else { return Ok(None) };
                let page = tokens.list(&filter, next.as_deref()).await?;
                let after = page.next().map(str::to_owned);
                if count >= MAX_PAGES || (after.is_some() && after == next) {
                    return Err(Error::protocol("could not list the tokens to the end: the list does not end"));
                }
                Ok(Some((stream::iter(page.items.into_iter().map(Ok)), (count + 1, after.map(Some)))))
            }
        });
        pages.try_flatten()
    }

    /// Whether a JWT, or the short token of one, is good. Whoever has it may ask, so the agent shows nothing else.
    ///
    /// # Errors
    /// Those of [`Idaas`](super::Idaas).
    pub async fn validate(&self, token: &SecretString) -> Result<bool, Error> {
        let reply = self.with_token("validate the token", Right::None, "validate", token).await?;
        let answer: Validity = reply.json()?;
        answer.active.ok_or_else(|| Error::protocol("IDaaS did not say whether the token is active"))
    }

    /// Revokes a JWT, by itself or its short token. Needs `authentication_token:manage`. Tokens of third parties cannot be revoked.
    ///
    /// # Errors
    /// Those of [`Idaas`](super::Idaas).
    pub async fn revoke(&self, token: &SecretString) -> Result<(), Error> {
        self.with_token("revoke the token", Right::ManageTokens, "revoke", token).await.map(drop)
    }

    /// Makes a revoked JWT good again. Needs `authentication_token:manage`.
    ///
    /// # Errors
    /// Those of [`Idaas`](super::Idaas).
    pub async fn reinstate(&self, token: &SecretString) -> Result<(), Error> {
        self.with_token("reinstate the token", Right::ManageTokens, "reinstate", token).await.map(drop)
    }

    /// Revokes all JWTs of a consumer and a credential provider. Needs `authentication_token:manage`.
    ///
    /// # Errors
    /// Those of [`Idaas`](super::Idaas).
    pub async fn revoke_by_consumer(&self, consumer_id: &str, provider: &str) -> Result<(), Error> {
        self.by_consumer("revoke the consumer's tokens", "revokeByConsumer", consumer_id, provider).await
    }

    /// Makes all revoked JWTs of a consumer and a credential provider good again. Needs `authentication_token:manage`.
    ///
    /// # Errors
    /// Those of [`Idaas`](super::Idaas).
    pub async fn reinstate_by_consumer(&self, consumer_id: &str, provider: &str) -> Result<(), Error> {
        self.by_consumer("reinstate the consumer's tokens", "reinstateByConsumer", consumer_id, provider).await
    }

    /// How far a consent is, by its `session_uri`. Needs `authentication_token:obtain`, and a user.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if it is over or never was; else those of [`Idaas`](super::Idaas).
    pub async fn consent_session(&self, session_uri: &str) -> Result<ConsentSession, Error> {
        let url = self.caller.url(&["oauthAuthorizationSessions", "_", "actions", "get"])?;
        let body = serde_json::json!({ "sessionUri": session_uri });
        let call = Call::new("ask about the consent", Right::ObtainToken, Method::POST, url)
            .for_user(self.user.as_ref())
            .hiding([session_uri])
            .if_not_found("the consent is over: ask again")
            .with_json(&body)?;
        self.caller.send(call).await?.json()
    }

    async fn with_token(
        &self,
        operation: &'static str,
        right: Right,
        action: &str,
        token: &SecretString,
    ) -> Result<Reply, Error> {
        check_secret(token, "token", MAX_TOKEN)?;
        let token = token.expose_secret();
        let call = self.call(operation, right, action)?.hiding([token]).with_json(&TokenBody { token })?;
        self.caller.send(call).await
    }

    async fn by_consumer(
        &self,
        operation: &'static str,
        action: &str,
        consumer_id: &str,
        provider: &str,
    ) -> Result<(), Error> {
        let body = ConsumerBody { consumer_id, credential_provider_identifier: provider };
        let call = self.call(operation, Right::ManageTokens, action)?.with_json(&body)?;
        self.caller.send(call).await.map(drop)
    }
}

fn with_jwt(token: AuthenticationToken) -> Result<AuthenticationToken, Error> {
    if token.jwt().is_some_and(filled) {
        return Ok(token);
    }
    Err(Error::protocol("IDaaS answered without the JWT"))
}
