//! Identities and providers: life, limits, lists.

use crate::support::{Bench, IDENTITY, RETURN_URL};
use reqwest::Method;
use serde_json::{Value, json};

const IDENTITIES: &str = "/agent-identities";
const STATIC: &str = "/outbound-auth/api-key-providers";
const DELEGATED: &str = "/outbound-auth/delegated-api-key-providers";
const OAUTH: &str = "/outbound-auth/oauth2-providers";

#[tokio::test]
async fn an_identity_lives_and_dies() {
    let bench = Bench::start().await;
    let made = bench.identity().await;
    assert_eq!((&made["name"], &made["description"]), (&json!(IDENTITY), &Value::Null));
    let again = bench.post("/agent-identities", json!({ "name": IDENTITY })).await;
    assert_eq!(again.0, 409);
    assert_eq!(bench.get("/agent-identities/demo-agent").await, (200, made));
    let path = "/agent-identities/demo-agent";
    let put = async |body| bench.call(Method::PUT, path, Some(body)).await;
    let (status, changed) = put(json!({ "description": "changed", "allowedReturnUrls": null, "unknown": 1 })).await;
    assert_eq!(
        (status, &changed["description"], &changed["allowedReturnUrls"]),
        (200, &json!("changed"), &json!([RETURN_URL]))
    );
    let (_, wiped) = put(json!({ "allowedReturnUrls": [] })).await;
    assert_eq!((&wiped["description"], &wiped["allowedReturnUrls"]), (&json!("changed"), &json!([])));
    let response = bench.send(Method::DELETE, path, None).await;
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (204, ""));
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(bench.call(method, path, None).await.0, 404);
    }
    assert_eq!(put(json!({})).await.0, 404);
}

#[tokio::test]
async fn a_static_key_is_handed_out_rotated_and_revoked() {
    let bench = Bench::start().await;
    bench.identity().await;
    let made = bench.static_key("demo-key", "first-key").await;
    assert!(made.get("apikey").is_none(), "{made}");
    let path = format!("{STATIC}/demo-key/agent-identities/{IDENTITY}/api-key");
    assert_eq!(bench.get(&path).await, (200, json!({ "apikey": "first-key" })));
    let rotated = bench.call(Method::PUT, &format!("{STATIC}/demo-key"), Some(json!({ "apikey": "second-key" }))).await;
    assert_eq!((rotated.0, &rotated.1["id"]), (200, &made["id"]));
    assert_eq!(bench.get(&path).await.1["apikey"], "second-key");
    for missing in ["demo-key/agent-identities/nobody", "no-key/agent-identities/demo-agent"] {
        assert_eq!(bench.get(&format!("{STATIC}/{missing}/api-key")).await.0, 404);
    }
    assert_eq!(bench.call(Method::DELETE, &format!("{STATIC}/demo-key"), None).await.0, 204);
    assert_eq!(bench.get(&path).await, (404, json!({ "message": "Provider not found" })));
}

#[tokio::test]
async fn an_oauth2_provider_never_shows_its_secret() {
    let bench = Bench::start().await;
    let made = bench.oauth("demo-oauth").await;
    let callback = bench.url(&format!("/oauth2/callback/{}", made["id"].as_str().unwrap()));
    assert_eq!(made["callbackUrl"], json!(callback));
    let body = json!({
        "clientId": "id", "clientSecret": "very-hidden",
        "authorizationUrl": "https://idp.example.com/authorize", "tokenUrl": "https://idp.example.com/token",
    });
    let (status, changed) = bench.call(Method::PUT, &format!("{OAUTH}/demo-oauth"), Some(body)).await;
    assert_eq!((status, &changed["clientId"], &changed["id"]), (200, &json!("id"), &made["id"]));
    let (_, listed) = bench.get(OAUTH).await;
    assert!(!listed.to_string().contains("very-hidden") && !changed.to_string().contains("very-hidden"));
}

/// A request that breaks a rule of contract section 4, and the field that it breaks it in.
struct Broken {
    method: Method,
    path: String,
    field: &'static str,
    body: Value,
}

fn broken(method: Method, path: &str, field: &'static str, body: Value) -> Broken {
    Broken { method, path: path.to_owned(), field, body }
}

fn long(count: usize) -> String {
    "x".repeat(count)
}

