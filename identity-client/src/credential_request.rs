//! What is asked of a platform.

use std::{
    fmt,
    hash::{BuildHasher, Hash as _, Hasher as _},
    time::Duration,
};

pub use identity_grammar::Flow;

use crate::{
    credential::CredentialKind,
    error::Error,
    name::{ProviderName, Scope},
    principal::{Principal, User, UserRef},
};

/// An audience is a client id or a URI.
const MAX_AUDIENCE: usize = 1024;

/// What a client asks of its [`Platform`](crate::Platform).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CredentialRequest {
    pub(crate) credential: CredentialKind,
    pub(crate) provider: ProviderName,
    pub(crate) principal: Principal,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) on_behalf_of: bool,
    pub(crate) audience: Option<String>,
    pub(crate) session: RoleSession,
    pub(crate) options: ConsentOptions,
}

/// What temporary credentials of a role are asked with.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleSession {
    /// Under which name the role's acts are logged; one is made up if there is none.
    pub name: Option<String>,
    /// For how long; the platform decides if it is not said.
    pub duration: Option<Duration>,
    /// A policy, in JSON, that narrows what the role allows.
    pub policy: Option<String>,
}

impl fmt::Debug for RoleSession {
    /// A policy names what an organisation has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleSession")
            .field("name", &self.name)
            .field("duration", &self.duration)
            .field("policy", &self.policy.is_some())
            .finish()
    }
}

/// What matters only when a user has to be asked.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ConsentOptions {
    /// Where the browser lands afterwards.
    pub return_url: Option<String>,
    /// Ask the user again, although there may be a credential already.
    pub force: bool,
    /// What the application wants back with the user.
    pub custom_state: Option<String>,
    /// Extra parameters of the authorization request, in the order given.
    pub custom_parameters: Vec<(String, String)>,
}

impl fmt::Debug for ConsentOptions {
    /// Whoever learns the state can meddle with a session binding, and parameters name people (`login_hint`): a log is told
    /// what was given, and no values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.custom_parameters.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ConsentOptions")
            .field("force", &self.force)
            .field("return_url", &self.return_url.is_some())
            .field("custom_state", &self.custom_state.is_some())
            .field("custom_parameters", &names)
            .finish()
    }
}

#[cfg(any(feature = "agent-identity", feature = "agentbase", feature = "agentkit", feature = "idaas"))]
impl ConsentOptions {
    /// For a platform that takes custom parameters as an object, where each name stands once.
    pub(crate) fn check_custom_parameters(&self) -> Result<(), Error> {
        let parameters = &self.custom_parameters;
        for (index, (name, _)) in parameters.iter().enumerate() {
            if name.is_empty() || parameters[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Error::invalid("a custom parameter has no name, or one that another has too"));
            }
        }
        Ok(())
    }
}

impl CredentialRequest {
    /// Which kind of credential.
    #[must_use]
    pub fn credential(&self) -> CredentialKind {
        self.credential
    }

    /// From which provider.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.provider
    }

    /// For whom.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// By which flow: a user's API key or access token needs the user's consent, unless it is got by exchange; the agent's own
    /// does not.
    #[must_use]
    pub fn flow(&self) -> Flow {
        match self.principal {
            Principal::Agent => Flow::MachineToMachine,
            Principal::User(_) if self.on_behalf_of => Flow::OnBehalfOf,
            Principal::User(_) => Flow::UserFederation,
        }
    }

    /// For which audience an access token on behalf of a user is asked.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// What temporary credentials of a role are asked with.
    #[must_use]
    pub fn session(&self) -> &RoleSession {
        &self.session
    }

    /// Whether a user may have to agree.
    pub(crate) fn may_need_consent(&self) -> bool {
        self.flow() == Flow::UserFederation && self.credential.may_need_consent()
    }

    /// With which scopes, in the order given, each once.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// What matters only when a user has to be asked.
    #[must_use]
    pub fn options(&self) -> &ConsentOptions {
        &self.options
    }

    pub(crate) fn user(&self) -> Option<&User> {
        match &self.principal {
            Principal::Agent => None,
            Principal::User(user) => Some(user),
        }
    }
}

/// The identity of a cache slot, borrowed, so that looking one up allocates nothing.
///
/// Platform, endpoint and agent identity are not in it: a cache belongs to one client, which has one of each.
#[derive(Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    pub(crate) credential: CredentialKind,
    pub(crate) provider: &'a str,
    /// `None` is the agent itself.
    pub(crate) user: Option<UserRef<'a>>,
    pub(crate) scopes: Scopes<'a>,
    pub(crate) particulars: Particulars<'a>,
}

