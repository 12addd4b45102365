//! How the examples reach the services behind the credentials.

/// A client that follows no redirect, for that would carry a token to another place.
///
/// # Errors
/// If the system gives it no TLS.
#[expect(clippy::disallowed_methods, reason = "an agent's own client, with redirects off")]
pub fn without_redirects() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()
}
