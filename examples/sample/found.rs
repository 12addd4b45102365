//! What there is. Reading changes nothing.

use identity_client::{
    Error, ErrorKind,
    agent_identity::{
        ApiKeyCredentialProvider, AttachedPolicy, IdentityProvider, Management, OAuth2CredentialProvider, RamPolicy,
        RamRole, WorkloadIdentity,
    },
};

use super::Names;

/// What there is of the sample, by its names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The identity provider.
    pub identity_provider: Option<IdentityProvider>,
    /// The API key provider.
    pub api_key_provider: Option<ApiKeyCredentialProvider>,
    /// The OAuth 2.0 provider.
    pub oauth2_provider: Option<OAuth2CredentialProvider>,
    /// The workload identity.
    pub workload: Option<WorkloadIdentity>,
    /// The RAM role.
    pub role: Option<RamRole>,
    /// What is attached to the role.
    pub attached: Vec<AttachedPolicy>,
    /// The RAM policy.
    pub policy: Option<RamPolicy>,
}

impl Found {
    /// Asks for each.
    ///
    /// # Errors
    /// If one cannot be read, other than that it is not there.
    pub async fn read(management: &Management, names: &Names) -> Result<Self, Error> {
        let ram = management.ram();
        let role = there(ram.role(&names.role).await)?;
        let attached = match role {
            Some(_) => there(ram.policies_of_role(&names.role).await)?.unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Self {
            identity_provider: there(management.identity_providers().get(&names.identity_provider).await)?,
            api_key_provider: there(
                management.api_key_credential_providers().get(&names.api_key_provider, None).await,
            )?,
            oauth2_provider: there(management.oauth2_credential_providers().get(&names.oauth2_provider, None).await)?,
            workload: there(management.workload_identities().get(&names.workload).await)?,
            role,
            attached,
            policy: there(ram.policy(&names.policy).await)?,
        })
    }

    /// Whether the policy is attached to the role.
    pub(crate) fn is_attached(&self, policy: &str) -> bool {
        self.attached.iter().any(|attached| !attached.is_system && attached.name == policy)
    }

    /// What else is attached to the role.
    pub(crate) fn other_policies(&self, policy: &str) -> Vec<&str> {
        let others = self.attached.iter().filter(|attached| attached.is_system || attached.name != policy);
        others.map(|attached| attached.name.as_str()).collect()
    }
}

fn there<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
