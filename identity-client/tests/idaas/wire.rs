//! Every row of the recorded traffic: what the vendor's SDKs sent is what we send, and what they were answered is read.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use identity_client::{
    Acquired, Clock, Error, ErrorKind, HttpOptions, IdentityClient, Moment, SecretString, SystemClock, User,
    idaas::{
        AUTHORIZATION_SERVER, AccessKeySource, ClientAuthentication, CloudKey, Idaas, NewJwt, SecretSource,
        SessionStatus, TokenFilter,
    },
};
use serde_json::{Value, json};

use crate::support::{CLIENT, INSTANCE, Reply, SECRET, Seen, Server, TOKEN_PATH, USER_TOKEN, issue, quick};

const RECORDED: &str = include_str!("../../../tests/fixtures/wire/alibaba-idaas.jsonl");

/// When the answers of the developer API were made: the tokens in them are good then.
#[derive(Debug)]
struct Recorded;

impl Clock for Recorded {
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000), ..SystemClock.now() }
    }
}

/// Rows of requests that this client does not make, and why.
const NOT_OURS: [(&str, &str); 3] = [
    ("device.code", "a person's own login; users bring their tokens"),
    ("device.token.pending", "as above"),
    ("token.refresh", "as above"),
];

pub fn rows() -> Vec<Value> {
    RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The answer of a row.
fn reply(row: &Value) -> Reply {
    let response = &row["response"];
    let mut reply = Reply::text(u16::try_from(response["status"].as_u64().unwrap()).unwrap(), text(&response["body"]));
    for name in ["location", "retry-after"] {
        if let Some(value) = response["headers"][name].as_str() {
            reply = reply.with(name, value);
        }
    }
    reply
}

/// What an answer that is not a success must come to.
fn failure(row: &Value) -> Option<ErrorKind> {
    let body = text(&row["response"]["body"]);
    Some(match row["response"]["status"].as_u64().unwrap() {
        200 | 204 => return None,
        _ if body.contains("Throttling") => ErrorKind::RateLimited,
        307 => ErrorKind::Protocol,
        400 => ErrorKind::InvalidRequest,
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        500.. => ErrorKind::Unavailable,
        other => panic!("a row with status {other}"),
    })
}

fn authentication(row: &Value, metadata: &str) -> ClientAuthentication {
    let (form, op) = (&row["form"], text(&row["op"]));
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/keys/");
    let assertion = text(&form["client_assertion"]);
    let credential = text(&form["application_federated_credential_name"]);
    match text(&form["client_assertion_type"]).rsplit(':').next().unwrap() {
        "" if row["request"]["headers"]["authorization"].is_string() => {
            ClientAuthentication::client_secret_basic(SecretSource::given(SECRET))
        }
        "" => ClientAuthentication::client_secret_post(SecretSource::given(SECRET)),
        "jwt-bearer" if text(&row["assertion"]["header"]["alg"]) == "HS256" => {
            ClientAuthentication::client_secret_jwt(SecretSource::given(SECRET))
        }
        "jwt-bearer" => {
            let key = match text(&row["assertion"]["header"]["alg"]) {
                "RS384" => "rsa3072.pkcs1",
                "RS512" => "rsa4096.pkcs1",
                "ES256" => "ec256.sec1",
                "ES384" => "ec384.pkcs8",
                "ES512" => "ec521.pkcs8",
                _ => "rsa2048.pkcs8",
            };
            ClientAuthentication::private_key_jwt(SecretSource::file(format!("{keys}{key}.pem")))
        }
        "id-token-bearer" => {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), assertion).unwrap();
            ClientAuthentication::federated_token_file(credential, file.into_temp_path().keep().unwrap())
        }
        "pkcs7-bearer" => ClientAuthentication::alibaba_ecs(credential).with_metadata_endpoint(metadata).unwrap(),
        "x509-jwt-bearer" => ClientAuthentication::private_certificate(
            credential,
            SecretSource::file(format!("{keys}ec256.pkcs8.pem")),
            text(&form["client_x509"]),
            text(&form["client_x509_chain"]),
        ),
        other => panic!("{op}: {other}"),
    }
}

async fn own_token(idaas: Idaas, scope: &str, subject: Option<&str>) -> Result<String, Error> {
    let client = IdentityClient::builder().with_platform(idaas).build()?;
    let request = client.access_token(AUTHORIZATION_SERVER).with_scopes(scope.split(' '));
    let request = match subject {
        Some(token) => request.for_user(&User::asserted("alice")?.with_token(token.to_owned())?),
        None => request.for_agent(),
    };
    Ok(request.await?.expose_secret().to_owned())
}

