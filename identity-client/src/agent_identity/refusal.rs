//! What an answer that is not a success says, without passing on what it should not.

use serde_json::Value;

use crate::{
    error::{Error, ErrorKind},
    refusal,
    shown::{shown_code, shown_text},
    transport::Answer,
};

/// Who answered, as a person would look for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// For messages.
    pub(crate) name: &'static str,
    /// The vendor's ready-made policy that allows everything there; not every service has one.
    pub(crate) policy: Option<&'static str>,
}

impl Service {
    /// Where the caller's own role is assumed. What allows that stands in the role.
    pub(crate) const STS: Self = Self { name: "Alibaba Cloud STS", policy: None };
}

/// An error answer, read. Keys come with a capital or without; a body that is not JSON keeps its status.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The code goes up to the first character that no code has: some go on with a text in parentheses.
    said: refusal::Refusal,
    /// The permission that is missing, for example `agentidentitydata:GetWorkloadAccessToken`.
    missing: Option<String>,
    is_throttled: bool,
}

impl Refusal {
    /// `hidden` is what the request held and nobody may see: a text that repeats any of it is left out.
    pub(crate) fn read(answer: &Answer, hidden: &[&str]) -> Self {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let field = |upper: &str, lower: &str| body[upper].as_str().or(body[lower].as_str());
        let code = field("Code", "code").map(|code| {
            let end = code.find(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c));
            &code[..end.unwrap_or(code.len())]
        });
        let detail = &body["AccessDeniedDetail"];
        let detail = if detail.is_object() { detail } else { &body["accessDeniedDetail"] };
        let missing = detail["AuthAction"]
            .as_str()
            .filter(|action| action.len() <= 100 && action.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':'));
        let said = refusal::Refusal {
            status: answer.status,
            code: code.and_then(|code| shown_code(code, hidden)),
            text: field("Message", "message").and_then(|text| shown_text(text, hidden)),
            request_id: field("RequestId", "requestId").and_then(|id| shown_code(id, hidden)),
            retry_after: answer.retry_after(),
        };
        Self { said, missing: missing.map(str::to_owned), is_throttled: answer.is_throttled() }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        let code = self.said.code.as_deref().unwrap_or_default();
        if self.is_throttled || code.starts_with("Throttling") {
            return ErrorKind::RateLimited;
        }
        match family(code) {
            Family::NotFound => ErrorKind::NotFound,
            Family::Taken => ErrorKind::Conflict,
            Family::UserToken | Family::WorkloadToken | Family::Key => ErrorKind::Unauthenticated,
            Family::NoRole | Family::NoInbound | Family::Forbidden => ErrorKind::PermissionDenied,
            Family::ReturnUrl | Family::Parameter | Family::Discovery => ErrorKind::InvalidRequest,
            Family::Upstream | Family::Unavailable => ErrorKind::Unavailable,
            Family::PlainHttp => ErrorKind::Protocol,
            Family::Other => self.said.kind_of_status(),
        }
    }

    /// `operation` is what was tried, as in "could not get the API key"; `signer` whose keys signed it.
    pub(crate) fn error(&self, operation: &str, service: Service, signer: &str, not_found: &str) -> Error {
        let kind = self.kind();
        self.said.error(kind, operation, service.name).with_hint(self.hint(kind, service, signer, not_found))
    }

    fn hint(&self, kind: ErrorKind, service: Service, signer: &str, not_found: &str) -> String {
        let who = service.name;
        let fixed = match family(self.said.code.as_deref().unwrap_or_default()) {
            Family::UserToken => {
                "the user's token is expired, from another issuer or for another audience; let the user sign in again, and compare the identity provider of the workload identity"
            }
            Family::WorkloadToken => {
                "a fresh workload access token was refused, too, or the one that the runtime gave is over"
            }
            Family::Key => {
                return format!(
                    "the signature or the AccessKey was refused; correct the keys {signer}, and check this machine's clock"
                );
            }
            Family::NoRole => {
                "give the workload identity a RAM role that trusts workload.agentidentity.aliyuncs.com for sts:AssumeRole and sts:SetContext; or sign with the caller's own keys: AGENT_IDENTITY_USE_STS=false"
            }
            Family::NoInbound => {
                "there is nothing to exchange for this user: they must have signed in through the user pool, in this session"
            }
            Family::ReturnUrl => {
                "give a `callback_url` that is among the workload identity's AllowedResourceOAuth2ReturnURLs"
            }
            Family::Discovery => "the provider's discovery document cannot be read; check its URL at the provider",
            Family::Upstream => "the outside provider's token endpoint failed; see its client there, then try again",
            Family::PlainHttp => "the endpoint must be https",
            _ => match (kind, &self.missing) {
                (ErrorKind::PermissionDenied, Some(action)) => {
                    return format!("grant `{action}` to the identity whose keys are used ({signer})");
                }
                (ErrorKind::PermissionDenied, None) => {
                    let policy =
                        service.policy.map_or_else(String::new, |policy| format!(", for example with {policy}"));
                    return format!("grant the operation to the identity whose keys are used ({signer}){policy}");
                }
                (ErrorKind::Unauthenticated, _) => return format!("correct the keys {signer}"),
                (ErrorKind::InvalidRequest, _) => {
                    return format!("correct what {who} complains about, then call again");
                }
                (ErrorKind::NotFound, _) => {
                    return format!("{not_found}; keys of another account ({signer}) find nothing either");
                }
                (ErrorKind::Conflict, _) => "choose another name, or use what is there",
                (ErrorKind::RateLimited, _) => "wait before calling again",
                (ErrorKind::Unavailable, _) => return format!("{who} cannot serve now; try again later"),
                _ if (300..400).contains(&self.said.status) => {
                    return format!(
                        "{who} answered with a redirect, which is not followed with credentials; check the endpoint"
                    );
                }
                _ => "check that the endpoint and the region are the right ones, then report this",
            },
        };
        fixed.to_owned()
    }
}

