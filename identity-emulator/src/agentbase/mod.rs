//! The dialect of GreenNode AgentBase: its IAM token endpoint, its identity API, and the pages of its consent journey.
//!
//! Written from the contract of the platform, independently of the client: no wire type is shared.

mod api_keys;
mod consent;
mod delegated;
mod error;
mod html;
mod iam;
mod identities;
mod key_form;
mod oauth2;
mod pages;
mod sessions;
mod types;
mod validation;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

pub(crate) use self::delegated::{complete, refuse};
use self::error::ApiError;
pub(crate) use self::iam::Iam;
pub(crate) use self::types::callback_url;
pub(crate) use self::validation::{NAME_RULE, PROVIDER_URL_RULE, is_name, is_provider_url};
use crate::core::Core;

/// Everything that AgentBase serves.
pub(crate) fn router(core: &Arc<Core>) -> Router {
    let api = Router::new()
        .route("/agent-identities", get(identities::list).post(identities::create))
        .route("/agent-identities/{name}", get(identities::get).put(identities::update).delete(identities::delete))
        .nest("/outbound-auth", outbound())
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(core), authenticate));
    Router::new()
        .nest("/identity/api/v1", api)
        .route("/identity/api-key/delegate/{provider_id}", get(key_form::show).post(key_form::submit))
        .route("/identity/oauth2/authorize", get(consent::authorize))
        .route("/identity/oauth2/callback/{provider_id}", get(consent::callback))
        .route("/accounts-api/v1/auth/token", post(iam::token_v1))
        .route("/accounts-api/v2/auth/token", post(iam::token_v2))
        .with_state(Arc::clone(core))
}

fn outbound() -> Router<Arc<Core>> {
    const AGENT: &str = "/{provider}/agent-identities/{identity}";
    Router::new()
        .route("/api-key-providers", get(api_keys::list).post(api_keys::create))
        .route("/api-key-providers/{name}", get(api_keys::get).put(api_keys::update).delete(api_keys::delete))
        .route(&format!("/api-key-providers{AGENT}/api-key"), get(api_keys::key))
        .route("/delegated-api-key-providers", get(delegated::list).post(delegated::create))
        .route("/delegated-api-key-providers/{name}", get(delegated::get).delete(delegated::delete))
        .route(&format!("/delegated-api-key-providers{AGENT}/api-key"), post(delegated::key))
        .route("/oauth2-providers", get(oauth2::list).post(oauth2::create))
        .route("/oauth2-providers/{name}", get(oauth2::get).put(oauth2::update).delete(oauth2::delete))
        .route(&format!("/oauth2-providers{AGENT}/tokens/m2m"), post(oauth2::m2m))
        .route(&format!("/oauth2-providers{AGENT}/tokens/3lo"), post(oauth2::user_token))
}

/// Lets through what carries a bearer that the IAM endpoint issued and that has not expired.
async fn authenticate(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if bearer.is_some_and(|(_, bearer)| core.iam.accepts(bearer, &core.clock)) {
        return next.run(request).await;
    }
    let refusal = ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized");
    ([(WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
}

pub(crate) async fn missing() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not found")
}

pub(crate) async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
}
