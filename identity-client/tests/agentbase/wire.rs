//! Every row of the recorded traffic: what the vendor's SDK sent is what we send, and what it was answered is read.

use std::time::{Duration, SystemTime};

use identity_client::{
    AccessToken, Acquired, AgentIdentityName, ApiKey, CredentialKind, Error, ErrorKind, IdentityClient,
    PendingAuthorization, PendingParts, ProviderName, Scope, User,
    agentbase::{AgentBase, IdentityUpdate, ListOptions, NewIdentity, OAuth2Client, SortDirection},
};
use serde_json::{Value, json};

use crate::support::{RETURN_URL, Reply, SESSION, Server, TOKEN_PATH, client};

const RECORDED: &str = include_str!("../../../tests/fixtures/wire/greennode.jsonl");

/// Rows of requests that this client does not make, and why.
const NOT_OURS: [(&str, &str); 5] = [
    ("authorize_delegated_api_key", "a step of the user's browser"),
    ("handle_oauth2_callback", "a step of the user's browser"),
    ("redirect_to_provider_authorize", "a step of the user's browser"),
    ("flow.identity_autocreated", "W8: reading a credential creates nothing, and an empty list is left out"),
    ("update_agent_identity.partial_sends_null", "W13: the list that is there is sent back; see management.rs"),
];

/// What came of a call, in words that a row can be compared with.
#[derive(Debug, PartialEq)]
enum Outcome {
    Record(Value),
    Page(Vec<Option<String>>, bool),
    Deleted,
    Credential(String),
    NeedsConsent,
    Failed(ErrorKind),
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Failed(error.kind())
    }
}

#[tokio::test]
async fn every_recorded_exchange_is_ours_too() {
    let mut driven = 0;
    for row in RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let op = row["op"].as_str().unwrap().to_owned();
        let (request, response) = (row["request"].clone(), row["response"].clone());
        if request["path"] == TOKEN_PATH || NOT_OURS.iter().any(|(skipped, _)| op == *skipped) {
            continue;
        }
        let answer = response.clone();
        let replacing =
            request["method"] == "PUT" && request["path"].as_str().unwrap().contains("/v1/agent-identities/");
        let server = Server::new(move |seen| {
            // Our update of an identity reads it first.
            let status = if replacing && seen.method == "GET" { 200 } else { answer["status"].as_u64().unwrap() };
            let body = match &answer["body"] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                body => body.to_string(),
            };
            Reply::text(u16::try_from(status).unwrap(), &body)
        })
        .await;
        let outcome = drive(&server.agentbase(), &request).await.unwrap_or_else(Outcome::from);
        assert_eq!(outcome, expected(&request, &response), "{op}");
        let calls = server.calls();
        let sent = if replacing { calls.last() } else { calls.first() }.unwrap_or_else(|| panic!("{op}: nothing sent"));
        assert_eq!(sent.method, request["method"].as_str().unwrap(), "{op}");
        assert_eq!(sent.path, request["path"].as_str().unwrap(), "{op}");
        assert_eq!(json!(sent.query), request["query"], "{op}");
        assert_eq!(sent.bearer(), "iam-token-1", "{op}");
        assert!(!sent.headers.contains_key("x-greennode-agentbase-access-token"), "{op}");
        assert_eq!(
            sent.headers.get("content-type").map(String::as_str),
            request["headers"]["content-type"].as_str(),
            "{op}"
        );
        assert_eq!(sent.json(), meaning(&request["body"]), "{op}");
        assert!(!sent.body.contains("null"), "{op}: absent fields are left out: {}", sent.body);
        driven += 1;
    }
    assert!(driven >= 50, "only {driven} rows");
}