/// What a code is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    NotFound,
    Taken,
    UserToken,
    WorkloadToken,
    Key,
    NoRole,
    NoInbound,
    ReturnUrl,
    Discovery,
    Upstream,
    Unavailable,
    PlainHttp,
    Forbidden,
    Parameter,
    Other,
}

fn family(code: &str) -> Family {
    const PREFIXES: [(&str, Family); 21] = [
        ("EntityNotExist", Family::NotFound),
        ("EntityAlreadyExist", Family::Taken),
        ("InvalidParameter.JsonWebToken", Family::UserToken),
        ("InvalidParameter.WorkloadAccessToken", Family::WorkloadToken),
        ("WORKLOAD_ACCESS_TOKEN_", Family::WorkloadToken),
        ("SignatureDoesNotMatch", Family::Key),
        ("IncompleteSignature", Family::Key),
        ("InvalidAccessKeyId", Family::Key),
        ("InvalidSecurityToken", Family::Key),
        ("AuthFailure", Family::Key),
        ("MissingRoleArn", Family::NoRole),
        ("Forbidden.InboundCredentialMissing", Family::NoInbound),
        ("MissingParameter.ResourceOAuth2ReturnURL", Family::ReturnUrl),
        // Spelled so by the service.
        ("Missmatch.ResourceOAuth2ReturnURL", Family::ReturnUrl),
        ("InvalidOAuthDiscoveryURL", Family::Discovery),
        ("ServiceUnavailable.UpstreamTokenEndpoint", Family::Upstream),
        ("ServiceUnavailable", Family::Unavailable),
        ("InvalidProtocol.NeedSsl", Family::PlainHttp),
        ("NoPermission", Family::Forbidden),
        ("Forbidden", Family::Forbidden),
        ("MissingParameter", Family::Parameter),
    ];
    PREFIXES.iter().find(|(prefix, _)| code.starts_with(prefix)).map_or(Family::Other, |(_, family)| *family)
}

/// Whether the workload access token was refused: a fresh one may help.
pub(crate) fn is_of_workload_token(error: &Error) -> bool {
    error.code().is_some_and(|code| family(code) == Family::WorkloadToken)
}

/// Whether a temporary key was refused: a fresh one may help.
pub(crate) fn is_of_temporary_key(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| ["InvalidSecurityToken", "InvalidAccessKeyId"].iter().any(|one| code.starts_with(one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_contract_has_its_kind() {
        for (status, code, kind) in [
            (404, "EntityNotExists.WorkloadIdentity", ErrorKind::NotFound),
            (409, "EntityAlreadyExists.IdentityProvider", ErrorKind::Conflict),
            (400, "InvalidParameter.JsonWebToken(expired)", ErrorKind::Unauthenticated),
            (400, "InvalidParameter.WorkloadAccessToken(x)", ErrorKind::Unauthenticated),
            (400, "WORKLOAD_ACCESS_TOKEN_EXPIRED", ErrorKind::Unauthenticated),
            (400, "MissingParameter.WorkloadAccessToken", ErrorKind::InvalidRequest),
            (400, "MissingParameter.ResourceOAuth2ReturnURL", ErrorKind::InvalidRequest),
            (400, "Missmatch.ResourceOAuth2ReturnURL", ErrorKind::InvalidRequest),
            (400, "MissingRoleArn", ErrorKind::PermissionDenied),
            (403, "Forbidden.InboundCredentialMissing", ErrorKind::PermissionDenied),
            (503, "ServiceUnavailable.UpstreamTokenEndpoint", ErrorKind::Unavailable),
            (400, "InvalidOAuthDiscoveryURL", ErrorKind::InvalidRequest),
            (400, "InvalidProtocol.NeedSsl", ErrorKind::Protocol),
            (400, "Throttling.User", ErrorKind::RateLimited),
            (400, "SignatureDoesNotMatch", ErrorKind::Unauthenticated),
            (403, "NoPermission", ErrorKind::PermissionDenied),
            (418, "", ErrorKind::Protocol),
            (502, "", ErrorKind::Unavailable),
        ] {
            let body =
                serde_json::json!({ "Code": code, "Message": "token eyJhbGciOiJSUzI1NiJ9.x refused" }).to_string();
            let refusal = Refusal::read(&Answer::of(status, body.as_bytes()), &[]);
            assert_eq!(refusal.kind(), kind, "{code}");
            let error = refusal.error("do it", Service::STS, "from the environment", "look");
            assert!(error.hint().is_some() && !error.to_string().contains("eyJ"), "{error}");
        }
    }
}
