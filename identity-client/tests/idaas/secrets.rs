//! No secret in any `Debug`, `Display`, error chain or log line: everything that could print is made to print.

use std::time::Duration;

use identity_client::{
    HttpOptions, SecretString, User, Wait,
    idaas::{AUTHORIZATION_SERVER, AccessKeySource, ClientAuthentication, CloudKey, NewJwt, SecretSource, TokenFilter},
};
use serde_json::json;

use crate::{
    captured::Captured,
    support::{Reply, SCOPE, SESSION, Seen, Server, client, quick},
};

/// What stands for every kind of secret, in what is configured, sent and answered.
const SECRETS: [&str; 13] = [
    "client-secret-1",
    "Y2xpZW50LXNlY3JldC0x",
    "PRIVATE KEY",
    "user-token-1",
    "actor-token-1",
    "idaas-token",
    "key-of-vault",
    "third-party-token",
    "minted-1",
    "STS-secret",
    "security-token-1",
    "os_secret",
    "Signature=",
];

/// The values that a request had.
fn sent(seen: &Seen) -> String {
    let authorization =
        seen.headers.get("authorization").map(|value| value.rsplit([' ', '=']).next().unwrap().to_owned());
    let token = seen.headers.get("x-acs-security-token").cloned();
    let json = seen.json();
    let json = json
        .as_object()
        .into_iter()
        .flat_map(|object| object.values().filter_map(|value| value.as_str().map(str::to_owned)));
    let form = if seen.is_token() { seen.form() } else { seen.query.clone() };
    let secrets =
        form.into_iter().filter(|(name, _)| name.to_ascii_lowercase().contains("token") || name.contains("secret"));
    let all = authorization.into_iter().chain(token).chain(json).chain(secrets.map(|(_, value)| value));
    all.filter(|value| !value.starts_with("urn:ietf:params:oauth:token-type")).collect::<Vec<_>>().join(" ")
}

/// Answers everything once as it should, then with errors that repeat what they were sent.
async fn instance() -> Server {
    let mut asked = std::collections::HashMap::<String, u32>::new();
    Server::raw(move |seen| {
        let count = asked.entry(seen.path.clone()).or_default();
        *count += 1;
        let echo = sent(seen);
        let first = echo.split(' ').next().unwrap_or_default().to_owned();
        let refused = |status| {
            let body = json!({ "error": first, "error_description": echo, "Message": echo, "message": echo, "request_id": first });
            Reply::json(status, &body)
        };
        let action = seen.path.rsplit('/').next().unwrap();
        if *count > 2 && action != "token" {
            return refused(400);
        }
        match action {
            "token" if *count > 8 => refused(401),
            "token" | "" => Reply::json(200, &json!({
                "access_token": "idaas-token-1", "expires_in": 60,
                "TokenResponse": { "AccessToken": "idaas-token-1", "ExpiresIn": 60 },
            })),
            "obtain" => Reply::json(200, &json!({ "credentialContent": { "apiKeyContent": { "apiKey": "key-of-vault" } } })),
            "fetchOAuthAccessToken" if *count == 1 => Reply::json(200, &json!({ "oauthAccessTokenContent": { "accessTokenValue": "third-party-token" } })),
            "fetchOAuthAccessToken" => Reply::json(200, &json!({ "oauthAuthorizationSession": {
                "sessionUri": format!("{SESSION}_os_secret"), "authorizationUrl": "https://idp.example.com/?os_secret=1", "sessionStatus": "pending" } })),
            "get" => Reply::json(200, &json!({ "sessionStatus": "failed", "errorDescription": "no" })),
            "obtainAccessCredential" => Reply::json(200, &json!({ "cloudAccountRoleAccessCredential": { "alibabaCloudStsToken":
                { "accessKeyId": "STS.1", "accessKeySecret": "STS-secret", "securityToken": "security-token-1" } } })),
            "authenticationTokens" => Reply::json(200, &json!({ "entities": [{ "jwtContent": { "jwtValue": "minted-1" } }] })),
            _ => Reply::json(200, &json!({ "jwtContent": { "jwtValue": "minted-1", "derivedShortToken": "minted-1" }, "active": true })),
        }
    })
    .await
}

async fn everything(captured: &Captured) {
    let pem = include_str!("../../../tests/fixtures/keys/ec256.sec1.pem");
    let key = CloudKey::temporary("STS.1", "STS-secret", "security-token-1");
    let source = AccessKeySource::fixed(key.clone());
    captured.debug(&key);
    captured.debug(&source);
    for authentication in [
        ClientAuthentication::client_secret_basic(SecretSource::given("client-secret-1")),
        ClientAuthentication::client_secret_post(SecretSource::given("client-secret-1")),
        ClientAuthentication::client_secret_jwt(SecretSource::given("client-secret-1")),
        ClientAuthentication::private_key_jwt(SecretSource::given(pem)),
        ClientAuthentication::private_key_jwt(SecretSource::given(pem.replace("END", "TAIL"))),
        ClientAuthentication::open_api(source.clone()),
    ] {
        let server = instance().await;
        let http = HttpOptions::new().with_retry(quick(1));
        let builder = server
            .builder()
            .with_authentication(authentication.clone())
            .with_http(http)
            .with_open_api_endpoint(server.origin());
        let by_open_api = format!("{authentication:?}").contains("PLUGIN");
        let builder =
            if by_open_api { builder } else { builder.with_actor_token(SecretSource::given("actor-token-1")) };
        captured.debug(&builder);
        captured.debug(&authentication);
        let idaas = builder.build().unwrap();
        captured.debug(&idaas);
        let client = client(idaas.clone());
        let alice = User::asserted("alice").unwrap().with_token("user-token-1").unwrap();
        for _ in 0..4 {
            client.forget_all();
            match client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).for_user(&alice).await {
                Ok(token) => captured.debug(&token),
                Err(error) => captured.error(&error),
            }
            match client.api_key("llm_api_key").for_user(&alice).await {
                Ok(key) => captured.debug(&key),
                Err(error) => captured.error(&error),
            }
            match client.access_token("github").for_user(&alice).with_wait(Wait::Return).await {
                Ok(token) => captured.debug(&token),
                Err(error) => captured.error(&error),
            }
            let tokens = idaas.authentication_tokens().for_user(&alice);
            let minted = SecretString::from("minted-1");
            let new = NewJwt::new("p", "s", ["https://a"]).unwrap();
            captured.debug(&idaas.credentials().obtain("k").await);
            captured.debug(&tokens.generate_jwt(&new).await);
            captured.debug(&tokens.obtain_jwt_by_short_token(&minted).await);
            captured.debug(&tokens.consent_session(&format!("{SESSION}_os_secret")).await);
            captured.debug(&tokens.list(&TokenFilter::new(), None).await);
            captured.debug(&tokens.validate(&minted).await);
            captured.debug(&tokens.revoke(&minted).await);
            captured.debug(&idaas.cloud_roles().obtain("r", Duration::from_secs(900)).await);
        }
    }
}

#[test]
fn w22_w25_nothing_prints_a_secret() {
    let captured = Captured::default();
    {
        let _listening = captured.listen("trace");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(everything(&captured));
    }
    captured.check(
        &SECRETS,
        &["identity_client.http", "identity_client.acquire", "PRIVATE_KEY_JWT", "HTTP 400", "could not"],
    );
}
