//! The loopback server as Agent Identity and STS.

use identity_client::{
    HttpOptions, IdentityClient, User,
    agentkit::{AgentKit, AgentKitBuilder},
};
use serde_json::{Value, json};

pub use crate::loopback::{ManualClock, Reply, Seen, Server, eventually, quick};

pub const ACCESS_KEY: &str = "AKLTSYNTHETICEXAMPLE0000000000";
pub const SECRET_KEY: &str = "U1lOVEhFVElDLXNlY3JldC1rZXktZXhhbXBsZQ==";
pub const ROLE: &str = "trn:iam::2100000000:role/SyntheticRuntimeRole";
pub const RETURN_URL: &str = "https://app.example.com/consent/return";
pub const CALLBACK: &str = "https://auth.id.cn-beijing.volces.com/api/v1/oauth2callback";

impl Seen {
    pub fn action(&self) -> &str {
        &self.query["Action"]
    }

    /// The access key that it was signed with.
    pub fn access_key(&self) -> &str {
        self.headers["authorization"].split(['=', '/']).nth(1).unwrap()
    }
}

impl Server {
    /// Answers workload tokens `workload-1`, `workload-2` and so on, and the rest with the function.
    pub async fn new(mut handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let mut issued = 0;
        Self::raw(move |seen| {
            if !seen.action().starts_with("GetWorkloadAccessToken") {
                return handler(seen);
            }
            issued += 1;
            ok(&json!({ "WorkloadAccessToken": format!("workload-{issued}"), "ExpiresAt": "2099-01-01T00:00:00Z" }))
        })
        .await
    }

    /// Gives these answers in turn, the last one again and again; no provider's record can be read.
    pub async fn script(answers: Vec<Value>) -> Self {
        let mut next = 0;
        Self::new(move |seen| {
            if seen.action() == "GetOauth2CredentialProvider" {
                return refused(403, "AccessDenied", "no");
            }
            next += 1;
            ok(&answers[next.min(answers.len()) - 1])
        })
        .await
    }

    pub fn builder(&self) -> AgentKitBuilder {
        AgentKit::builder()
            .with_access_key(ACCESS_KEY, SECRET_KEY)
            .with_workload_name("my-agent")
            .with_endpoint(self.origin())
            .with_http(HttpOptions::new().with_retry(quick(1)))
    }

    pub fn agentkit(&self) -> AgentKit {
        self.builder().build().unwrap()
    }

    /// Those of an action.
    pub fn asked(&self, action: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.action() == action).collect()
    }
}

pub fn client(agentkit: AgentKit) -> IdentityClient {
    IdentityClient::builder().with_platform(agentkit).build().unwrap()
}

pub fn ok(result: &Value) -> Reply {
    Reply::json(200, &json!({ "ResponseMetadata": { "RequestId": "2026SYNTHETIC01" }, "Result": result }))
}

pub fn refused(status: u16, code: &str, message: &str) -> Reply {
    let error = json!({ "Code": code, "Message": message });
    Reply::json(status, &json!({ "ResponseMetadata": { "RequestId": "2026SYNTHETIC01", "Error": error } }))
}

pub fn link(state: &str) -> String {
    format!(
        "https://accounts.feishu.cn/open-apis/authen/v1/authorize?client_id=cli_1&redirect_uri=https%3A%2F%2Fauth.id.cn-beijing.volces.com%2Fapi%2Fv1%2Foauth2callback&response_type=code&scope=docx%3Adocument%3Areadonly%20offline_access&state={state}"
    )
}

/// What STS answers; the time has the offset that it really has.
pub fn assumed(number: u32) -> Value {
    json!({ "Credentials": {
        "AccessKeyId": format!("AKTPTEMPORARY{number:04}"),
        "SecretAccessKey": "VEVNUC1zZWNyZXQ=",
        "SessionToken": "STS-SYNTHETIC-FROM-ASSUMEROLE",
        "CurrentTime": "2026-01-02T11:04:05+08:00",
        "ExpiredTime": "2026-01-02T12:04:05+08:00"
    } })
}

pub fn alice() -> User {
    User::asserted("user-0001").unwrap()
}
