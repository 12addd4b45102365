//! What RFC 7523 and RFC 8693 ask of a client, see STANDARDS.md.

use identity_client::{ErrorKind, idaas::AUTHORIZATION_SERVER};
use serde_json::{Value, json};

use crate::support::{Reply, SCOPE, Server, client, issue, user};

async fn exchanged(change: Value) -> Result<(), identity_client::Error> {
    let server = Server::tokens(move |_| {
        let mut answer = issue("AT_s", 3600);
        for (name, value) in change.as_object().unwrap() {
            answer[name] = value.clone();
        }
        Reply::json(200, &answer)
    })
    .await;
    let client = client(server.idaas());
    let alice = user("alice");
    client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).for_user(&alice).await.map(drop)
}

#[tokio::test]
async fn std_8693_02_the_kind_that_was_issued_is_the_one_that_was_asked_for() {
    for good in [
        json!({}),
        json!({ "issued_token_type": "" }),
        json!({ "issued_token_type": "urn:ietf:params:oauth:token-type:access_token" }),
    ] {
        exchanged(good).await.unwrap();
    }
    for other in ["refresh_token", "id_token", "jwt", "ACCESS_TOKEN"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{other}");
        let error = exchanged(json!({ "issued_token_type": kind })).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{other}");
        assert!(error.to_string().contains("another kind") && !error.to_string().contains("AT_s"), "{error}");
    }
}

#[tokio::test]
async fn std_8693_03_what_is_no_bearer_token_is_never_one() {
    for form in ["N_A", "n_a", "mac", "DPoP"] {
        let error = exchanged(json!({ "token_type": form })).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{form}");
    }
}

#[tokio::test]
async fn std_8693_04_a_wrong_target_is_the_administrators_and_no_consent() {
    let server = Server::tokens(|_| Reply::json(400, &json!({ "error": "invalid_target" }))).await;
    let client = client(server.idaas());
    let alice = user("alice");
    let error = client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).for_user(&alice).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("invalid_target")));
    assert!(error.hint().unwrap().contains("IDaaS console"), "{error}");
    assert!(!error.is_retryable());
}
