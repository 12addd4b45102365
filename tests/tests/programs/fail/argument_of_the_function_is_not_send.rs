use std::rc::Rc;

use identity_client::{ApiKey, Error, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
async fn answer(prompt: Rc<str>, api_key: ApiKey) -> Result<usize, Error> {
    Ok(prompt.len() + api_key.expose_secret().len())
}

fn assert_send(_: impl Send) {}

fn caller(prompt: Rc<str>) {
    assert_send(answer(prompt));
}

fn main() {}
