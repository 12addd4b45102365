//! Acting for users: in exchange for the token that each shows, and never with another's.

use identity_client::{
    Environment, Error, ErrorKind, Flow, IdentityClient, RequestContext, User,
    idaas::{AUTHORIZATION_SERVER, AccessKeySource, ClientAuthentication, CloudKey, SecretSource},
};
use serde_json::json;

use crate::support::{Reply, SCOPE, Server, USER_TOKEN, client, issue, key, user};

#[tokio::test]
async fn w21_no_user_is_ever_given_what_was_asked_with_the_token_of_another() {
    // The key says with whose token it was asked for.
    let server = Server::new(|seen| key(seen.bearer().unwrap().split('.').nth(1).unwrap())).await;
    let client = server.client();
    // Two clients over one process, and one client, with many users at once.
    let other = server.client();
    let asked = (0..60).map(|index| {
        let client = if index % 2 == 0 { client.clone() } else { other.clone() };
        async move {
            let name = format!("user-{}", index % 20);
            let key = client.api_key("llm_api_key").for_user(&user(&name)).await.unwrap();
            assert_eq!(key.expose_secret(), format!("AT_u_{name}"));
        }
    });
    futures_util::future::join_all(asked).await;
    let agent = client.api_key("llm_api_key").for_agent().await.unwrap();
    assert_eq!(agent.expose_secret(), "agent");
    for call in server.calls() {
        assert!(!call.headers["authorization"].contains('\n'), "one bearer a request");
    }
}

#[tokio::test]
async fn w21_one_user_with_two_tokens_is_exchanged_twice() {
    let server = Server::new(|seen| key(seen.bearer().unwrap())).await;
    let client = server.client();
    let alice = |token: &str| User::asserted("alice").unwrap().with_token(token.to_owned()).unwrap();
    for token in ["AT_u_one", "AT_u_two", "AT_u_one"] {
        let key = client.api_key("llm_api_key").for_user(&alice(token)).await.unwrap();
        assert!(key.expose_secret().contains(token));
    }
    assert_eq!(server.token_calls().len(), 2);
}

#[tokio::test]
async fn a_user_without_a_token_is_an_error_before_anything_is_sent() {
    let server = Server::new(|_| key("sk-1")).await;
    let client = server.client();
    let alice = User::asserted("alice").unwrap();
    for error in [
        client.api_key("llm_api_key").for_user(&alice).await.map(drop).unwrap_err(),
        client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).for_user(&alice).await.map(drop).unwrap_err(),
        client.access_token("github").for_user(&alice).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::UserMissing);
        assert!(error.to_string().contains("with_token"), "{error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_user_is_exchanged_by_either_flow_and_an_audience_goes_before_bare_permissions() {
    let server = Server::new(|_| key("sk-1")).await;
    let client = server.client();
    let alice = user("alice");
    let ask = || client.access_token(AUTHORIZATION_SERVER);
    ask().with_scopes([SCOPE]).for_user(&alice).await.unwrap();
    ask().with_scopes([SCOPE]).on_behalf_of(&alice).await.unwrap();
    ask().with_scopes(["read:file"]).on_behalf_of(&alice).with_audience("https://api.example.com").await.unwrap();
    for call in server.token_calls() {
        let form = call.form();
        assert_eq!((form["scope"].as_str(), form["subject_token"].as_str()), (SCOPE, "AT_u_alice"));
    }
    let error = client.access_token("github").on_behalf_of(&alice).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn w23_a_users_token_that_is_refused_is_the_users_matter_and_stops_nobody_else() {
    for (status, code) in [(400, "invalid_grant"), (401, "invalid_token"), (400, "invalid_request")] {
        let server = Server::raw(move |seen| {
            let form = seen.form();
            match form.get("subject_token").map(String::as_str) {
                Some("AT_u_alice") => {
                    let body =
                        json!({ "error": code, "error_description": "AT_u_alice has expired", "request_id": "RID-9" });
                    Reply::json(status, &body)
                }
                _ => Reply::json(200, &issue("t", 60)),
            }
        })
        .await;
        let client = server.client();
        let ask = |name: &str| client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).for_user(&user(name));
        let error = ask("alice").await.map(drop).unwrap_err();
        assert_eq!(
            (error.kind(), error.code(), error.request_id()),
            (ErrorKind::Unauthenticated, Some(code), Some("RID-9"))
        );
        assert!(error.hint().unwrap().contains("sign in again") && !error.to_string().contains("AT_u"), "{error}");
        ask("bob").await.unwrap();
        client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).await.unwrap();
    }
}

