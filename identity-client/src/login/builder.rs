//! What a relying party is made of. Everything is checked when it is built, before anything is sent.

use std::{fmt, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    metadata::Source,
    party::{Inner, RelyingParty},
    tokens::Client,
};
use crate::{
    clock::{Clock, SystemClock},
    env::{Environment, check_text},
    error::BuildError,
    inbound::{Algorithm, TokenVerifier, discovery_url},
    retry::RetryPolicy,
    transport::{Endpoint, HttpOptions, Transport},
};

const ISSUER: &str = "OAUTH2_ISSUER_URI";
const CLIENT_ID: &str = "OAUTH2_CLIENT_ID";
const CLIENT_SECRET: &str = "OAUTH2_CLIENT_SECRET";
const REDIRECT_URI: &str = "OAUTH2_REDIRECT_URI";
const SCOPES: &str = "OAUTH2_SCOPES";

/// That of the tutorials' test application.
const DEFAULT_REDIRECT_URI: &str = "http://127.0.0.1:8082/callback";
const DEFAULT_SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// What the login itself writes into an authorization request.
const OWN: [&str; 12] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
];

/// Builds a [`RelyingParty`].
#[derive(Clone)]
pub struct RelyingPartyBuilder {
    issuer: String,
    client_id: String,
    client_secret: Option<SecretString>,
    redirect_uri: String,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
    algorithms: Option<Vec<Algorithm>>,
    unadvertised_pkce: bool,
    qualified: bool,
    http: HttpOptions,
    clock: Arc<dyn Clock>,
}

impl RelyingPartyBuilder {
    pub(super) fn new(issuer: String, client_id: String, redirect_uri: String) -> Self {
        let retry = RetryPolicy::new().with_deadline(Duration::from_secs(20));
        Self {
            issuer,
            client_id,
            client_secret: None,
            redirect_uri,
            scopes: DEFAULT_SCOPES.map(str::to_owned).to_vec(),
            parameters: Vec::new(),
            algorithms: None,
            unadvertised_pkce: false,
            qualified: false,
            http: HttpOptions::new().with_attempt_timeout(Duration::from_secs(10)).with_retry(retry),
            clock: Arc::new(SystemClock),
        }
    }

    pub(super) fn from_environment(environment: &Environment) -> Result<Self, BuildError> {
        let required = [ISSUER, CLIENT_ID, CLIENT_SECRET];
        let mut values = Vec::with_capacity(required.len());
        for name in required {
            values.push(environment.setting(name)?);
        }
        let absent: Vec<_> = required.iter().zip(&values).filter(|(_, value)| value.is_none()).collect();
        if let [(first, _), ..] = absent[..] {
            let hint = format!("set {}, as the user pool or the issuer has them", required.join(", "));
            return Err(if absent.len() == required.len() {
                BuildError::missing("no login is configured", hint)
            } else {
                BuildError::broken(format!("{first} is not set, but others of the login are"), hint)
            });
        }
        let text = |value: Option<SecretString>| value.map(|value| value.expose_secret().to_owned());
        let mut values = values.into_iter();
        let (issuer, client_id, secret) = (values.next().flatten(), values.next().flatten(), values.next().flatten());
        let redirect_uri = text(environment.setting(REDIRECT_URI)?).unwrap_or_else(|| DEFAULT_REDIRECT_URI.to_owned());
        let builder = Self::new(
            text(issuer).unwrap_or_default(),
            text(client_id).unwrap_or_default(),
            redirect_uri.trim().to_owned(),
        );
        let builder = match secret {
            Some(secret) => builder.with_client_secret(secret),
            None => builder,
        };
        Ok(match text(environment.setting(SCOPES)?) {
            // A comma is no part of any common scope, and people write one.
            Some(scopes) => builder.with_scopes(scopes.split([' ', ',']).filter(|scope| !scope.is_empty())),
            None => builder,
        })
    }

    /// The secret of a confidential client. Without one the client is public, and PKCE alone binds its codes.
    #[must_use]
    pub fn with_client_secret(mut self, secret: impl Into<SecretString>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Sends browsers back to this URI instead.
    #[must_use]
    pub fn with_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uri = uri.into();
        self
    }

    /// What is asked for. Default: `openid profile email`. `openid` must be among them; for a refresh token most issuers want
    /// `offline_access`.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// One more parameter of the authorization request, for example `prompt`, `resource` or `audience`.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Accepts ID tokens that are signed with these and no others. Default: RS256, ES256, ES384, ES512 and EdDSA.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// For an issuer that checks PKCE with S256 without saying so in its discovery document. Default: such an issuer is not
    /// trusted with a code.
    #[must_use]
    pub fn with_unadvertised_pkce(mut self) -> Self {
        self.unadvertised_pkce = true;
        self
    }

    /// Puts the issuer into the ids of users; as
    /// [`TokenVerifierBuilder::with_qualified_users`](crate::inbound::TokenVerifierBuilder::with_qualified_users), and to be used on
    /// both sides or on none.
    #[must_use]
    pub fn with_qualified_users(mut self) -> Self {
        self.qualified = true;
        self
    }

