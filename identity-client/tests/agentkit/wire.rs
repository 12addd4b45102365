//! Every row of the recorded traffic: what the vendor's SDKs sent is what we send, and what they were answered is read.
//!
//! That each recorded signature is ours byte for byte is shown where the signer is, in `src/agentkit/signature.rs`.

use identity_client::{
    Acquired, Error, ErrorKind, Flow, SecretString, User,
    agentkit::{
        AgentKit, ClientType, Entity, KeyPlace, ListOptions, NewIdentity, NewUserPool, OAuth2Config, PermissionCheck,
        ProviderFilter, Returned, Vendor,
    },
};
use serde_json::{Value, json};

use crate::support::{ACCESS_KEY, Reply, SECRET_KEY, Server, client, ok, refused};

const RECORDED: &str = include_str!("../../../tests/fixtures/wire/volcengine-agentkit.jsonl");

/// Rows of requests that this client does not make, and why.
const NOT_OURS: [(&str, &str); 11] = [
    ("GetResourceOauth2Token.3lo-all-params", "W17: spells custom parameters wrongly; see consent.rs"),
    ("GetResourceOauth2Token.3lo-poll-with-custom-parameters", "W17: the same, nested once more"),
    ("GetResourceOauth2Token.provider-not-found", "leaves the flow out, which we always send; see consent.rs"),
    ("CreateOauth2CredentialProvider.duplicate", "has no configuration; see management.rs"),
    ("UserPoolClient.register-callback#2", "W27: adds what is there already; see management.rs"),
    ("agentkit.requires_api_key", "W1: another service, and no token; see management.rs"),
    ("DCR.register", "a request to an outside provider"),
    ("UserPool.", "requests of a login application"),
    ("AssumeRole.", "STS: see keys.rs"),
    ("CompleteResourceTokenAuth", "begun by a session binding; see consent.rs"),
    ("Retry.create-on-500#1", "W30: a create is not repeated; see management.rs"),
];

#[derive(Debug, PartialEq)]
enum Outcome {
    Done(Vec<Option<String>>),
    Secret(String),
    NeedsConsent(String),
    Allowed(bool),
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
        let op = row["op"].as_str().unwrap();
        if NOT_OURS.iter().any(|(skipped, _)| op == *skipped || (skipped.ends_with('.') && op.starts_with(skipped))) {
            continue;
        }
        let (request, response) = (&row["request"], row["response"].clone());
        let action = request["query"]["Action"].as_str().unwrap().to_owned();
        let sent: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
        let (recorded, of_workload) = (action.clone(), action.starts_with("GetWorkloadAccessToken"));
        let server = Server::raw(move |seen| {
            if seen.action() == recorded {
                let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
                return Reply::json(status, &response["body"]);
            }
            match seen.action() {
                _ if of_workload => ok(&json!({ "ApiKey": "after-the-token", "AccessToken": "after-the-token" })),
                "GetOauth2CredentialProvider" => refused(403, "AccessDenied", "no"),
                // The consent that is handed over.
                "GetResourceOauth2Token" => ok(&json!({ "AuthorizationUrl": crate::support::link("SYNTHETIC-STATE") })),
                _ => ok(&json!({ "WorkloadAccessToken": "eyJ.SYNTHETIC-WORKLOAD-TOKEN.sig", "ExpiresAt": "2099-01-02T04:04:05Z" })),
            }
        })
        .await;
        let outcome = drive(&server, request, &action, &sent).await.unwrap_or_else(Outcome::from);
        assert_eq!(outcome, expected(&action, &row["response"]), "{op}");
        let seen = server.asked(&action);
        // Ours asks what is there before it forces, and reads lists in larger pages: compared is what they have in common.
        let ours =
            seen.iter().map(|seen| common(seen.json(), &action)).any(|ours| ours == common(sent.clone(), &action));
        assert!(ours, "{op}: {seen:?}");
        assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/"), "{op}");
        assert_eq!(json!(seen[0].query), request["query"], "{op}");
        assert_eq!(seen[0].headers["content-type"], "application/json", "{op}");
        assert!(!seen[0].body.contains("null"), "{op}: absent fields are left out");
        driven += 1;
    }
    assert!(driven >= 34, "only {driven} rows");
}

fn common(mut body: Value, action: &str) -> Value {
    if action == "ListUserPoolClients" {
        body["PageSize"] = json!(1);
    }
    body
}

