//! Every row of the recorded traffic: what the vendor's SDK sent is what we send, and what it was answered is read.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use futures_util::TryStreamExt as _;
use identity_client::{
    AccessToken, Acquired, CredentialKind, Error, ErrorKind, PendingAuthorization, PendingParts, Platform as _,
    ProviderName, Scope, User,
    agent_identity::{
        AgentIdentity, IdentityProviderUpdate, ListOptions, NewIdentityProvider, NewTokenVault, NewWorkloadIdentity,
        OAuth2Config, OAuth2ProviderUpdate, WorkloadIdentityUpdate,
    },
};
use serde_json::{Value, json};

use crate::support::{Recorded, Reply, Seen, Server, client};

const RECORDED: &str = include_str!("../../../tests/fixtures/wire/alibaba-agent-identity.jsonl");

/// A row of a request that this client does not make.
const NOT_OURS: [&str; 1] = ["data-009"]; // no name of a workload identity: refused when the client is built

#[tokio::test]
async fn every_recorded_exchange_is_ours_too() {
    let mut driven = 0;
    for row in RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let (id, op) = (row["id"].as_str().unwrap().to_owned(), row["op"].as_str().unwrap().to_owned());
        if NOT_OURS.contains(&id.as_str()) {
            continue;
        }
        let (answer, wanted) = (row["response"].clone(), op.clone());
        let token = row["form"]["WorkloadAccessToken"].clone();
        let server = Server::new(move |seen| {
            if seen.action() == wanted {
                return Some(recorded(&answer));
            }
            let is_token = seen.action().starts_with("GetWorkloadAccessToken");
            is_token.then(|| Reply::json(200, &json!({ "WorkloadAccessToken": token })))
        })
        .await;
        let outcome = drive(&server, &op, &row["form"], &row["query_params"]).await;
        check(&id, &row["response"], outcome);
        let asked = server.asked(&op);
        let sent = asked.last().unwrap_or_else(|| panic!("{id} {op}: nothing sent"));
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/"), "{id}");
        assert_eq!(meaning(&sent.form()), meaning(&expected(&id, &row["form"])), "{id} {op}");
        envelope(&id, sent, &row["request"]["headers"]);
        driven += 1;
    }
    assert_eq!(driven, 100);
}

fn recorded(answer: &Value) -> Reply {
    let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
    let reply = match &answer["body"] {
        Value::String(text) => Reply::text(status, text),
        body => Reply::json(status, body),
    };
    match answer["headers"]["x-acs-retry-after"].as_str() {
        Some(milliseconds) => reply.with("x-acs-retry-after", milliseconds),
        None => reply,
    }
}

/// The recorded form, with what we say besides: the flow, always.
fn expected(id: &str, form: &Value) -> BTreeMap<String, String> {
    let mut form: BTreeMap<String, String> = serde_json::from_value(form.clone()).unwrap();
    if ["data-014", "data-020"].contains(&id) {
        form.insert("OAuth2Flow".to_owned(), "USER_FEDERATION".to_owned());
    }
    if id == "control-006" || id == "control-074" {
        // The recorded one says where the provider is in both ways; one is enough.
        let mut config: Value = serde_json::from_str(&form["OAuth2ProviderConfig"]).unwrap();
        let discovery = &mut config["CustomOAuth2ProviderConfig"]["OAuth2Discovery"];
        discovery.as_object_mut().unwrap().remove("DiscoveryURL");
        form.insert("OAuth2ProviderConfig".to_owned(), config.to_string());
    }
    if form.contains_key("EncryptionConfig") {
        form.insert(
            "EncryptionConfig".to_owned(),
            r#"{"KeyType":"CUSTOMER_MANAGED_KEY","KmsKeyArn":"acs:kms:cn-beijing:1000000000000001:key/key-0001"}"#
                .to_owned(),
        );
    }
    form
}

/// Fields that hold JSON, as what they say.
fn meaning(form: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let read =
        |text: &str| serde_json::from_str(text).ok().filter(|value: &Value| value.is_array() || value.is_object());
    form.iter().map(|(name, text)| (name.clone(), read(text).unwrap_or_else(|| json!(text)))).collect()
}