    /// How the issuer is reached. Default: 10 s for one try, 20 s in all. Codes and refresh tokens are sent once.
    #[must_use]
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// Tells the time. Default: [`SystemClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds it. Nothing is sent.
    ///
    /// # Errors
    /// For an issuer or a redirect URI that is no https URL (http on loopback), for scopes without `openid`, for parameters that
    /// the login sets itself, and for texts that were copied with something around them.
    pub fn build(self) -> Result<RelyingParty, BuildError> {
        self.check()?;
        let document = Endpoint::parse(&discovery_url(&self.issuer), "the issuer")?;
        let transport = Transport::new(&self.http, Arc::clone(&self.clock))?;
        let issuer: Arc<str> = self.issuer.as_str().into();
        let mut verifier =
            TokenVerifier::id_tokens(&*issuer, &self.client_id).with_shared_clock(Arc::clone(&self.clock));
        verifier = verifier.with_http(self.http.clone());
        if let Some(algorithms) = self.algorithms {
            verifier = verifier.with_algorithms(algorithms);
        }
        if self.qualified {
            verifier = verifier.with_qualified_users();
        }
        let redirect_uri = Url::parse(&self.redirect_uri).map_err(|_| {
            BuildError::broken("the redirect URI is not a URL", "give it as it is registered at the issuer")
        })?;
        let source = Source::new(Arc::clone(&issuer), document, transport.clone(), Arc::clone(&self.clock));
        Ok(RelyingParty(Arc::new(Inner {
            verifier: verifier.build()?,
            issuer,
            client: Client { id: self.client_id, secret: self.client_secret },
            given_redirect_uri: self.redirect_uri,
            redirect_uri,
            scopes: self.scopes.join(" "),
            parameters: self.parameters,
            unadvertised_pkce: self.unadvertised_pkce,
            source,
            transport,
            clock: self.clock,
        })))
    }

    fn check(&self) -> Result<(), BuildError> {
        check_text(&self.client_id, "the client id")?;
        if let Some(secret) = &self.client_secret {
            check_text(secret.expose_secret(), "the client secret")?;
        }
        Endpoint::parse(&self.issuer, "the issuer")?;
        identity_grammar::check_return_url(&self.redirect_uri).map_err(|violation| {
            BuildError::broken(
                format!("the redirect URI cannot be used: {violation}"),
                "give it exactly as it is registered at the issuer",
            )
        })?;
        for scope in &self.scopes {
            identity_grammar::check_scope(scope)
                .map_err(|violation| BuildError::broken(format!("a scope is none: {violation}"), "correct it"))?;
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            return Err(BuildError::broken(
                "the scopes are without `openid`, so nobody would be signed in",
                "add `openid`",
            ));
        }
        if self.parameters.iter().any(|(name, _)| name.is_empty() || OWN.contains(&name.as_str())) {
            return Err(BuildError::broken(
                "a parameter of the authorization request is one that the login sets itself",
                "leave it out, or use the method of the builder for it",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for RelyingPartyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingPartyBuilder")
            .field("issuer", &self.issuer)
            .field("redirect_uri", &self.redirect_uri)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<RelyingPartyBuilder, BuildError> {
        RelyingPartyBuilder::from_environment(&Environment::of(variables.iter().copied()))
    }

    const GOOD: [(&str, &str); 3] =
        [(ISSUER, "https://id.example.com"), (CLIENT_ID, "front-end"), (CLIENT_SECRET, "s3cret")];

    #[test]
    fn the_variables_of_the_tutorials_are_read() {
        let builder = from(&GOOD).unwrap();
        assert_eq!(builder.redirect_uri, "http://127.0.0.1:8082/callback");
        assert_eq!(builder.scopes, ["openid", "profile", "email"]);
        assert!(!format!("{builder:?}").contains("s3cret"));
        builder.build().unwrap();
        let all = [GOOD.as_slice(), &[(REDIRECT_URI, "https://a.example.com/cb"), (SCOPES, "openid,a  b")]].concat();
        let builder = from(&all).unwrap();
        assert_eq!((builder.redirect_uri.as_str(), builder.scopes.len()), ("https://a.example.com/cb", 3));
        builder.build().unwrap();
    }

    #[test]
    fn nothing_configured_is_another_thing_than_half_of_it() {
        assert!(from(&[]).unwrap_err().is_missing());
        assert!(from(&[(SCOPES, "openid")]).unwrap_err().is_missing());
        for left_out in GOOD {
            let some: Vec<_> = GOOD.into_iter().filter(|pair| *pair != left_out).collect();
            let error = from(&some).unwrap_err();
            assert!(error.is_broken() && error.to_string().contains(left_out.0), "{error}");
        }
        assert!(from(&[(ISSUER, " "), GOOD[1], GOOD[2]]).unwrap_err().is_broken());
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_is_sent() {
        let good =
            || RelyingPartyBuilder::new("https://a.example.com".into(), "id".into(), "https://b.example.com/cb".into());
        good().build().unwrap();
        for bad in [
            good().with_scopes(["profile"]),
            good().with_scopes(["openid", "a b"]),
            good().with_parameter("", "x"),
            good().with_client_secret(" x"),
            RelyingPartyBuilder::new("http://a.example.com".into(), "id".into(), "https://b.example.com/cb".into()),
            RelyingPartyBuilder::new("https://a.example.com".into(), "id".into(), "http://b.example.com/cb".into()),
            RelyingPartyBuilder::new("https://a.example.com".into(), String::new(), "https://b.example.com/cb".into()),
        ] {
            assert!(bad.build().is_err());
        }
        for name in OWN {
            assert!(good().with_parameter(name, "x").build().is_err(), "{name}");
        }
    }
}
