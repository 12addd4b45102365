//! What a verifier is made of. Everything is checked when it is built, before anything is sent.

use std::{fmt, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    algorithm::Algorithm,
    compact::normal_kind,
    issuer::{Issuer, WELL_KNOWN},
    jwk::{Key, KeySet},
    keys::{KeySource, Lives, Published},
    rules::{Kind, Required, Rules},
    verifier::{Inner, TokenVerifier},
};
use crate::{
    clock::{Clock, SystemClock},
    error::BuildError,
    retry::RetryPolicy,
    transport::{Endpoint, HttpOptions},
};

/// How much the clocks of the issuer and of this machine may differ, at most.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// One algorithm for each type of key, so that a key is used with one algorithm even if the issuer does not say with which
/// (RFC 8725 section 3.1).
const DEFAULT_ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa];

/// Where the keys come from.
pub(crate) enum Keys {
    /// The discovery URL, if it is not the one that follows from the issuer.
    Discovered(Option<String>),
    Fixed(String),
    Secret(SecretString),
}

/// What `aud` must have when no audience was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DefaultAudience {
    /// That is a mistake.
    Missing,
    /// Anything.
    Any,
    /// One of the allowed clients.
    Clients,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScopeForm {
    Plain,
    /// `audience|permission`
    OfAudience,
}

/// Builds a [`TokenVerifier`].
pub struct TokenVerifierBuilder {
    issuer: String,
    keys: Keys,
    kind: Kind,
    audiences: Vec<String>,
    default_audience: DefaultAudience,
    clients: Vec<String>,
    scope_form: ScopeForm,
    algorithms: Vec<Algorithm>,
    types: Option<Vec<String>>,
    required: Vec<Required>,
    /// What was given and cannot be right; reported when it is built.
    flaw: Option<BuildError>,
    leeway: Duration,
    max_age: Option<Duration>,
    lives: Lives,
    needs_subject: bool,
    qualified: bool,
    keeps_token: bool,
    http: HttpOptions,
    clock: Arc<dyn Clock>,
}

impl TokenVerifierBuilder {
    pub(crate) fn new(issuer: String, keys: Keys) -> Self {
        let retry = RetryPolicy::new().with_deadline(Duration::from_secs(10));
        Self {
            issuer,
            keys,
            kind: Kind::Access,
            audiences: Vec::new(),
            default_audience: DefaultAudience::Missing,
            clients: Vec::new(),
            scope_form: ScopeForm::Plain,
            algorithms: DEFAULT_ALGORITHMS.to_vec(),
            types: None,
            required: Vec::new(),
            flaw: None,
            leeway: Duration::from_secs(30),
            max_age: None,
            lives: Lives {
                fresh: Duration::from_secs(300),
                stale: Duration::from_secs(24 * 60 * 60),
                cool_down: Duration::from_secs(30),
            },
            needs_subject: true,
            qualified: false,
            keeps_token: false,
            http: HttpOptions::new().with_attempt_timeout(Duration::from_secs(5)).with_retry(retry),
            clock: Arc::new(SystemClock),
        }
    }

    /// Where the audience of an access token is the client that it was issued to.
    pub(crate) fn with_clients_as_audiences(mut self) -> Self {
        self.default_audience = DefaultAudience::Clients;
        self
    }

    /// Where scopes are `audience|permission`.
    pub(crate) fn with_permissions(mut self) -> Self {
        self.scope_form = ScopeForm::OfAudience;
        self
    }

    /// Expects ID tokens for this client instead of access tokens: `aud` must be the client, `azp`, if any, too, and `iat` must be
    /// there. Audiences given with [`with_audience`](Self::with_audience) may stand beside it.
    #[must_use]
    pub fn for_id_tokens(mut self, client_id: impl Into<String>) -> Self {
        self.kind = Kind::Id { client_id: client_id.into() };
        self
    }

    /// Who this agent is as an audience; `aud` must have one of those given.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Does not look at `aud`: whoever has a token of this issuer, for whatever service, gets in. Only where the issuer sets no
    /// audience; restrict the clients then.
    #[must_use]
    pub fn with_any_audience(mut self) -> Self {
        self.default_audience = DefaultAudience::Any;
        self
    }

