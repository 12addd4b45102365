//! Where configuration comes from, what of it is taken, and how the rest is refused.

use std::path::Path;

use identity_client::{BuildError, Environment, IdentityClient, idaas::Idaas};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    captured::Captured,
    support::{Reply, Server, issue},
};

/// As in the vendor's guide.
fn whole() -> Value {
    json!({
        "idaasInstanceId": "idaas_synthetic0001",
        "clientId": "app_synthetic0001",
        "issuer": "https://x.aliyunidaas.com/api/v2/iauths_system/oauth2",
        "tokenEndpoint": "https://x.aliyunidaas.com/api/v2/iauths_system/oauth2/token",
        "scope": "urn:cloud:idaas:pam|.all",
        "developerApiEndpoint": "eiam-developerapi.cn-hangzhou.aliyuncs.com",
        "openApiEndpoint": "eiam.cn-hangzhou.aliyuncs.com",
        "authnConfiguration": { "identityType": "CLIENT", "authnMethod": "CLIENT_SECRET_POST", "clientSecretEnvVarName": "IDAAS_CLIENT_SECRET" },
        "httpConfiguration": { "connectTimeout": 5000, "readTimeout": 10000, "unsafeIgnoreSslCert": false },
    })
}

/// With members of the configuration, or of a part of it, replaced or removed (null).
fn with(changes: &[(&str, Value)]) -> Value {
    let mut file = whole();
    for (path, value) in changes {
        let (part, key) = path.split_once('.').unwrap_or(("", path));
        let object = if part.is_empty() { &mut file } else { &mut file[part] };
        let object = object.as_object_mut().unwrap();
        if value.is_null() { drop(object.remove(key)) } else { drop(object.insert(key.to_owned(), value.clone())) }
    }
    file
}

fn build(file: &Value) -> Result<Idaas, BuildError> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("config.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let built = Idaas::from_environment(&Environment::of([("CLOUD_IDAAS_CONFIG_PATH", path.to_str().unwrap())]));
    let shown = match &built {
        Ok(idaas) => format!("{idaas:?}"),
        Err(error) => format!("{error} {error:?} {:?}", std::error::Error::source(error).map(ToString::to_string)),
    };
    assert!(!shown.contains("hunter2"), "{shown}");
    built
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder.join(".cloud_idaas")).unwrap();
    std::fs::write(folder.join(".cloud_idaas").join(name), text).unwrap();
}

#[test]
fn the_file_is_found_where_the_vendors_sdks_find_it() {
    let home = TempDir::new().unwrap();
    let at_home = Environment::of([("HOME", home.path().to_str().unwrap())]);
    let error = Idaas::from_environment(&at_home).unwrap_err();
    assert!(error.is_missing() && error.to_string().contains("CLOUD_IDAAS_CONFIG_PATH"), "{error}");
    for name in ["client-config.json", "client_config.json"] {
        write(home.path(), name, &whole().to_string());
        assert_eq!(Idaas::from_environment(&at_home).unwrap().client_id(), "app_synthetic0001");
        std::fs::remove_file(home.path().join(".cloud_idaas").join(name)).unwrap();
    }
    write(home.path(), "client-config.json", &whole().to_string());
    write(home.path(), "client_config.json", &whole().to_string());
    let error = Idaas::from_environment(&at_home).unwrap_err();
    assert!(error.is_broken() && error.to_string().contains("client_config.json"), "{error}");

    // What is named comes before what lies there, relative and below the home directory too.
    let other = with(&[("clientId", json!("app_other"))]).to_string();
    std::fs::write(home.path().join("cloud_idaas_config_for_agent_run.json"), other).unwrap();
    for path in ["~/cloud_idaas_config_for_agent_run.json", "cloud_idaas_config_for_agent_run.json"] {
        let variables = [("HOME", home.path().to_str().unwrap()), ("CLOUD_IDAAS_CONFIG_PATH", path)];
        let environment = Environment::of(variables).with_directory(home.path());
        assert_eq!(Idaas::from_environment(&environment).unwrap().client_id(), "app_other");
        let built = Idaas::builder().with_environment(&environment).with_config_file(path).build().unwrap();
        assert_eq!(built.client_id(), "app_other");
    }
    for (path, word) in [("/not/there.json", "does not exist"), ("classpath:x.json", "class path"), (" ", "empty")] {
        let variables = [("HOME", home.path().to_str().unwrap()), ("CLOUD_IDAAS_CONFIG_PATH", path)];
        let error = Idaas::from_environment(&Environment::of(variables)).unwrap_err();
        assert!(error.is_broken() && error.to_string().contains(word), "a wrong path is never passed over: {error}");
    }
}

