use identity_client::{Error, StsCredentials, requires_sts_credentials};

#[requires_sts_credentials(auth_flow = "ON_BEHALF_OF")]
async fn answer(sts_credentials: StsCredentials) -> Result<(), Error> {
    drop(sts_credentials);
    Ok(())
}

fn main() {}
