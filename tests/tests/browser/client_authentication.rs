//! The certified provider checks how our clients authenticate: assertions by secret and by key, with a token endpoint that is
//! discovered at it. It has no token exchange (RFC 8693), so none is tried.

use std::fs;

use identity_client::{
    ErrorKind, HttpOptions, IdentityClient, RetryPolicy,
    idaas::{AUTHORIZATION_SERVER, ClientAuthentication, Idaas, SecretSource},
};
use identity_tests::Anything;
use serde_json::{Value, json};

use super::openid::OpenIdProvider;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/keys");
/// The resource for which the provider issues tokens when none is named.
const SCOPE: &str = "https://default.api.test|read";

async fn token(
    provider: &OpenIdProvider,
    client: &str,
    how: ClientAuthentication,
) -> Result<String, identity_client::Error> {
    let idaas = Idaas::builder()
        .with_instance_id("idaas_peer")
        .with_client_id(client)
        .with_issuer(provider.issuer())
        .with_authentication(how)
        .with_http(HttpOptions::new().with_retry(RetryPolicy::new().with_max_attempts(1)))
        .build()?;
    let client = IdentityClient::builder().with_platform(idaas).build()?;
    let token = client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).await?;
    assert!(token.expires_at().is_some());
    Ok(token.expose_secret().to_owned())
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// The public half as a JSON Web Key: what a console shows to register it.
fn public_jwk(name: &str, alg: &str) -> Result<Value, Anything> {
    use base64::Engine as _;
    let pem = fs::read_to_string(format!("{KEYS}/{name}.public.pem"))?;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body)?;
    let tail = |length: usize| &der[der.len() - length..];
    let point = |length: usize, curve: &str| {
        let (x, y) = tail(2 * length).split_at(length);
        json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
    };
    let mut jwk = match alg {
        "ES256" => point(32, "P-256"),
        "ES384" => point(48, "P-384"),
        "ES512" => point(66, "P-521"),
        "EdDSA" => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(tail(32)) }),
        // The modulus stands before the exponent 65537, which takes five bytes with its tag.
        _ => {
            let length = match alg {
                "RS256" => 256,
                "RS384" => 384,
                _ => 512,
            };
            let modulus = &der[der.len() - 5 - length..der.len() - 5];
            json!({ "kty": "RSA", "n": base64url(modulus), "e": "AQAB" })
        }
    };
    jwk["alg"] = alg.into();
    jwk["use"] = "sig".into();
    Ok(jwk)
}

#[tokio::test]
async fn a_certified_provider_accepts_every_assertion_of_ours() -> Result<(), Anything> {
    let provider = OpenIdProvider::start(&[]).await?;
    for (file, name, alg) in [
        ("rsa2048.pkcs1.pem", "rsa2048", "RS256"),
        ("rsa2048.pkcs8.pem", "rsa2048", "RS256"),
        ("rsa3072.pkcs1.pem", "rsa3072", "RS384"),
        ("rsa4096.pkcs1.pem", "rsa4096", "RS512"),
        ("ec256.sec1.pem", "ec256", "ES256"),
        ("ec256.pkcs8.pem", "ec256", "ES256"),
        ("ec384.pkcs8.pem", "ec384", "ES384"),
        ("ec521.sec1.pem", "ec521", "ES512"),
        ("ed25519.pkcs8.pem", "ed25519", "EdDSA"),
    ] {
        let client = provider
            .register(&json!({
                "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [],
                "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": alg,
                "jwks": { "keys": [public_jwk(name, alg)?] },
            }))
            .await?;
        let key = || ClientAuthentication::private_key_jwt(SecretSource::file(format!("{KEYS}/{file}")));
        // Twice: the provider remembers each `jti`, and takes none again.
        let first = token(&provider, &client, key()).await.map_err(|error| format!("{file}: {error}"))?;
        let second = token(&provider, &client, key()).await?;
        assert_ne!(first, second);
        let other = if alg == "ES256" { "ec384.pkcs8.pem" } else { "ec256.sec1.pem" };
        let other = ClientAuthentication::private_key_jwt(SecretSource::file(format!("{KEYS}/{other}")));
        let error = token(&provider, &client, other).await.err().ok_or("the key of another")?;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("invalid_client")), "{error}");
    }
    Ok(())
}

type How = fn(SecretSource) -> ClientAuthentication;

#[tokio::test]
async fn a_certified_provider_accepts_our_secrets_however_they_are_shown() -> Result<(), Anything> {
    let provider = OpenIdProvider::start(&[]).await?;
    let methods: [(&str, &str, How); 3] = [
        ("m2m-basic", "m2m-basic-secret", ClientAuthentication::client_secret_basic),
        ("m2m-post", "m2m-post-secret", ClientAuthentication::client_secret_post),
        ("m2m-secret-jwt", "m2m-secret-jwt-secret-0123456789abcdef0123456789", ClientAuthentication::client_secret_jwt),
    ];
    for (client, secret, how) in methods {
        let first = token(&provider, client, how(SecretSource::given(secret)))
            .await
            .map_err(|error| format!("{client}: {error}"))?;
        assert_ne!(first, token(&provider, client, how(SecretSource::given(secret))).await?);
        let error = token(&provider, client, how(SecretSource::given("wrong"))).await.err().ok_or("a wrong secret")?;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("invalid_client")), "{error}");
    }
    Ok(())
}
