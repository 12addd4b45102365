//! A document API on this machine that answers as Feishu's does, to tokens of the emulator's imitation of Feishu.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use identity_emulator::Emulator;
use identity_examples::without_redirects;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::AnyError;

/// The one document that it has.
pub(crate) const DOCUMENT: &str = "doxcnExampleOfADocument0001";

const TEXT: &str = "Minutes of the identity group. Agents no longer carry the passwords of those they work for. \
    Each of them asks the vault, and the vault asks the user once. Next meeting on Tuesday.";

/// Error codes of Feishu's open platform.
const TOKEN_INVALID: u32 = 99_991_668;
const SCOPE_MISSING: u32 = 99_991_679;
const DOCUMENT_NOT_FOUND: u32 = 1_770_002;

#[derive(Clone)]
struct Issuer {
    http: reqwest::Client,
    userinfo: String,
}

/// What the provider says of a token.
#[derive(Deserialize)]
struct Granted {
    scope: String,
}

/// Serves it as long as this process runs, and says where.
pub(crate) async fn start(emulator: &Emulator) -> Result<String, AnyError> {
    let userinfo = emulator.feishu().token_url().replace("/token", "/userinfo");
    let issuer = Issuer { http: without_redirects()?, userinfo };
    let path = "/open-apis/docx/v1/documents/{id}/raw_content";
    let app = Router::new().route(path, get(raw_content)).with_state(issuer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(origin)
}

async fn raw_content(
    State(issuer): State<Issuer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    let Some(granted) = granted(&issuer, &headers).await else {
        return refused(StatusCode::UNAUTHORIZED, TOKEN_INVALID, "Invalid access token for authorization.");
    };
    if !granted.scope.split(' ').any(|scope| scope == "docx:document:readonly") {
        return refused(StatusCode::BAD_REQUEST, SCOPE_MISSING, "The user did not grant docx:document:readonly.");
    }
    if id != DOCUMENT {
        return refused(StatusCode::NOT_FOUND, DOCUMENT_NOT_FOUND, "not found");
    }
    (StatusCode::OK, Json(json!({ "code": 0, "msg": "success", "data": { "content": TEXT } })))
}

/// Asks the issuer, for nobody can look into an opaque token.
async fn granted(issuer: &Issuer, headers: &HeaderMap) -> Option<Granted> {
    let bearer = headers.get(header::AUTHORIZATION)?;
    let answer = issuer.http.get(&issuer.userinfo).header(header::AUTHORIZATION, bearer).send().await.ok()?;
    let answer = answer.error_for_status().ok()?;
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

fn refused(status: StatusCode, code: u32, message: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "code": code, "msg": message, "data": {} })))
}
