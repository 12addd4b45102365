use super::*;

const NASTY: &str = "\"><script>alert('x')</script>";

#[tokio::test]
async fn the_page_is_plain_accessible_and_locked_down() {
    let server = Server::start().await;
    let page = server.open(server.request(&[])).await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "<!DOCTYPE html>",
        "<html lang=\"en\">",
        "name=\"viewport\" content=\"width=device-width",
        "<title>",
        "<main>",
        "<h1>Allow “Identity emulator” to use your account?</h1>",
        "<label for=\"login\">Login name</label>",
        "know who you are (<code>openid</code>)",
        "read data of yours (<code>read</code>)",
        "value=\"allow\">Allow</button>",
        "value=\"deny\" formnovalidate>Deny</button>",
        "action=\"/provider/authorize\"",
        "href=\"/provider/style.css\"",
    ] {
        assert!(page.body.contains(part), "{part} is missing in {}", page.body);
    }
    for part in ["<script", "style=", "<style", " on", "tabindex", "http-equiv"] {
        assert!(!page.body.replace(" on this machine", "").contains(part), "{part}");
    }
    assert!(page.body.find(">Allow<").unwrap() < page.body.find(">Deny<").unwrap());
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self' http://127.0.0.1:9 ",
    ] {
        assert!(policy.contains(part), "{part} is missing in {policy}");
    }
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("cache-control"), "no-store");
    let cookie = page.header("set-cookie");
    assert!(cookie.ends_with("; Path=/provider/authorize; Max-Age=600; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(page.interaction()) && !page.body.contains(page.cookie().split_once('=').unwrap().1));
    let style = server.open(server.url("style.css")).await;
    assert_eq!((style.status, style.header("content-type")), (StatusCode::OK, "text/css; charset=utf-8"));
}

#[tokio::test]
async fn std_9207_allow_returns_code_state_and_issuer() {
    let server = Server::start().await;
    let page = server.open(server.request(&[])).await;
    let answer = server.decide(&page, " alice ", "allow").await;
    assert_eq!(answer.sent("state").as_deref(), Some("st&te +%"));
    assert_eq!(answer.sent("iss").as_deref(), Some(server.provider.issuer()));
    assert_eq!(answer.sent("kept").as_deref(), Some("1"));
    assert_eq!(answer.sent("error"), None);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    let json = server.redeem(&answer.sent("code").unwrap()).await.json();
    assert_eq!(server.provider.introspect(text(&json, "access_token")).unwrap().subject.as_deref(), Some("alice"));
    let page = server.open(server.request(&[("state", None)])).await;
    assert_eq!(server.decide(&page, "alice", "allow").await.sent("state"), None);
}

#[tokio::test]
async fn std_9207_deny_returns_access_denied_with_state_and_issuer() {
    let server = Server::start().await;
    let page = server.open(server.request(&[])).await;
    let answer = server.decide(&page, "", "deny").await;
    assert_eq!(answer.sent("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.sent("code"), None);
    assert_eq!(answer.sent("state").as_deref(), Some("st&te +%"));
    assert_eq!(answer.sent("iss").as_deref(), Some(server.provider.issuer()));
}

#[tokio::test]
async fn an_unknown_client_or_redirect_uri_is_never_sent_anywhere() {
    let server = Server::start().await;
    for change in [
        ("client_id", None),
        ("client_id", Some("other")),
        ("client_id", Some(NASTY)),
        ("redirect_uri", None),
        ("redirect_uri", Some("http://127.0.0.1:9/cb")),
        ("redirect_uri", Some("http://127.0.0.1:9/cb?kept=1&more=1")),
        ("redirect_uri", Some("http://127.0.0.1:10/cb?kept=1")),
        ("redirect_uri", Some("http://a.example/")),
        ("redirect_uri", Some(NASTY)),
    ] {
        let answer = server.open(server.request(&[change])).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{change:?}");
        assert!(answer.headers.get("location").is_none() && answer.headers.get("set-cookie").is_none());
        assert!(answer.header("content-security-policy").ends_with("form-action 'none'"));
        assert!(!answer.body.contains("a.example") && !answer.body.contains("<script"));
    }
    for name in ["client_id", "redirect_uri"] {
        let mut url = server.request(&[]);
        url.query_pairs_mut().append_pair(name, "x");
        assert_eq!(server.open(url).await.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let long = "s".repeat(9000);
    assert_eq!(server.open(server.request(&[("state", Some(&long))])).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn other_mistakes_are_told_to_the_client_with_state_and_issuer() {
    let server = Server::start().await;
    for (change, error) in [
        (("response_type", None), "invalid_request"),
        (("response_type", Some("token")), "unsupported_response_type"),
        (("scope", Some("a  b")), "invalid_scope"),
        (("scope", Some("a\"b")), "invalid_scope"),
        (("code_challenge", None), "invalid_request"),
        (("code_challenge", Some("short")), "invalid_request"),
        (("code_challenge", Some("é9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c")), "invalid_request"),
        (("code_challenge_method", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
    ] {
        let answer = server.open(server.request(&[change])).await;
        assert_eq!(answer.sent("error").as_deref(), Some(error), "{change:?}");
        assert_eq!(answer.sent("state").as_deref(), Some("st&te +%"));
        assert_eq!(answer.sent("iss").as_deref(), Some(server.provider.issuer()));
    }
    for (name, value, error) in [
        ("scope", "x", "invalid_request"),
        ("state", "x", "invalid_request"),
        ("request", "x", "request_not_supported"),
        ("request_uri", "https://a.example/r", "request_uri_not_supported"),
        ("response_mode", "fragment", "invalid_request"),
    ] {
        let mut url = server.request(&[]);
        url.query_pairs_mut().append_pair(name, value);
        assert_eq!(server.open(url).await.sent("error").as_deref(), Some(error), "{name}");
    }
}

#[tokio::test]
async fn nothing_of_a_request_becomes_markup() {
    let configure =
        |provider: BuiltInProvider| provider.with_client(NASTY, SecretString::from("s")).with_client_name(NASTY);
    let server = Server::start_with(configure).await;
    let names =
        ["response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"];
    for name in names {
        let answer = server.open(server.request(&[(name, Some(NASTY))])).await;
        assert!(!answer.body.contains("<script") && !answer.header("location").contains("<script"), "{name}");
    }
    // Every scope character that HTML cares about is a legal scope character, but for the double quote.
    let scope = NASTY.replace('"', "&");
    let mut url = server.request(&[("scope", Some(&scope))]);
    url.query_pairs_mut().append_pair(NASTY, NASTY);
    let page = server.open(url).await;
    assert!(
        page.body.contains("<code>&amp;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</code>"),
        "{}",
        page.body
    );
    assert!(page.body.contains("<h1>Allow “&quot;&gt;&lt;script&gt;"));
    assert!(!page.body.contains("<script"));
    let fields = [("interaction", NASTY), ("login", NASTY), ("decision", NASTY)];
    for fields in [fields, [("interaction", page.interaction()), fields[1], fields[2]]] {
        let post = server.http.post(server.url("authorize")).header("cookie", page.cookie());
        let answer = Answer::of(form(post, &fields)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(!answer.body.contains("<script"));
    }
}

#[tokio::test]
async fn a_form_counts_once_in_its_own_browser_and_in_time() {
    let server = Server::start().await;
    let post = |page: &Answer, cookie: Option<&str>, site: Option<&str>| {
        let fields = [("interaction", page.interaction()), ("login", "alice"), ("decision", "allow")];
        let mut request = server.http.post(server.url("authorize"));
        for (name, value) in [("cookie", cookie), ("sec-fetch-site", site)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        Answer::of(form(request, &fields))
    };
    let (page, other) = (server.open(server.request(&[])).await, server.open(server.request(&[])).await);
    let name = page.cookie().split_once('=').unwrap().0;
    for cookie in [None, Some(other.cookie()), Some(&*format!("{name}=wrong")), Some(name)] {
        assert_eq!(post(&page, cookie, None).await.status, StatusCode::BAD_REQUEST, "{cookie:?}");
    }
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(post(&page, Some(page.cookie()), Some(site)).await.status, StatusCode::BAD_REQUEST, "{site}");
    }
    let both = format!("{}; {}", other.cookie(), page.cookie());
    assert!(post(&page, Some(&both), Some("same-origin")).await.sent("code").is_some());
    assert_eq!(post(&page, Some(page.cookie()), None).await.status, StatusCode::BAD_REQUEST);
    server.pass(600);
    assert_eq!(post(&other, Some(other.cookie()), None).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_login_name_is_required_and_the_page_says_so() {
    let server = Server::start().await;
    let mut page = server.open(server.request(&[])).await;
    let long = "x".repeat(101);
    for bad in ["", "   ", "a\nb", &long] {
        let again = server.decide(&page, bad, "allow").await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST);
        assert!(again.body.contains("role=\"alert\"") && again.body.contains("aria-invalid=\"true\""));
        assert_ne!(again.interaction(), page.interaction());
        page = again;
    }
    assert!(server.decide(&page, "thị nở", "allow").await.sent("code").is_some());
}

#[tokio::test]
async fn a_foreign_name_for_this_host_does_not_see_the_page() {
    let server = Server::start().await;
    let get = server.http.get(server.request(&[])).header("host", "rebound.example");
    assert_eq!(Answer::of(get).await.status, StatusCode::MISDIRECTED_REQUEST);
    let page = server.open(server.request(&[])).await;
    let fields = [("interaction", page.interaction()), ("login", "alice"), ("decision", "allow")];
    let post = server.http.post(server.url("authorize")).header("cookie", page.cookie());
    let answer = Answer::of(form(post.header("host", "rebound.example"), &fields)).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
    assert!(server.decide(&page, "alice", "allow").await.sent("code").is_some());
}