fn expected(action: &str, response: &Value) -> Outcome {
    let (body, status) = (&response["body"], response["status"].as_u64().unwrap());
    let result = &body["Result"];
    let error = &body["ResponseMetadata"]["Error"];
    if !error.is_null() || status >= 300 {
        return Outcome::Failed(match error["Code"].as_str().unwrap() {
            "InvalidParameter" => ErrorKind::ConfigurationMissing,
            "AccessDenied" => ErrorKind::PermissionDenied,
            "NotFound" => ErrorKind::NotFound,
            "InternalError" => ErrorKind::Unavailable,
            other => panic!("{other}"),
        });
    }
    match action {
        _ if action.starts_with("GetWorkloadAccessToken") && result.is_null() => Outcome::Failed(ErrorKind::Protocol),
        _ if action.starts_with("GetWorkloadAccessToken") => Outcome::Secret("after-the-token".to_owned()),
        "GetResourceOauth2Token" => {
            if let Some(token) = result["AccessToken"].as_str() {
                return Outcome::Secret(token.to_owned());
            }
            let url = result["AuthorizationUrl"].as_str();
            url.map_or(Outcome::Failed(ErrorKind::Protocol), |url| Outcome::NeedsConsent(url.to_owned()))
        }
        "GetRoleCredentials" => Outcome::Secret("SYNTHETIC".to_owned()),
        "Oauth2Callback" => Outcome::Secret(result["AccessToken"].as_str().unwrap().to_owned()),
        "CheckPermission" => result["Allowed"].as_bool().map_or(Outcome::Failed(ErrorKind::Protocol), Outcome::Allowed),
        _ => {
            let list = ["Oauth2CredentialProviders", "ApiKeyCredentialProviders", "CredentialProviders", "Data"];
            let names = |value: &Value| value["Name"].as_str().map(str::to_owned);
            match list.iter().find_map(|list| result[*list].as_array()) {
                Some(items) => Outcome::Done(items.iter().map(names).collect()),
                None => Outcome::Done(vec![names(result)]),
            }
        }
    }
}

/// The client that the request was made with.
fn agentkit(server: &Server, request: &Value, sent: &Value) -> AgentKit {
    let mut builder = AgentKit::builder().with_endpoint(server.origin()).with_callback_url(crate::support::CALLBACK);
    builder = match request["headers"]["x-security-token"].as_str() {
        Some(token) => builder.with_temporary_access_key(ACCESS_KEY, SECRET_KEY, token),
        None => builder.with_access_key(ACCESS_KEY, SECRET_KEY),
    };
    let action = request["query"]["Action"].as_str().unwrap();
    match sent["Name"].as_str() {
        Some(name) if action.starts_with("GetWorkload") => builder = builder.with_workload_name(name),
        // Without a name and a role we would not even send it, so the role's credentials it is.
        None if action.starts_with("GetWorkload") => {
            builder = builder.with_temporary_access_key(ACCESS_KEY, SECRET_KEY, "session-token");
        }
        _ => builder = builder.with_workload_name("my-agent"),
    }
    if let Some(pool) = sent["WorkloadPoolName"].as_str() {
        builder = builder.with_workload_pool(pool);
    }
    if let Some(pool) = sent["PoolName"].as_str() {
        builder = builder.with_provider_pool(pool);
    }
    if let Some(audience) = sent["Audience"][0].as_str() {
        builder = builder.with_audience(audience);
    }
    if let Some(seconds) = sent["DurationSeconds"].as_u64() {
        builder = builder.with_token_duration(std::time::Duration::from_secs(seconds));
    }
    builder.with_http(identity_client::HttpOptions::new().with_retry(crate::support::quick(1))).build().unwrap()
}

