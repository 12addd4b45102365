//! What belongs to one user: a consent that the application hands over, and credentials of its own making.

use identity_client::{
    Acquired, ErrorKind, HttpOptions, PendingAuthorization, SecretString, User,
    agentkit::{AgentKit, Returned},
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{Reply, Seen, Server, alice, client, link, ok, quick, refused};

const STATE: &str = "state-1/+ of alice";
const CODE: &str = "secret-code";

/// A consent that has begun, on a server that then answers the callback like this.
async fn begun(
    user: &User,
    mut answer: impl FnMut() -> Reply + Send + 'static,
) -> (Server, AgentKit, PendingAuthorization) {
    let state: String = url::form_urlencoded::byte_serialize(STATE.as_bytes()).collect();
    let server = Server::new(move |seen| match seen.action() {
        "GetOauth2CredentialProvider" => refused(403, "AccessDenied", "no"),
        "Oauth2Callback" => answer(),
        _ => ok(&json!({ "AuthorizationUrl": link(&state), "SessionUri": "urn:session:1" })),
    })
    .await;
    let agentkit = server.builder().with_http(HttpOptions::new().with_retry(quick(4))).build().unwrap();
    let acquired = client(agentkit.clone()).access_token("feishu").for_user(user).acquire().await.unwrap();
    let Acquired::NeedsConsent(pending) = acquired else { panic!("consent is missing") };
    (server, agentkit, pending)
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

#[tokio::test]
async fn a_consent_is_handed_over_with_the_workload_token_that_began_it() {
    let user = alice().with_token("eyJ.one.sig").unwrap();
    let (server, agentkit, pending) = begun(&user, || ok(&json!({ "AccessToken": "u-token" }))).await;
    let token = agentkit.hand_over(&pending, &secret(STATE), Returned::Code(&secret(CODE))).await.unwrap().unwrap();
    assert_eq!(token.expose_secret(), "u-token");
    let sent: Vec<Value> = server.asked("Oauth2Callback").iter().map(Seen::json).collect();
    assert_eq!(sent, [json!({ "Code": CODE, "IdentityToken": "workload-1", "State": STATE })]);
    assert_eq!(server.asked("GetWorkloadAccessTokenForJWT").len(), 1, "no second one");

    let (server, agentkit, pending) = begun(&user, || ok(&json!({}))).await;
    let token = agentkit.hand_over(&pending, &secret(STATE), Returned::Error("access_denied")).await.unwrap();
    assert!(token.is_none());
    let sent = server.asked("Oauth2Callback")[0].json();
    assert_eq!(sent, json!({ "Error": "access_denied", "IdentityToken": "workload-1", "State": STATE }));
}

#[tokio::test]
async fn the_state_of_another_consent_is_refused_before_anything_is_sent() {
    let (server, agentkit, pending) = begun(&alice(), || ok(&json!({ "AccessToken": "u-token" }))).await;
    for state in ["", "another", "state-1", "state-1%2F%2B%20of%20alice"] {
        let error = agentkit.hand_over(&pending, &secret(state), Returned::Code(&secret(CODE))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthorizationDenied);
        assert!(!format!("{error} {error:?}").contains("of alice"), "{error}");
    }
    assert!(server.asked("Oauth2Callback").is_empty());
}

#[tokio::test]
async fn a_hand_over_is_not_repeated_and_its_refusal_is_clean() {
    for reply in [Reply::Reset, refused(500, "InternalError", "x"), refused(200, "InternalError", "x")] {
        let mut reply = Some(reply);
        let (server, agentkit, pending) =
            begun(&alice(), move || reply.take().unwrap_or_else(|| ok(&json!({ "AccessToken": "u-token" })))).await;
        agentkit.hand_over(&pending, &secret(STATE), Returned::Code(&secret(CODE))).await.unwrap_err();
        assert_eq!(server.asked("Oauth2Callback").len(), 1);
    }
    let echo = || refused(404, "NotFound", "no session for secret-code, state-1/+ of alice and workload-1");
    let (_server, agentkit, pending) = begun(&alice(), echo).await;
    let error = agentkit.hand_over(&pending, &secret(STATE), Returned::Code(&secret(CODE))).await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::AuthorizationExpired, Some("2026SYNTHETIC01")));
    let text = format!("{error} {error:?}");
    assert!(!text.contains(CODE) && !text.contains("of alice") && !text.contains("workload-1"), "{text}");
}

