//! An application that its users sign in to, with the pages of a session binding.

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{
    header::{COOKIE, SET_COOKIE},
    request::Parts,
};
use identity_client::{SessionBinding, User};
use identity_runtime::ReturnUrlRouter;
use identity_tests::Anything;
use tokio::{net::TcpListener, task::JoinHandle};

/// The running application. Its session is a cookie with the user's name: here nobody forges one.
pub(super) struct SignedInApplication {
    origin: String,
    server: JoinHandle<()>,
}

impl SignedInApplication {
    pub(super) async fn start(binding: &SessionBinding) -> Result<Self, Anything> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://localhost:{}", listener.local_addr()?.port());
        let pages = ReturnUrlRouter::new(binding.clone(), |parts: &Parts| std::future::ready(user_of_session(parts)));
        let app = Router::new().route("/session/{name}", get(sign_in)).nest("/consent", pages.into_router());
        let server = tokio::spawn(async move {
            // Ends with the test.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { origin, server })
    }

    pub(super) fn return_url(&self) -> String {
        format!("{}/consent/return", self.origin)
    }

    /// Where a browser signs in as this user.
    pub(super) fn session_of(&self, name: &str) -> String {
        format!("{}/session/{name}", self.origin)
    }

    /// The link to show the user of a consent.
    pub(super) fn start_link(&self, handle: &str) -> String {
        format!("{}/consent/start/{handle}", self.origin)
    }
}

impl Drop for SignedInApplication {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn sign_in(Path(name): Path<String>) -> Response {
    let cookie = format!("session={name}; Path=/; HttpOnly; SameSite=Lax");
    ([(SET_COOKIE, cookie)], format!("Signed in as {name}")).into_response()
}

fn user_of_session(parts: &Parts) -> Option<User> {
    let cookies = parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let session = cookies.flat_map(|value| value.split("; ")).find_map(|cookie| cookie.strip_prefix("session="))?;
    User::asserted(session).ok()
}
