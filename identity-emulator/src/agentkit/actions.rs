//! One endpoint, many actions: contract sections 1, 4 and 5.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use super::error::ApiError;
use super::signature::{Caller, Credential, verify};
use super::{REGION, api_keys, body, consent, inbound, outbound, permission, pool_clients, providers};
use super::{registered_providers, sts, user_credentials, user_pools, workloads};
use crate::canonical::Received;
use crate::core::Core;
use crate::random;

const ID: (&str, &str) = ("id", "2025-10-30");
const STS: (&str, &str) = ("sts", "2018-01-01");
const LOG_ID: HeaderName = HeaderName::from_static("x-tt-logid");

/// Every action, and its name in the vendor's Python packages.
const ACTIONS: [(&str, &str); 46] = [
    ("AssumeRole", "assume_role"),
    ("AssumeRoleWithOIDC", "assume_role_with_oidc"),
    ("AttachInboundAuthConfig", "attach_inbound_auth_config"),
    ("BatchGetOauth2CredentialProviders", "batch_get_oauth2_credential_providers"),
    ("CheckPermission", "check_permission"),
    ("CompleteResourceTokenAuth", "complete_resource_token_auth"),
    ("CreateApiKeyCredentialProvider", "create_api_key_credential_provider"),
    ("CreateInboundAuthConfig", "create_inbound_auth_config"),
    ("CreateOauth2CredentialProvider", "create_oauth2_credential_provider"),
    ("CreateOauth2CredentialProviderDcr", "create_oauth2_credential_provider_dcr"),
    ("CreateUserCredential", "create_user_credential"),
    ("CreateUserPool", "create_user_pool"),
    ("CreateUserPoolClient", "create_user_pool_client"),
    ("CreateWorkloadIdentity", "create_workload_identity"),
    ("CreateWorkloadPool", "create_workload_pool"),
    ("DeleteApiKeyCredentialProvider", "delete_api_key_credential_provider"),
    ("DeleteInboundAuthConfig", "delete_inbound_auth_config"),
    ("DeleteOauth2CredentialProvider", "delete_oauth2_credential_provider"),
    ("DeleteUserCredential", "delete_user_credential"),
    ("DeleteWorkloadIdentity", "delete_workload_identity"),
    ("GetApiKeyCredentialProvider", "get_api_key_credential_provider"),
    ("GetOauth2CredentialProvider", "get_oauth2_credential_provider"),
    ("GetResourceApiKey", "get_resource_api_key"),
    ("GetResourceOauth2Token", "get_resource_oauth2_token"),
    ("GetUserCredential", "get_user_credential"),
    ("GetUserPool", "get_user_pool"),
    ("GetUserPoolClient", "get_user_pool_client"),
    ("GetWorkloadAccessToken", "get_workload_access_token"),
    ("GetWorkloadAccessTokenForJWT", "get_workload_access_token_for_jwt"),
    ("GetWorkloadAccessTokenForUserId", "get_workload_access_token_for_user_id"),
    ("GetWorkloadIdentity", "get_workload_identity"),
    ("GetWorkloadPool", "get_workload_pool"),
    ("ListApiKeyCredentialProviders", "list_api_key_credential_providers"),
    ("ListCredentialProviders", "list_credential_providers"),
    ("ListInboundAuthConfigs", "list_inbound_auth_configs"),
    ("ListOauth2CredentialProviders", "list_oauth2_credential_providers"),
    ("ListUserPoolClients", "list_user_pool_clients"),
    ("ListUserPools", "list_user_pools"),
    ("ListWorkloadIdentities", "list_workload_identities"),
    ("Oauth2Callback", "oauth2_callback"),
    ("UpdateApiKeyCredentialProvider", "update_api_key_credential_provider"),
    ("UpdateOauth2CredentialProvider", "update_oauth2_credential_provider"),
    ("UpdateUserCredential", "update_user_credential"),
    ("UpdateUserPool", "update_user_pool"),
    ("UpdateUserPoolClient", "update_user_pool_client"),
    ("UpdateWorkloadIdentity", "update_workload_identity"),
];

/// What the query says is wanted.
struct Wanted {
    action: String,
    version: String,
}

impl Wanted {
    fn read(query: &str) -> Self {
        let mut wanted = Self { action: String::new(), version: String::new() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "Action" => wanted.action = value.into_owned(),
                "Version" => wanted.version = value.into_owned(),
                _ => {}
            }
        }
        wanted
    }

    fn known(&self) -> Option<(&'static str, &'static str)> {
        ACTIONS.into_iter().find(|(action, _)| *action == self.action)
    }

    fn is_sts(&self) -> bool {
        self.action.starts_with("AssumeRole")
    }
}

/// The operation of a request to the endpoint, by the name that the vendor's packages use, or `"unknown"`.
pub(crate) fn operation(query: Option<&str>) -> &'static str {
    Wanted::read(query.unwrap_or_default()).known().map_or("unknown", |(_, operation)| operation)
}

/// One call, its caller known.
pub(super) struct Call<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) caller: Caller,
    pub(super) region: &'a str,
    pub(super) received: Received<'a>,
}

pub(super) type Answer = Result<Value, ApiError>;

pub(crate) async fn serve(core: &Arc<Core>, received: Received<'_>) -> Response {
    let wanted = Wanted::read(received.uri.query().unwrap_or_default());
    let service = if wanted.is_sts() { STS.0 } else { ID.0 };
    let (region, service, answer) = if wanted.action == "AssumeRoleWithOIDC" {
        // Anonymous: the token in the body is the credential.
        (REGION, service, Box::pin(sts::assume_role_with_oidc(core, received)).await)
    } else {
        match Credential::read(received.headers) {
            Err(error) => (REGION, service, Err(error)),
            Ok(credential) => {
                let answer = Box::pin(answer(core, &wanted, &credential, received)).await;
                (credential.region, credential.service, answer)
            }
        }
    };
    enveloped(core, &wanted, region, service, answer)
}

