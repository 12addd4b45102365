//! What the agent calls: a service of the enterprise that verifies access tokens of the instance, and one outside that knows keys.

use std::collections::BTreeMap;

use axum::{Extension, Json, Router, http::HeaderMap, http::StatusCode, routing::get};
use identity_client::inbound::{TokenVerifier, VerifiedClaims};
use identity_runtime::{CustomJwtLayer, InboundUser};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::AnyError;

/// Where they are.
pub(crate) struct Services {
    pub(crate) orders: String,
    pub(crate) weather: String,
}

/// Serves both as long as this process runs.
pub(crate) async fn start(issuer: &str, scope: &str) -> Result<Services, AnyError> {
    let callers = TokenVerifier::alibaba_idaas(issuer).with_required_scope(scope).build()?;
    let internal = Router::new().route("/orders", get(orders)).layer(CustomJwtLayer::new([callers])?);
    let app = internal.merge(Router::new().route("/weather", get(weather)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(Services { orders: format!("{origin}/orders"), weather: format!("{origin}/weather") })
}

/// Who asks is verified, and for whom: the subject is the user, or the application itself.
async fn orders(
    Extension(InboundUser(user)): Extension<InboundUser>,
    Extension(claims): Extension<VerifiedClaims>,
) -> Json<Value> {
    let by = claims.client_id().unwrap_or_default();
    let whose = if user.id() == by { "everybody" } else { user.id() };
    Json(json!({ "orders": 3, "of": whose, "asked_by": by }))
}

/// It has issued the keys that the emulator hosts; on an instance of yours, any key is one.
async fn weather(headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let accounts = BTreeMap::from([("synthetic-key-of-the-agent", "the agent"), ("synthetic-key-of-alice", "alice")]);
    let account = accounts.get(key.ok_or(StatusCode::UNAUTHORIZED)?).copied().unwrap_or("somebody else");
    Ok(Json(json!({ "weather": "sunny", "account": account })))
}
