#![deny(warnings)]

use identity_client::{
    AccessToken, ApiKey, Error, RequestContext, StsCredentials, WorkloadToken, requires_access_token, requires_api_key,
    requires_sts_credentials, requires_workload_token,
};

#[requires_sts_credentials(session_duration = "1h")]
#[requires_api_key(provider_name = "openai-key")]
#[requires_access_token(provider_name = "crm", auth_flow = "ON_BEHALF_OF", scopes = ["read"], audience = "crm")]
#[requires_workload_token]
async fn four(
    context: RequestContext,
    api_key: ApiKey,
    workload_token: WorkloadToken,
    access_token: AccessToken,
    sts_credentials: StsCredentials,
) -> Result<(), Error> {
    drop((api_key, workload_token, access_token, sts_credentials));
    Ok(())
}

fn main() {
    drop(four(RequestContext::new()));
}
