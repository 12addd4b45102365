use identity_client::{AccessToken, Error, requires_access_token};

#[requires_access_token(
    provider_name = "drive",
    auth_flow = "USER_FEDERATION",
    scopes = ["read"],
    custom_parameters = {"access_type": "offline"}
)]
async fn answer(access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

fn main() {}