    /// Accepts only tokens that were issued to this client, or to another one given: `client_id` and `azp`, as far as they are
    /// there. Default: any client of the issuer.
    #[must_use]
    pub fn with_allowed_client(mut self, client_id: impl Into<String>) -> Self {
        self.clients.push(client_id.into());
        self
    }

    /// Every token must have this scope, and the others given. A token without is answered with 403 and `insufficient_scope`.
    #[must_use]
    pub fn with_required_scope(mut self, scope: impl AsRef<str>) -> Self {
        let scope = scope.as_ref();
        if self.scope_form == ScopeForm::OfAudience && scope.contains('|') {
            return self.with_permission(scope);
        }
        if let Err(violation) = identity_grammar::check_scope(scope) {
            self.flaw = Some(BuildError::broken(format!("a required scope is no scope: {violation}"), "correct it"));
        }
        self.required.push(Required { audience: None, scope: scope.to_owned() });
        self
    }

    /// IDaaS writes `audience|permission` where a client asks; in the token `aud` has the one and `scope` the other.
    fn with_permission(mut self, item: &str) -> Self {
        match item.split_once('|') {
            Some((audience, permission))
                if !audience.is_empty()
                    && permission != ".all"
                    && !permission.contains('|')
                    && identity_grammar::check_scope(permission).is_ok() =>
            {
                let audience = audience.to_owned();
                if !self.audiences.contains(&audience) {
                    self.audiences.push(audience.clone());
                }
                self.required.push(Required { audience: Some(audience), scope: permission.to_owned() });
            }
            _ => {
                self.flaw = Some(BuildError::broken(
                    "a required scope is not `audience|permission` with one permission",
                    "name the permission itself; `.all` is for asking, no token has it",
                ));
            }
        }
        self
    }

    /// Accepts these algorithms and no others. Default: RS256, ES256, ES384, ES512 and EdDSA.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Accepts tokens of this `typ` only, for example `at+jwt` (RFC 9068), and of the others given. Default: `JWT`, none, and for
    /// access tokens `at+jwt`.
    #[must_use]
    pub fn with_type(mut self, kind: impl AsRef<str>) -> Self {
        self.types.get_or_insert_default().push(normal_kind(kind.as_ref()));
        self
    }

    /// How much the clocks may differ. Default: 30 s; at most 5 minutes.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Refuses tokens that were issued (`iat`) longer ago, and those that do not say when. Default: any age before `exp`.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Accepts tokens without `sub`, as some issuers give them to machines. They make no user.
    #[must_use]
    pub fn with_optional_subject(mut self) -> Self {
        self.needs_subject = false;
        self
    }

    /// Puts the issuer into the ids of users, see [`User::from_verified_token`](crate::User::from_verified_token). Needed as soon as
    /// users of another issuer, or users that the application itself names, have credentials on the same platform. Default: the id
    /// is `sub`.
    #[must_use]
    pub fn with_qualified_users(mut self) -> Self {
        self.qualified = true;
        self
    }

    /// Whether the user of a verified token carries the token itself, as if by [`User::with_token`](crate::User::with_token): for a
    /// platform that acts for users in exchange for the token by which they called (Alibaba Cloud IDaaS), or that verifies it by itself
    /// instead of taking the agent's word (Volcengine and Alibaba Cloud Agent Identity, which must trust its issuer). Default: not, but
    /// for [`alibaba_idaas`](TokenVerifier::alibaba_idaas); a platform has no business with tokens of another issuer, so say no there if
    /// the agent's credentials come from another platform.
    #[must_use]
    pub fn with_kept_token(mut self, keep: bool) -> Self {
        self.keeps_token = keep;
        self
    }

    /// Uses these keys, a JSON Web Key Set, instead of fetched ones: offline, or for tests. The issuer may be any text then.
    #[must_use]
    pub fn with_fixed_keys(mut self, jwks: impl Into<String>) -> Self {
        self.keys = Keys::Fixed(jwks.into());
        self
    }

