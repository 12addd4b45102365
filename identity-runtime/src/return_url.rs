//! Where a user sets out for a consent, and where they come back.

pub(crate) mod cookie;
pub(crate) mod page;
pub(crate) mod path;

use std::{fmt, future::Future, sync::Arc};

use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
    routing::get,
};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, header::HOST, request::Parts};
use identity_client::{BindingRefusal, Confirmed, SessionBinding, User};
use secrecy::ExposeSecret as _;
use url::form_urlencoded;

pub use self::path::PathRefusal;
use self::{cookie::Cookie, path::OwnPath};

/// No genuine landing is longer.
const LONGEST_QUERY: usize = 8 * 1024;

type SignedIn = Arc<dyn Fn(&Parts) -> BoxFuture<'static, Option<User>> + Send + Sync>;

/// The routes of a [`SessionBinding`]:
///
/// - `GET /start/{handle}`: the link to show a user instead of the authorization URL, with
///   [`SessionBinding::handle`]. It lets nobody but the user of the consent through, leaves a cookie in the browser and
///   redirects to the authorization URL.
/// - `GET /return`: the return URL, to be registered with the platform under the place where the router is mounted. It
///   confirms the consent if the same user, in the same browser, comes back with its state.
///
/// Show users the link to `/start` and nothing else: who has the authorization URL itself can send it to somebody.
///
/// ```
/// use identity_client::{SessionBinding, User};
/// use identity_runtime::ReturnUrlRouter;
///
/// # fn user_of_session(_: &http::HeaderMap) -> Option<User> { None }
/// # fn mount() -> Result<axum::Router, identity_runtime::PathRefusal> {
/// let binding = SessionBinding::new(); // the one that the client was built with
/// let consent = ReturnUrlRouter::new(binding, |request: &http::request::Parts| {
///     // The application's own session, which nobody but the user can have.
///     let user = user_of_session(&request.headers);
///     async move { user }
/// })
/// .with_login_path("/login")?
/// .with_landing_path("/settings/connections")?;
/// let app = axum::Router::new().nest("/consent", consent.into_router());
/// # Ok(app)
/// # }
/// ```
#[must_use]
pub struct ReturnUrlRouter {
    binding: SessionBinding,
    signed_in: SignedIn,
    login: Option<Login>,
    landing: Option<OwnPath>,
    insecure_loopback: bool,
}

/// Where a visitor goes who is not signed in.
enum Login {
    Page(OwnPath),
    /// To the login of this crate, which brings them back.
    #[cfg(feature = "login")]
    ThereAndBack,
}

impl ReturnUrlRouter {
    /// Routes for this binding. `signed_in` says which user of the application a request belongs to, from a session that
    /// the application keeps; a header or parameter that the browser can choose is not that.
    pub fn new<F, R>(binding: SessionBinding, signed_in: F) -> Self
    where
        F: Fn(&Parts) -> R + Send + Sync + 'static,
        R: Future<Output = Option<User>> + Send + 'static,
    {
        let signed_in: SignedIn = Arc::new(move |parts| Box::pin(signed_in(parts)));
        Self { binding, signed_in, login: None, landing: None, insecure_loopback: false }
    }

    /// Routes for this binding in an application with this login: its users are those who are signed in there, and visitors who
    /// are not sign in on the way.
    #[cfg(feature = "login")]
    pub fn with_login(binding: SessionBinding, login: &crate::LoginClient) -> Self {
        let client = login.clone();
        let mut router = Self::new(binding, move |parts| std::future::ready(client.user(&parts.headers)));
        router.login = Some(Login::ThereAndBack);
        router.insecure_loopback = login.uses_insecure_cookies();
        router
    }

    /// Where a visitor goes who is not signed in. Default: a page that says so, with status 401.
    ///
    /// # Errors
    /// If it is not a path of this application.
    pub fn with_login_path(mut self, path: &str) -> Result<Self, PathRefusal> {
        self.login = Some(Login::Page(OwnPath::new(path)?));
        Ok(self)
    }

    /// Where a user goes whose consent is confirmed. Default: a page that says so.
    ///
    /// # Errors
    /// If it is not a path of this application.
    pub fn with_landing_path(mut self, path: &str) -> Result<Self, PathRefusal> {
        self.landing = Some(OwnPath::new(path)?);
        Ok(self)
    }

    /// Leaves `Secure` and `__Host-` out of the cookie, so that the routes work over plain http on the own machine, where
    /// some browsers take no such cookie. Requests to any other host than loopback are then refused.
    pub fn dangerously_use_insecure_cookies_on_loopback(mut self) -> Self {
        self.insecure_loopback = true;
        self
    }

    /// The routes, to mount with `nest` or `merge`.
    #[must_use = "the routes serve nothing until they are mounted"]
    pub fn into_router(self) -> Router {
        Router::new().route("/start/{handle}", get(start)).route("/return", get(land)).with_state(Arc::new(self))
    }

