use identity_client::{AccessToken, Error, requires_access_token};

#[requires_access_token(provider_name = "crm", auth_flow = "M2M", scopes = ["read"], audience = "crm")]
async fn answer(access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

fn main() {}
