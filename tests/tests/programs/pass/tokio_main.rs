#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};

fn ignored(_: Error) {}

#[requires_api_key(provider_name = "openai-key", client = nobody()?, on_error = failed)]
#[tokio::main(flavor = "current_thread")]
async fn start(api_key: ApiKey) -> Option<usize> {
    Some(api_key.expose_secret().len())
}

fn nobody() -> Option<identity_client::IdentityClient> {
    None
}

fn failed(error: Error) -> Option<usize> {
    ignored(error);
    None
}

#[cfg(test)]
#[requires_api_key(provider_name = "openai-key")]
#[tokio::test]
async fn in_a_test(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {
    // It runs: `?` in an argument leaves the function before anything is asked.
    assert_eq!(start(), None);
}
