//! The MCP server and, beside it, the pages to which its links lead.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::rand;
use axum::{
    Form, Json, Router,
    extract::Request,
    middleware,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header::AUTHORIZATION, request::Parts};
use identity_client::{IdentityClient, RequestContext, SessionBinding, agentbase::IdentityUpdate, inbound::Challenge};
use identity_examples::{AGENT, Ground, without_redirects};
use identity_runtime::{CustomJwtLayer, ReturnUrlRouter};
use rmcp::{
    model::RequestStateCodec,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    AnyError,
    consent::Consents,
    sign_in::{self, SignIn},
    tools::{Shared, Tools},
};

/// Who can sign in here.
pub(crate) const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// A running server.
pub(crate) struct Server {
    /// Where the tools are; the audience of tokens for them.
    pub(crate) mcp: String,
    /// Where the pages are; the audience of browser sessions.
    pub(crate) site: String,
    pub(crate) sign_in: Arc<SignIn>,
}

/// Serves as long as this process runs. A call waits at most this long for its user.
pub(crate) async fn start(ground: &Ground, patience: Duration) -> Result<Server, AnyError> {
    let emulator = ground.emulator.as_ref().ok_or("this example's calendar is on the emulator: unset GREENNODE_*")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // A browser takes `localhost` for as good as https.
    let site = format!("http://localhost:{}", listener.local_addr()?.port());
    let (mcp, place) = (format!("{site}/mcp"), format!("{site}/consent"));
    let sign_in = Arc::new(SignIn::start().await?);

    let return_url = format!("{place}/return");
    let allowed = IdentityUpdate::new().with_allowed_return_urls([return_url.as_str()]);
    ground.agentbase.identities().update(AGENT, allowed).await?;
    ground.agentbase.api_key_providers().create("openai-key", "sk-example-of-the-company").await?;
    ground.register_provider("calendar-oauth").await?;
    let binding = SessionBinding::new();
    let client = IdentityClient::builder()
        .with_platform(ground.agentbase.clone())
        .with_session_binding(binding.clone())
        .with_consent_timeout(patience)
        .build()?;

    let mut key = [0; 32];
    rand::fill(&mut key)?;
    let shared = Arc::new(Shared {
        consents: Consents { place: place.into(), states: RequestStateCodec::try_new(key)? },
        http: without_redirects()?,
        calendar: emulator.provider().token_url().replace("/token", "/userinfo"),
        context: RequestContext::new().with_client(client).with_return_url(return_url)?,
    });
    let tools: StreamableHttpService<Tools, LocalSessionManager> = StreamableHttpService::new(
        move || Ok(Tools::new(Arc::clone(&shared))),
        Arc::default(),
        StreamableHttpServerConfig::default(),
    );
    let pages = pages(&binding, &sign_in, &site)?;
    let tools = Router::new().route_service("/mcp", tools).layer(middleware::map_request(without_token));
    let app = tools.layer(callers(&sign_in, &site, &mcp)?).merge(pages);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(Server { mcp, site, sign_in })
}

/// Tools see the request as it came, and the caller's token is nothing that they may send on.
async fn without_token(mut request: Request) -> Request {
    request.headers_mut().remove(AUTHORIZATION);
    request
}

/// Who may call: with a token for this server, and told where to get one.
fn callers(sign_in: &SignIn, site: &str, mcp: &str) -> Result<CustomJwtLayer, AnyError> {
    let metadata = format!("{site}/.well-known/oauth-protected-resource/mcp");
    let challenge = Challenge::new().with_resource_metadata(metadata)?;
    Ok(CustomJwtLayer::custom_jwt(&sign_in.discovery(), [sign_in::CLIENT], [mcp])?.with_challenge(challenge))
}

fn pages(binding: &SessionBinding, sign_in: &Arc<SignIn>, site: &str) -> Result<Router, AnyError> {
    let sessions = sign_in.sessions(site)?;
    let consent = ReturnUrlRouter::new(binding.clone(), move |request: &Parts| {
        sign_in::user_of(sessions.clone(), request.headers.clone())
    });
    let consent = consent.with_login_path("/sign-in")?;
    let metadata = json!({ "resource": format!("{site}/mcp"), "authorization_servers": [sign_in.issuer()] });
    let (issuer, site) = (Arc::clone(sign_in), site.to_owned());
    let begin = async move |Form(chosen): Form<Chosen>| begin_session(&issuer, &site, &chosen.user);
    Ok(Router::new()
        .nest("/consent", consent.into_router())
        .route("/sign-in", get(async || sign_in::page(&USERS)).post(begin))
        .route("/.well-known/oauth-protected-resource/mcp", get(async move || Json(metadata))))
}

#[derive(serde::Deserialize)]
struct Chosen {
    user: String,
}

fn begin_session(sign_in: &SignIn, site: &str, user: &str) -> Response {
    match sign_in.token(user, site) {
        Ok(session) if USERS.contains(&user) => sign_in::signed_in(&session),
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}
