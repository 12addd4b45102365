//! An OpenID issuer on loopback whose users agree at once, and which can be told to misbehave.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use axum::{
    Form, Json, Router,
    extract::{Query, State},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode};
use identity_client::Clock as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::stage::{Anything, HandClock};

pub(crate) const CLIENT: &str = "front-end";
pub(crate) const SECRET: &str = "s3cret & more";

/// How the issuer behaves; a test changes it while it runs.
#[derive(Clone)]
pub(crate) struct Manners {
    /// Who signs in.
    pub(crate) user: String,
    /// Members of the discovery document; `null` takes one away.
    pub(crate) document: Value,
    /// Claims of ID tokens; `null` takes one away.
    pub(crate) claims: Value,
    /// Members of token answers; `null` takes one away.
    pub(crate) answer: Value,
    /// Parameters of the answer to an authorization request, instead of code and issuer.
    pub(crate) response: Option<Vec<(&'static str, String)>>,
    /// Instead of tokens.
    pub(crate) refusal: Option<(u16, Value)>,
    /// Its document is not to be had.
    pub(crate) is_down: bool,
    pub(crate) delay: Duration,
    pub(crate) lifetime: u64,
}

struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
    user: String,
}

#[derive(Default)]
struct Books {
    codes: HashMap<String, Grant>,
    refresh: HashMap<String, String>,
    spent: HashSet<String>,
    token_requests: usize,
    serial: u64,
}

struct Inner {
    name: String,
    key: EcdsaKeyPair,
    clock: HandClock,
    manners: Mutex<Manners>,
    books: Mutex<Books>,
}

pub(crate) struct Issuer {
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Issuer {
    pub(crate) async fn start(clock: &HandClock) -> Result<Self, Anything> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let inner = Arc::new(Inner {
            name: format!("http://{}", listener.local_addr()?),
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            clock: clock.clone(),
            manners: Mutex::new(Manners {
                user: "alice".into(),
                document: json!({}),
                claims: json!({}),
                answer: json!({}),
                response: None,
                refusal: None,
                is_down: false,
                delay: Duration::ZERO,
                lifetime: 300,
            }),
            books: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { inner, server })
    }

    pub(crate) fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) fn manners(&self) -> MutexGuard<'_, Manners> {
        self.inner.manners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn token_requests(&self) -> usize {
        self.inner.books().token_requests
    }
}

impl Inner {
    /// As they are now: nothing is locked while an answer is made.
    fn manners(&self) -> Manners {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id_token(&self, user: &str, nonce: Option<&str>, access_token: &str) -> String {
        let now = self.clock.now().wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let half = &Sha256::digest(access_token)[..16];
        let mut claims = json!({
            "iss": self.name, "sub": user, "aud": CLIENT, "iat": now, "exp": now + 300,
            "name": format!("User {user}"), "email": format!("{user}@example.com"),
            "at_hash": BASE64_URL_SAFE_NO_PAD.encode(half),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        change(&mut claims, &self.manners().claims);
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": "1", "typ": "JWT" })), part(&claims));
        // One that could not be made is a wrong one.
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map(|signature| BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref()));
        format!("{signed}.{}", signature.unwrap_or_default())
    }

    /// What the grant gives, or the error code.
    fn grant(&self, form: &HashMap<String, String>) -> Result<(String, Option<String>), &'static str> {
        let mut books = self.books();
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        match get("grant_type") {
            "authorization_code" => {
                let grant = books.codes.remove(get("code")).ok_or("invalid_grant")?;
                let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
                if challenge != grant.challenge || get("redirect_uri") != grant.redirect_uri {
                    return Err("invalid_grant");
                }
                Ok((grant.user, Some(grant.nonce)))
            }
            "refresh_token" => {
                let user = books.refresh.get(get("refresh_token")).cloned().ok_or("invalid_grant")?;
                // A second use ends everything, as RFC 9700 section 4.14.2 has it.
                if !books.spent.insert(get("refresh_token").to_owned()) {
                    books.refresh.clear();
                    return Err("invalid_grant");
                }
                Ok((user, None))
            }
            _ => Err("unsupported_grant_type"),
        }
    }
}

fn change(value: &mut Value, changes: &Value) {
    let (Some(members), Some(changes)) = (value.as_object_mut(), changes.as_object()) else { return };
    members.extend(changes.clone());
    members.retain(|_, value| !value.is_null());
}

async fn discovery(State(issuer): State<Arc<Inner>>) -> Response {
    if issuer.manners().is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let at = |path: &str| format!("{}{path}", issuer.name);
    let mut document = json!({
        "issuer": issuer.name, "jwks_uri": at("/keys"), "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "end_session_endpoint": at("/end"), "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    change(&mut document, &issuer.manners().document);
    Json(document).into_response()
}

async fn keys(State(issuer): State<Arc<Inner>>) -> Json<Value> {
    let point = issuer.key.public_key().as_ref();
    let (x, y) = point[1..].split_at(32);
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    Json(json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256", "x": encode(x), "y": encode(y),
    }] }))
}

async fn authorize(State(issuer): State<Arc<Inner>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let get = |name: &str| query.get(name).cloned().unwrap_or_default();
    if (get("response_type"), get("client_id"), get("code_challenge_method"))
        != ("code".into(), CLIENT.into(), "S256".into())
    {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let (response, user) = (issuer.manners().response.clone(), issuer.manners().user.clone());
    let response = response.unwrap_or_else(|| {
        let mut books = issuer.books();
        books.serial += 1;
        let code = format!("code-{}", books.serial);
        let grant =
            Grant { nonce: get("nonce"), challenge: get("code_challenge"), redirect_uri: get("redirect_uri"), user };
        books.codes.insert(code.clone(), grant);
        vec![("code", code), ("iss", issuer.name.clone())]
    });
    let Ok(mut place) = url::Url::parse(&get("redirect_uri")) else { return StatusCode::BAD_REQUEST.into_response() };
    place.query_pairs_mut().extend_pairs(response).append_pair("state", &get("state"));
    Redirect::to(place.as_str()).into_response()
}

async fn token(
    State(issuer): State<Arc<Inner>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    issuer.books().token_requests += 1;
    let (delay, refusal) = (issuer.manners().delay, issuer.manners().refusal.clone());
    tokio::time::sleep(delay).await;
    if let Some((status, body)) = refusal {
        return (StatusCode::from_u16(status).unwrap_or_default(), Json(body)).into_response();
    }
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = base64::prelude::BASE64_STANDARD.encode(format!("{}:{}", encode(CLIENT), encode(SECRET)));
    if headers.get("authorization").is_none_or(|value| *value != format!("Basic {pair}"))
        || form.contains_key("client_secret")
    {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    }
    let (user, nonce) = match issuer.grant(&form) {
        Ok(granted) => granted,
        Err(code) => return (StatusCode::BAD_REQUEST, Json(json!({ "error": code }))).into_response(),
    };
    let serial = {
        let mut books = issuer.books();
        books.serial += 1;
        let serial = books.serial;
        books.refresh.insert(format!("refresh-{serial}"), user.clone());
        serial
    };
    let access_token = format!("access-{serial}-of-{user}");
    let mut answer = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": issuer.manners().lifetime,
        "refresh_token": format!("refresh-{serial}"), "id_token": issuer.id_token(&user, nonce.as_deref(), &access_token),
    });
    change(&mut answer, &issuer.manners().answer);
    Json(answer).into_response()
}
