use identity_client::{AccessToken, ApiKey, Error, requires_access_token, requires_api_key};

fn one(_: Error) -> u16 {
    1
}

fn two(_: Error) -> u16 {
    2
}

#[requires_api_key(provider_name = "openai-key", on_error = one)]
#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = ["read"], on_error = two)]
async fn answer(api_key: ApiKey, access_token: AccessToken) -> u16 {
    drop((api_key, access_token, one as fn(_) -> _, two as fn(_) -> _));
    200
}

fn main() {}
