//! `GET /authorize` shows the consent page, `POST /authorize` takes the person's decision.

use std::borrow::Cow;

use axum::{
    body::Bytes,
    extract::{OriginalUri, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use url::Url;

use super::page::{self, Consent};
use super::parameters::{Parameters, Repeated, scopes_of};
use super::store::Interaction;
use super::{BuiltInProvider, is_addressed};
use crate::oauth::random_token;

const LONGEST_QUERY: usize = 8 * 1024;
const START_AGAIN: &str = "Go back to the application and start again.";

/// What stands in the way of a consent page.
enum Obstacle {
    /// The client or its redirect URI is not known: nobody may be sent anywhere.
    Page(Cow<'static, str>),
    /// The client hears of it (RFC 6749 section 4.1.2.1).
    Redirect { redirect_uri: String, state: Option<String>, code: &'static str, description: &'static str },
}

pub(super) async fn show(
    State(provider): State<BuiltInProvider>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if !is_addressed(&provider, &uri, &headers) {
        return misdirected(&provider);
    }
    match validated(&provider, query.as_deref().unwrap_or_default()) {
        Ok(interaction) => consent(&provider, &interaction, None),
        Err(Obstacle::Page(what)) => bad_request(&provider, &what),
        Err(Obstacle::Redirect { redirect_uri, state, code, description }) => {
            let answer = [("error", code), ("error_description", description)];
            redirect(&provider, &redirect_uri, state.as_deref(), &answer)
        }
    }
}

fn validated(provider: &BuiltInProvider, query: &str) -> Result<Interaction, Obstacle> {
    if query.len() > LONGEST_QUERY {
        return Err(Obstacle::Page("The request is longer than 8 KiB.".into()));
    }
    let parameters = Parameters::parse(query.as_bytes());
    if parameters.get("client_id").ok().flatten() != Some(&provider.client_id) {
        let what = "The application that sent you here is not registered with this provider.";
        return Err(Obstacle::Page(what.into()));
    }
    let unregistered = Obstacle::Page(provider.dialect.redirect_complaint().into());
    let Ok(Some(redirect_uri)) = parameters.get("redirect_uri") else { return Err(unregistered) };
    if !provider.store().redirect_uris.contains(redirect_uri) {
        return Err(unregistered);
    }
    let state = parameters.get("state").ok().flatten().map(str::to_owned);
    let nonce = parameters.get("nonce").ok().flatten().map(str::to_owned);
    let (scopes, challenge) = request(provider, &parameters).map_err(|(code, description)| Obstacle::Redirect {
        redirect_uri: redirect_uri.to_owned(),
        state: state.clone(),
        code,
        description,
    })?;
    if let Some(complaint) = provider.dialect.scope_complaint(&scopes) {
        return Err(Obstacle::Page(complaint.into()));
    }
    Ok(Interaction { redirect_uri: redirect_uri.to_owned(), state, scopes, challenge, nonce })
}

type Error = (&'static str, &'static str);

const REPEATED: Error = ("invalid_request", "a parameter is repeated");

/// The scopes and the challenge, once client and redirect URI are known.
fn request(provider: &BuiltInProvider, parameters: &Parameters) -> Result<(Vec<String>, Option<String>), Error> {
    let get = |name| parameters.get(name).map_err(|Repeated| REPEATED);
    get("state")?;
    match get("response_type")? {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "only response_type=code is served")),
        None => return Err(("invalid_request", "response_type is missing")),
    }
    if get("response_mode")?.is_some_and(|mode| mode != "query") {
        return Err(("invalid_request", "only response_mode=query is served"));
    }
    if get("request")?.is_some() {
        return Err(("request_not_supported", "request objects are not served"));
    }
    if get("request_uri")?.is_some() {
        return Err(("request_uri_not_supported", "request objects are not served"));
    }
    let challenge = challenge(provider, parameters)?;
    let scopes = scopes_of(get("scope")?).ok_or(("invalid_scope", "scope is not a list of scope tokens"))?;
    Ok((scopes, challenge))
}

/// The challenge of PKCE; `None` only where nobody has to have one.
fn challenge(provider: &BuiltInProvider, parameters: &Parameters) -> Result<Option<String>, Error> {
    let get = |name| parameters.get(name).map_err(|Repeated| REPEATED);
    let (method, challenge) = (get("code_challenge_method")?, get("code_challenge")?);
    if method.is_none() && challenge.is_none() && !provider.dialect.requires_pkce() {
        return Ok(None);
    }
    if method != Some("S256") {
        return Err(("invalid_request", "PKCE with code_challenge_method=S256 is required"));
    }
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let challenge = challenge.filter(|text| text.len() == 43 && text.bytes().all(is_base64url));
    let challenge = challenge.ok_or(("invalid_request", "code_challenge is missing or not a SHA-256 in base64url"))?;
    Ok(Some(challenge.to_owned()))
}

/// The page, bound to this browser by a cookie of its own: two tabs do not disturb each other.
fn consent(provider: &BuiltInProvider, interaction: &Interaction, complaint: Option<&'static str>) -> Response {
    let (Ok(id), Ok(browser)) = (random_token(), random_token()) else { return unequipped(provider) };
    let Ok(redirect_uri) = Url::parse(&interaction.redirect_uri) else { return unequipped(provider) };
    let now = provider.now();
    provider.store().begin(interaction.clone(), id.expose_secret(), browser.expose_secret(), now);
    let mut response = Consent {
        client_name: &provider.client_name,
        scopes: &interaction.scopes,
        redirect_uri: &redirect_uri,
        interaction: id.expose_secret(),
        action: &provider.form_action(),
        style: &provider.path("style.css"),
        complaint,
    }
    .into_response();
    set_cookie(provider, &mut response, &cookie_name(id.expose_secret()), browser.expose_secret(), 600);
    response
}

pub(super) async fn decide(
    State(provider): State<BuiltInProvider>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_addressed(&provider, &uri, &headers) {
        return misdirected(&provider);
    }
    let form = Parameters::parse(&body);
    let Some((interaction, cookie)) = taken(&provider, &headers, &form) else {
        return bad_request(&provider, "This page has expired, was used before or was opened in another browser.");
    };
    let mut response = match form.get("decision") {
        Ok(Some("allow")) => allow(&provider, interaction, form.get("login").ok().flatten().unwrap_or_default()),
        Ok(Some("deny")) => {
            let answer = [("error", "access_denied"), ("error_description", "the user said no")];
            redirect(&provider, &interaction.redirect_uri, interaction.state.as_deref(), &answer)
        }
        _ => bad_request(&provider, "The form came without a decision."),
    };
    set_cookie(&provider, &mut response, &cookie, "", 0);
    response
}

/// The consent that the form belongs to, out of the store, and the name of its cookie.
fn taken(provider: &BuiltInProvider, headers: &HeaderMap, form: &Parameters) -> Option<(Interaction, String)> {
    // A browser that says where the form came from must say: from our page.
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return None;
    }
    let id = form.get("interaction").ok().flatten()?;
    let name = cookie_name(id);
    let browser = cookie(headers, &name)?;
    let now = provider.now();
    let interaction = provider.store().take(id, browser, now)?;
    Some((interaction, name))
}

