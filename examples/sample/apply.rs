//! One step of a plan, carried out. What it needs of the steps before it, it looks up: they may have been made in another run.

use identity_client::{
    Error, Flow,
    agent_identity::{
        ApplicationUpdate, IdentityProviderUpdate, Management, NewApplication, NewIdentityProvider, NewOAuth2Provider,
        NewWorkloadIdentity, OAuth2Config, OAuth2ProviderUpdate, WorkloadIdentityUpdate,
    },
};
use secrecy::SecretString;

use super::{
    Action, Found, MARK, Machine, Names, Sample, Step, Thing,
    desired::{APPLICATION_MARK, Registration},
    documents::Arns,
    registered,
};
use crate::Anything;

/// Makes a thing of the sample, or makes it as it should be.
pub(crate) async fn prepare(management: &Management, sample: &Sample, step: &Step) -> Result<(), Anything> {
    let is_new = matches!(step.action, Action::Create(_));
    let names = &sample.names;
    match step.thing {
        Thing::SignInApplication => {
            let found = Found::read(management, names).await?;
            let id = found.sign_in_application.map(|found| found.id);
            application(management, &step.name, id, &Registration::SIGN_IN, &sample.sign_in_urls).await?;
        }
        Thing::McpApplication => {
            let found = Found::read(management, names).await?;
            let callback = match registered::callback(&found) {
                Some(callback) => callback.to_owned(),
                None => registered::new_callback(management.endpoint())?,
            };
            let id = found.mcp_application.map(|found| found.id);
            application(management, &step.name, id, &Registration::MCP, &[callback]).await?;
        }
        Thing::IdentityProvider => identity_provider(management, sample, is_new).await?,
        Thing::ApiKeyProvider => {
            let (name, key) = (&names.api_key_provider, needed(sample.api_key.as_ref())?);
            let providers = management.api_key_credential_providers();
            if is_new {
                providers.create(name, key, None, Some(MARK)).await?;
            } else {
                providers.update(name, key, None, None).await?;
            }
        }
        Thing::OAuth2Provider => oauth2_provider(management, sample, is_new).await?,
        Thing::MachineProvider => machine_provider(management, sample, is_new).await?,
        Thing::Workload => workload(management, sample, is_new).await?,
        Thing::Role | Thing::Policy => documents(management, sample, step.thing, is_new).await?,
        Thing::Attachment => management.ram().attach_policy(&names.policy, &names.role).await?,
        Thing::Binding => {
            let mut update = WorkloadIdentityUpdate::default();
            update.role_arn = Some(management.ram().role_arn(&names.role).await?);
            management.workload_identities().update(&names.workload, update).await?;
        }
    }
    Ok(())
}

/// The plan asked for it before anything was done.
fn needed(secret: Option<&SecretString>) -> Result<SecretString, Error> {
    secret.cloned().ok_or_else(|| Error::conversion("a secret is missing"))
}

/// What a step before made is not to be seen.
fn unseen(what: &str) -> Anything {
    format!("the platform does not show {what} yet; run this again").into()
}

async fn application(
    management: &Management,
    name: &str,
    id: Option<String>,
    desired: &Registration,
    urls: &[String],
) -> Result<(), Error> {
    let (applications, scopes) = (management.applications(), desired.scopes.iter().copied());
    if let Some(id) = id {
        let update = ApplicationUpdate::default().with_redirect_uris(urls)?;
        return applications.update(&id, update.with_scopes(scopes.clone())?.with_required_scopes(scopes)?).await;
    }
    let new = NewApplication::new(name, APPLICATION_MARK, desired.kind)?
        .with_redirect_uris(urls)?
        .with_scopes(scopes.clone())?
        .with_required_scopes(scopes)?
        .with_protocol_version(Registration::PROTOCOL);
    applications.create(new).await.map(drop)
}

async fn identity_provider(management: &Management, sample: &Sample, is_new: bool) -> Result<(), Anything> {
    let (providers, name) = (management.identity_providers(), &sample.names.identity_provider);
    let found = Found::read(management, &sample.names).await?;
    let audience = registered::audience(sample, &found).ok_or_else(|| unseen("the sign-in application"))?;
    if is_new {
        let new = NewIdentityProvider::new(name, &sample.discovery_url, audience)?;
        providers.create(new.with_description(MARK)).await?;
        return Ok(());
    }
    let mut update = IdentityProviderUpdate::default();
    update.discovery_url = Some(sample.discovery_url.clone());
    update.allowed_audience = Some(audience);
    Ok(providers.update(name, update).await?)
}

