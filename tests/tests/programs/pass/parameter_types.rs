#![deny(warnings)]

use identity_client::{AccessToken, ApiKey, Error, FromAccessToken, FromApiKey, TokenSource, requires_access_token, requires_api_key};
use secrecy::{ExposeSecret as _, SecretString};

struct Length(usize);

impl FromApiKey<'_> for Length {
    fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
        Ok(Self(key.expose_secret().len()))
    }
}

struct Borrowed<'a>(&'a str);

impl<'a> FromAccessToken<'a> for Borrowed<'a> {
    fn from_access_token(token: &'a AccessToken) -> Result<Self, Error> {
        Ok(Self(token.expose_secret()))
    }
}

type Key = ApiKey;

#[requires_api_key(provider_name = "openai-key")]
async fn reference(api_key: &ApiKey) -> Result<usize, Error> {
    Ok(api_key.expose_secret().len())
}

#[requires_api_key(provider_name = "openai-key")]
async fn alias(api_key: Key) -> Result<usize, Error> {
    Ok(api_key.expose_secret().len())
}

#[requires_api_key(provider_name = "openai-key")]
async fn secret(api_key: SecretString) -> Result<usize, Error> {
    Ok(api_key.expose_secret().len())
}

#[requires_api_key(provider_name = "openai-key", into = length)]
async fn own(length: Length) -> Result<usize, Error> {
    Ok(length.0)
}

#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = ["read"])]
async fn borrowed(access_token: Borrowed<'_>) -> Result<usize, Error> {
    Ok(access_token.0.len())
}

#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = ["read"], into = source)]
async fn source(source: TokenSource) -> Result<(), Error> {
    drop(source);
    Ok(())
}

fn main() {
    drop((reference(), alias(), secret(), own(), borrowed(), source()));
}
