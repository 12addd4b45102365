//! The caller's keys: each place of the chain, and that no other is tried after a failure.

use std::{fs, path::Path};

use identity_client::{
    Clock as _, Environment, ErrorKind,
    agent_identity::{AgentIdentity, CredentialSource, Management},
};
use serde_json::{Value, json};

use crate::support::{ManualClock, Reply, Seen, Server, at, refused};

fn environment(home: &Path, variables: &[(&str, &str)]) -> Environment {
    let home = ("HOME", home.to_str().unwrap());
    Environment::of(variables.iter().copied().chain([home])).with_directory("/nowhere")
}

fn management(server: &Server, environment: &Environment) -> Management {
    at(AgentIdentity::builder(), server).with_environment(environment).build_management().unwrap()
}

fn write(home: &Path, file: &str, text: &str) {
    let path = home.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn temporary(id: &str, expiration: &str) -> Value {
    json!({ "Code": "Success", "AccessKeyId": id, "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": expiration })
}

/// The metadata service, STS, a place of keys, and Agent Identity in one.
fn everywhere(seen: &Seen) -> Reply {
    let form = seen.form();
    match seen.path.as_str() {
        "/latest/api/token" => {
            assert_eq!(
                (seen.method.as_str(), &*seen.headers["x-aliyun-ecs-metadata-token-ttl-seconds"]),
                ("PUT", "21600")
            );
            Reply::text(200, "metadata-token")
        }
        "/latest/meta-data/ram/security-credentials/" => Reply::text(200, "instance-role\n"),
        "/latest/meta-data/ram/security-credentials/instance-role" => {
            assert_eq!(seen.headers["x-aliyun-ecs-metadata-token"], "metadata-token");
            Reply::json(200, &temporary("STS.metadata", "2099-01-01T00:00:00Z"))
        }
        "/keys" => Reply::json(200, &temporary("STS.uri", "2099-01-01T00:00:00Z")),
        _ if seen.action() == "AssumeRole"
            || form.get("Action").is_some_and(|action| action == "AssumeRoleWithOIDC") =>
        {
            let id = format!("STS.{}", form["RoleArn"]);
            Reply::json(200, &json!({ "Credentials": temporary(&id, "2099-01-01T00:00:00Z") }))
        }
        _ => Reply::json(200, &json!({ "TokenVault": { "TokenVaultName": "default" } })),
    }
}

async fn signed_by(server: &Server, environment: &Environment) -> (String, Option<CredentialSource>) {
    let management = management(server, environment);
    management.token_vaults().get("default").await.unwrap();
    (server.asked("GetTokenVault").pop().unwrap().signer().to_owned(), management.source())
}

#[tokio::test]
async fn every_place_is_read_in_its_order() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::raw(everywhere).await;
    let uri = format!("{}/keys?a=b", server.origin());
    let having = |variables: Vec<(&'static str, String)>| {
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        environment(home, &variables)
    };
    let none = having(Vec::new());
    assert_eq!(signed_by(&server, &none).await, ("STS.metadata".to_owned(), Some(CredentialSource::EcsRole)));

    write(
        home,
        ".alibabacloud/credentials.ini",
        "[default]\ntype = ram_role_arn # x\naccess_key_id=ini-id\naccess_key_secret = ini-secret\nrole_arn = ini-role\n[other]\ntype=access_key\naccess_key_id=other-id\naccess_key_secret=o\n",
    );
    let (signer, source) = signed_by(&server, &none).await;
    assert_eq!((signer.as_str(), source), ("STS.ini-role", Some(CredentialSource::IniProfile("default".to_owned()))));
    assert_eq!(server.asked("AssumeRole")[0].signer(), "ini-id");
    let other = having(vec![("ALIBABA_CLOUD_PROFILE", "other".to_owned())]);
    assert_eq!(signed_by(&server, &other).await.0, "other-id");

    let profiles = json!({ "current": "a", "profiles": [
        { "name": "a", "mode": "AK", "access_key_id": "cli-id", "access_key_secret": "s" },
        { "name": "b", "mode": "StsToken", "access_key_id": "STS.cli", "access_key_secret": "s", "sts_token": "t" },
        { "name": "c", "mode": "RamRoleArn", "access_key_id": "cli-id", "access_key_secret": "s", "ram_role_arn": "cli-role", "expired_seconds": 900 },
        { "name": "d", "mode": "EcsRamRole", "ram_role_name": "instance-role" },
        { "name": "e", "mode": "External", "process_command": "/bin/hunter2" },
    ] });
    write(home, ".aliyun/config.json", &profiles.to_string());
    for (profile, signer) in [("a", "cli-id"), ("b", "STS.cli"), ("c", "STS.cli-role"), ("d", "STS.metadata")] {
        let chosen = having(vec![("ALIBABA_CLOUD_PROFILE", profile.to_owned())]);
        let expected = Some(CredentialSource::CliProfile(profile.to_owned()));
        assert_eq!(signed_by(&server, &chosen).await, (signer.to_owned(), expected));
    }
    let disabled = having(vec![("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true".to_owned())]);
    assert_eq!(signed_by(&server, &disabled).await.0, "STS.ini-role");

    let with_uri = vec![("ALIBABA_CLOUD_CREDENTIALS_URI", uri)];
    // W24: before the metadata service and its time-outs.
    assert_eq!(
        signed_by(&server, &having(with_uri.clone())).await,
        ("STS.uri".to_owned(), Some(CredentialSource::Uri))
    );

    let file = home.join("token");
    fs::write(&file, "hunter2.oidc.token\n").unwrap();
    let mut with_oidc = with_uri;
    with_oidc.extend([
        ("ALIBABA_CLOUD_ROLE_ARN", "oidc-role".to_owned()),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider".to_owned()),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.to_str().unwrap().to_owned()),
    ]);
    assert_eq!(
        signed_by(&server, &having(with_oidc.clone())).await,
        ("STS.oidc-role".to_owned(), Some(CredentialSource::OidcRole))
    );
    let exchanged = server.seen().into_iter().find(|seen| seen.body.contains("OIDCToken")).unwrap();
    assert_eq!((exchanged.method.as_str(), exchanged.form()["OIDCToken"].as_str()), ("POST", "hunter2.oidc.token"));
    assert!(exchanged.query.is_empty() && exchanged.signer().is_empty(), "no token in a URL");

    with_oidc.extend([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id".to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s".to_owned()),
    ]);
    assert_eq!(
        signed_by(&server, &having(with_oidc)).await,
        ("env-id".to_owned(), Some(CredentialSource::Environment))
    );
}

