#![deny(warnings)]

use async_trait::async_trait;
use identity_client::{AccessToken, ApiKey, Error, RequestContext, requires_access_token, requires_api_key};

#[async_trait]
trait Answer: Send + Sync {
    async fn answer(&self, prompt: &str) -> Result<String, Error>;
    async fn borrow<'a>(&'a self, prompt: &'a str) -> Result<&'a str, Error>;
    async fn pair(&mut self, parts: (String, u8)) -> Result<String, Error>;
    async fn both(&self, context: RequestContext) -> Result<(), Error>;

    #[requires_api_key(provider_name = "openai-key")]
    async fn default_body(&self, api_key: ApiKey) -> Result<usize, Error> {
        Ok(api_key.expose_secret().len())
    }
}

struct Agent {
    name: String,
}

#[async_trait]
impl Answer for Agent {
    #[requires_api_key(provider_name = "openai-key", user_id = &self.name)]
    async fn answer(&self, prompt: &str, api_key: ApiKey) -> Result<String, Error> {
        Ok(format!("{}{prompt}{}", self.name, api_key.expose_secret().len()))
    }

    #[requires_api_key(provider_name = "openai-key")]
    async fn borrow<'a>(&'a self, prompt: &'a str, api_key: &ApiKey) -> Result<&'a str, Error> {
        let _ = api_key.expose_secret();
        Ok(if prompt.is_empty() { &self.name } else { prompt })
    }

    #[requires_api_key(provider_name = "openai-key")]
    async fn pair(&mut self, (text, number): (String, u8), mut api_key: ApiKey) -> Result<String, Error> {
        self.name = text;
        api_key = api_key.clone();
        Ok(format!("{}{number}{}", self.name, api_key.expose_secret().len()))
    }

    #[requires_api_key(provider_name = "openai-key")]
    #[requires_access_token(provider_name = "drive", auth_flow = "USER_FEDERATION", scopes = ["read"])]
    async fn both(&self, context: RequestContext, api_key: ApiKey, #[inject] token: AccessToken) -> Result<(), Error> {
        drop((context, api_key, token));
        Ok(())
    }
}

fn main() {
    let mut agent: Box<dyn Answer> = Box::new(Agent { name: String::new() });
    drop(agent.answer("hello"));
    drop(agent.borrow("hello"));
    drop(agent.pair((String::new(), 1)));
    drop(agent.both(RequestContext::new()));
    drop(agent.default_body());
}
