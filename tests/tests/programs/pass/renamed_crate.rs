#![deny(warnings)]

mod facade {
    pub use identity_client as renamed;
}

use facade::renamed;

#[renamed::requires_api_key(provider_name = "openai-key", crate = renamed)]
async fn answer(api_key: renamed::ApiKey) -> Result<usize, renamed::Error> {
    Ok(api_key.expose_secret().len())
}

#[renamed::requires_api_key(provider_name = "openai-key", crate = crate::facade::renamed)]
async fn answer_by_full_path(api_key: renamed::ApiKey) -> Result<usize, renamed::Error> {
    Ok(api_key.expose_secret().len())
}

fn main() {
    drop(answer());
    drop(answer_by_full_path());
}
