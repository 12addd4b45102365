//! A user's consent: begun, looked at, asked about, completed, and replaced by force.

use std::time::Duration;

use identity_client::{
    AccessToken, Acquired, ErrorKind, IdentityClient, PendingAuthorization, Platform as _, SessionBinding, User,
    agentkit::Trouble,
};
use serde_json::{Value, json};

use crate::support::{CALLBACK, RETURN_URL, Reply, Seen, Server, alice, client, eventually, link, ok, refused};

fn needs_consent() -> Value {
    json!({ "AuthorizationUrl": link("abc%2Bdef%26evil%3D1"), "SessionUri": "urn:ietf:params:oauth:request_uri:S1" })
}

async fn pending(client: &IdentityClient, user: &User) -> PendingAuthorization {
    let request = client.access_token("feishu").with_scopes(["docx:document:readonly"]).for_user(user);
    match request.with_return_url(RETURN_URL).with_custom_state("state-of-mine-1234567890").acquire().await.unwrap() {
        Acquired::NeedsConsent(pending) => pending,
        other => panic!("{other:?}"),
    }
}

/// A client, and what its sessions are bound with.
fn bound(server: &Server) -> (IdentityClient, SessionBinding) {
    let binding = SessionBinding::new();
    let client = IdentityClient::builder().with_platform(server.agentkit()).with_session_binding(binding.clone());
    (client.build().unwrap(), binding)
}

fn record(flow: &str, client_id: &str) -> Value {
    json!({ "Name": "feishu", "Vendor": 4, "Config": { "ClientId": client_id, "Flow": flow, "Scopes": ["docx:document:readonly"], "RedirectUrl": CALLBACK } })
}

#[tokio::test]
async fn w3_the_authorization_url_is_passed_on_byte_for_byte() {
    let server = Server::script(vec![needs_consent()]).await;
    let pending = pending(&client(server.agentkit()), &alice()).await;
    assert_eq!(pending.authorization_url(), link("abc%2Bdef%26evil%3D1"));
}

#[tokio::test]
async fn w18_a_poll_is_the_first_question_with_its_session_and_without_force() {
    let server = Server::script(vec![needs_consent(), json!({ "AccessToken": "u-token", "ExpiresIn": 7200 })]).await;
    let client = client(server.agentkit());
    let pending = pending(&client, &alice()).await;
    let Acquired::Ready(token) = client.resume::<AccessToken>(pending).acquire().await.unwrap() else { panic!() };
    assert_eq!(token.expose_secret(), "u-token");
    assert!(token.expires_at().is_some(), "the lifetime is not thrown away");
    let asked = server.asked("GetResourceOauth2Token");
    let first = json!({
        "ProviderName": "feishu", "IdentityToken": "workload-1", "Flow": "USER_FEDERATION",
        "Scopes": ["docx:document:readonly"], "CustomState": "state-of-mine-1234567890",
        "ResourceOauth2ReturnUrl": RETURN_URL,
    });
    assert_eq!(asked[0].json(), first);
    let mut poll = first;
    poll["SessionUri"] = json!("urn:ietf:params:oauth:request_uri:S1");
    assert_eq!(asked[1].json(), poll);
}

#[tokio::test]
async fn w17_custom_parameters_are_spelt_as_the_api_does_also_in_polls() {
    let server = Server::script(vec![needs_consent(), json!({ "AccessToken": "t" })]).await;
    let client = client(server.agentkit());
    let request = client.access_token("github").for_user(&alice()).with_custom_parameter("prompt", "consent");
    let Acquired::NeedsConsent(pending) = request.acquire().await.unwrap() else { panic!() };
    client.resume::<AccessToken>(pending).acquire().await.unwrap();
    for seen in server.asked("GetResourceOauth2Token") {
        assert_eq!(seen.json()["CustomParameters"], json!({ "Entries": [{ "Key": "prompt", "Value": "consent" }] }));
    }
}