async fn oauth2_provider(management: &Management, sample: &Sample, is_new: bool) -> Result<(), Anything> {
    let (providers, name) = (management.oauth2_credential_providers(), &sample.names.oauth2_provider);
    let found = Found::read(management, &sample.names).await?;
    let id = registered::client_id(sample, &found).ok_or_else(|| unseen("the MCP application"))?;
    let mut config = OAuth2Config::known(id);
    if let Some(client) = sample.client.as_ref().filter(|client| !client.is_public) {
        config = config.with_client_secret(needed(client.secret.as_ref())?);
    }
    if !is_new {
        let mut update = OAuth2ProviderUpdate::default();
        update.config = Some(config);
        return Ok(providers.update(name, None, update).await?);
    }
    let mut new = NewOAuth2Provider::new(name, &sample.vendor, config)?;
    if sample.client.is_none() {
        // The one that the application was registered for.
        new = new.with_callback_url(registered::callback(&found).ok_or_else(|| unseen("the MCP application"))?);
    }
    providers.create(new.with_flow(Flow::UserFederation).with_description(MARK)).await?;
    Ok(())
}

async fn machine_provider(management: &Management, sample: &Sample, is_new: bool) -> Result<(), Error> {
    let (providers, name) = (management.oauth2_credential_providers(), &sample.names.machine_provider);
    let machine = sample.machine.as_ref().ok_or_else(|| Error::conversion("a client is missing"))?;
    let config = OAuth2Config::known_at(&machine.client_id, &machine.token_endpoint)?
        .with_client_secret(machine.client_secret.clone());
    if is_new {
        let new = NewOAuth2Provider::new(name, Machine::VENDOR, config)?;
        return providers.create(new.with_flow(Flow::MachineToMachine).with_description(MARK)).await.map(drop);
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
async fn documents(management: &Management, sample: &Sample, thing: Thing, is_new: bool) -> Result<(), Anything> {
    let names = &sample.names;
    let arns = Arns::of(sample, &Found::read(management, names).await?);
    if !arns.are_known() {
        return Err(unseen("the ARNs of what was made"));
    }
    let ram = management.ram();
    match (thing, is_new) {
        (Thing::Role, true) => ram.create_role(&names.role, &arns.trust(), Some(MARK)).await.map(drop)?,
        (Thing::Role, false) => ram.replace_trust(&names.role, &arns.trust()).await?,
        (_, true) => ram.create_policy(&names.policy, &arns.permissions(), Some(MARK)).await?,
        (_, false) => ram.replace_policy(&names.policy, &arns.permissions()).await?,
    }
    Ok(())
}

/// Deletes a thing of the sample.
pub(crate) async fn clear(management: &Management, names: &Names, step: &Step) -> Result<(), Error> {
    let (ram, oauth2) = (management.ram(), management.oauth2_credential_providers());
    match step.thing {
        Thing::SignInApplication | Thing::McpApplication => {
            let found = Found::read(management, names).await?;
            let is_sign_in = step.thing == Thing::SignInApplication;
            match if is_sign_in { found.sign_in_application } else { found.mcp_application } {
                Some(application) => management.applications().delete(&application.id).await,
                None => Ok(()),
            }
        }
        Thing::IdentityProvider => management.identity_providers().delete(&names.identity_provider).await,
        Thing::ApiKeyProvider => management.api_key_credential_providers().delete(&names.api_key_provider, None).await,
        Thing::OAuth2Provider => oauth2.delete(&names.oauth2_provider, None).await,
        Thing::MachineProvider => oauth2.delete(&names.machine_provider, None).await,
        Thing::Workload => management.workload_identities().delete(&names.workload).await,
        Thing::Role => ram.delete_role(&names.role).await,
        Thing::Policy => ram.delete_policy(&names.policy).await,
        Thing::Attachment => ram.detach_policy(&names.policy, false, &names.role).await,
        // It goes with the workload identity.
        Thing::Binding => Ok(()),
    }
}
