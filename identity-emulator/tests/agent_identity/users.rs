//! Users who come with a token of their own, from a user pool that the emulator has: discovery, keys and signatures are real.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::{AGENT, Bench, CONTROL, DATA, Draft, RETURN_URL, form, location, parameter, read, text};

const CALLBACK: &str = "http://127.0.0.1:8082/callback";
const CLIENT: (&str, &str) = ("web-client", "synthetic-secret");

async fn bench() -> Bench {
    let seed = json!({ "agentkit": { "user_pools": [{ "name": "users", "clients": [{
        "name": "web", "client_id": CLIENT.0, "client_secret": CLIENT.1, "callback_urls": [CALLBACK],
    }] }] } });
    let seed = identity_emulator::Seed::from_json(&seed.to_string()).unwrap();
    Bench::with(identity_emulator::Emulator::builder().with_seed(seed)).await
}

/// The address of the pool: its overview names the id.
async fn issuer(bench: &Bench) -> String {
    let page = bench.http.get(bench.emulator.overview_url()).send().await.unwrap().text().await.unwrap();
    let (_, section) = page.split_once("id=\"user-pools\"").unwrap();
    let id = section.split("<code>").find_map(|part| part.get(..36).filter(|id| id.matches('-').count() == 4)).unwrap();
    format!("{}/userpool/{id}", bench.emulator.agent_identity().endpoint())
}

async fn id_token(bench: &Bench, issuer: &str, login: &str) -> String {
    let pairs = [("response_type", "code"), ("client_id", CLIENT.0), ("redirect_uri", CALLBACK), ("scope", "openid")];
    let back = bench.decide(&format!("{issuer}/oauth/authorize?{}", form(&pairs)), login, "allow").await;
    let code = parameter(&back, "code").unwrap();
    let pairs = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", code.as_str())];
    let request = bench.http.post(format!("{issuer}/oauth/token")).basic_auth(CLIENT.0, Some(CLIENT.1));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form(&pairs));
    let (status, answer) = read(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    text(&answer, "id_token")
}

