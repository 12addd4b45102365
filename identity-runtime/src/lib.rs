//! Serves an agent over HTTP: [`AgentApp`] speaks the contract of the platforms, and [`ReturnUrlRouter`] is the way of a user
//! to a consent and back from it, so that an [`identity_client::SessionBinding`] can tell whether whoever agreed is whoever
//! was asked.
//!
//! ```no_run
//! use identity_client::{ApiKey, Error, RequestContext, requires_api_key};
//! use identity_runtime::AgentApp;
//!
//! #[derive(serde::Deserialize)]
//! struct Question {
//!     prompt: String,
//! }
//!
//! #[requires_api_key(provider_name = "openai-key")]
//! async fn answer(question: Question, context: RequestContext, api_key: ApiKey) -> Result<String, Error> {
//!     // `api_key.expose_secret()` for the model.
//!     Ok(format!("you asked {}", question.prompt))
//! }
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let app = AgentApp::builder(answer).build()?;
//! let listener = tokio::net::TcpListener::bind(("0.0.0.0", AgentApp::PORT)).await?;
//! app.serve(listener, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

mod app;
mod inbound;
#[cfg(feature = "login")]
mod login;
mod return_url;

pub use app::{
    AgentApp, AgentAppBuilder, AppBuildError, BoxError, HandlerError, HealthStatus, IntoReply, OnConsent, PingOutcome,
    Reply, RunningTask, Shutdown, TaskRefusal, Tasks, TrackedTask,
};
#[cfg(feature = "inbound")]
pub use inbound::{CustomJwtLayer, CustomJwtService};
pub use inbound::{InboundUser, TrustedHeadersLayer, TrustedHeadersService};
#[cfg(feature = "login")]
pub use login::{
    LoginBuildError, LoginClient, LoginClientBuilder, LoginLayer, LoginService, LoginSession, NotSignedIn, SessionKey,
};
pub use return_url::{PathRefusal, ReturnUrlRouter};