#[tokio::test]
async fn every_recorded_token_request_is_ours_too() {
    let metadata = Server::raw(|seen| {
        Reply::text(
            200,
            if seen.method == "PUT" { "synthetic-metadata-token" } else { "MIIsyntheticPKCS7+attested/document==\n" },
        )
    })
    .await;
    let mut driven = 0;
    for row in rows() {
        let op = text(&row["op"]).to_owned();
        if row["request"]["path"] != TOKEN_PATH || NOT_OURS.iter().any(|(skipped, _)| op == *skipped) {
            continue;
        }
        let answered = row.clone();
        let server = Server::raw(move |_| reply(&answered)).await;
        let idaas = server.builder().with_authentication(authentication(&row, metadata.origin())).build().unwrap();
        let form = &row["form"];
        let outcome = own_token(idaas, text(&form["scope"]), form["subject_token"].as_str()).await;

        let answer: Value = serde_json::from_str(text(&row["response"]["body"])).unwrap_or_default();
        match (failure(&row), answer["access_token"].as_str()) {
            (None, Some(token)) => assert_eq!(outcome.unwrap(), token, "{op}"),
            (None, None) => assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Protocol, "{op}"),
            (Some(kind), _) => {
                let error = outcome.unwrap_err();
                assert_eq!(
                    (error.kind(), error.status()),
                    (kind, row["response"]["status"].as_u64().map(|status| u16::try_from(status).unwrap())),
                    "{op}"
                );
                let code = answer["error"].as_str().or(answer["Code"].as_str());
                let id = answer["request_id"].as_str().or(answer["RequestId"].as_str());
                assert_eq!((error.code(), error.request_id()), (code, id), "{op}: w15, w16");
            }
        }
        let sent = &server.token_calls()[0];
        assert_eq!(sent.method, text(&row["request"]["method"]), "{op}");
        assert_eq!(sent.headers["content-type"], "application/x-www-form-urlencoded", "{op}");
        assert_eq!(
            sent.headers.get("authorization").map(String::as_str),
            row["request"]["headers"]["authorization"].as_str(),
            "{op}"
        );
        let (mut ours, mut theirs) = (sent.form(), fields(form));
        if !row["assertion"].is_null() {
            // Signed anew: see assertions.rs.
            ours.remove("client_assertion").unwrap();
            theirs.remove("client_assertion").unwrap();
        }
        if let Some(assertion) = theirs.get_mut("client_assertion") {
            // The line end that the vendor's SDK sends along is none of the document or token: w14.
            *assertion = assertion.trim().to_owned();
        }
        assert_eq!(ours, theirs, "{op}");
        assert_eq!(order(&sent.body), order(text(&row["request"]["body"])), "{op}");
        driven += 1;
    }
    assert_eq!(driven, 35, "rows");
    let asked = metadata.seen();
    for row in rows().iter().filter(|row| text(&row["op"]).contains("PKCS7#") && row["request"]["path"] != TOKEN_PATH) {
        let same = |seen: &&Seen| {
            let header = ["x-aliyun-ecs-metadata-token", "x-aliyun-ecs-metadata-token-ttl-seconds"];
            seen.path == text(&row["request"]["path"])
                && seen.method == text(&row["request"]["method"])
                && header.iter().all(|name| {
                    seen.headers.get(*name).map(String::as_str) == row["request"]["headers"][*name].as_str()
                })
        };
        assert!(asked.iter().any(|seen| same(&seen)), "{}", row["op"]);
    }
}

fn fields(form: &Value) -> BTreeMap<String, String> {
    form.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value).to_owned())).collect()
}

/// The names, in their order.
fn order(body: &str) -> Vec<&str> {
    body.split('&').map(|field| field.split('=').next().unwrap()).collect()
}

