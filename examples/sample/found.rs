//! What there is. Reading changes nothing.

use futures_util::TryStreamExt as _;
use identity_client::{
    Error, ErrorKind,
    agent_identity::{
        ApiKeyCredentialProvider, Application, AttachedPolicy, IdentityProvider, Management, OAuth2CredentialProvider,
        RamPolicy, RamRole, WorkloadIdentity,
    },
};

use super::{Names, Sample, plan::is_ours};

/// What there is of the sample, by its names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The application with which users sign in.
    pub sign_in_application: Option<Application>,
    /// The application with which the agent gets tokens for MCP servers.
    pub mcp_application: Option<Application>,
    /// The identity provider.
    pub identity_provider: Option<IdentityProvider>,
    /// The API key provider.
    pub api_key_provider: Option<ApiKeyCredentialProvider>,
    /// The OAuth 2.0 provider of users' tokens.
    pub oauth2_provider: Option<OAuth2CredentialProvider>,
    /// The OAuth 2.0 provider of the agent's own tokens.
    pub machine_provider: Option<OAuth2CredentialProvider>,
    /// The workload identity.
    pub workload: Option<WorkloadIdentity>,
    /// The names of others that take the users of the identity provider.
    pub other_workloads: Vec<String>,
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
        let oauth2 = management.oauth2_credential_providers();
        let identity_provider = there(management.identity_providers().get(&names.identity_provider).await)?;
        let other_workloads = match identity_provider {
            Some(_) => others_with_its_users(management, names).await?,
            None => Vec::new(),
        };
        let applications = management.applications().list().await?;
        let registered = |name: &String| applications.iter().find(|one| one.name.as_ref() == Some(name)).cloned();
        Ok(Self {
            sign_in_application: registered(&names.sign_in_application),
            mcp_application: registered(&names.mcp_application),
            identity_provider,
            api_key_provider: there(
                management.api_key_credential_providers().get(&names.api_key_provider, None).await,
            )?,
            oauth2_provider: there(oauth2.get(&names.oauth2_provider, None).await)?,
            machine_provider: there(oauth2.get(&names.machine_provider, None).await)?,
            workload: there(management.workload_identities().get(&names.workload).await)?,
            other_workloads,
            role,
            attached,
            policy: there(ram.policy(&names.policy).await)?,
        })
    }

    /// Whether the sample has a client for tokens of the agent's own: one that is given, or that an earlier preparation was given.
    pub(crate) fn has_machine_provider(&self, sample: &Sample) -> bool {
        let made = self.machine_provider.as_ref().is_some_and(|found| is_ours(found.description.as_deref()));
        sample.machine.is_some() || made
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

async fn others_with_its_users(management: &Management, names: &Names) -> Result<Vec<String>, Error> {
    let workloads: Vec<_> = management.workload_identities().list_all().try_collect().await?;
    let with_its_users =
        workloads.into_iter().filter(|one| one.identity_provider_name.as_ref() == Some(&names.identity_provider));
    Ok(with_its_users.filter_map(|one| one.name).filter(|name| *name != names.workload).collect())
}

fn there<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