fn broken_resources() -> Vec<Broken> {
    let mut cases = Vec::new();
    for collection in [IDENTITIES, STATIC, DELEGATED, OAUTH] {
        for name in ["ab", "a b", "a.b", "näme", "a/b", "", long(51).as_str()] {
            cases.push(broken(Method::POST, collection, "name", json!({ "name": name, "apikey": "hush" })));
        }
        cases.push(broken(Method::POST, collection, "name", json!({ "name": 7 })));
        cases.push(broken(Method::POST, collection, "name", json!({ "name": null })));
    }
    for (field, value) in [
        ("description", json!(long(501))),
        ("description", json!(["hush"])),
        ("allowedReturnUrls", json!(vec!["u"; 11])),
        ("allowedReturnUrls", json!("hush")),
        ("allowedReturnUrls", json!([1])),
    ] {
        let body = json!({ "name": "fresh-agent", field: value });
        cases.push(broken(Method::POST, IDENTITIES, field, body.clone()));
        cases.push(broken(Method::PUT, "/agent-identities/demo-agent", field, body));
    }
    for key in [json!(""), json!(long(1001)), Value::Null, json!({ "hush": 1 })] {
        cases.push(broken(Method::POST, STATIC, "apikey", json!({ "name": "fresh-key", "apikey": key })));
        cases.push(broken(Method::PUT, &format!("{STATIC}/demo-key"), "apikey", json!({ "apikey": key })));
    }
    for (field, value) in [
        ("clientId", json!("")),
        ("clientId", json!(long(101))),
        ("clientId", Value::Null),
        ("clientSecret", json!("")),
        ("clientSecret", json!(format!("hush{}", long(100)))),
        ("clientSecret", json!(["hush"])),
        ("authorizationUrl", json!("")),
        ("authorizationUrl", json!("relative")),
        ("authorizationUrl", json!("http://idp.example.com/")),
        ("authorizationUrl", json!(format!("https://a.example/{}", long(1000)))),
        ("tokenUrl", Value::Null),
        ("tokenUrl", json!("ftp://127.0.0.1/")),
        ("tokenUrl", json!("https://u:hush@idp.example.com/")),
        ("tokenUrl", json!("https://idp.example.com/#f")),
    ] {
        let mut body = json!({
            "name": "fresh-oauth", "clientId": "id", "clientSecret": "hush",
            "authorizationUrl": "https://idp.example.com/authorize", "tokenUrl": "https://idp.example.com/token",
        });
        body[field] = value;
        cases.push(broken(Method::POST, OAUTH, field, body.clone()));
        cases.push(broken(Method::PUT, &format!("{OAUTH}/demo-oauth"), field, body));
    }
    cases
}

fn broken_requests() -> Vec<Broken> {
    let m2m = format!("{OAUTH}/demo-oauth/agent-identities/{IDENTITY}/tokens/m2m");
    let token = format!("{OAUTH}/demo-oauth/agent-identities/{IDENTITY}/tokens/3lo");
    let key = format!("{DELEGATED}/demo-delegated/agent-identities/{IDENTITY}/api-key");
    let mut cases = Vec::new();
    let mut case = |path: &str, field: &'static str, value: Value| {
        let mut body = json!({ "agentUserId": "user-123", "returnUrl": RETURN_URL, "scopes": ["openid"] });
        body[field] = value;
        cases.push(broken(Method::POST, path, field, body));
    };
    for scopes in [Value::Null, json!([]), json!([""]), json!([long(1001)]), json!("openid"), json!([1])] {
        case(&m2m, "scopes", scopes.clone());
        case(&token, "scopes", scopes);
    }
    for (path, longest_state) in [(&token, 100), (&key, 50)] {
        for (field, value) in [
            ("agentUserId", json!("")),
            ("agentUserId", Value::Null),
            ("returnUrl", json!("")),
            ("returnUrl", Value::Null),
            ("returnUrl", json!("https://evil.example.com/callback")),
            ("returnUrl", json!(format!("{RETURN_URL}?x=1"))),
            ("customState", json!("")),
            ("customState", json!(long(longest_state + 1))),
            ("sessionId", json!("not-a-uuid")),
            ("sessionId", json!(5)),
        ] {
            case(path, field, value);
        }
    }
    case(&token, "returnUrl", json!(long(1001)));
    case(&token, "customParameters", json!({ "a": 1 }));
    case(&token, "forceAuthentication", json!("yes"));
    case(&key, "forceDelegation", json!(1));
    cases
}

