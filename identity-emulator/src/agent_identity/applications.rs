//! The account's OAuth applications, as the vendor's IMS registers them. Known from the vendor's public pages and its generated
//! client, not from recorded traffic. Kept and shown: nobody signs in to the vendor's cloud through the emulator.

use std::sync::Arc;

use serde_json::{Value, json};

use super::actions::{Answer, Call, nothing};
use super::error::ApiError;
use super::form::{Form, moment};
use super::ram::about;
use crate::naming::is_name;
use crate::random;
use crate::returning::is_safe;
use crate::vault::CloudApplication;

const ENTITY: &str = "Application";
/// Every application may ask for it, and no user can leave it out.
const ALWAYS: &str = "openid";

pub(super) async fn answer(call: &Call<'_>, action: &str) -> Answer {
    match action {
        "CreateApplication" => create(call).await,
        "GetApplication" => found(call).map(|application| json!({ ENTITY: shown(&application) })),
        "ListApplications" => {
            let state = call.core.vault.read();
            let listed: Vec<Value> =
                state.vaulted.applications.values().map(|application| shown(application)).collect();
            Ok(json!({ "Applications": { ENTITY: listed } }))
        }
        "UpdateApplication" => update(call).await,
        _ => delete(call).await,
    }
}

fn found(call: &Call<'_>) -> Result<Arc<CloudApplication>, ApiError> {
    call.core.vault.read().cloud_application(call.form.required("AppId")?).cloned().map_err(about(ENTITY))
}

/// A list in one parameter; one that is empty counts as absent.
fn list(form: &Form, parameter: &str, is_one: fn(&str) -> bool) -> Result<Option<Vec<String>>, ApiError> {
    let Some(text) = form.text(parameter) else { return Ok(None) };
    let items: Vec<String> = text.split(';').filter(|item| !item.is_empty()).map(str::to_owned).collect();
    if items.len() <= 100 && items.iter().all(|item| item.len() <= 2_048 && is_one(item)) {
        return Ok(Some(items));
    }
    Err(ApiError::invalid(parameter, "must be at most 100 items, separated by semicolons"))
}

