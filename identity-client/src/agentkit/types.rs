//! Parts that several requests have, and the rules for what is sent.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::error::Error;

/// Something of a pool, by name.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pool_name: Option<&'a str>,
}

/// A pool alone, as the filter of a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OfPool {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pool_name: Option<String>,
}

/// A name of any kind. It is not quoted: what breaks the rule may be a secret in the wrong place.
pub(crate) fn check_name(name: &str, what: &str) -> Result<(), Error> {
    identity_grammar::check_name(name).map_err(|violation| Error::invalid(format!("invalid {what}: {violation}")))
}

/// A secret of the management API: not blank, and short enough for a request.
pub(crate) fn check_secret(secret: &SecretString, what: &str) -> Result<(), Error> {
    crate::wire::check_secret(secret, what, 16 * 1024)?;
    let text = secret.expose_secret();
    if text != text.trim() {
        return Err(Error::invalid(format!("the {what} has spaces or line ends around it"))
            .with_hint("copy it again, without anything around it"));
    }
    Ok(())
}