#[test]
fn every_method_of_the_file_is_one_of_ours() {
    let chain = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
    let method = |name: &str, more: &[(&str, &str)]| {
        let mut changes = vec![("authnConfiguration", json!({ "authnMethod": name }))];
        let keys: Vec<String> = more.iter().map(|(key, _)| format!("authnConfiguration.{key}")).collect();
        changes.extend(keys.iter().zip(more).map(|(key, (_, value))| (key.as_str(), json!(value))));
        build(&with(&changes)).map(|idaas| format!("{idaas:?}"))
    };
    let (secret, key) = ([("clientSecretEnvVarName", "S")], [("privateKeyEnvVarName", "K")]);
    let credential = ("applicationFederatedCredentialName", "fed");
    let on = |environment| [credential, ("clientDeployEnvironment", environment)];
    for (name, more) in [
        ("CLIENT_SECRET_BASIC", &secret[..]),
        ("CLIENT_SECRET_POST", &secret),
        ("CLIENT_SECRET_JWT", &secret),
        ("PRIVATE_KEY_JWT", &key),
        ("PKCS7", &on("ALIBABA_CLOUD_ECS")),
        ("PKCS7", &on("AWS_EC2")),
        ("OIDC", &on("KUBERNETES")),
        ("OIDC", &on("ALIBABA_CLOUD_ACK")),
        ("OIDC", &on("GOOGLE_VM")),
        ("OIDC", &[credential, ("oidcTokenFilePath", "/token")]),
        ("OIDC", &[credential, ("oidcTokenFilePathEnvVarName", "TOKEN_PATH"), ("clientDeployEnvironment", "CUSTOM")]),
        ("PCA", &[credential, key[0], ("clientX509Certificate", chain), ("x509CertChains", chain)]),
        ("PLUGIN", &[("pluginName", "alibabacloudPluginCredentialProvider")]),
        ("PLUGIN", &[]),
    ] {
        let shown = method(name, more).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(shown.contains(name), "{shown}");
    }
    for (name, more, word) in [
        ("NONE", &[][..], "authnMethod"),
        ("client_secret_post", &secret, "CLIENT_SECRET_POST"),
        ("CLIENT_SECRET_POST", &[], "clientSecretEnvVarName"),
        ("PRIVATE_KEY_JWT", &[], "privateKeyEnvVarName"),
        ("PKCS7", &[credential], "ALIBABA_CLOUD_ECS"),
        ("PKCS7", &on("KUBERNETES"), "ALIBABA_CLOUD_ECS"),
        ("PKCS7", &[("clientDeployEnvironment", "ALIBABA_CLOUD_ECS")], "applicationFederatedCredentialName"),
        ("OIDC", &on("COMPUTER"), "KUBERNETES"),
        ("OIDC", &on("COMMON"), "oidcTokenFilePath"),
        ("OIDC", &on("kubernetes"), "`KUBERNETES`"),
        ("PCA", &[credential, key[0], ("clientX509Certificate", "hunter2"), ("x509CertChains", chain)], "PEM"),
        (
            "PCA",
            &[credential, key[0], ("clientX509Certificate", "-----BEGIN PRIVATE KEY-----"), ("x509CertChains", chain)],
            "private key",
        ),
        ("PLUGIN", &[("pluginName", "other")], "pluginName"),
    ] {
        let error = method(name, more).unwrap_err();
        assert!(error.is_broken() && error.to_string().contains(word), "w30 {name}: {error}");
    }
}