#[tokio::test]
async fn every_limit_is_kept_and_named() {
    let bench = Bench::start().await;
    bench.identity().await;
    bench.static_key("demo-key", "k").await;
    bench.delegated("demo-delegated").await;
    bench.oauth("demo-oauth").await;
    for Broken { method, path, field, body } in broken_resources().into_iter().chain(broken_requests()) {
        let (status, answer) = bench.call(method.clone(), &path, Some(body.clone())).await;
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!(status, 400, "{method} {path} {field} {shown}: {answer}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{field}: ")), "{field} {shown}: {message}");
        assert!(!message.contains("hush") && !message.contains("xxxx"), "{message}");
    }
}

#[tokio::test]
async fn what_is_just_within_the_limits_is_taken() {
    let bench = Bench::start().await;
    let name = "a_-".repeat(16) + "Zz";
    assert_eq!(name.len(), 50);
    let body = json!({ "name": name, "description": "ü".repeat(500), "allowedReturnUrls": vec!["anything"; 10] });
    bench.made("/agent-identities", body).await;
    bench.made("/agent-identities", json!({ "name": "abc", "description": "" })).await;
    bench.static_key("abc", &"k".repeat(1000)).await;
    bench.delegated("abc").await;
}

#[tokio::test]
async fn bodies_that_are_no_json_object_are_refused_without_an_echo() {
    let bench = Bench::start().await;
    let url = bench.url("/api/v1/outbound-auth/api-key-providers");
    for (kind, body, expected) in [
        ("application/json", "{\"name\":\"demo\",\"apikey\":\"hush", 400),
        ("application/json", "[\"hush\"]", 400),
        ("application/json", "", 400),
        ("text/plain", "{\"name\":\"demo-key\",\"apikey\":\"hush\"}", 415),
        ("application/json; charset=utf-8", "{\"name\":\"demo-key\",\"apikey\":\"hush\"}", 200),
    ] {
        let request = bench.http.post(&url).bearer_auth(&bench.bearer).header("content-type", kind).body(body);
        let (status, answer) = crate::support::read(request.send().await.unwrap()).await;
        assert_eq!(status, expected, "{kind} {body}: {answer}");
        assert!(!answer.to_string().contains("hush"));
    }
    let large = format!("{{\"name\":\"demo-key\",\"x\":\"{}\"}}", "x".repeat(1024 * 1024));
    let request =
        bench.http.post(&url).bearer_auth(&bench.bearer).header("content-type", "application/json").body(large);
    assert_eq!(request.send().await.unwrap().status(), 413);
}

#[tokio::test]
async fn lists_are_cut_and_sorted() {
    let bench = Bench::start().await;
    for name in ["charlie", "alpha", "bravo"] {
        bench.made("/agent-identities", json!({ "name": name })).await;
    }
    let names = |page: &Value| -> Vec<String> {
        page["content"].as_array().unwrap().iter().map(|item| crate::support::text(item, "name")).collect()
    };
    let (_, page) = bench.get("/agent-identities").await;
    assert_eq!(names(&page), ["charlie", "alpha", "bravo"], "oldest first");
    let (_, page) = bench.get("/agent-identities?sortBy=name&sortDirection=DESC&size=2").await;
    assert_eq!(names(&page), ["charlie", "bravo"]);
    assert_eq!((&page["totalElements"], &page["totalPages"], &page["hasNext"]), (&json!(3), &json!(2), &json!(true)));
    let (_, page) = bench.get("/agent-identities?sortBy=name&sortDirection=DESC&size=2&page=1").await;
    assert_eq!(names(&page), ["alpha"]);
    assert_eq!((&page["page"], &page["number"], &page["last"]), (&json!(1), &json!(1), &json!(true)));
    for collection in ["/agent-identities", STATIC, DELEGATED, OAUTH] {
        assert_eq!(bench.get(&format!("{collection}?size=0")).await.0, 400, "{collection}");
        assert_eq!(bench.get(&format!("{collection}?page=9")).await.1["content"], json!([]), "{collection}");
    }
}

#[tokio::test]
async fn foreign_hosts_are_turned_away() {
    let bench = Bench::start().await;
    let url = bench.url("/api/v1/agent-identities");
    for (host, expected) in
        [("rebound.example.com", 421), ("127.0.0.1.example.com", 421), ("localhost", 200), ("127.0.0.1:1", 200)]
    {
        let request = bench.http.get(&url).bearer_auth(&bench.bearer).header("host", host);
        assert_eq!(request.send().await.unwrap().status(), expected, "{host}");
    }
}