#[tokio::test]
async fn a_failure_is_an_error_that_names_the_place_and_no_other_is_tried() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(
        home,
        ".alibabacloud/credentials.ini",
        "[default]\ntype=access_key\naccess_key_id=ini-id\naccess_key_secret=ini-secret\n",
    );
    let server = Server::raw(|_| Reply::json(500, &json!({ "Code": "hunter2 it" }))).await;
    let uri = format!("{}/keys", server.origin());
    let error = management(&server, &environment(home, &[("ALIBABA_CLOUD_CREDENTIALS_URI", &uri)]));
    let error = error.token_vaults().get("default").await.unwrap_err();
    assert!(error.hint().unwrap().contains("ALIBABA_CLOUD_CREDENTIALS_URI; no other place is tried"), "{error}");
    assert!(server.asked("GetTokenVault").is_empty());

    let broken = |variables: &[(&str, &str)]| {
        let environment = environment(home, variables);
        let error =
            at(AgentIdentity::builder(), &server).with_environment(&environment).build_management().err().unwrap();
        assert!(error.is_broken(), "{error}");
        error.to_string()
    };
    assert!(broken(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", "x")]).contains("ALIBABA_CLOUD_ACCESS_KEY_SECRET is not"));
    assert!(broken(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", "")]).contains("empty"));
    assert!(broken(&[("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/x")]).contains("ALIBABA_CLOUD_OIDC_PROVIDER_ARN is not"));
    assert!(broken(&[("ALIBABA_CLOUD_CREDENTIALS_URI", "http://keys.example.com/")]).contains("plain http"));
    assert!(broken(&[("ALIBABA_CLOUD_PROFILE", "nobody")]).contains("no section [nobody]"));
    assert!(broken(&[("ALIBABA_CLOUD_CREDENTIALS_FILE", "/not/there")]).contains("not there"));
    write(
        home,
        ".aliyun/config.json",
        r#"{"current":"e","profiles":[{"name":"e","mode":"External","process_command":"/bin/hunter2"}]}"#,
    );
    let text = broken(&[]);
    assert!(text.contains("profile `e`") && !text.contains("hunter2"), "{text}");
    write(
        home,
        ".aliyun/config.json",
        r#"{"current":"e","profiles":[{"name":"e","mode":"AK","access_key_id":"x","access_key_secret":"hunter2"#,
    );
    assert!(!broken(&[]).contains("hunter2"));
}

#[tokio::test]
async fn temporary_keys_are_renewed_ahead_and_serve_on_when_that_fails() {
    let clock = ManualClock::new();
    let end = jiff::Timestamp::try_from(clock.now().wall + std::time::Duration::from_secs(3600)).unwrap();
    let mut asked = 0;
    let server = Server::raw(move |seen| {
        if seen.path != "/keys" {
            return Reply::json(200, &json!({ "TokenVault": {} }));
        }
        asked += 1;
        match asked {
            1 => Reply::json(200, &temporary("STS.1", &end.to_string())),
            2 | 3 => refused(503, "ServiceUnavailable"),
            _ => Reply::json(200, &temporary("STS.2", "2099-01-01T00:00:00Z")),
        }
    })
    .await;
    let uri = format!("{}/keys", server.origin());
    let environment = Environment::of([("ALIBABA_CLOUD_CREDENTIALS_URI", uri.as_str())]);
    let management = at(AgentIdentity::builder(), &server)
        .with_clock(clock.clone())
        .with_environment(&environment)
        .build_management()
        .unwrap();
    let signer = async || {
        management.token_vaults().get("default").await.unwrap();
        server.asked("GetTokenVault").pop().unwrap().signer().to_owned()
    };
    assert_eq!(signer().await, "STS.1");
    clock.advance(2_800);
    assert_eq!(signer().await, "STS.1");
    clock.advance(300);
    assert_eq!(signer().await, "STS.1", "what cannot be renewed and is good serves on");
    clock.advance(6);
    assert_eq!(signer().await, "STS.2");
}

#[tokio::test]
async fn what_was_not_there_when_the_key_was_renewed_was_not_deleted() {
    let home = tempfile::tempdir().unwrap();
    let mut keys = 0;
    let server = Server::raw(move |seen| match (seen.path.as_str(), seen.signer()) {
        ("/keys", _) => {
            keys += 1;
            Reply::json(200, &temporary(&format!("STS.{keys}"), "2099-01-01T00:00:00Z"))
        }
        (_, "STS.1") => refused(400, "InvalidSecurityToken.Expired"),
        _ => refused(404, "EntityNotExists.WorkloadIdentity"),
    })
    .await;
    let uri = format!("{}/keys", server.origin());
    let environment = environment(home.path(), &[("ALIBABA_CLOUD_CREDENTIALS_URI", &uri)]);
    let error = management(&server, &environment).workload_identities().delete("gone").await.unwrap_err();
    assert_eq!((error.kind(), server.asked("DeleteWorkloadIdentity").len()), (ErrorKind::NotFound, 2), "{error}");
}
