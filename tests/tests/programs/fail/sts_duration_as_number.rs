use identity_client::{Error, StsCredentials, requires_sts_credentials};

#[requires_sts_credentials(session_duration = 900)]
async fn answer(sts_credentials: StsCredentials) -> Result<(), Error> {
    drop(sts_credentials);
    Ok(())
}

fn main() {}
