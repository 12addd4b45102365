//! The attributes of `identity-client`. Depend on that crate, which re-exports them; this one has no run-time code.
//!
//! # What they do
//!
//! An attribute takes one parameter out of the signature of an `async fn`, and puts in front of the body a fetch of the
//! credential that the parameter names:
//!
//! ```
//! use identity_client::{ApiKey, Error, requires_api_key};
//!
//! #[requires_api_key(provider_name = "openai-key")]
//! async fn answer(prompt: &str, api_key: ApiKey) -> Result<String, Error> {
//!     Ok(format!("{prompt}: asked with a key of {} bytes", api_key.expose_secret().len()))
//! }
//!
//! # async fn caller() -> Result<(), Error> {
//! // The credential is no parameter any more: nobody passes it.
//! let text = answer("hello").await?;
//! # drop(text);
//! # Ok(())
//! # }
//! ```
//!
//! The parameter must not be counted: a trait declares the method *without* it, and a caller that passes it is told that
//! the function takes one argument less.
//!
//! # Which parameter
//!
//! `into = name`, else the parameter marked `#[inject]` (with any pattern), else `api_key`, `access_token`, `sts_credentials` or
//! `workload_token`. Its type is any that implements `FromApiKey`, `FromAccessToken`, `FromStsCredentials` or
//! `FromWorkloadToken`: the credential, a reference to it, or a type of yours.
//!
//! # Where failures go
//!
//! Into the return type: `Result<T, E>` where `E: From<identity_client::Error>`, or any type that implements
//! `FromCredentialError`. For another type, and always for `-> impl Trait`, name a function with `on_error = path`; the
//! expansion returns `path(error)`.
//!
//! # Several credentials
//!
//! Stack the attributes. The first one collects those below it and fetches everything in one call, concurrently; the
//! parameters are filled in the order of the attributes. An attribute under another name (`use … as …`) or inside `cfg_attr`
//! is not collected: it works, but its fetch comes after the others.
//!
//! ```
//! use identity_client::{AccessToken, ApiKey, Error, requires_access_token, requires_api_key};
//!
//! #[requires_api_key(provider_name = "openai-key")]
//! #[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = ["files.read"])]
//! async fn summarize(file: &str, api_key: ApiKey, access_token: AccessToken) -> Result<String, Error> {
//!     # drop((api_key, access_token));
//!     Ok(file.to_owned())
//! }
//! # drop(summarize("report"));
//! ```
//!
//! # Other attributes
//!
//! Ours go first, above `#[tokio::main]`, `#[tokio::test]`, `#[tracing::instrument]` and rmcp's `#[tool]`: those then see a
//! function that has no credential, and can neither record it nor ask a model for it. In an `#[async_trait]` block, which
//! stands above the whole `impl`, put ours on the method as usual; there an argument can name the parameters, but not the
//! parts of a parameter that is taken apart by a pattern.
//!
//! # Good to know
//!
//! - The arguments of the function now live across the fetch, so an `Rc` among them makes the future `!Send` even if the body
//!   never waits.
//! - A parameter of type `RequestContext` is used as the context of the request, unless `context = …` names another. That is a
//!   use: such a parameter needs no leading underscore.
//! - The expressions in an attribute are evaluated once, in source order, where the parameters of the function are in scope.
//! - If `identity-client` has another name in your `Cargo.toml`, or comes through another crate, say so: `crate = renamed`.

mod arguments;
mod boxed;
mod errors;
mod expand;
mod function;
mod name;
mod need;
mod parameter;
#[cfg(test)]
mod tests;
mod value;

use proc_macro::TokenStream;

use crate::name::Kind;

