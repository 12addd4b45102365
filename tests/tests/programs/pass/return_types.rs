#![deny(warnings)]

use std::fmt::Display;

use identity_client::{ApiKey, Error, FromCredentialError, requires_api_key};

type Short<T> = Result<T, Failure>;

enum Failure {
    Credential(Error),
    Other,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Credential(error)
    }
}

struct Response(u16);

impl FromCredentialError for Response {
    fn from_credential_error(_: Error) -> Self {
        Self(503)
    }
}

fn respond(error: Error) -> String {
    error.to_string()
}

impl Response {
    fn nothing(error: Error) -> Option<usize> {
        drop(error);
        None
    }
}

#[requires_api_key(provider_name = "openai-key")]
async fn alias(api_key: ApiKey) -> Short<usize> {
    match api_key.expose_secret().len() {
        0 => Err(Failure::Other),
        length => Ok(length),
    }
}

#[requires_api_key(provider_name = "openai-key")]
async fn boxed(api_key: ApiKey) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
    Ok(api_key.expose_secret().len())
}

#[requires_api_key(provider_name = "openai-key")]
async fn response(api_key: ApiKey) -> Response {
    drop(api_key);
    Response(200)
}

#[requires_api_key(provider_name = "openai-key")]
async fn result_of_opaque(api_key: ApiKey) -> Result<impl Display, Error> {
    Ok(api_key.expose_secret().len())
}

#[requires_api_key(provider_name = "openai-key", on_error = respond)]
async fn opaque(api_key: ApiKey) -> impl Display {
    api_key.expose_secret().len().to_string()
}

#[requires_api_key(provider_name = "openai-key", on_error = Response::nothing)]
async fn option(api_key: ApiKey) -> Option<usize> {
    Some(api_key.expose_secret().len())
}

#[requires_api_key(provider_name = "openai-key", on_error = drop::<Error>)]
async fn nothing(api_key: ApiKey) {
    drop(api_key);
}

#[requires_api_key(provider_name = "openai-key")]
async fn never_comes_back(api_key: ApiKey) -> Result<std::convert::Infallible, Error> {
    drop(api_key);
    std::future::pending().await
}

#[requires_api_key(provider_name = "openai-key")]
async fn loops(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    loop {
        std::future::pending::<()>().await;
    }
}

fn main() {
    let Response(status) = Response::from_credential_error(Error::conversion("no"));
    assert_eq!(status, 503);
    drop((alias(), boxed(), response(), result_of_opaque(), opaque(), option(), nothing(), never_comes_back(), loops()));
}