fn is_scope(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn seconds(form: &Form, parameter: &str, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
    let given = form.number(parameter)?;
    if given.is_none_or(|given| (least..=most).contains(&given)) {
        return Ok(given);
    }
    Err(ApiError::invalid(parameter, format!("must be a number from {least} to {most}")))
}

/// What is given is taken, the rest stays. The parameters of a change have a prefix.
fn take(application: &mut CloudApplication, form: &Form, prefix: &str) -> Result<(), ApiError> {
    let parameter = |name: &str| format!("{prefix}{name}");
    // The pages say at most 24 characters; the vendor's own sample sends twice as many.
    if let Some(name) = form.owned(&parameter("DisplayName")) {
        application.display_name = name;
    }
    if let Some(uris) = list(form, &parameter("RedirectUris"), is_safe)? {
        application.redirect_uris = uris;
    }
    let scopes = list(form, &parameter("PredefinedScopes"), is_scope)?;
    let required = list(form, &parameter("RequiredScopes"), is_scope)?;
    if let Some(scopes) = scopes {
        let kept: Vec<_> = application.scopes.iter().filter(|(_, required)| *required).cloned().collect();
        let was_required = |scope: &String| kept.iter().any(|(name, _)| name == scope);
        application.scopes = scopes.into_iter().map(|scope| (scope.clone(), was_required(&scope))).collect();
    }
    if let Some(required) = required {
        // One that the application may not ask for is left out without a word.
        for (scope, is_required) in &mut application.scopes {
            *is_required = required.contains(scope);
        }
    }
    application.scopes.retain(|(scope, _)| scope != ALWAYS);
    application.scopes.push((ALWAYS.to_owned(), true));
    if let Some(shared) = form.flag(&parameter("IsMultiTenant"))? {
        application.is_multi_tenant = shared;
    }
    if let Some(required) = form.flag(&parameter("SecretRequired"))? {
        application.secret_required = required || application.kind != "NativeApp";
    }
    application.access_token =
        seconds(form, &parameter("AccessTokenValidity"), 900, 10_800)?.unwrap_or(application.access_token);
    application.refresh_token =
        seconds(form, &parameter("RefreshTokenValidity"), 7_200, 31_536_000)?.unwrap_or(application.refresh_token);
    Ok(())
}

async fn create(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let kind = form.required("AppType")?.to_owned();
    if !["WebApp", "NativeApp", "ServerApp"].contains(&kind.as_str()) {
        return Err(ApiError::invalid("AppType", "must be WebApp, NativeApp or ServerApp"));
    }
    let version = form.text("ProtocolVersion").unwrap_or("2.0").to_owned();
    if !["2.0", "2.1"].contains(&version.as_str()) {
        return Err(ApiError::invalid("ProtocolVersion", "must be 2.0 or 2.1"));
    }
    let id = new_id();
    // What one without a name is called is not documented.
    let name = form.owned("AppName").unwrap_or_else(|| id.clone());
    if name.len() > 64 || !is_name(&name) {
        return Err(ApiError::invalid("AppName", "must have 1 to 64 characters, each a letter, a digit, -, _ or ."));
    }
    let is_web = kind == "WebApp";
    let mut new = CloudApplication {
        id,
        name,
        display_name: form.required("DisplayName")?.to_owned(),
        version,
        redirect_uris: Vec::new(),
        scopes: Vec::new(),
        is_multi_tenant: !is_web,
        secret_required: kind != "NativeApp",
        access_token: 3_600,
        refresh_token: if is_web { 7_776_000 } else { 2_592_000 },
        kind,
        created_at: now,
        updated_at: now,
    };
    take(&mut new, form, "")?;
    let created =
        call.core.vault.change(move |state| state.create_cloud_application(new).map_err(about(ENTITY))).await?;
    Ok(json!({ ENTITY: shown(&created) }))
}

/// Nineteen digits, as the vendor's are.
fn new_id() -> String {
    let digits = u64::from_be_bytes(random::bytes()) % 1_000_000_000_000_000_000;
    format!("4{digits:018}")
}

fn shown(application: &CloudApplication) -> Value {
    let scopes: Vec<Value> = application
        .scopes
        .iter()
        .map(|(name, required)| json!({ "Name": name, "Description": "", "Required": required }))
        .collect();
    json!({
        "AppId": application.id,
        "AppName": application.name,
        "DisplayName": application.display_name,
        "AppType": application.kind,
        "ProtocolVersion": application.version,
        "AccountId": super::ACCOUNT,
        "RedirectUris": { "RedirectUri": application.redirect_uris },
        "DelegatedScope": { "PredefinedScopes": { "PredefinedScope": scopes } },
        "IsMultiTenant": application.is_multi_tenant,
        "SecretRequired": application.secret_required,
        "AccessTokenValidity": application.access_token,
        "RefreshTokenValidity": application.refresh_token,
        "CreateDate": moment(application.created_at),
        "UpdateDate": moment(application.updated_at),
    })
}

async fn update(call: &Call<'_>) -> Answer {
    let mut next = CloudApplication::clone(&*found(call)?);
    take(&mut next, &call.form, "New")?;
    next.updated_at = call.core.clock.now();
    let change = call.core.vault.change(move |state| {
        let kept = state.cloud_application_mut(&next.id).map_err(about(ENTITY))?;
        *kept = next;
        Ok::<_, ApiError>(json!({ ENTITY: shown(kept) }))
    });
    change.await
}

async fn delete(call: &Call<'_>) -> Answer {
    let id = call.form.required("AppId")?.to_owned();
    let change = call.core.vault.change(move |state| state.delete_cloud_application(&id).map_err(about(ENTITY)));
    change.await.map(|()| nothing())
}
