//! What the browser brings back from the issuer, and why it does not sign anybody in.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded;

use super::attempt::LoginAttempt;
use crate::{error::Error, inbound::Refusal};

/// No genuine answer is longer.
const LONGEST_QUERY: usize = 8 * 1024;

/// RFC 6749 names its error codes in far fewer letters.
const LONGEST_CODE: usize = 64;

/// The parameters of a request to the redirect URI. Nothing in them is believed until
/// [`RelyingParty::finish`](super::RelyingParty::finish) has checked it.
pub struct CallbackParameters {
    state: String,
    issuer: Option<String>,
    outcome: Outcome,
}

enum Outcome {
    Code(SecretString),
    /// The error code; its description is not kept, for anybody may have written it.
    Error(String),
}

/// Why nobody was signed in.
///
/// Tell visitors that they may try again, and no more; [`code`](Self::code) is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoginFailure {
    /// The request is not what an issuer answers with: no state, a parameter twice, neither a code nor an error.
    #[error("the request to the redirect URI is no answer of an issuer")]
    Malformed,
    /// The state is not that of an attempt of this browser, or the attempt is over.
    #[error("the answer belongs to no attempt of this browser to sign in")]
    UnknownState,
    /// The attempt was finished before.
    #[error("the attempt to sign in was finished before")]
    Replayed,
    /// The issuer says that it always names itself, and the answer names nobody (RFC 9207).
    #[error("the answer does not name its issuer")]
    IssuerMissing,
    /// The answer is of another issuer (RFC 9207).
    #[error("the answer is of another issuer")]
    IssuerMismatch,
    /// The issuer reports an error, for example `access_denied` because the user said no.
    #[error("the issuer did not sign the user in ({code})")]
    Declined {
        /// The error code; `unknown` if it is not in the form of one.
        code: String,
    },
    /// There is no ID token, although `openid` was asked for.
    #[error("the issuer gave no ID token")]
    IdTokenMissing,
    /// The ID token is refused.
    #[error("the ID token is refused: {0}")]
    IdToken(#[source] Refusal),
    /// The issuer could not be asked, or did not do what was asked for.
    #[error("the issuer could not be asked: {0}")]
    Issuer(#[source] Error),
}

impl LoginFailure {
    /// One word for logs and counters; that of an ID token begins with `id_token_`.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Malformed => "malformed".to_owned(),
            Self::UnknownState => "unknown_state".to_owned(),
            Self::Replayed => "replayed".to_owned(),
            Self::IssuerMissing => "issuer_missing".to_owned(),
            Self::IssuerMismatch => "issuer_mismatch".to_owned(),
            Self::Declined { .. } => "declined".to_owned(),
            Self::IdTokenMissing => "id_token_missing".to_owned(),
            Self::IdToken(refusal) => format!("id_token_{}", refusal.code()),
            Self::Issuer(_) => "issuer_unavailable".to_owned(),
        }
    }
}

impl From<Error> for LoginFailure {
    fn from(error: Error) -> Self {
        Self::Issuer(error)
    }
}

impl CallbackParameters {
    /// Reads a query.
    ///
    /// # Errors
    /// [`LoginFailure::Malformed`]: for parameters that are missing or come twice, and for more than 8 KiB.
    pub fn parse(query: &str) -> Result<Self, LoginFailure> {
        let (mut state, mut issuer, mut code, mut error) = (None, None, None, None);
        if query.len() > LONGEST_QUERY {
            return Err(LoginFailure::Malformed);
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "state" => &mut state,
                "iss" => &mut issuer,
                "code" => &mut code,
                "error" => &mut error,
                _ => continue,
            };
            // A second one means that somebody added to the URL.
            if place.replace(value.into_owned()).is_some() {
                return Err(LoginFailure::Malformed);
            }
        }
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let outcome = match (filled(code), error) {
            (Some(code), None) => Outcome::Code(code.into()),
            (None, Some(code)) => Outcome::Error(code),
            _ => return Err(LoginFailure::Malformed),
        };
        Ok(Self { state: filled(state).ok_or(LoginFailure::Malformed)?, issuer, outcome })
    }

    /// The state, genuine or not: by it the attempt is found.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The code, if the answer is one to this attempt and of its issuer (RFC 9207 section 2.4). `always_named`: the issuer says
    /// that its answers name it.
    pub(crate) fn code(&self, attempt: &LoginAttempt, always_named: bool) -> Result<&str, LoginFailure> {
        if !attempt.has_state(&self.state) {
            return Err(LoginFailure::UnknownState);
        }
        match &self.issuer {
            None if always_named => return Err(LoginFailure::IssuerMissing),
            // As text, without any normalization.
            Some(issuer) if *issuer != attempt.issuer => return Err(LoginFailure::IssuerMismatch),
            _ => {}
        }
        match &self.outcome {
            Outcome::Code(code) => Ok(code.expose_secret()),
            Outcome::Error(code) => Err(LoginFailure::Declined { code: safe(code) }),
        }
    }
}

