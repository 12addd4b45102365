//! `AgentApp`: an agent behind the HTTP contract of the platforms.

mod caller;
mod connections;
mod consent;
mod events;
mod failure;
mod headers;
mod health;
mod invocation;
mod lifecycle;
mod reply;
mod serve;
mod taken;
mod tasks;

use std::{convert::Infallible, fmt, future::Future, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{MethodRouter, Route, get, post},
};
use http::{HeaderName, HeaderValue};
use identity_client::{IdentityClient, RequestContext};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tower::{Layer, Service};

#[cfg(feature = "inbound")]
pub(crate) use self::failure::Failure;
pub use self::{
    consent::OnConsent,
    failure::{BoxError, HandlerError},
    health::{HealthStatus, PingOutcome},
    reply::{IntoReply, Reply},
    serve::Shutdown,
    tasks::{RunningTask, TaskRefusal, Tasks, TrackedTask},
};
use self::{
    consent::Place,
    failure::Thrown,
    health::{Health, Ping},
    invocation::Handler,
    lifecycle::Lifecycle,
};
use crate::ReturnUrlRouter;

/// More invocations or connections at once than this cannot be asked for.
const MOST_PERMITS: usize = Semaphore::MAX_PERMITS;

/// Connections beside those that invocations need: for health, for consents, and for who is told that there are too many.
const SPARE_CONNECTIONS: usize = 1024;

/// An agent behind the HTTP contract of the platforms: one async function as `POST /invocations`, its health at `/health`
/// and `/ping`.
///
/// **Handler.** `async fn(Payload, RequestContext) -> Result<Reply, E>`: the payload is any type that serde deserializes,
/// the reply any that it serializes, or a [`Reply`] with events; `E` is any error. The context is the task's too, so the
/// attributes of `identity-client` find the client and the user by themselves. A caller who goes away cancels the handler;
/// a panic is answered with 500 and ends nothing else.
///
/// **Answers.** A value is 200 with JSON, a stream 200 with one block `data: <json>` for each item. Errors are JSON
/// `{"error", "error_type", "details"}`, where `details` has a `code` and the `request_id`. An error of a handler is 500 and
/// says nothing of its text, unless it is a [`HandlerError`] or an [`identity_client::Error`]; then the status says who has
/// to act: 502 to 504 if a credential cannot be obtained just now, 403 if the user declined, 401 if there is no user, and 500
/// if the agent itself must be put right. Logs name the kind of an error, and of a foreign one its type.
///
/// **Users.** No header names a user. A layer that has verified who is calling says so, see
/// [`with_inbound`](AgentAppBuilder::with_inbound); without one there is no user, and users' credentials cannot be obtained.
///
/// **Consents.** While the handler waits for its user's consent, a caller who accepts `text/event-stream` gets an event
/// `authorization_required` with where the user agrees, and then, once the user has, the result as one more event. Any other
/// caller gets 202 with the same JSON, and calls again later with the same request: see [`OnConsent`].
///
/// ```json
/// {"status": "authorization_required", "request_id": "…",
///  "pending": [{"provider": "calendar", "credential": "access_token", "scopes": ["read"],
///               "authorization_url": "https://…", "expires_at": 1767225600}]}
/// ```
///
/// With [`with_consent_routes`](AgentAppBuilder::with_consent_routes) the URL in there is the app's own, which lets nobody
/// but the user through.
pub struct AgentApp {
    inner: Arc<Inner>,
    inbound: Vec<Inbound>,
    consent_router: Option<(String, ReturnUrlRouter)>,
}

type Inbound = Box<dyn FnOnce(MethodRouter<Arc<Inner>>) -> MethodRouter<Arc<Inner>> + Send>;

struct Inner {
    handler: Handler,
    settings: Settings,
    health: Health,
    place: Option<Place>,
    permits: Arc<Semaphore>,
    lifecycle: Lifecycle,
}

struct Settings {
    client: Option<IdentityClient>,
    tasks: Tasks,
    on_consent: OnConsent,
    body_limit: usize,
    deadline: Duration,
    concurrency: usize,
    retry_after: Duration,
    heartbeat: Duration,
    grace: Duration,
    header_timeout: Duration,
    connections: Option<usize>,
}

