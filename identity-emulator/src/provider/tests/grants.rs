//! The engine against the provider: three grants, with a client id and secret of difficult characters.

use std::collections::BTreeMap;

use super::*;
use crate::oauth::OAuthEngine;

async fn odd_server() -> Server {
    Server::start_with(|provider| provider.with_client("a:b", SecretString::from("p@s:s %é"))).await
}

#[tokio::test]
async fn std_6749_01_client_credentials_with_an_odd_client() {
    let server = odd_server().await;
    let engine = OAuthEngine::new().unwrap();
    let grant = engine.client_credentials(&server.provider.registration(), &["read".to_owned()]).await.unwrap();
    assert_eq!(grant.expires_in, Some(Duration::from_secs(3600)));
    assert_eq!(grant.scope.as_deref(), Some("read"));
    assert!(grant.refresh_token.is_none());
    assert_eq!(server.provider.introspect(grant.access_token.expose_secret()).unwrap().scopes, ["read"]);
    let mut wrong = server.provider.registration();
    wrong.client_secret = SecretString::from("p@s:s %è");
    let failure = engine.client_credentials(&wrong, &[]).await.unwrap_err();
    let code = Some("invalid_client".to_owned());
    let description = Some("the client id or secret is wrong".to_owned());
    assert_eq!(failure, OAuthFailure::RefusedByProvider { status: 401, code, description });
}

#[tokio::test]
async fn std_7636_02_authorization_code_with_an_odd_client_and_refresh() {
    let server = odd_server().await;
    let (engine, registration) = (OAuthEngine::new().unwrap(), server.provider.registration());
    let callback = Url::parse(CALLBACK).unwrap();
    let scopes = ["openid".to_owned(), "https://a.example/auth/x.readonly".to_owned()];
    let custom = BTreeMap::from([("access_type".to_owned(), "offline".to_owned())]);
    let start = engine.begin_authorization(&registration, &callback, &scopes, &custom).unwrap();
    let page = server.open(start.url.clone()).await;
    let back = server.decide(&page, "alice", "allow").await;
    assert_eq!(back.sent("state").as_deref(), Some(start.state.expose_secret()));
    let code = back.sent("code").unwrap();
    let grant = engine.exchange_code(&registration, &callback, &code, &start.verifier).await.unwrap();
    assert_eq!(grant.scope.as_deref(), Some("openid https://a.example/auth/x.readonly"));
    let info = server.provider.introspect(grant.access_token.expose_secret()).unwrap();
    assert_eq!((info.subject.as_deref(), info.scopes.as_slice()), (Some("alice"), &scopes[..]));

    let old = grant.refresh_token.unwrap();
    let narrowed = engine.refresh(&registration, &old, &["openid".to_owned()]).await.unwrap();
    assert_eq!(narrowed.scope.as_deref(), Some("openid"));
    assert_ne!(narrowed.refresh_token.unwrap().expose_secret(), old.expose_secret());
    let failure = engine.refresh(&registration, &old, &[]).await.unwrap_err();
    assert_eq!(failure.code(), Some("invalid_grant"));
    let failure = engine.exchange_code(&registration, &callback, &code, &start.verifier).await.unwrap_err();
    assert_eq!(failure.code(), Some("invalid_grant"));
}

#[tokio::test]
async fn another_verifier_gets_nothing() {
    let server = odd_server().await;
    let (engine, registration) = (OAuthEngine::new().unwrap(), server.provider.registration());
    let callback = Url::parse(CALLBACK).unwrap();
    let start = engine.begin_authorization(&registration, &callback, &[], &BTreeMap::new()).unwrap();
    let page = server.open(start.url).await;
    let code = server.decide(&page, "alice", "allow").await.sent("code").unwrap();
    let other = random_token().unwrap();
    let failure = engine.exchange_code(&registration, &callback, &code, &other).await.unwrap_err();
    assert_eq!(failure.code(), Some("invalid_grant"));
}
