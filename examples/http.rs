//! How the examples reach the services behind the credentials.

/// A client that follows no redirect, for that would carry a token to another place.
///
/// # Errors
/// If the system gives it no TLS.
#[expect(clippy::disallowed_methods, reason = "an agent's own client, with redirects off")]
pub fn without_redirects() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()
}

/// The body of an answer of at most so many bytes.
///
/// # Errors
/// If it is longer, or breaks off.
pub async fn bounded(
    mut answer: reqwest::Response,
    limit: usize,
) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + part.len() > limit {
            return Err("the answer is too long for this example".into());
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}
