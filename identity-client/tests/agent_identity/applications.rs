//! OAuth applications as the public reference of IMS shows them: what is asked, and what is read from the answers of its examples.

use std::time::Duration;

use identity_client::{
    ErrorKind,
    agent_identity::{Application, ApplicationKind, ApplicationUpdate, Management, NewApplication},
};
use serde_json::{Value, json};

use crate::support::{Reply, Server};

const ID: &str = "4724570903440410001";

fn application() -> Value {
    json!({
        "DisplayName": "myapp", "AccessTokenValidity": 3600, "SecretRequired": true, "AccountId": "177242285274",
        "CreateDate": "2020-10-23T09:33:22Z", "AppName": "myapp", "UpdateDate": "2020-10-23T09:33:22Z",
        "RedirectUris": { "RedirectUri": ["https://www.example.com"] },
        "DelegatedScope": { "PredefinedScopes": { "PredefinedScope": [
            { "Name": "openid", "Description": "Obtain the OpenID of the user.", "Required": true },
            { "Name": "aliuid", "Description": "Obtain the UID of the user." },
        ] } },
        "AppId": ID, "RefreshTokenValidity": 7_776_000, "AppType": "WebApp", "IsMultiTenant": false,
        "ProtocolVersion": "2.0",
    })
}

async fn server() -> (Server, Management) {
    let server = Server::new(|seen| {
        let answer = match seen.action() {
            "CreateApplication" | "GetApplication" => json!({ "RequestId": "r", "Application": application() }),
            "ListApplications" => json!({ "Applications": { "Application": [application(), { "AppId": "2" }] } }),
            "UpdateApplication" | "DeleteApplication" => json!({ "RequestId": "r" }),
            _ => return None,
        };
        Some(Reply::json(200, &answer))
    })
    .await;
    let management = server.platform().management().clone();
    (server, management)
}

fn native() -> Result<NewApplication, identity_client::Error> {
    NewApplication::new("sample-mcp", "Sample", ApplicationKind::NativeApp)
}