    /// Refuses what cannot be served, and finds out whose request it is.
    async fn visitor(&self, parts: &Parts) -> Result<User, Response> {
        if parts.method != Method::GET {
            return Err(page::plain(StatusCode::METHOD_NOT_ALLOWED, &page::NOT_GOOD));
        }
        if self.insecure_loopback && !is_for_loopback(&parts.headers) {
            return Err(page::plain(StatusCode::MISDIRECTED_REQUEST, &page::LOOPBACK_ONLY));
        }
        (self.signed_in)(parts).await.ok_or_else(|| match &self.login {
            Some(Login::Page(login)) => page::redirect(login.as_str()),
            #[cfg(feature = "login")]
            Some(Login::ThereAndBack) => {
                page::redirect(&crate::LoginClient::login_path(&crate::login::place_of(parts)))
            }
            None => page::plain(StatusCode::UNAUTHORIZED, &page::SIGN_IN),
        })
    }

    fn cookie(&self, handle: &str) -> Cookie {
        Cookie::new(handle, !self.insecure_loopback)
    }
}

impl fmt::Debug for ReturnUrlRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReturnUrlRouter").field("binding", &self.binding).finish_non_exhaustive()
    }
}

async fn start(
    State(router): State<Arc<ReturnUrlRouter>>,
    handle: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let user = match router.visitor(&parts).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    // What cannot be decoded is no handle.
    let Ok(Path(handle)) = handle else { return refused(BindingRefusal::Unknown) };
    match router.binding.begin(&handle, &user) {
        Ok(departure) => {
            let cookie = router.cookie(&handle).set(departure.browser_proof.expose_secret());
            page::with_cookie(page::redirect(departure.authorization_url()), &cookie)
        }
        Err(refusal) => refused(refusal),
    }
}

async fn land(State(router): State<Arc<ReturnUrlRouter>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let user = match router.visitor(&parts).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let state = match state(parts.uri.query().unwrap_or_default()) {
        Ok(state) => state,
        Err(Landing::Declined) => return page::plain(StatusCode::BAD_REQUEST, &page::DECLINED),
        Err(Landing::Malformed) => return refused(BindingRefusal::Unknown),
    };
    let cookie = router.cookie(&SessionBinding::handle_of_state(&state));
    match router.binding.confirm_in_browser(&state, &user, cookie.value(&parts.headers)) {
        Ok(confirmed) => {
            // The confirmation stands, so the client tells the platform again when it goes on.
            let page = match router.binding.complete(&confirmed).await {
                Ok(()) => router.landed(&confirmed),
                Err(_) => page::plain(StatusCode::BAD_GATEWAY, &page::NOT_COMPLETE),
            };
            page::with_cookie(page, &cookie.removed())
        }
        Err(refusal) => refused(refusal),
    }
}

impl ReturnUrlRouter {
    fn landed(&self, confirmed: &Confirmed) -> Response {
        match &self.landing {
            Some(landing) => page::redirect(landing.as_str()),
            None => page::connected(confirmed.provider.as_str()),
        }
    }
}

/// One answer to all: which of them it was would tell a stranger something.
fn refused(_: BindingRefusal) -> Response {
    page::plain(StatusCode::FORBIDDEN, &page::NOT_GOOD)
}

/// Why a landing has no state to confirm.
#[derive(Debug, PartialEq, Eq)]
enum Landing {
    /// The provider reports an error (RFC 6749 section 4.1.2.1). The platform learns of it too, so nothing is done here.
    Declined,
    Malformed,
}

/// The state of a landing: exactly one, for a second one means that somebody added to the URL.
fn state(query: &str) -> Result<String, Landing> {
    if query.len() > LONGEST_QUERY {
        return Err(Landing::Malformed);
    }
    let mut state = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "error" => return Err(Landing::Declined),
            "state" if state.is_some() => return Err(Landing::Malformed),
            "state" => state = Some(value.into_owned()),
            _ => {}
        }
    }
    state.filter(|state| !state.is_empty()).ok_or(Landing::Malformed)
}

pub(crate) fn is_for_loopback(headers: &HeaderMap) -> bool {
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = named.and_then(|host| host.parse::<http::uri::Authority>().ok());
    host.is_some_and(|host| identity_grammar::is_loopback_host(host.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_landing_has_one_state_and_no_error() {
        assert_eq!(state("code=1&state=a%2Db").as_deref(), Ok("a-b"));
        for query in ["", "state=", "state=a&state=a", "State=a", &format!("state=a&x={}", "y".repeat(9000))] {
            assert_eq!(state(query), Err(Landing::Malformed), "{query}");
        }
        assert_eq!(state("state=a&error=access_denied"), Err(Landing::Declined));
    }
}
