//! What every answer comes in: `ResponseMetadata` beside `Result`, with errors inside, also inside HTTP 200.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::{Error, ErrorKind},
    refusal::{self, code_text},
    shown::{shown_code, shown_text},
    transport::Answer,
    wire::object,
};

/// What a request was refused with.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    said: refusal::Refusal,
    duplicate: bool,
    names_workload: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Head {
    response_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    request_id: Option<String>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fault {
    code: Option<Value>,
    code_n: Option<Value>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body<T> {
    #[serde(default = "Option::default")]
    result: Option<T>,
}

/// Refused is any status but 2xx, any error in the metadata, and what has no metadata. `hidden` is what the request held and
/// nobody may see.
pub(crate) fn refusal(answer: &Answer, hidden: &[&str]) -> Option<Refusal> {
    let metadata = object::<Head>(&answer.body).and_then(|head| head.response_metadata);
    let (id, fault) = metadata.map_or((None, None), |metadata| (metadata.request_id, Some(metadata.error)));
    let understood = fault.is_some();
    let fault = fault.flatten();
    if answer.is_success() && understood && fault.is_none() {
        return None;
    }
    let header = || answer.headers.get("x-tt-logid").and_then(|id| id.to_str().ok().map(str::to_owned));
    let request_id = id.or_else(header).and_then(|id| shown_code(&id, hidden));
    let message = fault.as_ref().and_then(|fault| fault.message.as_deref()).unwrap_or_default();
    let code = fault.as_ref().and_then(|fault| [&fault.code, &fault.code_n].into_iter().flatten().find_map(code_text));
    let said = refusal::Refusal {
        status: answer.status,
        code: code.and_then(|code| shown_code(&code, hidden)),
        text: shown_text(message, hidden),
        request_id,
        retry_after: answer.retry_after(),
    };
    Some(Refusal {
        said,
        duplicate: message.contains("Duplicate entry"),
        names_workload: message.starts_with("Name is missing"),
    })
}

/// The result of an answer that is no refusal. The parser's own words may quote a credential, so there are none.
pub(crate) fn result<T: DeserializeOwned>(operation: &str, answer: &Answer) -> Result<T, Error> {
    let unreadable = || {
        Error::protocol(format!("could not {operation}: the answer's result is not what it should be"))
            .with_status(answer.status)
    };
    object::<Body<T>>(&answer.body).and_then(|body| body.result).ok_or_else(unreadable)
}

impl Refusal {
    pub(crate) fn is(&self, codes: &[&str]) -> bool {
        self.said.has_code(codes)
    }

    fn has(&self, parts: &[&str]) -> bool {
        self.said.code.as_deref().is_some_and(|code| parts.iter().any(|part| code.contains(part)))
    }

    /// The platform could not tell which workload asks.
    pub(crate) fn names_workload(&self) -> bool {
        self.names_workload
    }

    /// The key or its session token is no longer good: another may be.
    pub(crate) fn is_of_stale_key(&self) -> bool {
        self.is(&[
            "InvalidSecretToken",
            "SessionTokenInvalid",
            "AccessKeyIsExpire",
            "AccessKeyNotExist",
            "InvalidAccessKey",
        ])
    }

    /// Codes come before the status: errors come inside HTTP 200 too.
    pub(crate) fn kind(&self) -> ErrorKind {
        if self.is_of_stale_key()
            || self.is(&[
                "MissingAuthenticationToken",
                "MissingSignature",
                "SignatureDoesNotMatch",
                "InvalidTimestamp",
                "InvalidAuthorization",
                "InvalidCredential",
            ])
        {
            return ErrorKind::Unauthenticated;
        }
        if self.is(&["ServiceNotFound", "InvalidActionOrVersion"]) {
            return ErrorKind::ConfigurationBroken;
        }
        if self.duplicate || self.has(&["Duplicate", "Conflict", "Repeat"]) || self.has_existing() {
            return ErrorKind::Conflict;
        }
        if self.has(&["Throttl", "LimitExceeded", "Quota"]) {
            return ErrorKind::RateLimited;
        }
        if self.has(&["LackPolicy", "LackProjectPolicy", "AccessDenied", "NoPermission", "NotInWhitelist"]) {
            return ErrorKind::PermissionDenied;
        }
        if self.has(&["NotFound", "NotExist"]) {
            return ErrorKind::NotFound;
        }
        if self.has(&["MissingParameter", "InvalidParameter", "MissingRequestInfo"]) {
            return ErrorKind::InvalidRequest;
        }
        if self.has(&["ServiceFailure", "InternalError", "InternalServiceError"]) {
            return ErrorKind::Unavailable;
        }
        self.said.kind_of_status()
    }

    fn has_existing(&self) -> bool {
        self.has(&["Exist"]) && !self.has(&["NotExist"])
    }

    /// `operation` is what was tried, as in "could not get the API key".
    pub(crate) fn error(&self, operation: &str) -> Error {
        let error = self.said.error(self.kind(), operation, "Volcengine Agent Identity");
        // A quota is not full for a moment only.
        let lasting = self.has(&["Quota", "LimitExceeded"]) && self.said.status != 429;
        if lasting { error.with_retryable(false) } else { error }
    }

    /// The facts of this refusal on another error that was made of it.
    pub(crate) fn facts(&self, error: Error) -> Error {
        self.said.facts(error)
    }

    /// What to do; `not_found` and `source` are the call's.
    pub(crate) fn hint(&self, not_found: &str, source: &str) -> String {
        match self.kind() {
            ErrorKind::InvalidRequest => "correct what Volcengine Agent Identity complains about, then call again".to_owned(),
            ErrorKind::Unauthenticated if self.is(&["InvalidTimestamp"]) => {
                "the request was signed with a time that the platform does not accept: set this machine's clock".to_owned()
            }
            ErrorKind::Unauthenticated if self.is_of_stale_key() => {
                format!("the access key or its session token ({source}) is unknown or over: renew it there")
            }
            ErrorKind::Unauthenticated => {
                format!("check access key, secret key and session token ({source}): all three must be of one key")
            }
            ErrorKind::PermissionDenied if self.has(&["NotInWhitelist"]) => {
                "the account is not on the list of this feature: ask the platform's support to add it".to_owned()
            }
            ErrorKind::PermissionDenied => {
                format!("grant the policy that the action needs to whom the access key belongs ({source})")
            }
            ErrorKind::NotFound => not_found.to_owned(),
            ErrorKind::Conflict => "choose another name, or use what is there".to_owned(),
            ErrorKind::RateLimited if self.has(&["Quota", "LimitExceeded"]) => {
                "a quota is used up: delete what is not needed, or have it raised".to_owned()
            }
            ErrorKind::RateLimited => "wait before calling again".to_owned(),
            ErrorKind::Unavailable => "Volcengine Agent Identity cannot serve now; try again later".to_owned(),
            ErrorKind::ConfigurationBroken => {
                "the host does not serve Volcengine Agent Identity, or it is not enabled for the account: check endpoint and region, and enable it in the console".to_owned()
            }
            _ if (300..400).contains(&self.said.status) => {
                "the answer is a redirect, which is not followed with credentials; check the endpoint".to_owned()
            }
            _ => "the answer has no `ResponseMetadata`: check that the endpoint is the platform's, then report this".to_owned(),
        }
    }
}
