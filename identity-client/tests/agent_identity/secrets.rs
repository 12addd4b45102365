//! No secret in any `Debug`, `Display`, error chain or log line: everything that could print is made to print.

use identity_client::{
    Acquired, CredentialRef, Error, Platform as _, Wait,
    agent_identity::{NewOAuth2Provider, OAuth2Config},
};
use serde_json::json;

use crate::{
    captured::Captured,
    support::{KEY_SECRET, Reply, SESSION, Server, USER_TOKEN, alice, client, consent},
};

/// What stands for every kind of secret, in what is configured, sent and answered.
const SECRETS: [&str; 9] =
    [KEY_SECRET, "hunter2", "wat-1", USER_TOKEN, "eyJ", "secret-state", SESSION, "Signature=", "request_uri"];

async fn everything(captured: &Captured) {
    let server = Server::new(|seen| match seen.action() {
        "GetResourceAPIKey" if seen.form()["ResourceCredentialProviderName"] == "echo" => {
            // A platform that repeats what it was sent.
            Some(Reply::json(400, &json!({ "Code": "InvalidParameter", "Message": format!("bad {}", seen.form()["WorkloadAccessToken"]) })))
        }
        "GetResourceAPIKey" => Some(Reply::json(200, &json!({ "APIKey": "hunter2-api-key" }))),
        "GetResourceOAuth2Token" => Some(Reply::json(200, &consent())),
        "CompleteResourceTokenAuth" => {
            Some(Reply::json(400, &json!({ "Code": "InvalidParameter.JsonWebToken", "Message": seen.form()["UserIdentifier"] })))
        }
        "CreateOAuth2CredentialProvider" => {
            Some(Reply::json(400, &json!({ "Code": "InvalidParameter", "Message": seen.form()["OAuth2ProviderConfig"] })))
        }
        "CreateUserPool" => Some(Reply::json(400, &json!({ "Code": "X", "Message": format!("no {}", seen.form()["Secret"]) }))),
        _ => None,
    })
    .await;
    captured.debug(&server.builder());
    let platform = server.platform();
    captured.debug(&platform);
    captured.debug(platform.management());
    captured.debug(&platform.management().ram());
    let client = client(platform.clone());
    captured.debug(&client);
    let user = alice().with_token(USER_TOKEN).unwrap();
    captured.debug(&user);
    let key = client.api_key("p").await.unwrap();
    captured.debug(&key);
    captured.error(&client.api_key("echo").await.unwrap_err());
    let credentials = client.sts_credentials().for_user(&user).with_policy(r#"{"hunter2":1}"#).await.unwrap();
    captured.debug(&credentials);
    captured.debug(&CredentialRef::from(&credentials));
    captured.error(&Error::credential_rejected(&credentials));
    let token = client.workload_token().for_user(&user).await.unwrap();
    captured.debug(&token);
    captured.error(&Error::credential_rejected(&token));
    let request = || client.access_token("p").for_user(&user).with_custom_state("secret-state-secret-state");
    captured.debug(&request());
    let acquired = request().acquire().await.unwrap();
    captured.debug(&acquired);
    captured.error(&request().with_wait(Wait::Return).await.unwrap_err());
    let Acquired::NeedsConsent(pending) = acquired else { panic!("consent is missing") };
    captured.debug(pending.parts());
    captured.error(&platform.complete(&pending).await.unwrap_err());
    captured.debug(&platform.timed_out(&pending, std::time::Duration::from_secs(60)));
    let config = OAuth2Config::known("c").with_client_secret("hunter2-client-secret");
    captured.debug(&config);
    let new = NewOAuth2Provider::new("p", "AliyunOAuth2", config).unwrap();
    captured.debug(&new);
    let management = platform.management();
    captured.error(&management.oauth2_credential_providers().create(new).await.unwrap_err());
    captured.error(&management.call("CreateUserPool", &json!({ "Secret": "hunter2-secret" })).await.unwrap_err());
}

#[test]
fn w17_nothing_prints_a_secret() {
    let captured = Captured::default();
    // The HTTP library's own events are its own business, but for the levels that an application would see.
    {
        let _listening = captured.listen("debug,identity_client=trace");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(everything(&captured));
    }
    captured.check(
        &SECRETS,
        &["identity_client.http", "InvalidParameter", "sts_credentials", "StsCredentials", "AgentIdentity"],
    );
}
