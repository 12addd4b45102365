#![deny(warnings)]

use identity_client::{AccessToken, ApiKey, Error, requires_access_token, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = ["read"])]
async fn two(api_key: ApiKey, n: u8, access_token: AccessToken) -> Result<u8, Error> {
    drop((api_key, access_token));
    Ok(n)
}

/// Documented between.
#[identity_client::requires_api_key(provider_name = "first")]
#[must_use]
#[identity_client::requires_api_key(provider_name = "second", into = backup)]
#[::identity_client::requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = ["read"], into = token)]
async fn three(api_key: &ApiKey, backup: &ApiKey, token: AccessToken) -> Result<usize, Error> {
    drop(token);
    Ok(api_key.expose_secret().len() + backup.expose_secret().len())
}

fn main() {
    drop(two(1));
    drop(three());
}