impl Settings {
    fn limits(&self) -> connections::Limits {
        let usual = || self.concurrency.saturating_add(SPARE_CONNECTIONS).min(MOST_PERMITS);
        connections::Limits { header_timeout: self.header_timeout, connections: self.connections.unwrap_or_else(usual) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client: None,
            tasks: Tasks::new(),
            on_consent: OnConsent::default(),
            body_limit: 4 * 1024 * 1024,
            deadline: Duration::from_secs(15 * 60),
            concurrency: 1024,
            retry_after: Duration::from_secs(1),
            heartbeat: Duration::from_secs(15),
            grace: Duration::from_secs(25),
            header_timeout: Duration::from_secs(75),
            connections: None,
        }
    }
}

/// Why an app could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppBuildError {
    /// A setting has a value that would let nothing through.
    #[error("{setting} is zero or too large; give a value that lets an invocation through")]
    Setting {
        /// Which.
        setting: &'static str,
    },
    /// The public URL of the consent routes cannot be used.
    #[error("the public URL of the consent routes cannot be used: {reason}")]
    ConsentUrl {
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl AgentApp {
    /// The port that AgentBase calls. Listen on it on every interface: a container's own loopback is nobody else's.
    pub const PORT: u16 = 8080;

    /// Sets up an app for a handler.
    pub fn builder<F, Fut, P, R, E>(handler: F) -> AgentAppBuilder
    where
        F: Fn(P, RequestContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
        P: DeserializeOwned + Send + 'static,
        R: IntoReply,
        E: Into<BoxError>,
    {
        let handler = Arc::new(handler);
        let handler: Handler = Box::new(move |body, context| {
            let payload = serde_json::from_slice(body)?;
            let handler = Arc::clone(&handler);
            // The function itself is called below, too: a panic of it is the invocation's, as one of its future is.
            Ok(Box::pin(async move { handler(payload, context).await.map(IntoReply::into_reply).map_err(Thrown::new) }))
        });
        AgentAppBuilder { handler, settings: Settings::default(), ping: None, inbound: Vec::new(), consent: None }
    }

    /// Its routes, to serve as they are or in an application of your own. Tell the app through
    /// [`shutdown`](Self::shutdown) when that ends; [`serve`](Self::serve) does so itself. The bounds on connections are those
    /// of `serve`, too: your own server needs its own.
    #[must_use = "the routes serve nothing until they are mounted"]
    pub fn into_router(self) -> Router {
        let limit = DefaultBodyLimit::max(self.inner.settings.body_limit);
        let invocations = post(invocation::invoke).layer(limit);
        let invocations = self.inbound.into_iter().fold(invocations, |route, layer| layer(route));
        let router = Router::new()
            .route("/invocations", invocations)
            .route("/health", get(invocation::health))
            .route("/ping", get(invocation::health))
            .with_state(self.inner);
        let router = match self.consent_router {
            Some((path, consent)) if path.is_empty() => router.merge(consent.into_router()),
            Some((path, consent)) => router.nest(&path, consent.into_router()),
            None => router,
        };
        router
            .fallback(invocation::not_found)
            .method_not_allowed_fallback(invocation::wrong_method)
            .layer(map_response(unbuffered))
    }

    /// Ends the app from elsewhere.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        Shutdown::of(&self.inner)
    }
}

/// Keeps reverse proxies from holding events back, as the contract has it on every answer.
async fn unbuffered(mut response: Response) -> Response {
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

impl fmt::Debug for AgentApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentApp").field("tasks", &self.inner.settings.tasks).finish_non_exhaustive()
    }
}

/// Sets up an [`AgentApp`]. Everything has a default.
#[must_use]
pub struct AgentAppBuilder {
    handler: Handler,
    settings: Settings,
    ping: Option<Ping>,
    inbound: Vec<Inbound>,
    consent: Option<(ReturnUrlRouter, String)>,
}

impl AgentAppBuilder {
    /// The client that handlers use. Default: the installed one, else one from the environment.
    pub fn with_client(mut self, client: IdentityClient) -> Self {
        self.settings.client = Some(client);
        self
    }