    /// Reads the discovery document here instead of below the issuer. It must name the issuer all the same.
    #[must_use]
    pub fn with_discovery_url(mut self, url: impl Into<String>) -> Self {
        if let Keys::Discovered(place) = &mut self.keys {
            *place = Some(url.into());
        } else {
            self.flaw = Some(BuildError::broken("a discovery URL was given beside keys", "give one or the other"));
        }
        self
    }

    /// Expects this issuer, character by character, where it does not follow from the discovery URL. The document must name it.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        if let Keys::Discovered(place @ None) = &mut self.keys {
            *place = Some(discovery_url(&self.issuer));
        }
        self.issuer = issuer.into();
        self
    }

    /// How long fetched keys are fresh; they are renewed ahead, after four fifths of it. Default: 5 minutes.
    ///
    /// A key that the issuer withdraws is honoured no longer than this, while the issuer can be reached.
    #[must_use]
    pub fn with_key_lifetime(mut self, lifetime: Duration) -> Self {
        self.lives.fresh = lifetime;
        self
    }

    /// How old keys may be while the issuer cannot be reached. Default: 24 hours. Not below the key lifetime.
    #[must_use]
    pub fn with_stale_keys_for(mut self, age: Duration) -> Self {
        self.lives.stale = age;
        self
    }

    /// How long unknown key ids do not ask the issuer again, after one has. Default: 30 s.
    #[must_use]
    pub fn with_cool_down(mut self, cool_down: Duration) -> Self {
        self.lives.cool_down = cool_down;
        self
    }

    /// How the issuer is reached. Default: 5 s for one try, 10 s in all.
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

    #[cfg(feature = "login")]
    pub(crate) fn with_shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Builds it. Nothing is sent; the keys are fetched at the first token.
    ///
    /// # Errors
    /// For an issuer that is no https URL (http on loopback), for no audience, for algorithms that do not go with the keys, for a
    /// secret that is too short, and for times that cannot be meant.
    pub fn build(mut self) -> Result<TokenVerifier, BuildError> {
        if let Some(flaw) = self.flaw.take() {
            return Err(flaw);
        }
        self.check_times()?;
        self.check_algorithms()?;
        let rules = self.rules()?;
        let name = Arc::clone(&rules.issuer);
        let source = match &self.keys {
            Keys::Fixed(document) => {
                let keys = KeySet::parse(document.as_bytes(), &self.algorithms).map_err(|error| {
                    BuildError::broken("the keys cannot be read", "give a JSON Web Key Set: {\"keys\": [..]}")
                        .with_source(error)
                })?;
                KeySource::Fixed(Arc::new(keys))
            }
            Keys::Secret(secret) => {
                let key = Key::secret(self.algorithms[0], secret.expose_secret().as_bytes()).ok_or_else(|| {
                    BuildError::broken(
                        "the shared secret is too short for the algorithm",
                        "give as many random bytes as the hash has: 32, 48 or 64 for HS256, HS384 and HS512",
                    )
                })?;
                KeySource::Fixed(Arc::new(KeySet::secret(key)))
            }
            Keys::Discovered(place) => {
                // The default place is below the issuer, which therefore has to be a URL.
                let place = place.clone().unwrap_or_else(|| discovery_url(&self.issuer));
                Endpoint::parse(&self.issuer, "the issuer")?;
                let transport = crate::transport::Transport::new(&self.http, Arc::clone(&self.clock))?;
                let clock = Arc::clone(&self.clock);
                let issuer = Issuer::new(name, &place, transport, Arc::clone(&clock), self.algorithms.clone())?;
                KeySource::Published(Arc::new(Published::new(issuer, clock, self.lives)))
            }
        };
        let (allowed, clock, keeps_token) = (self.algorithms, self.clock, self.keeps_token);
        Ok(TokenVerifier(Arc::new(Inner { rules, allowed, source, clock, keeps_token })))
    }

    fn check_times(&self) -> Result<(), BuildError> {
        let broken = |what: &str, hint: &str| Err(BuildError::broken(what.to_owned(), hint.to_owned()));
        let (minute, year) = (Duration::from_secs(60), Duration::from_secs(366 * 24 * 60 * 60));
        if self.leeway > MAX_LEEWAY {
            return broken("the leeway is longer than 5 minutes", "set the clocks by a time server");
        }
        if self.max_age.is_some_and(|age| age.is_zero() || age > year) {
            return broken("the longest age of a token is zero, or more than a year", "give one in between");
        }
        let Lives { fresh, stale, cool_down } = self.lives;
        if fresh < Duration::from_secs(1) || fresh > 24 * 60 * minute || stale < fresh || stale > 7 * 24 * 60 * minute {
            return broken(
                "the lifetimes of keys cannot work",
                "give a key lifetime from 1 s to a day, and for stale keys at least as much and at most a week",
            );
        }
        if cool_down < Duration::from_secs(1) || cool_down > 60 * minute {
            return broken("the cool-down is below 1 s or above an hour", "give one in between");
        }
        Ok(())
    }

    fn check_algorithms(&self) -> Result<(), BuildError> {
        let symmetric = self.algorithms.iter().filter(|algorithm| algorithm.is_symmetric()).count();
        let (fits, hint) = match self.keys {
            Keys::Secret(_) => (
                symmetric == 1 && self.algorithms.len() == 1,
                "a shared secret goes with exactly one of HS256, HS384 and HS512",
            ),
            _ => (
                symmetric == 0 && !self.algorithms.is_empty(),
                "published keys go with RS, PS, ES and EdDSA; HS needs `TokenVerifier::shared_secret`",
            ),
        };
        if fits { Ok(()) } else { Err(BuildError::broken("the algorithms do not go with the keys", hint)) }
    }

    fn expected_audiences(&self) -> Result<Vec<String>, BuildError> {
        let mut audiences = self.audiences.clone();
        if let Kind::Id { client_id } = &self.kind {
            audiences.push(client_id.clone());
        }
        if self.default_audience == DefaultAudience::Clients && self.kind == Kind::Access {
            if self.clients.is_empty() {
                return Err(BuildError::missing(
                    "no client is allowed",
                    "name the clients of the user pool whose users may call, with `with_allowed_client`",
                ));
            }
            if audiences.is_empty() {
                audiences.clone_from(&self.clients);
            }
        }
        if audiences.iter().chain(&self.clients).any(|text| text.trim().is_empty()) {
            return Err(BuildError::broken("an audience or a client is empty", "leave it out, or give it"));
        }
        match (self.default_audience == DefaultAudience::Any, audiences.is_empty()) {
            (true, false) => {
                Err(BuildError::broken("both audiences and any audience were given", "give one or the other"))
            }
            (false, true) => Err(BuildError::missing(
                "no audience was given",
                "say with `with_audience` who this agent is to the issuer",
            )),
            _ => Ok(audiences),
        }
    }

    fn rules(&self) -> Result<Rules, BuildError> {
        if self.issuer.is_empty() || self.issuer.chars().any(|of| of.is_control() || of.is_whitespace()) {
            return Err(BuildError::broken(
                "the issuer is empty, or has white space",
                "give it exactly as tokens have it",
            ));
        }
        if self.qualified && self.issuer.contains('#') {
            return Err(BuildError::broken(
                "the issuer has a `#`, which separates it from the user",
                "do not qualify its users",
            ));
        }
        let audiences = self.expected_audiences()?;
        let defaults: &[&str] = if self.kind == Kind::Access { &["jwt", "at+jwt"] } else { &["jwt"] };
        Ok(Rules {
            issuer: self.issuer.as_str().into(),
            kind: self.kind.clone(),
            types: self.types.clone().unwrap_or_else(|| defaults.iter().map(|&kind| kind.to_owned()).collect()),
            untyped: self.types.is_none(),
            audiences,
            clients: self.clients.clone(),
            required: self.required.clone(),
            leeway: self.leeway,
            max_age: self.max_age,
            needs_subject: self.needs_subject,
            qualified: self.qualified,
        })
    }
}

/// A slash at the end of the issuer is left out here (OpenID Connect Discovery 1.0 section 4.1), and only here.
pub(crate) fn discovery_url(issuer: &str) -> String {
    format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(issuer))
}

impl fmt::Debug for TokenVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifierBuilder")
            .field("issuer", &self.issuer)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
