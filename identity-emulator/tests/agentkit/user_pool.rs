//! The login of a user pool, and what its tokens are good for.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::{AGENT, Bench, Draft, form, parameter, read, refusal, text};

const CALLBACK: &str = "http://127.0.0.1:8082/callback";

struct Pool {
    bench: Bench,
    id: String,
    client: String,
    secret: String,
    discovery: Value,
}

impl Pool {
    async fn start() -> Self {
        let bench = Bench::start().await;
        bench.agent().await;
        let pool = bench.done("CreateUserPool", json!({ "Name": "users", "SelfSignUpEnabled": false })).await;
        let body = json!({
            "UserPoolUid": pool["Uid"], "Name": "web", "ClientType": "WEB_APPLICATION",
            "AllowedCallbackUrls": [CALLBACK],
        });
        let client = bench.done("CreateUserPoolClient", body).await;
        let discovery = bench.http.get(text(&pool, "DiscoveryUrl")).send().await.unwrap().json().await.unwrap();
        let (id, secret) = (text(&pool, "Uid"), text(&client, "ClientSecret"));
        Self { bench, id, client: text(&client, "Uid"), secret, discovery }
    }

    fn login(&self, extra: &[(&str, &str)]) -> String {
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.client),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile email"),
            ("state", "a b&c"),
            ("nonce", "n-1"),
        ];
        pairs.extend(extra);
        format!("{}?{}", text(&self.discovery, "authorization_endpoint"), form(&pairs))
    }

    async fn token(&self, secret: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
        let request =
            self.bench.http.post(text(&self.discovery, "token_endpoint")).basic_auth(&self.client, Some(secret));
        read(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(pairs)).send().await.unwrap())
            .await
    }

    async fn logged_in(&self, login: &str) -> Value {
        let back = self.bench.decide(&self.login(&[]), login, "allow").await;
        assert_eq!(parameter(&back, "state").as_deref(), Some("a b&c"));
        let code = parameter(&back, "code").unwrap();
        let pairs = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", &code)];
        let (status, answer) = self.token(&self.secret, &pairs).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The claims, the signature checked with the published key.
    async fn claims(&self, token: &str) -> Value {
        let keys: Value =
            self.bench.http.get(text(&self.discovery, "jwks_uri")).send().await.unwrap().json().await.unwrap();
        verified(&keys, token)
    }
}

fn verified(keys: &Value, token: &str) -> Value {
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    let key = &keys["keys"][0];
    assert_eq!((&header["alg"], &header["kid"]), (&json!("RS256"), &key["kid"]));
    let key = RsaPublicKeyComponents { n: decoded(&text(key, "n")), e: decoded(&text(key, "e")) };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decoded(signature)).unwrap();
    serde_json::from_slice(&decoded(claims)).unwrap()
}

