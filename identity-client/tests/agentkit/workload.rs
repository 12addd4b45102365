//! Workload tokens: whom they name, and how long they are kept.

use identity_client::{ErrorKind, User, agentkit::Trouble};
use serde_json::json;

use crate::support::{ManualClock, Reply, Seen, Server, alice, client, link, ok, refused};

fn for_users(seen: &Seen) -> Reply {
    match seen.action() {
        "GetOauth2CredentialProvider" => refused(403, "AccessDenied", "no"),
        _ => ok(&json!({ "AccessToken": "u-token", "ExpiresIn": 1 })),
    }
}

#[tokio::test]
async fn w13_two_tokens_of_users_never_share_a_workload_token() {
    let server = Server::new(for_users).await;
    let client = client(server.agentkit());
    let with = |token: &str| alice().with_token(token).unwrap();
    for user in [with("eyJ.one.sig"), with("eyJ.two.sig"), with("eyJ.one.sig"), alice(), User::asserted("bob").unwrap()]
    {
        client.access_token("feishu").for_user(&user).await.unwrap();
    }
    let shown: Vec<_> = server.asked("GetWorkloadAccessTokenForJWT").iter().map(Seen::json).collect();
    assert_eq!(
        shown,
        [json!({"Name":"my-agent","UserToken":"eyJ.one.sig"}), json!({"Name":"my-agent","UserToken":"eyJ.two.sig"})]
    );
    let named: Vec<_> = server.asked("GetWorkloadAccessTokenForUserId").iter().map(Seen::json).collect();
    assert_eq!(named, [json!({"Name":"my-agent","UserId":"user-0001"}), json!({"Name":"my-agent","UserId":"bob"})]);
    let used: Vec<_> =
        server.asked("GetResourceOauth2Token").iter().map(|seen| seen.json()["IdentityToken"].clone()).collect();
    assert_eq!(
        used,
        ["workload-1", "workload-2", "workload-3", "workload-4"],
        "the third came from the cache of its own"
    );
}

#[tokio::test]
async fn w13_a_user_s_token_that_is_refused_is_not_replaced_by_the_id() {
    let server = Server::raw(|seen| match seen.action() {
        "GetWorkloadAccessTokenForJWT" => refused(400, "InvalidParameter", "UserToken eyJ.one.sig is invalid"),
        _ => ok(&json!({ "WorkloadAccessToken": "w", "ExpiresAt": "2099-01-01T00:00:00Z" })),
    })
    .await;
    let user = alice().with_token("eyJ.one.sig").unwrap();
    let error = client(server.agentkit()).access_token("feishu").for_user(&user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(!error.to_string().contains("eyJ"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn w14_one_workload_token_serves_until_shortly_before_its_end() {
    let clock = ManualClock::new();
    let end = jiff::Timestamp::try_from(identity_client::Clock::now(&clock).wall).unwrap()
        + jiff::SignedDuration::from_secs(600);
    let mut issued = 0;
    let server = Server::raw(move |seen| match seen.action() {
        "GetWorkloadAccessToken" => {
            issued += 1;
            let end = end + jiff::SignedDuration::from_secs(600 * (issued - 1));
            ok(&json!({ "WorkloadAccessToken": format!("w{issued}"), "ExpiresAt": end.to_string() }))
        }
        _ => ok(&json!({ "ApiKey": "k" })),
    })
    .await;
    let agentkit = server.builder().with_clock(clock.clone()).build().unwrap();
    let ask = async || client(agentkit.clone()).api_key("p").for_agent().await.map(drop).unwrap();
    ask().await;
    clock.advance(530);
    ask().await;
    assert_eq!(server.asked("GetWorkloadAccessToken").len(), 1);
    clock.advance(20);
    ask().await;
    assert_eq!(server.asked("GetWorkloadAccessToken").len(), 2);
}

#[tokio::test]
async fn w6_the_platform_s_name_error_says_what_name_is_meant() {
    for status in [200, 400] {
        let server = Server::raw(move |_| refused(status, "InvalidParameter", "Name is missing or invalid")).await;
        let error = client(server.agentkit()).access_token("feishu").for_user(&alice()).await.unwrap_err();
        assert_eq!(Trouble::of(&error), Some(&Trouble::WorkloadNameUnresolved));
        assert_eq!((error.status(), error.request_id()), (Some(status), Some("2026SYNTHETIC01")));
        assert!(error.hint().unwrap().contains("workload"), "{error}");
    }
    let server = Server::raw(|_| refused(404, "NotFound", "no such workload")).await;
    let error = client(server.agentkit()).api_key("p").for_agent().await.unwrap_err();
    assert!(matches!(Trouble::of(&error), Some(Trouble::WorkloadIdentityUnavailable { .. })), "{error}");
}

#[tokio::test]
async fn w16_times_of_every_shape_are_read_and_a_null_is_no_token() {
    for end in ["2099-01-02T04:04:05Z", "2099-01-02T04:04:05.123Z", "2099-01-02T12:04:05+08:00"] {
        let server = Server::raw(move |seen| match seen.action() {
            "GetWorkloadAccessToken" => ok(&json!({ "WorkloadAccessToken": "w", "ExpiresAt": end })),
            _ => ok(&json!({ "ApiKey": "k" })),
        })
        .await;
        let agentkit = server.agentkit();
        for _ in 0..2 {
            client(agentkit.clone()).api_key("p").for_agent().await.unwrap();
        }
        assert_eq!(server.asked("GetWorkloadAccessToken").len(), 1, "{end}");
    }
    for result in [json!(null), json!({}), json!({ "WorkloadAccessToken": " " })] {
        let server = Server::raw(move |_| ok(&result)).await;
        let error = client(server.agentkit()).api_key("p").for_agent().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn w2_no_workload_token_leaves_with_a_pending_consent() {
    let server = Server::script(vec![json!({ "AuthorizationUrl": link("s"), "SessionUri": "urn:session:1" })]).await;
    let user = alice().with_token("eyJ.one.sig").unwrap();
    let acquired = client(server.agentkit()).access_token("feishu").for_user(&user).acquire().await.unwrap();
    let identity_client::Acquired::NeedsConsent(pending) = acquired else { panic!("consent is missing") };
    let text = serde_json::to_string(&pending).unwrap() + &format!("{pending:?}");
    assert!(!text.contains("workload-1") && !text.contains("eyJ.one"), "{text}");
}