#[tokio::test]
async fn w19_the_wait_is_sixty_seconds_unless_told_otherwise_and_its_end_says_what_to_check() {
    let server = Server::script(vec![needs_consent()]).await;
    let client =
        IdentityClient::builder().with_platform(server.agentkit()).accept_unbound_consent("a test").build().unwrap();
    assert_eq!(identity_client::DEFAULT_CONSENT_TIMEOUT, Duration::from_secs(60));
    let request = client.access_token("feishu").for_user(&alice()).on_auth_url(|_: PendingAuthorization| ());
    let error = request.with_timeout(Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationTimedOut);
    // The words of the platform's tutorial, with the window that was really waited.
    let words = "OAuth2 auth polling timed out after 2 seconds. User may not have completed authorization.";
    assert!(error.to_string().starts_with(words), "{error}");
    let Some(Trouble::ConsentTimeout { provider, waited, .. }) = Trouble::of(&error) else { panic!("{error}") };
    assert_eq!((provider.as_str(), *waited), ("feishu", Duration::from_secs(2)));
    assert!(error.is_retryable() && error.pending().is_some(), "the wait can go on");
    for cause in ["redirect_uri error", "state mismatch", "remember the consent", "published"] {
        assert!(error.hint().unwrap().contains(cause), "{cause}: {error}");
    }
    let asked = server.asked("GetResourceOauth2Token");
    assert!(asked.len() >= 2 && asked.iter().skip(1).all(|seen| seen.json()["IdentityToken"] == "workload-1"));
}

#[tokio::test]
async fn force_really_replaces_the_old_token() {
    let mut asked = 0;
    let server = Server::new(move |seen| {
        if seen.action() == "GetOauth2CredentialProvider" {
            return ok(&record("USER_FEDERATION", "cli_1"));
        }
        asked += 1;
        match asked {
            // What is there before; then the forced question; then a poll that the vault answers with the old one.
            1 | 3 => ok(&json!({ "AccessToken": "old-token", "ExpiresIn": 7200 })),
            2 => ok(&needs_consent()),
            _ => ok(&json!({ "AccessToken": "new-token", "ExpiresIn": 7200 })),
        }
    })
    .await;
    let client = client(server.agentkit());
    let request = client.access_token("feishu").for_user(&alice()).with_force(true);
    let Acquired::NeedsConsent(pending) = request.acquire().await.unwrap() else { panic!("the user is asked") };
    let text = serde_json::to_string(&pending).unwrap();
    assert!(!text.contains("old-token"));
    let still = client.resume::<AccessToken>(pending.clone()).acquire().await.unwrap();
    assert!(matches!(still, Acquired::NeedsConsent(_)), "the old one is no answer");
    let Acquired::Ready(token) = client.resume::<AccessToken>(pending).acquire().await.unwrap() else { panic!() };
    assert_eq!(token.expose_secret(), "new-token");
    let forced: Vec<bool> =
        server.asked("GetResourceOauth2Token").iter().map(|seen| seen.body.contains("ForceAuthentication")).collect();
    assert_eq!(forced, [false, true, false, false]);
}

