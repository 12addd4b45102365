//! Signing in.

use http::Method;
use identity_runtime::LoginSession;
use tower::ServiceExt as _;

use crate::stage::{Anything, Stage};

#[tokio::test]
async fn a_user_signs_in_and_comes_back_to_the_page_they_wanted() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    assert_eq!(stage.who().await?, None);
    let page = stage.get("/page?a=b%20c").await?;
    assert_eq!((page.status, page.place()?.path()), (303, "/login"));
    let page = stage.browser.follow(page.place()?.as_str()).await?;
    assert_eq!((page.status, page.text.as_str()), (200, "page of alice"));
    assert_eq!(stage.get("/").await?.text, "home of User alice");
    assert!(stage.get("/token").await?.text.ends_with("-of-alice"));
    assert_eq!(stage.issuer.token_requests(), 1);
    Ok(())
}

#[tokio::test]
async fn the_request_to_the_issuer_has_what_it_must_have() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let (first, second) = (stage.get("/login").await?, stage.get("/login").await?);
    let parameters = |page: &crate::browser::Page| -> Result<std::collections::BTreeMap<String, String>, Anything> {
        Ok(page.place()?.query_pairs().into_owned().collect())
    };
    let (one, two) = (parameters(&first)?, parameters(&second)?);
    assert_eq!((one["response_type"].as_str(), one["code_challenge_method"].as_str()), ("code", "S256"));
    assert_eq!((one["scope"].as_str(), one["redirect_uri"].clone()), ("openid profile email", stage.url("/callback")));
    for name in ["state", "nonce", "code_challenge"] {
        assert!(one[name].len() == 43 && one[name] != two[name], "{name}");
    }
    assert_eq!(one.len(), 8, "{one:?}");
    assert_eq!(first.headers["cache-control"], "no-store");
    assert_eq!(first.headers["referrer-policy"], "no-referrer");
    let cookie = &first.set[0];
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=600"),
        "{cookie}"
    );
    assert!(!cookie.contains(&one["state"]) && !cookie.contains(&one["nonce"]), "{cookie}");
    Ok(())
}

#[tokio::test]
async fn two_tabs_sign_in_without_disturbing_each_other() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let (first, second) = (stage.come_back().await?, stage.come_back().await?);
    assert_eq!(stage.browser.get(&first).await?.status, 303);
    assert_eq!(stage.browser.get(&second).await?.status, 303);
    assert_eq!(stage.who().await?.as_deref(), Some("alice"));
    let left: Vec<_> = stage.browser.cookies().into_keys().collect();
    assert!(left.len() == 1 && left[0].starts_with("session-"), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn std_9700_03_no_way_leads_out_of_the_application() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    for elsewhere in [
        "https://evil.example.com/",
        "//evil.example.com",
        "/\\evil.example.com",
        "/%09/evil.example.com",
        "javascript:alert(1)",
        "page",
        "",
        "/..//evil.example.com",
    ] {
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("return_to", elsewhere).finish();
        let departure = stage.get(&format!("/login?{query}")).await?;
        let back = stage.browser.get(departure.place()?.as_str()).await?;
        let landed = stage.browser.get(back.place()?.as_str()).await?;
        assert_eq!(landed.place()?.origin().ascii_serialization(), stage.origin, "{elsewhere}");
    }
    let long = format!("/login?return_to=/{}", "x".repeat(1024));
    let back = stage.browser.get(stage.get(&long).await?.place()?.as_str()).await?;
    let landed = stage.browser.get(back.place()?.as_str()).await?;
    assert_eq!(landed.place()?.path(), "/", "no page has so long an address");
    Ok(())
}

#[tokio::test]
async fn cookies_follow_the_name_of_the_redirect_uri() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let elsewhere = stage.url("/login?return_to=/page").replace("127.0.0.1", "localhost");
    let page = stage.browser.get(&elsewhere).await?;
    assert_eq!(page.place()?.as_str(), stage.url("/login?return_to=%2Fpage"));
    assert!(page.set.is_empty());
    let page = stage.browser.send(Method::GET, &stage.url("/login"), None, &[("host", "app.example.com")]).await?;
    assert_eq!(page.status, 421);
    Ok(())
}

#[tokio::test]
async fn a_caller_without_a_page_gets_401_and_no_redirect() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let page = stage.browser.send(Method::GET, &stage.url("/page"), None, &[("accept", "application/json")]).await?;
    assert_eq!(page.status, 303, "two Accept headers, one of a page");
    let answer = stage.browser.send(Method::POST, &stage.url("/page"), Some(""), &[]).await?;
    assert_eq!(answer.status, 405);
    let form = axum::routing::post(async |_: LoginSession| "in");
    let form = axum::Router::new().route("/form", form).layer(stage.login.layer());
    let request = http::Request::post("/form").header("accept", "text/html").body(axum::body::Body::empty())?;
    assert_eq!(form.oneshot(request).await?.status(), 401, "what was posted would be lost on the way");
    for method in [Method::HEAD, Method::POST] {
        let page = stage.browser.send(method, &stage.url("/callback?code=a&state=b"), None, &[]).await?;
        assert_eq!(page.status, 405);
    }
    Ok(())
}
