//! What goes wrong with Agent Identity that its documents know of: each cause with its remedy.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// A trouble that the platform's documents describe, with its cause and its remedy.
///
/// It is the [`source`](std::error::Error::source) of an [`Error`] that came of it, see [`Trouble::of`]. Those that only a browser or the
/// application sees are for the application to make an [`Error`] of; nothing in them may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The outside provider would send the browser elsewhere than to the vault: "Consumer authentication failed".
    #[error("provider `{provider}` sends users back to {found}, where the vault does not listen")]
    CallbackMisconfigured {
        /// The provider.
        provider: String,
        /// Where users would be sent, without a query.
        found: String,
        /// Where the vault listens.
        expected: String,
    },
    /// A client of a user pool knows no such redirect URI: "redirect_uri is missing" on the login page.
    #[error("client `{client}` of the user pool does not have the callback {redirect_uri}")]
    RedirectNotRegistered {
        /// The client's id.
        client: String,
        /// What the login application uses.
        redirect_uri: String,
    },
    /// Feishu's error 20043, "openid is incorrect": scopes of OpenID Connect, which Feishu has not.
    #[error("provider `{provider}` asks Feishu for scopes that Feishu does not have: {scopes}")]
    ScopeNotSupported {
        /// The provider.
        provider: String,
        /// Those that it must not ask for, separated by spaces.
        scopes: String,
    },
    /// "redirect_uri error" on the outside provider's own consent page.
    #[error("the outside provider of `{provider}` does not know the vault's callback")]
    CallbackNotRegistered {
        /// The provider.
        provider: String,
        /// What must be registered there.
        callback: String,
    },
    /// The outside service took the token, and refused what was asked with it.
    #[error("the service behind provider `{provider}` refused the call (HTTP {status}{})", code.as_ref().map_or_else(String::new, |code| format!(", code {code}")))]
    Downstream {
        /// The provider.
        provider: String,
        /// The service's HTTP status.
        status: u16,
        /// The service's own code.
        code: Option<String>,
    },
    /// No such credential provider.
    #[error("no credential provider `{provider}` in pool `{pool}`, {region}")]
    ProviderNotFound {
        /// The name that was asked for.
        provider: String,
        /// The pool.
        pool: String,
        /// The region.
        region: String,
        /// Names that there are, nearest first.
        found: Vec<String>,
    },
    /// The outside service does not accept the stored token.
    #[error("the service behind provider `{provider}` does not accept the stored token")]
    ResourceTokenRejected {
        /// The provider.
        provider: String,
    },
    /// There is nothing by which the platform could know the workload.
    #[error("no workload access token: {reason}")]
    WorkloadIdentityUnavailable {
        /// What is missing.
        reason: String,
    },
    /// STS refused the role.
    #[error("the access key ending `{access_key_end}` ({source_of_key}) may not assume {role}")]
    AssumeRoleDenied {
        /// The role's TRN.
        role: String,
        /// The last four characters of the access key's id.
        access_key_end: String,
        /// Where the key came from.
        source_of_key: String,
    },
    /// "Name is missing or invalid".
    #[error(
        "the workload has no name that Volcengine Agent Identity knows: none or a wrong one was given, and the caller has no role to take it from"
    )]
    WorkloadNameUnresolved,
    /// "Missing authorization code or state".
    #[error("the browser reached {path} {}", missing(*has_code, *has_state))]
    CallbackParams {
        /// The path that it reached.
        path: String,
        /// Whether there was a code.
        has_code: bool,
        /// Whether there was a state.
        has_state: bool,
    },
    /// Feishu's error 20029, "redirect_uri illegal", while signing in to a user pool.
    #[error("Feishu does not know the callback of the user pool's sign-in")]
    LoginCallbackNotRegistered {
        /// What must be registered at Feishu: `OauthLoginCallbackUrl` of the user pool, if it was asked for.
        callback: Option<String>,
    },
    /// "External identity provider configuration error".
    #[error("the user pool's external identity provider is not configured rightly")]
    LoginProviderMisconfigured,
    /// "OAuth2 auth polling timed out after … seconds".
    #[error(
        "OAuth2 auth polling timed out after {} seconds. User may not have completed authorization.",
        waited.as_secs()
    )]
    ConsentTimeout {
        /// How long was waited.
        waited: Duration,
        /// The provider.
        provider: String,
        /// The vault's callback, if it is known.
        callback: Option<String>,
    },
    /// The outside provider is asked with another client than the provider's record has: GitHub answers 404.
    #[error("provider `{provider}` sends users out as client `{found}`, but its record has `{expected}`")]
    ClientIdMismatch {
        /// The provider.
        provider: String,
        /// The client id inside the authorization URL.
        found: String,
        /// The client id in the record.
        expected: String,
    },
    /// A URL was given where users come back to that they cannot come back to.
    #[error("the {what} is on {host}, where a browser gets no further")]
    CallbackRefused {
        /// Which URL.
        what: &'static str,
        /// Its host.
        host: String,
    },
    /// The provider is set up for the other flow.
    #[error("provider `{provider}` is set up for {configured}, and was asked for {asked}")]
    FlowMismatch {
        /// The provider.
        provider: String,
        /// The record's flow.
        configured: String,
        /// The call's flow.
        asked: String,
    },
    /// The Runtime answered 401.
    #[error("the Runtime refused the caller's token: {reason}")]
    InboundUnauthorized {
        /// Which check failed, for example `missing`, `expired`, `wrong issuer`, `client not allowed`.
        reason: &'static str,
    },
    /// The login page keeps sending the browser round.
    #[error("the login sent the browser round {bounces} times")]
    LoginLoop {
        /// How often.
        bounces: u32,
    },
    /// A user's access token is over.
    #[error("the user's token has expired")]
    TokenExpired,
    /// `invalid_client` from the user pool's token endpoint.
    #[error("the user pool does not accept the secret of client `{client}`")]
    ClientSecretWrong {
        /// The client's id.
        client: String,
    },
}

