//! Providers whose client the platform registers by itself.

use identity_client::{
    ErrorKind, Flow, HttpOptions,
    agentkit::{ClientRegistration, Vendor},
};
use serde_json::{Value, json};

use crate::support::{CALLBACK, Reply, Server, ok, quick, refused};

const ISSUER: &str = "https://id.example.com";

fn for_users() -> ClientRegistration {
    ClientRegistration::new("My agent", Flow::UserFederation)
        .unwrap()
        .with_scopes(["read", "write"])
        .with_redirect_url(CALLBACK)
        .with_endpoints(ISSUER, "https://id.example.com/a", "https://id.example.com/t", "https://id.example.com/r")
}

async fn sent(registration: &ClientRegistration) -> Value {
    let server =
        Server::new(|_| ok(&json!({ "Name": "mcp", "CredentialProviderTrn": "trn:1", "SecretTrn": "s" }))).await;
    let made = server.agentkit().oauth2_providers().create_registered("mcp", Vendor::Custom, registration).await;
    assert_eq!(made.unwrap().trn.as_deref(), Some("trn:1"));
    let seen = server.asked("CreateOauth2CredentialProviderDcr");
    assert_eq!(seen.len(), 1);
    seen[0].json()
}

#[tokio::test]
async fn a_client_is_registered_with_what_the_flow_needs() {
    let registration = for_users().with_token_endpoint_auth_method("client_secret_post");
    let registration =
        registration.with_client_uri("https://app.example.com").with_logo_uri("https://app.example.com/l");
    let expected = json!({
        "Name": "mcp", "Vendor": 0,
        "Config": {
            "Flow": "USER_FEDERATION", "Scopes": ["read", "write"], "RedirectUrl": CALLBACK,
            "Oauth2Discovery": { "AuthorizationServerMetadata": {
                "Issuer": ISSUER, "AuthorizationEndpoint": "https://id.example.com/a",
                "TokenEndpoint": "https://id.example.com/t", "RegistrationEndpoint": "https://id.example.com/r",
            } },
        },
        "ClientMetadata": {
            "ClientName": "My agent", "RedirectUris": [CALLBACK], "GrantTypes": ["authorization_code", "refresh_token"],
            "ResponseTypes": ["code"], "Scope": "read write", "TokenEndpointAuthMethod": "client_secret_post",
            "ClientUri": "https://app.example.com", "LogoUri": "https://app.example.com/l",
        },
    });
    assert_eq!(sent(&registration).await, expected);

    let machine = ClientRegistration::new("My agent", Flow::MachineToMachine).unwrap();
    let machine = machine.with_discovery_url("https://id.example.com/.well-known/openid-configuration");
    let expected = json!({
        "Name": "mcp", "Vendor": 0,
        "Config": {
            "Flow": "M2M",
            "Oauth2Discovery": { "DiscoveryUrl": "https://id.example.com/.well-known/openid-configuration" },
        },
        "ClientMetadata": { "ClientName": "My agent", "GrantTypes": ["client_credentials"] },
    });
    assert_eq!(sent(&machine).await, expected);
}

#[tokio::test]
async fn what_cannot_be_registered_is_not_sent() {
    let server = Server::new(|_| ok(&json!({}))).await;
    let providers = server.agentkit().oauth2_providers();
    let nowhere = ClientRegistration::new("My agent", Flow::MachineToMachine).unwrap();
    let no_way_back = ClientRegistration::new("My agent", Flow::UserFederation).unwrap().with_discovery_url(ISSUER);
    for registration in [nowhere, no_way_back] {
        let error = providers.create_registered("mcp", Vendor::Custom, &registration).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.hint().is_some());
    }
    ClientRegistration::new(" ", Flow::UserFederation).unwrap_err();
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn w30_a_registration_is_not_repeated_and_w29_its_refusal_inside_http_200_is_one() {
    for reply in [Reply::Reset, Reply::Truncated, refused(500, "InternalError", "x"), refused(429, "Throttling", "x")] {
        let mut reply = Some(reply);
        let server = Server::raw(move |_| reply.take().unwrap_or_else(|| ok(&json!({ "Name": "mcp" })))).await;
        let agentkit = server.builder().with_http(HttpOptions::new().with_retry(quick(4))).build().unwrap();
        agentkit.oauth2_providers().create_registered("mcp", Vendor::Custom, &for_users()).await.unwrap_err();
        assert_eq!(server.seen().len(), 1);
    }
    let server = Server::new(|_| refused(200, "InternalError", "Duplicate entry 'mcp'")).await;
    let made = server.agentkit().oauth2_providers().create_registered("mcp", Vendor::Custom, &for_users()).await;
    let error = made.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("InternalError")));
}

/// Where the record has the registered client beside its configuration, the link is compared with that.
#[tokio::test]
async fn the_record_s_own_client_is_the_registered_one() {
    for (config, expected) in
        [(json!({ "ClientId": "" }), "dcr-1"), (json!(null), "dcr-1"), (json!({ "ClientId": "c" }), "c")]
    {
        let server = Server::new(move |_| {
            let info =
                json!({ "ClientId": "dcr-1", "ClientSecret": "top-secret", "RegistrationAccessToken": "top-secret" });
            ok(&json!({ "Name": "mcp", "Config": config, "DcrClientInfo": info }))
        })
        .await;
        let record = server.agentkit().oauth2_providers().get("mcp").await.unwrap();
        assert_eq!(record.client_id.as_deref(), Some(expected));
        assert!(!format!("{record:?}").contains("top-secret"));
    }
}