/// What else tells two credentials apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Particulars<'a> {
    pub(crate) on_behalf_of: bool,
    pub(crate) audience: Option<&'a str>,
    pub(crate) session_name: Option<&'a str>,
    pub(crate) session_duration: Option<Duration>,
    pub(crate) policy: Option<&'a str>,
}

impl<'a> Particulars<'a> {
    fn of(request: &'a CredentialRequest) -> Self {
        Self {
            on_behalf_of: request.on_behalf_of,
            audience: request.audience.as_deref(),
            session_name: request.session.name.as_deref(),
            session_duration: request.session.duration,
            policy: request.session.policy.as_deref(),
        }
    }

    fn to_session(self) -> Result<RoleSession, Error> {
        let refused = |violation: identity_grammar::Violation| Error::invalid(violation.to_string());
        self.session_name.map_or(Ok(()), identity_grammar::check_session_name).map_err(refused)?;
        self.session_duration.map_or(Ok(()), identity_grammar::check_session_duration).map_err(refused)?;
        self.policy.map_or(Ok(()), identity_grammar::check_policy).map_err(refused)?;
        Ok(RoleSession {
            name: self.session_name.map(str::to_owned),
            duration: self.session_duration,
            policy: self.policy.map(str::to_owned),
        })
    }

    fn to_audience(self) -> Result<Option<String>, Error> {
        let Some(audience) = self.audience else { return Ok(None) };
        if !self.on_behalf_of {
            return Err(Error::invalid("an audience is asked for on behalf of a user only")
                .with_hint("use the flow `ON_BEHALF_OF`, or leave the audience out"));
        }
        if audience.trim().is_empty() || audience.len() > MAX_AUDIENCE || audience.chars().any(char::is_control) {
            return Err(Error::invalid(format!(
                "the audience is empty, longer than {MAX_AUDIENCE} bytes, or has control characters"
            )));
        }
        Ok(Some(audience.to_owned()))
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Scopes<'a> {
    Checked(&'a [Scope]),
    Text(&'a [&'a str]),
}

impl<'a> Scopes<'a> {
    fn len(self) -> usize {
        match self {
            Self::Checked(list) => list.len(),
            Self::Text(list) => list.len(),
        }
    }

    fn get(self, index: usize) -> &'a str {
        match self {
            Self::Checked(list) => list[index].as_str(),
            Self::Text(list) => list[index],
        }
    }

    fn iter(self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map(move |index| self.get(index))
    }

    /// The same set, in whatever order and however often each is named.
    fn same_set(self, other: Self) -> bool {
        self.iter().all(|scope| other.iter().any(|o| o == scope))
            && other.iter().all(|scope| self.iter().any(|o| o == scope))
    }

    /// Whether an earlier item is the same scope.
    fn repeats(self, index: usize) -> bool {
        (0..index).any(|earlier| self.get(earlier) == self.get(index))
    }
}

impl<'a> KeyRef<'a> {
    pub(crate) fn of(request: &'a CredentialRequest) -> Self {
        Self {
            credential: request.credential,
            provider: request.provider.as_str(),
            user: request.user().map(User::as_ref),
            scopes: Scopes::Checked(&request.scopes),
            particulars: Particulars::of(request),
        }
    }

    /// Equal keys have equal hashes, whatever the order of their scopes.
    pub(crate) fn hash(&self, hasher: &impl BuildHasher) -> u64 {
        let mut state = hasher.build_hasher();
        self.credential.hash(&mut state);
        self.provider.hash(&mut state);
        self.user.hash(&mut state);
        self.particulars.hash(&mut state);
        let scopes = (0..self.scopes.len())
            .filter(|&index| !self.scopes.repeats(index))
            .fold(0_u64, |sum, index| sum.wrapping_add(hasher.hash_one(self.scopes.get(index))));
        state.write_u64(scopes);
        state.finish()
    }

    pub(crate) fn is_for(&self, request: &CredentialRequest) -> bool {
        let other = KeyRef::of(request);
        self.credential == other.credential
            && self.provider == other.provider
            && self.user == other.user
            && self.particulars == other.particulars
            && self.scopes.same_set(other.scopes)
    }

