//! Why a step that every dialect knows did not succeed; each dialect words it its own way.

use crate::oauth::OAuthFailure;
use crate::vault::{Refusal, VaultError};

#[derive(Debug)]
pub(crate) enum Trouble {
    /// The vault holds something else than the step needs.
    Refused(Refusal),
    /// The change was not stored.
    Unstored(VaultError),
    /// The outside provider refused or could not be asked.
    OAuth(OAuthFailure),
    /// The registered URLs are none.
    Unusable,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Self {
        Self::Unstored(error)
    }
}

impl From<OAuthFailure> for Trouble {
    fn from(failure: OAuthFailure) -> Self {
        Self::OAuth(failure)
    }
}
