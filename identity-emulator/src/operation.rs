//! Which operation a request is, by the names that the vendors' packages use.

use http::{HeaderMap, Method, Uri};

use crate::{idaas, object_store, signed};

/// Path of the IAM token endpoint, version 2.
pub(crate) const TOKEN_PATH: &str = "/accounts-api/v2/auth/token";

/// The operation, or `"unknown"`.
pub(crate) fn operation_of(method: &Method, uri: &Uri, headers: &HeaderMap) -> &'static str {
    let path = uri.path();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["identity", "api", "v1", rest @ ..] => api(method.as_str(), rest),
        ["identity", rest @ ..] => browser(method.as_str(), rest),
        ["accounts-api", "v1" | "v2", "auth", "token"] if method == Method::POST => "iam_token",
        ["provider", "token"] if method == Method::POST => "provider_token",
        ["provider", ..] => "provider",
        ["feishu", "token"] if method == Method::POST => "feishu_token",
        ["feishu", ..] => "feishu",
        ["idaas", _, "api", "v2", "iauths_system", "oauth2", "token"] if method == Method::POST => "idaas_token",
        ["idaas", ..] => "idaas_issuer",
        ["v2", _, rest @ ..] => idaas::operation(method.as_str(), rest),
        ["userpool", ..] => "user_pool",
        ["workloadpool", ..] => "workload_pool",
        ["api", "v1", "oauth2callback"] | ["oauth2", "callback", _] => "vault_callback",
        [""] if method == Method::GET => "overview",
        [""] if method == Method::POST => signed::operation(uri, headers),
        ["oauth2", "authorize"] => "consent_link",
        ["object-store", ..] => object_store::operation(method, uri),
        _ => "unknown",
    }
}

fn api(method: &str, segments: &[&str]) -> &'static str {
    match (method, segments) {
        ("POST", ["agent-identities"]) => "create_agent_identity",
        ("GET", ["agent-identities"]) => "list_agent_identities",
        ("GET", ["agent-identities", _]) => "get_agent_identity",
        ("PUT", ["agent-identities", _]) => "update_agent_identity",
        ("DELETE", ["agent-identities", _]) => "delete_agent_identity",
        (method, ["outbound-auth", rest @ ..]) => outbound(method, rest),
        _ => "unknown",
    }
}

fn outbound(method: &str, segments: &[&str]) -> &'static str {
    match (method, segments) {
        ("POST", ["api-key-providers"]) => "create_api_key_provider",
        ("GET", ["api-key-providers"]) => "list_api_key_providers",
        ("GET", ["api-key-providers", _]) => "get_api_key_provider",
        ("PUT", ["api-key-providers", _]) => "update_api_key_provider",
        ("DELETE", ["api-key-providers", _]) => "delete_api_key_provider",
        ("GET", ["api-key-providers", _, "agent-identities", _, "api-key"]) => "get_api_key_for_agent_identity",
        ("POST", ["delegated-api-key-providers"]) => "create_delegated_api_key_provider",
        ("GET", ["delegated-api-key-providers"]) => "list_delegated_api_key_providers",
        ("GET", ["delegated-api-key-providers", _]) => "get_delegated_api_key_provider",
        ("DELETE", ["delegated-api-key-providers", _]) => "delete_delegated_api_key_provider",
        ("POST", ["delegated-api-key-providers", _, "agent-identities", _, "api-key"]) => {
            "get_delegated_api_key_for_agent_identity"
        }
        ("POST", ["oauth2-providers"]) => "create_oauth2_provider",
        ("GET", ["oauth2-providers"]) => "list_oauth2_providers",
        ("GET", ["oauth2-providers", _]) => "get_oauth2_provider",
        ("PUT", ["oauth2-providers", _]) => "update_oauth2_provider",
        ("DELETE", ["oauth2-providers", _]) => "delete_oauth2_provider",
        ("POST", ["oauth2-providers", _, "agent-identities", _, "tokens", "m2m"]) => "get_m2m_token",
        ("POST", ["oauth2-providers", _, "agent-identities", _, "tokens", "3lo"]) => "get_3lo_token",
        _ => "unknown",
    }
}

fn browser(method: &str, segments: &[&str]) -> &'static str {
    match (method, segments) {
        ("POST", ["api-key", "delegate", _]) => "authorize_delegated_api_key",
        ("GET", ["api-key", "delegate", _]) => "delegated_key_form",
        ("GET", ["oauth2", "callback", _]) => "handle_oauth2_callback",
        ("GET", ["oauth2", "authorize"]) => "redirect_to_provider_authorize",
        _ => "unknown",
    }
}
