//! Keys and tokens that a person has to give: the whole journey, with the test as the person.

use std::time::Duration;

use identity_emulator::{AuditOutcome, Emulator, Fault};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{Bench, IDENTITY, RETURN_URL, cookie, field, form, location, read, text};

async fn bench() -> Bench {
    let bench = Bench::start().await;
    bench.identity().await;
    bench.delegated("demo-delegated").await;
    bench.oauth("demo-oauth").await;
    bench
}

async fn enter_key(bench: &Bench, link: &str, key: &str) -> (u16, Value) {
    read(bench.http.post(link).json(&json!({ "apikey": key })).send().await.unwrap()).await
}

#[tokio::test]
async fn a_delegated_key_comes_from_its_user_once_and_for_all_calls() {
    let bench = bench().await;
    let (status, asked) = bench.ask_key("demo-delegated", json!({ "customState": "mine" })).await;
    assert_eq!((status, &asked["status"]), (200, &json!("IN_PROGRESS")));
    let session = json!({ "sessionId": asked["sessionId"] });
    assert_eq!(bench.ask_key("demo-delegated", session.clone()).await.1["status"], "IN_PROGRESS");

    let link = text(&asked, "authorizationUrl");
    let (status, answer) = enter_key(&bench, &link, "users-own-key").await;
    let expected =
        json!({ "success": true, "message": "authorized", "redirectUrl": format!("{RETURN_URL}?state=mine") });
    assert_eq!((status, answer), (200, expected));
    assert_eq!(enter_key(&bench, &link, "another").await.0, 404, "the state works once");

    let (_, polled) = bench.ask_key("demo-delegated", session).await;
    assert_eq!(polled, json!({ "sessionId": asked["sessionId"], "status": "COMPLETED" }));
    let expected = json!({ "apikey": "users-own-key", "status": "COMPLETED" });
    assert_eq!(bench.ask_key("demo-delegated", json!({})).await.1, expected);
    let (_, other) = bench.ask_key("demo-delegated", json!({ "agentUserId": "user-456" })).await;
    assert_eq!(other["status"], "IN_PROGRESS", "another user's key is not theirs");
    let (_, forced) = bench.ask_key("demo-delegated", json!({ "forceDelegation": true })).await;
    assert_eq!(forced["status"], "IN_PROGRESS");

    let outcomes: Vec<_> = bench.emulator.audit().iter().map(|entry| (entry.user.clone(), entry.outcome)).collect();
    assert!(outcomes.contains(&(Some("user-123".to_owned()), AuditOutcome::Released)));
    assert!(!format!("{:?}", bench.emulator.audit()).contains("users-own-key"));
}

