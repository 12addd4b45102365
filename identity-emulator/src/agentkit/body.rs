//! Request bodies. Messages name the field, never a value: serde's own would quote it.

use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::workloads::DEFAULT_POOL;
use super::{NAME_RULE, is_name};
use crate::canonical::Received;

/// The members of the JSON object that was sent.
pub(super) fn members(received: Received<'_>) -> Result<Map<String, Value>, ApiError> {
    let kind = received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::invalid("Content-Type must be application/json"));
    }
    let parsed: Result<Map<String, Value>, _> = serde_json::from_slice(received.body);
    parsed.map_err(|_| ApiError::invalid("The body must be a JSON object"))
}

/// The body as one of the types below the actions; an explicit null counts as absent.
pub(super) fn read<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T, ApiError> {
    let members = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
    serde_json::from_value(Value::Object(members))
        .map_err(|_| ApiError::invalid("A parameter does not have its documented type"))
}

/// What must be there, and not be empty.
pub(super) fn required(value: Option<String>, field: &str) -> Result<String, ApiError> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| ApiError::missing(field))
}

/// A name that must be there.
pub(super) fn name(value: Option<String>) -> Result<String, ApiError> {
    let name = required(value, "Name")?;
    if is_name(&name) { Ok(name) } else { Err(ApiError::invalid(format!("Name {NAME_RULE}"))) }
}

/// The pool that was named, else the one that everybody has.
pub(super) fn pool(value: Option<String>) -> String {
    value.filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT_POOL.to_owned())
}

/// By name, in a pool.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    name: Option<String>,
    #[serde(alias = "WorkloadPoolName")]
    pool_name: Option<String>,
}

impl Named {
    pub(super) fn read(members: Map<String, Value>) -> Result<(String, String), ApiError> {
        let named: Self = read(members)?;
        Ok((pool(named.pool_name), required(named.name, "Name")?))
    }
}

/// Which part of a list, counted from 1.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Page {
    #[serde(rename = "PageNumber")]
    number: Option<usize>,
    #[serde(rename = "PageSize")]
    size: Option<usize>,
}

impl Page {
    /// The answer with one page of these, in their order, under this name.
    pub(super) fn cut<T>(self, under: &str, items: &[T], body: impl Fn(&T) -> Value) -> Result<Value, ApiError> {
        let number = self.number.filter(|number| *number > 0).ok_or_else(|| ApiError::missing("PageNumber"))?;
        let size = self.size.ok_or_else(|| ApiError::missing("PageSize"))?;
        if !(1..=100).contains(&size) {
            return Err(ApiError::invalid("PageSize must be a number from 1 to 100"));
        }
        let part: Vec<Value> = items.iter().skip((number - 1).saturating_mul(size)).take(size).map(body).collect();
        Ok(serde_json::json!({
            "PageNumber": number,
            "PageSize": size,
            "TotalCount": items.len(),
            under: part,
        }))
    }
}

/// As the platform writes moments: UTC, to the second.
pub(super) fn moment(at: jiff::Timestamp) -> String {
    format!("{at:.0}")
}
