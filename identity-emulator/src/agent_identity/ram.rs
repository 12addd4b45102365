//! The few actions of the vendor's RAM with which a workload identity's role is prepared and cleared away. Known from the vendor's
//! public pages and its generated client, not from recorded traffic. Policies are kept and shown: in the emulator a role may do what
//! its session policy allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::actions::{Answer, Call, nothing};
use super::error::ApiError;
use super::form::moment;
use super::role::role_id;
use super::role_arn;
use crate::vault::{CloudPolicy, CloudRole, Refusal};

const LONGEST_DOCUMENT: usize = 6_144;
/// How many versions of a policy are kept.
const VERSIONS: usize = 5;

pub(super) fn about(entity: &'static str) -> impl Fn(Refusal) -> ApiError {
    move |refusal| match refusal {
        // Spelled otherwise than in the product next door.
        Refusal::Missing(_) => {
            let message = format!("There is no such {entity} in this account.");
            ApiError::new(StatusCode::NOT_FOUND, format!("EntityNotExist.{entity}"), message)
        }
        other => ApiError::about(entity, other),
    }
}

fn conflict(code: &'static str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, code, "A policy is still attached to a role; detach it first.")
}

/// Those of type `System` are the vendor's own, and the emulator has none to show.
fn own_policy(call: &Call<'_>) -> Result<Arc<CloudPolicy>, ApiError> {
    let (kind, name) = (call.form.required("PolicyType")?, call.form.required("PolicyName")?);
    match kind {
        "Custom" => call.core.vault.read().policy(name).cloned().map_err(about("Policy")),
        "System" => Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "EntityNotExist.Policy",
            "The emulator has no documents of the vendor's policies.",
        )),
        _ => Err(ApiError::invalid("PolicyType", "must be Custom or System")),
    }
}

/// A role that agents may take.
pub(super) fn runtime_role(name: String, now: Timestamp) -> CloudRole {
    let trust = json!({ "Version": "1", "Statement": [{
        "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:SetContext"],
        "Principal": { "Service": ["workload.agentidentity.aliyuncs.com"] },
    }] });
    CloudRole {
        id: role_id(&role_arn(&name)),
        name,
        description: None,
        trust: trust.to_string(),
        longest_session: 3_600,
        attached: BTreeSet::new(),
        created_at: now,
        updated_at: now,
    }
}

pub(super) async fn answer(call: &Call<'_>, action: &str) -> Answer {
    match action {
        "CreateRole" => create_role(call).await,
        "UpdateRole" => update_role(call).await,
        "GetRole" => {
            let state = call.core.vault.read();
            Ok(json!({ "Role": shown(state.role(call.form.required("RoleName")?).map_err(about("Role"))?) }))
        }
        "DeleteRole" => delete_role(call).await,
        "CreatePolicy" => create_policy(call).await,
        "GetPolicy" => get_policy(call),
        "DeletePolicy" => delete_policy(call).await,
        "CreatePolicyVersion" => create_version(call).await,
        "ListPolicyVersions" => list_versions(call),
        "DeletePolicyVersion" => delete_version(call).await,
        "ListPoliciesForRole" => list_attached(call),
        "AttachPolicyToRole" => attach(call, true).await,
        _ => attach(call, false).await,
    }
}

/// A policy document: an object of JSON.
fn document(call: &Call<'_>, parameter: &str) -> Result<String, ApiError> {
    let text = call.form.required(parameter)?;
    let read: Option<serde_json::Map<String, Value>> = call.form.json(parameter)?;
    if read.is_some_and(|read| read.contains_key("Statement")) && text.len() <= LONGEST_DOCUMENT {
        return Ok(text.to_owned());
    }
    Err(ApiError::invalid(parameter, "must be a policy with a Statement, of at most 6144 bytes"))
}

async fn create_role(call: &Call<'_>) -> Answer {
    let form = &call.form;
    let mut role = runtime_role(form.name("RoleName")?, call.core.clock.now());
    role.trust = document(call, "AssumeRolePolicyDocument")?;
    role.description = form.owned("Description");
    role.longest_session = form.number("MaxSessionDuration")?.unwrap_or(role.longest_session);
    if !(3_600..=43_200).contains(&role.longest_session) {
        return Err(ApiError::invalid("MaxSessionDuration", "must be a number from 3600 to 43200"));
    }
    let created = call.core.vault.change(move |state| state.create_role(role).map_err(about("Role"))).await?;
    Ok(json!({ "Role": shown(&created) }))
}