#[track_caller]
fn sent(server: &Server, action: &str, expected: &[(&str, &str)]) {
    let asked = server.asked(action);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].headers["x-acs-version"], "2019-08-15");
    let expected: Vec<_> = expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(asked[0].parameters().into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn one_is_made_with_what_was_given_and_nothing_else() {
    let (server, management) = server().await;
    let new = native()
        .unwrap()
        .with_redirect_uris(["https://a.example.com/x?y=1", "http://localhost:8090", "com.example.app:/back"])
        .unwrap()
        .with_scopes(["aliuid", "openid", "/acs/mcp-server"])
        .unwrap()
        .with_required_scopes(["aliuid", "openid"])
        .unwrap()
        .with_protocol_version("2.1")
        .with_multi_tenancy(false)
        .with_required_secret(true)
        .with_access_token_lifetime(Duration::from_secs(900))
        .unwrap()
        .with_refresh_token_lifetime(Duration::from_secs(31_536_000))
        .unwrap();
    let made = management.applications().create(new).await.unwrap();
    assert_eq!(made.id, ID);
    let expected = [
        ("AccessTokenValidity", "900"),
        ("AppName", "sample-mcp"),
        ("AppType", "NativeApp"),
        ("DisplayName", "Sample"),
        ("IsMultiTenant", "False"),
        ("PredefinedScopes", "aliuid;openid;/acs/mcp-server"),
        ("ProtocolVersion", "2.1"),
        ("RedirectUris", "https://a.example.com/x?y=1;http://localhost:8090;com.example.app:/back"),
        ("RefreshTokenValidity", "31536000"),
        ("RequiredScopes", "aliuid;openid"),
        ("SecretRequired", "True"),
    ];
    sent(&server, "CreateApplication", &expected);
}

#[tokio::test]
async fn they_are_read_with_redirect_uris_and_scopes() {
    let (_server, management) = server().await;
    let applications = management.applications();
    let found = applications.get(ID).await.unwrap();
    assert_eq!((found.name.as_deref(), found.display_name.as_deref()), (Some("myapp"), Some("myapp")));
    assert_eq!((found.kind.as_deref(), found.protocol_version.as_deref()), (Some("WebApp"), Some("2.0")));
    assert_eq!(found.redirect_uris, ["https://www.example.com"]);
    let scopes: Vec<_> = found.scopes.iter().map(|scope| (scope.name.as_str(), scope.required)).collect();
    assert_eq!(scopes, [("openid", true), ("aliuid", false)]);
    assert_eq!((found.is_multi_tenant, found.secret_required), (Some(false), Some(true)));
    assert_eq!(found.access_token_lifetime, Some(Duration::from_secs(3_600)));
    assert_eq!(found.refresh_token_lifetime, Some(Duration::from_secs(7_776_000)));
    assert!(found.create_time.is_some() && found.create_time == found.update_time);
    let listed = applications.list().await.unwrap();
    let mut bare = Application::default();
    bare.id = "2".to_owned();
    assert_eq!(listed, [found, bare]);
}

#[tokio::test]
async fn a_change_names_what_changes() {
    let (server, management) = server().await;
    let update = ApplicationUpdate::default()
        .with_display_name("Other")
        .unwrap()
        .with_redirect_uris(["https://b.example.com/"])
        .unwrap()
        .with_required_scopes(["profile"])
        .unwrap();
    management.applications().update(ID, update).await.unwrap();
    let expected = [
        ("AppId", ID),
        ("NewDisplayName", "Other"),
        ("NewRedirectUris", "https://b.example.com/"),
        ("NewRequiredScopes", "profile"),
    ];
    sent(&server, "UpdateApplication", &expected);
    management.applications().delete(ID).await.unwrap();
    sent(&server, "DeleteApplication", &[("AppId", ID)]);
}

#[tokio::test]
async fn what_cannot_be_one_is_refused_before_anything_is_sent() {
    let (server, management) = server().await;
    let applications = management.applications();
    let named = |name: &str| NewApplication::new(name, "Sample", ApplicationKind::WebApp).err();
    let shown = |name: &str| NewApplication::new("a", name, ApplicationKind::WebApp).err();
    let landing = |uri: &str| native().unwrap().with_redirect_uris([uri]).err();
    let scope = |scope: &str| native().unwrap().with_scopes([scope]).err();
    let lifetime = |lifetime| ApplicationUpdate::default().with_access_token_lifetime(lifetime).err();
    let unasked = native().unwrap().with_scopes(["aliuid"]).unwrap().with_required_scopes(["profile"]).unwrap();
    for (error, why) in [
        (named(""), "1 to 64"),
        (named(&"a".repeat(65)), "1 to 64"),
        (named("a b"), "each a letter"),
        (shown(" "), "blank"),
        (shown("a\u{7}"), "control characters"),
        (landing("nowhere"), "is not a URL"),
        (landing("https://a.example.com/;https://evil.example.com"), "has a `;`"),
        (landing("http://a.example.com/"), "is not https"),
        (landing("javascript:alert(1)"), "no browser"),
        (landing("https://user@a.example.com/"), "user information"),
        (landing("https://a.example.com/#x"), "fragment"),
        (scope(""), "is empty"),
        (scope("aliuid;profile"), "has a `;`"),
        (lifetime(Duration::from_secs(899)), "900 to 10800 whole seconds"),
        (lifetime(Duration::from_secs(10_801)), "900 to 10800 whole seconds"),
        (lifetime(Duration::from_millis(900_500)), "whole seconds"),
        (applications.create(unasked).await.err(), "\"profile\" is required, but"),
        (applications.get("my app").await.err(), "not the name"),
        (applications.update("", ApplicationUpdate::default()).await.err(), "0 characters"),
        (applications.delete("4&AppId=5").await.err(), "id is not one"),
    ] {
        let error = error.unwrap_or_else(|| panic!("{why}"));
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{why}");
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_application_without_an_id_is_none() {
    for body in [json!({ "Application": { "AppName": "x" } }), json!({ "Application": { "AppId": "" } }), json!({})] {
        let server = Server::new(move |_| Some(Reply::json(200, &body))).await;
        let applications = server.platform().management().applications();
        assert_eq!(applications.get(ID).await.unwrap_err().kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn keys_for_this_machine_never_go_to_production() {
    let server = Server::new(|_| None).await;
    let builder = identity_client::agent_identity::AgentIdentity::builder()
        .with_access_key("id", "secret")
        .with_data_endpoint(server.origin())
        .with_control_endpoint(server.origin());
    let error = builder.build_management().unwrap().applications().list().await.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.contains("with_ims_endpoint") && hint.contains("ALIBABA_CLOUD_IMS_ENDPOINT"), "{hint}");
    assert!(error.to_string().contains("the IMS endpoint"), "{error}");
}
