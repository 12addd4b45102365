//! `GET /`: what the emulator holds and what has happened, without a secret.
//!
//! Nothing that lets somebody act is on the page either: no session id, no `state`, no authorization URL.

mod idaas;
mod pooled;
mod sections;
mod shown;
mod table;
mod vaulted;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use crate::core::Core;
use crate::html::{Markup, Page, Width, respond};

pub(crate) fn router(core: &Arc<Core>) -> Router {
    Router::new().route("/", get(show)).with_state(Arc::clone(core))
}

async fn show(State(core): State<Arc<Core>>) -> Response {
    let (vault, now) = (core.vault.read(), core.clock.now());
    let main = Markup::new("<p>What this emulator holds and what has happened. No secret is on this page. As of ")
        .join(&shown::moment(now))
        .raw(". <a href=\"/\">Refresh</a></p>\n")
        .join(&sections::endpoints(&core))
        .join(&sections::identities(&vault))
        .join(&sections::key_providers(&vault))
        .join(&sections::user_key_providers(&vault))
        .join(&sections::oauth_providers(&core, &vault))
        .join(&pooled::workloads(&vault))
        .join(&pooled::keys(&vault))
        .join(&pooled::providers(&core, &vault))
        .join(&pooled::user_pools(&vault))
        .join(&idaas::applications(&vault))
        .join(&idaas::keys(&vault))
        .join(&idaas::providers(&vault))
        .join(&vaulted::agents(&vault))
        .join(&vaulted::issuers(&vault))
        .join(&vaulted::keys(&vault))
        .join(&vaulted::providers(&core, &vault))
        .join(&vaulted::applications(&vault))
        .join(&vaulted::buckets(&core, &vault))
        .join(&sections::sessions(&vault, now))
        .join(&sections::audit(&core, &vault))
        .join(&sections::requests(&core));
    respond(StatusCode::OK, &Page { title: "Identity emulator", main, width: Width::Screen, forms: None })
}
