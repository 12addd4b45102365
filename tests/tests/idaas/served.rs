//! Human mode whole: an agent behind the preset verifies who calls, and acts for them with the token that they showed.

use std::time::{Duration, SystemTime};

use axum::{Extension, Json, Router, routing::get};
use http::StatusCode;
use identity_client::{
    AccessToken, ApiKey, Clock, Error, Moment, RequestContext, SystemClock, User,
    inbound::{TokenVerifier, VerifiedClaims},
    requires_access_token, requires_api_key,
};
use identity_runtime::{AgentApp, CustomJwtLayer, InboundUser};
use identity_tests::Anything;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{ACCESS, APP, READ, Stage};

/// Ends with the test.
struct Served {
    origin: String,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(router: Router) -> Result<Served, Anything> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Served { origin, server })
}

#[expect(clippy::disallowed_methods, reason = "a caller on loopback, which is not the platform's client")]
fn http() -> Result<reqwest::Client, Anything> {
    Ok(reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}

impl Served {
    /// Status, challenge and body of a question that is asked with this token.
    async fn ask(&self, question: &str, token: &str) -> Result<(StatusCode, String, Value), Anything> {
        let url = format!("{}/invocations", self.origin);
        let answer = http()?.post(url).bearer_auth(token).json(&question).send().await?;
        let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().map(str::to_owned));
        Ok((answer.status(), challenge.transpose()?.unwrap_or_default(), answer.json().await?))
    }
}

/// The internal service: it verifies what it is called with by the instance's keys, and says who calls.
async fn orders(stage: &Stage) -> Result<Served, Anything> {
    let who = async |Extension(InboundUser(user)): Extension<InboundUser>,
                     Extension(claims): Extension<VerifiedClaims>| {
        Json(json!({ "for": user.id(), "by": claims.client_id() }))
    };
    let verified = CustomJwtLayer::new([stage.verifier(READ).build()?])?;
    serve(Router::new().route("/orders", get(who)).layer(verified)).await
}

/// The agent. Nothing in it knows how a user is shown to a platform; the question is where the orders are.
#[requires_api_key(provider_name = "own", auth_flow = "USER_FEDERATION")]
#[requires_access_token(provider_name = "iauths_system", auth_flow = "ON_BEHALF_OF", scopes = ["https://orders.example.com|read"])]
async fn answer(
    orders: String,
    context: RequestContext,
    api_key: ApiKey,
    access_token: AccessToken,
) -> Result<Value, Anything> {
    drop(context);
    let request = http()?.get(orders).bearer_auth(access_token.expose_secret());
    let known: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(json!({ "key": api_key.expose_secret().len(), "orders": known }))
}

/// The agent behind the preset, in front of the internal service.
async fn agent(stage: &Stage) -> Result<(Served, Served), Anything> {
    let callers = CustomJwtLayer::new([stage.verifier(ACCESS).build()?])?;
    let app = AgentApp::builder(answer).with_client(stage.client()?).with_inbound(callers).build()?;
    Ok((serve(app.into_router()).await?, orders(stage).await?))
}

async fn stage() -> Result<Stage, Anything> {
    let key = |user: &str, key: &str| json!({ "identifier": "own", "apikey": key, "exclusive_user": user });
    Stage::with(&json!({}), &json!({ "api_keys": [key("alice", "sk-a"), key("bob", "sk-bob")] })).await
}

async fn called_by(stage: &Stage, user: &str, scope: &str) -> Result<String, Anything> {
    let token = stage.emulator.idaas_user_token(user, scope, Duration::from_secs(3600)).await?;
    Ok(token.expose_secret().to_owned())
}

#[tokio::test]
async fn the_token_that_the_user_called_with_opens_what_is_the_users() -> Result<(), Anything> {
    let stage = stage().await?;
    let (agent, orders) = agent(&stage).await?;
    let url = format!("{}/orders", orders.origin);
    let tokens =
        [("alice", 4, called_by(&stage, "alice", ACCESS).await?), ("bob", 6, called_by(&stage, "bob", ACCESS).await?)];
    let calls = (0..30).map(|number| {
        let (agent, url, (user, length, token)) = (&agent, &url, &tokens[number % 2]);
        async move {
            let (status, _, body) = agent.ask(url, token).await?;
            assert_eq!(
                (status, body),
                (StatusCode::OK, json!({ "key": length, "orders": { "for": user, "by": APP } }))
            );
            Ok::<_, Anything>(())
        }
    });
    futures_util::future::try_join_all(calls).await?;
    assert!(stage.count("idaas_token") <= 4, "a token for each user and purpose: {}", stage.count("idaas_token"));
    Ok(())
}