fn envelope(id: &str, sent: &Seen, recorded: &Value) {
    for name in ["x-acs-action", "x-acs-version", "content-type"] {
        assert_eq!(sent.headers[name], recorded[name].as_str().unwrap(), "{id}");
    }
    let Some(authorization) = sent.headers.get("authorization") else {
        assert!(recorded["authorization"].is_null(), "{id}");
        let query: Vec<&str> = sent.query.keys().map(String::as_str).collect();
        assert_eq!(query, ["Action", "Format", "SignatureNonce", "Timestamp", "Version"]);
        assert!(!sent.headers.contains_key("x-acs-date") && !sent.headers.contains_key("x-acs-content-sha256"));
        return;
    };
    let signed = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
    let signed: Vec<&str> = signed.split(';').collect();
    // W23: what a proxy may rewrite is not signed; everything else is.
    let ours: Vec<&str> = sent
        .headers
        .keys()
        .map(String::as_str)
        .filter(|name| *name == "content-type" || *name == "host" || name.starts_with("x-acs-"))
        .collect();
    assert_eq!(signed, ours, "{id}");
}

/// What came of a call: the record as text, a credential, or an error.
async fn drive(server: &Server, op: &str, form: &Value, query: &Value) -> Result<String, Error> {
    let platform = server.platform();
    let text = |name: &str| form[name].as_str();
    let json_of = |name: &str| text(name).map(|text| serde_json::from_str::<Value>(text).unwrap());
    let list = |name: &str| -> Vec<String> {
        json_of(name).map_or_else(Vec::new, |value| serde_json::from_value(value).unwrap())
    };
    match op {
        "GetWorkloadAccessToken" => Ok(client(platform).workload_token().for_agent().await?.expose_secret().to_owned()),
        "GetWorkloadAccessTokenForUserId" => {
            let user = User::asserted(text("UserId").unwrap())?;
            Ok(client(platform).workload_token().for_user(&user).await?.expose_secret().to_owned())
        }
        "GetWorkloadAccessTokenForJWT" => {
            let user = User::asserted("user-0001")?.with_token(text("UserToken").unwrap())?;
            Ok(client(platform).workload_token().for_user(&user).await?.expose_secret().to_owned())
        }
        "AssumeRoleForWorkloadIdentity" => {
            let token = text("WorkloadAccessToken").unwrap();
            let given = server.builder().with_clock(Recorded).with_workload_token(token).build().unwrap();
            let mut request = client(given).sts_credentials().with_session_name(text("RoleSessionName").unwrap());
            if let Some(seconds) = text("DurationSeconds").filter(|seconds| *seconds != "3600") {
                request = request.with_session_duration(Duration::from_secs(seconds.parse().unwrap()));
            }
            if let Some(policy) = text("Policy") {
                request = request.with_policy(policy);
            }
            let credentials = request.await?;
            assert!(credentials.expires_at().is_some());
            Ok(format!(
                "{} {} {}",
                credentials.access_key_id(),
                credentials.expose_access_key_secret(),
                credentials.expose_security_token()
            ))
        }
        "GetResourceOAuth2Token" => token(server, form).await,
        "GetResourceAPIKey" => {
            let builder = server.builder().with_workload_token(text("WorkloadAccessToken").unwrap());
            let platform = match text("TokenVaultName") {
                Some(vault) => builder.with_token_vault(vault).build().unwrap(),
                None => builder.build().unwrap(),
            };
            let key = client(platform).api_key(text("ResourceCredentialProviderName").unwrap()).await?;
            Ok(key.expose_secret().to_owned())
        }
        "CompleteResourceTokenAuth" => {
            let identifier = json_of("UserIdentifier").unwrap();
            let user = match identifier["UserJWT"].as_str() {
                Some(token) => User::asserted("user-0001")?.with_token(token)?,
                None => User::asserted(identifier["UserId"].as_str().unwrap())?,
            };
            platform.complete(&pending(&platform, user, form)).await.map(|()| "done".to_owned())
        }
        _ => control(&platform, op, form, query, &list).await,
    }
}

fn pending(platform: &AgentIdentity, user: User, form: &Value) -> PendingAuthorization {
    let by = if user.token().is_some() { "token" } else { "id" };
    let session = form["SessionURI"].as_str().unwrap();
    let scopes: Vec<Scope> = form["Scopes"].as_str().map_or_else(Vec::new, |text| serde_json::from_str(text).unwrap());
    PendingAuthorization::new(PendingParts {
        platform: "agent-identity".to_owned(),
        endpoint: platform.describe().endpoint.to_owned(),
        agent_identity: platform.describe().agent_identity.clone(),
        credential: CredentialKind::AccessToken,
        provider: ProviderName::new(form["ResourceCredentialProviderName"].as_str().unwrap_or("p")).unwrap(),
        user,
        scopes,
        return_url: form["ResourceOAuth2ReturnURL"].as_str().map(str::to_owned),
        authorization_url: "https://idp.example.com/".to_owned(),
        session: Some(json!({ "uri": session, "by": by }).to_string()),
        custom_state: form["CustomState"].as_str().map(str::to_owned),
        custom_parameters: Vec::new(),
        started_at: SystemTime::UNIX_EPOCH,
        expires_at: None,
    })
}

