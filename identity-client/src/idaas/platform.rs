//! IDaaS as a [`Platform`]: its own tokens, hosted keys, and tokens of third parties.

use std::collections::BTreeMap;

use http::Method;
use serde::Serialize;

use super::{
    Idaas,
    call::{Call, Right},
    scope::{Permissions, are_own},
    tokens::Subject,
    types::{AuthenticationToken, ConsentSession, OAuthContent, SessionStatus},
};
use crate::{
    capabilities::Capabilities,
    consent::{Acquired, PendingAuthorization, PendingParts, Polled},
    credential::CredentialKind,
    credential_request::{CredentialRequest, Flow},
    error::{Error, ErrorKind},
    name::{ProviderName, Scope},
    platform::{Description, Issued, Platform},
    principal::User,
    wire::{filled, is_false},
};

pub(crate) const NAME: &str = "idaas";

/// The provider whose access tokens are IDaaS's own: the id of its authorization server.
pub const AUTHORIZATION_SERVER: &str = "iauths_system";

const SESSION_URI: &str = "urn:ietf:params:oauth:request_uri:";
/// A session is a short id; anything much longer is something else.
const MAX_SESSION: usize = 300;
/// The documented bound.
const MAX_SCOPE: usize = 256;
const PROVIDER_NOT_FOUND: &str = "check the credential provider's identifier against the IDaaS console; IDaaS's own tokens are those of the provider `iauths_system`";

/// Asks for a third party's access token. What is not there is left out, never null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FetchBody<'a> {
    credential_provider_identifier: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    custom_parameters: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "is_false")]
    force_authentication: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// What a third party's access token is asked with.
struct Fetch<'a> {
    provider: &'a ProviderName,
    user: Option<&'a User>,
    scopes: &'a [Scope],
    custom_parameters: &'a [(String, String)],
    force: bool,
}

/// What asking for one comes to.
enum Fetched {
    Token(Issued),
    Session(ConsentSession),
}

impl Idaas {
    /// Those of the configuration stand in for none. An audience that the request names goes before bare permissions.
    fn scopes_of(&self, request: &CredentialRequest) -> Result<Vec<Scope>, Error> {
        match request.audience() {
            None if request.scopes().is_empty() => Ok(self.default_scopes.to_vec()),
            None => Ok(request.scopes().to_vec()),
            Some(audience) => {
                let whole = |scope: &Scope| {
                    if scope.as_str().contains('|') {
                        Ok(scope.clone())
                    } else {
                        Scope::new(format!("{audience}|{scope}"))
                    }
                };
                request.scopes().iter().map(whole).collect()
            }
        }
    }