#[tokio::test]
async fn the_form_takes_a_key_from_the_browser_that_opened_it() {
    let bench = bench().await;
    let (_, asked) = bench.ask_key("demo-delegated", json!({ "agentUserId": "<b>user</b>", "customState": "s" })).await;
    let link = text(&asked, "authorizationUrl");
    let page = bench.http.get(&link).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for part in ["default-src 'none'", "form-action 'self' https:;", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    let cookie = cookie(&page);
    let html = page.text().await.unwrap();
    assert!(html.contains("<label for=\"apikey\">") && html.contains("&lt;b&gt;user") && !html.contains("<b>user"));
    let (state, csrf) = (field(&html, "state"), field(&html, "csrf"));
    let send = async |cookie: &str, csrf: &str, key: &str, decision: &str| {
        let body = form(&[("state", &state), ("csrf", csrf), ("apikey", key), ("decision", decision)]);
        let request = bench.http.post(&link).header("content-type", "application/x-www-form-urlencoded");
        request.header("cookie", cookie).body(body).send().await.unwrap()
    };
    assert_eq!(send("", &csrf, "k", "allow").await.status(), 403, "no cookie");
    assert_eq!(send(&cookie, "other", "k", "allow").await.status(), 403, "another form's value");
    assert_eq!(send("identity_emulator_csrf=", "", "k", "allow").await.status(), 403, "nothing is no value");
    assert_eq!(send(&cookie, &csrf, "  ", "allow").await.status(), 200, "shown again");
    assert_eq!(location(&send(&cookie, &csrf, " typed-key ", "allow").await), format!("{RETURN_URL}?state=s"));
    assert_eq!(send(&cookie, &csrf, "k", "allow").await.status(), 404, "used");
    let (_, key) = bench.ask_key("demo-delegated", json!({ "agentUserId": "<b>user</b>" })).await;
    assert_eq!(key["apikey"], "typed-key");
}

#[tokio::test]
async fn declining_fails_the_session_and_tells_the_application() {
    let bench = bench().await;
    let (_, asked) = bench.ask_key("demo-delegated", json!({})).await;
    let link = text(&asked, "authorizationUrl");
    let page = bench.http.get(&link).send().await.unwrap();
    let cookie = cookie(&page);
    let html = page.text().await.unwrap();
    let body = form(&[("state", &field(&html, "state")), ("csrf", &field(&html, "csrf")), ("decision", "deny")]);
    let request = bench.http.post(&link).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.header("cookie", cookie).body(body).send().await.unwrap();
    assert_eq!(location(&answer), format!("{RETURN_URL}?error=access_denied"));
    let (_, polled) = bench.ask_key("demo-delegated", json!({ "sessionId": asked["sessionId"] })).await;
    assert_eq!(polled["status"], "FAILED");
}

#[tokio::test]
async fn links_that_lead_nowhere_say_so_without_details() {
    let bench = bench().await;
    let (_, asked) = bench.ask_key("demo-delegated", json!({})).await;
    let link = text(&asked, "authorizationUrl");
    let (path, _) = link.split_once('?').unwrap();
    let wrong_provider = link.replace(path.rsplit('/').next().unwrap(), "10000000-0000-4000-8000-000000000001");
    for dead in [
        format!("{path}?state=guess"),
        format!("{path}?state="),
        path.to_owned(),
        wrong_provider,
        bench.url("/oauth2/authorize?sessionId=10000000-0000-4000-8000-000000000001"),
        bench.url("/oauth2/authorize"),
        bench.url(&format!("/oauth2/authorize?sessionId={}", text(&asked, "sessionId"))),
        bench.url("/oauth2/callback/10000000-0000-4000-8000-000000000001?code=c&state=guess"),
    ] {
        assert_eq!(bench.http.get(&dead).send().await.unwrap().status(), 404, "{dead}");
    }
}

#[tokio::test]
async fn a_consent_goes_through_the_provider_and_back() {
    let bench = bench().await;
    let extra =
        json!({ "customState": "mine", "customParameters": { "prompt": "consent" }, "scopes": ["read", "openid"] });
    let (status, asked) = bench.ask_token("demo-oauth", extra).await;
    assert_eq!((status, &asked["status"]), (200, &json!("IN_PROGRESS")));
    let link = text(&asked, "authorizationUrl");
    assert_eq!(link, bench.url(&format!("/oauth2/authorize?sessionId={}", text(&asked, "sessionId"))));
    let at_provider = location(&bench.http.get(&link).send().await.unwrap());
    for part in ["code_challenge_method=S256", "state=", "prompt=consent", "scope=openid+read"] {
        assert!(at_provider.contains(part), "{at_provider}");
    }
    let callback = bench.consent(&link, "allow").await;
    assert_eq!(location(&bench.http.get(&callback).send().await.unwrap()), format!("{RETURN_URL}?state=mine"));
    assert_eq!(bench.http.get(&callback).send().await.unwrap().status(), 404, "the state works once");

    let scopes = json!(["openid", "read"]);
    let (_, polled) = bench.ask_token("demo-oauth", json!({ "sessionId": asked["sessionId"], "scopes": scopes })).await;
    assert_eq!((&polled["status"], &polled["tokenType"]), (&json!("COMPLETED"), &json!("Bearer")));
    let (_, again) = bench.ask_token("demo-oauth", json!({ "scopes": ["read"] })).await;
    assert_eq!(
        again,
        json!({ "accessToken": polled["accessToken"], "tokenType": "Bearer" }),
        "covered scopes need no new consent"
    );
    for extra in
        [json!({ "scopes": ["write"] }), json!({ "agentUserId": "user-456" }), json!({ "forceAuthentication": true })]
    {
        assert_eq!(bench.ask_token("demo-oauth", extra.clone()).await.1["status"], "IN_PROGRESS", "{extra}");
    }
    let restart = json!({ "sessionId": asked["sessionId"], "forceAuthentication": true });
    let (_, restarted) = bench.ask_token("demo-oauth", restart).await;
    assert_ne!(restarted["sessionId"], asked["sessionId"], "forced with a session starts over");
    assert_eq!(bench.emulator.counters().count("provider_token"), 1);
}

#[tokio::test]
async fn a_refused_or_broken_consent_fails_the_session() {
    let bench = bench().await;
    let (_, asked) = bench.ask_token("demo-oauth", json!({ "customState": "mine" })).await;
    let callback = bench.consent(&text(&asked, "authorizationUrl"), "deny").await;
    let landed = location(&bench.http.get(&callback).send().await.unwrap());
    assert_eq!(landed, format!("{RETURN_URL}?error=access_denied&state=mine"));
    assert_eq!(bench.ask_token("demo-oauth", json!({ "sessionId": asked["sessionId"] })).await.1["status"], "FAILED");

    let (_, asked) = bench.ask_token("demo-oauth", json!({})).await;
    let callback = bench.consent(&text(&asked, "authorizationUrl"), "allow").await;
    bench.emulator.faults().add(Fault::on_operation("provider_token").status(500));
    let landed = location(&bench.http.get(&callback).send().await.unwrap());
    assert_eq!(landed, format!("{RETURN_URL}?error=server_error"));
    assert_eq!(bench.ask_token("demo-oauth", json!({ "sessionId": asked["sessionId"] })).await.1["status"], "FAILED");
}

#[tokio::test]
async fn a_second_visit_ends_the_first() {
    let bench = bench().await;
    let (_, asked) = bench.ask_token("demo-oauth", json!({})).await;
    let link = text(&asked, "authorizationUrl");
    let first = bench.consent(&link, "allow").await;
    let second = bench.consent(&link, "allow").await;
    assert_eq!(bench.http.get(&first).send().await.unwrap().status(), 404);
    assert_eq!(location(&bench.http.get(&second).send().await.unwrap()), RETURN_URL);
}

#[tokio::test]
async fn a_state_in_use_is_used_up() {
    let bench = bench().await;
    let (_, asked) = bench.ask_token("demo-oauth", json!({})).await;
    let callback = bench.consent(&text(&asked, "authorizationUrl"), "allow").await;
    bench.emulator.faults().add(Fault::on_operation("provider_token").delay(Duration::from_millis(300)));
    let first = tokio::spawn(bench.http.get(&callback).send());
    while bench.emulator.counters().count("provider_token") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.http.get(&callback).send().await.unwrap().status(), 404);
    assert_eq!(location(&first.await.unwrap().unwrap()), RETURN_URL);
    assert_eq!(bench.emulator.counters().count("provider_token"), 1);
}