fn shown(role: &CloudRole) -> Value {
    json!({
        "RoleId": role.id,
        "RoleName": role.name,
        "Arn": role_arn(&role.name),
        "Description": role.description.as_deref().unwrap_or_default(),
        "AssumeRolePolicyDocument": role.trust,
        "MaxSessionDuration": role.longest_session,
        "CreateDate": moment(role.created_at),
        "UpdateDate": moment(role.updated_at),
    })
}

/// What is left out stays.
async fn update_role(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let name = form.required("RoleName")?.to_owned();
    let trust = form.text("NewAssumeRolePolicyDocument").map(|_| document(call, "NewAssumeRolePolicyDocument"));
    let (trust, description) = (trust.transpose()?, form.owned("NewDescription"));
    let change = call.core.vault.change(move |state| {
        let role = state.role_mut(&name).map_err(about("Role"))?;
        role.trust = trust.unwrap_or_else(|| std::mem::take(&mut role.trust));
        role.description = description.or_else(|| role.description.take());
        role.updated_at = now;
        Ok::<_, ApiError>(json!({ "Role": shown(role) }))
    });
    change.await
}

fn list_attached(call: &Call<'_>) -> Answer {
    let state = call.core.vault.read();
    let role = state.role(call.form.required("RoleName")?).map_err(about("Role"))?;
    let attached: Vec<Value> = role
        .attached
        .iter()
        .map(|(kind, name)| json!({ "PolicyName": name, "PolicyType": kind, "AttachDate": moment(role.updated_at) }))
        .collect();
    Ok(json!({ "Policies": { "Policy": attached } }))
}

async fn delete_role(call: &Call<'_>) -> Answer {
    let name = call.form.required("RoleName")?.to_owned();
    let change = call.core.vault.change(move |state| {
        if !state.role(&name).map_err(about("Role"))?.attached.is_empty() {
            return Err(conflict("DeleteConflict.Role.Policy"));
        }
        state.vaulted.roles.remove(&name);
        Ok(nothing())
    });
    change.await
}

async fn create_policy(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let policy = CloudPolicy {
        name: form.name("PolicyName")?,
        document: document(call, "PolicyDocument")?,
        version: 1,
        others: BTreeMap::new(),
        description: form.owned("Description"),
        created_at: now,
        updated_at: now,
    };
    let created = call.core.vault.change(move |state| state.create_policy(policy).map_err(about("Policy"))).await?;
    Ok(json!({ "Policy": described(&created) }))
}

fn described(policy: &CloudPolicy) -> Value {
    json!({
        "PolicyName": policy.name,
        "PolicyType": "Custom",
        "Description": policy.description.as_deref().unwrap_or_default(),
        "DefaultVersion": format!("v{}", policy.version),
        "CreateDate": moment(policy.created_at),
    })
}

fn version(policy: &CloudPolicy, number: u32, document: &str) -> Value {
    json!({
        "VersionId": format!("v{number}"),
        "IsDefaultVersion": number == policy.version,
        "PolicyDocument": document,
        "CreateDate": moment(policy.updated_at),
    })
}

fn get_policy(call: &Call<'_>) -> Answer {
    let policy = own_policy(call)?;
    let default = version(&policy, policy.version, &policy.document);
    Ok(json!({ "Policy": described(&policy), "DefaultPolicyVersion": default }))
}

fn list_versions(call: &Call<'_>) -> Answer {
    let policy = own_policy(call)?;
    let default = version(&policy, policy.version, &policy.document);
    let others = policy.others.iter().map(|(number, document)| version(&policy, *number, document));
    let listed: Vec<Value> = others.chain([default]).collect();
    Ok(json!({ "PolicyVersions": { "PolicyVersion": listed } }))
}

