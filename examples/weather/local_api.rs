//! A weather service on this machine that answers whoever has its key.

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;

use crate::AnyError;

#[derive(Deserialize)]
struct Question {
    city: String,
}

/// A key as such services issue them.
pub(crate) fn new_key() -> Result<String, AnyError> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold("wk-".to_owned(), |key, byte| format!("{key}{byte:02x}")))
}

/// Serves it as long as this process runs, and says where.
pub(crate) async fn start(key: String) -> Result<String, AnyError> {
    let app = Router::new().route("/v1/weather", get(weather)).with_state(key);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(origin)
}

async fn weather(
    State(key): State<String>,
    Query(question): Query<Question>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let shown = headers.get("x-api-key").ok_or(StatusCode::UNAUTHORIZED)?;
    if !bool::from(shown.as_bytes().ct_eq(key.as_bytes())) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    match question.city.as_str() {
        "Beijing" => Ok(Json(json!({ "celsius": 23, "sky": "a clear sky" }))),
        "Hangzhou" => Ok(Json(json!({ "celsius": 19, "sky": "light rain" }))),
        _ => Err(StatusCode::NOT_FOUND),
    }
}
