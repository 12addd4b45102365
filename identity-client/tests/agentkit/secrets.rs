//! No secret in any `Debug`, `Display`, error chain or log line: everything that could print is made to print.

use identity_client::{
    Acquired, IdentityClient, Platform as _, SecretString, Wait,
    agentkit::{AgentKit, Returned},
};
use serde_json::json;

use crate::{
    captured::Captured,
    support::{RETURN_URL, ROLE, Server, alice, assumed, link, ok, quick, refused},
};

/// What stands for every kind of secret, in what is configured, sent and answered.
const SECRETS: [&str; 13] = [
    "top-secret-key",
    "STS-SYNTHETIC",
    "VEVNUC1zZWNyZXQ",
    "workload-1",
    "eyJ.user",
    "u-token-of-alice",
    "key-of-vault",
    "secret-state",
    "secret-code",
    "credential-of-alice",
    "urn:session",
    "user-0001",
    "Signature=",
];

async fn everything(captured: &Captured) {
    let mut asked = 0;
    let server = Server::new(move |seen| match seen.action() {
        "AssumeRole" => ok(&assumed(1)),
        "GetResourceApiKey" => ok(&json!({ "ApiKey": "key-of-vault" })),
        "GetOauth2CredentialProvider" => {
            ok(&json!({ "Config": { "ClientId": "cli_1", "ClientSecret": "top-secret-key" } }))
        }
        "CompleteResourceTokenAuth" => refused(404, "NotFound", "urn:session:1 of user-0001"),
        "Oauth2Callback" => refused(403, "AccessDenied", "secret-code with secret-state by workload-1"),
        "GetUserCredential" => ok(&json!({ "CredentialId": "c-1", "CredentialData": "credential-of-alice" })),
        "UpdateUserCredential" => refused(409, "Conflict", "credential-of-alice by workload-1"),
        "GetRoleCredentials" => ok(&json!({ "VolcEngResponse": assumed(2) })),
        _ => {
            asked += 1;
            match asked {
                1 => ok(&json!({ "AuthorizationUrl": link("secret-state"), "SessionUri": "urn:session:1" })),
                2 => refused(500, "InternalError", "workload-1 for user-0001 with secret-state"),
                3 => ok(&json!({ "AccessToken": "u-token-of-alice", "ExpiresIn": 60 })),
                _ => refused(401, "SignatureDoesNotMatch", "VEVNUC1zZWNyZXQ= and eyJ.user.token"),
            }
        }
    })
    .await;
    let builder = AgentKit::builder()
        .with_access_key("AKLTEXAMPLE", "top-secret-key")
        .with_role(ROLE)
        .with_workload_name("my-agent")
        .with_endpoint(server.origin())
        .with_http(identity_client::HttpOptions::new().with_retry(quick(1)));
    captured.debug(&builder);
    let agentkit = builder.build().unwrap();
    captured.debug(&agentkit);
    captured.debug(agentkit.management());
    let client = IdentityClient::builder().with_platform(agentkit.clone()).build().unwrap();
    captured.debug(&client.api_key("weather").for_agent().await.unwrap());
    captured.debug(&agentkit.role_credentials("volc", None, None).await.unwrap());
    let user = alice().with_token("eyJ.user.token").unwrap();
    captured.debug(&user);
    let request = || {
        client.access_token("feishu").for_user(&user).with_return_url(RETURN_URL).with_custom_state("secret-state-1")
    };
    let Acquired::NeedsConsent(pending) = request().acquire().await.unwrap() else { panic!("consent is missing") };
    captured.debug(&pending);
    captured.error(&agentkit.complete(&pending).await.unwrap_err());
    let (state, code) = (SecretString::from("secret-state"), SecretString::from("secret-code"));
    captured.debug(&Returned::Code(&code));
    captured.error(&agentkit.hand_over(&pending, &state, Returned::Code(&code)).await.unwrap_err());
    let (credentials, data) = (agentkit.user_credentials(), SecretString::from("credential-of-alice"));
    captured.debug(&credentials);
    captured.debug(&credentials.get(&user, "c-1").await.unwrap());
    captured.error(&credentials.update(&user, "c-1", &data).await.unwrap_err());
    captured.error(&request().with_wait(Wait::Return).await.unwrap_err());
    captured.debug(&request().acquire().await.unwrap());
    captured.debug(&agentkit);
    captured.error(&request().with_force(true).acquire().await.unwrap_err());
}

#[test]
fn w2_w14_w24_nothing_prints_a_secret() {
    let captured = Captured::default();
    {
        let _listening = captured.listen("identity_client=trace");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(everything(&captured));
    }
    captured.check(
        &SECRETS,
        &["identity_client.acquire", "identity_client.http", "SignatureDoesNotMatch", "assume the role"],
    );
}
