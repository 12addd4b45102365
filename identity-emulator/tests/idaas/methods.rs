//! How an application proves itself: contract section 5.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::{API, APP, Bench, Key, PAM, SECRET, START, assertion, form, read, refused, text};

const CLIENT: (u16, &str) = (401, "invalid_client");

async fn basic(bench: &Bench, id: &str, secret: &str, extra: &[(&str, &str)]) -> (u16, Value) {
    let pairs = [&[("grant_type", "client_credentials"), ("scope", API)], extra].concat();
    let request = bench.http.post(bench.endpoint()).basic_auth(id, Some(secret));
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(&pairs));
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_secret_in_the_header_or_in_the_form() {
    let bench = Bench::with(json!({ "other_client_secret": "CSother" }), &json!({})).await;
    for secret in [SECRET, "CSother"] {
        let (status, answer) = basic(&bench, APP, secret, &[("client_id", APP)]).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
        let issued = answer["expires_at"].as_i64().unwrap() - 3600;
        assert!((START..START + 60).contains(&issued), "{issued}");
        assert_eq!(bench.ask(&[("client_secret", secret)]).await.0, 200);
    }
    for (id, secret) in [(APP, "CSwrong"), ("app_nobody", SECRET), (APP, "")] {
        refused(basic(&bench, id, secret, &[]).await, CLIENT);
    }
    refused(bench.ask(&[("client_secret", "CSwrong")]).await, CLIENT);
    refused(bench.ask(&[]).await, CLIENT);
    let twice = basic(&bench, APP, SECRET, &[("client_secret", SECRET)]).await;
    assert!(refused(twice, (400, "invalid_request")).contains("more than one way"));
    let other = basic(&bench, APP, SECRET, &[("client_id", "app_other")]).await;
    refused(other, (400, "invalid_request"));
}

#[tokio::test]
async fn the_token_says_for_whom_and_for_what() {
    let bench = Bench::start().await;
    let (_, answer) = bench.token((APP, SECRET), &format!("{API} https://api.example.com|write:file"), None).await;
    let claims = bench.claims(&text(&answer, "access_token")).await;
    let handle = bench.emulator.idaas();
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(handle.issuer()), &json!(APP)));
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!("https://api.example.com"), &json!("read:file write:file")));
    let (_, answer) = bench.token((APP, SECRET), "https://api.example.com|.all", None).await;
    assert_eq!(bench.claims(&text(&answer, "access_token")).await["scope"], "read:file write:file");
    let (_, answer) = bench.token((APP, SECRET), &format!("{PAM}|credential:obtain"), None).await;
    assert_eq!(bench.claims(&text(&answer, "access_token")).await["scope"], "credential:obtain");
    for scope in [
        "https://api.example.com|delete:file",
        "https://other.example.com|read:file",
        "https://api.example.com|read:file urn:cloud:idaas:pam|.all",
        "read:file",
        "a|b|c",
    ] {
        refused(bench.token((APP, SECRET), scope, None).await, (400, "invalid_scope"));
    }
    let password = [("client_id", APP), ("client_secret", SECRET), ("scope", API), ("grant_type", "password")];
    refused(bench.post(&password).await, (400, "unsupported_grant_type"));
}

#[tokio::test]
async fn assertions_by_secret_and_by_key() {
    let (rsa, ec) = (Key::rsa(), Key::ec());
    let bench = Bench::with(json!({ "public_keys": [rsa.pem(), ec.pem()] }), &json!({})).await;
    let endpoint = bench.endpoint();
    let secret = Key::Secret(SECRET.to_owned());
    for (number, key) in [&secret, &rsa, &ec].into_iter().enumerate() {
        let token = key.jwt(json!({ "typ": "JWT" }), &assertion(&endpoint, u32::try_from(number).unwrap()));
        let (status, answer) = bench.assert(&token).await;
        assert_eq!(status, 200, "{answer}");
        assert!(refused(bench.assert(&token).await, CLIENT).contains("used before"));
    }
    // A public key is no secret, whatever the header says.
    let confused = Key::Secret(rsa.pem()).jwt(json!({}), &assertion(&endpoint, 10));
    refused(bench.assert(&confused).await, CLIENT);
    for (number, key) in [(11, Key::rsa()), (12, Key::ec()), (13, Key::Secret("CSwrong".to_owned()))] {
        let answer = bench.assert(&key.jwt(json!({}), &assertion(&endpoint, number))).await;
        assert!(refused(answer, CLIENT).contains("no key"));
    }
    let extended = ec.jwt(json!({ "crit": ["b64"], "b64": false }), &assertion(&endpoint, 14));
    refused(bench.assert(&extended).await, CLIENT);
    let (_, rest) = ec.jwt(json!({}), &assertion(&endpoint, 15)).split_once('.').map(own).unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    // {"alg":"none"}
    refused(bench.assert(&format!("eyJhbGciOiJub25lIn0.{claims}.")).await, CLIENT);
}

