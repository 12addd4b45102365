//! Workload identities: as what agents act.

use futures_util::Stream;

use super::{
    call::{Call, Caller, Plane},
    form::Form,
    page::{ListOptions, Listing, Page},
    types::{WorkloadIdentity, check_name, wrapped},
};
use crate::error::Error;

const LISTING: Listing = Listing { operation: "list the workload identities", action: "ListWorkloadIdentities" };
const WHAT: &str = "workload identity name";

/// Manages workload identities. Cheap to clone.
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct WorkloadIdentities {
    caller: Caller,
}

/// A workload identity to make.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewWorkloadIdentity {
    name: String,
    role_arn: Option<String>,
    create_role: bool,
    identity_provider: Option<String>,
    return_urls: Vec<String>,
    consent_urls: Vec<String>,
    session_binding: Option<bool>,
    description: Option<String>,
}

impl NewWorkloadIdentity {
    /// Its name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is no name.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name, WHAT)?;
        Ok(Self {
            name,
            role_arn: None,
            create_role: false,
            identity_provider: None,
            return_urls: Vec::new(),
            consent_urls: Vec::new(),
            session_binding: None,
            description: None,
        })
    }

    /// The RAM role that it can assume; see [`Ram`](super::Ram).
    #[must_use]
    pub fn with_role(mut self, arn: impl Into<String>) -> Self {
        self.role_arn = Some(arn.into());
        self
    }

    /// Has the service make a RAM role of the same name.
    #[must_use]
    pub fn with_new_role(mut self) -> Self {
        self.create_role = true;
        self
    }

    /// Whose users' tokens it takes, and no others.
    #[must_use]
    pub fn with_identity_provider(mut self, name: impl Into<String>) -> Self {
        self.identity_provider = Some(name.into());
        self
    }

    /// Where a browser may land after a consent.
    #[must_use]
    pub fn with_return_urls<S: Into<String>>(mut self, urls: impl IntoIterator<Item = S>) -> Self {
        self.return_urls.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Where a browser may land after a consent to offline access.
    #[must_use]
    pub fn with_consent_urls<S: Into<String>>(mut self, urls: impl IntoIterator<Item = S>) -> Self {
        self.consent_urls.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Whether a consent has to be confirmed by the application, see [`SessionBinding`](crate::SessionBinding).
    #[must_use]
    pub fn with_session_binding(mut self, enabled: bool) -> Self {
        self.session_binding = Some(enabled);
        self
    }

    /// What it is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// What to change of a workload identity; what is not given stays.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct WorkloadIdentityUpdate {
    /// The RAM role that it can assume.
    pub role_arn: Option<String>,
    /// Whose users' tokens it takes.
    pub identity_provider_name: Option<String>,
    /// Where a browser may land after a consent, the whole list.
    pub allowed_return_urls: Option<Vec<String>>,
    /// Where a browser may land after a consent to offline access, the whole list.
    pub allowed_consent_urls: Option<Vec<String>>,
    /// Whether a consent has to be confirmed by the application.
    pub session_binding_enabled: Option<bool>,
    /// What it is for.
    pub description: Option<String>,
}

impl WorkloadIdentities {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes one: `CreateWorkloadIdentity`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`get`](Self::get) tells whether it was made.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, new: NewWorkloadIdentity) -> Result<WorkloadIdentity, Error> {
        let mut form = Form::new()
            .text("WorkloadIdentityName", &new.name)
            .text_if("RoleArn", new.role_arn.as_deref())
            .flag_if("CreateRAMRole", new.create_role.then_some(true))
            .text_if("IdentityProviderName", new.identity_provider.as_deref())
            .flag_if("SessionBindingEnabled", new.session_binding)
            .text_if("Description", new.description.as_deref());
        if !new.return_urls.is_empty() {
            form = form.json("AllowedResourceOAuth2ReturnURLs", &new.return_urls)?;
        }
        if !new.consent_urls.is_empty() {
            form = form.json("AllowedConsentCallbackURLs", &new.consent_urls)?;
        }
        let call = Call::new(Plane::Control, "create the workload identity", "CreateWorkloadIdentity", form).once();
        wrapped!(self.caller.send(&call).await?, "WorkloadIdentity", WorkloadIdentity)
    }

    /// One page of them: `ListWorkloadIdentities`.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, options: ListOptions) -> Result<Page<WorkloadIdentity>, Error> {
        LISTING.page(&self.caller, None, &options).await
    }

    /// All of them, page after page as the stream is read.
    pub fn list_all(&self) -> impl Stream<Item = Result<WorkloadIdentity, Error>> + Send + use<> {
        LISTING.all(self.caller.clone(), None)
    }

    /// One by name: `GetWorkloadIdentity`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, name: &str) -> Result<WorkloadIdentity, Error> {
        check_name(name, WHAT)?;
        let form = Form::new().text("WorkloadIdentityName", name);
        let reply = self
            .caller
            .send(&Call::new(Plane::Control, "get the workload identity", "GetWorkloadIdentity", form))
            .await?;
        wrapped!(reply, "WorkloadIdentity", WorkloadIdentity)
    }

    /// Changes one: `UpdateWorkloadIdentity`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been changed.
    pub async fn update(&self, name: &str, update: WorkloadIdentityUpdate) -> Result<(), Error> {
        check_name(name, WHAT)?;
        let mut form = Form::new()
            .text("WorkloadIdentityName", name)
            .text_if("RoleArn", update.role_arn.as_deref())
            .text_if("IdentityProviderName", update.identity_provider_name.as_deref())
            // A text here, and a flag when it is made.
            .text_if(
                "SessionBindingEnabled",
                update.session_binding_enabled.map(|on| if on { "true" } else { "false" }),
            )
            .text_if("Description", update.description.as_deref());
        if let Some(urls) = &update.allowed_return_urls {
            form = form.json("AllowedResourceOAuth2ReturnURLs", urls)?;
        }
        if let Some(urls) = &update.allowed_consent_urls {
            form = form.json("AllowedConsentCallbackURLs", urls)?;
        }
        let call = Call::new(Plane::Control, "update the workload identity", "UpdateWorkloadIdentity", form);
        self.caller.send(&call).await.map(drop)
    }

    /// Deletes one: `DeleteWorkloadIdentity`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        check_name(name, WHAT)?;
        let form = Form::new().text("WorkloadIdentityName", name);
        self.caller
            .delete(&Call::new(Plane::Control, "delete the workload identity", "DeleteWorkloadIdentity", form))
            .await
    }
}
