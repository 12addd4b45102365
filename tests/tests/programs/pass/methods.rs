#![deny(warnings)]

use std::sync::Arc;

use identity_client::{ApiKey, Error, IdentityClient, requires_api_key};

#[derive(Clone)]
struct Agent {
    name: String,
    calls: usize,
    client: Option<Arc<IdentityClient>>,
}

impl Agent {
    #[requires_api_key(provider_name = "openai-key")]
    async fn by_reference(&self, prompt: &str, api_key: ApiKey) -> Result<String, Error> {
        Ok(format!("{}{prompt}{}", self.name, api_key.expose_secret().len()))
    }

    #[requires_api_key(provider_name = &self.name)]
    async fn by_mutable_reference(&mut self, api_key: ApiKey) -> Result<&mut String, Error> {
        drop(api_key);
        self.calls += 1;
        Ok(&mut self.name)
    }

    #[requires_api_key(provider_name = "openai-key", user_id = &self.name)]
    async fn by_value(self, api_key: ApiKey) -> Result<Self, Error> {
        drop(api_key);
        Ok(self)
    }

    #[requires_api_key(provider_name = "openai-key")]
    async fn by_mutable_value(mut self, api_key: ApiKey) -> Result<Self, Error> {
        drop(api_key);
        self.calls += 1;
        Ok(self)
    }

    #[requires_api_key(provider_name = "openai-key", client = client)]
    async fn by_smart_pointer(self: Arc<Self>, client: Arc<IdentityClient>, api_key: ApiKey) -> Result<usize, Error> {
        drop(api_key);
        drop(client);
        Ok(self.calls)
    }

    #[requires_api_key(provider_name = "openai-key")]
    async fn associated(api_key: ApiKey) -> Result<Self, Error> {
        drop(api_key);
        Ok(Self { name: String::new(), calls: 0, client: None })
    }
}

fn main() {
    let mut agent = Agent { name: String::new(), calls: 0, client: None };
    drop(agent.by_reference("x"));
    drop(agent.by_mutable_reference());
    drop(agent.clone().by_value());
    drop(agent.clone().by_mutable_value());
    if let Some(client) = agent.client.clone() {
        drop(Arc::new(agent).by_smart_pointer(client));
    }
    drop(Agent::associated());
}