/// The workload access token of the row comes from the operation for users.
async fn token(server: &Server, form: &Value) -> Result<String, Error> {
    let text = |name: &str| form[name].as_str();
    let wat = text("WorkloadAccessToken").unwrap().to_owned();
    let mut builder = server.builder().with_workload_token(wat.clone());
    if let Some(vault) = text("TokenVaultName") {
        builder = builder.with_token_vault(vault);
    }
    let platform = builder.build().unwrap();
    let user = User::asserted("user-0001")?;
    if text("SessionURI").is_some() {
        let pending = pending(&platform, user, form);
        let acquired = client(platform).resume::<AccessToken>(pending).acquire().await?;
        return Ok(match acquired {
            Acquired::Ready(token) => token.expose_secret().to_owned(),
            _ => "pending".to_owned(),
        });
    }
    let scopes: Vec<String> = text("Scopes").map_or_else(Vec::new, |text| serde_json::from_str(text).unwrap());
    let mut request =
        client(platform).access_token(text("ResourceCredentialProviderName").unwrap()).with_scopes(scopes);
    request = match text("OAuth2Flow") {
        Some("M2M") => request.for_agent(),
        Some("ON_BEHALF_OF") => request.on_behalf_of(&user).with_audience(text("Audience").unwrap()),
        _ => request.for_user(&user),
    };
    if let Some(url) = text("ResourceOAuth2ReturnURL") {
        request = request.with_return_url(url);
    }
    if let Some(state) = text("CustomState") {
        request = request.with_custom_state(state);
    }
    if let Some(parameters) = text("CustomParameters") {
        for (name, value) in serde_json::from_str::<BTreeMap<String, String>>(parameters).unwrap() {
            request = request.with_custom_parameter(name, value);
        }
    }
    Ok(match request.with_force(text("ForceAuthentication") == Some("True")).acquire().await? {
        Acquired::Ready(token) => token.expose_secret().to_owned(),
        _ => "needs consent".to_owned(),
    })
}

