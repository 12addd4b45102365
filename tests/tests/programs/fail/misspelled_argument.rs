use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_nmae = "openai-key")]
async fn answer(prompt: &str, api_key: ApiKey) -> Result<String, Error> {
    Ok(format!("{prompt}{}", api_key.expose_secret().len()))
}

fn main() {
    // The parameter is gone all the same, so this call is no second error.
    drop(answer("hello"));
}
