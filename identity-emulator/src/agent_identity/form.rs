//! Parameters of a call: contract section 3.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::ApiError;
use crate::canonical::Received;
use crate::naming::{NAME_RULE, is_name};
use crate::returning::is_safe;

/// How many URLs a list may have, and how long one may be.
const URLS: (usize, usize) = (100, 2048);

/// The parameters, from the query and the form in the body alike. An empty text counts as absent.
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn read(received: Received<'_>) -> Result<Self, ApiError> {
        let query = received.uri.query().unwrap_or_default();
        let mut parameters: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        if !received.body.is_empty() {
            let kind = received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let essence = kind.split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                let message = "Content-Type must be application/x-www-form-urlencoded.";
                return Err(ApiError::bad("UnsupportedContentType", message));
            }
            parameters.extend(url::form_urlencoded::parse(received.body).into_owned());
        }
        Ok(Self(parameters))
    }

    pub(crate) fn text(&self, parameter: &str) -> Option<&str> {
        self.0.get(parameter).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn owned(&self, parameter: &str) -> Option<String> {
        self.text(parameter).map(str::to_owned)
    }

    pub(crate) fn required(&self, parameter: &str) -> Result<&str, ApiError> {
        self.text(parameter).ok_or_else(|| ApiError::missing(parameter))
    }

    pub(super) fn secret(&self, parameter: &str) -> Result<SecretString, ApiError> {
        self.required(parameter).map(SecretString::from)
    }

    /// The values of `NAME.1`, `NAME.2` and so on, in any order.
    pub(crate) fn numbered<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let counts = move |parameter: &str| {
            let number = parameter.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            number.is_some_and(|number| number.parse::<u16>().is_ok())
        };
        let named = self.0.iter().filter(move |(parameter, _)| counts(parameter));
        named.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The name of something new.
    pub(super) fn name(&self, parameter: &str) -> Result<String, ApiError> {
        let name = self.required(parameter)?;
        if is_name(name) { Ok(name.to_owned()) } else { Err(ApiError::invalid(parameter, NAME_RULE)) }
    }

    /// `True`, `true`, `False` or `false`: the vendor's clients spell it either way.
    pub(super) fn flag(&self, parameter: &str) -> Result<Option<bool>, ApiError> {
        match self.text(parameter) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::invalid(parameter, "must be true or false")),
        }
    }

    pub(super) fn number(&self, parameter: &str) -> Result<Option<u64>, ApiError> {
        let read = |text: &str| text.parse().map_err(|_| ApiError::invalid(parameter, "must be a number"));
        self.text(parameter).map(read).transpose()
    }

    /// JSON inside a parameter. Messages name the parameter, never a value: serde's own would quote it.
    pub(super) fn json<T: DeserializeOwned>(&self, parameter: &str) -> Result<Option<T>, ApiError> {
        let read = |text: &str| serde_json::from_str(text);
        let wrong = |_| ApiError::invalid(parameter, "must be JSON of its documented type");
        self.text(parameter).map(read).transpose().map_err(wrong)
    }

    /// A list of URLs to which a browser may be sent.
    pub(super) fn urls(&self, parameter: &str) -> Result<Option<Vec<String>>, ApiError> {
        let urls: Option<Vec<String>> = self.json(parameter)?;
        let fit =
            |urls: &Vec<String>| urls.len() <= URLS.0 && urls.iter().all(|url| url.len() <= URLS.1 && is_safe(url));
        if urls.as_ref().is_none_or(fit) {
            return Ok(urls);
        }
        Err(ApiError::invalid(parameter, "must be at most 100 absolute URLs that a browser can be sent to"))
    }

    /// One page of what is filed under sorted names: an answer with paging beside the list.
    pub(super) fn page<'a, T: 'a>(
        &self,
        under: &str,
        items: impl Iterator<Item = (&'a String, &'a T)>,
        shown: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        let most = self.number("MaxResults")?.unwrap_or(100);
        if !(1..=1000).contains(&most) {
            return Err(ApiError::invalid("MaxResults", "must be a number from 1 to 1000"));
        }
        let most = usize::try_from(most).unwrap_or(1000);
        let items: Vec<_> = items.collect();
        let start = match self.text("NextToken") {
            None => 0,
            Some(token) => {
                let after = items.iter().position(|(place, _)| page_token(place) == token);
                after.ok_or_else(|| ApiError::invalid("NextToken", "is none of this list"))? + 1
            }
        };
        let part = items.get(start..).unwrap_or_default();
        let listed: Vec<Value> = part.iter().take(most).map(|(_, item)| shown(item)).collect();
        let mut answer = json!({ "MaxResults": most, "TotalCount": items.len(), under: listed });
        if part.len() > most
            && let Some((last, _)) = part.get(most - 1)
        {
            answer["NextToken"] = page_token(last).into();
        }
        Ok(answer)
    }
}

/// After which entry a page begins; opaque to clients.
fn page_token(place: &str) -> String {
    crate::canonical::sha256(place.as_bytes())
}

/// As the platform writes moments: UTC, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// Members without those that are null.
pub(super) fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}
