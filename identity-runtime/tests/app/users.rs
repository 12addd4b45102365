//! Who a request is from.

use identity_client::{RequestContext, User};
use identity_runtime::{AgentApp, AgentAppBuilder, InboundUser, TrustedHeadersLayer};
use serde_json::{Value, json};

use crate::support::{Anything, nothing, serve};

const USER_ID: &str = "X-GreenNode-AgentBase-User-Id";

/// The user of the parameter and that of the task.
fn who() -> AgentAppBuilder {
    AgentApp::builder(async |_: Value, context: RequestContext| {
        tokio::task::yield_now().await;
        let task = RequestContext::current();
        let id = |context: &RequestContext| context.user().map(|user| user.id().to_owned());
        Ok::<_, std::io::Error>([id(&context), task.as_ref().and_then(id)])
    })
}

fn nobody() -> Value {
    json!([null, null])
}

/// W38: the user came from a header, and so from whoever could send one.
#[tokio::test]
async fn w38_no_header_names_a_user() -> Result<(), Anything> {
    let app = serve(who()).await?;
    for name in [
        USER_ID,
        "x-greennode-agentbase-user-id",
        "X-User-Id",
        "X-Forwarded-User",
        "X-Amzn-Bedrock-AgentCore-Runtime-User-Id",
        "X-GreenNode-AgentBase-Custom-User-Id",
        "agent_user_id",
        "From",
        "Cookie",
    ] {
        let answer = app.post(&nothing()).header(name, "alice").send().await?;
        assert_eq!(answer.json::<Value>().await?, nobody(), "{name}");
    }
    let answer = app.post(&nothing()).bearer_auth("alice").send().await?;
    assert_eq!(answer.json::<Value>().await?, nobody());
    Ok(())
}

/// W38, W6: nor does a header say where the browser goes with a consent; W5: or bring a token of the agent's own.
#[tokio::test]
async fn w5_w6_w38_no_header_names_a_return_url_or_brings_a_token() -> Result<(), Anything> {
    let app = AgentApp::builder(async |_: Value, context: RequestContext| {
        Ok::<_, std::io::Error>((context.return_url().map(str::to_owned), context.custom_headers().len()))
    });
    let app = serve(app).await?;
    let request = app.post(&nothing()).header("X-GreenNode-AgentBase-OAuth2-Callback-Url", "https://evil.example.com");
    let answer = request.header("X-GreenNode-AgentBase-Access-Token", "token").send().await?;
    assert_eq!(answer.json::<Value>().await?, json!([null, 0]));
    Ok(())
}

#[tokio::test]
async fn the_header_is_believed_only_by_the_loud_name() -> Result<(), Anything> {
    let layer = TrustedHeadersLayer::dangerously_trust_the_user_id_header("the test is the gateway");
    let app = serve(who().with_inbound(layer)).await?;
    let alice = app.post(&nothing()).header(USER_ID, "alice").send().await?;
    assert_eq!(alice.json::<Value>().await?, json!(["alice", "alice"]));
    assert_eq!(app.post(&nothing()).send().await?.json::<Value>().await?, nobody());
    let twice = app.post(&nothing()).header(USER_ID, "alice").header(USER_ID, "bob").send().await?;
    assert_eq!(twice.json::<Value>().await?, nobody());
    assert_eq!(app.post(&nothing()).header(USER_ID, "").send().await?.json::<Value>().await?, nobody());
    Ok(())
}

#[tokio::test]
async fn a_layer_of_ones_own_can_say_who_it_is() -> Result<(), Anything> {
    let layer = axum::middleware::from_fn(async |mut request: axum::extract::Request, next: axum::middleware::Next| {
        if let Ok(user) = User::asserted("of the session") {
            request.extensions_mut().insert(InboundUser(user));
        }
        next.run(request).await
    });
    let app = serve(who().with_inbound(layer)).await?;
    let answer = app.post(&nothing()).send().await?;
    assert_eq!(answer.json::<Value>().await?, json!(["of the session", "of the session"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_at_once_never_mix() -> Result<(), Anything> {
    let layer = TrustedHeadersLayer::dangerously_trust_the_user_id_header("the test is the gateway");
    let app = serve(who().with_inbound(layer)).await?;
    let calls = (0..200).map(|number| {
        let user = format!("user-{}", number % 2);
        let call = app.post(&nothing()).header(USER_ID, &user).send();
        async move { (user, call.await) }
    });
    for (user, answer) in futures_util::future::join_all(calls).await {
        assert_eq!(answer?.json::<Value>().await?, json!([user, user]));
    }
    Ok(())
}
