use identity_client::{AccessToken, Error, requires_access_token};

#[requires_access_token(provider_name = "crm", auth_flow = "ON_BEHALF_OF", scopes = ["read"], on_auth_url = tell)]
async fn answer(access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

fn main() {}