fn own((left, right): (&str, &str)) -> (String, String) {
    (left.to_owned(), right.to_owned())
}

#[tokio::test]
async fn an_assertion_is_about_this_client_for_this_endpoint_and_for_now() {
    let key = Key::ec();
    let bench = Bench::with(json!({ "public_keys": [key.pem()] }), &json!({})).await;
    let endpoint = bench.endpoint();
    let other = format!("{}/other", bench.emulator.idaas().issuer());
    let cases = [
        ("iss", json!("app_other"), "client id"),
        ("sub", json!("app_other"), "client id"),
        ("aud", json!(other), "token endpoint"),
        ("aud", json!(bench.emulator.idaas().issuer()), "token endpoint"),
        ("aud", json!([endpoint, "https://other.example.com"]), "token endpoint"),
        ("aud", Value::Null, "token endpoint"),
        ("exp", Value::Null, "exp"),
        ("exp", json!(START - 1), "expired"),
        ("exp", json!(START + 3600), "too long"),
        ("iat", json!(START + 600), "future"),
        ("nbf", json!(START + 600), "future"),
        ("jti", Value::Null, "jti"),
        ("jti", json!("x".repeat(257)), "jti"),
    ];
    for (number, (claim, value, says)) in cases.into_iter().enumerate() {
        let mut claims = assertion(&endpoint, u32::try_from(number).unwrap());
        claims[claim] = value;
        let description = refused(bench.assert(&key.jwt(json!({}), &claims)).await, CLIENT);
        assert!(description.contains(says), "{claim}: {description}");
    }
    // None of these used up its jti.
    let (status, answer) = bench.assert(&key.jwt(json!({}), &assertion(&endpoint, 0))).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn keys_change_and_the_one_before_still_counts() {
    let bench = Bench::start().await;
    let first = bench.pam(None).await;
    let old = bench.jwks().await;
    bench.emulator.rotate_idaas_keys().await.unwrap();
    let second = bench.pam(None).await;
    let now = bench.jwks().await;
    assert!(crate::support::verified(&old, &second).is_none(), "whoever cached the keys must fetch them again");
    assert!(crate::support::verified(&now, &second).is_some() && crate::support::verified(&now, &first).is_some());
    assert_eq!(bench.get("authenticationTokens", &first).await.0, 200);
    bench.emulator.rotate_idaas_keys().await.unwrap();
    assert!(crate::support::verified(&bench.jwks().await, &first).is_none());
    refused(bench.get("authenticationTokens", &first).await, (401, "invalid_token"));
    assert_eq!(bench.get("authenticationTokens", &second).await.0, 200);
}

#[tokio::test]
async fn discovery_names_what_is_served() {
    let bench = Bench::start().await;
    let handle = bench.emulator.idaas();
    let url = format!("{}/.well-known/openid-configuration", handle.issuer());
    let document: Value = bench.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!((&document["issuer"], &document["token_endpoint"]), (&json!(handle.issuer()), &json!(bench.endpoint())));
    assert_eq!(bench.http.get(text(&document, "jwks_uri")).send().await.unwrap().status(), 200);
    let elsewhere = bench.endpoint().replace("synthetic0001", "synthetic0002");
    let answer = read(bench.http.post(elsewhere).body("").send().await.unwrap()).await;
    refused(answer, (404, "instance_not_found"));
}