#[tokio::test]
async fn the_link_is_looked_at_with_the_provider_s_record_before_anybody_sees_it() {
    for (record, link, wanted) in [
        (record("M2M", "cli_1"), link("s"), "FlowMismatch"),
        (record("USER_FEDERATION", "cli_2"), link("s"), "ClientIdMismatch"),
        (record("USER_FEDERATION", "cli_1"), link("s").replace("oauth2callback", "elsewhere"), "CallbackMisconfigured"),
        (record("USER_FEDERATION", "cli_1"), link("s").replace("offline_access", "openid"), "ScopeNotSupported"),
    ] {
        let answer = json!({ "AuthorizationUrl": link });
        let server = Server::new(move |seen| match seen.action() {
            "GetOauth2CredentialProvider" => ok(&record),
            _ => ok(&answer),
        })
        .await;
        let agentkit = server.builder().with_callback_url(CALLBACK).build().unwrap();
        let told = |_: PendingAuthorization| -> () { panic!("nobody is told") };
        let error = client(agentkit).access_token("feishu").for_user(&alice()).on_auth_url(told).await.unwrap_err();
        let found = format!("{:?}", Trouble::of(&error));
        assert!(found.contains(wanted), "{wanted}: {error}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn m2m_never_shows_a_link_and_names_the_wrong_flow() {
    let server = Server::script(vec![needs_consent()]).await;
    let error = client(server.agentkit()).access_token("svc").await.unwrap_err();
    assert!(matches!(Trouble::of(&error), Some(Trouble::FlowMismatch { .. })), "{error}");
    assert!(error.pending().is_none());
    let server = Server::new(|seen| match seen.action() {
        "GetOauth2CredentialProvider" => ok(&record("M2M", "c")),
        _ => ok(&json!({})),
    })
    .await;
    let error = client(server.agentkit()).access_token("svc").for_user(&alice()).await.unwrap_err();
    assert!(matches!(Trouble::of(&error), Some(Trouble::FlowMismatch { .. })), "{error}");
    let error = client(server.agentkit()).access_token("svc").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn w18_a_consent_is_completed_once_its_user_has_come_back_with_what_began_it() {
    for (user, identifier) in [
        (alice(), json!({ "UserID": "user-0001" })),
        (alice().with_token("eyJ.one.sig").unwrap(), json!({ "UserToken": "eyJ.one.sig" })),
    ] {
        let mut complete = false;
        let server = Server::new(move |seen| match seen.action() {
            "GetOauth2CredentialProvider" => refused(403, "AccessDenied", "no"),
            "CompleteResourceTokenAuth" => {
                complete = true;
                ok(&json!(null))
            }
            _ if complete => ok(&json!({ "AccessToken": "u-token" })),
            _ => ok(&needs_consent()),
        })
        .await;
        let (client, binding) = bound(&server);
        let pending = pending(&client, &user).await;
        let state = pending.parts().custom_state.clone().unwrap();
        let waiting = client.resume::<AccessToken>(pending.clone()).acquire().await.unwrap();
        assert!(matches!(waiting, Acquired::NeedsConsent(_)));
        assert_eq!(server.asked("CompleteResourceTokenAuth").len(), 0, "not before the user has come back");
        // As the return URL's route does; nobody waits for the consent then.
        let confirmed = binding.confirm(&state, &alice()).unwrap();
        binding.complete(&confirmed).await.unwrap();
        let Acquired::Ready(token) = client.resume::<AccessToken>(pending).acquire().await.unwrap() else { panic!() };
        assert_eq!(token.expose_secret(), "u-token");
        let told = server.asked("CompleteResourceTokenAuth");
        assert_eq!(told.len(), 1, "the platform is told once");
        let body = json!({ "SessionUri": "urn:ietf:params:oauth:request_uri:S1", "UserIdentifier": identifier });
        assert_eq!(told[0].json(), body);
    }
}

#[tokio::test]
async fn w18_the_poller_completes_if_the_return_url_could_not() {
    let mut told = 0;
    let server = Server::new(move |seen| match seen.action() {
        "GetOauth2CredentialProvider" => refused(403, "AccessDenied", "no"),
        "CompleteResourceTokenAuth" => {
            told += 1;
            if told == 1 { refused(503, "ServiceFailure", "later") } else { ok(&json!({})) }
        }
        _ if told > 1 => ok(&json!({ "AccessToken": "u-token" })),
        _ => ok(&needs_consent()),
    })
    .await;
    let (client, binding) = bound(&server);
    let waiting = pending(&client, &alice()).await;
    let confirmed = binding.confirm(waiting.parts().custom_state.as_deref().unwrap(), &alice()).unwrap();
    binding.complete(&confirmed).await.unwrap_err();
    let token = client.resume::<AccessToken>(waiting).with_timeout(Duration::from_secs(20)).await.unwrap();
    assert_eq!(token.expose_secret(), "u-token");
    eventually(|| server.asked("CompleteResourceTokenAuth").len() == 2).await;
}

#[tokio::test]
async fn a_consent_that_began_with_a_user_s_token_is_never_gone_on_with_by_id() {
    let server = Server::script(vec![needs_consent()]).await;
    let begun = pending(&client(server.agentkit()), &alice().with_token("eyJ.one.sig").unwrap()).await;
    let text = serde_json::to_string(&begun).unwrap();
    let elsewhere: PendingAuthorization = serde_json::from_str(&text).unwrap();
    // Another process: it has neither the token nor the workload token.
    let agentkit = server.agentkit();
    let error = client(agentkit.clone()).resume::<AccessToken>(elsewhere.clone()).acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthorizationExpired);
    assert_eq!(agentkit.complete(&elsewhere).await.unwrap_err().kind(), ErrorKind::AuthorizationExpired);
    assert!(server.asked("GetWorkloadAccessTokenForUserId").is_empty());
    // One that began with an id can go on anywhere, in the same region.
    let begun = pending(&client(server.agentkit()), &alice()).await;
    let elsewhere: PendingAuthorization = serde_json::from_str(&serde_json::to_string(&begun).unwrap()).unwrap();
    let resumed = client(server.agentkit()).resume::<AccessToken>(elsewhere.clone()).acquire().await.unwrap();
    assert!(matches!(resumed, Acquired::NeedsConsent(_)));
    let other = server.builder().with_region("cn-shanghai").build().unwrap();
    let error = client(other).resume::<AccessToken>(elsewhere).acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_session_that_the_vault_no_longer_knows_is_over() {
    let mut asked = 0;
    let server = Server::new(move |_| {
        asked += 1;
        if asked <= 2 { ok(&needs_consent()) } else { refused(404, "NotFound", "session not found") }
    })
    .await;
    let client = client(server.agentkit());
    let pending = pending(&client, &alice()).await;
    let error = client.resume::<AccessToken>(pending).acquire().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::AuthorizationExpired, Some(404)));
}

#[tokio::test]
async fn a_return_url_that_no_browser_reaches_is_refused_before_anything_is_sent() {
    let server = Server::script(vec![needs_consent()]).await;
    let client = client(server.agentkit());
    for url in ["https://sd1.apigateway-cn-beijing.volceapi.com/back", CALLBACK, "http://app.example.com/back"] {
        let request = client.access_token("feishu").for_user(&alice()).with_return_url(url);
        assert_eq!(request.acquire().await.unwrap_err().kind(), ErrorKind::InvalidRequest, "{url}");
    }
    let error = client.api_key("weather").for_user(&alice()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_unknown_provider_is_named_with_those_that_there_are() {
    let server = Server::new(|seen: &Seen| -> Reply {
        match seen.action() {
            "ListCredentialProviders" => ok(&json!({ "TotalCount": 3, "CredentialProviders": [
                { "Name": "weather_key" }, { "Name": "feishu_oauth" }, { "Name": "svc" }
            ] })),
            _ => refused(404, "NotFound", "Credential provider not found"),
        }
    })
    .await;
    let error = client(server.agentkit()).access_token("feishu_oath").for_user(&alice()).await.unwrap_err();
    let Some(Trouble::ProviderNotFound { found, pool, region, .. }) = Trouble::of(&error) else { panic!("{error}") };
    assert_eq!((found[0].as_str(), pool.as_str(), region.as_str()), ("feishu_oauth", "default", "cn-beijing"));
    assert_eq!(
        (error.kind(), error.status(), error.request_id()),
        (ErrorKind::NotFound, Some(404), Some("2026SYNTHETIC01"))
    );
    assert!(error.to_string().contains("feishu_oauth"), "{error}");
}
