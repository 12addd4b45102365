//! The management API, where the reference SDK goes wrong.

use identity_client::{
    ErrorKind, Flow, HttpOptions, SecretString,
    agentkit::{
        ClientType, Entity, ListOptions, NewIdentity, NewUserPool, OAuth2Config, PermissionCheck, Trouble, Vendor,
    },
};
use serde_json::{Value, json};

use crate::support::{Reply, Seen, Server, ok, quick, refused};

const POOL: &str = "00000000-aaaa-4bbb-8ccc-000000000001";

fn question() -> PermissionCheck {
    PermissionCheck::new(
        Entity::new("user", "user-0001"),
        Entity::new("Action", "invoke"),
        Entity::new("agent", "role-0001"),
    )
}

#[tokio::test]
async fn w28_only_the_boolean_true_allows() {
    for (answer, allowed) in [
        (json!({ "Allowed": true }), Some(true)),
        (json!({ "Allowed": false, "Message": "denied by policy" }), Some(false)),
        (json!({ "Allowed": "false" }), None),
        (json!({ "Allowed": "true" }), None),
        (json!({ "Allowed": 1 }), None),
        (json!({}), None),
        (json!(null), None),
    ] {
        let server = Server::script(vec![answer.clone()]).await;
        let checked = server.agentkit().management().check_permission(&question()).await;
        assert_eq!(checked.ok().map(|permission| permission.allowed), allowed, "{answer}");
    }
}

#[tokio::test]
async fn w29_an_error_inside_http_200_is_one_with_its_code_and_request_id() {
    let server = Server::new(|_| refused(200, "InternalError", "Duplicate entry 'feishu_oauth'")).await;
    let config = OAuth2Config::new("cli_1", "top-secret", Flow::UserFederation).unwrap();
    let providers = server.agentkit().oauth2_providers();
    let error = providers.create("feishu_oauth", Vendor::Feishu, &config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!((error.code(), error.request_id()), (Some("InternalError"), Some("2026SYNTHETIC01")));
    let server = Server::raw(|_| Reply::text(200, "<html>hello</html>")).await;
    let error = server.agentkit().oauth2_providers().get("feishu_oauth").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let server = Server::raw(|_| Reply::json(503, &json!({})).with("x-tt-logid", "20260102SYNTHETIC")).await;
    let error = server.agentkit().oauth2_providers().get("feishu_oauth").await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::Unavailable, Some("20260102SYNTHETIC")));
}