/// Another document; the ones before are kept, as many as there is room for.
async fn create_version(call: &Call<'_>) -> Answer {
    let (form, now) = (&call.form, call.core.clock.now());
    let (name, text) = (form.required("PolicyName")?.to_owned(), document(call, "PolicyDocument")?);
    let is_default = form.flag("SetAsDefault")?.unwrap_or_default();
    let rotates = match form.text("RotateStrategy") {
        None | Some("None") => false,
        Some("DeleteOldestNonDefaultVersionWhenLimitExceeded") => true,
        Some(_) => return Err(ApiError::invalid("RotateStrategy", "is none that there is")),
    };
    let change = call.core.vault.change(move |state| {
        let policy = state.policy_mut(&name).map_err(about("Policy"))?;
        if policy.others.len() + 1 >= VERSIONS && !(rotates && policy.others.pop_first().is_some()) {
            let message = "The policy has five versions; delete one first.";
            return Err(ApiError::new(StatusCode::CONFLICT, "LimitExceeded.Policy.Version", message));
        }
        let newest = policy.others.last_key_value().map_or(policy.version, |(last, _)| policy.version.max(*last));
        policy.updated_at = now;
        if is_default {
            let before = std::mem::replace(&mut policy.document, text.clone());
            policy.others.insert(policy.version, before);
            policy.version = newest + 1;
        } else {
            policy.others.insert(newest + 1, text.clone());
        }
        Ok(json!({ "PolicyVersion": version(policy, newest + 1, &text) }))
    });
    change.await
}

async fn delete_version(call: &Call<'_>) -> Answer {
    let name = call.form.required("PolicyName")?.to_owned();
    let number = call.form.required("VersionId")?.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
    let number = number.ok_or_else(|| ApiError::invalid("VersionId", "must look like v1"))?;
    let change = call.core.vault.change(move |state| {
        let policy = state.policy_mut(&name).map_err(about("Policy"))?;
        if policy.version == number {
            let message = "The default version stays as long as the policy.";
            return Err(ApiError::new(StatusCode::CONFLICT, "DeleteConflict.PolicyVersion.Default", message));
        }
        let missing = || about("Policy.Version")(Refusal::Missing(crate::vault::Thing::Config));
        policy.others.remove(&number).ok_or_else(missing)?;
        Ok(nothing())
    });
    change.await
}

async fn delete_policy(call: &Call<'_>) -> Answer {
    let name = call.form.required("PolicyName")?.to_owned();
    let change = call.core.vault.change(move |state| {
        if !state.policy(&name).map_err(about("Policy"))?.others.is_empty() {
            let message = "The policy has versions besides the default one; delete these first.";
            return Err(ApiError::new(StatusCode::CONFLICT, "DeleteConflict.Policy.Version", message));
        }
        let used = ("Custom".to_owned(), name);
        if state.vaulted.roles.values().any(|role| role.attached.contains(&used)) {
            return Err(conflict("DeleteConflict.Policy.Role"));
        }
        state.vaulted.policies.remove(&used.1);
        Ok(nothing())
    });
    change.await
}

/// Attaches a policy to a role, or detaches it. Those of type `System` are the vendor's own: any name counts.
async fn attach(call: &Call<'_>, attach: bool) -> Answer {
    let form = &call.form;
    let (kind, name) = (form.required("PolicyType")?.to_owned(), form.name("PolicyName")?);
    if !["Custom", "System"].contains(&kind.as_str()) {
        return Err(ApiError::invalid("PolicyType", "must be Custom or System"));
    }
    let (role, now) = (form.required("RoleName")?.to_owned(), call.core.clock.now());
    let change = call.core.vault.change(move |state| {
        if kind == "Custom" {
            state.policy(&name).map_err(about("Policy"))?;
        }
        let role = state.role_mut(&role).map_err(about("Role"))?;
        let changed = if attach { role.attached.insert((kind, name)) } else { role.attached.remove(&(kind, name)) };
        role.updated_at = now;
        match (changed, attach) {
            (true, _) => Ok(nothing()),
            (false, true) => Err(about("Role.Policy")(Refusal::Exists(crate::vault::Thing::Config))),
            (false, false) => Err(about("Role.Policy")(Refusal::Missing(crate::vault::Thing::Config))),
        }
    });
    change.await
}
