#![deny(warnings)]

use std::time::Duration;

use identity_client::{
    Error, FromStsCredentials, IdentityClient, RequestContext, StsCredentials, User, WorkloadToken,
    requires_sts_credentials, requires_workload_token,
};

struct Storage {
    id: String,
}

impl FromStsCredentials<'_> for Storage {
    fn from_sts_credentials(credentials: &StsCredentials) -> Result<Self, Error> {
        Ok(Self { id: credentials.access_key_id().to_owned() })
    }
}

#[requires_sts_credentials]
async fn plain(sts_credentials: StsCredentials) -> Result<usize, Error> {
    Ok(sts_credentials.expose_security_token().len())
}

#[requires_sts_credentials(
    into = storage,
    session_duration = "15m",
    policy = r#"{"Version":"1","Statement":[]}"#,
    role_session_name = "report-agent",
    auth_flow = "USER_FEDERATION",
    user_id = user,
    client = client
)]
async fn every_literal(user: &User, client: &IdentityClient, storage: Storage) -> Result<String, Error> {
    Ok(storage.id)
}

#[requires_sts_credentials(session_duration = length, policy = policy, role_session_name = format!("agent-{n}"))]
async fn expressions(n: u8, length: Duration, policy: String, sts_credentials: &StsCredentials) -> Result<usize, Error> {
    Ok(sts_credentials.access_key_id().len())
}

#[requires_workload_token(auth_flow = "M2M")]
async fn token(workload_token: &WorkloadToken) -> Result<usize, Error> {
    Ok(workload_token.expose_secret().len())
}

#[requires_workload_token]
async fn token_of_the_context(context: RequestContext, workload_token: WorkloadToken) -> Result<usize, Error> {
    Ok(workload_token.expose_secret().len())
}

fn main() {
    drop((plain(), token(), token_of_the_context(RequestContext::new())));
    drop(expressions(1, Duration::from_secs(900), "{}".into()));
    let _ = every_literal;
}
