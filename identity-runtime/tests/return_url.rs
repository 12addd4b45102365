//! The pages of a consent, as browsers see them. The platform is a fake that agrees when it is told to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::{
    HeaderMap, Request, StatusCode,
    header::{COOKIE, HOST, LOCATION, SET_COOKIE},
    request::Parts,
};
use identity_client::{
    AccessToken, Acquired, AgentIdentityName, Capabilities, Clock as _, CredentialRequest, Description, Error,
    ErrorKind, Flow, IdentityClient, Issued, PendingAuthorization, PendingParts, Platform, Polled, Principal,
    ProviderName, SecretString, SessionBinding, SystemClock, User,
};
use identity_runtime::ReturnUrlRouter;
use tower::ServiceExt as _;

/// With what a URL library would change: it must reach the browser as it is.
const LINK: &str = "https://IDP.example.com/authorize?x=%2b%2B&y=a'b|c&scope=a+b";

#[derive(Debug, Clone)]
struct Fake {
    identity: AgentIdentityName,
    agreed: Arc<AtomicBool>,
}

impl Platform for Fake {
    fn describe(&self) -> Description<'_> {
        Description { name: "fake", endpoint: "https://fake.example.com", agent_identity: &self.identity }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }

    fn check(&self, _: &CredentialRequest) -> Result<(), Error> {
        Ok(())
    }

    async fn api_key_flow(&self, _: &ProviderName) -> Result<Flow, Error> {
        Ok(Flow::UserFederation)
    }

    async fn acquire(&self, request: &CredentialRequest) -> Result<Acquired<Issued>, Error> {
        let Principal::User(user) = request.principal() else { panic!("consent is a user's") };
        Ok(Acquired::NeedsConsent(PendingAuthorization::new(PendingParts {
            platform: "fake".to_owned(),
            endpoint: "https://fake.example.com".to_owned(),
            agent_identity: self.identity.clone(),
            credential: request.credential(),
            provider: request.provider().clone(),
            user: user.clone(),
            scopes: request.scopes().to_vec(),
            return_url: None,
            authorization_url: LINK.to_owned(),
            session: None,
            custom_state: request.options().custom_state.clone(),
            custom_parameters: Vec::new(),
            started_at: SystemClock.now().wall,
            expires_at: None,
        })))
    }

    async fn poll(&self, _: &PendingAuthorization) -> Result<Polled<Issued>, Error> {
        if self.agreed.load(Ordering::SeqCst) {
            return Ok(Polled::Ready(Issued::access_token(SecretString::from("secret-token"))));
        }
        Ok(Polled::Pending { interval: None })
    }
}

struct Bench {
    fake: Fake,
    client: IdentityClient,
    app: Router,
    pending: PendingAuthorization,
}

/// The application's own session: in these tests a header stands for its cookie.
fn signed_in(parts: &Parts) -> std::future::Ready<Option<User>> {
    let id = parts.headers.get("x-session-of").and_then(|id| id.to_str().ok());
    std::future::ready(id.map(|id| User::asserted(id).unwrap()))
}

fn client(fake: &Fake, binding: &SessionBinding) -> IdentityClient {
    IdentityClient::builder().with_platform(fake.clone()).with_session_binding(binding.clone()).build().unwrap()
}

async fn bench(change: impl FnOnce(ReturnUrlRouter) -> ReturnUrlRouter) -> Bench {
    let fake = Fake { identity: AgentIdentityName::new("agent-1").unwrap(), agreed: Arc::default() };
    let binding = SessionBinding::new();
    let client = client(&fake, &binding);
    let request = client.access_token("google").with_scopes(["calendar"]).for_user(&User::asserted("alice").unwrap());
    let Acquired::NeedsConsent(pending) = request.acquire().await.unwrap() else { panic!("nobody was asked") };
    let app = Router::new().nest("/consent", change(ReturnUrlRouter::new(binding, signed_in)).into_router());
    Bench { fake, client, app, pending }
}

struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn location(&self) -> &[u8] {
        self.headers.get(LOCATION).map_or(b"", http::HeaderValue::as_bytes)
    }

    /// The cookie as the browser sends it back.
    fn cookie(&self) -> String {
        let line = self.headers[SET_COOKIE].to_str().unwrap();
        line.split(';').next().unwrap().to_owned()
    }
}

async fn visit(app: &Router, path: &str, who: Option<&str>, cookie: Option<&str>) -> Seen {
    let mut request = Request::get(path).header(HOST, "app.example.com");
    if let Some(who) = who {
        request = request.header("x-session-of", who);
    }
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, format!("theme=dark; {cookie}; other=1"));
    }
    send(app, request.body(Body::empty()).unwrap()).await
}

