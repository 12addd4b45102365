//! Everything that is public stays documented.
#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, single_use_lifetimes, let_underscore_drop)]

use identity_client::{ApiKey, Error, requires_api_key};

/// Answers.
#[requires_api_key(provider_name = "openai-key")]
#[inline]
#[must_use]
pub async fn answer(prompt: &str, api_key: ApiKey) -> Result<String, Error> {
    Ok(format!("{prompt}{}", api_key.expose_secret().len()))
}

fn main() {
    drop(answer("hello"));
}