#[test]
fn w30_what_is_missing_wrong_or_dangerous_is_named() {
    for (changes, word) in [
        (("idaasInstanceId", Value::Null), "idaasInstanceId"),
        (("clientId", Value::Null), "clientId"),
        (("clientId", json!("")), "clientId"),
        (("clientId", json!(7)), "clientId"),
        (("clientId", json!("app 1")), "client id"),
        (("authnConfiguration", Value::Null), "authnConfiguration"),
        (("authnConfiguration", json!("hunter2")), "authnConfiguration"),
        (("authnConfiguration.identityType", json!("HUMAN")), "HUMAN"),
        (("authnConfiguration.identityType", json!("Client")), "identityType"),
        (("tokenEndpoint", json!("ftp://hunter2/")), "token endpoint"),
        (("tokenEndpoint", json!("http://127.0.0.1:1/token")), "on this machine"),
        (("developerApiEndpoint", json!("http://localhost:1")), "on this machine"),
        (("scope", json!("read write")), "scope"),
        (("scope", json!("https://a|b https://c|d")), "audience"),
        (("httpConfiguration.unsafeIgnoreSslCert", json!(true)), "unsafeIgnoreSslCert"),
        (("httpConfiguration", json!({ "unsafeIgnoreSSLCert": true })), "unsafeIgnoreSslCert"),
        (("httpConfiguration.unsafeIgnoreSSLCert", json!(true)), "twice"),
        (("httpConfiguration.connectTimeout", json!(1999)), "connectTimeout"),
        (("httpConfiguration.readTimeout", json!(60001)), "readTimeout"),
        (("httpConfiguration.readTimeout", json!("5000")), "readTimeout"),
        (("client_id", json!("app_2")), "twice"),
    ] {
        let error = build(&with(&[changes])).unwrap_err();
        assert!(error.is_broken() && error.to_string().contains(word), "{word}: {error}");
        assert!(error.hint().is_some());
    }
    let without = build(&with(&[("tokenEndpoint", Value::Null), ("issuer", Value::Null)])).unwrap_err();
    assert!(without.to_string().contains("tokenEndpoint"), "{without}");
    // Discovered, or not needed.
    build(&with(&[("tokenEndpoint", Value::Null)])).unwrap();
    build(&with(&[("httpConfiguration", Value::Null), ("scope", Value::Null)])).unwrap();
    for text in ["", "hunter2", "[]", "{\"clientId\": hunter2"] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("c.json");
        std::fs::write(&path, text).unwrap();
        let error = Idaas::builder().with_config_file(&path).build().unwrap_err();
        assert!(error.is_broken() && !format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn w30_a_key_that_nothing_reads_is_named_in_a_warning_and_its_value_is_not() {
    let file = with(&[
        ("idassInstanceId", json!("hunter2")),
        ("authnConfiguration.authenticationSubject", json!("CLIENT")),
        ("authnConfiguration.clientSecret", json!("hunter2")),
        ("httpConfiguration.proxy", json!("hunter2")),
        ("hunter2 as a key", json!(1)),
    ]);
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("c.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let captured = Captured::default();
    let _listening = captured.listen("info");
    Idaas::builder().with_config_file(&path).build().unwrap();
    let text = captured.text();
    for word in ["idassInstanceId", "authenticationSubject", "identityType", "clientSecret", "proxy"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(text.lines().filter(|line| line.contains("WARN")).count(), 5, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn w28_the_times_of_the_file_are_kept() {
    let server = Server::tokens(|_| Reply::json(200, &issue("t", 60)).late(std::time::Duration::from_secs(30))).await;
    let at = |path: &str| json!(format!("{}{path}", server.origin()));
    let file = with(&[
        ("issuer", at("/api/v2/iauths_system/oauth2")),
        ("tokenEndpoint", at("/api/v2/iauths_system/oauth2/token")),
        ("developerApiEndpoint", at("")),
        ("openApiEndpoint", at("")),
        ("httpConfiguration", json!({ "connectTimeout": 2000, "readTimeout": 2000 })),
    ]);
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("c.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let environment =
        Environment::of([("IDAAS_CLIENT_SECRET", "s"), ("CLOUD_IDAAS_CONFIG_PATH", path.to_str().unwrap())]);
    let client =
        IdentityClient::builder().with_platform(Idaas::from_environment(&environment).unwrap()).build().unwrap();
    // Three tries of four seconds each; of the default, fifteen, the deadline of thirty would cut the second.
    let asked = client.access_token("iauths_system").into_future();
    let error = tokio::time::timeout(std::time::Duration::from_secs(26), asked).await.unwrap().map(drop).unwrap_err();
    assert_eq!(error.kind(), identity_client::ErrorKind::Timeout, "{error}");
    // Without scopes, those of the file are asked for.
    assert_eq!(server.token_calls()[0].form()["scope"], "urn:cloud:idaas:pam|.all");
}

#[test]
fn the_client_of_an_environment_is_that_of_its_one_platform() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("c.json");
    std::fs::write(&path, whole().to_string()).unwrap();
    let configured = ("CLOUD_IDAAS_CONFIG_PATH", path.to_str().unwrap());
    let client = IdentityClient::from_environment(&Environment::of([configured])).unwrap();
    assert_eq!(client.platform().name, "idaas");
    assert_eq!(client.platform().endpoint, "https://eiam-developerapi.cn-hangzhou.aliyuncs.com/v2/idaas_synthetic0001");
    assert!(client.capabilities().on_behalf_of && client.capabilities().token_revocation);
    #[cfg(feature = "agentbase")]
    {
        let other = ("GREENNODE_CLIENT_ID", "id");
        let error = IdentityClient::from_environment(&Environment::of([configured, other])).unwrap_err();
        assert!(error.is_broken(), "{error}");
        for name in ["agentbase", "idaas", "IDENTITY_PLATFORM"] {
            assert!(error.to_string().contains(name), "{error}");
        }
        let chosen = Environment::of([configured, other, ("IDENTITY_PLATFORM", "idaas")]);
        assert_eq!(IdentityClient::from_environment(&chosen).unwrap().platform().name, "idaas");
    }
}
