//! Trusted issuers of user tokens: contract section 8. Their documents are fetched when a token is verified.

use serde_json::{Value, json};

use super::actions::{Answer, Call, nothing};
use super::error::ApiError;
use super::form::{Form, moment};
use crate::oauth::is_usable;
use crate::vault::{Refusal, TrustedIssuer};

const ENTITY: &str = "IdentityProvider";
const NAME: &str = "IdentityProviderName";

fn about(refusal: Refusal) -> ApiError {
    ApiError::about(ENTITY, refusal)
}

fn discovery_url(form: &Form) -> Result<Option<String>, ApiError> {
    let Some(url) = form.text("DiscoveryURL") else { return Ok(None) };
    let usable = url.len() <= 2048 && url.parse().is_ok_and(|parsed| is_usable(&parsed));
    let rule = "must be an absolute https URL (http on loopback only), without a password";
    if usable { Ok(Some(url.to_owned())) } else { Err(ApiError::invalid("DiscoveryURL", rule)) }
}

fn audiences(form: &Form) -> Result<Option<Vec<String>>, ApiError> {
    let audiences: Option<Vec<String>> = form.json("AllowedAudience")?;
    let fit = |audiences: &Vec<String>| audiences.len() <= 100 && audiences.iter().all(|item| !item.is_empty());
    if audiences.as_ref().is_none_or(fit) {
        return Ok(audiences);
    }
    Err(ApiError::invalid("AllowedAudience", "must be at most 100 texts"))
}

pub(super) async fn create(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let issuer = TrustedIssuer {
        name: form.name(NAME)?,
        discovery_url: discovery_url(form)?.ok_or_else(|| ApiError::missing("DiscoveryURL"))?,
        audiences: audiences(form)?.unwrap_or_default(),
        description: form.owned("Description"),
        created_at: now,
        updated_at: now,
    };
    let created = call.core.vault.change(move |state| state.create_issuer(issuer).map_err(about)).await?;
    Ok(json!({ ENTITY: shown(&created) }))
}

fn shown(issuer: &TrustedIssuer) -> Value {
    json!({
        NAME: issuer.name,
        "IdentityProviderArn": super::arn(format_args!("identityprovider/{}", issuer.name)),
        "DiscoveryURL": issuer.discovery_url,
        "AllowedAudience": issuer.audiences,
        "Description": issuer.description.as_deref().unwrap_or_default(),
        "CreateTime": moment(issuer.created_at),
        "UpdateTime": moment(issuer.updated_at),
    })
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    Ok(json!({ ENTITY: shown(state.issuer(call.form.required(NAME)?).map_err(about)?) }))
}

/// What is left out stays.
pub(super) async fn update(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let (name, url, audiences) = (form.required(NAME)?.to_owned(), discovery_url(form)?, audiences(form)?);
    let description = form.owned("Description");
    let change = call.core.vault.change(move |state| {
        let issuer = state.issuer_mut(&name).map_err(about)?;
        issuer.discovery_url = url.unwrap_or_else(|| std::mem::take(&mut issuer.discovery_url));
        issuer.audiences = audiences.unwrap_or_else(|| std::mem::take(&mut issuer.audiences));
        issuer.description = description.or_else(|| issuer.description.take());
        issuer.updated_at = now;
        Ok::<_, ApiError>(nothing())
    });
    change.await
}

pub(super) async fn delete(call: &Call<'_>) -> Answer {
    let name = call.form.required(NAME)?.to_owned();
    call.core.vault.change(move |state| state.delete_issuer(&name).map_err(about)).await.map(|()| nothing())
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    call.form.page("IdentityProviders", state.vaulted.issuers.iter(), |item| shown(item))
}
