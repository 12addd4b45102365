use identity_client::{AccessToken, Error, requires_access_token};

#[requires_access_token(provider_name = "drive")]
async fn answer(access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

fn main() {}
