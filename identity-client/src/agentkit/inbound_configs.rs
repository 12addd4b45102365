//! Inbound authorization: whose tokens a Runtime lets in.

use futures_util::Stream;
use serde::{Deserialize, Serialize};

use super::{
    call::{Call, Caller},
    page::{ListOptions, Listing, Page},
    types::check_name,
};
use crate::error::Error;

const LISTING: Listing = Listing { operation: "list the inbound configurations", action: "ListInboundAuthConfigs" };

/// Manages inbound authorization. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct InboundConfigs {
    caller: Caller,
}

/// An inbound configuration. Every field of an answer can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct InboundConfig {
    /// Its id.
    pub inbound_auth_config_id: Option<String>,
    /// Its name.
    pub config_name: Option<String>,
    /// How callers show who they are.
    pub auth_type: Option<String>,
    /// Its resource name.
    pub trn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Create<'a> {
    auth_type: &'a str,
    config_name: &'a str,
    #[serde(rename = "JwtAuthConfig")]
    tokens: Tokens<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tokens<'a> {
    discovery_url: &'a str,
    allowed_clients: &'a [&'a str],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ById<'a> {
    inbound_auth_config_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<&'a str>,
}

#[derive(Clone, Serialize)]
struct All {}

impl InboundConfigs {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Lets in the tokens of one issuer, of these clients: `CreateInboundAuthConfig`. An empty list of clients would mean every client of
    /// the pool, so it is refused. The values of `auth_type` are documented nowhere; the platform's MCP service uses `CustomJWT`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) without a client or with more than five. Once it may have been sent it is not tried
    /// again.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(
        &self,
        name: &str,
        auth_type: &str,
        discovery_url: &str,
        allowed_clients: &[&str],
    ) -> Result<InboundConfig, Error> {
        check_name(name, "configuration name")?;
        identity_grammar::check_return_url(discovery_url).map_err(|violation| Error::invalid(violation.to_string()))?;
        if !(1..=5).contains(&allowed_clients.len()) {
            return Err(Error::invalid("an inbound configuration names 1 to 5 clients")
                .with_hint("name the clients that callers sign in with; none would let in every client of the pool"));
        }
        let body = Create { auth_type, config_name: name, tokens: Tokens { discovery_url, allowed_clients } };
        let call = Call::new("create the inbound configuration", "CreateInboundAuthConfig", &body)?;
        self.caller.send(call.once()).await
    }

    /// Applies one to an instance: `AttachInboundAuthConfig`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such configuration or instance.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been attached.
    pub async fn attach(&self, id: &str, instance: &str) -> Result<(), Error> {
        check_name(id, "configuration id")?;
        let body = ById { inbound_auth_config_id: id, instance_id: Some(instance) };
        let call = Call::new("attach the inbound configuration", "AttachInboundAuthConfig", &body)?;
        self.caller.send_for_nothing(call).await
    }

    /// Deletes one: `DeleteInboundAuthConfig`.
    ///
    /// # Errors
    /// As [`OAuth2Providers::delete`](super::OAuth2Providers::delete).
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        check_name(id, "configuration id")?;
        let body = ById { inbound_auth_config_id: id, instance_id: None };
        self.caller.delete(Call::new("delete the inbound configuration", "DeleteInboundAuthConfig", &body)?).await
    }

    /// One page of them: `ListInboundAuthConfigs`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<InboundConfig>, Error> {
        LISTING.page(&self.caller, &All {}, options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<InboundConfig, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), All {})
    }
}