/// A request body without what says nothing: nulls, and a force that is not asked for.
fn meaning(body: &Value) -> Value {
    let Value::Object(fields) = body else { return body.clone() };
    let silent =
        |name: &str, value: &Value| value.is_null() || (name.starts_with("force") && *value == Value::Bool(false));
    fields
        .iter()
        .filter(|(name, value)| !silent(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What the recorded answer must come to.
fn expected(request: &Value, response: &Value) -> Outcome {
    let (status, body) = (response["status"].as_u64().unwrap(), &response["body"]);
    let polling = request["body"]["sessionId"].is_string();
    match status {
        200..300 => {}
        400 => return Outcome::Failed(ErrorKind::InvalidRequest),
        401 => return Outcome::Failed(ErrorKind::Unauthenticated),
        403 => return Outcome::Failed(ErrorKind::PermissionDenied),
        404 if polling => return Outcome::Failed(ErrorKind::AuthorizationExpired),
        404 => return Outcome::Failed(ErrorKind::NotFound),
        409 => return Outcome::Failed(ErrorKind::Conflict),
        429 => return Outcome::Failed(ErrorKind::RateLimited),
        503 => return Outcome::Failed(ErrorKind::Unavailable),
        other => panic!("a row with status {other}"),
    }
    if body.is_null() {
        return Outcome::Deleted;
    }
    if let Some(content) = body["content"].as_array() {
        let names = content.iter().map(|item| item["name"].as_str().map(str::to_owned)).collect();
        return Outcome::Page(names, body["hasNext"].as_bool().unwrap());
    }
    if let Some(secret) = body["apikey"].as_str().or(body["accessToken"].as_str()) {
        return Outcome::Credential(secret.to_owned());
    }
    if body["createdAt"].is_string() {
        return Outcome::Record(body.clone());
    }
    match body["status"].as_str() {
        Some("FAILED") => Outcome::Failed(ErrorKind::AuthorizationDenied),
        // This server gives the same answer to the last question as well, and then it is none.
        Some("COMPLETED") => Outcome::Failed(ErrorKind::Protocol),
        _ => Outcome::NeedsConsent,
    }
}

/// Makes the call that sends this request.
async fn drive(agentbase: &AgentBase, request: &Value) -> Result<Outcome, Error> {
    let path: Vec<&str> =
        request["path"].as_str().unwrap().trim_start_matches("/identity/api/v1/").split('/').collect();
    let body = &request["body"];
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    let urls = || body["allowedReturnUrls"].as_array().cloned().unwrap_or_default();
    let oauth =
        || OAuth2Client::new(text("clientId"), text("clientSecret"), text("authorizationUrl"), text("tokenUrl"));
    let (identities, keys) = (agentbase.identities(), agentbase.api_key_providers());
    let (delegated, oauths) = (agentbase.delegated_api_key_providers(), agentbase.oauth2_providers());
    let client = client(agentbase.clone());
    Ok(match (request["method"].as_str().unwrap(), path.as_slice()) {
        ("POST", ["agent-identities"]) => {
            let mut identity = NewIdentity::new(text("name"))?;
            if let Some(description) = body["description"].as_str() {
                identity = identity.with_description(description);
            }
            for url in urls() {
                identity = identity.with_allowed_return_url(url.as_str().unwrap());
            }
            identity_record(&identities.create(identity).await?)
        }
        ("GET", ["agent-identities"]) => {
            let page = identities.list(options(request)).await?;
            Outcome::Page(page.items.into_iter().map(|item| item.name).collect(), page.has_next)
        }
        ("GET", ["agent-identities", name]) => identity_record(&identities.get(name).await?),
        ("PUT", ["agent-identities", name]) => {
            let urls: Vec<String> = urls().iter().map(|url| url.as_str().unwrap().to_owned()).collect();
            let update = IdentityUpdate::new().with_description(text("description")).with_allowed_return_urls(urls);
            identity_record(&identities.update(name, update).await?)
        }
        ("DELETE", ["agent-identities", name]) => deleted(identities.delete(name).await)?,
        ("POST", [_, "api-key-providers"]) => key_record(&keys.create(&text("name"), text("apikey")).await?),
        ("GET", [_, "api-key-providers"]) => {
            let page = keys.list(options(request)).await?;
            Outcome::Page(page.items.into_iter().map(|item| item.name).collect(), page.has_next)
        }
        ("GET", [_, "api-key-providers", name]) => key_record(&keys.get(name).await?),
        ("PUT", [_, "api-key-providers", name]) => key_record(&keys.rotate(name, text("apikey")).await?),
        ("DELETE", [_, "api-key-providers", name]) => deleted(keys.delete(name).await)?,
        ("POST", [_, "delegated-api-key-providers"]) => key_record(&delegated.create(&text("name")).await?),
        ("GET", [_, "delegated-api-key-providers"]) => {
            let page = delegated.list(options(request)).await?;
            Outcome::Page(page.items.into_iter().map(|item| item.name).collect(), page.has_next)
        }
        ("GET", [_, "delegated-api-key-providers", name]) => key_record(&delegated.get(name).await?),
        ("DELETE", [_, "delegated-api-key-providers", name]) => deleted(delegated.delete(name).await)?,
        ("POST", [_, "oauth2-providers"]) => oauth_record(&oauths.create(&text("name"), oauth()?).await?),
        ("GET", [_, "oauth2-providers"]) => {
            let page = oauths.list(options(request)).await?;
            Outcome::Page(page.items.into_iter().map(|item| item.name).collect(), page.has_next)
        }
        ("GET", [_, "oauth2-providers", name]) => oauth_record(&oauths.get(name).await?),
        ("PUT", [_, "oauth2-providers", name]) => oauth_record(&oauths.update(name, oauth()?).await?),
        ("DELETE", [_, "oauth2-providers", name]) => deleted(oauths.delete(name).await)?,
        ("GET", [_, "api-key-providers", provider, _, _, "api-key"]) => {
            key(client.api_key(*provider).for_agent().acquire().await?)
        }
        ("POST", [_, _, provider, _, _, "api-key"]) => key(ask_for_key(&client, provider, body).await?),
        ("POST", [_, _, provider, _, _, "tokens", "m2m"]) => {
            token(client.access_token(*provider).with_scopes(scopes(body)).acquire().await?)
        }
        ("POST", [_, _, provider, _, _, "tokens", "3lo"]) => token(ask_for_token(&client, provider, body).await?),
        (method, path) => panic!("no call for {method} {path:?}"),
    })
}

async fn ask_for_key(client: &IdentityClient, provider: &str, body: &Value) -> Result<Acquired<ApiKey>, Error> {
    if let Some(pending) = pending(client, CredentialKind::ApiKey, provider, body) {
        return client.resume(pending).acquire().await;
    }
    let user = User::asserted(body["agentUserId"].as_str().unwrap())?;
    let mut request = client.api_key(provider).for_user(&user).with_return_url(body["returnUrl"].as_str().unwrap());
    if let Some(state) = body["customState"].as_str() {
        request = request.with_custom_state(state);
    }
    request.with_force(body["forceDelegation"] == true).acquire().await
}

async fn ask_for_token(client: &IdentityClient, provider: &str, body: &Value) -> Result<Acquired<AccessToken>, Error> {
    if let Some(pending) = pending(client, CredentialKind::AccessToken, provider, body) {
        return client.resume(pending).acquire().await;
    }
    let user = User::asserted(body["agentUserId"].as_str().unwrap())?;
    let request = client.access_token(provider).for_user(&user).with_scopes(scopes(body));
    let mut request = request.with_return_url(body["returnUrl"].as_str().unwrap());
    if let Some(state) = body["customState"].as_str() {
        request = request.with_custom_state(state);
    }
    for (name, value) in parameters(body) {
        request = request.with_custom_parameter(name, value);
    }
    request.with_force(body["forceAuthentication"] == true).acquire().await
}

/// The consent that a polling request asks about.
fn pending(
    client: &IdentityClient,
    credential: CredentialKind,
    provider: &str,
    body: &Value,
) -> Option<PendingAuthorization> {
    let session = body["sessionId"].as_str()?;
    let platform = client.platform();
    Some(PendingAuthorization::new(PendingParts {
        platform: platform.name.to_owned(),
        endpoint: platform.endpoint.to_owned(),
        agent_identity: platform.agent_identity.clone(),
        credential,
        provider: ProviderName::new(provider).unwrap(),
        user: User::asserted(body["agentUserId"].as_str().unwrap()).unwrap(),
        scopes: scopes(body).iter().map(|scope| Scope::new(scope).unwrap()).collect(),
        return_url: body["returnUrl"].as_str().map(str::to_owned),
        authorization_url: "https://agentbase.example.com/authorize".to_owned(),
        session: Some(session.to_owned()),
        custom_state: body["customState"].as_str().map(str::to_owned),
        custom_parameters: parameters(body),
        started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        expires_at: None,
    }))
}

fn scopes(body: &Value) -> Vec<String> {
    body["scopes"].as_array().into_iter().flatten().map(|scope| scope.as_str().unwrap().to_owned()).collect()
}

fn parameters(body: &Value) -> Vec<(String, String)> {
    let parameters = body["customParameters"].as_object().into_iter().flatten();
    parameters.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn options(request: &Value) -> ListOptions {
    let query = &request["query"];
    let number = |name: &str| query[name].as_str().map(|text| text.parse::<u32>().unwrap());
    let mut options = ListOptions::new();
    if let Some(page) = number("page") {
        options = options.with_page(page);
    }
    if let Some(size) = number("size") {
        options = options.with_size(size);
    }
    if let Some(field) = query["sortBy"].as_str() {
        assert_eq!(query["sortDirection"], "ASC");
        options = options.with_sort(field, SortDirection::Ascending);
    }
    options
}

fn key(acquired: Acquired<ApiKey>) -> Outcome {
    match acquired {
        Acquired::Ready(key) => Outcome::Credential(key.expose_secret().to_owned()),
        Acquired::NeedsConsent(pending) => consent(&pending),
        _ => panic!("an outcome that is new"),
    }
}

fn token(acquired: Acquired<AccessToken>) -> Outcome {
    match acquired {
        Acquired::Ready(token) => Outcome::Credential(token.expose_secret().to_owned()),
        Acquired::NeedsConsent(pending) => consent(&pending),
        _ => panic!("an outcome that is new"),
    }
}

fn consent(pending: &PendingAuthorization) -> Outcome {
    let parts = pending.parts();
    assert_eq!(parts.session.as_deref(), Some(SESSION));
    assert_eq!(parts.return_url.as_deref(), Some(RETURN_URL));
    assert_eq!(parts.agent_identity, AgentIdentityName::new("demo-agent").unwrap());
    assert!(pending.authorization_url().starts_with("https://agentbase.example.com/"));
    Outcome::NeedsConsent
}

fn deleted(outcome: Result<(), Error>) -> Result<Outcome, Error> {
    outcome.map(|()| Outcome::Deleted)
}

/// In the recording's own form again, to compare every field.
fn identity_record(identity: &identity_client::agentbase::AgentIdentity) -> Outcome {
    Outcome::Record(json!({
        "id": identity.id, "name": identity.name, "description": identity.description,
        "allowedReturnUrls": identity.allowed_return_urls,
        "createdAt": written(identity.created_at), "updatedAt": written(identity.updated_at),
    }))
}

fn key_record(provider: &identity_client::agentbase::ApiKeyProvider) -> Outcome {
    Outcome::Record(json!({
        "id": provider.id, "name": provider.name, "status": provider.status.as_ref().map(ToString::to_string),
        "createdAt": written(provider.created_at), "updatedAt": written(provider.updated_at),
    }))
}

fn oauth_record(provider: &identity_client::agentbase::OAuth2Provider) -> Outcome {
    Outcome::Record(json!({
        "id": provider.id, "name": provider.name, "clientId": provider.client_id,
        "authorizationUrl": provider.authorization_url, "tokenUrl": provider.token_url,
        "status": provider.status.as_ref().map(ToString::to_string), "callbackUrl": provider.callback_url,
        "createdAt": written(provider.created_at), "updatedAt": written(provider.updated_at),
    }))
}

fn written(time: Option<SystemTime>) -> Option<String> {
    time.map(|time| jiff::Timestamp::try_from(time).unwrap().to_string())
}

#[tokio::test]
async fn std_6749_02_the_recorded_token_request_with_one_authentication_method() {
    let row: Value = serde_json::from_str(RECORDED.lines().next().unwrap()).unwrap();
    assert_eq!(row["op"], "iam_token");
    let server = Server::raw(move |seen| {
        if seen.is_iam() {
            Reply::json(200, &row["response"]["body"])
        } else {
            Reply::json(200, &json!({ "apikey": "k-1" }))
        }
    })
    .await;
    server.client().api_key("demo-key").for_agent().await.unwrap();
    let seen = server.seen();
    let asked = &seen[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", TOKEN_PATH));
    assert_eq!(asked.body, "grant_type=client_credentials");
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    // `service-account-1:hunter2-client-secret-%+ä` in UTF-8, nothing percent-encoded.
    assert_eq!(asked.headers["authorization"], "Basic c2VydmljZS1hY2NvdW50LTE6aHVudGVyMi1jbGllbnQtc2VjcmV0LSUrw6Q=");
    assert!(asked.query.is_empty(), "no secret in a URI");
    assert_eq!(seen[1].bearer(), "synthetic-iam-token");
}
