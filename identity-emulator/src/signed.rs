//! `POST /`: the one address of every dialect whose requests are signed. What tells them apart is how a request names its action.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use crate::canonical::Received;
use crate::core::Core;
use crate::{agent_identity, agentkit};

pub(crate) fn router(core: &Arc<Core>) -> Router {
    Router::new().route("/", post(serve)).with_state(Arc::clone(core))
}

/// The operation that is asked for, by the names of the vendors' packages.
pub(crate) fn operation(uri: &Uri, headers: &HeaderMap) -> &'static str {
    match agent_identity::action(headers) {
        Some(action) => agent_identity::operation(action, headers),
        None => agentkit::operation(uri.query()),
    }
}

async fn serve(State(core): State<Arc<Core>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let received = Received { method: &method, uri: &uri, headers: &headers, body: &body };
    match agent_identity::action(&headers) {
        Some(action) => agent_identity::serve(&core, action, received).await,
        None => agentkit::serve(&core, received).await,
    }
}
