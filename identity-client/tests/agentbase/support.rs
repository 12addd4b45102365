//! The loopback server as AgentBase and its IAM.

use identity_client::{
    HttpOptions, IdentityClient,
    agentbase::{AgentBase, AgentBaseBuilder},
};
use serde_json::{Value, json};

pub use crate::loopback::{ManualClock, Reply, Seen, Server, eventually, quick};

pub const CLIENT_ID: &str = "service-account-1";
pub const CLIENT_SECRET: &str = "hunter2-client-secret-%+ä";
pub const TOKEN_PATH: &str = "/accounts-api/v2/auth/token";
pub const RETURN_URL: &str = "https://app.example.com/callback";
pub const SESSION: &str = "50000000-0000-4000-8000-000000000005";

impl Seen {
    pub fn is_iam(&self) -> bool {
        self.path == TOKEN_PATH
    }

    pub fn bearer(&self) -> &str {
        self.headers["authorization"].strip_prefix("Bearer ").unwrap()
    }
}

impl Server {
    /// Answers token requests with `iam-token-1`, `iam-token-2` and so on, each good for an hour, and the rest with the function.
    pub async fn new(mut handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let mut issued = 0;
        Self::raw(move |seen| {
            if !seen.is_iam() {
                return handler(seen);
            }
            issued += 1;
            Reply::json(200, &iam_answer(issued, 3600))
        })
        .await
    }

    /// Gives these answers in turn, the last one again and again.
    pub async fn script(replies: Vec<(u16, Value)>) -> Self {
        let mut next = 0;
        Self::new(move |_| {
            let (status, body) = &replies[next.min(replies.len() - 1)];
            next += 1;
            Reply::json(*status, body)
        })
        .await
    }

    /// Those to the identity service.
    pub fn calls(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.is_iam()).collect()
    }

    pub fn iam_calls(&self) -> usize {
        self.seen().iter().filter(|seen| seen.is_iam()).count()
    }

    pub fn builder(&self) -> AgentBaseBuilder {
        AgentBase::builder()
            .with_client_credentials(CLIENT_ID, CLIENT_SECRET)
            .with_agent_identity("demo-agent")
            .with_identity_endpoint(format!("{}/identity", self.origin()))
            .with_iam_token_endpoint(format!("{}{TOKEN_PATH}", self.origin()))
            .with_http(HttpOptions::new().with_retry(quick(1)))
    }

    pub fn agentbase(&self) -> AgentBase {
        self.builder().build().unwrap()
    }

    /// With this many tries a request.
    pub fn trying(&self, attempts: u32) -> AgentBase {
        self.builder().with_http(HttpOptions::new().with_retry(quick(attempts))).build().unwrap()
    }

    pub fn client(&self) -> IdentityClient {
        client(self.agentbase())
    }
}

pub fn client(agentbase: AgentBase) -> IdentityClient {
    IdentityClient::builder().with_platform(agentbase).build().unwrap()
}

pub fn iam_answer(number: u32, expires_in: u64) -> Value {
    json!({ "access_token": format!("iam-token-{number}"), "expires_in": expires_in, "token_type": "Bearer", "refresh_expires_in": 0 })
}
