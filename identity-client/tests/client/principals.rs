use identity_client::{ErrorKind, Flow, RequestContext};

use crate::support::{Fake, user};

#[tokio::test]
async fn w6_w17_the_kind_of_a_key_provider_is_looked_up_once_and_only_the_platform_decides() {
    let fake = Fake::new();
    let client = fake.client();
    let context = RequestContext::new().with_user(user("alice")).with_return_url("https://app.example.com/cb").unwrap();
    for _ in 0..3 {
        let key = client.api_key("openai-key").with_context(context.clone()).await.unwrap();
        assert!(key.expose_secret().contains(".agent."), "a static key stays static, whatever the context has");
    }
    assert_eq!((fake.looked_up(), fake.acquired()), (1, 1));
    fake.set_flow(Err(ErrorKind::PermissionDenied));
    assert_eq!(client.api_key("other-key").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    fake.set_flow(Ok(Flow::UserFederation));
    let key = client.api_key("other-key").with_context(context).await.unwrap();
    assert!(key.expose_secret().contains(".alice."));
}

#[tokio::test]
async fn many_cold_calls_look_up_once() {
    let fake = Fake::new();
    let client = fake.client();
    let calls = (0..100).map(|_| client.api_key("openai-key").into_future());
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!((fake.looked_up(), fake.acquired()), (1, 1));
}

#[tokio::test]
async fn w19_w38_without_a_user_nothing_is_sent() {
    let fake = Fake::new();
    fake.set_flow(Ok(Flow::UserFederation));
    let client = fake.client();
    let error = client.api_key("delegated-key").await.unwrap_err();
    assert_eq!((error.kind(), fake.acquired()), (ErrorKind::UserMissing, 0));
    assert!(error.hint().unwrap().contains("no default user"), "{error}");
    let error = client.access_token("google").with_scopes(["a"]).with_context(RequestContext::new()).await;
    assert!(error.is_ok(), "the agent's own token needs no user");
}

#[tokio::test]
async fn names_and_scopes_are_checked_before_anything_is_sent() {
    let fake = Fake::new();
    let client = fake.client();
    for name in ["", "a/b", "../x", "a?b"] {
        let error = client.api_key(name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    for scope in ["", "a b", "a\"b"] {
        let error = client.access_token("crm").with_scopes([scope]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    assert_eq!((fake.acquired(), fake.looked_up()), (0, 0));
}
