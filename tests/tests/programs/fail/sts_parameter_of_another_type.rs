use identity_client::{Error, requires_sts_credentials};

#[requires_sts_credentials]
async fn answer(sts_credentials: u32) -> Result<(), Error> {
    drop(sts_credentials);
    Ok(())
}

fn main() {}
