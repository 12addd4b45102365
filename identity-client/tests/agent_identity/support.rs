//! The loopback server as Agent Identity, STS and RAM.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use identity_client::{
    Clock, HttpOptions, IdentityClient, Moment, SystemClock, User,
    agent_identity::{AgentIdentity, AgentIdentityBuilder},
};
use serde_json::{Value, json};

pub use crate::loopback::{ManualClock, Reply, Seen, Server, quick};

pub const KEY_ID: &str = "testAccessKeyId0001";
pub const KEY_SECRET: &str = "hunter2-AccessKeySecret";
pub const RETURN_URL: &str = "https://app.example.com/callback";
pub const USER_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
pub const SESSION: &str = "urn:ietf:params:oauth:request_uri:43b7df1a-0000-4000-8000-709375a44d8a";

impl Seen {
    pub fn action(&self) -> &str {
        self.headers.get("x-acs-action").map_or("", String::as_str)
    }

    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    /// The parameters of RAM and IMS: nothing is in the body.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        assert_eq!(self.body, "");
        self.query.clone()
    }

    /// Who signed it; empty for nobody.
    pub fn signer(&self) -> &str {
        let header = self.headers.get("authorization").map_or("", String::as_str);
        header.split("Credential=").nth(1).map_or("", |rest| rest.split(',').next().unwrap())
    }
}

impl Server {
    /// Answers workload tokens `wat-1`, `wat-2` and so on, roles `STS.1`, `STS.2` and so on, good for an hour, and the rest with
    /// the function, which may answer those as well.
    pub async fn new(mut handler: impl FnMut(&Seen) -> Option<Reply> + Send + 'static) -> Self {
        let (mut tokens, mut roles) = (0, 0);
        Self::raw(move |seen| {
            if let Some(reply) = handler(seen) {
                return reply;
            }
            if seen.action().starts_with("GetWorkloadAccessToken") {
                tokens += 1;
                return Reply::json(
                    200,
                    &json!({ "RequestId": "r", "WorkloadAccessToken": format!("wat-{tokens}.a.b.c.d") }),
                );
            }
            if seen.action() == "AssumeRoleForWorkloadIdentity" {
                roles += 1;
                return Reply::json(200, &assumed(&format!("STS.{roles}"), "2099-01-01T00:00:00Z"));
            }
            Reply::json(500, &json!({ "Code": "Unexpected", "Message": seen.action() }))
        })
        .await
    }

    /// The same, with one answer for every credential.
    pub async fn answering(status: u16, body: Value) -> Self {
        Self::new(move |seen| seen.action().starts_with("GetResource").then(|| Reply::json(status, &body))).await
    }

    pub fn builder(&self) -> AgentIdentityBuilder {
        at(AgentIdentity::builder(), self).with_access_key(KEY_ID, KEY_SECRET)
    }

    pub fn platform(&self) -> AgentIdentity {
        self.builder().build().unwrap()
    }

    pub fn client(&self) -> IdentityClient {
        client(self.platform())
    }

    pub fn asked(&self, action: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.action() == action).collect()
    }
}

/// Everything at this server.
pub fn at(builder: AgentIdentityBuilder, server: &Server) -> AgentIdentityBuilder {
    builder
        .with_workload_identity("workload-demo")
        .with_data_endpoint(server.origin())
        .with_control_endpoint(server.origin())
        .with_ram_endpoint(server.origin())
        .with_ims_endpoint(server.origin())
        .with_sts_endpoint(server.origin())
        .with_metadata_endpoint(server.origin())
        .with_http(HttpOptions::new().with_retry(quick(1)))
}

pub fn client(platform: AgentIdentity) -> IdentityClient {
    IdentityClient::builder().with_platform(platform).build().unwrap()
}

pub fn assumed(id: &str, expiration: &str) -> Value {
    json!({
        "RequestId": "r",
        "Credentials": {
            "AccessKeyId": id,
            "AccessKeySecret": format!("hunter2-secret-of-{id}"),
            "SecurityToken": format!("hunter2-token-of-{id}"),
            "Expiration": expiration,
        },
    })
}

pub fn refused(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({ "RequestId": "req-7", "Code": code, "Message": "synthetic message" }))
}

pub fn alice() -> User {
    User::asserted("alice").unwrap()
}

pub fn consent() -> Value {
    json!({
        "RequestId": "r",
        "AuthorizationURL": "https://agentidentitydata.example.com/oauth2/authorize?request_uri=x",
        "SessionURI": SESSION,
        "SessionStatus": "IN_PROGRESS",
    })
}

/// The moment at which the traffic was recorded: 2025-12-01T08:00:00Z.
#[derive(Debug)]
pub struct Recorded;

impl Clock for Recorded {
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_576_000), ..SystemClock.now() }
    }
}
