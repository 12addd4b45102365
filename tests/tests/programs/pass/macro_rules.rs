#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};

mod facade {
    pub use ::identity_client as inner;
}

macro_rules! handler {
    ($name:ident, $provider:literal, $timeout:expr, $ty:ty) => {
        #[requires_api_key(provider_name = $provider, timeout = $timeout, crate = $crate::facade::inner)]
        async fn $name(prompt: &str, api_key: $ty) -> Result<String, Error> {
            Ok(format!("{prompt}{}", api_key.expose_secret().len()))
        }
    };
}

macro_rules! handler_with_parameter {
    ($parameter:ident, $body:block) => {
        #[requires_api_key(provider_name = "openai-key", into = $parameter)]
        async fn with_parameter($parameter: ApiKey) -> Result<usize, Error> $body
    };
}

handler!(first, "openai-key", "90s", ApiKey);
handler!(second, "other-key", std::time::Duration::from_secs(5), &ApiKey);
handler_with_parameter!(key, { Ok(key.expose_secret().len()) });

fn main() {
    drop(first("hello"));
    drop(second("hello"));
    drop(with_parameter());
}
