use identity_client::{AccessToken, Error, requires_access_token};

const FLOW: &str = "M2M";

#[requires_access_token(provider_name = "drive", auth_flow = FLOW, scopes = ["read"])]
async fn answer(access_token: AccessToken) -> Result<(), Error> {
    drop((FLOW, access_token));
    Ok(())
}

fn main() {}