    async fn hosted_key(&self, provider: &ProviderName, user: Option<&User>) -> Result<Issued, Error> {
        let credentials = user.map_or_else(|| self.credentials(), |user| self.credentials().for_user(user));
        let credential = credentials.obtain(provider.as_str()).await?;
        if credential.status.as_deref() == Some("disabled") {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                format!("the hosted credential `{provider}` is disabled"),
            )
            .with_hint("enable it in the IDaaS console"));
        }
        if credential.oauth_client().is_some() && credential.api_key().is_none() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the hosted credential `{provider}` is the client of an OAuth server and no API key"),
            )
            .with_hint("read it with `Idaas::credentials().obtain(..)`, or name a credential of type `api_key`"));
        }
        let key = credential.api_key().filter(|key| filled(key)).cloned();
        let key = key.ok_or_else(|| {
            Error::protocol(format!("IDaaS answered without the key of the hosted credential `{provider}`"))
        })?;
        Ok(Issued::api_key(key))
    }

    async fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, Error> {
        let url = self.caller.url(&["authenticationTokens", "_", "actions", "fetchOAuthAccessToken"])?;
        let scope = joined(fetch.scopes);
        let body = FetchBody {
            credential_provider_identifier: fetch.provider.as_str(),
            custom_parameters: fetch
                .custom_parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            force_authentication: fetch.force,
            scope: (!scope.is_empty()).then_some(&scope),
        };
        let mut call = Call::new("get the third party's access token", Right::ObtainToken, Method::POST, url)
            .for_user(fetch.user)
            .if_not_found(PROVIDER_NOT_FOUND)
            .hiding(fetch.custom_parameters.iter().map(|(_, value)| value.as_str()))
            .with_json(&body)?;
        if fetch.force {
            // Each one starts the user's consent over.
            call = call.once();
        }
        let mut answer: AuthenticationToken = self.caller.send(call).await?.json()?;
        if let Some(content) = answer.oauth_access_token_content.take() {
            return self.third_party_token(content, &answer).map(Fetched::Token);
        }
        let session = answer
            .oauth_authorization_session
            .ok_or_else(|| Error::protocol("IDaaS answered with neither an access token nor a consent session"))?;
        Ok(Fetched::Session(session))
    }

    fn third_party_token(&self, content: OAuthContent, answer: &AuthenticationToken) -> Result<Issued, Error> {
        let refuse = |problem: &str| Err(Error::protocol(format!("IDaaS answered with {problem}")));
        let token = content.access_token_value.filter(filled);
        let Some(token) = token else { return refuse("an empty access token") };
        // RFC 6749 section 7.1: a token of a type that the client does not understand must not be used.
        if content.token_type.is_some_and(|kind| !kind.is_empty() && !kind.eq_ignore_ascii_case("bearer")) {
            return refuse("an access token that is not of type Bearer");
        }
        let lifetime =
            answer.expiration_time.map(|until| until.duration_since(self.caller.now().wall).unwrap_or_default());
        if answer.revoked || lifetime.is_some_and(|left| left.is_zero()) {
            return refuse("an access token that is revoked, or over by this machine's clock");
        }
        let scopes = content.scope.unwrap_or_default();
        let scopes = scopes.split_ascii_whitespace().map(Scope::new).collect::<Result<_, _>>().unwrap_or_default();
        Ok(Issued::access_token(token).with_lifetime(lifetime).with_scopes(scopes))
    }

    /// Makes a pending authorization of a consent session.
    fn pending(
        &self,
        request: &CredentialRequest,
        user: &User,
        session: ConsentSession,
    ) -> Result<PendingAuthorization, Error> {
        let provider = request.provider();
        check_alive(&session, provider)?;
        let options = request.options();
        if options.custom_state.is_some() {
            return Err(Error::new(ErrorKind::Unsupported, format!("provider `{provider}` needs the user's consent, and IDaaS sends nobody back with a state: a custom state or a `SessionBinding` cannot work"))
                .with_hint("build the client with `accept_unbound_consent(..)` instead of a session binding, and give no custom state"));
        }
        let Some(authorization_url) = session.authorization_url.filter(|url| !url.is_empty()) else {
            return Err(Error::protocol("IDaaS answered with a consent session without an authorization URL"));
        };
        let uri = session.session_uri.or_else(|| session.session_id.map(|id| format!("{SESSION_URI}{id}")));
        let Some(uri) = uri.filter(|uri| is_session(uri)) else {
            // Without one, nobody could ask about the consent.
            return Err(Error::protocol(
                "IDaaS answered with an authorization URL, but without a session to ask about",
            ));
        };
        let description = self.describe();
        Ok(PendingAuthorization::new(PendingParts {
            platform: NAME.to_owned(),
            endpoint: description.endpoint.to_owned(),
            agent_identity: description.agent_identity.clone(),
            credential: CredentialKind::AccessToken,
            provider: provider.clone(),
            user: user.clone(),
            scopes: request.scopes().to_vec(),
            return_url: options.return_url.clone(),
            authorization_url,
            session: Some(uri),
            custom_state: None,
            custom_parameters: options.custom_parameters.clone(),
            started_at: self.caller.now().wall,
            expires_at: session.expiration_time,
        }))
    }
}

