//! How a credential becomes the parameter of a handler, and an error its return value.

use secrecy::SecretString;

use crate::{
    credential::{AccessToken, ApiKey, StsCredentials, WorkloadToken},
    error::Error,
    token_source::TokenSource,
};

/// What a handler's API key parameter can be: [`ApiKey`], `&ApiKey`, [`SecretString`], or a type of yours.
///
/// ```
/// use identity_client::{ApiKey, Error, FromApiKey};
///
/// struct Model {
///     key: ApiKey,
/// }
///
/// impl FromApiKey<'_> for Model {
///     fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
///         Ok(Self { key: key.clone() })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "an API key cannot be injected as `{Self}`",
    label = "this parameter takes `ApiKey`, `&ApiKey`, `SecretString`, or a type that implements `FromApiKey`",
    note = "`into = name` or `#[inject]` chooses another parameter"
)]
pub trait FromApiKey<'a>: Sized {
    /// Makes the parameter.
    ///
    /// # Errors
    /// If the key is not what the type needs; see [`Error::conversion`].
    fn from_api_key(key: &'a ApiKey) -> Result<Self, Error>;
}

/// What a handler's access token parameter can be: [`AccessToken`], `&AccessToken`, [`SecretString`], [`TokenSource`], or a
/// type of yours.
#[diagnostic::on_unimplemented(
    message = "an access token cannot be injected as `{Self}`",
    label = "this parameter takes `AccessToken`, `&AccessToken`, `SecretString`, `TokenSource`, or a type that implements `FromAccessToken`",
    note = "`into = name` or `#[inject]` chooses another parameter"
)]
pub trait FromAccessToken<'a>: Sized {
    /// Makes the parameter.
    ///
    /// # Errors
    /// If the token is not what the type needs; see [`Error::conversion`].
    fn from_access_token(token: &'a AccessToken) -> Result<Self, Error>;
}

/// What a handler's STS credentials parameter can be: [`StsCredentials`], `&StsCredentials`, or a type of yours, for example the
/// credentials of the crate that talks to the object store.
///
/// ```
/// use identity_client::{Error, FromStsCredentials, StsCredentials};
///
/// struct Storage(rusty_s3::Credentials);
///
/// impl FromStsCredentials<'_> for Storage {
///     fn from_sts_credentials(sts: &StsCredentials) -> Result<Self, Error> {
///         Ok(Self(rusty_s3::Credentials::new_with_token(
///             sts.access_key_id(),
///             sts.expose_access_key_secret(),
///             sts.expose_security_token(),
///         )))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "STS credentials cannot be injected as `{Self}`",
    label = "this parameter takes `StsCredentials`, `&StsCredentials`, or a type that implements `FromStsCredentials`",
    note = "`into = name` or `#[inject]` chooses another parameter"
)]
pub trait FromStsCredentials<'a>: Sized {
    /// Makes the parameter.
    ///
    /// # Errors
    /// If the credentials are not what the type needs; see [`Error::conversion`].
    fn from_sts_credentials(credentials: &'a StsCredentials) -> Result<Self, Error>;
}

/// What a handler's workload token parameter can be: [`WorkloadToken`], `&WorkloadToken`, [`SecretString`], or a type of yours.
#[diagnostic::on_unimplemented(
    message = "a workload token cannot be injected as `{Self}`",
    label = "this parameter takes `WorkloadToken`, `&WorkloadToken`, `SecretString`, or a type that implements `FromWorkloadToken`",
    note = "`into = name` or `#[inject]` chooses another parameter"
)]
pub trait FromWorkloadToken<'a>: Sized {
    /// Makes the parameter.
    ///
    /// # Errors
    /// If the token is not what the type needs; see [`Error::conversion`].
    fn from_workload_token(token: &'a WorkloadToken) -> Result<Self, Error>;
}

impl FromStsCredentials<'_> for StsCredentials {
    fn from_sts_credentials(credentials: &StsCredentials) -> Result<Self, Error> {
        Ok(credentials.clone())
    }
}

impl<'a> FromStsCredentials<'a> for &'a StsCredentials {
    fn from_sts_credentials(credentials: &'a StsCredentials) -> Result<Self, Error> {
        Ok(credentials)
    }
}

impl FromWorkloadToken<'_> for WorkloadToken {
    fn from_workload_token(token: &WorkloadToken) -> Result<Self, Error> {
        Ok(token.clone())
    }
}

impl<'a> FromWorkloadToken<'a> for &'a WorkloadToken {
    fn from_workload_token(token: &'a WorkloadToken) -> Result<Self, Error> {
        Ok(token)
    }
}

impl FromWorkloadToken<'_> for SecretString {
    fn from_workload_token(token: &WorkloadToken) -> Result<Self, Error> {
        Ok(token.expose_secret().into())
    }
}

impl FromApiKey<'_> for ApiKey {
    fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
        Ok(key.clone())
    }
}

impl<'a> FromApiKey<'a> for &'a ApiKey {
    fn from_api_key(key: &'a ApiKey) -> Result<Self, Error> {
        Ok(key)
    }
}

impl FromApiKey<'_> for SecretString {
    fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
        Ok(key.expose_secret().into())
    }
}

impl FromAccessToken<'_> for AccessToken {
    fn from_access_token(token: &AccessToken) -> Result<Self, Error> {
        Ok(token.clone())
    }
}

impl<'a> FromAccessToken<'a> for &'a AccessToken {
    fn from_access_token(token: &'a AccessToken) -> Result<Self, Error> {
        Ok(token)
    }
}

impl FromAccessToken<'_> for SecretString {
    fn from_access_token(token: &AccessToken) -> Result<Self, Error> {
        Ok(token.expose_secret().into())
    }
}

impl FromAccessToken<'_> for TokenSource {
    fn from_access_token(token: &AccessToken) -> Result<Self, Error> {
        Self::of(token)
    }
}

/// What a handler returns when no credential can be had: `Result<T, E>` where `E: From<identity_client::Error>`, or a type of
/// yours. `on_error = path` is for anything else.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot report that fetching a credential failed",
    label = "return `Result<T, E>` with `E: From<identity_client::Error>`, implement `FromCredentialError`, or write `on_error = path`"
)]
pub trait FromCredentialError {
    /// Makes the return value.
    fn from_credential_error(error: Error) -> Self;
}

impl<T, E: From<Error>> FromCredentialError for Result<T, E> {
    fn from_credential_error(error: Error) -> Self {
        Err(error.into())
    }
}
