//! An agent as its author writes it. Where its credentials are kept is decided where its client is built, and nowhere here.

use identity_client::{AccessToken, ApiKey, Error, RequestContext, requires_access_token, requires_api_key};

#[requires_api_key(provider_name = "openai-key")]
#[requires_access_token(provider_name = "crm-oauth", auth_flow = "USER_FEDERATION", scopes = ["docx:document:readonly"])]
pub(crate) async fn summarise(
    context: &RequestContext,
    api_key: ApiKey,
    access_token: AccessToken,
) -> Result<(ApiKey, AccessToken), Error> {
    Ok((api_key, access_token))
}

#[requires_access_token(provider_name = "machine-oauth", auth_flow = "M2M", scopes = ["documents.index"])]
pub(crate) async fn index(context: &RequestContext, access_token: AccessToken) -> Result<AccessToken, Error> {
    Ok(access_token)
}