/// Fetches an API key and injects it into an `async fn`.
///
/// | argument | value | meaning, default |
/// | --- | --- | --- |
/// | `provider_name` | `&str` or `String` | the API key provider, as registered on the platform; required |
/// | `into` | a name | the parameter that takes the key; default: the one marked `#[inject]`, else `api_key` |
/// | `auth_flow` | `"M2M"` or `"USER_FEDERATION"` | the agent's own key, or the user's; default: as the provider is registered |
/// | `callback_url` | `&str` or `String` | where the browser lands after consent; default: the context's |
/// | `on_auth_url` | path of a function | tells the user where to agree: sync or async, takes a `PendingAuthorization`; default: the client's |
/// | `force_delegation` | `bool` | ask the user again, although there is a key; default `false` |
/// | `custom_state` | `&str` or `String` | handed back on landing, 1 to 50 characters |
/// | `user_id` | `&str`, `String`, `User` or an `Option` of one | for whom; default: the context's user |
/// | `context` | `RequestContext` | the context of this request; default: the function's own parameter of that type, else the task's |
/// | `client` | `IdentityClient` | whom to ask; default: the context's client, else the process's |
/// | `timeout` | `"90s"` or a `Duration` | how long to wait for the user, at most an hour; default: the client's (60 s) |
/// | `wait` | `"poll"` or `"return"` | wait for the user, or return the error with the pending authorization at once; default `"poll"` |
/// | `on_error` | path of a function | makes the return value of an `identity_client::Error`; default: the return type does |
/// | `crate` | path | where `identity-client` is found; default `::identity_client` |
///
/// Literals are checked when the program is compiled, with the rules that the client applies when it runs. An argument that
/// has no meaning without a user is refused together with `auth_flow = "M2M"`.
///
/// The parameter leaves the signature. What else changes, and the order among other attributes, is described in the
/// documentation of the crate.
///
/// # Examples
///
/// The key of the user who is served, with a link sent to that user when there is none yet:
///
/// ```
/// use identity_client::{ApiKey, Error, PendingAuthorization, RequestContext, requires_api_key};
///
/// async fn send_link(pending: PendingAuthorization) {
///     // To the user's own channel, never to a log: whoever has the link can agree.
///     drop(pending.authorization_url().to_owned());
/// }
///
/// #[requires_api_key(
///     provider_name = "mail-key",
///     auth_flow = "USER_FEDERATION",
///     callback_url = "https://agent.example.com/back",
///     on_auth_url = send_link,
///     timeout = "5m"
/// )]
/// async fn inbox(context: RequestContext, api_key: &ApiKey) -> Result<usize, Error> {
///     Ok(api_key.expose_secret().len())
/// }
/// # drop(inbox(RequestContext::new()));
/// ```
///
/// A parameter of another name and type:
///
/// ```
/// use identity_client::{ApiKey, Error, FromApiKey, requires_api_key};
///
/// struct Model(ApiKey);
///
/// impl FromApiKey<'_> for Model {
///     fn from_api_key(key: &ApiKey) -> Result<Self, Error> {
///         Ok(Self(key.clone()))
///     }
/// }
///
/// #[requires_api_key(provider_name = "openai-key")]
/// async fn ask(#[inject] Model(key): Model) -> Result<(), Error> {
///     drop(key);
///     Ok(())
/// }
/// # drop(ask());
/// ```
#[proc_macro_attribute]
pub fn requires_api_key(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::ApiKey, arguments.into(), &item.into()).into()
}

/// Fetches an OAuth 2.0 access token and injects it into an `async fn`.
///
/// | argument | value | meaning, default |
/// | --- | --- | --- |
/// | `provider_name` | `&str` or `String` | the OAuth2 provider, as registered on the platform; required |
/// | `auth_flow` | `"M2M"`, `"USER_FEDERATION"` or `"ON_BEHALF_OF"` | a token for the agent itself, for a user who agrees, or for a user by exchange, where the platform can; required |
/// | `audience` | `&str` or `String` | for whom a token of `"ON_BEHALF_OF"` is meant; default: as the provider is registered |
/// | `scopes` | `["…", …]`, or anything that borrows as `&[impl AsRef<str>]` | what the token allows, at least one; required |
/// | `into` | a name | the parameter that takes the token; default: the one marked `#[inject]`, else `access_token` |
/// | `callback_url` | `&str` or `String` | where the browser lands after consent; default: the context's |
/// | `on_auth_url` | path of a function | tells the user where to agree: sync or async, takes a `PendingAuthorization`; default: the client's |
/// | `force_authentication` | `bool` | ask the user again, although there is a token; default `false` |
/// | `custom_state` | `&str` or `String` | handed back on landing, 1 to 100 characters |
/// | `custom_parameters` | `[("…", "…"), …]`, or anything that borrows as a slice of pairs | added to the provider's authorization request |
/// | `user_id` | `&str`, `String`, `User` or an `Option` of one | for whom; default: the context's user |
/// | `context` | `RequestContext` | the context of this request; default: the function's own parameter of that type, else the task's |
/// | `client` | `IdentityClient` | whom to ask; default: the context's client, else the process's |
/// | `timeout` | `"90s"` or a `Duration` | how long to wait for the user, at most an hour; default: the client's (60 s) |
/// | `wait` | `"poll"` or `"return"` | wait for the user, or return the error with the pending authorization at once; default `"poll"` |
/// | `on_error` | path of a function | makes the return value of an `identity_client::Error`; default: the return type does |
/// | `crate` | path | where `identity-client` is found; default `::identity_client` |
///
/// Literals are checked when the program is compiled, with the rules that the client applies when it runs. An argument that
/// has no meaning without a user is refused together with `auth_flow = "M2M"`.
///
/// The parameter leaves the signature. What else changes, and the order among other attributes, is described in the
/// documentation of the crate.
///
/// # Examples
///
/// ```
/// use identity_client::{AccessToken, Error, RequestContext, requires_access_token};
///
/// #[requires_access_token(
///     provider_name = "google-oauth",
///     auth_flow = "USER_FEDERATION",
///     scopes = ["https://www.googleapis.com/auth/calendar.readonly"],
///     custom_parameters = [("access_type", "offline")]
/// )]
/// async fn agenda(day: &str, context: RequestContext, access_token: AccessToken) -> Result<String, Error> {
///     Ok(format!("{day}: asked with a token of {} bytes", access_token.expose_secret().len()))
/// }
/// # drop(agenda("today", RequestContext::new()));
/// ```
///
/// Not waiting for the user, with the link in the answer:
///
/// ```
/// use identity_client::{AccessToken, Error, requires_access_token};
///
/// enum Answer {
///     Done,
///     PleaseSignIn(String),
///     Failed,
/// }
///
/// fn or_link(error: Error) -> Answer {
///     match error.pending() {
///         Some(pending) => Answer::PleaseSignIn(pending.authorization_url().to_owned()),
///         None => Answer::Failed,
///     }
/// }
///
/// #[requires_access_token(
///     provider_name = "google-oauth",
///     auth_flow = "USER_FEDERATION",
///     scopes = ["openid"],
///     user_id = user,
///     wait = "return",
///     on_error = or_link
/// )]
/// async fn sync(user: &str, access_token: AccessToken) -> Answer {
///     # drop(access_token);
///     Answer::Done
/// }
/// # drop(sync("user-7"));
/// ```
#[proc_macro_attribute]
pub fn requires_access_token(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::AccessToken, arguments.into(), &item.into()).into()
}