#[tokio::test]
async fn credentials_of_a_user_are_kept_with_a_workload_token_of_that_user() {
    let server = Server::new(|seen| match seen.action() {
        "GetUserCredential" => ok(&json!({
            "CredentialId": "c-1", "CredentialData": "{\"password\":\"hush\"}",
            "CreatedAt": "2026-01-02T03:04:05Z", "UpdatedAt": "2026-01-02T03:04:05Z",
        })),
        "CreateUserCredential" => ok(&json!({ "CredentialId": "c-1" })),
        _ => ok(&json!(null)),
    })
    .await;
    let agentkit = server.builder().with_provider_pool("team").build().unwrap();
    let (credentials, data) = (agentkit.user_credentials(), secret("{\"password\":\"hush\"}"));
    assert_eq!(credentials.create(&alice(), None, &data).await.unwrap(), "c-1");
    let found = credentials.get(&alice(), "c-1").await.unwrap();
    assert_eq!((found.id.as_str(), found.data.expose_secret()), ("c-1", data.expose_secret()));
    assert!(found.created_at.is_some() && !format!("{found:?}").contains("hush"));
    credentials.update(&alice(), "c-1", &data).await.unwrap();
    credentials.delete(&alice(), "c-1").await.unwrap();

    let sent = |action: &str| server.asked(action)[0].json();
    let named = json!({ "CredentialId": "c-1", "IdentityToken": "workload-1", "PoolName": "team" });
    assert_eq!(sent("GetUserCredential"), named);
    assert_eq!(sent("DeleteUserCredential"), named);
    let mut whole = named.clone();
    whole["CredentialData"] = json!(data.expose_secret());
    assert_eq!(sent("UpdateUserCredential"), whole);
    whole.as_object_mut().unwrap().remove("CredentialId");
    assert_eq!(sent("CreateUserCredential"), whole);
    let named: Vec<Value> = server.asked("GetWorkloadAccessTokenForUserId").iter().map(Seen::json).collect();
    assert_eq!(named, [json!({ "Name": "my-agent", "UserId": "user-0001" })]);
}

#[tokio::test]
async fn w30_a_user_s_credential_is_made_once_and_w29_no_refusal_repeats_it() {
    for reply in [Reply::Reset, Reply::Truncated, refused(500, "InternalError", "x")] {
        let mut reply = Some(reply);
        let server = Server::new(move |_| reply.take().unwrap_or_else(|| ok(&json!({ "CredentialId": "c-1" })))).await;
        let agentkit = server.builder().with_http(HttpOptions::new().with_retry(quick(4))).build().unwrap();
        agentkit.user_credentials().create(&alice(), None, &secret("hush")).await.unwrap_err();
        assert_eq!(server.asked("CreateUserCredential").len(), 1);
    }
    let server = Server::new(|_| refused(200, "NotFound", "hush of workload-1 is not there")).await;
    let credentials = server.agentkit().user_credentials();
    let error = credentials.update(&alice(), "c-1", &secret("hush")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NotFound")));
    assert!(!error.to_string().contains("hush") && !error.to_string().contains("workload-1"), "{error}");
    let before = server.seen().len();
    for (id, data) in [("", "x"), ("c-1", " ")] {
        let error = credentials.update(&alice(), id, &secret(data)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    assert_eq!(server.seen().len(), before, "nothing of these was sent");
}
