//! Paths of the application itself, to redirect to.

use url::Url;

/// A path, and perhaps a query, that cannot lead to another origin.
#[derive(Debug, Clone)]
pub(crate) struct OwnPath(String);

/// The text is not a path of the application itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a path of this application; give one that starts with a single `/`, of visible ASCII characters without `\\`"
)]
#[non_exhaustive]
pub struct PathRefusal;

impl OwnPath {
    pub(crate) fn new(text: &str) -> Result<Self, PathRefusal> {
        // Browsers take `\` for `/`, and drop tabs and line breaks before they look.
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !plain || !text.starts_with('/') || text.starts_with("//") {
            return Err(PathRefusal);
        }
        // What the URL standard makes of it, seen from here, has the last word.
        let here = Url::parse("https://here.invalid/consent/return").map_err(|_| PathRefusal)?;
        let there = here.join(text).map_err(|_| PathRefusal)?;
        if there.origin() != here.origin() || there.path().starts_with("//") {
            return Err(PathRefusal);
        }
        Ok(Self(text.to_owned()))
    }

    #[cfg(feature = "login")]
    pub(crate) fn root() -> Self {
        Self("/".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
