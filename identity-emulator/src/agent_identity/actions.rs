//! Two planes, many actions: contract sections 3, 5 and 8.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HOST};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};

use super::error::ApiError;
use super::form::Form;
use super::signature::{Caller, verify};
use super::{api_keys, applications, consent, identity_providers, oauth2_providers, outbound, ram, role, token_vaults};
use super::{workload_token, workloads};
use crate::canonical::{Received, only};
use crate::core::Core;
use crate::{idaas, random};

const X_ACS_ACTION: HeaderName = HeaderName::from_static("x-acs-action");
const X_ACS_VERSION: HeaderName = HeaderName::from_static("x-acs-version");

const DATA: &str = "2025-11-27";
const CONTROL: &str = "2025-09-01";
const RAM: &str = "2015-05-01";
/// OAuth applications.
const IMS: &str = "2019-08-15";
/// Another product behind the same signature: IDaaS.
const EIAM: &str = "2021-12-01";

/// Every action that is emulated: the version of its plane, and its name in counters and faults.
const ACTIONS: [(&str, &str, &str); 51] = [
    (DATA, "AssumeRoleForWorkloadIdentity", "assume_role_for_workload_identity"),
    (DATA, "CompleteResourceTokenAuth", "complete_resource_token_auth"),
    (DATA, "GetResourceAPIKey", "get_resource_api_key"),
    (DATA, "GetResourceOAuth2Token", "get_resource_oauth2_token"),
    (DATA, "GetWorkloadAccessToken", "get_workload_access_token"),
    (DATA, "GetWorkloadAccessTokenForJWT", "get_workload_access_token_for_jwt"),
    (DATA, "GetWorkloadAccessTokenForUserId", "get_workload_access_token_for_user_id"),
    (CONTROL, "CreateAPIKeyCredentialProvider", "create_api_key_credential_provider"),
    (CONTROL, "CreateIdentityProvider", "create_identity_provider"),
    (CONTROL, "CreateOAuth2CredentialProvider", "create_oauth2_credential_provider"),
    (CONTROL, "CreateTokenVault", "create_token_vault"),
    (CONTROL, "CreateWorkloadIdentity", "create_workload_identity"),
    (CONTROL, "DeleteAPIKeyCredentialProvider", "delete_api_key_credential_provider"),
    (CONTROL, "DeleteIdentityProvider", "delete_identity_provider"),
    (CONTROL, "DeleteOAuth2CredentialProvider", "delete_oauth2_credential_provider"),
    (CONTROL, "DeleteTokenVault", "delete_token_vault"),
    (CONTROL, "DeleteWorkloadIdentity", "delete_workload_identity"),
    (CONTROL, "GetAPIKeyCredentialProvider", "get_api_key_credential_provider"),
    (CONTROL, "GetIdentityProvider", "get_identity_provider"),
    (CONTROL, "GetOAuth2CredentialProvider", "get_oauth2_credential_provider"),
    (CONTROL, "GetTokenVault", "get_token_vault"),
    (CONTROL, "GetWorkloadIdentity", "get_workload_identity"),
    (CONTROL, "ListAPIKeyCredentialProviders", "list_api_key_credential_providers"),
    (CONTROL, "ListIdentityProviders", "list_identity_providers"),
    (CONTROL, "ListOAuth2CredentialProviders", "list_oauth2_credential_providers"),
    (CONTROL, "ListTokenVaults", "list_token_vaults"),
    (CONTROL, "ListWorkloadIdentities", "list_workload_identities"),
    (CONTROL, "UpdateAPIKeyCredentialProvider", "update_api_key_credential_provider"),
    (CONTROL, "UpdateIdentityProvider", "update_identity_provider"),
    (CONTROL, "UpdateOAuth2CredentialProvider", "update_oauth2_credential_provider"),
    (CONTROL, "UpdateTokenVault", "update_token_vault"),
    (CONTROL, "UpdateWorkloadIdentity", "update_workload_identity"),
    (EIAM, "GenerateOauthToken", "generate_oauth_token"),
    (IMS, "CreateApplication", "ims_create_application"),
    (IMS, "DeleteApplication", "ims_delete_application"),
    (IMS, "GetApplication", "ims_get_application"),
    (IMS, "ListApplications", "ims_list_applications"),
    (IMS, "UpdateApplication", "ims_update_application"),
    (RAM, "AttachPolicyToRole", "ram_attach_policy_to_role"),
    (RAM, "CreatePolicy", "ram_create_policy"),
    (RAM, "CreatePolicyVersion", "ram_create_policy_version"),
    (RAM, "CreateRole", "ram_create_role"),
    (RAM, "DeletePolicy", "ram_delete_policy"),
    (RAM, "DeletePolicyVersion", "ram_delete_policy_version"),
    (RAM, "DeleteRole", "ram_delete_role"),
    (RAM, "DetachPolicyFromRole", "ram_detach_policy_from_role"),
    (RAM, "GetPolicy", "ram_get_policy"),
    (RAM, "GetRole", "ram_get_role"),
    (RAM, "ListPoliciesForRole", "ram_list_policies_for_role"),
    (RAM, "ListPolicyVersions", "ram_list_policy_versions"),
    (RAM, "UpdateRole", "ram_update_role"),
];