fn allow(provider: &BuiltInProvider, interaction: Interaction, login: &str) -> Response {
    let login = login.trim();
    if login.is_empty() || login.chars().count() > 100 || login.chars().any(char::is_control) {
        return consent(provider, &interaction, Some("Enter a login name of 1 to 100 characters."));
    }
    let now = provider.now();
    let (redirect_uri, state) = (interaction.redirect_uri.clone(), interaction.state.clone());
    let Ok(code) = provider.store().allow(interaction, login.to_owned(), now) else { return unequipped(provider) };
    redirect(provider, &redirect_uri, state.as_deref(), &[("code", code.expose_secret())])
}

/// Sends the browser back with the state unchanged and the issuer (RFC 9207). 303, so that a form becomes a GET.
fn redirect(provider: &BuiltInProvider, redirect_uri: &str, state: Option<&str>, answer: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(redirect_uri) else { return unequipped(provider) };
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(answer).append_pair("iss", provider.issuer());
        if let Some(state) = state {
            query.append_pair("state", state);
        }
    }
    let Ok(location) = HeaderValue::from_str(url.as_str()) else { return unequipped(provider) };
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Public, hence a digest: the id itself stays in the form.
fn cookie_name(id: &str) -> String {
    use std::fmt::Write as _;
    let mut name = "consent-".to_owned();
    for byte in Sha256::digest(id.as_bytes()).iter().take(6) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (known, value) = pair.trim().split_once('=')?;
        (known == name).then_some(value)
    })
}

fn set_cookie(provider: &BuiltInProvider, response: &mut Response, name: &str, value: &str, seconds: u32) {
    let path = provider.path("authorize");
    let secure = if provider.issuer.scheme() == "https" { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn bad_request(provider: &BuiltInProvider, what: &str) -> Response {
    page::error(StatusCode::BAD_REQUEST, what, START_AGAIN, &provider.path("style.css"))
}

fn misdirected(provider: &BuiltInProvider) -> Response {
    let what = "This page was opened under a name that is not its own.";
    page::error(StatusCode::MISDIRECTED_REQUEST, what, START_AGAIN, &provider.path("style.css"))
}

fn unequipped(provider: &BuiltInProvider) -> Response {
    let what = "This machine could not prepare the sign-in.";
    page::error(StatusCode::INTERNAL_SERVER_ERROR, what, START_AGAIN, &provider.path("style.css"))
}
