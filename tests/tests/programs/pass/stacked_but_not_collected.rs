#![deny(warnings)]
// Under another name, or behind `cfg_attr`, an attribute expands on its own.

use identity_client::{AccessToken, ApiKey, Error, requires_access_token as token, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
#[token(provider_name = "drive", auth_flow = "M2M", scopes = ["read"])]
async fn renamed(api_key: ApiKey, access_token: AccessToken) -> Result<(), Error> {
    drop((api_key, access_token));
    Ok(())
}

#[requires_api_key(provider_name = "openai-key")]
#[cfg_attr(all(), requires_api_key(provider_name = "second", into = second))]
async fn conditional(api_key: ApiKey, second: ApiKey) -> Result<(), Error> {
    drop((api_key, second));
    Ok(())
}

fn main() {
    drop(renamed());
    drop(conditional());
}
