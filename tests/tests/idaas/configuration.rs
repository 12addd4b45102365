//! The SDK's JSON file and the discovery document, as far as a real token.

use std::path::Path;

use identity_client::{
    Environment, ErrorKind, IdentityClient, SecretString,
    idaas::{ClientAuthentication, Idaas},
};
use identity_tests::Anything;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{APP, READ, SECRET, Stage, captured::Captured, own};

const KEY: &str = include_str!("../../fixtures/keys/ec384.pkcs8.pem");
const PUBLIC: &str = include_str!("../../fixtures/keys/ec384.public.pem");

/// As the vendor's guide has it.
fn file(stage: &Stage, authentication: &Value) -> Value {
    let handle = stage.emulator.idaas();
    json!({
        "idaasInstanceId": handle.instance_id(),
        "clientId": APP,
        "issuer": handle.issuer(),
        "tokenEndpoint": handle.token_endpoint(),
        "scope": READ,
        "developerApiEndpoint": handle.developer_api_endpoint(),
        "openApiEndpoint": handle.open_api_endpoint(),
        "authnConfiguration": authentication,
        "httpConfiguration": { "connectTimeout": 5000, "readTimeout": 10000 },
    })
}

fn client(home: &Path, variables: &[(&str, &str)]) -> Result<IdentityClient, Anything> {
    let home = [("HOME", home.to_str().ok_or("a path")?)];
    let environment = Environment::of([&home, variables].concat());
    Ok(IdentityClient::builder().with_platform(Idaas::from_environment(&environment)?).build()?)
}

/// A folder with the file in it.
fn home(name: &str, file: &Value) -> Result<tempfile::TempDir, Anything> {
    let home = tempfile::tempdir()?;
    std::fs::create_dir(home.path().join(".cloud_idaas"))?;
    std::fs::write(home.path().join(".cloud_idaas").join(name), file.to_string())?;
    Ok(home)
}

#[tokio::test]
async fn each_name_of_the_file_and_each_method_in_it_gets_a_token() -> Result<(), Anything> {
    let stage = Stage::with(&json!({ "public_keys": [PUBLIC] }), &json!({})).await?;
    let account = stage.emulator.agent_identity();
    let escaped = KEY.replace('\n', "\\n");
    let variables = [
        ("IDAAS_CLIENT_SECRET", SECRET),
        ("ENV_PRIVATE_KEY", escaped.as_str()),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", account.access_key_id()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account.access_key_secret().expose_secret()),
    ];
    let mut methods: Vec<_> = ["CLIENT_SECRET_BASIC", "CLIENT_SECRET_POST", "CLIENT_SECRET_JWT"]
        .map(|method| json!({ "authnMethod": method, "clientSecretEnvVarName": "IDAAS_CLIENT_SECRET" }))
        .into();
    methods.push(json!({ "authnMethod": "PRIVATE_KEY_JWT", "privateKeyEnvVarName": "ENV_PRIVATE_KEY" }));
    methods.push(json!({ "authnMethod": "PLUGIN", "pluginName": "alibabacloudPluginCredentialProvider" }));
    for name in ["client-config.json", "client_config.json"] {
        for authentication in &methods {
            let home = home(name, &file(&stage, authentication))?;
            let client = client(home.path(), &variables)?;
            // Without scopes those of the file count.
            let token = client.access_token("iauths_system").await?;
            assert_eq!(stage.claims(&token, READ).await?.subject(), Some(APP), "{authentication}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_file_elsewhere_is_named_and_names_a_variable_that_must_be_there() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let authentication =
        json!({ "authnMethod": "CLIENT_SECRET_POST", "clientSecretEnvVarName": "IDAAS_CLIENT_SECRET" });
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cloud_idaas_config_for_agent_run.json");
    std::fs::write(&path, file(&stage, &authentication).to_string())?;
    let named = ("CLOUD_IDAAS_CONFIG_PATH", path.to_str().ok_or("a path")?);
    let empty = tempfile::tempdir()?;
    let token = own(&client(empty.path(), &[named, ("IDAAS_CLIENT_SECRET", SECRET)])?, READ).await?;
    assert_eq!(stage.claims(&token, READ).await?.subject(), Some(APP));
    let error = own(&client(empty.path(), &[named])?, READ).await.err().ok_or("there is no secret")?;
    assert_eq!(error.kind(), ErrorKind::ConfigurationMissing);
    assert!(error.to_string().contains("IDAAS_CLIENT_SECRET"), "{error}");
    Ok(())
}

#[tokio::test]
async fn without_a_token_endpoint_the_issuer_is_asked_where_it_is() -> Result<(), Anything> {
    let stage = Stage::with(&json!({ "public_keys": [PUBLIC] }), &json!({})).await?;
    let mut discovered = file(&stage, &json!({ "authnMethod": "PRIVATE_KEY_JWT", "privateKeyEnvVarName": "K" }));
    discovered.as_object_mut().ok_or("an object")?.remove("tokenEndpoint");
    let home = home("client-config.json", &discovered)?;
    let by_file = client(home.path(), &[("K", KEY)])?;
    let handle = stage.emulator.idaas();
    let in_code = Idaas::builder()
        .with_instance_id(handle.instance_id())
        .with_client_id(APP)
        .with_issuer(handle.issuer())
        .with_authentication(ClientAuthentication::client_secret_jwt(SecretString::from(SECRET)));
    for client in [by_file, stage.client_of(in_code.build()?)?] {
        for scope in [READ, crate::WRITE] {
            // The assertion is for the endpoint that was found.
            assert_eq!(stage.claims(&own(&client, scope).await?, scope).await?.subject(), Some(APP));
        }
    }
    assert_eq!(stage.count("idaas_token"), 4);
    Ok(())
}

#[tokio::test]
async fn a_key_that_nothing_reads_is_named_and_stops_nothing() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    // The first is a mistake of the vendor's own samples, the second one that would put a secret into the file.
    let authentication = json!({
        "authenticationSubject": "CLIENT",
        "clientSecret": "hunter2-in-the-file",
        "authnMethod": "CLIENT_SECRET_BASIC",
        "clientSecretEnvVarName": "S",
    });
    let home = home("client-config.json", &file(&stage, &authentication))?;
    let captured = Captured::default();
    let client = {
        let _listening = captured.listen("info");
        client(home.path(), &[("S", SECRET)])?
    };
    let log = captured.text();
    for named in ["authenticationSubject", "identityType", "clientSecret"] {
        assert!(log.contains(named), "{named}: {log}");
    }
    assert!(!log.contains("hunter2"), "{log}");
    own(&client, READ).await?;
    Ok(())
}