/// The internal service takes no token that is not for it, the user's own included.
#[tokio::test]
async fn what_the_user_called_with_opens_nothing_else() -> Result<(), Anything> {
    let stage = stage().await?;
    let (_agent, orders) = agent(&stage).await?;
    let inbound = called_by(&stage, "alice", ACCESS).await?;
    let answer = http()?.get(format!("{}/orders", orders.origin)).bearer_auth(inbound).send().await?;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn a_caller_of_another_instance_for_another_agent_or_without_the_permission_is_refused() -> Result<(), Anything> {
    let (stage, other) = (stage().await?, Stage::new().await?);
    let (agent, orders) = agent(&stage).await?;
    let url = format!("{}/orders", orders.origin);
    for (token, status, error) in [
        (called_by(&other, "alice", ACCESS).await?, StatusCode::UNAUTHORIZED, "invalid_token"),
        (
            called_by(&stage, "alice", "https://other.example.com|agent.access").await?,
            StatusCode::UNAUTHORIZED,
            "invalid_token",
        ),
        (
            called_by(&stage, "alice", "https://agent.example.com|other").await?,
            StatusCode::FORBIDDEN,
            "insufficient_scope",
        ),
        (
            called_by(&stage, "alice", "https://agent.example.com|agent").await?,
            StatusCode::FORBIDDEN,
            "insufficient_scope",
        ),
    ] {
        let (refused, challenge, body) = agent.ask(&url, &token).await?;
        assert_eq!(refused, status, "{body}");
        assert!(challenge.contains(error), "{challenge}");
    }
    assert_eq!(stage.count("idaas_token"), 0, "nothing is asked of IDaaS for a caller who is refused");
    Ok(())
}

#[tokio::test]
async fn a_callers_token_ends_and_the_instances_keys_change() -> Result<(), Anything> {
    let stage = stage().await?;
    let (agent, orders) = agent(&stage).await?;
    let url = format!("{}/orders", orders.origin);
    let first = called_by(&stage, "alice", ACCESS).await?;
    assert_eq!(agent.ask(&url, &first).await?.0, StatusCode::OK);
    stage.emulator.rotate_idaas_keys().await?;
    stage.pass(31);
    let second = called_by(&stage, "alice", ACCESS).await?;
    for token in [&first, &second] {
        assert_eq!(agent.ask(&url, token).await?.0, StatusCode::OK);
    }
    // The first has ended, leeway included; the second counts for another second or so.
    stage.pass(3600);
    let (status, challenge, _) = agent.ask(&url, &first).await?;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(challenge.contains("invalid_token"), "{challenge}");
    Ok(())
}

const CORPUS: &str = include_str!("../../fixtures/jwt/corpus.json");
/// By whom and for what its tokens were made.
const ISSUER: &str = "https://id.example.com";
const PERMISSION: &str = "https://agent.example.com|agent.invoke";

#[derive(Debug)]
struct Then(Duration);

impl Clock for Then {
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + self.0, steady: SystemClock.now().steady }
    }
}

async fn whoami(_: Value, context: RequestContext) -> Result<String, Error> {
    Ok(context.user().map(User::id).unwrap_or_default().to_owned())
}

/// A good token gets through, and the one of this name is refused with this code, seen from outside and by the verifier.
async fn refuses(name: &str, code: &str, status: StatusCode) -> Result<(), Anything> {
    let corpus: Value = serde_json::from_str(CORPUS)?;
    let keys = corpus["keys"].to_string();
    let ask = async |name: &str| {
        let mut tokens = corpus["tokens"].as_array().into_iter().flatten();
        let made = tokens.find(|token| token["name"] == name).ok_or("a token of that name")?;
        let (token, at) = (made["token"].as_str().ok_or("a token")?, made["at"].as_u64().ok_or("a time")?);
        let verifier = TokenVerifier::alibaba_idaas(ISSUER).with_required_scope(PERMISSION).with_fixed_keys(&keys);
        let verifier = verifier.with_clock(Then(Duration::from_secs(at))).build()?;
        let callers = CustomJwtLayer::new([verifier.clone()])?;
        let agent = serve(AgentApp::builder(whoami).with_inbound(callers).build()?.into_router()).await?;
        let found = verifier.verify(token).await.err().map(|refusal| refusal.code().as_str());
        Ok::<_, Anything>((agent.ask("", token).await?, found))
    };
    assert_eq!(ask("good, RS256").await?, ((StatusCode::OK, String::new(), json!("alice")), None));
    let ((refused, challenge, body), found) = ask(name).await?;
    assert_eq!((refused, found), (status, Some(code)), "{body}");
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    Ok(())
}

#[tokio::test]
async fn an_expired_caller_is_refused() -> Result<(), Anything> {
    refuses("exp 30 s ago", "expired", StatusCode::UNAUTHORIZED).await
}

#[tokio::test]
async fn a_caller_whose_token_never_ends_is_refused() -> Result<(), Anything> {
    refuses("no exp", "expiry_missing", StatusCode::UNAUTHORIZED).await
}

#[tokio::test]
async fn a_caller_before_their_time_is_refused() -> Result<(), Anything> {
    refuses("nbf in 31 s", "not_yet_valid", StatusCode::UNAUTHORIZED).await
}

#[tokio::test]
async fn a_caller_of_another_issuer_is_refused() -> Result<(), Anything> {
    refuses("iss `https://evil.example.net`", "issuer_mismatch", StatusCode::UNAUTHORIZED).await
}

#[tokio::test]
async fn a_caller_by_another_algorithm_is_refused() -> Result<(), Anything> {
    for name in ["good, ES256", "good, PS256", "HS256 with the public key as JWK"] {
        refuses(name, "algorithm_not_allowed", StatusCode::UNAUTHORIZED).await?;
    }
    refuses("alg `none` without a signature", "algorithm_none", StatusCode::UNAUTHORIZED).await
}

#[tokio::test]
async fn a_caller_for_another_audience_is_refused() -> Result<(), Anything> {
    refuses("aud is another", "audience_mismatch", StatusCode::UNAUTHORIZED).await
}

#[tokio::test]
async fn a_caller_without_the_permission_is_forbidden() -> Result<(), Anything> {
    refuses("a bare permission for two audiences", "scope_missing", StatusCode::FORBIDDEN).await
}
