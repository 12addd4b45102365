//! A client that knows nothing of the SDK: forms, assertions and tokens by hand.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use identity_emulator::{Emulator, EmulatorBuilder, Seed};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

pub(crate) use crate::common::{form, http, read, text};

pub(crate) const APP: &str = "app_agent";
/// With characters that form decoding would change.
pub(crate) const SECRET: &str = "CS%2Bsynthetic+secret/0001=";
pub(crate) const API: &str = "https://api.example.com|read:file";
pub(crate) const PAM: &str = "urn:cloud:idaas:pam";
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The emulator's clock at its start, in seconds.
pub(crate) const START: i64 = 1_795_303_195;

/// What makes a signature.
pub(crate) enum Key {
    Secret(String),
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
}

impl Key {
    pub(crate) fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub(crate) fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        let der = match self {
            Self::Secret(_) => panic!("a secret has no public half"),
            Self::Rsa(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
            Self::Ec(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
        };
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Secret(secret) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message).as_ref().to_vec()
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
        }
    }

    pub(crate) fn jwt(&self, extra: Value, claims: &Value) -> String {
        let mut header = extra;
        header["alg"] = self.algorithm().into();
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// As a member of a JWK set.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
                    "x": encoded(&point[1..33]), "y": encoded(&point[33..]) })
            }
            Self::Rsa(key) => {
                // An RSAPublicKey of 2048 bits: 8 bytes of headers, a zero, the modulus, two of header, the exponent.
                let der = key.public_key().as_ref();
                assert_eq!(der.len(), 270);
                json!({ "kty": "RSA", "kid": id, "use": "sig", "n": encoded(&der[9..265]), "e": encoded(&der[267..]) })
            }
            Self::Secret(_) => panic!("a secret is never published"),
        }
    }
}

/// A running emulator with the application [`APP`].
pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) http: Client,
}

/// A seed of one instance whose application has [`SECRET`] and what else `more` says.
pub(crate) fn seed(more: Value, rest: &Value) -> Seed {
    let mut application = more;
    application["client_id"] = APP.into();
    application["client_secret"] = SECRET.into();
    if application["permissions"].is_null() {
        application["permissions"] = json!({ PAM: [".all"], "https://api.example.com": ["read:file", "write:file"] });
    }
    let mut idaas = rest.clone();
    idaas["instance"] = "idaas_synthetic0001".into();
    idaas["applications"] = match rest["applications"].as_array() {
        Some(others) => json!([vec![application], others.clone()].concat()),
        None => json!([application]),
    };
    Seed::from_json(&json!({ "idaas": idaas }).to_string()).unwrap()
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(json!({}), &json!({})).await
    }

    pub(crate) async fn with(application: Value, rest: &Value) -> Self {
        Self::built(Emulator::builder(), application, rest).await
    }

    pub(crate) async fn built(builder: EmulatorBuilder, application: Value, rest: &Value) -> Self {
        let start = jiff::Timestamp::from_second(START).unwrap();
        let emulator = builder.with_start_time(start).with_seed(seed(application, rest)).start().await.unwrap();
        Self { emulator, http: http() }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.emulator.idaas().token_endpoint()
    }

    pub(crate) async fn post(&self, pairs: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/token", self.emulator.idaas().served_at());
        let request = self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(pairs));
        read(request.send().await.unwrap()).await
    }

    /// With these fields besides id, grant and scope.
    pub(crate) async fn ask(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let common = [("client_id", APP), ("grant_type", "client_credentials"), ("scope", API)];
        self.post(&[&common, fields].concat()).await
    }

    pub(crate) async fn assert(&self, assertion: &str) -> (u16, Value) {
        self.ask(&[("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)]).await
    }

    /// A machine's token, or with a user's token an exchanged one.
    pub(crate) async fn token(&self, app: (&str, &str), scope: &str, user: Option<&str>) -> (u16, Value) {
        let common = [("client_id", app.0), ("client_secret", app.1), ("scope", scope)];
        let grant = match user {
            None => vec![("grant_type", "client_credentials")],
            Some(token) => vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", token),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ],
        };
        self.post(&[&common, grant.as_slice()].concat()).await
    }

    /// A token for the developer API: the machine's, or a user's.
    pub(crate) async fn pam(&self, user: Option<&str>) -> String {
        self.pam_with(&format!("{PAM}|.all"), user).await
    }

    pub(crate) async fn pam_with(&self, scope: &str, user: Option<&str>) -> String {
        let inbound = match user {
            Some(user) => Some(self.inbound(user).await),
            None => None,
        };
        let (status, answer) = self.token((APP, SECRET), scope, inbound.as_deref()).await;
        assert_eq!(status, 200, "{answer}");
        text(&answer, "access_token")
    }

    /// What the agent is called with.
    pub(crate) async fn inbound(&self, user: &str) -> String {
        use secrecy::ExposeSecret as _;
        let lifetime = std::time::Duration::from_secs(1800);
        let token = self.emulator.idaas_user_token(user, "https://agent.example.com|agent.access", lifetime).await;
        token.unwrap().expose_secret().to_owned()
    }

    pub(crate) async fn jwks(&self) -> Value {
        self.http.get(format!("{}/jwks", self.emulator.idaas().served_at())).send().await.unwrap().json().await.unwrap()
    }

    /// The claims, the signature checked with the published key that the token names.
    pub(crate) async fn claims(&self, token: &str) -> Value {
        verified(&self.jwks().await, token).expect("a published key signed the token")
    }

    fn url(&self, path: &str) -> String {
        let handle = self.emulator.idaas();
        format!("{}/v2/{}/{path}", handle.developer_api_endpoint(), handle.instance_id())
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        read(self.http.get(self.url(path)).bearer_auth(token).send().await.unwrap()).await
    }

    /// An action on authentication tokens; without a token when it is empty.
    pub(crate) async fn act(&self, action: &str, body: &Value, token: &str) -> (u16, Value) {
        self.send(&format!("authenticationTokens/_/actions/{action}"), body, token).await
    }

    pub(crate) async fn session(&self, uri: &str, token: &str) -> (u16, Value) {
        self.send("oauthAuthorizationSessions/_/actions/get", &json!({ "sessionUri": uri }), token).await
    }

    async fn send(&self, path: &str, body: &Value, token: &str) -> (u16, Value) {
        let request = self.http.post(self.url(path)).json(body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        read(request.send().await.unwrap()).await
    }
}

pub(crate) fn verified(keys: &Value, token: &str) -> Option<Value> {
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    assert_eq!(header["alg"], "RS256");
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"])?;
    let key = RsaPublicKeyComponents { n: decoded(&text(key, "n")), e: decoded(&text(key, "e")) };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decoded(signature)).ok()?;
    Some(serde_json::from_slice(&decoded(claims)).unwrap())
}

/// What an assertion of the application says, `number` making it one of a kind.
pub(crate) fn assertion(endpoint: &str, number: u32) -> Value {
    json!({ "iss": APP, "sub": APP, "aud": endpoint, "jti": format!("id-{number}"), "iat": START, "exp": START + 600 })
}

/// Checks the form of a refusal; gives its description back.
#[track_caller]
pub(crate) fn refused((status, answer): (u16, Value), expected: (u16, &str)) -> String {
    assert_eq!((status, answer["error"].as_str().unwrap_or_default()), expected, "{answer}");
    assert!(answer["request_id"].as_str().is_some_and(|id| id.len() == 32), "{answer}");
    text(&answer, "error_description")
}
