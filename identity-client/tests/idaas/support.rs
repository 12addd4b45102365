//! The loopback server as an IDaaS instance: token endpoint and developer API.

use std::collections::BTreeMap;

use identity_client::{
    HttpOptions, IdentityClient, User,
    idaas::{ClientAuthentication, Idaas, IdaasBuilder, SecretSource},
};
use serde_json::{Value, json};

pub use crate::loopback::{ManualClock, Reply, Seen, Server, eventually, quick};

pub const INSTANCE: &str = "idaas_synthetic0001";
pub const CLIENT: &str = "app_synthetic0001";
pub const SECRET: &str = "CSsynthetic+secret/0001=";
pub const TOKEN_PATH: &str = "/api/v2/iauths_system/oauth2/token";
pub const SCOPE: &str = "https://api.example.com|read:file";
pub const USER_TOKEN: &str = "AT_u_synthetic_user_token";
pub const SESSION: &str = "urn:ietf:params:oauth:request_uri:os_synthetic";

impl Seen {
    pub fn is_token(&self) -> bool {
        self.path == TOKEN_PATH
    }

    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    pub fn bearer(&self) -> Option<&str> {
        self.headers.get("authorization")?.strip_prefix("Bearer ")
    }
}

impl Server {
    /// Answers token requests with what it was asked for, and a number, each good for an hour; the rest with the function.
    pub async fn new(mut handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let mut issued = 0;
        Self::raw(move |seen| {
            if !seen.is_token() {
                return handler(seen);
            }
            issued += 1;
            let form = seen.form();
            let whose = form.get("subject_token").map_or("agent", String::as_str);
            let permission = form["scope"].rsplit('|').next().unwrap().replace(':', "-");
            Reply::json(200, &issue(&format!("{permission}.{whose}.{issued}"), 3600))
        })
        .await
    }

    /// Answers token requests with the function, and every key with `sk-1`.
    pub async fn tokens(mut handler: impl FnMut(usize) -> Reply + Send + 'static) -> Self {
        let mut asked = 0;
        Self::raw(move |seen| {
            if !seen.is_token() {
                return key("sk-1");
            }
            asked += 1;
            handler(asked)
        })
        .await
    }

    pub fn builder(&self) -> IdaasBuilder {
        Idaas::builder()
            .with_instance_id(INSTANCE)
            .with_client_id(CLIENT)
            .with_token_endpoint(format!("{}{TOKEN_PATH}", self.origin()))
            .with_developer_api_endpoint(self.origin())
            .with_authentication(ClientAuthentication::client_secret_post(SecretSource::given(SECRET)))
            .with_http(HttpOptions::new().with_retry(quick(1)))
    }

    pub fn idaas(&self) -> Idaas {
        self.builder().build().unwrap()
    }

    pub fn client(&self) -> IdentityClient {
        client(self.idaas())
    }

    pub fn token_calls(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(Seen::is_token).collect()
    }

    /// Those to the developer API.
    pub fn calls(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.is_token()).collect()
    }
}

pub fn client(idaas: Idaas) -> IdentityClient {
    IdentityClient::builder().with_platform(idaas).build().unwrap()
}

pub fn issue(token: &str, expires_in: u64) -> Value {
    json!({ "token_type": "Bearer", "access_token": token, "expires_in": expires_in })
}

pub fn key(key: &str) -> Reply {
    Reply::json(
        200,
        &json!({ "credentialType": "api_key", "status": "enabled", "credentialContent": { "apiKeyContent": { "apiKey": key } } }),
    )
}

pub fn user(id: &str) -> User {
    User::asserted(id).unwrap().with_token(format!("AT_u_{id}")).unwrap()
}