/// How the actions that exist on the control plane but are not emulated begin or end: what belongs to hosted user pools, to
/// their sign-in, and to gateways.
const NOT_EMULATED: [&str; 14] = [
    "UserPool",
    "ClientSecret",
    "SAML",
    "SpecificIdentityProvider",
    "LoginPreference",
    "PolicySet",
    "Policy",
    "Policies",
    "Gateway",
    "Role",
    "User",
    "IdentityProviderDepartments",
    "IdentityProviderSyncScope",
    "UserPassword",
];

/// The action that a request of this dialect names.
pub(crate) fn action(headers: &HeaderMap) -> Option<&str> {
    headers.get(X_ACS_ACTION).map(|action| action.to_str().unwrap_or_default())
}

fn version(headers: &HeaderMap) -> &str {
    only(headers, &X_ACS_VERSION).unwrap_or_default()
}

/// The operation by its name in counters and faults, or `"unknown"`.
pub(crate) fn operation(action: &str, headers: &HeaderMap) -> &'static str {
    let version = version(headers);
    let known = ACTIONS.iter().find(|(plane, known, _)| *plane == version && *known == action);
    known.map_or("unknown", |(_, _, operation)| operation)
}

/// One call, its caller known.
pub(crate) struct Call<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) form: Form,
}

pub(crate) type Answer = Result<Value, ApiError>;

