use identity_client::{ApiKey, Error, requires_api_key};

struct Agent;

impl Agent {
    #[requires_api_key(provider_name = "openai-key")]
    async fn answer(#[inject] &self, api_key: ApiKey) -> Result<(), Error> {
        drop(api_key);
        Ok(())
    }
}

fn main() {}
