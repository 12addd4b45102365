//! What is asked of a platform.

use std::{
    fmt,
    hash::{BuildHasher, Hash as _, Hasher as _},
};

pub use identity_grammar::Flow;

use crate::{
    credential::CredentialKind,
    error::Error,
    name::{ProviderName, Scope},
    principal::{Principal, User, UserRef},
};

/// What a client asks of its [`Platform`](crate::Platform).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CredentialRequest {
    pub(crate) credential: CredentialKind,
    pub(crate) provider: ProviderName,
    pub(crate) principal: Principal,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) options: ConsentOptions,
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

    /// By which flow: a user's credential needs the user's consent, the agent's own does not.
    #[must_use]
    pub fn flow(&self) -> Flow {
        match self.principal {
            Principal::Agent => Flow::MachineToMachine,
            Principal::User(_) => Flow::UserFederation,
        }
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
        }
    }

    /// Equal keys have equal hashes, whatever the order of their scopes.
    pub(crate) fn hash(&self, hasher: &impl BuildHasher) -> u64 {
        let mut state = hasher.build_hasher();
        self.credential.hash(&mut state);
        self.provider.hash(&mut state);
        self.user.hash(&mut state);
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
        KeyRef { credential: CredentialKind::AccessToken, provider, user, scopes: Scopes::Text(scopes) }
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