#[tokio::test]
async fn every_recorded_openapi_request_is_ours_too() {
    let mut driven = 0;
    for row in rows().into_iter().filter(|row| text(&row["op"]).starts_with("openapi.")) {
        let op = text(&row["op"]).to_owned();
        let headers = &row["request"]["headers"];
        let secret = text(&row["signing_secret"]).to_owned();
        let id =
            text(&headers["authorization"]).split("Credential=").nth(1).unwrap().split(',').next().unwrap().to_owned();
        let key = match headers["x-acs-security-token"].as_str() {
            Some(token) => CloudKey::temporary(id, secret, token.to_owned()),
            None => CloudKey::long_term(id, secret),
        };
        let answered = row.clone();
        let server = Server::raw(move |_| reply(&answered)).await;
        let idaas = Idaas::builder()
            .with_instance_id(INSTANCE)
            .with_client_id(CLIENT)
            .with_open_api_endpoint(server.origin())
            .with_authentication(ClientAuthentication::open_api(AccessKeySource::fixed(key)))
            .with_http(HttpOptions::new().with_retry(quick(1)))
            .build()
            .unwrap();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(text(&row["request"]["query"]).as_bytes()).into_owned().collect();
        let permissions = query.iter().filter(|(name, _)| name.starts_with("ScopeValues."));
        let scope: Vec<_> = permissions.map(|(_, permission)| format!("{}|{permission}", query["Audience"])).collect();
        let subject = query.get("SubjectToken").map(String::as_str);
        let outcome = own_token(idaas, &scope.join(" "), subject).await;
        match failure(&row) {
            None => assert_eq!(outcome.unwrap(), "AT_synthetic_openapi", "{op}"),
            Some(kind) => {
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), kind, "{op}");
                assert!(error.code().is_some() && error.request_id().is_some(), "{op}: {error}");
            }
        }
        let sent = &server.seen()[0];
        assert_eq!((sent.method.as_str(), sent.path.as_str(), sent.body.as_str()), ("POST", "/", ""), "{op}");
        assert_eq!(sent.query, query, "{op}");
        for name in [
            "accept",
            "x-acs-action",
            "x-acs-version",
            "x-acs-content-sha256",
            "x-acs-accesskey-id",
            "x-acs-security-token",
        ] {
            assert_eq!(sent.headers.get(name).map(String::as_str), headers[name].as_str(), "{op} {name}");
        }
        assert!(sent.headers["authorization"].starts_with("ACS3-HMAC-SHA256 Credential="), "{op}");
        driven += 1;
    }
    assert_eq!(driven, 7);
}

/// What came of an operation of the developer API, in words that a row can be compared with.
async fn operate(idaas: &Idaas, row: &Value) -> Result<Value, Error> {
    let tokens = idaas.authentication_tokens();
    let body: Value = serde_json::from_str(text(&row["request"]["body"])).unwrap_or_default();
    let token = || SecretString::from(text(&body["token"]));
    let client = IdentityClient::builder().with_platform(idaas.clone()).build()?;
    let action = text(&row["request"]["path"]).rsplit('/').next().unwrap();
    Ok(match action {
        "obtain" => {
            let query: BTreeMap<String, String> =
                url::form_urlencoded::parse(text(&row["request"]["query"]).as_bytes()).into_owned().collect();
            let credential = idaas.credentials().obtain(&query["credentialIdentifier"]).await?;
            assert!(credential.create_time.is_some() && credential.credential_id.as_deref() == Some("cred_synthetic"));
            match (credential.api_key(), credential.oauth_client()) {
                (Some(key), _) => json!(secrecy::ExposeSecret::expose_secret(key)),
                (None, Some(client)) => json!(client.client_id),
                (None, None) => Value::Null,
            }
        }
        "fetchOAuthAccessToken" => {
            let provider = text(&body["credentialProviderIdentifier"]).to_owned();
            let mut request = client.access_token(provider);
            if let Some(scope) = body["scope"].as_str() {
                request = request.with_scopes(scope.split(' '));
            }
            if body["customParameters"].is_object() {
                let alice = User::asserted("alice")?.with_token(USER_TOKEN)?;
                request = request.for_user(&alice).with_force(true).with_custom_parameter("prompt", "consent");
            }
            match request.acquire().await? {
                Acquired::Ready(token) => json!(token.expose_secret()),
                Acquired::NeedsConsent(pending) => json!(pending.authorization_url()),
                _ => Value::Null,
            }
        }
        "get" => {
            let session = tokens.consent_session(text(&body["sessionUri"])).await?;
            match session.session_status {
                Some(SessionStatus::Completed) => json!("completed"),
                _ => json!(session.error_code),
            }
        }
        "generateJwt" => {
            let new = NewJwt::new(
                text(&body["credentialProviderIdentifier"]),
                text(&body["subject"]),
                [text(&body["audiences"][0])],
            )?
            .with_issuer(text(&body["issuer"]))
            .with_claim("role", "reader")
            .with_claim("n", 1)
            .with_lifetime(Duration::from_secs(900))
            .with_short_token();
            let made = tokens.generate_jwt(&new).await?;
            assert!(made.short_token().is_some());
            json!(made.jwt().map(secrecy::ExposeSecret::expose_secret))
        }
        "obtainJwtByDerivedShortToken" => {
            let read = tokens.obtain_jwt_by_short_token(&text(&body["derivedShortToken"]).into()).await?;
            json!(read.jwt().map(secrecy::ExposeSecret::expose_secret))
        }
        "authenticationTokens" => {
            let filter = TokenFilter::new()
                .with_consumer("app_synthetic0001")
                .with_provider("jwt_provider")
                .with_expired(false)
                .with_revoked(false)
                .with_page_size(20);
            let page = tokens.list(&filter, None).await?;
            assert_eq!((page.total_count, page.next()), (Some(1), None));
            json!(page.items.len())
        }
        "validate" => json!(tokens.validate(&token()).await?),
        "revoke" => tokens.revoke(&token()).await.map(|()| Value::Null)?,
        "reinstate" => tokens.reinstate(&token()).await.map(|()| Value::Null)?,
        "revokeByConsumer" | "reinstateByConsumer" => {
            let (consumer, provider) = (text(&body["consumerId"]), text(&body["credentialProviderIdentifier"]));
            if action == "revokeByConsumer" {
                tokens.revoke_by_consumer(consumer, provider).await?;
            } else {
                tokens.reinstate_by_consumer(consumer, provider).await?;
            }
            Value::Null
        }
        "obtainAccessCredential" => {
            let role = "acs:ram::1000000000000000:role/synthetic";
            let keys = idaas.cloud_roles().obtain(role, Duration::from_secs(3600)).await?;
            assert_eq!(keys.expires_at(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_307_249)));
            json!(keys.alibaba().unwrap().access_key_id)
        }
        other => panic!("{other}"),
    })
}

