use identity_client::{ApiKey, Error, requires_api_key};

struct Agent;

impl Agent {
    #[requires_api_key(provider_name = "openai-key", into = self)]
    async fn answer(&self, key: ApiKey) -> Result<(), Error> {
        drop(key);
        Ok(())
    }
}

fn main() {}
