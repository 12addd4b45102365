//! A user's consent: the link, its confirmation, polling to its end, and what is kept of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use identity_client::{
    AccessToken, Acquired, ErrorKind, IdentityClient, PendingAuthorization, SessionBinding, User, Wait,
};
use serde_json::json;

use crate::support::{RETURN_URL, Reply, SESSION, Server, USER_TOKEN, alice, consent, refused};

fn shown() -> User {
    alice().with_token(USER_TOKEN).unwrap()
}

/// Gives the token once the consent has been confirmed.
async fn binding_server() -> Server {
    let mut confirmed = false;
    Server::new(move |seen| match seen.action() {
        "CompleteResourceTokenAuth" => {
            confirmed = true;
            Some(Reply::json(200, &json!({ "RequestId": "r" })))
        }
        "GetResourceOAuth2Token" if confirmed => {
            Some(Reply::json(200, &json!({ "AccessToken": "token-1", "ExpiresIn": 3600 })))
        }
        "GetResourceOAuth2Token" => Some(Reply::json(200, &consent())),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn the_router_confirms_and_the_token_comes() {
    for user in [alice(), shown()] {
        let server = binding_server().await;
        let binding = SessionBinding::new();
        let client = IdentityClient::builder()
            .with_platform(server.platform())
            .with_session_binding(binding.clone())
            .build()
            .unwrap();
        let told: Arc<Mutex<Option<PendingAuthorization>>> = Arc::default();
        let (noted, confirming, who) = (Arc::clone(&told), binding.clone(), user.clone());
        let tell = move |pending: PendingAuthorization| {
            let state = pending.parts().custom_state.clone().unwrap();
            *noted.lock().unwrap() = Some(pending);
            let (binding, user) = (confirming.clone(), who.clone());
            tokio::spawn(async move {
                let confirmed = binding.confirm(&state, &user).unwrap();
                binding.complete(&confirmed).await.unwrap();
            });
        };
        let request = client.access_token("p").for_user(&user).with_return_url(RETURN_URL).with_scopes(["openid"]);
        let token = request.on_auth_url(tell).with_timeout(Duration::from_secs(20)).await.unwrap();
        assert_eq!(token.expose_secret(), "token-1");
        let completed = server.asked("CompleteResourceTokenAuth");
        assert_eq!(completed.len(), 1, "told once");
        let form = completed[0].form();
        let identifier =
            if user.token().is_some() { json!({ "UserJWT": USER_TOKEN }) } else { json!({ "UserId": "alice" }) };
        assert_eq!((form["SessionURI"].as_str(), form["UserIdentifier"].clone()), (SESSION, identifier.to_string()));
        let pending = told.lock().unwrap().take().unwrap();
        let polled = server.asked("GetResourceOAuth2Token").pop().unwrap().form();
        assert_eq!(polled["SessionURI"], SESSION);
        assert_eq!(polled["CustomState"], *pending.parts().custom_state.as_ref().unwrap());
        assert_eq!(
            (polled["ForceAuthentication"].as_str(), polled["ResourceOAuth2ReturnURL"].as_str()),
            ("False", RETURN_URL)
        );
    }
}

async fn pending(client: &IdentityClient, user: &User) -> PendingAuthorization {
    match client.access_token("p").for_user(user).acquire().await.unwrap() {
        Acquired::NeedsConsent(pending) => pending,
        _ => panic!("consent is missing"),
    }
}

#[tokio::test]
async fn w8_polling_ends_with_a_final_answer_and_says_why() {
    for (answer, kind) in [
        (refused(403, "NoPermission"), ErrorKind::PermissionDenied),
        (refused(404, "EntityNotExists.Session"), ErrorKind::AuthorizationExpired),
        (Reply::json(200, &json!({ "SessionStatus": "FAILED" })), ErrorKind::AuthorizationDenied),
        (Reply::json(200, &json!({ "SessionStatus": "expired" })), ErrorKind::AuthorizationExpired),
    ] {
        let mut answers = vec![answer, Reply::json(200, &consent())];
        let server =
            Server::new(move |seen| (seen.action() == "GetResourceOAuth2Token").then(|| answers.pop().unwrap())).await;
        let client = server.client();
        let error =
            client.access_token("p").for_user(&alice()).on_auth_url(|_: PendingAuthorization| ()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(server.asked("GetResourceOAuth2Token").len(), 2);
    }
    // A status that nobody knows is no end.
    let mut answers = vec![
        Reply::json(200, &json!({ "AccessToken": "t", "SessionStatus": "NEW" })),
        Reply::json(200, &json!({ "SessionStatus": "CALLBACK_RECEIVED" })),
        Reply::json(200, &consent()),
    ];
    let server =
        Server::new(move |seen| (seen.action() == "GetResourceOAuth2Token").then(|| answers.pop().unwrap())).await;
    server.client().access_token("p").for_user(&alice()).on_auth_url(|_: PendingAuthorization| ()).await.unwrap();
}

#[tokio::test]
async fn w2_a_consent_begun_with_a_token_is_not_resumed_without_it() {
    let server = Server::answering(200, consent()).await;
    let client = server.client();
    let pending = pending(&client, &shown()).await;
    let text = serde_json::to_string(&pending).unwrap();
    assert!(!text.contains(USER_TOKEN));
    let sent = server.seen().len();
    let restored: PendingAuthorization = serde_json::from_str(&text).unwrap();
    let error = client.resume::<AccessToken>(restored).acquire().await.unwrap_err();
    assert_eq!((error.kind(), server.seen().len()), (ErrorKind::AuthorizationExpired, sent), "{error}");
    assert!(client.resume::<AccessToken>(pending).acquire().await.is_ok());
    assert!(server.asked("GetWorkloadAccessTokenForUserId").is_empty());
}

#[tokio::test]
async fn a_link_needs_a_session_and_a_forced_consent_is_not_repeated() {
    let server = Server::answering(200, json!({ "AuthorizationURL": "https://x.example.com/" })).await;
    let error = server.client().access_token("p").for_user(&alice()).acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let server = Server::answering(200, consent()).await;
    let client = server.client();
    let forced = client.access_token("p").for_user(&alice()).with_force(true).with_wait(Wait::Return);
    let error = forced.await.unwrap_err();
    assert!(error.pending().is_some());
    assert_eq!(server.asked("GetResourceOAuth2Token")[0].form()["ForceAuthentication"], "True");
}

#[tokio::test]
async fn api_keys_are_the_agents_own_and_an_exchange_needs_a_user() {
    let server = Server::answering(200, json!({ "APIKey": "k" })).await;
    let client = server.client();
    assert_eq!(client.api_key("p").for_user(&alice()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let error = client.access_token("p").with_audience("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn custom_parameters_have_each_a_name_of_its_own() {
    let server = Server::answering(200, consent()).await;
    let client = server.client();
    for names in [["prompt", "prompt"], ["prompt", ""]] {
        let mut request = client.access_token("calendar").for_user(&alice());
        for name in names {
            request = request.with_custom_parameter(name, "x");
        }
        let error = request.acquire().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    }
    assert!(server.asked("GetResourceOAuth2Token").is_empty());
}
