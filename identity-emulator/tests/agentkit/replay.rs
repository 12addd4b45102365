//! Every recorded request, as recorded and with live values.

use std::collections::BTreeSet;

use identity_emulator::Emulator;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{AGENT, Bench, Draft, Key, parameter, read, text};

const RECORDED: &str = include_str!("../../../tests/fixtures/wire/volcengine-agentkit.jsonl");
const ACCESS_KEY: &str = "AKLTSYNTHETICEXAMPLE0000000000";
const SECRET: &str = "U1lOVEhFVElDLXNlY3JldC1rZXktZXhhbXBsZQ==";
const TOKEN: &str = "STSSYNTHETICSESSIONTOKENEXAMPLE==";
const ROLE: &str = "trn:iam::2100000000:role/SyntheticRuntimeRole";

fn exchanges() -> Vec<Value> {
    let lines: Vec<Value> = RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 60);
    lines
}

async fn bench() -> Bench {
    let seed = json!({ "agentkit": { "roles": [ROLE], "permissions": [
        { "principal": "user:user-0001", "operation": "Action:invoke", "resource": "agent:role-0001" },
    ] } });
    let builder = Emulator::builder()
        .with_access_key(ACCESS_KEY, SECRET)
        .with_role_session(ACCESS_KEY, SECRET, TOKEN, "SyntheticRuntimeRole")
        .with_role_session(
            "AKTPSYNTHETICTEMPORARY00000000",
            "VEVNUC1zZWNyZXQ=",
            "STS-SYNTHETIC-FROM-ASSUMEROLE",
            "SyntheticRuntimeRole",
        )
        .with_agentkit_host("open.volcengineapi.com")
        .with_agentkit_host("id.cn-beijing.volcengineapi.com")
        .with_seed(identity_emulator::Seed::from_json(&seed.to_string()).unwrap());
    Bench::with(builder).await
}

/// What the signature says, of requests sent byte for byte: each of them was signed with the synthetic keys.
#[tokio::test]
async fn every_recorded_signature_is_accepted() {
    let bench = bench().await;
    let mut signed = 0;
    for exchange in exchanges() {
        let (request, operation) = (&exchange["request"], text(&exchange, "op"));
        let authorization = request["headers"]["authorization"].as_str().unwrap_or_default();
        if !authorization.starts_with("HMAC-SHA256") {
            continue;
        }
        signed += 1;
        let (action, version) = (text(&request["query"], "Action"), text(&request["query"], "Version"));
        let mut sending = bench.http.request(Method::POST, bench.url(&action, &version));
        for (name, value) in request["headers"].as_object().unwrap() {
            if !["content-length", "connection", "accept-encoding"].contains(&name.as_str()) {
                sending = sending.header(name, value.as_str().unwrap());
            }
        }
        let (status, answer) = read(sending.body(text(request, "body")).send().await.unwrap()).await;
        let code = answer["ResponseMetadata"]["Error"]["Code"].as_str().unwrap_or_default();
        if action == "GetResourceApiKey" {
            assert_eq!((status, code), (404, "ServiceNotFound"), "the legacy service is never to be used");
            continue;
        }
        let passed = ["", "InvalidParameter", "NotFound", "InternalError", "InvalidActionOrVersion"];
        assert!(passed.contains(&code), "{operation}: {status} {code}");
        assert_eq!(code == "InvalidActionOrVersion", action == "GetRoleCredentials", "{operation}");
        assert_eq!(answer["ResponseMetadata"]["Action"], action.as_str());
    }
    assert_eq!(signed, 54);
}

/// What stands in for the synthetic values of the recording.
struct Live {
    plain: String,
    user: String,
    session: String,
    state: String,
    code: String,
    pool: String,
    client: String,
    jwt: String,
}