fn missing(has_code: bool, has_state: bool) -> &'static str {
    match (has_code, has_state) {
        (false, false) => "without code and state",
        (false, true) => "without a code",
        (true, false) => "without a state",
        (true, true) => "with a code and a state that belong to nothing here",
    }
}

impl Trouble {
    /// The trouble that an error came of, if it came of one of these.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::CallbackMisconfigured { expected, .. } => format!(
                "the vault listens at {expected}: set that as the provider's RedirectUrl and in the outside provider's redirect list, and no callback in code; a Runtime URL demands a token and can never be the callback (\"Consumer authentication failed\")"
            ),
            Self::RedirectNotRegistered { redirect_uri, .. } => {
                format!("add {redirect_uri} to the allowed callbacks of this user pool client (\"redirect_uri is missing\")")
            }
            Self::ScopeNotSupported { .. } => {
                "Feishu has no OpenID Connect scopes (error 20043); ask for its own, for example docx:document:readonly, docs:document.content:read and offline_access".to_owned()
            }
            Self::CallbackNotRegistered { callback, .. } => {
                format!("add {callback} to the redirect URLs in the app's security settings there, then publish the app again")
            }
            Self::Downstream { .. } => {
                "the token is valid, but lacks a permission: apply for it at the outside provider (for documents of Feishu docx:document:readonly), publish the app, then have the user consent again with `force_authentication`".to_owned()
            }
            Self::ProviderNotFound { found, .. } if found.is_empty() => {
                "create the provider there, or check name, pool and region; names are case-sensitive".to_owned()
            }
            Self::ProviderNotFound { found, .. } => {
                format!("check name, pool and region; found there: {}", found.join(", "))
            }
            Self::ResourceTokenRejected { .. } => {
                "the stored consent expired or was revoked; report it with `Error::credential_rejected`, or ask the user again with `force_authentication`".to_owned()
            }
            Self::WorkloadIdentityUnavailable { .. } => {
                "deploy to the AgentKit Runtime, whose role is the workload; or for a local run create and name a workload (VEIDENTITY_WORKLOAD_NAME), and a role (RUNTIME_IAM_ROLE_TRN) that may ask for its tokens".to_owned()
            }
            Self::AssumeRoleDenied { .. } => {
                "give its user STSAssumeRoleAccess and let the role's trust policy name the user; if it is not the key that you meant: a shell variable overrides .env, so open a new terminal or align both. Nothing was done with another identity".to_owned()
            }
            Self::WorkloadNameUnresolved => {
                "it is the *workload* whose name is missing or wrong, not the provider: the request has no provider. Give the name of one that exists by `with_workload_name` or VEIDENTITY_WORKLOAD_NAME, or run with the credentials of a role and without a name; if both are there, check the provider's name too".to_owned()
            }
            Self::CallbackParams { .. } => {
                "the callback path is /oauth2/callback in newer veadk and /api/v1/oauth2callback in the vault: register the one in use, and set ADK_OAUTH2_CALLBACK_URL to match".to_owned()
            }
            Self::LoginCallbackNotRegistered { callback } => format!(
                "copy {} into the redirect URLs of the Feishu app and publish it (error 20029); do not build the URL by hand",
                callback.as_deref().unwrap_or("OauthLoginCallbackUrl of the user pool, as `user_pools().get(..)` answers it,")
            ),
            Self::LoginProviderMisconfigured => {
                "the app id or the secret of the pool's identity provider is wrong; correct it in the user pool".to_owned()
            }
            Self::ConsentTimeout { callback, provider, .. } => advice(provider, callback.as_deref()),
            Self::ClientIdMismatch { .. } => {
                "an outside provider that does not know the client answers with an error (GitHub: 404); create its app again, or correct the client id in the provider's record".to_owned()
            }
            Self::CallbackRefused { .. } => {
                "leave the callback to the provider's record; a return URL is a page of your application that a browser can open without a token".to_owned()
            }
            Self::FlowMismatch { .. } => {
                "change the flow in the provider's record, or `auth_flow` in the call; a user's document needs USER_FEDERATION".to_owned()
            }
            Self::InboundUnauthorized { .. } => {
                "log in and send `Authorization: Bearer`; the token's issuer must be the pool of the Runtime's discovery URL, and its client among the allowed ones".to_owned()
            }
            Self::LoginLoop { .. } => {
                "clear the cookies, check the callback URL, and that cookies are not Secure-only on plain http".to_owned()
            }
            Self::TokenExpired => {
                "access tokens of a user pool live 10 hours by default: log in again, or ask for offline_access and use the refresh token".to_owned()
            }
            Self::ClientSecretWrong { .. } => "the secret cannot be read again: create a new one in the console".to_owned(),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::CallbackMisconfigured { .. }
            | Self::RedirectNotRegistered { .. }
            | Self::ScopeNotSupported { .. }
            | Self::CallbackNotRegistered { .. }
            | Self::WorkloadIdentityUnavailable { .. }
            | Self::LoginCallbackNotRegistered { .. }
            | Self::LoginProviderMisconfigured
            | Self::ClientIdMismatch { .. }
            | Self::FlowMismatch { .. }
            | Self::LoginLoop { .. } => ErrorKind::ConfigurationBroken,
            Self::WorkloadNameUnresolved => ErrorKind::ConfigurationMissing,
            Self::Downstream { .. } | Self::AssumeRoleDenied { .. } => ErrorKind::PermissionDenied,
            Self::ProviderNotFound { .. } => ErrorKind::NotFound,
            Self::ConsentTimeout { .. } => ErrorKind::AuthorizationTimedOut,
            Self::CallbackParams { .. } | Self::CallbackRefused { .. } => ErrorKind::InvalidRequest,
            Self::ResourceTokenRejected { .. }
            | Self::InboundUnauthorized { .. }
            | Self::TokenExpired
            | Self::ClientSecretWrong { .. } => ErrorKind::Unauthenticated,
        }
    }
}

/// The usual causes of a consent that never came, with their check.
fn advice(provider: &str, callback: Option<&str>) -> String {
    let callback = callback.unwrap_or("the vault's callback");
    format!(
        "If the user did agree to provider `{provider}`: the outside provider may remember the consent (revoke it there, then try again); the provider's record may have been changed (secret, callback); a browser that was shown \"redirect_uri error\" needs {callback} in the app's security settings there, and one that was shown \"state mismatch\" got an altered URL; a Feishu app must be published with its permissions granted"
    )
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::new(trouble.kind(), trouble.to_string()).with_hint(trouble.hint()).with_source(trouble)
    }
}
