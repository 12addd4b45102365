//! What a platform can do.

use crate::{
    credential::CredentialKind,
    credential_request::{CredentialRequest, Flow},
    error::{Error, ErrorKind},
};

/// What a platform can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own, shown as a row of a table")]
pub struct Capabilities {
    /// One API key for the agent.
    pub static_api_keys: bool,
    /// One API key for each user, entered by that user.
    pub delegated_api_keys: bool,
    /// Access tokens for the agent itself.
    pub machine_tokens: bool,
    /// Access tokens for a user who agreed.
    pub user_tokens: bool,
    /// The platform can check that whoever gave consent is whoever was asked.
    pub session_binding: bool,
    /// Asking again although the user has agreed before.
    pub force_authentication: bool,
    /// The platform can hold a user's token back until the application confirms that this user has come back, see
    /// [`Platform::complete`](crate::Platform::complete): it leaves the checking to a [`SessionBinding`](crate::SessionBinding).
    pub consent_completion: bool,
    /// It signs tokens (JWTs) for the agent; the platform's own type has the operations, as for the next three.
    pub minted_tokens: bool,
    /// Tokens that it has signed can be revoked and reinstated.
    pub token_revocation: bool,
    /// Tokens that it keeps can be listed.
    pub token_listing: bool,
    /// It says whether a token is good.
    pub token_validation: bool,
    /// Access tokens for a user by exchange, without asking the user: [`Flow::OnBehalfOf`].
    pub on_behalf_of: bool,
    /// Temporary credentials of the cloud role that the agent identity has.
    pub sts_credentials: bool,
    /// Tokens that prove to the platform's own services which workload asks, and for whom.
    pub workload_tokens: bool,
}

impl Capabilities {
    /// None of them; a platform adds what it can.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            static_api_keys: false,
            delegated_api_keys: false,
            machine_tokens: false,
            user_tokens: false,
            session_binding: false,
            force_authentication: false,
            consent_completion: false,
            minted_tokens: false,
            token_revocation: false,
            token_listing: false,
            token_validation: false,
            on_behalf_of: false,
            sts_credentials: false,
            workload_tokens: false,
        }
    }

    /// Each answer with a name for it, in the order of the README's table.
    #[must_use]
    pub const fn rows(self) -> [(&'static str, bool); 14] {
        // Exhaustive, so that nothing that is added is forgotten here.
        let Self {
            static_api_keys,
            delegated_api_keys,
            machine_tokens,
            user_tokens,
            session_binding,
            force_authentication,
            consent_completion,
            minted_tokens,
            token_revocation,
            token_listing,
            token_validation,
            on_behalf_of,
            sts_credentials,
            workload_tokens,
        } = self;
        [
            ("one API key for the agent", static_api_keys),
            ("an API key for each user", delegated_api_keys),
            ("access tokens for the agent itself", machine_tokens),
            ("access tokens for a user who agreed", user_tokens),
            ("access tokens for a user by exchange", on_behalf_of),
            ("temporary credentials of a cloud role", sts_credentials),
            ("workload access tokens", workload_tokens),
            ("asks a user again who has agreed before", force_authentication),
            ("checks who gave the consent", session_binding),
            ("holds a token back until its user is back", consent_completion),
            ("mints tokens in the agent's name", minted_tokens),
            ("revokes and reinstates tokens", token_revocation),
            ("lists the tokens that it keeps", token_listing),
            ("says whether a token is good", token_validation),
        ]
    }

    /// Refuses what a platform cannot do at all, so that no platform has to know what others can.
    pub(crate) fn check(self, request: &CredentialRequest, platform: &str) -> Result<(), Error> {
        let what = match (request.credential(), request.flow()) {
            (CredentialKind::StsCredentials, _) if !self.sts_credentials => "STS credentials",
            (CredentialKind::WorkloadToken, _) if !self.workload_tokens => "workload tokens",
            (_, Flow::OnBehalfOf) if !self.on_behalf_of => "credentials on behalf of a user by exchange",
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::Unsupported, format!("the platform `{platform}` does not release {what}"))
            .with_hint("see `IdentityClient::capabilities`; ask a client of a platform that does"))
    }
}
