//! What the developer API has beside credentials for handlers.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use identity_client::{
    ErrorKind, SecretString,
    idaas::{ClientAuthentication, Idaas, NewJwt, SecretSource, TokenFilter},
};
use serde_json::json;

use crate::support::{Reply, Server, client, key, user};

#[tokio::test]
async fn w18_revoking_succeeds_with_and_without_a_body() {
    for reply in [(200, "{}"), (200, ""), (204, "")] {
        let server = Server::new(move |_| Reply::text(reply.0, reply.1)).await;
        let tokens = server.idaas().authentication_tokens();
        let token = SecretString::from("eyJ.synthetic.jwt");
        tokens.revoke(&token).await.unwrap();
        tokens.reinstate(&token).await.unwrap();
        tokens.revoke_by_consumer("app_1", "jwt_provider").await.unwrap();
        tokens.reinstate_by_consumer("app_1", "jwt_provider").await.unwrap();
        assert!(
            server
                .token_calls()
                .iter()
                .all(|call| call.form()["scope"] == "urn:cloud:idaas:pam|authentication_token:manage")
        );
        assert_eq!(server.token_calls().len(), 1);
    }
}

#[tokio::test]
async fn w18_a_credential_of_another_kind_or_state_is_an_error_and_not_nothing() {
    for (body, kind) in [
        (
            json!({ "credentialType": "oauth_client", "credentialContent": { "oauthClientContent": { "clientId": "cid", "clientSecret": "csec" } } }),
            ErrorKind::Unsupported,
        ),
        (
            json!({ "credentialType": "api_key", "status": "disabled", "credentialContent": { "apiKeyContent": { "apiKey": "sk" } } }),
            ErrorKind::PermissionDenied,
        ),
        (json!({ "credentialType": "api_key" }), ErrorKind::Protocol),
        (json!({ "credentialContent": { "apiKeyContent": { "apiKey": " " } } }), ErrorKind::Protocol),
    ] {
        let server = Server::new(move |_| Reply::json(200, &body)).await;
        let error = server.client().api_key("llm_api_key").for_agent().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("csec"));
    }
}

#[tokio::test]
async fn w17_every_form_of_an_error_is_told_as_it_is() {
    for (status, body, kind, word) in [
        (
            404,
            json!({ "Code": "ResourceNotFound.Credential", "Message": "credential not found", "RequestId": "RID-2" }),
            ErrorKind::NotFound,
            "identifier",
        ),
        (404, json!({ "code": "404", "message": "nf", "requestId": "RID-5" }), ErrorKind::NotFound, "identifier"),
        (400, json!({ "error": "credential_not_found" }), ErrorKind::NotFound, "identifier"),
        (
            403,
            json!({ "error": "access_denied", "error_description": "no data permission", "request_id": "RID-1b" }),
            ErrorKind::PermissionDenied,
            "credential:obtain",
        ),
        (400, json!({ "Code": "Throttling", "Message": "slow" }), ErrorKind::RateLimited, "wait"),
        (500, json!({ "error": "server_error" }), ErrorKind::Unavailable, "later"),
    ] {
        let server = Server::new(move |_| Reply::json(status, &body)).await;
        let error = server.client().api_key("llm_api_key").for_agent().await.map(drop).unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{error}");
        assert!(error.hint().unwrap().contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_jwt_is_made_once_and_a_list_is_read_to_its_end() {
    let server = Server::new(|seen| {
        if seen.path.ends_with("generateJwt") {
            return Reply::text(503, "");
        }
        let page = seen.query.get("nextToken").map_or(1, |next| next.parse::<u32>().unwrap());
        let next = if page < 3 { (page + 1).to_string() } else { String::new() };
        Reply::json(200, &json!({ "entities": [{ "authenticationTokenId": format!("atntkn_{page}"), "revoked": page == 2 }], "nextToken": next }))
    })
    .await;
    let http = identity_client::HttpOptions::new().with_retry(crate::support::quick(3));
    let idaas = server.builder().with_http(http).build().unwrap();
    let tokens = idaas.authentication_tokens();
    let new = NewJwt::new("jwt_provider", "user-1", ["https://api.example.com"])
        .unwrap()
        .with_lifetime(Duration::from_secs(60));
    assert_eq!(tokens.generate_jwt(&new).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(server.calls().len(), 1, "it may have been made, so it is not asked for again");
    let all: Vec<_> = tokens.list_all(TokenFilter::new().with_revoked(false)).try_collect().await.unwrap();
    assert_eq!(all.iter().map(|token| token.revoked).collect::<Vec<_>>(), [false, true, false]);
    let stuck = Server::new(|_| Reply::json(200, &json!({ "entities": [], "nextToken": "2" }))).await;
    let error =
        stuck.idaas().authentication_tokens().list_all(TokenFilter::new()).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn what_cannot_be_right_is_not_sent() {
    let server = Server::new(|_| key("sk-1")).await;
    let idaas = server.idaas();
    for audiences in [vec![], vec![""], vec!["urn:cloud:idaas:pam"]] {
        assert_eq!(NewJwt::new("p", "s", audiences).unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
    idaas.cloud_roles().obtain("acs:ram::1:role/x", Duration::from_secs(899)).await.unwrap_err();
    idaas.cloud_roles().obtain("", Duration::from_secs(900)).await.unwrap_err();
    idaas.credentials().obtain("").await.unwrap_err();
    idaas.authentication_tokens().validate(&SecretString::from("")).await.unwrap_err();
    assert!(server.seen().is_empty());
    let secret = ClientAuthentication::client_secret_post(SecretSource::given("s"));
    let bare = Idaas::builder().with_instance_id("idaas_1").with_client_id("app_1").with_authentication(secret);
    let bare = bare.with_token_endpoint(format!("{}/token", server.origin())).build().unwrap();
    let error = client(bare).api_key("k").for_agent().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigurationMissing);
    assert!(error.hint().unwrap().contains("developerApiEndpoint"), "{error}");
}

#[tokio::test]
async fn operations_act_as_whom_they_are_told_to() {
    let server = Server::new(|_| key("sk-1")).await;
    let idaas = server.idaas();
    idaas.credentials().obtain("llm key/+&1").await.unwrap();
    idaas.credentials().for_user(&user("alice")).obtain("llm_api_key").await.unwrap();
    let bearers: Vec<_> = server.calls().iter().map(|call| call.bearer().unwrap().to_owned()).collect();
    assert!(bearers[0].contains(".agent.") && bearers[1].contains(".AT_u_alice."), "{bearers:?}");
    assert_eq!(server.calls()[0].query["credentialIdentifier"], "llm key/+&1");
}