async fn send(app: &Router, request: Request<Body>) -> Seen {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    Seen { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

impl Bench {
    fn start(&self) -> String {
        format!("/consent/start/{}", SessionBinding::handle(&self.pending).unwrap())
    }

    fn landing(&self) -> String {
        format!("/consent/return?code=x&state={}", self.pending.parts().custom_state.as_deref().unwrap())
    }

    async fn token(&self) -> Result<AccessToken, Error> {
        let waiting = self.client.resume::<AccessToken>(self.pending.clone());
        waiting.with_timeout(Duration::from_secs(10)).await
    }
}

#[tokio::test(start_paused = true)]
async fn bind_02_the_genuine_way_works_once() {
    let bench = bench(|router| router).await;
    let out = visit(&bench.app, &bench.start(), Some("alice"), None).await;
    assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, LINK.as_bytes()), "byte for byte");
    let line = out.headers[SET_COOKIE].to_str().unwrap();
    assert!(line.starts_with("__Host-consent-"), "{line}");
    assert!(out.headers[SET_COOKIE].is_sensitive());
    for attribute in ["; Path=/;", "; Max-Age=3600;", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
        assert!(line.contains(attribute), "{line}");
    }
    assert!(!line.contains("Domain"), "{line}");
    bench.fake.agreed.store(true, Ordering::SeqCst);
    assert_eq!(bench.token().await.unwrap_err().kind(), ErrorKind::AuthorizationTimedOut, "not before she is back");
    let back = visit(&bench.app, &bench.landing(), Some("alice"), Some(&out.cookie())).await;
    assert_eq!(back.status, StatusCode::OK);
    assert!(back.body.contains("<strong>google</strong> is connected"), "{}", back.body);
    assert!(back.headers[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    for seen in [&out, &back] {
        assert_eq!(seen.headers["cache-control"], "no-store");
        assert_eq!(seen.headers["referrer-policy"], "no-referrer");
        assert_eq!(seen.headers["x-frame-options"], "DENY");
        assert!(seen.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    }
    bench.token().await.unwrap();
    let again = visit(&bench.app, &bench.landing(), Some("alice"), Some(&out.cookie())).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn bind_01_neither_a_forwarded_link_nor_a_forwarded_url_gives_a_credential() {
    let bench = bench(|router| router).await;
    // The link to the application lets nobody else through.
    let other = visit(&bench.app, &bench.start(), Some("victim"), None).await;
    assert_eq!((other.status, other.location()), (StatusCode::FORBIDDEN, &b""[..]));
    assert!(!other.headers.contains_key(SET_COOKIE));
    // Mallory (here: alice) takes the URL behind it, and the victim agrees and lands.
    let out = visit(&bench.app, &bench.start(), Some("alice"), None).await;
    bench.fake.agreed.store(true, Ordering::SeqCst);
    let landed = visit(&bench.app, &bench.landing(), Some("victim"), None).await;
    assert_eq!(landed.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.token().await.unwrap_err().kind(), ErrorKind::AuthorizationDenied);
    // Not with the cookie either, once it has happened.
    let late = visit(&bench.app, &bench.landing(), Some("alice"), Some(&out.cookie())).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.token().await.unwrap_err().kind(), ErrorKind::AuthorizationDenied);
}

#[tokio::test(start_paused = true)]
async fn bind_02_forged_landings_and_strange_browsers_leave_the_flow_unharmed() {
    let bench = bench(|router| router).await;
    let out = visit(&bench.app, &bench.start(), Some("alice"), None).await;
    let cookie = out.cookie();
    let (name, _) = cookie.split_once('=').unwrap();
    for number in 0..1000 {
        let forged = format!("/consent/return?state=forged-{number}");
        let seen = visit(&bench.app, &forged, Some("mallory"), Some(&cookie)).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN);
    }
    let guessed = format!("{name}=guess");
    let twice = format!("{cookie}; {cookie}");
    for cookie in [None, Some(guessed.as_str()), Some(twice.as_str())] {
        let seen = visit(&bench.app, &bench.landing(), Some("alice"), cookie).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{cookie:?}");
    }
    let stranger = visit(&bench.app, &bench.landing(), None, Some(&cookie)).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    for more in ["&state=other", "&error=access_denied"] {
        let seen = visit(&bench.app, &format!("{}{more}", bench.landing()), Some("alice"), Some(&cookie)).await;
        assert!(seen.status.is_client_error());
    }
    let head = Request::head(bench.landing()).header("x-session-of", "alice").header(COOKIE, &cookie);
    assert_eq!(send(&bench.app, head.body(Body::empty()).unwrap()).await.status, StatusCode::METHOD_NOT_ALLOWED);
    bench.fake.agreed.store(true, Ordering::SeqCst);
    assert_eq!(bench.token().await.unwrap_err().kind(), ErrorKind::AuthorizationTimedOut);
    let back = visit(&bench.app, &bench.landing(), Some("alice"), Some(&cookie)).await;
    assert_eq!(back.status, StatusCode::OK);
    bench.token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bind_03_the_way_back_leads_through_a_restart() {
    let bench = bench(|router| router).await;
    let out = visit(&bench.app, &bench.start(), Some("alice"), None).await;
    let binding = SessionBinding::new();
    let restarted = client(&bench.fake, &binding);
    let app = Router::new().nest("/consent", ReturnUrlRouter::new(binding, signed_in).into_router());
    let landing = bench.landing();
    let unknown = visit(&app, &landing, Some("alice"), Some(&out.cookie())).await;
    assert_eq!(unknown.status, StatusCode::FORBIDDEN, "nothing is known of it until it is resumed");
    let waiting = tokio::spawn(restarted.resume::<AccessToken>(bench.pending.clone()).into_future());
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.fake.agreed.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!waiting.is_finished());
    let back = visit(&app, &landing, Some("alice"), Some(&out.cookie())).await;
    assert_eq!(back.status, StatusCode::OK);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn bind_05_nothing_of_a_request_is_shown() {
    let bench = bench(|router| router).await;
    let raw = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let payload: String = url::form_urlencoded::byte_serialize(raw.as_bytes()).collect();
    let own = bench.pending.parts().custom_state.clone().unwrap();
    let mut paths = vec![
        format!("/consent/start/{payload}"),
        "/consent/start/%FF%3Cscript%3E".to_owned(),
        format!("/consent/return?{payload}={payload}"),
    ];
    for name in ["state", "error", "error_description", "error_uri", "code", "iss", "scope", "next", "return_to"] {
        paths.push(format!("/consent/return?{name}={payload}"));
        paths.push(format!("/consent/return?error=access_denied&{name}={payload}"));
        paths.push(format!("/consent/return?state={own}&{name}={payload}"));
    }
    for path in paths {
        for who in [None, Some("alice")] {
            let seen = visit(&bench.app, &path, who, Some(&format!("__Host-consent-x={payload}"))).await;
            let all = format!("{:?} {}", seen.headers, seen.body);
            for part in ["<script", "onerror", "alert(1)", "%3Cscript", &payload, own.as_str()] {
                assert!(!all.contains(part), "{path}: {all}");
            }
            assert_eq!(seen.headers["x-content-type-options"], "nosniff", "{path}");
            assert!(seen.status.is_client_error(), "{path}: {}", seen.status);
        }
    }
}

#[tokio::test]
async fn std_9700_03_it_redirects_to_paths_of_the_application_and_nowhere_else() {
    let bad = [
        "",
        "login",
        "//evil.example.com",
        "///evil.example.com",
        "https://evil.example.com/",
        "javascript:alert(1)",
        "/\\evil.example.com",
        "/a\\b",
        // The name that a path is tried with is no exception.
        "//here.invalid/x",
        "\\\\evil.example.com",
        "/\t/evil.example.com",
        "/\n/evil.example.com",
        " /login",
        "/ /x",
        "/./%09/../\\x",
        "/.//evil.example.com",
        "/x/..//evil.example.com",
        "/ümlaut",
        "/a\r\nSet-Cookie: a=b",
        "?x",
        "#x",
        "http:evil.example.com",
        "/..//evil.example.com",
    ];
    for path in bad {
        let router = || ReturnUrlRouter::new(SessionBinding::new(), signed_in);
        assert!(router().with_login_path(path).is_err(), "{path:?}");
        assert!(router().with_landing_path(path).is_err(), "{path:?}");
    }
    let bench =
        bench(|router| router.with_login_path("/login?why=consent").unwrap().with_landing_path("/done").unwrap()).await;
    let evil = "next=https://evil.example.com&return_to=//evil.example.com&redirect_uri=https://evil.example.com";
    for path in [format!("{}?{evil}", bench.start()), format!("{}&{evil}", bench.landing())] {
        let seen = visit(&bench.app, &path, None, None).await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, &b"/login?why=consent"[..]));
        assert!(!seen.headers.contains_key(SET_COOKIE));
    }
    let out = visit(&bench.app, &bench.start(), Some("alice"), None).await;
    let back = visit(&bench.app, &format!("{}&{evil}", bench.landing()), Some("alice"), Some(&out.cookie())).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, &b"/done"[..]));
}

#[tokio::test]
async fn insecure_cookies_are_for_loopback_only() {
    let bench = bench(ReturnUrlRouter::dangerously_use_insecure_cookies_on_loopback).await;
    let seen = visit(&bench.app, &bench.start(), Some("alice"), None).await;
    assert_eq!(seen.status, StatusCode::MISDIRECTED_REQUEST);
    for host in ["127.0.0.1:8080", "localhost:3000", "[::1]:80"] {
        let request = Request::get(bench.start()).header(HOST, host).header("x-session-of", "alice");
        let out = send(&bench.app, request.body(Body::empty()).unwrap()).await;
        assert_eq!(out.status, StatusCode::SEE_OTHER, "{host}");
        let line = out.headers[SET_COOKIE].to_str().unwrap();
        assert!(line.starts_with("consent-") && !line.contains("Secure"), "{line}");
    }
}

#[test]
fn nothing_prints_what_a_browser_must_keep() {
    let router = ReturnUrlRouter::new(SessionBinding::new(), signed_in);
    assert_eq!(format!("{router:?}"), "ReturnUrlRouter { binding: SessionBinding { under_way: 0, .. }, .. }");
}