#[tokio::test]
async fn w31_the_openapi_exchanges_a_users_token_too() {
    let server = Server::raw(|seen| {
        if seen.query.contains_key("InstanceId") {
            let whose = seen.query.get("SubjectToken").map_or("agent", String::as_str);
            return Reply::json(200, &json!({ "RequestId": "R", "TokenResponse": { "AccessToken": format!("AT.{whose}"), "TokenType": "Bearer", "ExpiresIn": 3600 } }));
        }
        key(seen.bearer().unwrap())
    })
    .await;
    let source =
        AccessKeySource::fixed(CloudKey::temporary("STS.synthetic0001", "SKsynthetic", "STSsyntheticSecurityToken"));
    let idaas = server
        .builder()
        .with_authentication(ClientAuthentication::open_api(source))
        .with_open_api_endpoint(server.origin())
        .build()
        .unwrap();
    let client = client(idaas);
    let alice = User::asserted("alice").unwrap().with_token(USER_TOKEN).unwrap();
    let key = client.api_key("llm_api_key").for_user(&alice).await.unwrap();
    assert_eq!(key.expose_secret(), format!("AT.{USER_TOKEN}"));
    let key = client.api_key("llm_api_key").for_agent().await.unwrap();
    assert_eq!(key.expose_secret(), "AT.agent");
    let asked = &server.seen()[0];
    assert_eq!(asked.headers["x-acs-security-token"], "STSsyntheticSecurityToken");
    assert_eq!(asked.query["ScopeValues.1"], "credential:obtain");
}

#[tokio::test]
async fn the_actors_token_goes_with_an_exchange_and_with_nothing_else() {
    let server = Server::new(|_| key("sk-1")).await;
    let idaas = server.builder().with_actor_token(SecretSource::given("AT_actor")).build().unwrap();
    let client = client(idaas);
    client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).await.unwrap();
    client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).for_user(&user("alice")).await.unwrap();
    let forms: Vec<_> = server.token_calls().iter().map(|call| call.form().get("actor_token").cloned()).collect();
    assert_eq!(forms, [None, Some("AT_actor".to_owned())]);
    assert_eq!(server.token_calls()[1].form()["actor_token_type"], "urn:ietf:params:oauth:token-type:access_token");
}

#[tokio::test]
async fn whose_an_api_key_is_that_nobody_named_is_said_by_the_configuration() {
    let server = Server::new(|seen| key(seen.bearer().unwrap().split('.').nth(1).unwrap())).await;
    let context = RequestContext::new().with_user(user("alice"));
    let asked = |client: IdentityClient| {
        let context = context.clone();
        async move { client.api_key("llm_api_key").with_context(context).await.map(|key| key.expose_secret().to_owned()) }
    };
    assert_eq!(asked(server.client()).await.unwrap(), "agent");
    let human = server.builder().with_api_key_flow(Flow::UserFederation).build().unwrap();
    assert_eq!(asked(client(human)).await.unwrap(), "AT_u_alice");
    let environment = Environment::of([("ACCESS_IDENTITY", "Human")]);
    let human = server.builder().with_environment(&environment).build().unwrap();
    assert_eq!(asked(client(human)).await.unwrap(), "AT_u_alice");
    let error = client(server.builder().with_api_key_flow(Flow::UserFederation).build().unwrap());
    let error: Error = error.api_key("llm_api_key").await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserMissing);
}