async fn prepared(bench: &Bench) -> Live {
    bench.agent().await;
    bench.done("CreateWorkloadIdentity", json!({ "Name": "r-synthetic" })).await;
    bench.provider("github", "USER_FEDERATION").await;
    bench.provider("svc_m2m", "M2M").await;
    bench.provider("handed", "USER_FEDERATION").await;
    bench.provider("bound", "USER_FEDERATION").await;
    bench.feishu("feishu_oauth", json!(["docx:document:readonly"])).await;
    let user = bench.token_for("user-0001").await;
    let ask = |provider: &str, url: Option<&str>| json!({ "ProviderName": provider, "IdentityToken": user, "ResourceOauth2ReturnUrl": url });
    let handed = bench.done("GetResourceOauth2Token", ask("handed", None)).await;
    let back = bench.decide(&text(&handed, "AuthorizationUrl"), "user-0001", "allow").await;
    let bound = bench.done("GetResourceOauth2Token", ask("bound", Some(crate::support::RETURN_URL))).await;
    let callback = bench.decide(&text(&bound, "AuthorizationUrl"), "user-0001", "allow").await;
    bench.http.get(callback).send().await.unwrap();
    let pool = bench.done("CreateUserPool", json!({ "Name": "earlier" })).await;
    let jwt = user_token(bench, &text(&pool, "Uid")).await;
    Live {
        plain: bench.plain_token().await,
        session: text(&bound, "SessionUri"),
        state: parameter(&back, "state").unwrap(),
        code: parameter(&back, "code").unwrap(),
        pool: text(&pool, "Uid"),
        client: jwt.1,
        jwt: jwt.0,
        user,
    }
}

