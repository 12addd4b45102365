//! Request bodies and the limits of contract section 4. Messages name the field and the rule, never the value.

use std::collections::{BTreeMap, BTreeSet};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::error::ApiError;
use crate::random;

/// How many characters a text may have.
#[derive(Clone, Copy)]
pub(super) struct Length {
    least: usize,
    most: usize,
}

pub(super) const fn length(least: usize, most: usize) -> Length {
    Length { least, most }
}

/// For fields that the contract bounds below only; the bound on the whole body bounds them above.
pub(super) const UNBOUNDED: usize = usize::MAX;

impl Length {
    fn check(self, field: &str, text: &str) -> Result<(), ApiError> {
        let count = text.chars().count();
        if (self.least..=self.most).contains(&count) {
            return Ok(());
        }
        if self.most == UNBOUNDED {
            return Err(ApiError::invalid(field, format_args!("must have at least {} character(s)", self.least)));
        }
        Err(ApiError::invalid(field, format_args!("must have {} to {} characters", self.least, self.most)))
    }
}

/// Whether `name` is 3–50 characters of `a-z A-Z 0-9 _ -`: identities and providers of every kind.
pub(crate) fn is_name(name: &str) -> bool {
    (3..=50).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

pub(crate) const NAME_RULE: &str = "must have 3 to 50 characters, each a letter, a digit, _ or -";

/// The members of a JSON object. Members that nobody asks for are ignored; an explicit null counts as absent, because the vendor's SDK
/// sends one for each optional field that was not set.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, ApiError> {
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
        }
        // The error of the parser may quote the body: it is dropped.
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "The body must be a JSON object")),
            Err(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "The body is not valid JSON")),
        }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, field: &str, length: Length) -> Result<Option<String>, ApiError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => length.check(field, &text).map(|()| Some(text)),
            Some(_) => Err(ApiError::invalid(field, "must be a string")),
        }
    }

    pub(super) fn required_text(&mut self, field: &str, length: Length) -> Result<String, ApiError> {
        self.text(field, length)?.ok_or_else(|| ApiError::invalid(field, "is required"))
    }

    pub(super) fn secret(&mut self, field: &str, length: Length) -> Result<SecretString, ApiError> {
        self.required_text(field, length).map(SecretString::from)
    }

    pub(super) fn name(&mut self) -> Result<String, ApiError> {
        let name = self.required_text("name", length(0, UNBOUNDED))?;
        if is_name(&name) { Ok(name) } else { Err(ApiError::invalid("name", NAME_RULE)) }
    }

    pub(super) fn flag(&mut self, field: &str) -> Result<bool, ApiError> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(ApiError::invalid(field, "must be true or false")),
        }
    }

    fn texts(&mut self, field: &str) -> Result<Option<Vec<String>>, ApiError> {
        let wrong = || ApiError::invalid(field, "must be a list of strings");
        match self.take(field) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                let text = |item| if let Value::String(text) = item { Ok(text) } else { Err(wrong()) };
                items.into_iter().map(text).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(wrong()),
        }
    }

    /// At most 10; an empty list is one, and wipes.
    pub(super) fn return_urls(&mut self) -> Result<Option<Vec<String>>, ApiError> {
        let urls = self.texts("allowedReturnUrls")?;
        if urls.as_ref().is_some_and(|urls| urls.len() > 10) {
            return Err(ApiError::invalid("allowedReturnUrls", "must have at most 10 items"));
        }
        Ok(urls)
    }

    /// At least one, each 1–1000 characters.
    pub(super) fn scopes(&mut self) -> Result<BTreeSet<String>, ApiError> {
        let scopes = self.texts("scopes")?.unwrap_or_default();
        if scopes.is_empty() {
            return Err(ApiError::invalid("scopes", "must name at least one scope"));
        }
        scopes.iter().try_for_each(|scope| length(1, 1000).check("scopes", scope))?;
        Ok(scopes.into_iter().collect())
    }

    pub(super) fn session_id(&mut self) -> Result<Option<String>, ApiError> {
        let id = self.text("sessionId", length(0, UNBOUNDED))?;
        if id.as_deref().is_some_and(|id| !random::is_uuid(id)) {
            return Err(ApiError::invalid("sessionId", "must be a UUID"));
        }
        Ok(id)
    }

    pub(super) fn text_map(&mut self, field: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let wrong = || ApiError::invalid(field, "must be an object of strings");
        match self.take(field) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(members)) => {
                let text =
                    |(name, value)| if let Value::String(text) = value { Ok((name, text)) } else { Err(wrong()) };
                members.into_iter().map(text).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// A URL of an outside provider: 1–1000 characters, https, or http on loopback.
    pub(super) fn provider_url(&mut self, field: &str) -> Result<String, ApiError> {
        let text = self.required_text(field, length(1, 1000))?;
        if is_provider_url(&text) { Ok(text) } else { Err(ApiError::invalid(field, PROVIDER_URL_RULE)) }
    }
}

pub(crate) const PROVIDER_URL_RULE: &str =
    "must be an absolute https URL (http on loopback only) without user name, password and fragment";

pub(crate) fn is_provider_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| crate::oauth::is_usable(&url))
}