fn enveloped(core: &Core, wanted: &Wanted, region: &str, service: &str, answer: Answer) -> Response {
    let at = core.clock.now().strftime("%Y%m%d%H%M%S").to_string();
    let request_id = format!("{at}{}", random::uuid().replace('-', "").to_ascii_uppercase());
    let mut metadata = json!({
        "RequestId": request_id,
        "Action": wanted.action,
        "Version": wanted.version,
        "Service": service,
        "Region": region,
    });
    let (status, body) = match answer {
        Ok(result) => (StatusCode::OK, json!({ "ResponseMetadata": metadata, "Result": result })),
        Err(error) => {
            metadata["Error"] = error.body();
            (error.status, json!({ "ResponseMetadata": metadata }))
        }
    };
    (status, [(CACHE_CONTROL, "no-store"), (LOG_ID, request_id.as_str())], Json(body)).into_response()
}

async fn answer(core: &Arc<Core>, wanted: &Wanted, credential: &Credential<'_>, received: Received<'_>) -> Answer {
    let service = [ID, STS].into_iter().find(|(service, _)| *service == credential.service);
    let Some((service, version)) = service else {
        let message = "The service in the Credential is neither id nor sts";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "ServiceNotFound", message));
    };
    let caller = verify(&core.agentkit.access, credential, received, core.clock.now())?;
    let belongs = wanted.is_sts() == (service == STS.0) && wanted.version == version;
    if !belongs || wanted.known().is_none() {
        let message = "The service has no such Action in this Version";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "InvalidActionOrVersion", message));
    }
    let call = Call { core, caller, region: credential.region, received };
    if wanted.is_sts() {
        return sts::assume_role(&call);
    }
    let members = body::members(received)?;
    if let Some(answer) = Box::pin(vault_action(&call, &wanted.action, members.clone())).await {
        return answer;
    }
    management(&call, &wanted.action, members).await
}

/// Tokens and what they open.
async fn vault_action(call: &Call<'_>, action: &str, members: serde_json::Map<String, Value>) -> Option<Answer> {
    Some(match action {
        "GetWorkloadAccessToken" => workloads::token(call, members).await,
        "GetWorkloadAccessTokenForUserId" => workloads::token_for_user(call, members).await,
        "GetWorkloadAccessTokenForJWT" => workloads::token_for_jwt(call, members).await,
        "GetResourceApiKey" => outbound::api_key(call, members).await,
        "GetResourceOauth2Token" => outbound::oauth2_token(call, members).await,
        "CompleteResourceTokenAuth" => consent::complete(call, members).await,
        "Oauth2Callback" => consent::handed_over(call, members).await,
        "CreateUserCredential" => user_credentials::create(call, members).await,
        "GetUserCredential" => user_credentials::get(call, members).await,
        "UpdateUserCredential" => user_credentials::update(call, members).await,
        "DeleteUserCredential" => user_credentials::delete(call, members).await,
        "CheckPermission" => permission::check(call, members),
        _ => return None,
    })
}

async fn management(call: &Call<'_>, action: &str, members: serde_json::Map<String, Value>) -> Answer {
    match action {
        "CreateWorkloadIdentity" => workloads::create(call, members).await,
        "GetWorkloadIdentity" => workloads::get(call, members),
        "UpdateWorkloadIdentity" => workloads::update(call, members).await,
        "DeleteWorkloadIdentity" => workloads::delete(call, members).await,
        "ListWorkloadIdentities" => workloads::list(call, members),
        "CreateWorkloadPool" => workloads::create_pool(call, members).await,
        "GetWorkloadPool" => workloads::get_pool(call, members),
        "CreateOauth2CredentialProvider" => providers::create(call, members).await,
        "CreateOauth2CredentialProviderDcr" => registered_providers::create(call, members).await,
        "GetOauth2CredentialProvider" => providers::get(call, members),
        "UpdateOauth2CredentialProvider" => providers::update(call, members).await,
        "DeleteOauth2CredentialProvider" => providers::delete(call, members).await,
        "ListOauth2CredentialProviders" => providers::list(call, members),
        "BatchGetOauth2CredentialProviders" => providers::batch(call, members),
        "ListCredentialProviders" => providers::list_all(call, members),
        "CreateApiKeyCredentialProvider" => api_keys::create(call, members).await,
        "GetApiKeyCredentialProvider" => api_keys::get(call, members),
        "UpdateApiKeyCredentialProvider" => api_keys::update(call, members).await,
        "DeleteApiKeyCredentialProvider" => api_keys::delete(call, members).await,
        "ListApiKeyCredentialProviders" => api_keys::list(call, members),
        "CreateUserPool" => user_pools::create(call, members).await,
        "GetUserPool" => user_pools::get(call, members),
        "UpdateUserPool" => user_pools::update(call, members).await,
        "ListUserPools" => user_pools::list(call, members),
        "CreateUserPoolClient" => pool_clients::create(call, members).await,
        "GetUserPoolClient" => pool_clients::get(call, members),
        "UpdateUserPoolClient" => pool_clients::update(call, members).await,
        "ListUserPoolClients" => pool_clients::list(call, members),
        "CreateInboundAuthConfig" => inbound::create(call, members).await,
        "AttachInboundAuthConfig" => inbound::attach(call, members).await,
        "ListInboundAuthConfigs" => inbound::list(call, members),
        "DeleteInboundAuthConfig" => inbound::delete(call, members).await,
        _ => Err(ApiError::new(StatusCode::NOT_FOUND, "InvalidActionOrVersion", "This action is not emulated")),
    }
}
