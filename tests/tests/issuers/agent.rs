//! The agent that is called: `AgentApp` behind `CustomJwtLayer`, and what it answered.

use std::net::SocketAddr;

use identity_client::{RequestContext, inbound::TokenVerifier};
use identity_runtime::{AgentApp, CustomJwtLayer, Shutdown};
use identity_tests::Anything;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::openid::http;

/// Who the agent is to the issuers.
pub(crate) const AUDIENCE: &str = "https://agent.example.com";

/// The running agent. It ends with the test.
pub(crate) struct Agent {
    address: SocketAddr,
    shutdown: Shutdown,
    server: JoinHandle<std::io::Result<()>>,
    http: reqwest::Client,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shutdown.finish();
        self.server.abort();
    }
}

/// What a caller gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `WWW-Authenticate`.
    pub(crate) challenge: Option<String>,
    /// The user that the handler saw, or the code of the error.
    pub(crate) said: String,
}

/// What a good token gets: the user is seen by the handler.
pub(crate) fn welcome(user: &str) -> Answer {
    Answer { status: 200, challenge: None, said: user.to_owned() }
}

/// What a bad token gets, whatever is wrong with it.
pub(crate) fn refused() -> Answer {
    let challenge = Some("Bearer error=\"invalid_token\"".to_owned());
    Answer { status: 401, challenge, said: "invalid_token".to_owned() }
}

/// What a caller without a token gets: RFC 6750 section 3 gives it no error code in the header.
pub(crate) fn unauthenticated() -> Answer {
    Answer { status: 401, challenge: Some("Bearer".to_owned()), said: "token_missing".to_owned() }
}

impl Agent {
    /// With the three settings that the platforms have.
    pub(crate) async fn start(discovery: &str, clients: &[&str], audiences: &[&str]) -> Result<Self, Anything> {
        let layer = CustomJwtLayer::custom_jwt(discovery, clients.iter().copied(), audiences.iter().copied())?;
        Self::behind(layer).await
    }

    pub(crate) async fn behind(layer: CustomJwtLayer) -> Result<Self, Anything> {
        let app = AgentApp::builder(async |_: Value, context: RequestContext| {
            Ok::<_, std::io::Error>(context.user().map(|user| user.id().to_owned()))
        });
        let app = app.with_inbound(layer).build()?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (address, shutdown) = (listener.local_addr()?, app.shutdown());
        let server = tokio::spawn(app.serve(listener, std::future::pending()));
        Ok(Self { address, shutdown, server, http: http()? })
    }

    pub(crate) async fn call(&self, token: Option<&str>) -> Result<Answer, Anything> {
        let mut request = self.http.post(format!("http://{}/invocations", self.address)).json(&json!({}));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().map(str::to_owned));
        let body: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let said = if status == 200 { Some(&body) } else { body.pointer("/details/code") };
        let said = said.and_then(Value::as_str).ok_or_else(|| format!("{status}: {body}"))?.to_owned();
        Ok(Answer { status, challenge: challenge.transpose()?, said })
    }
}

/// Why a verifier with these settings refuses a token, as the agent's log has it; `None` if it does not.
pub(crate) async fn reason(verifier: &TokenVerifier, token: &str) -> Option<&'static str> {
    verifier.verify(token).await.err().map(|refusal| refusal.code().as_str())
}

/// The same settings as [`Agent::start`] gives, to ask for reasons.
pub(crate) fn verifier(discovery: &str, clients: &[&str], audience: &str) -> Result<TokenVerifier, Anything> {
    let builder = TokenVerifier::discovery(discovery)?.with_audience(audience);
    Ok(clients.iter().fold(builder, |builder, client| builder.with_allowed_client(*client)).build()?)
}
