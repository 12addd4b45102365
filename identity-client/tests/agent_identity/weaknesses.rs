//! The weaknesses of the vendor's SDK that could be ours, by their numbers in the contract.

use std::time::Duration;

use futures_util::future::join_all;
use identity_client::{
    Clock as _, ErrorKind, HttpOptions, IdentityClient, RequestContext, RetryPolicy, User,
    agent_identity::ResourceSigner,
};
use serde_json::json;

use crate::support::{KEY_ID, ManualClock, Reply, Server, USER_TOKEN, alice, assumed, client, quick, refused};

async fn vault() -> Server {
    Server::answering(200, json!({ "APIKey": "key-1", "AccessToken": "token-1", "ExpiresIn": 3600 })).await
}

#[tokio::test]
async fn w1_a_token_of_the_runtime_is_used_at_once() {
    let server = vault().await;
    let client = client(server.builder().with_workload_token("given.1.2.3.4").build().unwrap());
    client.api_key("weather").await.unwrap();
    assert_eq!(server.asked("GetResourceAPIKey")[0].form()["WorkloadAccessToken"], "given.1.2.3.4");
    assert!(server.asked("GetWorkloadAccessToken").is_empty());
    let token = client.workload_token().await.unwrap();
    assert_eq!(token.expose_secret(), "given.1.2.3.4");
}

#[tokio::test]
async fn w2_a_user_is_never_downgraded_to_an_id_or_to_nobody() {
    let server = vault().await;
    let client = server.client();
    let shown = alice().with_token(USER_TOKEN).unwrap();
    client.access_token("p").for_user(&shown).await.unwrap();
    assert_eq!(server.asked("GetWorkloadAccessTokenForJWT")[0].form()["UserToken"], USER_TOKEN);
    let sent = server.seen().len();
    for token in ["opaque", "a.b", "a.b.c.d.e", "a..c"] {
        let broken = alice().with_token(token).unwrap();
        for error in [
            client.access_token("p").for_user(&broken).await.unwrap_err(),
            client.workload_token().for_user(&broken).await.unwrap_err(),
            client.sts_credentials().for_user(&broken).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
        }
    }
    assert_eq!(server.seen().len(), sent, "nothing was sent");
    assert!(
        server.asked("GetWorkloadAccessToken").is_empty() && server.asked("GetWorkloadAccessTokenForUserId").is_empty()
    );
}

