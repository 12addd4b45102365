//! Every row of the documents' troubleshooting tables is an error with its cause and its remedy.

use std::time::Duration;

use identity_client::{Error, ErrorKind, agentkit::Trouble};

/// The symptom as the documents have it, the error, and what the remedy must speak of.
fn rows() -> Vec<(&'static str, Trouble, &'static str)> {
    let text = str::to_owned;
    let provider = text("feishu_oauth");
    let callback = text("https://auth.id.cn-beijing.volces.com/api/v1/oauth2callback");
    vec![
        (
            "Consumer authentication failed",
            Trouble::CallbackMisconfigured {
                provider: provider.clone(),
                found: text("https://sd1.apigateway-cn-beijing.volceapi.com/"),
                expected: callback.clone(),
            },
            "the vault listens at https://auth.id.cn-beijing.volces.com",
        ),
        (
            "redirect_uri is missing",
            Trouble::RedirectNotRegistered {
                client: text("c-1"),
                redirect_uri: text("http://127.0.0.1:8082/callback"),
            },
            "add http://127.0.0.1:8082/callback",
        ),
        (
            "20043, openid is incorrect",
            Trouble::ScopeNotSupported { provider: provider.clone(), scopes: text("openid") },
            "docx:document:readonly",
        ),
        (
            "redirect_uri error on the consent page",
            Trouble::CallbackNotRegistered { provider: provider.clone(), callback: callback.clone() },
            "publish the app again",
        ),
        (
            "Insufficient permissions",
            Trouble::Downstream { provider: provider.clone(), status: 400, code: Some(text("99991672")) },
            "consent again",
        ),
        (
            "Credential provider not found",
            Trouble::ProviderNotFound {
                provider: provider.clone(),
                pool: text("default"),
                region: text("cn-beijing"),
                found: vec![text("feishu")],
            },
            "found there: feishu",
        ),
        ("Token invalid", Trouble::ResourceTokenRejected { provider: provider.clone() }, "force_authentication"),
        (
            "GetWorkloadAccessToken failed",
            Trouble::WorkloadIdentityUnavailable { reason: text("no role") },
            "AgentKit Runtime",
        ),
        (
            "AssumeRole: NoPermission (403)",
            Trouble::AssumeRoleDenied {
                role: text("trn:iam::1:role/r"),
                access_key_end: text("0000"),
                source_of_key: text("given in code"),
            },
            "STSAssumeRoleAccess",
        ),
        ("Name is missing or invalid", Trouble::WorkloadNameUnresolved, "VEIDENTITY_WORKLOAD_NAME"),
        (
            "Missing authorization code or state (400)",
            Trouble::CallbackParams { path: text("/callback"), has_code: false, has_state: true },
            "/oauth2/callback",
        ),
        ("20029 redirect_uri illegal", Trouble::LoginCallbackNotRegistered { callback: None }, "OauthLoginCallbackUrl"),
        ("External identity provider configuration error", Trouble::LoginProviderMisconfigured, "secret"),
        (
            "OAuth2 auth polling timed out after 60 seconds",
            Trouble::ConsentTimeout {
                waited: Duration::from_secs(60),
                provider: provider.clone(),
                callback: Some(callback),
            },
            "revoke it there",
        ),
        (
            "GitHub OAuth App 404",
            Trouble::ClientIdMismatch { provider: provider.clone(), found: text("a"), expected: text("b") },
            "GitHub: 404",
        ),
        (
            "Callback in code",
            Trouble::CallbackRefused { what: "redirect URL", host: text("127.0.0.1") },
            "provider's record",
        ),
        (
            "Flow must be USER_FEDERATION",
            Trouble::FlowMismatch { provider, configured: text("M2M"), asked: text("USER_FEDERATION") },
            "auth_flow",
        ),
        ("401 Unauthorized at the Runtime", Trouble::InboundUnauthorized { reason: "wrong issuer" }, "discovery URL"),
        ("Login page keeps redirecting", Trouble::LoginLoop { bounces: 5 }, "cookies"),
        ("Token expired", Trouble::TokenExpired, "10 hours"),
        ("Forgot client secret", Trouble::ClientSecretWrong { client: text("c-1") }, "create a new one"),
    ]
}

#[test]
fn every_row_is_an_error_with_its_cause_and_its_remedy() {
    for (symptom, trouble, remedy) in rows() {
        let error = Error::from(trouble.clone());
        assert_eq!(Trouble::of(&error), Some(&trouble), "{symptom}");
        assert!(error.to_string().starts_with(&trouble.to_string()), "{symptom}: {error}");
        assert!(error.hint().unwrap().contains(remedy), "{symptom}: {error}");
        assert_ne!(error.kind(), ErrorKind::Protocol, "{symptom}");
    }
}

#[test]
fn every_row_stands_on_the_troubleshooting_page() {
    let page = include_str!("../../../TROUBLESHOOTING.md");
    for (symptom, trouble, _) in rows() {
        let name = format!("{trouble:?}");
        let name = name.split([' ', '(', '{']).next().unwrap();
        assert!(page.contains(&format!("`{name}`")), "{symptom}: {name} is not on the page");
    }
}

#[test]
fn the_window_of_the_wait_is_the_one_that_was_waited() {
    let trouble = Trouble::ConsentTimeout { waited: Duration::from_secs(60), provider: "p".to_owned(), callback: None };
    assert_eq!(
        trouble.to_string(),
        "OAuth2 auth polling timed out after 60 seconds. User may not have completed authorization."
    );
}
