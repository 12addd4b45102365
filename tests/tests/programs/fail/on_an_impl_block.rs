use identity_client::{ApiKey, Error, requires_api_key};

struct Agent;

#[requires_api_key(provider_name = "openai-key")]
impl Agent {
    async fn answer(&self, api_key: ApiKey) -> Result<(), Error> {
        drop(api_key);
        Ok(())
    }
}

fn main() {}
