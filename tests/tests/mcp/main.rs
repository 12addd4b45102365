//! The client of `examples/mcp_client` against the MCP project's own server, behind a gateway that checks every token.

#[path = "../../../examples/mcp_client/fresh_bearer.rs"]
mod fresh_bearer;
mod gateway;

use std::{path::Path, sync::Arc, time::Duration};

use fresh_bearer::FreshBearer;
use futures_util::future::join_all;
use gateway::Gateway;
use identity_client::{Error, ErrorKind, IdentityClient, TokenSource, requires_access_token};
use identity_emulator::Emulator;
use identity_tests::{Anything, NpmPeer, Stage};
use rmcp::{
    RoleClient, ServiceError, ServiceExt as _,
    model::CallToolRequestParams,
    service::RunningService,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// How long a token lives, and how long the client keeps one: AgentBase does not tell it.
const LIFETIME: Duration = Duration::from_secs(5);
const KEPT: Duration = Duration::from_secs(1);

const CALLERS: usize = 4;
const CALLS_EACH: usize = 250;

/// Four at a time are done in a few seconds: stretched, so that a session sees several tokens die.
const PAUSE: Duration = Duration::from_millis(65);

type Session = RunningService<RoleClient, ()>;

/// The platform, the server, and the gateway before it.
struct Ground {
    stage: Stage,
    gateway: Gateway,
    _server: NpmPeer,
}

impl Ground {
    async fn new(lifetime: Duration) -> Result<Self, Anything> {
        let emulator = Emulator::builder().with_provider_token_lifetime(lifetime);
        let stage = Stage::with(emulator, IdentityClient::builder().with_unknown_lifetime(KEPT)).await?;
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (server, ready) = NpmPeer::start("mcp-everything", target, &[]).await?;
        let port = serde_json::from_str::<Value>(&ready)?["port"].as_u64().ok_or("no port")?;
        let userinfo = stage.emulator.provider().token_url().replace("/token", "/userinfo");
        let gateway = Gateway::start(format!("http://127.0.0.1:{port}"), userinfo).await?;
        Ok(Self { stage, gateway, _server: server })
    }

    /// A session whose token source was injected by the attribute.
    async fn session(&self) -> Result<Session, Anything> {
        open(self.gateway.url(), &self.stage.client).await
    }
}

#[requires_access_token(
    provider_name = "crm-oauth",
    auth_flow = "M2M",
    scopes = ["tools.call"],
    client = client,
    into = tokens
)]
async fn open(server: &str, client: &IdentityClient, tokens: TokenSource) -> Result<Session, Anything> {
    let config = StreamableHttpClientTransportConfig::with_uri(server);
    let http = gateway::without_redirects()?;
    Ok(().serve(StreamableHttpClientTransport::with_client(FreshBearer::new(http, tokens), config)).await?)
}

/// One call, whose answer must be the one to this call.
async fn echo(session: &Session, message: &str) -> Result<(), Anything> {
    let arguments = serde_json::Map::from_iter([("message".to_owned(), message.into())]);
    let answer = session.call_tool(CallToolRequestParams::new("echo").with_arguments(arguments)).await?;
    let text = answer.content.first().and_then(|content| content.as_text()).map(|content| content.text.as_str());
    if answer.is_error == Some(true) || text != Some(&format!("Echo: {message}")) {
        return Err(format!("{message}: {text:?}").into());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_of_one_session_survive_their_tokens() -> Result<(), Anything> {
    let ground = Ground::new(LIFETIME).await?;
    let session = Arc::new(ground.session().await?);
    let first = ground.gateway.last_token().ok_or("the session began with a token")?;
    let begun = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let session = Arc::clone(&session);
        tokio::spawn(async move {
            let mut failed = Vec::new();
            for call in 0..CALLS_EACH {
                failed.extend(echo(&session, &format!("call {call} of caller {caller}")).await.err());
                sleep(PAUSE).await;
            }
            failed
        })
    });
    let mut failed = Vec::new();
    for caller in join_all(callers).await {
        failed.extend(caller?.iter().map(ToString::to_string));
    }
    let took = begun.elapsed();
    assert_eq!(failed, Vec::<String>::new(), "of {} calls in {took:?}", CALLERS * CALLS_EACH);

    // Not for nothing: the token that the session began with is long dead, and several were needed.
    assert!(took > 3 * LIFETIME, "{took:?}");
    assert!(ground.gateway.refuses(&first).await?);
    let needed = took.as_secs() / LIFETIME.as_secs();
    let tokens = u64::try_from(ground.gateway.tokens())?;
    assert!(tokens >= needed, "{tokens} tokens in {took:?}");
    // One that was fetched ahead may not have been needed any more.
    assert!((tokens..=tokens + 1).contains(&ground.stage.count("get_m2m_token")), "as many as were used: {tokens}");
    Arc::into_inner(session).ok_or("nobody uses it any more")?.cancel().await?;
    assert_eq!(ground.gateway.ended(), 1, "the session was ended with a token, too");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_back_is_replaced_within_the_call() -> Result<(), Anything> {
    // Long lives, long kept: only the server's word ends a token.
    let ground = Ground::new(Duration::from_secs(3600)).await?;
    let client = IdentityClient::builder().with_platform(ground.stage.agentbase.clone()).build()?;
    let session = open(ground.gateway.url(), &client).await?;
    echo(&session, "before").await?;
    assert_eq!((ground.gateway.tokens(), ground.gateway.refused()), (1, 0));
    ground.gateway.take_back_last_token();
    let calls = ["during", "beside", "too"].map(|message| echo(&session, message));
    join_all(calls).await.into_iter().collect::<Result<(), _>>()?;
    assert_eq!((ground.gateway.tokens(), ground.stage.count("get_m2m_token")), (2, 2), "one more, for all of them");
    assert!((1..=3).contains(&ground.gateway.refused()), "{}", ground.gateway.refused());

    // Refused again at once: no third is asked for, and the caller learns why.
    ground.gateway.take_back_last_token();
    let error = echo(&session, "after").await.err().ok_or("nothing is left to try")?;
    let told = cause(error.as_ref()).ok_or_else(|| format!("no error of the client in {error:?}"))?;
    assert_eq!(told.kind(), ErrorKind::Unauthenticated, "{told}");
    assert_eq!(ground.stage.count("get_m2m_token"), 2);
    Ok(())
}

#[tokio::test]
async fn a_token_does_not_go_to_another_machine_unencrypted() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    // An address for documentation (RFC 5737): nobody answers there.
    let error = open("http://192.0.2.1/mcp", &stage.client).await.err().ok_or("a session with nobody")?;
    assert!(format!("{error:?}").contains("would travel unencrypted"), "{error:?}");
    Ok(())
}

/// The client's own error, as deep as rmcp has put it.
fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    if let Some(ServiceError::TransportSend(sent)) = error.downcast_ref() {
        return cause(sent.error.as_ref());
    }
    if let Some(io) = error.downcast_ref::<std::io::Error>() {
        return io.get_ref().and_then(|inner| inner.downcast_ref());
    }
    error.downcast_ref().or_else(|| cause(error.source()?))
}