async fn prepared(bench: &Bench, audience: &str) -> String {
    let issuer = issuer(bench).await;
    let parameters = [
        ("IdentityProviderName", "users"),
        ("DiscoveryURL", &format!("{issuer}/.well-known/openid-configuration")),
        ("AllowedAudience", &json!([audience]).to_string()),
    ];
    bench.done(CONTROL, "CreateIdentityProvider", &parameters).await;
    let more = [
        ("IdentityProviderName", "users"),
        ("SessionBindingEnabled", "true"),
        ("AllowedResourceOAuth2ReturnURLs", r#"["https://app.example.com/bound"]"#),
    ];
    bench.agent(AGENT, &more).await;
    issuer
}

#[tokio::test]
async fn a_users_token_is_verified_and_binds_the_consent() {
    let bench = bench().await;
    let issuer = prepared(&bench, CLIENT.0).await;
    let (alice, bob) = (id_token(&bench, &issuer, "alice").await, id_token(&bench, &issuer, "bob").await);
    let answer = bench
        .done(DATA, "GetWorkloadAccessTokenForJWT", &[("WorkloadIdentityName", AGENT), ("UserToken", &alice)])
        .await;
    let claims = &answer["UserContext"]["JwtClaims"];
    assert_eq!((claims["Subject"].as_str(), claims["Issuer"].as_str()), (Some("alice"), Some(issuer.as_str())));
    assert_eq!(claims["Audiences"], r#"["web-client"]"#, "a list inside a text");
    let token = text(&answer, "WorkloadAccessToken");
    bench.provider("calendar", "USER_FEDERATION").await;
    let parameters = [
        ("WorkloadAccessToken", token.as_str()),
        ("ResourceCredentialProviderName", "calendar"),
        ("ResourceOAuth2ReturnURL", RETURN_URL),
    ];
    let asked = bench.done(DATA, "GetResourceOAuth2Token", &parameters).await;
    let back = bench.decide(&text(&asked, "AuthorizationURL"), "alice", "allow").await;
    location(&bench.http.get(back).send().await.unwrap());
    let uri = text(&asked, "SessionURI");
    // Of the same kind only: a name is not a verified user, whatever it says.
    for identifier in [json!({ "UserId": "alice" }), json!({ "UserJWT": bob })] {
        let parameters = [("SessionURI", uri.as_str()), ("UserIdentifier", &identifier.to_string())];
        let expected = (403, "Forbidden.UserIdentifier".to_owned());
        assert_eq!(bench.refused(DATA, "CompleteResourceTokenAuth", &parameters).await, expected);
    }
    let identifier = json!({ "UserJWT": alice }).to_string();
    bench.done(DATA, "CompleteResourceTokenAuth", &[("SessionURI", &uri), ("UserIdentifier", &identifier)]).await;
    assert!(bench.done(DATA, "GetResourceOAuth2Token", &parameters).await["AccessToken"].is_string());
    let named = bench.token_for(AGENT, "alice").await;
    let parameters = [("WorkloadAccessToken", named.as_str()), parameters[1], parameters[2]];
    assert!(bench.done(DATA, "GetResourceOAuth2Token", &parameters).await["AccessToken"].is_null());
}

#[tokio::test]
async fn tokens_that_are_not_what_they_must_be_are_refused() {
    let bench = bench().await;
    let issuer = prepared(&bench, CLIENT.0).await;
    let good = id_token(&bench, &issuer, "alice").await;
    let parts: Vec<&str> = good.split('.').collect();
    let tail = if parts[2].starts_with('A') { "B" } else { "A" };
    for bad in [
        format!("{}.{}.{tail}{}", parts[0], parts[1], &parts[2][1..]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        "opaque".to_owned(),
        "a.b.c".to_owned(),
    ] {
        let parameters = [("WorkloadIdentityName", AGENT), ("UserToken", bad.as_str())];
        let expected = (400, "InvalidParameter.JsonWebToken".to_owned());
        assert_eq!(bench.refused(DATA, "GetWorkloadAccessTokenForJWT", &parameters).await, expected);
    }
    let parameters = [("WorkloadIdentityName", AGENT), ("UserToken", good.as_str())];
    let other = [("IdentityProviderName", "users"), ("AllowedAudience", r#"["another-app"]"#)];
    bench.done(CONTROL, "UpdateIdentityProvider", &other).await;
    let expected = (400, "InvalidParameter.JsonWebToken".to_owned());
    assert_eq!(bench.refused(DATA, "GetWorkloadAccessTokenForJWT", &parameters).await, expected, "another audience");
    let own = [("IdentityProviderName", "users"), ("AllowedAudience", r#"["web-client"]"#)];
    bench.done(CONTROL, "UpdateIdentityProvider", &own).await;
    bench.done(DATA, "GetWorkloadAccessTokenForJWT", &parameters).await;
    let elsewhere = format!("{}/nowhere/.well-known/openid-configuration", bench.emulator.agent_identity().endpoint());
    bench.done(CONTROL, "UpdateIdentityProvider", &[own[0], ("DiscoveryURL", &elsewhere)]).await;
    let expected = (400, "InvalidOAuthDiscoveryURL".to_owned());
    assert_eq!(bench.refused(DATA, "GetWorkloadAccessTokenForJWT", &parameters).await, expected);
    bench.emulator.advance_clock(Duration::from_secs(40_000));
    let late = Draft {
        date: "2025-12-01T19:06:40Z".to_owned(),
        ..Draft::new(DATA, "GetWorkloadAccessTokenForJWT", &parameters)
    };
    assert_eq!(bench.signed(late, &bench.key).await.1["Code"], "InvalidParameter.JsonWebToken", "expired");
}

#[tokio::test]
async fn on_behalf_of_exchanges_the_users_own_token() {
    let bench = bench().await;
    let issuer = prepared(&bench, CLIENT.0).await;
    let endpoints = (format!("{issuer}/oauth/authorize"), format!("{issuer}/oauth/token"));
    bench.provider_at("downstream", "ON_BEHALF_OF", CLIENT, (&endpoints.0, &endpoints.1)).await;
    let alice = id_token(&bench, &issuer, "alice").await;
    let answer = bench
        .done(DATA, "GetWorkloadAccessTokenForJWT", &[("WorkloadIdentityName", AGENT), ("UserToken", &alice)])
        .await;
    let token = text(&answer, "WorkloadAccessToken");
    let ask = |token: &str| {
        let pairs = [
            ("WorkloadAccessToken", token),
            ("ResourceCredentialProviderName", "downstream"),
            ("Audience", "agent-client"),
            ("Scopes", r#"["read"]"#),
        ];
        Draft::new(DATA, "GetResourceOAuth2Token", &pairs)
    };
    let (status, answer) = bench.signed(ask(&token), &bench.key).await;
    assert_eq!(status, 200, "{answer}");
    let page = bench.http.get(format!("{issuer}/oauth/userinfo")).bearer_auth(text(&answer, "AccessToken"));
    let (status, known) = read(page.send().await.unwrap()).await;
    assert_eq!((status, known["sub"].as_str()), (200, Some("alice")), "{known}");
    let named = bench.token_for(AGENT, "alice").await;
    let (status, answer) = bench.signed(ask(&named), &bench.key).await;
    assert_eq!((status, text(&answer, "Code").as_str()), (403, "Forbidden.InboundCredentialMissing"));
    assert!(!bench.emulator.provider().client_secret().expose_secret().is_empty());
}