#[tokio::test]
async fn sessions_end_and_are_forgotten() {
    let mut bench = bench().await;
    let (_, key) = bench.ask_key("demo-delegated", json!({})).await;
    let (_, token) = bench.ask_token("demo-oauth", json!({})).await;
    let callback = bench.consent(&text(&token, "authorizationUrl"), "allow").await;
    bench.emulator.advance_clock(Duration::from_secs(600));
    let (key_session, token_session) =
        (json!({ "sessionId": key["sessionId"] }), json!({ "sessionId": token["sessionId"] }));
    assert_eq!(bench.ask_key("demo-delegated", key_session.clone()).await.1["status"], "FAILED");
    assert_eq!(bench.ask_token("demo-oauth", token_session.clone()).await.1["status"], "FAILED");
    assert_eq!(enter_key(&bench, &text(&key, "authorizationUrl"), "late").await.0, 404);
    assert_eq!(bench.http.get(&callback).send().await.unwrap().status(), 404);
    bench.emulator.advance_clock(Duration::from_secs(3600));
    bench.renew().await;
    // Opening one sweeps the old ones out.
    bench.ask_key("demo-delegated", json!({})).await;
    assert_eq!(bench.ask_key("demo-delegated", key_session).await, (404, json!({ "message": "session not found" })));
    assert_eq!(bench.ask_token("demo-oauth", token_session).await.0, 404);
}