#[tokio::test]
async fn every_recorded_operation_of_the_developer_api_is_ours_too() {
    let mut driven = 0;
    for row in rows().into_iter().filter(|row| text(&row["request"]["path"]).starts_with("/v2/")) {
        let op = text(&row["op"]).to_owned();
        let answered = row.clone();
        let server = Server::raw(move |seen| {
            if seen.is_token() { Reply::json(200, &issue("AT_synthetic_machine", 3600)) } else { reply(&answered) }
        })
        .await;
        let idaas = server.builder().with_clock(Recorded).build().unwrap();
        let outcome = operate(&idaas, &row).await;
        match (failure(&row), &row["sdk_outcome"]["result"]) {
            (Some(kind), _) => {
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), kind, "{op}: {error}");
                let body: Value = serde_json::from_str(text(&row["response"]["body"])).unwrap_or_default();
                let id = ["request_id", "RequestId", "requestId"].iter().find_map(|name| body[*name].as_str());
                assert_eq!(error.request_id(), id, "{op}: w17");
            }
            (None, _) if op == "pam.fetch_oauth.flow_mismatch" => {
                assert_eq!(outcome.unwrap_err().code(), Some("authorization_flow_mismatch"));
            }
            // Where the vendor's SDK has nothing, the client of another server is: w18.
            (None, _) if op == "pam.obtain_credential.oauth_client_type" => assert_eq!(outcome.unwrap(), "cid"),
            (None, result) => assert_eq!(outcome.unwrap(), *result, "{op}"),
        }
        let sent = &server.calls()[0];
        let request = &row["request"];
        assert_eq!(
            (sent.method.as_str(), sent.path.as_str()),
            (text(&request["method"]), text(&request["path"])),
            "{op}"
        );
        let mut query: BTreeMap<String, String> =
            url::form_urlencoded::parse(text(&request["query"]).as_bytes()).into_owned().collect();
        for value in query.values_mut().filter(|value| *value == "False") {
            // Python's way to write a boolean.
            *value = "false".to_owned();
        }
        assert_eq!(sent.query, query, "{op}");
        assert_eq!(sent.json(), serde_json::from_str::<Value>(text(&request["body"])).unwrap_or_default(), "{op}");
        assert_eq!(sent.bearer().is_some(), request["headers"]["authorization"].is_string(), "{op}");
        assert_eq!(
            sent.headers.get("content-type").map(String::as_str),
            request["headers"]["content-type"].as_str(),
            "{op}"
        );
        let expected = usize::from(sent.bearer().is_some());
        assert_eq!(server.token_calls().len(), expected, "{op}: no token is fetched that is not borne");
        driven += 1;
    }
    assert_eq!(driven, 25);
}