#[tokio::test]
async fn w3_many_at_once_wait_for_one_another_only_where_they_share() {
    let server = Server::new(|seen| {
        seen.action()
            .starts_with("GetResource")
            .then(|| Reply::json(200, &json!({ "APIKey": "k" })).late(Duration::from_millis(300)))
    })
    .await;
    let client = server.client();
    let begun = tokio::time::Instant::now();
    let keys = join_all((0..10).map(|n| client.api_key(format!("p-{n}")).into_future())).await;
    assert!(keys.iter().all(Result::is_ok));
    assert!(begun.elapsed() < Duration::from_millis(2_900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn w5_w6_tokens_and_roles_are_kept_by_identity_and_expiry_and_fetched_once() {
    let clock = ManualClock::new();
    let server = vault().await;
    let client = client(server.builder().with_clock(clock.clone()).build().unwrap());
    let keys = join_all((0..8).map(|n| client.api_key(format!("p-{n}")).into_future())).await;
    assert!(keys.iter().all(Result::is_ok));
    let counts = || (server.asked("GetWorkloadAccessToken").len(), server.asked("AssumeRoleForWorkloadIdentity").len());
    assert_eq!(counts(), (1, 1), "eight at once");
    clock.advance(60);
    client.api_key("later").await.unwrap();
    assert_eq!(counts(), (1, 1));
    clock.advance(61);
    client.api_key("much-later").await.unwrap();
    assert_eq!(counts(), (2, 1), "a token is used for two minutes, a role until it ends");
    client.access_token("p").for_user(&alice()).await.unwrap();
    assert_eq!(server.asked("AssumeRoleForWorkloadIdentity").len(), 2, "another identity, another role");
}

#[tokio::test]
async fn w6_keys_of_a_role_that_are_over_are_not_used() {
    let mut left = 2;
    let server = Server::new(move |seen| {
        if seen.action() != "AssumeRoleForWorkloadIdentity" {
            return seen.action().starts_with("GetResource").then(|| Reply::json(200, &json!({ "APIKey": "k" })));
        }
        left -= 1;
        Some(Reply::json(200, &assumed("STS.old", "2000-01-01T00:00:00Z"))).filter(|_| left >= 0)
    })
    .await;
    let client = server.client();
    assert_eq!(client.api_key("p").await.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(client.sts_credentials().await.unwrap_err().kind(), ErrorKind::Protocol);
    assert!(server.asked("GetResourceAPIKey").is_empty());
    client.api_key("p").await.unwrap();
}

#[tokio::test]
async fn w6_sts_credentials_expire_when_they_say_so_and_are_shared_until_then() {
    let clock = ManualClock::new();
    let end = jiff::Timestamp::try_from(clock.now().wall + Duration::from_secs(900)).unwrap();
    let mut issued = 0;
    let server = Server::new(move |seen| {
        (seen.action() == "AssumeRoleForWorkloadIdentity").then(|| {
            issued += 1;
            Reply::json(200, &assumed(&format!("STS.{issued}"), &end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
        })
    })
    .await;
    let platform = server.builder().with_clock(clock.clone()).build().unwrap();
    let client = IdentityClient::builder().with_platform(platform).with_clock(clock.clone()).build().unwrap();
    let ask = || client.sts_credentials().with_session_duration(Duration::from_secs(900));
    let all = join_all((0..8).map(|_| ask().into_future())).await;
    assert!(all.iter().all(|one| one.as_ref().unwrap().access_key_id() == "STS.1"));
    let form = server.asked("AssumeRoleForWorkloadIdentity")[0].form();
    assert_eq!(form["DurationSeconds"], "900");
    assert!(form["RoleSessionName"].starts_with("AgentIdentitySessionRole-") && form["RoleSessionName"].len() <= 64);
    let narrowed = client.sts_credentials().with_policy(r#"{"Version":"1"}"#).await.unwrap();
    assert_eq!(narrowed.access_key_id(), "STS.2", "another policy, other credentials");
    clock.advance(901);
    // They are over, and so would be what this server gives now.
    assert_eq!(ask().await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn w7_a_user_called_none_is_not_nobody() {
    let server = vault().await;
    let client = server.client();
    let none = User::asserted("None").unwrap();
    let own = client.workload_token().for_agent().await.unwrap();
    let theirs = client.workload_token().for_user(&none).await.unwrap();
    assert_ne!(own.expose_secret(), theirs.expose_secret());
    let shown = none.with_token(USER_TOKEN).unwrap();
    assert_ne!(client.workload_token().for_user(&shown).await.unwrap().expose_secret(), theirs.expose_secret());
}

#[tokio::test]
async fn w9_w10_nothing_is_created_and_no_file_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let server =
        Server::new(|seen| seen.action().starts_with("Get").then(|| refused(404, "EntityNotExists.WorkloadIdentity")))
            .await;
    let environment = identity_client::Environment::of([("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")])
        .with_directory(directory.path());
    let client = client(server.builder().with_environment(&environment).build().unwrap());
    let all = join_all((0..8).map(|n| client.api_key(format!("p-{n}")).into_future())).await;
    for error in all.into_iter().map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.hint().unwrap().contains("none is created"), "{error}");
    }
    assert!(server.seen().iter().all(|seen| !seen.action().starts_with("Create")));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn w11_w12_the_caller_signs_where_the_role_shall_not() {
    let server = vault().await;
    let client = client(server.builder().with_resource_signer(ResourceSigner::Caller).build().unwrap());
    client.api_key("p").await.unwrap();
    client.access_token("p").await.unwrap();
    assert!(server.asked("AssumeRoleForWorkloadIdentity").is_empty());
    assert_eq!(server.asked("GetResourceAPIKey")[0].signer(), KEY_ID);
    let server = vault().await;
    server.client().api_key("p").await.unwrap();
    let asked = server.asked("GetResourceAPIKey");
    assert_eq!((asked[0].signer(), &*asked[0].headers["x-acs-accesskey-id"]), ("STS.1", "STS.1"));
    assert!(server.asked("AssumeRoleForWorkloadIdentity")[0].signer().is_empty());
    assert_eq!(server.asked("GetWorkloadAccessToken")[0].signer(), KEY_ID);
}

#[tokio::test]
async fn w13_the_agent_itself_is_no_user_whoever_is_served() {
    let server = vault().await;
    let client = server.client();
    let context = RequestContext::new().with_user(alice());
    context
        .scope(async {
            client.access_token("p").await.unwrap();
            client.api_key("p").await.unwrap();
            client.sts_credentials().for_agent().await.unwrap();
        })
        .await;
    assert_eq!(server.asked("GetWorkloadAccessTokenForUserId").len(), 0);
    let form = server.asked("GetResourceOAuth2Token")[0].form();
    assert_eq!((form["OAuth2Flow"].as_str(), form.contains_key("ForceAuthentication")), ("M2M", false));
    let given = crate::support::client(server.builder().with_workload_token("given.1.2.3.4").build().unwrap());
    given.access_token("p").for_user(&alice()).await.unwrap();
    let form = server.asked("GetResourceOAuth2Token").pop().unwrap().form();
    assert_ne!(form["WorkloadAccessToken"], "given.1.2.3.4", "whose it is, nobody knows");
}

#[tokio::test]
async fn w14_what_is_missing_or_blank_is_an_error_and_not_a_credential() {
    for body in [json!({}), json!({ "WorkloadAccessToken": " " }), json!({ "WorkloadAccessToken": null }), json!([])] {
        let server =
            Server::new(move |seen| (seen.action() == "GetWorkloadAccessToken").then(|| Reply::json(200, &body))).await;
        assert_eq!(server.client().api_key("p").await.unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(server.seen().len(), 1);
    }
    let mut no_end = assumed("STS.1", "2099-01-01T00:00:00Z");
    no_end["Credentials"]["Expiration"] = json!("soon");
    let mut blank = assumed("STS.1", "2099-01-01T00:00:00Z");
    blank["Credentials"]["SecurityToken"] = json!(" ");
    for body in [json!({}), json!({ "Credentials": null }), json!({ "Credentials": {} }), no_end, blank] {
        let server = Server::new(move |seen| {
            (seen.action() == "AssumeRoleForWorkloadIdentity").then(|| Reply::json(200, &body))
        })
        .await;
        let error = server.client().sts_credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
    for body in [
        json!({}),
        json!({ "APIKey": "" }),
        json!({ "AccessToken": " " }),
        json!({ "AuthorizationURL": "https://x.example.com/" }),
    ] {
        let server = Server::answering(200, body).await;
        let client = server.client();
        assert_eq!(client.api_key("p").await.unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(client.access_token("p").for_user(&alice()).await.unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(client.access_token("p").on_behalf_of(&alice()).await.unwrap_err().kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn w15_throttling_is_waited_out_and_a_create_is_not_repeated() {
    let mut asked = 0;
    let server = Server::new(move |seen| {
        (seen.action() == "GetWorkloadAccessToken").then(|| {
            asked += 1;
            match asked {
                1 => refused(400, "Throttling.User").with("x-acs-retry-after", "50"),
                2 => refused(503, "ServiceUnavailable"),
                _ => Reply::json(200, &json!({ "WorkloadAccessToken": "a.b.c.d.e" })),
            }
        })
    })
    .await;
    let http = HttpOptions::new().with_retry(quick(3));
    let begun = tokio::time::Instant::now();
    client(server.builder().with_http(http.clone()).build().unwrap()).workload_token().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let nonces: Vec<String> = server.seen().iter().map(|seen| seen.headers["x-acs-signature-nonce"].clone()).collect();
    assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2], "each try is signed anew");

    let server = Server::new(|_| Some(refused(503, "ServiceUnavailable"))).await;
    let management = server.builder().with_http(http).build_management().unwrap();
    for error in [
        management.api_key_credential_providers().create("p", "k", None, None).await.map(drop),
        management.ram().create_policy("p", &json!({}), None).await,
        management.call("CreateUserPool", &json!({ "UserPoolName": "x" })).await.map(drop),
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(server.seen().len(), 3);
    management.token_vaults().get("default").await.unwrap_err();
    assert_eq!(server.seen().len(), 6, "reading is tried three times");

    let server = Server::new(|_| Some(refused(400, "Throttling.User").with("x-acs-retry-after", "60000"))).await;
    let short = HttpOptions::new().with_retry(RetryPolicy::new().with_deadline(Duration::from_secs(2)));
    let error = client(server.builder().with_http(short).build().unwrap()).workload_token().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(60))));
}

#[tokio::test]
async fn w16_an_error_without_json_keeps_its_status() {
    let server = Server::new(|_| Some(Reply::text(502, "<html>hunter2</html>"))).await;
    let error = server.client().workload_token().await.unwrap_err();
    assert_eq!((error.status(), error.kind()), (Some(502), ErrorKind::Unavailable));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn w21_a_request_without_a_user_does_not_inherit_one() {
    let server = vault().await;
    let client = server.client();
    RequestContext::new().with_user(alice()).scope(async { client.workload_token().await.unwrap() }).await;
    client.workload_token().await.unwrap();
    assert_eq!(server.asked("GetWorkloadAccessTokenForUserId").len(), 1);
    assert_eq!(server.asked("GetWorkloadAccessToken").len(), 1);
}

#[tokio::test]
async fn a_refused_workload_token_is_renewed_once() {
    for code in ["InvalidParameter.WorkloadAccessToken", "WORKLOAD_ACCESS_TOKEN_EXPIRED"] {
        let server = Server::new(move |seen| {
            let is_key = seen.action() == "GetResourceAPIKey";
            is_key.then(|| match seen.form()["WorkloadAccessToken"].as_str() {
                "wat-1.a.b.c.d" => refused(400, code),
                _ => Reply::json(200, &json!({ "APIKey": "k" })),
            })
        })
        .await;
        server.client().api_key("p").await.unwrap();
        assert_eq!(server.asked("GetWorkloadAccessToken").len(), 2);
    }
    let server = Server::answering(400, json!({ "Code": "WORKLOAD_ACCESS_TOKEN_INVALID" })).await;
    let error = server.client().api_key("p").await.unwrap_err();
    assert_eq!((error.kind(), server.asked("GetResourceAPIKey").len()), (ErrorKind::Unauthenticated, 2));
}

#[tokio::test]
async fn refused_keys_of_the_role_are_renewed_once() {
    let server = Server::new(|seen| {
        (seen.action() == "GetResourceAPIKey").then(|| match seen.signer() {
            "STS.1" => refused(400, "InvalidSecurityToken.Expired"),
            _ => Reply::json(200, &json!({ "APIKey": "k" })),
        })
    })
    .await;
    server.client().api_key("p").await.unwrap();
    assert_eq!(server.asked("AssumeRoleForWorkloadIdentity").len(), 2);
}

#[tokio::test]
async fn one_deadline_holds_for_a_credential_and_all_that_it_needs() {
    let server = Server::new(|seen| {
        let slow = json!({ "WorkloadAccessToken": "a.b.c.d.e", "APIKey": "k" });
        let role = seen.action() == "AssumeRoleForWorkloadIdentity";
        let body = if role { assumed("STS.1", "2099-01-01T00:00:00Z") } else { slow };
        Some(Reply::json(200, &body).late(Duration::from_millis(700)))
    })
    .await;
    let http = HttpOptions::new().with_retry(RetryPolicy::new().with_deadline(Duration::from_millis(1_500)));
    let begun = tokio::time::Instant::now();
    let error = client(server.builder().with_http(http).build().unwrap()).api_key("p").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "three times 700 ms: {error}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}
