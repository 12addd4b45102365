use super::*;

const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn client_credentials_give_a_token_without_refresh() {
    let server = Server::start().await;
    let answer = server.token(&[CLIENT_CREDENTIALS, ("scope", "read write")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let json = answer.json();
    assert_eq!(
        (text(&json, "token_type"), text(&json, "scope"), &json["expires_in"]),
        ("Bearer", "read write", &json!(3600))
    );
    assert!(json.get("refresh_token").is_none());
    let info = server.provider.introspect(text(&json, "access_token")).unwrap();
    assert_eq!((info.subject, info.scopes), (None, vec!["read".to_owned(), "write".to_owned()]));
    let plain = server.token(&[CLIENT_CREDENTIALS]).await.json();
    assert!(plain.get("scope").is_none());
    assert_ne!(text(&plain, "access_token"), text(&json, "access_token"));
    assert_eq!(server.provider.token_requests(), 2);
}

#[tokio::test]
async fn a_wrong_client_gets_401_and_a_challenge() {
    let server = Server::start().await;
    let request = server.http.post(server.url("token")).basic_auth(&*server.provider.client_id, Some("wrong"));
    let answer = Answer::of(form(request, &[CLIENT_CREDENTIALS])).await;
    assert_eq!((answer.status, answer.error().as_str()), (StatusCode::UNAUTHORIZED, "invalid_client"));
    assert!(answer.header("www-authenticate").starts_with("Basic realm="));
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = Answer::of(form(server.http.post(server.url("token")), &[CLIENT_CREDENTIALS])).await;
    assert_eq!((answer.status, answer.error().as_str()), (StatusCode::UNAUTHORIZED, "invalid_client"));
    assert_eq!(server.provider.token_requests(), 2);
}

#[tokio::test]
async fn malformed_token_requests_are_named() {
    let server = Server::start().await;
    for (fields, error) in [
        (&[][..], "invalid_request"),
        (&[("grant_type", "password")], "unsupported_grant_type"),
        (&[CLIENT_CREDENTIALS, CLIENT_CREDENTIALS], "invalid_request"),
        (&[CLIENT_CREDENTIALS, ("scope", "a  b")], "invalid_scope"),
        (&[CLIENT_CREDENTIALS, ("client_secret", "x")], "invalid_request"),
        (&[("grant_type", "authorization_code")], "invalid_request"),
        (&[("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", CALLBACK)], "invalid_request"),
        (&[("grant_type", "refresh_token")], "invalid_request"),
        (&[("grant_type", "refresh_token"), ("refresh_token", "x")], "invalid_grant"),
    ] {
        let answer = server.token(fields).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::BAD_REQUEST, error), "{fields:?}");
    }
    let json = server.http.post(server.url("token")).header("content-type", "application/json").body("{}");
    assert_eq!(Answer::of(json).await.error(), "invalid_request");
    let large = "x".repeat(BODY_LIMIT + 1);
    assert_eq!(server.token(&[("scope", large.as_str())]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(server.open(server.url("token")).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_code_is_spent_once_and_reuse_revokes_its_tokens() {
    let server = Server::start().await;
    let code = server.code().await;
    let json = server.redeem(&code).await.json();
    let access = text(&json, "access_token");
    assert_eq!(server.provider.introspect(access).unwrap().subject.as_deref(), Some("alice"));
    assert_eq!(text(&json, "scope"), "openid read");
    let again = server.redeem(&code).await;
    assert_eq!((again.status, again.error().as_str()), (StatusCode::BAD_REQUEST, "invalid_grant"));
    assert_eq!(server.provider.introspect(access), None);
    assert_eq!(server.refresh(text(&json, "refresh_token")).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_code_lives_sixty_seconds() {
    let server = Server::start().await;
    let (fresh, stale) = (server.code().await, server.code().await);
    server.pass(59);
    assert_eq!(server.redeem(&fresh).await.status, StatusCode::OK);
    server.pass(1);
    assert_eq!(server.redeem(&stale).await.error(), "invalid_grant");
}

#[tokio::test]
async fn std_7636_02_a_wrong_verifier_or_redirect_uri_spends_the_code() {
    let server = Server::start().await;
    let other = VERIFIER.replace('d', "e");
    for (redirect_uri, verifier) in
        [(CALLBACK, other.as_str()), (CALLBACK, &challenge_of(VERIFIER)), ("http://127.0.0.1:9/cb", VERIFIER)]
    {
        let code = server.code().await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        assert_eq!(server.token(&fields).await.error(), "invalid_grant", "{redirect_uri} {verifier}");
        assert_eq!(server.redeem(&code).await.error(), "invalid_grant");
    }
}

#[tokio::test]
async fn refresh_rotates_and_reuse_ends_the_grant() {
    let server = Server::start().await;
    let first = server.redeem(&server.code().await).await.json();
    let second = server.refresh(text(&first, "refresh_token")).await.json();
    assert_ne!(text(&first, "refresh_token"), text(&second, "refresh_token"));
    assert!(server.provider.introspect(text(&second, "access_token")).is_some());
    assert_eq!(server.refresh(text(&first, "refresh_token")).await.error(), "invalid_grant");
    assert_eq!(server.refresh(text(&second, "refresh_token")).await.error(), "invalid_grant");
    for json in [&first, &second] {
        assert_eq!(server.provider.introspect(text(json, "access_token")), None);
    }
    // Another grant of the same person is not touched.
    let other = server.redeem(&server.code().await).await.json();
    assert!(server.provider.introspect(text(&other, "access_token")).is_some());
}

#[tokio::test]
async fn refresh_may_narrow_the_scope_but_not_widen_it() {
    let server = Server::start().await;
    let first = server.redeem(&server.code().await).await.json();
    let token = text(&first, "refresh_token");
    let wide = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", "read write")];
    assert_eq!(server.token(&wide).await.error(), "invalid_scope");
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", "read")];
    let second = server.token(&narrow).await.json();
    assert_eq!(text(&second, "scope"), "read");
    // The grant itself was not narrowed (RFC 6749 section 6).
    assert_eq!(text(&server.refresh(text(&second, "refresh_token")).await.json(), "scope"), "openid read");
}

#[tokio::test]
async fn refresh_tokens_live_thirty_days() {
    let server = Server::start().await;
    let first = server.redeem(&server.code().await).await.json();
    server.pass(30 * 24 * 3600 - 1);
    let second = server.refresh(text(&first, "refresh_token")).await.json();
    server.pass(30 * 24 * 3600);
    assert_eq!(server.refresh(text(&second, "refresh_token")).await.error(), "invalid_grant");
}

#[tokio::test]
async fn std_6750_userinfo_challenges_and_expiry() {
    let server = Server::start_with(|provider| provider.with_token_lifetime(Duration::from_secs(10))).await;
    let user = server.redeem(&server.code().await).await.json();
    assert_eq!(user["expires_in"], 10);
    let bearer = format!("bEARER {}", text(&user, "access_token"));
    assert_eq!(server.userinfo(&bearer).await.json(), json!({ "sub": "alice", "scope": "openid read" }));
    let machine = server.token(&[CLIENT_CREDENTIALS]).await.json();
    let answer = server.userinfo(&format!("Bearer {}", text(&machine, "access_token"))).await;
    assert_eq!(answer.json(), json!({ "sub": &*server.provider.client_id, "scope": "" }));
    for nothing in ["", "Basic abc", "Bearer"] {
        let answer = server.userinfo(nothing).await;
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (StatusCode::UNAUTHORIZED, "Bearer realm=\"userinfo\"")
        );
    }
    server.pass(10);
    for dead in [bearer.as_str(), "Bearer unknown"] {
        let answer = server.userinfo(dead).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    }
    let twice = server.http.get(server.url("userinfo")).header("authorization", "Bearer a");
    let answer = Answer::of(twice.header("authorization", "Bearer b")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let mut in_query = server.url("userinfo");
    in_query.query_pairs_mut().append_pair("access_token", text(&user, "access_token"));
    assert_eq!(server.open(in_query).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn configuration_names_only_what_is_served() {
    let server = Server::start().await;
    let json = server.open(server.url(".well-known/openid-configuration")).await.json();
    assert_eq!(json["issuer"], server.provider.issuer());
    assert!(!server.provider.issuer().ends_with('/'));
    assert_eq!(json["code_challenge_methods_supported"], json!(["S256"]));
    for absent in ["jwks_uri", "id_token_signing_alg_values_supported", "registration_endpoint"] {
        assert!(json.get(absent).is_none(), "{absent}");
    }
    for endpoint in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint"] {
        let status = server.open(Url::parse(text(&json, endpoint)).unwrap()).await.status;
        assert_ne!(status, StatusCode::NOT_FOUND, "{endpoint}");
    }
}

#[test]
fn only_safe_urls_and_a_hundred_of_them() {
    assert!(BuiltInProvider::new(Url::parse("http://a.example/provider").unwrap()).is_err());
    let provider = BuiltInProvider::new(Url::parse("http://127.0.0.1:1/provider//").unwrap()).unwrap();
    assert_eq!(provider.issuer(), "http://127.0.0.1:1/provider");
    assert_eq!(provider.registration().token_url.as_str(), "http://127.0.0.1:1/provider/token");
    assert!(provider.allow_redirect_uri(&Url::parse("http://a.example/cb").unwrap()).is_err());
    for number in 0..100 {
        let uri = Url::parse(&format!("http://127.0.0.1/{number}")).unwrap();
        provider.allow_redirect_uri(&uri).unwrap();
        provider.allow_redirect_uri(&uri).unwrap();
    }
    assert!(provider.allow_redirect_uri(&Url::parse("http://127.0.0.1/100").unwrap()).is_err());
    let root = BuiltInProvider::new(Url::parse("http://127.0.0.1:1").unwrap()).unwrap();
    assert_eq!((root.issuer(), root.path("token").as_str()), ("http://127.0.0.1:1", "/token"));
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let server = Server::start().await;
    let json = server.redeem(&server.code().await).await.json();
    let registration = server.provider.registration();
    let debug = format!("{:?} {registration:?}", server.provider);
    for secret in
        [registration.client_secret.expose_secret(), text(&json, "access_token"), text(&json, "refresh_token")]
    {
        assert!(!debug.contains(secret));
    }
}