#[tokio::test]
async fn a_session_belongs_to_one_user_one_provider_one_kind() {
    let bench = bench().await;
    bench.delegated("other-delegated").await;
    let (_, asked) = bench.ask_key("demo-delegated", json!({})).await;
    let session = asked["sessionId"].clone();
    let foreign = json!({ "sessionId": session, "agentUserId": "user-456" });
    assert_eq!(bench.ask_key("demo-delegated", foreign).await.0, 404);
    assert_eq!(bench.ask_key("other-delegated", json!({ "sessionId": session })).await.0, 404);
    assert_eq!(bench.ask_token("demo-oauth", json!({ "sessionId": session })).await.0, 404);
    let upper = json!({ "sessionId": text(&asked, "sessionId").to_uppercase() });
    assert_eq!(bench.ask_key("demo-delegated", upper).await.0, 200, "either case is the same UUID");
}

/// A user's token, through the whole journey.
async fn obtain(bench: &Bench) -> String {
    let (_, asked) = bench.ask_token("demo-oauth", json!({})).await;
    let callback = bench.consent(&text(&asked, "authorizationUrl"), "allow").await;
    assert!(bench.http.get(&callback).send().await.unwrap().status().is_redirection());
    text(&bench.ask_token("demo-oauth", json!({})).await.1, "accessToken")
}

#[tokio::test]
async fn stored_tokens_are_refreshed_by_one_caller_for_all() {
    let mut bench = bench().await;
    let first = obtain(&bench).await;
    bench.emulator.advance_clock(Duration::from_secs(3600));
    bench.renew().await;
    bench.emulator.counters().reset();
    let answers = futures_util::future::join_all((0..8).map(|_| bench.ask_token("demo-oauth", json!({})))).await;
    let second = text(&answers[0].1, "accessToken");
    assert_ne!(first, second);
    assert!(
        answers.iter().all(|(status, body)| *status == 200 && body["accessToken"] == second.as_str()),
        "{answers:?}"
    );
    assert_eq!(bench.emulator.counters().count("provider_token"), 1);
}

#[tokio::test]
async fn a_refresh_that_fails_for_now_is_an_error_and_one_that_fails_for_good_asks_again() {
    let mut bench = bench().await;
    obtain(&bench).await;
    bench.emulator.advance_clock(Duration::from_secs(3600));
    bench.renew().await;
    bench.emulator.faults().add(Fault::on_operation("provider_token").status(503));
    assert_eq!(bench.ask_token("demo-oauth", json!({})).await.0, 502);
    assert!(bench.ask_token("demo-oauth", json!({})).await.1["accessToken"].is_string(), "the grant survived");
    bench.emulator.advance_clock(Duration::from_secs(3600));
    bench.renew().await;
    let ended = Fault::on_operation("provider_token").status(400).json(&json!({ "error": "invalid_grant" }));
    bench.emulator.faults().add(ended);
    assert_eq!(bench.ask_token("demo-oauth", json!({})).await.1["status"], "IN_PROGRESS");
}

