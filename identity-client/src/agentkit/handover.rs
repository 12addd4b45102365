//! A consent whose redirect URI is a page of the application's own: it hands over what the browser brought.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::{AgentKit, call::Call};
use crate::{
    consent::PendingAuthorization,
    credential::AccessToken,
    error::{Error, ErrorKind},
    wire::filled,
};

/// What the outside provider sent the browser back with, besides the state.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Returned<'a> {
    /// `code`: the user agreed.
    Code(&'a SecretString),
    /// `error`, for example `access_denied`.
    Error(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    identity_token: &'a str,
    state: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_token: Option<SecretString>,
}

impl AgentKit {
    /// Hands over what a browser brought back from the outside provider: `Oauth2Callback`. Only for a provider whose redirect URI
    /// is a page of your own, because the browser cannot reach the vault's; everywhere else the vault hears of it by itself.
    ///
    /// **The page must first see that the browser is signed in as [`pending.user()`](PendingAuthorization::user)**, else whoever was
    /// sent a link connects an account of theirs with somebody else. The state must be the one of this consent's link: another
    /// is refused here. The platform is shown the very workload token that the consent began with.
    ///
    /// The token, if the platform gives it out at once; with a return URL it keeps it until the consent is completed.
    ///
    /// # Errors
    /// [`ErrorKind::AuthorizationDenied`] if the state is of another consent (nothing was sent), [`ErrorKind::AuthorizationExpired`]
    /// if the platform no longer knows it or the user's own token is gone. A state and a code are good once, so nothing is
    /// tried again once it may have been sent. After [`Returned::Error`] the platform may answer with a refusal of its own.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been handed over: ask for the token as usual.
    pub async fn hand_over(
        &self,
        pending: &PendingAuthorization,
        state: &SecretString,
        returned: Returned<'_>,
    ) -> Result<Option<AccessToken>, Error> {
        let session = self.session(pending)?;
        if !is_of(pending, state) {
            return Err(Error::new(
                ErrorKind::AuthorizationDenied,
                format!(
                    "the browser came back with the state of another consent than this one for provider `{}`",
                    pending.provider()
                ),
            )
            .with_hint("find the pending consent by the state that came back, and check whose browser it is"));
        }
        let artefact = self.artefact(pending, &session).await?;
        let (code, error) = match returned {
            Returned::Code(code) => (Some(code.expose_secret()), None),
            Returned::Error(error) => (None, Some(error)),
        };
        let token = artefact.token.expose_secret();
        let body = Body { code, error, identity_token: token, state: state.expose_secret() };
        let hidden = [token, state.expose_secret()].into_iter().chain(code);
        let call = Call::new("hand over what the browser brought", "Oauth2Callback", &body)?.once().hiding(hidden);
        let answer: Answer = self.caller().send(call).await.map_err(over)?;
        let secret = answer.access_token.filter(filled);
        secret.map(AccessToken::new).transpose()
    }
}

/// Whether the link of the consent has this state. One that shows none, because its request was pushed, is the platform's to check.
fn is_of(pending: &PendingAuthorization, state: &SecretString) -> bool {
    let Ok(link) = Url::parse(pending.authorization_url()) else { return false };
    let mut states = link.query_pairs().filter(|(name, _)| name == "state");
    let (Some((_, own)), None) = (states.next(), states.next()) else {
        return link.query_pairs().any(|(name, _)| name == "request_uri");
    };
    own.as_bytes().ct_eq(state.expose_secret().as_bytes()).into()
}

fn over(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    Error::new(
        ErrorKind::AuthorizationExpired,
        "Volcengine Agent Identity does not know the consent: it is over, or was handed over before",
    )
    .with_answer_of(&error)
    .with_hint("ask for the token; if it is not there, the user gets a new link")
}