#[tokio::test]
async fn a_person_logs_in_and_the_agent_acts_for_them() {
    let pool = Pool::start().await;
    let issuer = text(&pool.discovery, "issuer");
    let answer = pool.logged_in("alice").await;
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(36_000)));
    let access = text(&answer, "access_token");
    let claims = pool.claims(&access).await;
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(issuer), &json!("alice")));
    assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(pool.client), &json!(pool.client)));
    let id = pool.claims(&text(&answer, "id_token")).await;
    assert_eq!((&id["nonce"], &id["sub"], &id["aud"]), (&json!("n-1"), &json!("alice"), &json!(pool.client)));
    let person = pool.bench.http.get(text(&pool.discovery, "userinfo_endpoint")).bearer_auth(&access);
    assert_eq!(text(&person.send().await.unwrap().json().await.unwrap(), "sub"), "alice");

    let body =
        json!({ "Name": AGENT, "UserToken": access, "Audience": ["https://mcp.example.com"], "DurationSeconds": 300 });
    let answer = pool.bench.done("GetWorkloadAccessTokenForJWT", body).await;
    let token = text(&answer, "WorkloadAccessToken");
    let workload = pool.bench.done("GetWorkloadPool", json!({ "WorkloadPoolName": "default" })).await;
    let discovery: Value =
        pool.bench.http.get(text(&workload, "DiscoveryUrl")).send().await.unwrap().json().await.unwrap();
    let keys: Value = pool.bench.http.get(text(&discovery, "jwks_uri")).send().await.unwrap().json().await.unwrap();
    let claims = verified(&keys, &token);
    assert_eq!((&claims["sub"], &claims["act"]["sub"]), (&json!("alice"), &json!(AGENT)));
    assert_eq!((&claims["iss"], &claims["aud"]), (&discovery["issuer"], &json!("https://mcp.example.com")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
}

/// Somebody who was verified and somebody who is only named are two, whatever they are called.
#[tokio::test]
async fn a_verified_user_is_not_the_one_whom_a_caller_names() {
    let pool = Pool::start().await;
    let bench = &pool.bench;
    bench.provider("calendar", "USER_FEDERATION").await;
    let answer = pool.logged_in("alice").await;
    let body = json!({ "Name": AGENT, "UserToken": answer["access_token"] });
    let verified = text(&bench.done("GetWorkloadAccessTokenForJWT", body).await, "WorkloadAccessToken");
    let ask = |token: &str| json!({ "ProviderName": "calendar", "IdentityToken": token });
    let first = bench.done("GetResourceOauth2Token", ask(&verified)).await;
    let callback = bench.decide(&text(&first, "AuthorizationUrl"), "alice", "allow").await;
    bench.http.get(&callback).send().await.unwrap();
    assert!(bench.done("GetResourceOauth2Token", ask(&verified)).await["AccessToken"].is_string());
    let named = bench.token_for("alice").await;
    assert!(bench.done("GetResourceOauth2Token", ask(&named)).await["AccessToken"].is_null());
}

#[tokio::test]
async fn tokens_that_are_no_users_open_nothing() {
    let pool = Pool::start().await;
    let answer = pool.logged_in("alice").await;
    let access = text(&answer, "access_token");
    let (head, _) = access.rsplit_once('.').unwrap();
    let (status, machine) = pool.token(&pool.secret, &[("grant_type", "client_credentials")]).await;
    assert_eq!(status, 200);
    let workload = pool.bench.plain_token().await;
    for token in
        [format!("{head}.AAAA"), text(&machine, "access_token"), workload, "eyJ.SYNTHETIC-USER-JWT.sig".to_owned()]
    {
        let body = json!({ "Name": AGENT, "UserToken": token });
        let (status, code, message) = pool.bench.refused("GetWorkloadAccessTokenForJWT", body).await;
        assert_eq!((status, code.as_str()), (400, "InvalidParameter"));
        assert!(message.starts_with("UserToken"), "{message}");
    }
    let with_oidc = |token: &str| {
        let role = pool.bench.emulator.agentkit().role_trn().to_owned();
        Draft::sts("AssumeRoleWithOIDC", &[("RoleTrn", &role), ("RoleSessionName", "s"), ("OIDCToken", token)])
    };
    let (status, answer) = read(pool.bench.send(with_oidc(&access), &[("content-type", FORM.to_owned())]).await).await;
    assert!(status == 200 && answer["Result"]["Credentials"]["SessionToken"].is_string(), "{answer}");
    let (status, answer) = read(pool.bench.send(with_oidc("x.y.z"), &[("content-type", FORM.to_owned())]).await).await;
    assert_eq!(refusal(status, &answer).1, "InvalidParameter");
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn pkce_is_checked_where_it_is_used_and_clients_are_told_apart() {
    let pool = Pool::start().await;
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let start = pool.login(&[("code_challenge", challenge), ("code_challenge_method", "S256")]);
    for (given, expected) in
        [(Some(verifier), 200), (None, 400), (Some("wrong-verifier-wrong-verifier-wrong-verifier"), 400)]
    {
        let back = pool.bench.decide(&start, "alice", "allow").await;
        let code = parameter(&back, "code").unwrap();
        let mut pairs = vec![("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", code.as_str())];
        pairs.extend(given.map(|verifier| ("code_verifier", verifier)));
        assert_eq!(pool.token(&pool.secret, &pairs).await.0, expected, "{given:?}");
    }
    let back = pool.bench.decide(&pool.login(&[]), "alice", "allow").await;
    let code = parameter(&back, "code").unwrap();
    let pairs = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", CALLBACK),
        ("code", code.as_str()),
        ("code_verifier", verifier),
    ];
    assert_eq!(pool.token(&pool.secret, &pairs).await.0, 400, "a verifier without a challenge");
    assert_eq!(pool.token("wrong", &[("grant_type", "client_credentials")]).await.0, 401);
    let elsewhere = pool.login(&[]).replace("%2Fcallback", "%2Felsewhere");
    assert_eq!(pool.bench.http.get(elsewhere).send().await.unwrap().status(), 400);
    let unknown = pool.login(&[]).replace(&pool.client, "nobody");
    assert_eq!(pool.bench.http.get(unknown).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_clients_addresses_change_with_its_record() {
    let pool = Pool::start().await;
    let other = "http://127.0.0.1:8083/callback";
    let at_other = pool.login(&[]).replace("8082", "8083");
    assert_eq!(pool.bench.http.get(&at_other).send().await.unwrap().status(), 400);
    let body = json!({
        "UserPoolUid": pool.id, "ClientUid": pool.client, "Name": "web",
        "AllowedCallbackUrls": [CALLBACK, other, other], "IdToken": { "LifetimeSeconds": 600 },
    });
    let updated = pool.bench.done("UpdateUserPoolClient", body).await;
    assert_eq!(updated["AllowedCallbackUrls"], json!([CALLBACK, other]));
    assert_eq!(pool.bench.http.get(&at_other).send().await.unwrap().status(), 200);
    assert_eq!(pool.logged_in("alice").await["expires_in"], 600);
}
