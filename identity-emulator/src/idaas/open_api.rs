//! `GenerateOauthToken` of the OpenAPI: a token for whoever signs as the account or one of its roles (contract section 7).
//!
//! Signature, versions and the form of errors are those of every product behind that gateway: the dialect of Agent Identity has
//! them, and its account is this one's.

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Scope;
use super::access_token::issue;
use super::error::IdaasError;
use super::token::{ACCESS_TOKEN, CLIENT_CREDENTIALS, Exchange, TOKEN_EXCHANGE, own};
use crate::agent_identity::{Answer, ApiError, Call};

pub(crate) async fn generate_oauth_token(call: &Call<'_>) -> Answer {
    let (core, form) = (call.core, &call.form);
    if form.required("InstanceId")? != core.idaas.instance {
        return Err(ApiError::not_found("Instance"));
    }
    let application = core.vault.read().idaas.applications.get(form.required("ApplicationId")?).cloned();
    let application = application.ok_or_else(|| ApiError::not_found("Application"))?;
    let scope = Scope::of(form.required("Audience")?, form.numbered("ScopeValues"))?;
    let token = match form.text("GrantType").unwrap_or(CLIENT_CREDENTIALS) {
        CLIENT_CREDENTIALS => own(core, &application, scope)?,
        TOKEN_EXCHANGE => {
            let exchange = Exchange {
                subject: (Some(form.required("SubjectToken")?), Some(form.required("SubjectTokenType")?)),
                requested: form.text("RequestedTokenType"),
                actor: (None, None),
            };
            exchange.token(core, &application, scope).await.map_err(of_subject)?
        }
        _ => return Err(ApiError::invalid("GrantType", "must be client_credentials or that of token exchange")),
    };
    let issued = issue(core, &token).await?;
    Ok(json!({ "TokenResponse": {
        "AccessToken": issued.expose_secret(),
        "TokenType": "Bearer",
        "IssuedTokenType": ACCESS_TOKEN,
        "ExpiresIn": token.life.1 - token.life.0,
        "ExpiresAt": token.life.1,
    } }))
}

/// All that can be wrong with an exchange but its scope is the user's token.
fn of_subject(error: IdaasError) -> ApiError {
    if error.code() == "invalid_request" {
        return ApiError::bad("InvalidParameter.SubjectToken", error.to_string());
    }
    error.into()
}

/// What the token endpoint would have said, in the form of the OpenAPI.
impl From<IdaasError> for ApiError {
    fn from(error: IdaasError) -> Self {
        let code = match error.code() {
            "server_error" => return Self::internal("The token was not made; the emulator's log says why."),
            "invalid_scope" => "InvalidParameter.ScopeValues",
            _ => "InvalidParameter",
        };
        Self::bad(code, error.to_string())
    }
}