#[tokio::test]
async fn m2m_tokens_come_from_the_provider_each_time() {
    let bench = bench().await;
    let (status, first) = bench.ask_m2m("demo-oauth", json!(["read", "write"])).await;
    assert_eq!((status, &first["tokenType"]), (200, &json!("Bearer")));
    let (_, second) = bench.ask_m2m("demo-oauth", json!(["read"])).await;
    assert_ne!(first["accessToken"], second["accessToken"]);
    assert_eq!(bench.emulator.counters().count("provider_token"), 2);
    assert_eq!(bench.ask_m2m("no-oauth", json!(["read"])).await.0, 404);
}

#[tokio::test]
async fn tokens_of_the_built_in_provider_live_as_long_as_they_are_told_to() {
    let bench = Bench::with(Emulator::builder().with_provider_token_lifetime(Duration::from_secs(60))).await;
    bench.identity().await;
    bench.oauth("demo-oauth").await;
    let (_, answer) = bench.ask_m2m("demo-oauth", json!(["read"])).await;
    let userinfo = bench.emulator.provider().token_url().replace("/token", "/userinfo");
    let status =
        async || bench.http.get(&userinfo).bearer_auth(text(&answer, "accessToken")).send().await.unwrap().status();
    bench.emulator.advance_clock(Duration::from_secs(40));
    assert_eq!(status().await, 200);
    bench.emulator.advance_clock(Duration::from_secs(20));
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn a_provider_that_refuses_shows_in_the_message_without_a_secret() {
    let bench = Bench::start().await;
    bench.identity().await;
    let provider = bench.emulator.provider();
    let body = json!({
        "name": "demo-oauth", "clientId": provider.client_id(), "clientSecret": "hush-wrong",
        "authorizationUrl": provider.authorization_url(), "tokenUrl": provider.token_url(),
    });
    bench.made("/outbound-auth/oauth2-providers", body).await;
    let (status, answer) = bench.ask_m2m("demo-oauth", json!(["read"])).await;
    assert_eq!(status, 502);
    assert!(text(&answer, "message").contains("invalid_client"), "{answer}");
    bench.emulator.faults().add(Fault::on_operation("provider_token").reset());
    let (status, unreachable) = bench.ask_m2m("demo-oauth", json!(["read"])).await;
    assert_eq!(status, 502);
    assert!(!format!("{answer}{unreachable}").contains("hush"));
}

#[tokio::test]
async fn what_a_provider_could_never_be_asked_is_refused_before_a_person_is() {
    let bench = bench().await;
    for extra in [json!({ "customParameters": { "state": "mine" } }), json!({ "scopes": ["two words"] })] {
        assert_eq!(bench.ask_token("demo-oauth", extra.clone()).await.0, 400, "{extra}");
    }
}

#[tokio::test]
async fn deleting_the_provider_or_the_identity_ends_every_grant() {
    let bench = bench().await;
    obtain(&bench).await;
    let path = format!("/agent-identities/{IDENTITY}");
    assert_eq!(bench.call(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(bench.ask_token("demo-oauth", json!({})).await, (404, json!({ "message": "Agent identity not found" })));
    bench.identity().await;
    assert_eq!(
        bench.ask_token("demo-oauth", json!({})).await.1["status"],
        "IN_PROGRESS",
        "a namesake inherits nothing"
    );
}

#[tokio::test]
async fn the_registered_client_is_what_the_handle_says() {
    let emulator = Emulator::start().await.unwrap();
    let provider = emulator.provider();
    let request = crate::support::http()
        .post(provider.token_url())
        .basic_auth(provider.client_id(), Some(provider.client_secret().expose_secret()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials&scope=read");
    assert_eq!(read(request.send().await.unwrap()).await.0, 200);
}