#[expect(clippy::too_many_lines, reason = "a table of operations")]
async fn control(
    platform: &AgentIdentity,
    op: &str,
    form: &Value,
    query: &Value,
    list: &(dyn Fn(&str) -> Vec<String> + Sync),
) -> Result<String, Error> {
    let management = platform.management();
    let text = |name: &str| form[name].as_str();
    let owned = |name: &str| text(name).map(str::to_owned);
    let options = || {
        let options = ListOptions::new().with_size(text("MaxResults").map_or(20, |size| size.parse().unwrap()));
        text("NextToken").map_or(options.clone(), |next| options.after(next))
    };
    let (idps, workloads) = (management.identity_providers(), management.workload_identities());
    let (oauth2, keys, vaults) = (
        management.oauth2_credential_providers(),
        management.api_key_credential_providers(),
        management.token_vaults(),
    );
    let vault = text("TokenVaultName");
    macro_rules! named {
        ($record:expr) => {{
            let record = $record?;
            assert!(record.create_time.is_some() && record.arn.is_some() && record.description.is_some());
            Ok(record.name.unwrap())
        }};
    }
    macro_rules! page {
        ($page:expr) => {{
            let page = $page?;
            Ok(format!("{} {:?} {:?}", page.items[0].name.as_ref().unwrap(), page.next, page.total))
        }};
    }
    let done = |()| "done".to_owned();
    match op {
        "CreateIdentityProvider" => {
            let name = text("IdentityProviderName").unwrap();
            let mut new = NewIdentityProvider::new(name, text("DiscoveryURL").unwrap(), list("AllowedAudience"))?;
            if let Some(description) = text("Description") {
                new = new.with_description(description);
            }
            named!(idps.create(new).await)
        }
        "GetIdentityProvider" => named!(idps.get(text("IdentityProviderName").unwrap()).await),
        "UpdateIdentityProvider" => {
            let mut update = IdentityProviderUpdate::default();
            update.discovery_url = owned("DiscoveryURL");
            update.allowed_audience = Some(list("AllowedAudience"));
            update.description = owned("Description");
            idps.update(text("IdentityProviderName").unwrap(), update).await.map(done)
        }
        "DeleteIdentityProvider" => idps.delete(text("IdentityProviderName").unwrap()).await.map(done),
        "ListIdentityProviders" => page!(idps.list(options()).await),
        "CreateWorkloadIdentity" => {
            let mut new = NewWorkloadIdentity::new(text("WorkloadIdentityName").unwrap())?
                .with_return_urls(list("AllowedResourceOAuth2ReturnURLs"))
                .with_consent_urls(list("AllowedConsentCallbackURLs"));
            if let Some(role) = text("RoleArn") {
                new = new.with_role(role);
            }
            if text("CreateRAMRole") == Some("True") {
                new = new.with_new_role();
            }
            if let Some(provider) = text("IdentityProviderName") {
                new = new.with_identity_provider(provider);
            }
            if let Some(enabled) = text("SessionBindingEnabled") {
                new = new.with_session_binding(enabled == "True");
            }
            if let Some(description) = text("Description") {
                new = new.with_description(description);
            }
            named!(workloads.create(new).await)
        }
        "GetWorkloadIdentity" => named!(workloads.get(text("WorkloadIdentityName").unwrap()).await),
        "UpdateWorkloadIdentity" => {
            let mut update = WorkloadIdentityUpdate::default();
            update.role_arn = owned("RoleArn");
            update.identity_provider_name = owned("IdentityProviderName");
            update.allowed_return_urls = Some(list("AllowedResourceOAuth2ReturnURLs"));
            update.allowed_consent_urls = Some(list("AllowedConsentCallbackURLs"));
            update.session_binding_enabled = Some(text("SessionBindingEnabled") == Some("true"));
            update.description = owned("Description");
            workloads.update(text("WorkloadIdentityName").unwrap(), update).await.map(done)
        }
        "DeleteWorkloadIdentity" => workloads.delete(text("WorkloadIdentityName").unwrap()).await.map(done),
        "ListWorkloadIdentities" => page!(workloads.list(options()).await),
        "CreateOAuth2CredentialProvider" => {
            let (name, vendor) =
                (text("OAuth2CredentialProviderName").unwrap(), text("CredentialProviderVendor").unwrap());
            let mut new = identity_client::agent_identity::NewOAuth2Provider::new(name, vendor, config(form))?;
            if text("OAuthType").is_some() {
                new = new.with_flow(identity_client::Flow::UserFederation);
            }
            if let Some(url) = text("CallbackURL") {
                new = new.with_callback_url(url);
            }
            if let Some(vault) = vault {
                new = new.with_token_vault(vault);
            }
            if let Some(description) = text("Description") {
                new = new.with_description(description);
            }
            named!(oauth2.create(new).await)
        }
        "GetOAuth2CredentialProvider" => named!(oauth2.get(text("OAuth2CredentialProviderName").unwrap(), vault).await),
        "UpdateOAuth2CredentialProvider" => {
            let mut update = OAuth2ProviderUpdate::default();
            update.vendor = owned("CredentialProviderVendor");
            update.config = Some(config(form));
            update.callback_url = owned("CallbackURL");
            update.description = owned("Description");
            oauth2.update(text("OAuth2CredentialProviderName").unwrap(), vault, update).await.map(done)
        }
        "DeleteOAuth2CredentialProvider" => {
            oauth2.delete(text("OAuth2CredentialProviderName").unwrap(), vault).await.map(done)
        }
        "ListOAuth2CredentialProviders" => page!(oauth2.list(vault, options()).await),
        "CreateAPIKeyCredentialProvider" => {
            let (name, key) = (text("APIKeyCredentialProviderName").unwrap(), text("APIKey").unwrap());
            named!(keys.create(name, key, vault, text("Description")).await)
        }
        "GetAPIKeyCredentialProvider" => named!(keys.get(text("APIKeyCredentialProviderName").unwrap(), vault).await),
        "UpdateAPIKeyCredentialProvider" => {
            let (name, key) = (text("APIKeyCredentialProviderName").unwrap(), text("APIKey").unwrap());
            keys.update(name, key, vault, text("Description")).await.map(done)
        }
        "DeleteAPIKeyCredentialProvider" => {
            keys.delete(text("APIKeyCredentialProviderName").unwrap(), vault).await.map(done)
        }
        "ListAPIKeyCredentialProviders" => page!(keys.list(vault, options()).await),
        "CreateTokenVault" => {
            let new = NewTokenVault::new(vault.unwrap())?
                .with_kms_key("acs:kms:cn-beijing:1000000000000001:key/key-0001", text("RoleArn").unwrap())
                .with_description(text("Description").unwrap());
            named!(vaults.create(new).await)
        }
        "GetTokenVault" => named!(vaults.get(vault.unwrap()).await),
        "UpdateTokenVault" => vaults.update(vault.unwrap(), text("RoleArn"), text("Description")).await.map(done),
        "DeleteTokenVault" => vaults.delete(vault.unwrap()).await.map(done),
        "ListTokenVaults" => page!(vaults.list(options()).await),
        _ => {
            let mut parameters = form.clone();
            for (name, text) in query.as_object().unwrap() {
                parameters[name] = serde_json::from_str(text.as_str().unwrap()).unwrap();
            }
            management.call(op, &parameters).await.map(|answer| answer.to_string())
        }
    }
}

