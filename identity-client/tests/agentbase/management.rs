//! The management API beyond the recorded exchanges.

use futures_util::{StreamExt as _, TryStreamExt as _};
use identity_client::{
    ErrorKind,
    agentbase::{IdentityUpdate, ListOptions, NewIdentity, ProviderStatus},
};
use serde_json::{Value, json};

use crate::support::{RETURN_URL, Reply, Server};

async fn identity(urls: Value) -> Server {
    Server::new(move |seen| {
        let present = json!({ "name": "demo-agent", "description": "old", "allowedReturnUrls": urls });
        if seen.method == "GET" { Reply::json(200, &present) } else { Reply::text(200, "") }
    })
    .await
}

#[tokio::test]
async fn w13_a_partial_update_sends_back_what_it_does_not_change() {
    let server = identity(json!([RETURN_URL])).await;
    let identities = server.agentbase().identities();
    let updated = identities.update("demo-agent", IdentityUpdate::new().with_description("new")).await.unwrap();
    assert_eq!(updated.name.as_deref(), Some("demo-agent"), "an answer without a body is an answer");
    assert_eq!(server.calls()[1].json(), json!({ "description": "new", "allowedReturnUrls": [RETURN_URL] }));

    let update = IdentityUpdate::new().with_allowed_return_urls(["https://b.example.com/"]);
    identities.update("demo-agent", update).await.unwrap();
    let sent = server.calls()[3].json();
    assert_eq!(sent, json!({ "description": "old", "allowedReturnUrls": ["https://b.example.com/"] }));

    identities.update("demo-agent", IdentityUpdate::new().without_return_urls()).await.unwrap();
    assert_eq!(server.calls()[5].json(), json!({ "description": "old", "allowedReturnUrls": [] }));
}

#[tokio::test]
async fn w13_what_is_no_such_identity_is_not_sent_back() {
    for answer in [json!({}), json!({ "name": "another" })] {
        let server = Server::script(vec![(200, answer)]).await;
        let identities = server.agentbase().identities();
        let error = identities.update("demo-agent", IdentityUpdate::new().with_description("new")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn w32_w13_bounds_are_checked_before_anything_is_sent() {
    let server = identity(json!([])).await;
    let agentbase = server.agentbase();
    let identities = agentbase.identities();
    let new = || NewIdentity::new("demo-agent").unwrap();
    let many = (0..11).fold(new(), |identity, _| identity.with_allowed_return_url(RETURN_URL));
    let long = "hunter2".repeat(200);
    for error in [
        identities.create(many).await.unwrap_err(),
        identities.create(new().with_description("x".repeat(501))).await.unwrap_err(),
        identities.create(new().with_allowed_return_url("http://a.example.com/")).await.unwrap_err(),
        identities.update("demo-agent", IdentityUpdate::new()).await.unwrap_err(),
        agentbase.api_key_providers().create("demo-key", "").await.unwrap_err(),
        agentbase.api_key_providers().create("demo-key", long.as_str()).await.unwrap_err(),
        agentbase.api_key_providers().rotate("demo-key", long.as_str()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    assert!(server.seen().is_empty());
}

/// Pages of one provider each.
async fn pages(count: usize, index_as: &'static str) -> Server {
    Server::new(move |seen| {
        let page: usize = seen.query["page"].parse().unwrap();
        let content =
            if page < count { json!([{ "name": format!("p-{page}"), "status": "ACTIVE" }]) } else { json!([]) };
        Reply::json(200, &json!({ "content": content, index_as: page, "totalPages": count, "totalElements": count }))
    })
    .await
}

#[tokio::test]
async fn a_stream_reads_every_page_and_no_more() {
    for index_as in ["page", "number"] {
        let server = pages(3, index_as).await;
        let all: Vec<_> = server.agentbase().api_key_providers().list_all().try_collect().await.unwrap();
        let names: Vec<_> = all.into_iter().filter_map(|provider| provider.name).collect();
        assert_eq!(names, ["p-0", "p-1", "p-2"]);
        assert_eq!(server.calls().len(), 3);
    }
    let server = pages(0, "page").await;
    assert_eq!(server.agentbase().oauth2_providers().list_all().count().await, 0);
    let server = pages(3, "page").await;
    let first: Vec<_> = server.agentbase().delegated_api_key_providers().list_all().take(1).collect().await;
    assert_eq!((first.len(), server.calls().len()), (1, 1), "pages are read as they are wanted");
}

#[tokio::test]
async fn a_list_that_does_not_advance_ends_with_an_error() {
    for answer in [
        json!({ "content": [{ "name": "p-0" }], "page": 0, "hasNext": true }),
        json!({ "content": [], "hasNext": true }),
    ] {
        let server = Server::script(vec![(200, answer)]).await;
        let items: Vec<_> = server.agentbase().identities().list_all().collect().await;
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(server.calls().len() <= 2);
    }
}

#[tokio::test]
async fn w20_one_unknown_status_does_not_cost_the_page() {
    let content = json!([{ "name": "p-0", "status": "HIBERNATING" }, { "name": "p-1", "status": "ACTIVE" }, {}]);
    let server = Server::script(vec![(200, json!({ "content": content, "page": 0, "hasNext": false }))]).await;
    let page = server.agentbase().oauth2_providers().list(ListOptions::new()).await.unwrap();
    let states: Vec<_> = page.items.into_iter().map(|provider| provider.status).collect();
    let unknown = ProviderStatus::Other("HIBERNATING".to_owned());
    assert_eq!(states, [Some(unknown), Some(ProviderStatus::Active), None]);
}

#[tokio::test]
async fn managing_needs_no_identity_and_leads_to_an_agent() {
    let server = Server::script(vec![(200, json!({ "name": "new-agent" })), (200, json!({ "apikey": "k-1" }))]).await;
    let management = server.builder().build_management().unwrap();
    management.identities().create(NewIdentity::new("new-agent").unwrap()).await.unwrap();
    let agent = management.with_agent_identity("new-agent").unwrap();
    management.with_agent_identity("a.b").unwrap_err();
    crate::support::client(agent).api_key("demo-key").for_agent().await.unwrap();
    assert!(server.calls()[1].path.contains("/agent-identities/new-agent/"));
    assert_eq!(server.iam_calls(), 1, "both share the token");
}
