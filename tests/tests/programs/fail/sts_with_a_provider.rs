use identity_client::{Error, StsCredentials, requires_sts_credentials};

#[requires_sts_credentials(provider_name = "storage")]
async fn answer(sts_credentials: StsCredentials) -> Result<(), Error> {
    drop(sts_credentials);
    Ok(())
}

fn main() {}