pub(crate) async fn serve(core: &Arc<Core>, action: &str, received: Received<'_>) -> Response {
    let request_id = random::uuid().to_ascii_uppercase();
    let answer = Box::pin(answer(core, action, received)).await;
    let (status, body) = match answer {
        Ok(mut body) => {
            body["RequestId"] = request_id.into();
            (StatusCode::OK, body)
        }
        Err(error) => {
            let host = only(received.headers, &HOST).unwrap_or_default();
            (error.status, error.body(&request_id, host))
        }
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn answer(core: &Arc<Core>, action: &str, received: Received<'_>) -> Answer {
    let version = version(received.headers);
    if (version, action) == (DATA, "AssumeRoleForWorkloadIdentity") {
        // Anonymous: the token in the body is the credential. A signature is not asked for, and not looked at.
        return role::assume(core, received);
    }
    let caller = verify(&core.agent_identity, received, core.clock.now())?;
    let known = ACTIONS.iter().any(|(plane, known, _)| *plane == version && *known == action);
    if !known {
        return Err(unknown(action, version));
    }
    let call = Call { core, form: Form::read(received)? };
    may(&caller, action, version)?;
    match version {
        DATA => data(&call, &caller, action).await,
        RAM => ram::answer(&call, action).await,
        IMS => applications::answer(&call, action).await,
        EIAM => idaas::generate_oauth_token(&call).await,
        _ if action.starts_with("List") || action.starts_with("Get") => read(&call, action),
        _ => write(&call, action).await,
    }
}

fn unknown(action: &str, version: &str) -> ApiError {
    if ![DATA, CONTROL, RAM, IMS, EIAM].contains(&version) {
        return ApiError::bad(
            "InvalidVersion",
            "x-acs-version is that of no plane: 2025-11-27, 2025-09-01, 2015-05-01, 2019-08-15 or 2021-12-01.",
        );
    }
    if version == CONTROL && NOT_EMULATED.iter().any(|word| action.contains(word)) {
        let message =
            "The emulator has no user pools of this platform, no sign-in and no gateways; its README says what it has.";
        return ApiError::bad("UnsupportedOperation.NotEmulated", message);
    }
    ApiError::new(StatusCode::NOT_FOUND, "InvalidAction.NotFound", "There is no such action in this version.")
}

/// A role that an agent took may fetch credentials for that agent, and nothing else: what the vendor's ready-made policy
/// `AliyunAgentIdentityDataGetCredentialAccess` allows. Which agent is checked where its token is read.
fn may(caller: &Caller, action: &str, version: &str) -> Result<(), ApiError> {
    let Some(session) = caller.session.as_ref().filter(|session| session.agent.is_some()) else { return Ok(()) };
    if version == DATA && ["GetResourceAPIKey", "GetResourceOAuth2Token"].contains(&action) {
        return Ok(());
    }
    let service = match version {
        DATA => "agentidentitydata",
        // IMS has no permissions of its own.
        RAM | IMS => "ram",
        EIAM => "eiam",
        _ => "agentidentity",
    };
    Err(ApiError::no_permission(format!("{service}:{action}"), &session.role))
}

async fn data(call: &Call<'_>, caller: &Caller, action: &str) -> Answer {
    match action {
        "GetWorkloadAccessToken" => workload_token::plain(call),
        "GetWorkloadAccessTokenForUserId" => workload_token::for_user(call),
        "GetWorkloadAccessTokenForJWT" => workload_token::for_jwt(call).await,
        "GetResourceAPIKey" => outbound::api_key(call, caller),
        "GetResourceOAuth2Token" => outbound::oauth2_token(call, caller).await,
        _ => consent::complete(call).await,
    }
}

fn read(call: &Call<'_>, action: &str) -> Answer {
    match action {
        "GetIdentityProvider" => identity_providers::get(call),
        "ListIdentityProviders" => identity_providers::list(call),
        "GetWorkloadIdentity" => workloads::get(call),
        "ListWorkloadIdentities" => workloads::list(call),
        "GetOAuth2CredentialProvider" => oauth2_providers::get(call),
        "ListOAuth2CredentialProviders" => oauth2_providers::list(call),
        "GetAPIKeyCredentialProvider" => api_keys::get(call),
        "ListAPIKeyCredentialProviders" => api_keys::list(call),
        "GetTokenVault" => token_vaults::get(call),
        _ => token_vaults::list(call),
    }
}

async fn write(call: &Call<'_>, action: &str) -> Answer {
    match action {
        "CreateIdentityProvider" => identity_providers::create(call).await,
        "UpdateIdentityProvider" => identity_providers::update(call).await,
        "DeleteIdentityProvider" => identity_providers::delete(call).await,
        "CreateWorkloadIdentity" => workloads::create(call).await,
        "UpdateWorkloadIdentity" => workloads::update(call).await,
        "DeleteWorkloadIdentity" => workloads::delete(call).await,
        "CreateOAuth2CredentialProvider" => oauth2_providers::create(call).await,
        "UpdateOAuth2CredentialProvider" => oauth2_providers::update(call).await,
        "DeleteOAuth2CredentialProvider" => oauth2_providers::delete(call).await,
        "CreateAPIKeyCredentialProvider" => api_keys::create(call).await,
        "UpdateAPIKeyCredentialProvider" => api_keys::update(call).await,
        "DeleteAPIKeyCredentialProvider" => api_keys::delete(call).await,
        "CreateTokenVault" => token_vaults::create(call).await,
        "UpdateTokenVault" => token_vaults::update(call).await,
        _ => token_vaults::delete(call).await,
    }
}

/// The answer of an action that has nothing to say.
pub(super) fn nothing() -> Value {
    json!({})
}
