//! How the agent proves itself by what it has: secrets, keys, certificates.

use identity_client::{
    Environment, ErrorKind, IdentityClient, SecretString,
    idaas::{ClientAuthentication, SecretSource},
};
use identity_tests::Anything;
use serde_json::json;

use crate::{APP, READ, SECRET, Stage, own};

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/keys/", $name, ".pem"))
    };
}

/// Every kind of key in every form of PEM.
const PRIVATE: [&str; 9] = [
    key!("rsa2048.pkcs1"),
    key!("rsa2048.pkcs8"),
    key!("rsa3072.pkcs1"),
    key!("rsa4096.pkcs1"),
    key!("ec256.sec1"),
    key!("ec256.pkcs8"),
    key!("ec384.pkcs8"),
    key!("ec521.sec1"),
    key!("ed25519.pkcs8"),
];
const PUBLIC: [&str; 7] = [
    key!("rsa2048.public"),
    key!("rsa3072.public"),
    key!("rsa4096.public"),
    key!("ec256.public"),
    key!("ec384.public"),
    key!("ec521.public"),
    key!("ed25519.public"),
];

/// A token for the agent and one for a user, each by a proof of its own.
async fn works(stage: &Stage, client: &IdentityClient) -> Result<(), Anything> {
    let machine = own(client, READ).await?;
    assert_eq!(stage.claims(&machine, READ).await?.subject(), Some(APP));
    let alice = stage.user("alice").await?;
    let exchanged = own(client, READ).for_user(&alice).await?;
    assert_eq!(stage.claims(&exchanged, READ).await?.subject(), Some("alice"));
    Ok(())
}

/// The client itself is refused, and no message has what it showed.
async fn is_refused(client: &IdentityClient, shown: &str) -> Result<(), Anything> {
    let error = own(client, READ).await.err().ok_or("nobody proved anything")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("invalid_client")), "{error}");
    assert!(error.hint().is_some() && !format!("{error} {error:?}").contains(shown), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_secret_in_the_header_in_the_form_and_as_an_assertion() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let methods = [
        ClientAuthentication::client_secret_basic as fn(SecretString) -> _,
        ClientAuthentication::client_secret_post,
        ClientAuthentication::client_secret_jwt,
    ];
    for method in methods {
        works(&stage, &stage.client_by(method(SECRET.into()))?).await?;
        is_refused(&stage.client_by(method("CS-another-secret-of-32-bytes-length".into()))?, "CS-another").await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_of_key_in_every_form_that_a_variable_gives_it() -> Result<(), Anything> {
    let stage = Stage::with(&json!({ "public_keys": PUBLIC }), &json!({})).await?;
    for pem in PRIVATE {
        let escaped = pem.trim().replace('\n', "\\n");
        let spaced = pem.trim().replace('\n', " ");
        for form in [pem, &escaped, &spaced] {
            let environment = Environment::of([("KEY", form)]);
            let key = ClientAuthentication::private_key_jwt(SecretSource::variable("KEY"));
            let idaas = stage.unproven().with_environment(&environment).with_authentication(key).build()?;
            let client = stage.client_of(idaas)?;
            assert!(!own(&client, READ).await?.expose_secret().is_empty());
        }
        works(&stage, &stage.client_by(ClientAuthentication::private_key_jwt(SecretString::from(pem)))?).await?;
    }
    let rs256 = ClientAuthentication::private_key_jwt(SecretString::from(PRIVATE[3])).with_rs256().with_key_id("k");
    works(&stage, &stage.client_by(rs256)?).await
}

#[tokio::test]
async fn a_key_that_the_application_does_not_have_is_refused() -> Result<(), Anything> {
    let stage = Stage::with(&json!({ "public_keys": [PUBLIC[0]] }), &json!({})).await?;
    for pem in &PRIVATE[2..] {
        let client = stage.client_by(ClientAuthentication::private_key_jwt(SecretString::from(*pem)))?;
        is_refused(&client, pem.lines().nth(1).ok_or("a key has lines")?).await?;
    }
    Ok(())
}

/// Who loses an assertion on its way loses nothing: it is for one endpoint, for ten minutes, and once.
#[tokio::test]
async fn an_assertion_is_new_for_every_request_by_the_clock_of_the_client() -> Result<(), Anything> {
    let stage = Stage::with(&json!({ "public_keys": PUBLIC }), &json!({})).await?;
    let client = stage.client_by(ClientAuthentication::private_key_jwt(SecretString::from(PRIVATE[5])))?;
    for _ in 0..3 {
        client.forget_all();
        own(&client, READ).await?;
        stage.pass(1200);
    }
    assert_eq!(stage.count("idaas_token"), 3);
    // Its clock is an hour behind: what it signs is over.
    stage.emulator.advance_clock(std::time::Duration::from_secs(3600));
    client.forget_all();
    let error = own(&client, READ).await.err().ok_or("the assertion has expired")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("invalid_client")));
    assert!(error.hint().is_some_and(|hint| hint.contains("clock")), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_secret_that_was_exchanged_is_used_from_the_next_request_on() -> Result<(), Anything> {
    let stage = Stage::with(&json!({ "other_client_secret": "CSother" }), &json!({})).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("secret");
    std::fs::write(&path, "CSwrong\n")?;
    let client = stage.client_by(ClientAuthentication::client_secret_post(SecretSource::file(&path)))?;
    is_refused(&client, "CSwrong").await?;
    for secret in [SECRET, "CSother"] {
        std::fs::write(&path, format!("{secret}\n"))?;
        // A refused client rests for five seconds.
        stage.pass(6);
        client.forget_all();
        own(&client, READ).await?;
    }
    Ok(())
}
