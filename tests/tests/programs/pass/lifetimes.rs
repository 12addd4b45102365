#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};

struct Agent<'n> {
    names: Vec<&'n str>,
}

impl<'n> Agent<'n> {
    #[requires_api_key(provider_name = "openai-key")]
    async fn first<'a>(&'a self, fallback: &'a &'n str, api_key: &ApiKey) -> Result<&'a &'n str, Error> {
        let _ = api_key.expose_secret();
        Ok(self.names.first().unwrap_or(fallback))
    }
}

#[requires_api_key(provider_name = "openai-key")]
async fn longest<'a>(left: &'a str, right: &'a str, api_key: &ApiKey) -> Result<&'a str, Error> {
    if api_key.expose_secret().len() > left.len() {
        return Ok(right);
    }
    Ok(if left.len() > right.len() { left } else { right })
}

fn main() {
    let agent = Agent { names: vec!["a"] };
    drop(agent.first(&"b"));
    drop(longest("a", "b"));
}