impl Platform for Idaas {
    fn describe(&self) -> Description<'_> {
        Description { name: NAME, endpoint: &self.endpoint, agent_identity: &self.tokens.shared().client }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            static_api_keys: true,
            // Not entered by the user, but kept for the user alone.
            delegated_api_keys: true,
            machine_tokens: true,
            user_tokens: true,
            // Whoever opens the link agrees; the service sends nobody back to the application.
            session_binding: false,
            force_authentication: true,
            // What users have of IDaaS itself is exchanged for the token that they show.
            on_behalf_of: true,
            minted_tokens: true,
            token_revocation: true,
            token_listing: true,
            token_validation: true,
            ..Capabilities::none()
        }
    }

    fn check(&self, request: &CredentialRequest) -> Result<(), Error> {
        self.capabilities().check(request, NAME)?;
        Subject::of(request.user())?;
        let options = request.options();
        let third_party = request.credential() == CredentialKind::AccessToken && !is_own(request.provider());
        if !third_party && !options.custom_parameters.is_empty() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "IDaaS takes custom parameters for tokens of third parties only",
            )
            .with_hint("leave them out"));
        }
        if request.credential() == CredentialKind::ApiKey {
            return Ok(());
        }
        if !third_party {
            return Permissions::of(&self.scopes_of(request)?).map(drop);
        }
        if request.flow() == Flow::OnBehalfOf {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "provider `{}` is a third party's, where the user agrees and nothing is exchanged",
                    request.provider()
                ),
            )
            .with_hint("ask by the flow USER_FEDERATION, or ask the provider `iauths_system` for IDaaS's own tokens"));
        }
        if are_own(request.scopes()) {
            return Err(Error::invalid(format!(
                "the scopes are those of IDaaS's own tokens, and provider `{}` is a third party's",
                request.provider()
            ))
            .with_hint("ask the provider `iauths_system` (`idaas::AUTHORIZATION_SERVER`) for `audience|permission`"));
        }
        if joined(request.scopes()).len() > MAX_SCOPE {
            return Err(Error::invalid(format!("the scopes have more than {MAX_SCOPE} characters in all")));
        }
        options.check_custom_parameters()
    }

    async fn api_key_flow(&self, _: &ProviderName) -> Result<Flow, Error> {
        Ok(self.key_flow)
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        self.check(request)?;
        let user = request.user();
        if request.credential() == CredentialKind::ApiKey {
            return self.hosted_key(request.provider(), user).await.map(Acquired::Ready);
        }
        if is_own(request.provider()) {
            let scopes = self.scopes_of(request)?;
            return self.tokens.issue(Permissions::of(&scopes)?, Subject::of(user)?).await.map(Acquired::Ready);
        }
        let options = request.options();
        let fetch = Fetch {
            provider: request.provider(),
            user,
            scopes: request.scopes(),
            custom_parameters: &options.custom_parameters,
            force: options.force && user.is_some(),
        };
        match (self.fetch(&fetch).await?, user) {
            (Fetched::Token(issued), _) => Ok(Acquired::Ready(issued)),
            (Fetched::Session(session), Some(user)) => self.pending(request, user, session).map(Acquired::NeedsConsent),
            (Fetched::Session(_), None) => Err(Error::new(
                ErrorKind::UserMissing,
                format!(
                    "provider `{}` gives tokens only to users who agree, and the agent asked for itself",
                    request.provider()
                ),
            )
            .with_code(Some("authorization_flow_mismatch".to_owned()))
            .with_hint("ask for a user: `auth_flow = \"USER_FEDERATION\"` on the attribute, or `.for_user(..)`")),
        }
    }

    async fn poll(&self, pending: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        let parts = pending.parts();
        let Some(uri) = parts.session.as_deref().filter(|uri| is_session(uri)) else {
            return Err(Error::invalid("the pending consent has no session, so it is not one of IDaaS"));
        };
        Subject::of(Some(&parts.user))?;
        let tokens = self.authentication_tokens().for_user(&parts.user);
        let session = tokens.consent_session(uri).await.map_err(|error| ended(error, &parts.provider))?;
        check_alive(&session, &parts.provider)?;
        if session.session_status != Some(SessionStatus::Completed) {
            return Ok(Polled::Pending { interval: None });
        }
        let fetch = Fetch {
            provider: &parts.provider,
            user: Some(&parts.user),
            scopes: &parts.scopes,
            custom_parameters: &parts.custom_parameters,
            force: false,
        };
        match self.fetch(&fetch).await? {
            Fetched::Token(issued) => Ok(Polled::Ready(issued)),
            Fetched::Session(_) => Err(Error::protocol(
                "IDaaS says that the consent is complete, but asks for another one instead of giving the token",
            )),
        }
    }
}

fn is_own(provider: &ProviderName) -> bool {
    provider.as_str() == AUTHORIZATION_SERVER
}

fn joined(scopes: &[Scope]) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

fn is_session(uri: &str) -> bool {
    let id = uri.strip_prefix(SESSION_URI);
    uri.len() <= MAX_SESSION && id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// That a consent has failed or ended is an error.
fn check_alive(session: &ConsentSession, provider: &ProviderName) -> Result<(), Error> {
    match session.session_status {
        Some(SessionStatus::Failed) => {
            let code = session.error_code.as_deref().and_then(|code| crate::shown::shown_code(code, &[]));
            let text = session.error_description.as_deref().and_then(|text| crate::shown::shown_text(text, &[]));
            let said = text.map_or_else(String::new, |text| format!(": IDaaS says \"{text}\""));
            Err(Error::new(ErrorKind::AuthorizationDenied, format!("the consent for provider `{provider}` failed: the user or the third party said no{said}"))
                .with_code(code)
                .with_hint("ask the user, then call again for a new authorization URL; if the user did agree, check the provider's client at the third party"))
        }
        Some(SessionStatus::Expired) => Err(expired(provider)),
        _ => Ok(()),
    }
}

fn expired(provider: &ProviderName) -> Error {
    Error::new(
        ErrorKind::AuthorizationExpired,
        format!("the consent for provider `{provider}` ended before the user agreed"),
    )
    .with_hint("call again: the user gets a new authorization URL")
}

/// What a 404 means while polling: the session is gone, for the provider was there when it was begun.
fn ended(error: Error, provider: &ProviderName) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    expired(provider).with_answer_of(&error)
}