    /// A layer around `/invocations` that verifies who is calling and puts an [`InboundUser`](crate::InboundUser) into the
    /// extensions of the request. The one that is added last is asked first. Health is never behind it.
    pub fn with_inbound<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route<Infallible>> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.inbound.push(Box::new(move |route| route.layer::<L, Infallible>(layer)));
        self
    }

    /// Serves the routes of a session binding, and shows users their links instead of authorization URLs. `public_url` is
    /// where they are from outside, for example `https://agent.example.com/consent`; its path is where they are mounted.
    /// Handlers then need no return URL: it is `/return` below there, to be allowed on the platform. The client must be
    /// built with the same binding.
    pub fn with_consent_routes(mut self, router: ReturnUrlRouter, public_url: impl Into<String>) -> Self {
        self.consent = Some((router, public_url.into()));
        self
    }

    /// What a caller without events gets while a consent is missing. Default: [`OnConsent::Answer`].
    pub fn with_on_consent(mut self, on_consent: OnConsent) -> Self {
        self.settings.on_consent = on_consent;
        self
    }

    /// The tasks that count for health. Default: none of anybody else's.
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.settings.tasks = tasks;
        self
    }

    /// A function, sync or async, that says how the agent is. Default: busy while a task runs. One that panics, or takes
    /// longer than 5 s, is answered with 500.
    pub fn with_ping<F, R, M>(mut self, ping: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: PingOutcome<M>,
    {
        self.ping = Some(Box::new(move || ping().into_future_status()));
        self
    }

    /// The largest body, in bytes; a larger one is answered with 413. Default: 4 MiB.
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// How long one invocation may take, from its headers to its last event, the wait for a consent included. What is over
    /// time is dropped and answered with 504, or with a last event that says so. Default: 15 minutes.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// How many invocations may be under way at once, those included that wait for a consent or stream; one more is answered
    /// with 503 and `Retry-After`. Default: 1,024.
    pub fn with_concurrency(mut self, invocations: usize) -> Self {
        self.settings.concurrency = invocations;
        self
    }

    /// What `Retry-After` says then. Default: 1 s.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.settings.retry_after = after;
        self
    }

    /// How often a comment is sent while there is no event. Default: 15 s.
    pub fn with_heartbeat(mut self, every: Duration) -> Self {
        self.settings.heartbeat = every;
        self
    }

    /// How long a connection to [`serve`](AgentApp::serve) may take from its beginning, or from its last answer, until the head
    /// of a request is there; then it is closed. So it is when its caller takes nothing of an answer for as long. It bounds slow
    /// callers and idle ones. Default: 75 s, as gateways commonly keep idle connections for 60 s and must be the first to close
    /// them.
    pub fn with_header_timeout(mut self, timeout: Duration) -> Self {
        self.settings.header_timeout = timeout;
        self
    }

    /// How many connections to [`serve`](AgentApp::serve) may be open at once; more wait in the listener's queue until one
    /// closes, health checks included. Default: 1,024 more than invocations may be under way.
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.settings.connections = Some(connections);
        self
    }

    /// How long [`serve`](AgentApp::serve) lets invocations and tasks go on after the signal. Default: 25 s, which is less
    /// than what container platforms give.
    pub fn with_shutdown_grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    /// See [`AppBuildError`].
    pub fn build(self) -> Result<AgentApp, AppBuildError> {
        let settings = self.settings;
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        for (setting, is_good) in [
            ("the body limit", settings.body_limit > 0),
            ("the deadline", !settings.deadline.is_zero() && settings.deadline <= century),
            ("the concurrency limit", (1..=MOST_PERMITS).contains(&settings.concurrency)),
            ("the heartbeat", !settings.heartbeat.is_zero() && settings.heartbeat <= century),
            ("the header timeout", !settings.header_timeout.is_zero() && settings.header_timeout <= century),
            ("the connection limit", settings.connections.is_none_or(|limit| (1..=MOST_PERMITS).contains(&limit))),
        ] {
            if !is_good {
                return Err(AppBuildError::Setting { setting });
            }
        }
        let (place, consent_router) = match self.consent {
            Some((router, url)) => {
                let place = Place::new(&url)?;
                (Some(place.clone()), Some((place.path, router)))
            }
            None => (None, None),
        };
        let inner = Inner {
            handler: self.handler,
            health: Health::new(self.ping),
            place,
            permits: Arc::new(Semaphore::new(settings.concurrency)),
            lifecycle: Lifecycle::new(),
            settings,
        };
        Ok(AgentApp { inner: Arc::new(inner), inbound: self.inbound, consent_router })
    }
}

impl fmt::Debug for AgentAppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentAppBuilder").finish_non_exhaustive()
    }
}
