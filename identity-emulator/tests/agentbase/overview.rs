//! The page at `/`.

use std::time::Duration;

use identity_emulator::Emulator;
use reqwest::{Method, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{Bench, IDENTITY, RETURN_URL, http, location, text};

const HOSTILE: &str = "<script>alert('x')</script><b a=\"";

async fn open(bench: &Bench) -> String {
    let page = bench.http.get(bench.emulator.overview_url()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    page.text().await.unwrap()
}

/// What is between a heading and the end of its section.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<h2 id=\"{id}\">")).unwrap_or_else(|| panic!("no section {id}"));
    rest.split_once("</section>").unwrap().0
}

fn parameters(url: &str) -> Vec<String> {
    let pairs = url.split_once('?').unwrap().1;
    url::form_urlencoded::parse(pairs.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[tokio::test]
async fn an_empty_emulator_says_what_to_do_next() {
    let emulator = Emulator::start().await.unwrap();
    let page: Response = http().get(emulator.overview_url()).send().await.unwrap();
    let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    for part in ["default-src 'none';", "form-action 'none';", "frame-ancestors 'none';", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store".to_owned(), "no-referrer".to_owned()));
    let page = page.text().await.unwrap();
    for part in ["<html lang=\"en\">", "name=\"viewport\"", "<h1>Identity emulator</h1>", "<a href=\"/\">Refresh</a>"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    for id in ["identities", "api-keys", "delegated-keys", "oauth2"] {
        assert!(section(&page, id).contains("None yet. Create one with <code>POST /identity/api/v1/"), "{id}");
    }
    assert!(section(&page, "sessions").contains("None yet.") && section(&page, "audit").contains("Nothing yet."));
    assert!(section(&page, "requests").contains("<code>overview</code>"), "this very request");
    let agentbase = emulator.agentbase();
    for shown in [agentbase.client_id(), agentbase.identity_url(), agentbase.token_url()] {
        assert!(page.contains(shown), "{shown}");
    }
    assert_eq!(emulator.counters().count("overview"), 1);
}

#[tokio::test]
async fn foreign_hosts_and_other_methods_are_turned_away() {
    let emulator = Emulator::start().await.unwrap();
    let url = emulator.overview_url();
    let foreign = http().get(&url).header("host", "rebound.example.com").send().await.unwrap();
    assert_eq!(foreign.status(), 421);
    assert!(!foreign.text().await.unwrap().contains("<html"));
    assert_eq!(http().put(&url).send().await.unwrap().status(), 405);
}

/// Makes one of everything and answers all that nobody may learn from the page.
async fn scenario(bench: &Bench) -> Vec<String> {
    let agentbase = bench.emulator.agentbase();
    let provider = bench.emulator.provider();
    let mut secrets = vec![
        bench.bearer.clone(),
        agentbase.client_secret().expose_secret().to_owned(),
        provider.client_secret().expose_secret().to_owned(),
        "hush-".to_owned(),
    ];
    let identity = json!({
        "name": IDENTITY, "description": format!("reads {HOSTILE}"),
        "allowedReturnUrls": [RETURN_URL, format!("https://me:hush-password@a.example/{HOSTILE}?key=hush-query")],
    });
    bench.made("/agent-identities", identity).await;
    bench.static_key("static-one", "hush-static-key").await;
    bench.delegated("delegated-one").await;
    bench.oauth("oauth-one").await;
    let outside = json!({
        "name": "oauth-outside", "clientId": HOSTILE, "clientSecret": "hush-client-secret",
        "authorizationUrl": "https://idp.example.com/authorize?key=hush-url", "tokenUrl": "https://idp.example.com/token",
    });
    bench.made("/outbound-auth/oauth2-providers", outside).await;

    let user = json!({ "agentUserId": HOSTILE, "customState": "hush-custom-state" });
    let path = format!("/outbound-auth/api-key-providers/static-one/agent-identities/{IDENTITY}/api-key");
    assert_eq!(bench.get(&path).await.1["apikey"], "hush-static-key");
    let (_, granted) = bench.ask_m2m("oauth-one", json!(["read"])).await;
    secrets.push(text(&granted, "accessToken"));

    let (_, asked) = bench.ask_key("delegated-one", user.clone()).await;
    let link = text(&asked, "authorizationUrl");
    secrets.extend([text(&asked, "sessionId"), parameters(&link)[0].clone()]);
    let entered = bench.http.post(&link).json(&json!({ "apikey": "hush-users-key" })).send().await.unwrap();
    assert_eq!(entered.status(), 200);

    let (_, asked) = bench.ask_token("oauth-one", user.clone()).await;
    let link = text(&asked, "authorizationUrl");
    secrets.push(text(&asked, "sessionId"));
    let callback = bench.consent(&link, "allow").await;
    secrets.extend(parameters(&callback).into_iter().filter(|value| !value.starts_with("http")));
    location(&bench.http.get(&callback).send().await.unwrap());
    let (_, granted) = bench.ask_token("oauth-one", user.clone()).await;
    secrets.push(text(&granted, "accessToken"));

    // Two that stay open, one of them with the browser at the provider.
    let (_, asked) = bench.ask_key("delegated-one", json!({ "agentUserId": "waiting" })).await;
    secrets.extend([text(&asked, "sessionId"), parameters(&text(&asked, "authorizationUrl"))[0].clone()]);
    let (_, asked) = bench.ask_token("oauth-one", json!({ "agentUserId": "waiting" })).await;
    secrets.push(text(&asked, "sessionId"));
    let away = location(&bench.http.get(text(&asked, "authorizationUrl")).send().await.unwrap());
    let known = [provider.client_id(), "code", "S256", "openid"];
    let own = |value: &String| !known.contains(&value.as_str()) && !value.starts_with("http");
    secrets.extend(parameters(&away).into_iter().filter(own));
    secrets
}

#[tokio::test]
async fn a_full_scenario_shows_everything_but_its_secrets() {
    let bench = Bench::start().await;
    let secrets = scenario(&bench).await;
    assert!(secrets.len() > 12 && secrets.iter().all(|secret| secret.len() > 4), "{secrets:?}");
    // Names that the audit trail takes from a path.
    let path = "/outbound-auth/api-key-providers/%3Cscript%3E/agent-identities/%3Cimg%20src=x%3E/api-key";
    assert_eq!(bench.get(path).await.0, 404);
    let page = open(&bench).await;
    for secret in &secrets {
        assert!(!page.contains(secret.as_str()), "{secret} is in {page}");
    }
    for part in ["sessionId", "state=", "/oauth2/authorize?", "/api-key/delegate/", "<script", "<img", "<b a="] {
        assert!(!page.contains(part), "{part} is in {page}");
    }
    for (id, parts) in [
        ("identities", &["demo-agent", "reads &lt;script&gt;alert(&#39;x&#39;)", RETURN_URL, "https://a.example/"][..]),
        ("api-keys", &["static-one", "ACTIVE"]),
        ("delegated-keys", &["delegated-one", "<td>1</td>"]),
        (
            "oauth2",
            &["oauth-one", "oauth-outside", "https://idp.example.com/authorize?…", "/identity/oauth2/callback/"],
        ),
        ("oauth2", &["&lt;script&gt;"]),
        ("sessions", &["delegated-one", "oauth-one", "&lt;b a=&quot;", "waits for the person", "completed", " ago"]),
        ("audit", &["get_3lo_token", "credential handed out", "person agreed", "person asked", "&lt;img src=x&gt;"]),
        ("audit", &["handle_oauth2_callback", "&lt;script&gt;", "failed"]),
        ("requests", &["get_m2m_token", "iam_token"]),
    ] {
        for part in parts {
            assert!(section(&page, id).contains(part), "{part} is missing in {}", section(&page, id));
        }
    }
    assert_eq!(page.matches("<table>").count(), 9);
    assert_eq!(page.matches("<caption>").count(), 9);
    assert!(page.contains("<th scope=\"col\">") && page.contains("<th scope=\"row\">"));
    bench.emulator.advance_clock(Duration::from_secs(1_200));
    let later = open(&bench).await;
    assert!(section(&later, "sessions").contains("expired") && section(&later, "sessions").contains("20 min ago"));
}

#[tokio::test]
async fn tables_are_bounded_and_say_so() {
    let bench = Bench::start().await;
    bench.identity().await;
    bench.delegated("delegated-one").await;
    for index in 0..52 {
        bench.made("/agent-identities", json!({ "name": format!("agent-{index:02}") })).await;
        let user = format!("user-{index:02}-{}", "x".repeat(5_000));
        let (status, _) = bench.ask_key("delegated-one", json!({ "agentUserId": user })).await;
        assert_eq!(status, 200);
    }
    let page = open(&bench).await;
    for (id, caption) in [
        ("identities", "53 in all, newest first; 3 more are not shown"),
        ("sessions", "52 in all, newest first; 2 more are not shown"),
        ("audit", "52 in all, newest first; 2 more are not shown"),
        ("delegated-keys", "1 in all"),
    ] {
        assert!(section(&page, id).contains(&format!("<caption>{caption}</caption>")), "{}", section(&page, id));
    }
    let identities = section(&page, "identities");
    assert!(identities.contains("agent-51") && !identities.contains("agent-01") && !identities.contains(IDENTITY));
    assert!(section(&page, "sessions").contains("user-51-") && !section(&page, "sessions").contains("user-01-"));
    assert!(page.len() < 100_000, "{} bytes", page.len());
    let deleted = bench.call(Method::DELETE, "/agent-identities/agent-51", None).await;
    assert_eq!(deleted, (204, Value::Null));
    assert!(!section(&open(&bench).await, "identities").contains("agent-51"));
}