/// Anybody can write the parameter, so only what looks like a code is passed on.
fn safe(code: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_code = (1..=LONGEST_CODE).contains(&code.len()) && code.bytes().all(fits);
    if is_code { code.to_owned() } else { "unknown".to_owned() }
}

impl fmt::Debug for CallbackParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match &self.outcome {
            Outcome::Code(_) => "code",
            Outcome::Error(_) => "error",
        };
        f.debug_struct("CallbackParameters").field("outcome", &outcome).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example.com";

    fn attempt() -> LoginAttempt {
        LoginAttempt { issuer: ISSUER.into(), state: "s1".into(), nonce: "n".into(), verifier: "v".into() }
    }

    fn judged(query: &str, always_named: bool) -> Result<String, String> {
        let parameters = CallbackParameters::parse(query).map_err(|failure| failure.code())?;
        parameters.code(&attempt(), always_named).map(str::to_owned).map_err(|failure| failure.code())
    }

    #[test]
    fn an_answer_has_each_parameter_once() {
        for bad in [
            "",
            "code=a",
            "state=s1",
            "state=&code=a",
            "state=s1&code=",
            "state=s1&code=a&state=s1",
            "state=s1&code=a&code=a",
            "state=s1&code=a&iss=x&iss=x",
            "state=s1&code=a&error=b",
            &format!("state=s1&code=a&x={}", "y".repeat(9000)),
        ] {
            assert_eq!(judged(bad, false), Err("malformed".into()), "{bad}");
        }
        assert_eq!(judged("state=s1&code=a%2Bb&session_state=x", false), Ok("a+b".into()));
        assert_eq!(judged("state=s2&code=a", false), Err("unknown_state".into()));
    }

    #[test]
    fn std_9207_01_the_issuer_of_the_answer() {
        let named = "state=s1&code=a&iss=https%3A%2F%2Fid.example.com";
        for (query, always_named, judgement) in [
            (named, true, Ok("a")),
            (named, false, Ok("a")),
            ("state=s1&code=a", false, Ok("a")),
            ("state=s1&code=a", true, Err("issuer_missing")),
            ("state=s1&error=access_denied", true, Err("issuer_missing")),
            ("state=s1&code=a&iss=https://evil.example.com", false, Err("issuer_mismatch")),
            ("state=s1&error=access_denied&iss=https://evil.example.com", false, Err("issuer_mismatch")),
        ] {
            assert_eq!(
                judged(query, always_named).as_deref(),
                judgement.map_err(str::to_owned).as_deref(),
                "{query} {always_named}"
            );
        }
    }

    #[test]
    fn std_9207_03_issuers_are_compared_as_text() {
        for other in [
            "https://ID.example.com",
            "https://id.example.com/",
            "https://id.example.com:443",
            "https://id.example%2Ecom",
            "",
        ] {
            let query: String =
                form_urlencoded::Serializer::new("state=s1&code=a".to_owned()).append_pair("iss", other).finish();
            assert_eq!(judged(&query, false), Err("issuer_mismatch".into()), "{other}");
        }
    }

    #[test]
    fn std_9207_02_an_error_says_its_code_and_nothing_that_anybody_could_have_written() {
        let failure = |query: &str| {
            let parameters = CallbackParameters::parse(query).unwrap();
            parameters.code(&attempt(), false).map(str::to_owned).unwrap_err().to_string()
        };
        assert!(failure("state=s1&error=access_denied&error_description=call+555").ends_with("(access_denied)"));
        assert!(failure("state=s1&error=Call+555").ends_with("(unknown)"));
        assert!(!failure("state=s1&error=call&iss=https://evil.example.com").contains("call"));
    }

    #[test]
    fn every_failure_stands_on_the_troubleshooting_page() {
        let page = include_str!("../../../TROUBLESHOOTING.md");
        let section = page.split("\n## ").find(|section| section.starts_with("Signing users in")).unwrap();
        let error = || Error::protocol("…");
        for failure in [
            LoginFailure::Malformed,
            LoginFailure::UnknownState,
            LoginFailure::Replayed,
            LoginFailure::IssuerMissing,
            LoginFailure::IssuerMismatch,
            LoginFailure::Declined { code: "`access_denied`".to_owned() },
            LoginFailure::IdTokenMissing,
            LoginFailure::Issuer(error()),
        ] {
            let text = failure.to_string();
            let text = text.split(": …").next().unwrap();
            assert!(section.contains(&format!("`{}`: {text}", failure.code())), "{}: {text}", failure.code());
        }
        // Those of ID tokens are codes of refusals, and so are their names here.
        let refusal = LoginFailure::IdToken(crate::inbound::RefusalCode::NonceMismatch.into());
        assert!(section.contains(&format!("`{}`", refusal.code())));
    }
}
