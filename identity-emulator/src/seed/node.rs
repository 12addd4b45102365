//! A walk through the JSON of a seed that knows where it is.

use serde_json::{Map, Value};

use super::SeedError;
use crate::agentbase::{NAME_RULE, PROVIDER_URL_RULE, is_name, is_provider_url};
use crate::core::ServiceAccount;
use crate::naming;

/// An object and where it stands.
pub(super) struct Node {
    pub(super) place: String,
    members: Map<String, Value>,
}

impl Node {
    pub(super) fn new(place: String, value: Value) -> Result<Self, SeedError> {
        match value {
            Value::Object(members) => Ok(Self { place, members }),
            _ if place.is_empty() => Err(SeedError::new("the whole", "must be a JSON object")),
            _ => Err(SeedError::new(place, "must be a JSON object")),
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.members.remove(key)
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, SeedError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(SeedError::new(format_args!("{}.{key}", self.place), "must be a string")),
        }
    }

    pub(super) fn required(&mut self, key: &str) -> Result<String, SeedError> {
        self.text(key)?.ok_or_else(|| SeedError::new(format_args!("{}.{key}", self.place), "is required"))
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, SeedError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(SeedError::new(format_args!("{}.{key}", self.place), "must be true or false")),
        }
    }

    /// How a client of the platform gets in, if the seed says so.
    pub(super) fn account(&mut self, id: &str, secret: &str) -> Result<Option<ServiceAccount>, SeedError> {
        match (self.text(id)?, self.text(secret)?) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => Ok(Some(ServiceAccount { id, secret: secret.into() })),
            _ => Err(SeedError::new(&self.place, format_args!("{id} and {secret} go together"))),
        }
    }

    pub(super) fn name(&mut self) -> Result<String, SeedError> {
        let name = self.required("name")?;
        if is_name(&name) { Ok(name) } else { Err(SeedError::new(format_args!("{}.name", self.place), NAME_RULE)) }
    }

    /// A name by the rule of platforms that have none of their own, if there is one.
    pub(super) fn plain_name_or(&mut self, key: &str) -> Result<Option<String>, SeedError> {
        match self.text(key)? {
            Some(name) if !naming::is_name(&name) => {
                Err(SeedError::new(format_args!("{}.{key}", self.place), naming::NAME_RULE))
            }
            name => Ok(name),
        }
    }

    /// The same, required.
    pub(super) fn plain_name(&mut self, key: &str) -> Result<String, SeedError> {
        let name = self.plain_name_or(key)?;
        name.ok_or_else(|| SeedError::new(format_args!("{}.{key}", self.place), "is required"))
    }

    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, SeedError> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        serde_json::from_value(value)
            .map_err(|_| SeedError::new(format_args!("{}.{key}", self.place), "must be a list of strings"))
    }

    pub(super) fn url(&mut self, key: &str) -> Result<String, SeedError> {
        let url = self.required(key)?;
        if url.chars().count() <= 1000 && is_provider_url(&url) {
            return Ok(url);
        }
        Err(SeedError::new(format_args!("{}.{key}", self.place), PROVIDER_URL_RULE))
    }

    pub(super) fn list<T>(
        &mut self,
        key: &str,
        read: impl Fn(&mut Self) -> Result<T, SeedError>,
    ) -> Result<Vec<T>, SeedError> {
        let place = format!("{}.{key}", self.place);
        let items = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(SeedError::new(place, "must be a list")),
        };
        let each = |(index, item)| {
            let mut node = Self::new(format!("{place}[{index}]"), item)?;
            let read = read(&mut node)?;
            node.finish()?;
            Ok(read)
        };
        items.into_iter().enumerate().map(each).collect()
    }

    /// Nothing may be left over.
    pub(super) fn finish(self) -> Result<(), SeedError> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(key) if self.place.is_empty() => Err(SeedError::new("the whole", format_args!("unknown key {key:?}"))),
            Some(key) => Err(SeedError::new(self.place, format_args!("unknown key {key:?}"))),
        }
    }
}