async fn drive(server: &Server, request: &Value, action: &str, sent: &Value) -> Result<Outcome, Error> {
    let agentkit = agentkit(server, request, sent);
    let text = |name: &str| sent[name].as_str().unwrap_or_default();
    let management = agentkit.management();
    let page = || {
        let number = |name: &str| u32::try_from(sent[name].as_u64().unwrap()).unwrap();
        ListOptions::new().with_page(number("PageNumber")).with_size(number("PageSize"))
    };
    let one = |name: Option<String>| Outcome::Done(vec![name]);
    let provider = text("ProviderName");
    Ok(match action {
        "GetWorkloadAccessToken" => secret(&client(agentkit.clone()).api_key("after").for_agent().await?),
        "GetWorkloadAccessTokenForJWT" => {
            let user = User::asserted("u")?.with_token(text("UserToken"))?;
            return user_token(&agentkit, "after", &user, false).await;
        }
        "GetWorkloadAccessTokenForUserId" => {
            return user_token(&agentkit, "after", &User::asserted(text("UserId"))?, false).await;
        }
        "GetResourceOauth2Token" if text("Flow") == "M2M" => {
            let scopes = sent["Scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let token = client(agentkit.clone()).access_token(provider).with_scopes(scopes).await?;
            Outcome::Secret(token.expose_secret().to_owned())
        }
        "GetResourceOauth2Token" => {
            let force = sent["ForceAuthentication"] == true;
            return user_token(&agentkit, provider, &User::asserted("user-0001")?, force).await;
        }
        "Oauth2Callback" => handed_over(&agentkit, text("State"), text("Code")).await?,
        "GetRoleCredentials" => {
            let credentials = agentkit.role_credentials(provider, None, None).await?;
            assert!(credentials.expires_at.is_some());
            Outcome::Secret(identity_client_secret(&credentials.secret_access_key))
        }
        "CheckPermission" => Outcome::Allowed(management.check_permission(&question(sent)).await?.allowed),
        "CreateWorkloadIdentity" => one(management.identities().create(NewIdentity::new(text("Name"))?).await?.name),
        "CreateOauth2CredentialProvider" => {
            let config = &sent["Config"];
            let of = |name: &str| config[name].as_str().unwrap().to_owned();
            let scopes = config["Scopes"].as_array().unwrap().iter().filter_map(Value::as_str);
            let config = OAuth2Config::new(of("ClientId"), of("ClientSecret"), Flow::UserFederation)?
                .with_scopes(scopes)
                .with_redirect_url(of("RedirectUrl"));
            let made = agentkit.oauth2_providers().create(text("Name"), Vendor::Feishu, &config).await?;
            assert_eq!(made.callback_url.as_deref(), management.callback_url());
            one(made.name)
        }
        "CreateApiKeyCredentialProvider" => {
            let key = SecretString::from(text("ApiKey"));
            let places = [KeyPlace::header("X-Api-Key", "")];
            one(management.api_key_providers().create(text("Name"), &key, &places).await?.name)
        }
        "ListOauth2CredentialProviders" => {
            Outcome::Done(agentkit.oauth2_providers().list(page()).await?.items.into_iter().map(|p| p.name).collect())
        }
        "ListApiKeyCredentialProviders" => {
            let page = management.api_key_providers().list(page()).await?;
            Outcome::Done(page.items.into_iter().map(|provider| provider.name).collect())
        }
        "ListCredentialProviders" => {
            let filter = ProviderFilter::new().with_name("feishu_oauth").with_kind("oauth2");
            let page = agentkit.providers().list(filter, page()).await?;
            Outcome::Done(page.items.into_iter().map(|provider| provider.name).collect())
        }
        "CreateUserPool" => {
            let pool = NewUserPool::new(text("Name"))?.with_self_account_recovery(true).with_self_sign_up(false);
            let made = management.user_pools().create(&pool).await?;
            assert!(made.discovery_url.is_some() && made.issuer_url.is_some());
            one(made.name)
        }
        "GetUserPool" => one(management.user_pools().get(text("UserPoolUid")).await?.name),
        "CreateUserPoolClient" => {
            let clients = management.user_pools().clients(text("UserPoolUid"))?;
            one(clients.create(text("Name"), ClientType::WebApplication, &[]).await?.name)
        }
        "GetUserPoolClient" => {
            let got = management.user_pools().clients(text("UserPoolUid"))?.get(text("ClientUid")).await?;
            assert!(got.client_secret.is_some());
            one(got.name)
        }
        "ListUserPoolClients" => {
            let clients = management.user_pools().clients(text("UserPoolUid"))?;
            let found = clients.find(sent["Filter"]["Name"].as_str().unwrap()).await?;
            one(found.and_then(|client| client.name))
        }
        "CreateInboundAuthConfig" => {
            let tokens = &sent["JwtAuthConfig"];
            let url = tokens["DiscoveryUrl"].as_str().unwrap();
            let allowed: Vec<&str> =
                tokens["AllowedClients"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let configs = management.inbound_configs();
            let made = configs.create(text("ConfigName"), text("AuthType"), url, &allowed).await?;
            assert_eq!(made.inbound_auth_config_id.as_deref(), Some("iac-synthetic"));
            one(None)
        }
        other => panic!("{other} is not driven"),
    })
}

async fn handed_over(agentkit: &AgentKit, state: &str, code: &str) -> Result<Outcome, Error> {
    let user = User::asserted("user-0001")?;
    let acquired = client(agentkit.clone()).access_token("feishu_oauth").for_user(&user).acquire().await?;
    let Acquired::NeedsConsent(pending) = acquired else { panic!("nobody agreed yet") };
    let (state, code) = (SecretString::from(state), SecretString::from(code));
    let token = agentkit.hand_over(&pending, &state, Returned::Code(&code)).await?;
    Ok(Outcome::Secret(token.unwrap().expose_secret().to_owned()))
}

fn secret(key: &identity_client::ApiKey) -> Outcome {
    Outcome::Secret(key.expose_secret().to_owned())
}

fn identity_client_secret(secret: &SecretString) -> String {
    use secrecy::ExposeSecret as _;
    secret.expose_secret().to_owned()
}

async fn user_token(agentkit: &AgentKit, provider: &str, user: &User, force: bool) -> Result<Outcome, Error> {
    let request = client(agentkit.clone()).access_token(provider).for_user(user).with_force(force);
    Ok(match request.acquire().await? {
        Acquired::Ready(token) => Outcome::Secret(token.expose_secret().to_owned()),
        Acquired::NeedsConsent(pending) => Outcome::NeedsConsent(pending.authorization_url().to_owned()),
        other => panic!("{other:?}"),
    })
}

fn question(sent: &Value) -> PermissionCheck {
    let entity = |value: &Value| {
        let of = |part: &str| value[part].as_str().unwrap().to_owned();
        Entity::new(of("Type"), of("Id"))
    };
    let [principal, operation, resource] = ["Principal", "Operation", "Resource"].map(|name| entity(&sent[name]));
    let question = PermissionCheck::new(principal, operation, resource);
    let callers = sent["OriginalCallers"].as_array().into_iter().flatten();
    let question = callers.fold(question, |question, caller| question.with_original_caller(entity(caller)));
    question.with_namespace(sent["NamespaceName"].as_str().unwrap())
}