/// A user's token of this pool, and the client at which the user logged in.
async fn user_token(bench: &Bench, pool: &str) -> (String, String) {
    let callback = "http://127.0.0.1:8082/callback";
    let body = json!({
        "UserPoolUid": pool, "Name": "agent_web", "ClientType": "WEB_APPLICATION", "AllowedCallbackUrls": [callback],
    });
    let client = bench.done("CreateUserPoolClient", body).await;
    let (id, secret) = (text(&client, "Uid"), text(&client, "ClientSecret"));
    let base = format!("{}/userpool/{pool}/oauth", bench.emulator.agentkit().endpoint());
    let pairs =
        [("response_type", "code"), ("client_id", id.as_str()), ("redirect_uri", callback), ("scope", "openid")];
    let back = bench.decide(&format!("{base}/authorize?{}", crate::support::form(&pairs)), "user-0001", "allow").await;
    let code = parameter(&back, "code").unwrap();
    let pairs = [("grant_type", "authorization_code"), ("redirect_uri", callback), ("code", code.as_str())];
    let request = bench.http.post(format!("{base}/token")).basic_auth(&id, Some(secret));
    let request =
        request.header("content-type", "application/x-www-form-urlencoded").body(crate::support::form(&pairs));
    let (status, answer) = read(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    (text(&answer, "id_token"), id)
}

impl Live {
    fn put_into(&self, body: &str, plain: bool) -> String {
        let token = if plain { &self.plain } else { &self.user };
        let replaced = body.replace("eyJ.SYNTHETIC-WORKLOAD-TOKEN.sig", token);
        [
            ("eyJ.SYNTHETIC-USER-JWT.sig", &self.jwt),
            ("eyJ.SYNTHETIC-ID-TOKEN.sig", &self.jwt),
            ("urn:ietf:params:oauth:request_uri:SYNTHETIC", &self.session),
            ("SYNTHETIC-STATE", &self.state),
            ("SYNTHETIC-CODE", &self.code),
            ("00000000-aaaa-4bbb-8ccc-000000000001", &self.pool),
            ("11111111-aaaa-4bbb-8ccc-000000000001", &self.client),
        ]
        .into_iter()
        .fold(replaced, |text, (synthetic, live)| text.replace(synthetic, live))
    }
}

/// Recordings whose answer no service that works would give, or that show an object which the recording before them made:
/// what a test scripts with a fault.
const SCRIPTED: [&str; 12] = [
    "GetWorkloadAccessTokenForUserId.error-in-200",
    "GetWorkloadAccessToken.fractional-expiry",
    "GetWorkloadAccessToken.offset-expiry",
    "GetWorkloadAccessToken.null-result",
    "GetResourceOauth2Token.neither",
    "CheckPermission.denied",
    "CheckPermission.allowed-as-string-false",
    "GetUserPool.denied-swallowed",
    "Retry.500-then-200#1",
    "Retry.create-on-500#1",
    "AssumeRole.403-swallowed#1",
    "GetRoleCredentials",
];

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().map(|members| members.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Signed anew, because the body is: what the recording has, the answer has, too.
#[tokio::test]
async fn every_recorded_request_gets_an_answer_of_the_recorded_shape() {
    let bench = bench().await;
    let live = prepared(&bench).await;
    let mut compared = 0;
    for exchange in exchanges() {
        let (request, operation) = (&exchange["request"], text(&exchange, "op"));
        let signed = request["headers"]["authorization"].as_str().is_some_and(|value| value.contains("/id/request"));
        let sts = request["query"]["Action"] == "AssumeRole";
        if !(signed || sts) || SCRIPTED.contains(&operation.as_str()) {
            continue;
        }
        let action = text(&request["query"], "Action");
        before(&bench, &live, &operation).await;
        let mut body = live.put_into(&text(request, "body"), operation == "GetResourceOauth2Token.m2m");
        if action == "CreateWorkloadIdentity" {
            // That agent was made before, for the others.
            body = body.replace(AGENT, &format!("{AGENT}-{}", operation.len()));
        }
        let draft = if sts {
            Draft { body, ..Draft::sts(&action, &[]) }
        } else {
            Draft { body, ..Draft::id(&action, &json!({})) }
        };
        let token = request["headers"]["x-security-token"].as_str().map(|_| TOKEN.to_owned());
        let key = Key { id: ACCESS_KEY.to_owned(), secret: SecretString::from(SECRET), token };
        let (status, answer) = bench.signed(draft, &key).await;
        let recorded = &exchange["response"];
        assert_eq!(status, recorded["status"], "{operation}: {answer}");
        let metadata = |body: &Value| body["ResponseMetadata"].clone();
        let (expected, found) = (metadata(&recorded["body"]), metadata(&answer));
        assert_eq!(expected["Error"]["Code"], found["Error"]["Code"], "{operation}: {answer}");
        assert_eq!(keys(&expected), keys(&found), "{operation}");
        let (expected, found) = (keys(&recorded["body"]["Result"]), keys(&answer["Result"]));
        // The full client instead of nothing: the contract documents it (section 5.4).
        assert!(expected.is_subset(&found), "{operation}: {expected:?} {found:?}");
        compared += 1;
    }
    assert_eq!(compared, 54 - SCRIPTED.len() - 1);
}

/// Brings the vault to where the recording has it.
async fn before(bench: &Bench, live: &Live, operation: &str) {
    let ask =
        |provider: &str| json!({ "ProviderName": provider, "IdentityToken": live.user, "Flow": "USER_FEDERATION" });
    match operation {
        "GetResourceOauth2Token.3lo-poll-done" => consent(bench, ask("feishu_oauth")).await,
        "GetResourceOauth2Token.3lo-poll-with-custom-parameters" => {
            let mut body = ask("github");
            body["Scopes"] = json!(["repo", "user"]);
            consent(bench, body).await;
        }
        "CreateOauth2CredentialProvider.feishu" => {
            bench.done("DeleteOauth2CredentialProvider", json!({ "Name": "feishu_oauth" })).await;
        }
        _ => {}
    }
}

async fn consent(bench: &Bench, body: Value) {
    let asked = bench.done("GetResourceOauth2Token", body).await;
    let callback = bench.decide(&text(&asked, "AuthorizationUrl"), "user-0001", "allow").await;
    assert_eq!(bench.http.get(callback).send().await.unwrap().status(), 200);
}
