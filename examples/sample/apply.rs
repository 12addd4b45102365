//! One step of a plan, carried out.

use identity_client::{
    Error, Flow,
    agent_identity::{
        IdentityProviderUpdate, Management, NewIdentityProvider, NewOAuth2Provider, NewWorkloadIdentity, OAuth2Config,
        OAuth2ProviderUpdate, WorkloadIdentityUpdate,
    },
};
use secrecy::SecretString;

use super::{Action, Found, MARK, Names, Sample, Step, Thing, documents::Arns};

/// Makes a thing of the sample, or makes it as it should be.
pub(crate) async fn prepare(management: &Management, sample: &Sample, step: &Step) -> Result<(), Error> {
    let is_new = matches!(step.action, Action::Create(_));
    match step.thing {
        Thing::IdentityProvider => identity_provider(management, sample, is_new).await,
        Thing::ApiKeyProvider => {
            let (name, key) = (&sample.names.api_key_provider, needed(sample.api_key.as_ref())?);
            let providers = management.api_key_credential_providers();
            providers.create(name, key, None, Some(MARK)).await.map(drop)
        }
        Thing::OAuth2Provider => oauth2_provider(management, sample, is_new).await,
        Thing::Workload => workload(management, sample, is_new).await,
        Thing::Role | Thing::Policy => documents(management, &sample.names, step.thing, is_new).await,
        Thing::Attachment => management.ram().attach_policy(&sample.names.policy, &sample.names.role).await,
        Thing::Binding => {
            let mut update = WorkloadIdentityUpdate::default();
            update.role_arn = Some(management.ram().role_arn(&sample.names.role).await?);
            management.workload_identities().update(&sample.names.workload, update).await
        }
    }
}

/// The plan asked for it before anything was done.
fn needed(secret: Option<&SecretString>) -> Result<SecretString, Error> {
    secret.cloned().ok_or_else(|| Error::conversion("a secret is missing"))
}

async fn identity_provider(management: &Management, sample: &Sample, is_new: bool) -> Result<(), Error> {
    let (providers, name) = (management.identity_providers(), &sample.names.identity_provider);
    if is_new {
        let new = NewIdentityProvider::new(name, &sample.discovery_url, sample.audience.iter().cloned())?;
        return providers.create(new.with_description(MARK)).await.map(drop);
    }
    let mut update = IdentityProviderUpdate::default();
    update.discovery_url = Some(sample.discovery_url.clone());
    update.allowed_audience = Some(sample.audience.clone());
    providers.update(name, update).await
}

async fn oauth2_provider(management: &Management, sample: &Sample, is_new: bool) -> Result<(), Error> {
    let (providers, name) = (management.oauth2_credential_providers(), &sample.names.oauth2_provider);
    let config = OAuth2Config::known(&sample.client_id).with_client_secret(needed(sample.client_secret.as_ref())?);
    if is_new {
        let new = NewOAuth2Provider::new(name, &sample.vendor, config)?;
        let new = new.with_flow(Flow::UserFederation).with_description(MARK);
        return providers.create(new).await.map(drop);
    }
    let mut update = OAuth2ProviderUpdate::default();
    update.config = Some(config);
    providers.update(name, None, update).await
}

async fn workload(management: &Management, sample: &Sample, is_new: bool) -> Result<(), Error> {
    let (identities, name) = (management.workload_identities(), &sample.names.workload);
    if is_new {
        let new = NewWorkloadIdentity::new(name)?
            .with_identity_provider(&sample.names.identity_provider)
            .with_return_urls(&sample.return_urls)
            .with_session_binding(true)
            .with_description(MARK);
        return identities.create(new).await.map(drop);
    }
    let mut update = WorkloadIdentityUpdate::default();
    update.identity_provider_name = Some(sample.names.identity_provider.clone());
    update.allowed_return_urls = Some(sample.return_urls.clone());
    update.session_binding_enabled = Some(true);
    identities.update(name, update).await
}

/// What the documents are about is there by now, and the platform says by which ARNs.
async fn documents(management: &Management, names: &Names, thing: Thing, is_new: bool) -> Result<(), Error> {
    let arns = Arns::of(names, &Found::read(management, names).await?);
    if !arns.are_known() {
        return Err(Error::conversion("the platform does not tell the ARNs of what was made; run this again"));
    }
    let ram = management.ram();
    match (thing, is_new) {
        (Thing::Role, true) => ram.create_role(&names.role, &arns.trust(), Some(MARK)).await.map(drop),
        (Thing::Role, false) => ram.replace_trust(&names.role, &arns.trust()).await,
        (_, true) => ram.create_policy(&names.policy, &arns.permissions(), Some(MARK)).await,
        (_, false) => ram.replace_policy(&names.policy, &arns.permissions()).await,
    }
}

/// Deletes a thing of the sample.
pub(crate) async fn clear(management: &Management, names: &Names, step: &Step) -> Result<(), Error> {
    let ram = management.ram();
    match step.thing {
        Thing::IdentityProvider => management.identity_providers().delete(&names.identity_provider).await,
        Thing::ApiKeyProvider => management.api_key_credential_providers().delete(&names.api_key_provider, None).await,
        Thing::OAuth2Provider => management.oauth2_credential_providers().delete(&names.oauth2_provider, None).await,
        Thing::Workload => management.workload_identities().delete(&names.workload).await,
        Thing::Role => ram.delete_role(&names.role).await,
        Thing::Policy => ram.delete_policy(&names.policy).await,
        Thing::Attachment => ram.detach_policy(&names.policy, false, &names.role).await,
        // It goes with the workload identity.
        Thing::Binding => Ok(()),
    }
}