#[tokio::test]
async fn w30_a_create_is_not_repeated_once_it_may_have_been_sent() {
    for reply in [Reply::Reset, Reply::Truncated, refused(500, "InternalError", "x"), refused(429, "Throttling", "x")] {
        let mut reply = Some(reply);
        let server = Server::raw(move |_| reply.take().unwrap_or_else(|| ok(&json!({ "Name": "my-agent" })))).await;
        let agentkit = server.builder().with_http(HttpOptions::new().with_retry(quick(4))).build().unwrap();
        agentkit.management().identities().create(NewIdentity::new("my-agent").unwrap()).await.unwrap_err();
        assert_eq!(server.seen().len(), 1);
        // What reads is repeated, signed anew.
        agentkit.management().identities().get("my-agent").await.unwrap();
    }
    let mut failures = 2;
    let server = Server::raw(move |_| {
        failures -= 1;
        if failures >= 0 { refused(500, "InternalError", "x") } else { ok(&json!({ "Name": "my-agent" })) }
    })
    .await;
    let agentkit = server.builder().with_http(HttpOptions::new().with_retry(quick(4))).build().unwrap();
    agentkit.management().identities().get("my-agent").await.unwrap();
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn w26_a_list_that_cannot_be_read_is_never_none_and_names_are_compared() {
    let server = Server::new(|_| refused(403, "AccessDenied", "User is not authorized")).await;
    let pools = server.agentkit().management().user_pools();
    assert_eq!(pools.find("users").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    let answer = json!({ "TotalCount": 2, "Data": [{ "Uid": "1", "Name": "users_of_others" }, { "Uid": "2", "Name": "users" }] });
    let server = Server::script(vec![answer]).await;
    let pools = server.agentkit().management().user_pools();
    assert_eq!(pools.find("users").await.unwrap().unwrap().uid.as_deref(), Some("2"));
    assert!(pools.find("use").await.unwrap().is_none());
    assert_eq!(server.seen()[0].json(), json!({ "PageNumber": 1, "PageSize": 50, "Filter": { "Name": "users" } }));
    let twice = json!({ "Data": [{ "Uid": "1", "Name": "app" }, { "Uid": "2", "Name": "app" }] });
    let server = Server::script(vec![twice]).await;
    let clients = server.agentkit().management().user_pools().clients(POOL).unwrap();
    assert_eq!(clients.find("app").await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn w27_a_callback_is_added_once_and_nothing_else_is_changed() {
    let client = json!({
        "Uid": "c-1", "Name": "web", "ClientSecret": "top-secret", "AllowedCallbackUrls": ["http://127.0.0.1:8082/callback"],
        "AllowedWebOrigins": ["http://127.0.0.1:8082"], "IdToken": { "LifetimeSeconds": 36000 },
        "RefreshToken": { "Rotation": true, "IdleLifetimeSeconds": 5 }
    });
    let server = Server::new(move |seen: &Seen| match seen.action() {
        "GetUserPoolClient" => ok(&client),
        _ => ok(&json!({})),
    })
    .await;
    let clients = server.agentkit().management().user_pools().clients(POOL).unwrap();
    assert!(!clients.register_callback("c-1", "http://127.0.0.1:8082/callback").await.unwrap());
    assert!(server.asked("UpdateUserPoolClient").is_empty());
    assert!(clients.register_callback("c-1", "https://app.example.com/callback").await.unwrap());
    assert_eq!(
        server.asked("UpdateUserPoolClient")[0].json(),
        json!({
            "UserPoolUid": POOL, "ClientUid": "c-1", "Name": "web",
            "AllowedCallbackUrls": ["http://127.0.0.1:8082/callback", "https://app.example.com/callback"],
            "AllowedWebOrigins": ["http://127.0.0.1:8082"], "IdToken": { "LifeTimeSeconds": 36000 },
            "RefreshToken": { "Rotation": true, "IdleLifetimeSeconds": 5 }
        })
    );
    clients.check_redirect("c-1", "http://127.0.0.1:8082/callback").await.unwrap();
    let error = clients.check_redirect("c-1", "http://127.0.0.1:9/callback").await.unwrap_err();
    assert!(matches!(Trouble::of(&error), Some(Trouble::RedirectNotRegistered { .. })), "{error}");
}

#[tokio::test]
async fn w1_the_key_is_asked_for_with_a_workload_token_and_w22_its_place_is_told() {
    let answer = json!({ "ApiKey": "SYNTHETIC-API-KEY", "ApiKeyMetadata": [{ "Location": "HEADER", "ParameterName": "X-Api-Key", "Prefix": "" }] });
    let server = Server::script(vec![answer]).await;
    let agentkit = server.builder().with_provider_pool("team").build().unwrap();
    let places = agentkit.api_key_places(&"weather_key".parse().unwrap()).await.unwrap();
    assert_eq!((places[0].location.as_str(), places[0].parameter_name.as_str()), ("HEADER", "X-Api-Key"));
    let asked = &server.asked("GetResourceApiKey")[0];
    assert_eq!(
        asked.json(),
        json!({ "ProviderName": "weather_key", "IdentityToken": "workload-1", "PoolName": "team" })
    );
    assert_eq!(asked.query["Version"], "2025-10-30");
    assert!(asked.headers["authorization"].contains("/cn-beijing/id/request"));
}

#[tokio::test]
async fn w25_the_endpoint_of_the_environment_is_the_one_that_is_asked() {
    let server = Server::script(vec![json!({ "ApiKey": "k" })]).await;
    let environment = identity_client::Environment::of([
        ("VOLCENGINE_ACCESS_KEY", "AK"),
        ("VOLCENGINE_SECRET_KEY", "SK"),
        ("VEIDENTITY_ENDPOINT", server.origin()),
        ("VEIDENTITY_REGION", "cn-shanghai"),
        ("REGION", "cn-guangzhou"),
        ("VEIDENTITY_WORKLOAD_NAME", "my-agent"),
        ("IDENTITY_PLATFORM", "agentkit"),
    ]);
    let client = identity_client::IdentityClient::from_environment(&environment).unwrap();
    client.api_key("weather_key").for_agent().await.unwrap();
    assert!(server.seen()[1].headers["authorization"].contains("/cn-shanghai/id/request"));
}

#[tokio::test]
async fn w31_calls_to_two_services_at_once_never_sign_for_each_other() {
    let mut number = 0;
    let server = Server::new(move |seen| {
        number += 1;
        if seen.action() == "AssumeRole" { ok(&crate::support::assumed(number)) } else { ok(&json!({ "ApiKey": "k" })) }
    })
    .await;
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let region = if n % 2 == 0 { "cn-beijing" } else { "cn-shanghai" };
            let agentkit = server.builder().with_region(region).with_role(crate::support::ROLE).build().unwrap();
            tokio::spawn(async move { crate::support::client(agentkit).api_key("p").for_agent().await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for seen in server.seen() {
        let service = if seen.action() == "AssumeRole" { "/sts/request" } else { "/id/request" };
        assert!(seen.headers["authorization"].contains(service), "{seen:?}");
    }
}

#[tokio::test]
async fn w24_a_secret_is_in_the_request_and_nowhere_else() {
    let server = Server::new(|_| refused(400, "InvalidParameter", "ClientSecret top-secret-value is bad")).await;
    let config = OAuth2Config::new("cli_1", "top-secret-value", Flow::UserFederation).unwrap();
    let config = config
        .with_scopes(["docx:document:readonly"])
        .with_redirect_url("https://auth.id.cn-beijing.volces.com/api/v1/oauth2callback")
        .with_endpoints("https://i.example.com", "https://i.example.com/a", "https://i.example.com/t");
    let providers = server.agentkit().oauth2_providers();
    let error = providers.create("custom", Vendor::Custom, &config).await.unwrap_err();
    assert!(!format!("{error} {error:?} {config:?}").contains("top-secret"), "{error}");
    let sent = server.seen()[0].json();
    assert_eq!(sent["Config"]["ClientSecret"], "top-secret-value");
    assert!(sent["Config"]["Oauth2Discovery"]["AuthorizationServerMetadata"]["TokenEndpoint"].is_string());
    let key = SecretString::from("top-secret-value");
    let error = server.agentkit().management().api_key_providers().create("k", &key, &[]).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("top-secret"), "{error}");
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_one_that_does_not_end_is_an_error() {
    use futures_util::TryStreamExt as _;

    let page = |number: u32, items: usize| {
        let items: Vec<Value> = (0..items).map(|n| json!({ "Name": format!("p-{number}-{n}") })).collect();
        json!({ "PageNumber": number, "PageSize": 50, "TotalCount": 70, "Oauth2CredentialProviders": items })
    };
    let server = Server::new(move |seen| {
        let number = u32::try_from(seen.json()["PageNumber"].as_u64().unwrap()).unwrap();
        ok(&page(number, if number == 1 { 50 } else { 20 }))
    })
    .await;
    let providers = server.agentkit().oauth2_providers();
    assert_eq!(providers.list_all().try_collect::<Vec<_>>().await.unwrap().len(), 70);
    assert!(providers.list(ListOptions::new()).await.unwrap().has_next);
    providers.list(ListOptions::new().with_page(0)).await.unwrap_err();
    let stuck = Server::script(vec![page(1, 50)]).await;
    stuck.agentkit().oauth2_providers().list_all().try_collect::<Vec<_>>().await.unwrap_err();
    let none = Server::script(vec![json!({})]).await;
    none.agentkit().oauth2_providers().list(ListOptions::new()).await.unwrap_err();
}

#[tokio::test]
async fn deleting_what_an_unclear_first_try_deleted_is_a_success() {
    let mut tries = 0;
    let server = Server::raw(move |_| {
        tries += 1;
        if tries == 1 { Reply::Reset } else { refused(404, "NotFound", "gone") }
    })
    .await;
    let agentkit = server.builder().with_http(HttpOptions::new().with_retry(quick(2))).build().unwrap();
    agentkit.oauth2_providers().delete("feishu").await.unwrap();
    assert_eq!(agentkit.oauth2_providers().delete("feishu").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_inbound_configuration_names_its_clients() {
    let server = Server::script(vec![json!({ "InboundAuthConfigId": "iac-1" })]).await;
    let configs = server.agentkit().management().inbound_configs();
    let discovery = "https://pool.example.com/.well-known/openid-configuration";
    configs.create("c", "CustomJWT", discovery, &[]).await.unwrap_err();
    configs.create("c", "CustomJWT", discovery, &["1", "2", "3", "4", "5", "6"]).await.unwrap_err();
    assert!(server.seen().is_empty());
    configs.create("c", "CustomJWT", discovery, &["1"]).await.unwrap();
    let pool = NewUserPool::new("users").unwrap().with_self_sign_up(false).with_self_account_recovery(true);
    server.agentkit().management().user_pools().create(&pool.with_password_sign_in(true)).await.unwrap();
    let clients = server.agentkit().management().user_pools().clients(POOL).unwrap();
    clients.create("web", ClientType::SinglePageApplication, &["http://app.example.com/"]).await.unwrap_err();
}
