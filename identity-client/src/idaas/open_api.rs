//! The OpenAPI operation `GenerateOauthToken`: tokens for who is a RAM role, without a secret of IDaaS.

use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::{
    scope::Permissions,
    tokens::{ACCESS_TOKEN, Kind, Lifetime, Shared, TOKEN_EXCHANGE, issued, protocol},
};
use crate::{
    acs3::{self, AccessKey},
    clock::Moment,
    error::Error,
    platform::Issued,
    transport::{Answer, Outgoing, Repeat},
    wire::object,
};

const GENERATE: acs3::Operation<'_> = acs3::Operation { action: "GenerateOauthToken", version: "2021-12-01" };

/// Asks for a token of the agent, or in exchange for a user's. RPC style: everything is in the query, a user's token too, for
/// whether a form is taken as well is not established; it is TLS that keeps it.
pub(crate) async fn ask(
    shared: &Shared,
    key: &AccessKey,
    permissions: Permissions<'_>,
    subject: Option<&str>,
    begun: Moment,
) -> Result<Answer, Error> {
    let endpoint = shared.open_api.as_ref().ok_or_else(|| Error::invalid("there is no OpenAPI endpoint"))?;
    let mut url = endpoint.url().clone();
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("ApplicationId", shared.client.as_str());
        query.append_pair("Audience", permissions.audience());
        query.append_pair("InstanceId", &shared.instance_id);
        for (index, permission) in permissions.names().enumerate() {
            query.append_pair(&format!("ScopeValues.{}", index + 1), permission);
        }
        if let Some(subject) = subject {
            query.append_pair("GrantType", TOKEN_EXCHANGE);
            query.append_pair("RequestedTokenType", ACCESS_TOKEN);
            query.append_pair("SubjectToken", subject);
            query.append_pair("SubjectTokenType", ACCESS_TOKEN);
        }
    }
    let prepare = || {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
        let mut outgoing =
            Outgoing { method: Method::POST, url: url.clone(), headers, body: Some(bytes::Bytes::new()) };
        acs3::sign(&mut outgoing, key, GENERATE, shared.clock.now().wall)?;
        Ok(outgoing)
    };
    shared.transport.send("get an IDaaS token by the OpenAPI", Repeat::Safely, begun, prepare).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OpenApiAnswer {
    token_response: Option<TokenResponse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TokenResponse {
    access_token: Option<SecretString>,
    token_type: Option<String>,
    issued_token_type: Option<String>,
    expires_in: Option<Value>,
    expires_at: Option<Value>,
}

pub(crate) fn read(body: &[u8], asked_at: Moment) -> Result<Issued, Error> {
    let answer: OpenApiAnswer = object(body).ok_or_else(|| protocol("is not the JSON object that it should be"))?;
    let token = answer.token_response.ok_or_else(|| protocol("holds no token"))?;
    let lifetime = Lifetime { expires_in: token.expires_in, expires_at: token.expires_at };
    let kind = Kind { form: token.token_type.as_deref(), meaning: token.issued_token_type.as_deref() };
    issued(token.access_token, &kind, &lifetime, asked_at)
}
