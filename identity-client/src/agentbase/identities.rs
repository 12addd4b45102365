//! Agent identities: who an agent is on the platform.

use futures_util::Stream;
use http::Method;
use serde::Serialize;

use super::{
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    types::{AgentIdentity, check_name},
};
use crate::{error::Error, wire::check_length};

const COLLECTION: &[&str] = &["agent-identities"];
const LISTING: Listing = Listing { operation: "list the agent identities", collection: COLLECTION };
const MAX_RETURN_URLS: usize = 10;
const MAX_DESCRIPTION: usize = 500;
const WHAT: &str = "agent identity name";

/// Manages agent identities. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct Identities {
    caller: Caller,
}

/// A new agent identity.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewIdentity {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_return_urls: Vec<String>,
}

impl NewIdentity {
    /// With this name, which can never be changed: 3 to 50 characters of `A-Z a-z 0-9 _ -`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is not such a name.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name, WHAT)?;
        Ok(Self { name, description: None, allowed_return_urls: Vec::new() })
    }

    /// What it is for, at most 500 characters.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// One more URL where a browser may land after a consent, at most ten in all. How the platform compares them (whole or by
    /// prefix) is documented nowhere.
    #[must_use]
    pub fn with_allowed_return_url(mut self, url: impl Into<String>) -> Self {
        self.allowed_return_urls.push(url.into());
        self
    }
}

/// A change of an agent identity; what is not named stays as it is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct IdentityUpdate {
    description: Option<String>,
    allowed_return_urls: Option<Vec<String>>,
    cleared: bool,
}

impl IdentityUpdate {
    /// Changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new description, at most 500 characters; an empty one removes it.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// These return URLs instead of all there were; at least one, at most ten. To have none, say
    /// [`without_return_urls`](Self::without_return_urls).
    #[must_use]
    pub fn with_allowed_return_urls<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        self.allowed_return_urls = Some(urls.into_iter().map(Into::into).collect());
        self.cleared = false;
        self
    }

    /// No return URLs at all: no user can give this agent consent any more.
    #[must_use]
    pub fn without_return_urls(mut self) -> Self {
        self.allowed_return_urls = None;
        self.cleared = true;
        self
    }

    fn check(&self) -> Result<(), Error> {
        if self.description.is_none() && self.allowed_return_urls.is_none() && !self.cleared {
            return Err(Error::invalid("the update changes nothing; name a description or return URLs"));
        }
        if self.allowed_return_urls.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::invalid(
                "the update has an empty list of return URLs; to remove them all, say `without_return_urls()`",
            ));
        }
        check(self.description.as_deref(), self.allowed_return_urls.as_deref().unwrap_or_default())
    }
}

/// What a replacement holds: always all of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    allowed_return_urls: Vec<String>,
}

fn check(description: Option<&str>, return_urls: &[String]) -> Result<(), Error> {
    check_length(description.unwrap_or_default(), "description", 0, MAX_DESCRIPTION)?;
    if return_urls.len() > MAX_RETURN_URLS {
        return Err(Error::invalid(format!(
            "{} return URLs are given; at most {MAX_RETURN_URLS} are allowed",
            return_urls.len()
        )));
    }
    for (index, url) in return_urls.iter().enumerate() {
        identity_grammar::check_return_url(url)
            .map_err(|violation| Error::invalid(format!("return URL {} of the list: {violation}", index + 1)))?;
    }
    Ok(())
}

impl Identities {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes an identity: `POST /api/v1/agent-identities`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether the identity was made.
    ///
    /// # Cancel safety
    /// Dropped midway, the identity may have been made.
    pub async fn create(&self, identity: NewIdentity) -> Result<AgentIdentity, Error> {
        check(identity.description.as_deref(), &identity.allowed_return_urls)?;
        let url = self.caller.url(COLLECTION, &[])?;
        let call = Call::new("create the agent identity", Method::POST, url).with_json(&identity)?.once();
        let answer = self.caller.send(call).await?.json_if_any()?;
        Ok(answer.unwrap_or_else(|| AgentIdentity { name: Some(identity.name), ..AgentIdentity::default() }))
    }

    /// One page of them: `GET /api/v1/agent-identities`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<AgentIdentity>, Error> {
        LISTING.page(&self.caller, &options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<AgentIdentity, Error>> + Send + use<> {
        LISTING.all(self.caller.clone())
    }

    /// One by name: `GET /api/v1/agent-identities/{name}`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<AgentIdentity, Error> {
        let call = Call::new("get the agent identity", Method::GET, self.url(name)?);
        self.caller.send(call).await?.json()
    }

    /// Changes what the update names and leaves the rest: `PUT /api/v1/agent-identities/{name}`.
    ///
    /// The platform's PUT replaces everything, so the identity is read first and sent back with the change. The platform has
    /// no versions: of two updates at the same time, the later one can undo the earlier one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none;
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if the update changes nothing.
    ///
    /// # Cancel safety
    /// Dropped midway, the change may have been made; it is made wholly or not at all.
    pub async fn update(&self, name: &str, update: IdentityUpdate) -> Result<AgentIdentity, Error> {
        update.check()?;
        let url = self.url(name)?;
        let present = self.get(name).await?;
        if !present.name.as_ref().is_some_and(|present| present.eq_ignore_ascii_case(name)) {
            // Sending back what is not that identity would wipe it.
            return Err(Error::protocol("could not update the agent identity: AgentBase answered with another one"));
        }
        let replacement = Replacement {
            description: update.description.or(present.description),
            allowed_return_urls: match update.allowed_return_urls {
                Some(urls) => urls,
                None if update.cleared => Vec::new(),
                None => present.allowed_return_urls,
            },
        };
        let call = Call::new("update the agent identity", Method::PUT, url).with_json(&replacement)?;
        let answer = self.caller.send(call).await?.json_if_any()?;
        Ok(answer.unwrap_or_else(|| AgentIdentity { name: Some(name.to_owned()), ..AgentIdentity::default() }))
    }

    /// Deletes an identity for good: `DELETE /api/v1/agent-identities/{name}`. Stop its runtimes first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, the identity may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.caller.delete("delete the agent identity", self.url(name)?).await
    }

    fn url(&self, name: &str) -> Result<url::Url, Error> {
        check_name(name, WHAT)?;
        self.caller.url(COLLECTION, &[name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w13_what_is_not_given_is_not_sent() {
        let bare = serde_json::to_string(&NewIdentity::new("demo-agent").unwrap()).unwrap();
        assert_eq!(bare, r#"{"name":"demo-agent"}"#);
    }

    #[test]
    fn w13_an_update_cannot_wipe_by_accident() {
        IdentityUpdate::new().check().unwrap_err();
        IdentityUpdate::new().with_allowed_return_urls(Vec::<String>::new()).check().unwrap_err();
        IdentityUpdate::new().without_return_urls().check().unwrap();
        IdentityUpdate::new().with_description("").check().unwrap();
    }

    #[test]
    fn counts_lengths_and_urls_are_checked_before_anything_is_sent() {
        let urls = |count| vec!["https://app.example.com/cb".to_owned(); count];
        check(Some(&"x".repeat(500)), &urls(10)).unwrap();
        check(Some(&"x".repeat(501)), &[]).unwrap_err();
        check(None, &urls(11)).unwrap_err();
        let error = check(None, &["https://a.example/".to_owned(), "http://a.example/".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("return URL 2"), "{error}");
        NewIdentity::new("ab").unwrap_err();
    }
}