/// Fetches temporary credentials of the agent identity's cloud role (STS) and injects them into an `async fn`.
///
/// | argument | value | meaning, default |
/// | --- | --- | --- |
/// | `into` | a name | the parameter that takes them; default: the one marked `#[inject]`, else `sts_credentials` |
/// | `session_duration` | `"15m"` or a `Duration` | how long they last, 15 minutes to an hour; default: the platform's, an hour |
/// | `policy` | `&str` or `String` | narrows what the role allows: a policy in JSON; default: all that the role allows |
/// | `role_session_name` | `&str` or `String` | the name that the role's acts are logged under, 2 to 64 characters; default: one is made up |
/// | `auth_flow` | `"M2M"` or `"USER_FEDERATION"` | the agent's own, or a user's and an error without a user; default: the user's if the call or its context names one, else the agent's own |
/// | `user_id` | `&str`, `String`, `User` or an `Option` of one | for whom; default: the context's user |
/// | `context` | `RequestContext` | the context of this request; default: the function's own parameter of that type, else the task's |
/// | `client` | `IdentityClient` | whom to ask; default: the context's client, else the process's |
/// | `on_error` | path of a function | makes the return value of an `identity_client::Error`; default: the return type does |
/// | `crate` | path | where `identity-client` is found; default `::identity_client` |
///
/// Literals are checked when the program is compiled, with the rules that the client applies when it runs: the duration, the
/// name, and that the policy is a JSON object.
///
/// # Examples
///
/// ```
/// use identity_client::{Error, RequestContext, StsCredentials, requires_sts_credentials};
///
/// #[requires_sts_credentials(
///     session_duration = "15m",
///     policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}"#
/// )]
/// async fn report(context: RequestContext, sts_credentials: StsCredentials) -> Result<String, Error> {
///     Ok(sts_credentials.access_key_id().to_owned())
/// }
/// # drop(report(RequestContext::new()));
/// ```
#[proc_macro_attribute]
pub fn requires_sts_credentials(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::StsCredentials, arguments.into(), &item.into()).into()
}

/// Fetches a workload access token, which proves to the platform's own services which workload asks and for whom, and injects it
/// into an `async fn`.
///
/// | argument | value | meaning, default |
/// | --- | --- | --- |
/// | `into` | a name | the parameter that takes the token; default: the one marked `#[inject]`, else `workload_token` |
/// | `auth_flow` | `"M2M"` or `"USER_FEDERATION"` | the agent's own, or a user's and an error without a user; default: the user's if the call or its context names one, else the agent's own |
/// | `user_id` | `&str`, `String`, `User` or an `Option` of one | for whom; default: the context's user |
/// | `context` | `RequestContext` | the context of this request; default: the function's own parameter of that type, else the task's |
/// | `client` | `IdentityClient` | whom to ask; default: the context's client, else the process's |
/// | `on_error` | path of a function | makes the return value of an `identity_client::Error`; default: the return type does |
/// | `crate` | path | where `identity-client` is found; default `::identity_client` |
///
/// # Examples
///
/// ```
/// use identity_client::{Error, RequestContext, WorkloadToken, requires_workload_token};
///
/// #[requires_workload_token(auth_flow = "USER_FEDERATION")]
/// async fn call_gateway(context: RequestContext, workload_token: &WorkloadToken) -> Result<usize, Error> {
///     // On a real request: `workload_token.apply(&mut request)?`.
///     Ok(workload_token.expose_secret().len())
/// }
/// # drop(call_gateway(RequestContext::new()));
/// ```
#[proc_macro_attribute]
pub fn requires_workload_token(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::WorkloadToken, arguments.into(), &item.into()).into()
}
