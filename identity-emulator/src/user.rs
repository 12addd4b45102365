//! Users, as the vault tells them apart.

/// Between the name of a user and who vouches for it. No name that a caller gives has it, so that nobody who is
/// only named meets somebody who was verified.
const VOUCHED: char = '\u{1f}';

/// The name of a user without what tells whom it was told by.
pub(crate) fn person(user: &str) -> &str {
    user.split(VOUCHED).next().unwrap_or_default()
}

/// A user, as the vault tells users apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User(String);

impl User {
    /// The rule for [`named`](Self::named).
    pub(crate) const RULE: &str = "must have 1 to 1024 bytes and no control character";

    /// On the caller's word.
    pub(crate) fn named(id: String) -> Option<Self> {
        let fits = !id.is_empty() && id.len() <= 1024 && !id.chars().any(char::is_control);
        fits.then_some(Self(id))
    }

    /// On the word of a pool or an issuer, whose token was verified.
    pub(crate) fn vouched(sub: &str, by: &str) -> Self {
        Self(format!("{sub}{VOUCHED}{by}"))
    }

    pub(crate) fn key(&self) -> &str {
        &self.0
    }

    /// Who vouches for the user.
    pub(crate) fn voucher(&self) -> Option<&str> {
        self.0.split_once(VOUCHED).map(|(_, by)| by)
    }
}
