//! An MCP server that wants a token of the emulator's provider with each request.

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use identity_emulator::Emulator;
use rmcp::{
    ServerHandler,
    handler::server::wrapper::Parameters,
    schemars, tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Issuer {
    http: reqwest::Client,
    userinfo: String,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Said {
    message: String,
}

#[derive(Debug, Clone)]
struct Echo;

#[tool_router]
impl Echo {
    /// Says the same.
    #[tool]
    async fn echo(&self, Parameters(said): Parameters<Said>) -> String {
        format!("Echo: {}", said.message)
    }
}

#[tool_handler]
impl ServerHandler for Echo {}

/// Serves it as long as this process runs, and says where.
pub(crate) async fn start(emulator: &Emulator) -> Result<String, super::AnyError> {
    let userinfo = emulator.provider().token_url().replace("/token", "/userinfo");
    let issuer = Issuer { http: identity_examples::without_redirects()?, userinfo };
    let mcp: StreamableHttpService<Echo, LocalSessionManager> =
        StreamableHttpService::new(|| Ok(Echo), std::sync::Arc::default(), StreamableHttpServerConfig::default());
    let app = Router::new().nest_service("/mcp", mcp).layer(middleware::from_fn_with_state(issuer, check));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

/// Asks the issuer about the token of each request, for an opaque token cannot be looked into.
async fn check(State(issuer): State<Issuer>, request: Request, next: Next) -> Response {
    let question = issuer.http.get(&issuer.userinfo);
    let question = match request.headers().get(header::AUTHORIZATION) {
        Some(bearer) => question.header(header::AUTHORIZATION, bearer),
        None => question,
    };
    match question.send().await.map(|answer| answer.status()) {
        Ok(StatusCode::OK) => next.run(request).await,
        Ok(StatusCode::UNAUTHORIZED) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response()
        }
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}
