use identity_client::{ApiKey, Error, requires_api_key};

fn notify(_: identity_client::PendingAuthorization) {}

#[requires_api_key(provider_name = "openai-key", auth_flow = "M2M", on_auth_url = notify)]
async fn answer(api_key: ApiKey) -> Result<(), Error> {
    let _ = notify;
    drop(api_key);
    Ok(())
}

fn main() {}