fn config(form: &Value) -> OAuth2Config {
    let config: Value = serde_json::from_str(form["OAuth2ProviderConfig"].as_str().unwrap()).unwrap();
    let custom = &config["CustomOAuth2ProviderConfig"];
    if custom.is_null() {
        let included = &config["IncludedOAuth2ProviderConfig"];
        return OAuth2Config::known(included["ClientId"].as_str().unwrap());
    }
    let metadata = &custom["OAuth2Discovery"]["AuthorizationServerMetadata"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    OAuth2Config::written(
        text(&custom["ClientId"]),
        text(&metadata["Issuer"]),
        text(&metadata["AuthorizationRequest"]["Endpoint"]),
        text(&metadata["TokenRequest"]["Endpoint"]),
    )
    .unwrap()
    .with_client_secret(text(&custom["ClientSecret"]))
    .with_pkce(metadata["PKCE"]["Enabled"].as_bool().unwrap())
}

/// What the recorded answer must come to.
fn check(id: &str, response: &Value, outcome: Result<String, Error>) {
    let body = &response["body"];
    let status = response["status"].as_u64().unwrap();
    if status >= 400 {
        let error = outcome.err().unwrap_or_else(|| panic!("{id} is an error"));
        let kind = match (status, body["Code"].as_str().or(body["code"].as_str())) {
            (_, Some("InvalidParameter.JsonWebToken")) => ErrorKind::Unauthenticated,
            (_, Some("MissingRoleArn")) | (403, _) => ErrorKind::PermissionDenied,
            (429, _) => ErrorKind::RateLimited,
            (400, _) => ErrorKind::InvalidRequest,
            (404, _) => ErrorKind::NotFound,
            (409, _) => ErrorKind::Conflict,
            _ => ErrorKind::Unavailable,
        };
        assert_eq!((error.kind(), error.status()), (kind, Some(u16::try_from(status).unwrap())), "{id}: {error}");
        assert_eq!(error.code(), body["Code"].as_str().or(body["code"].as_str()), "{id}");
        assert_eq!(error.request_id(), body["RequestId"].as_str().or(body["requestId"].as_str()), "{id}");
        if id == "data-028" {
            assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
        }
        if id == "data-027" {
            assert!(error.hint().unwrap().contains("`agentidentitydata:GetWorkloadAccessToken`"), "{error}");
        }
        return;
    }
    let outcome = outcome.unwrap_or_else(|error| panic!("{id}: {error}"));
    let secret = ["WorkloadAccessToken", "AccessToken", "APIKey"].iter().find_map(|name| body[name].as_str());
    match secret {
        Some(secret) => assert_eq!(outcome, secret, "{id}"),
        None if body["AuthorizationURL"].is_string() => assert_eq!(outcome, "needs consent", "{id}"),
        None if body["SessionStatus"].is_string() => assert_eq!(outcome, "pending", "{id}"),
        None if body["Credentials"].is_object() => {
            let parts = ["AccessKeyId", "AccessKeySecret", "SecurityToken"]
                .map(|part| body["Credentials"][part].as_str().unwrap());
            assert_eq!(outcome, parts.join(" "), "{id}");
        }
        None => assert!(!outcome.is_empty(), "{id}"),
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_one_that_does_not_end_is_an_error() {
    let item = json!({ "WorkloadIdentityName": "w" });
    let server = Server::new(move |seen| {
        let next = (!seen.form().contains_key("NextToken")).then_some("more");
        Some(Reply::json(200, &json!({ "WorkloadIdentities": [item], "NextToken": next })))
    })
    .await;
    let listed: Vec<_> = server.platform().management().workload_identities().list_all().try_collect().await.unwrap();
    assert_eq!((listed.len(), server.seen().len()), (2, 2));
    let server = Server::new(|_| Some(Reply::json(200, &json!({ "TokenVaults": [], "NextToken": "again" })))).await;
    let listed = server.platform().management().token_vaults().list_all().try_collect::<Vec<_>>().await;
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(server.seen().len(), 2);
}