    /// Checks every part and owns it.
    pub(crate) fn to_request(self, options: ConsentOptions) -> Result<CredentialRequest, Error> {
        let principal = match self.user {
            None => Principal::Agent,
            Some(user) => Principal::User(user.to_user()?),
        };
        let scopes = (0..self.scopes.len())
            .filter(|&index| !self.scopes.repeats(index))
            .map(|index| Scope::new(self.scopes.get(index)))
            .collect::<Result<_, _>>()?;
        Ok(CredentialRequest {
            credential: self.credential,
            provider: ProviderName::new(self.provider)?,
            principal,
            scopes,
            on_behalf_of: self.particulars.on_behalf_of,
            audience: self.particulars.to_audience()?,
            session: self.particulars.to_session()?,
            options,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::RandomState;

    use proptest::prelude::*;

    use super::*;

    fn key<'a>(provider: &'a str, user: Option<&'a str>, scopes: &'a [&'a str]) -> KeyRef<'a> {
        let user = user.map(UserRef::of_id);
        let particulars = Particulars::default();
        KeyRef { credential: CredentialKind::AccessToken, provider, user, scopes: Scopes::Text(scopes), particulars }
    }

    #[test]
    fn what_else_tells_two_credentials_apart_is_in_the_key() {
        let plain = key("p-1", Some("u"), &[]);
        let all = [
            Particulars::default(),
            Particulars { on_behalf_of: true, ..Particulars::default() },
            Particulars { on_behalf_of: true, audience: Some("a"), ..Particulars::default() },
            Particulars { session_name: Some("ab"), ..Particulars::default() },
            Particulars { session_duration: Some(Duration::from_secs(900)), ..Particulars::default() },
            Particulars { policy: Some("{}"), ..Particulars::default() },
        ];
        for (index, particulars) in all.into_iter().enumerate() {
            let stored = KeyRef { particulars, ..plain }.to_request(ConsentOptions::default()).unwrap();
            for (other, particulars) in all.into_iter().enumerate() {
                assert_eq!(KeyRef { particulars, ..plain }.is_for(&stored), index == other);
            }
        }
        for broken in [
            Particulars { audience: Some("a"), ..Particulars::default() },
            Particulars { on_behalf_of: true, audience: Some(" "), ..Particulars::default() },
            Particulars { session_name: Some("a"), ..Particulars::default() },
            Particulars { session_duration: Some(Duration::from_secs(899)), ..Particulars::default() },
            Particulars { policy: Some("[]"), ..Particulars::default() },
        ] {
            let refused = KeyRef { particulars: broken, ..plain }.to_request(ConsentOptions::default());
            assert_eq!(refused.unwrap_err().kind(), crate::ErrorKind::InvalidRequest);
        }
    }

    #[test]
    fn order_and_repetition_of_scopes_do_not_matter() {
        let hasher = RandomState::new();
        let stored = key("p-1", None, &["a", "b"]).to_request(ConsentOptions::default()).unwrap();
        for scopes in [&["b", "a"][..], &["a", "b", "a"], &["b", "b", "a"]] {
            let asked = key("p-1", None, scopes);
            assert!(asked.is_for(&stored));
            assert_eq!(asked.hash(&hasher), KeyRef::of(&stored).hash(&hasher));
        }
        assert!(!key("p-1", None, &["a"]).is_for(&stored));
        assert!(!key("p-1", None, &["a", "b", "c"]).is_for(&stored));
    }

    proptest! {
        #[test]
        fn two_principals_never_share_a_key(one in "[ -~]{1,20}", two in "[ -~]{1,20}", provider in "[a-z]{3,8}") {
            let ids = [None, Some(one.trim()), Some(two.trim())];
            for left in ids {
                for right in ids {
                    let Ok(stored) = key(&provider, right, &["s"]).to_request(ConsentOptions::default()) else { continue };
                    prop_assert_eq!(key(&provider, left, &["s"]).is_for(&stored), left == right);
                }
            }
        }

        #[test]
        fn equal_keys_have_equal_hashes(scopes in proptest::collection::vec("[a-c]{1,2}", 0..6), seed in any::<u64>()) {
            let hasher = RandomState::new();
            let given: Vec<&str> = scopes.iter().map(String::as_str).collect();
            let mut shuffled = given.clone();
            fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
            let stored = key("p-1", Some("u"), &given).to_request(ConsentOptions::default()).unwrap();
            prop_assert!(key("p-1", Some("u"), &shuffled).is_for(&stored));
            prop_assert_eq!(key("p-1", Some("u"), &shuffled).hash(&hasher), KeyRef::of(&stored).hash(&hasher));
        }
    }
}
