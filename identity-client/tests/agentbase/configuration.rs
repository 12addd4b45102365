//! Where configuration comes from, in which order, and how it is refused.

use identity_client::{
    BuildError, Environment, IdentityClient,
    agentbase::{AgentBase, CredentialSource, Management},
};
use serde_json::json;
use tempfile::TempDir;

use crate::captured::Captured;

const ID: (&str, &str) = ("GREENNODE_CLIENT_ID", "id-of-env");
const SECRET: (&str, &str) = ("GREENNODE_CLIENT_SECRET", "hunter2-of-env");
const IDENTITY: (&str, &str) = ("GREENNODE_AGENT_IDENTITY", "agent-of-env");

fn directory(file: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join(".greennode.json"), file).unwrap();
    directory
}

fn full_file() -> String {
    json!({ "client_id": "id-of-file", "client_secret": "hunter2-of-file", "agent_identity": "agent-of-file" })
        .to_string()
}

fn build(variables: &[(&str, &str)], file: Option<&str>) -> Result<AgentBase, BuildError> {
    let directory = file.map(directory);
    let mut environment = Environment::of(variables.iter().copied());
    if let Some(directory) = &directory {
        environment = environment.with_directory(directory.path());
    }
    let built = AgentBase::from_environment(&environment);
    let shown = match &built {
        Ok(agentbase) => format!("{agentbase:?} {:?}", agentbase.management()),
        Err(error) => format!("{error} {error:?} {:?}", std::error::Error::source(error).map(ToString::to_string)),
    };
    assert!(!shown.contains("hunter2"), "{shown}");
    built
}

#[test]
fn variables_come_before_the_file_and_each_source_says_so() {
    let agentbase = build(&[ID, SECRET, IDENTITY], Some(&full_file())).unwrap();
    assert_eq!(
        (agentbase.source(), agentbase.agent_identity().as_str()),
        (CredentialSource::Environment, "agent-of-env")
    );
    let agentbase = build(&[], Some(&full_file())).unwrap();
    assert_eq!((agentbase.source(), agentbase.agent_identity().as_str()), (CredentialSource::File, "agent-of-file"));
    let agentbase = build(&[ID, SECRET], Some(&full_file())).unwrap();
    assert_eq!(
        (agentbase.source(), agentbase.agent_identity().as_str()),
        (CredentialSource::Environment, "agent-of-file")
    );
    let environment = Environment::of([ID, SECRET, IDENTITY]);
    let builder = AgentBase::builder().with_client_credentials("id", "hunter2").with_environment(&environment);
    let agentbase = builder.build().unwrap();
    assert_eq!((agentbase.source(), agentbase.agent_identity().as_str()), (CredentialSource::Code, "agent-of-env"));
}

#[test]
fn the_file_knows_both_names_of_a_key() {
    let file = json!({
        "GREENNODE_CLIENT_ID": "id", "client_secret": "hunter2", "GREENNODE_AGENT_IDENTITY": "agent-1", "agent_identity": null,
        "docker_container": 1, "runtime": true, "registry_password": "hunter2", "flavor_id": ["x", { "y": 1 }],
    });
    assert_eq!(build(&[], Some(&file.to_string())).unwrap().agent_identity().as_str(), "agent-1");
}

#[test]
fn w40_id_and_secret_never_come_from_two_sources() {
    for (variables, file, present, absent) in [
        (vec![ID, IDENTITY], full_file(), "GREENNODE_CLIENT_ID", "GREENNODE_CLIENT_SECRET"),
        (vec![SECRET, IDENTITY], full_file(), "GREENNODE_CLIENT_SECRET", "GREENNODE_CLIENT_ID"),
        (vec![], json!({ "client_id": "x" }).to_string(), "`client_id` in .greennode.json", "`client_secret`"),
        (
            vec![],
            json!({ "client_secret": "hunter2" }).to_string(),
            "`client_secret` in .greennode.json",
            "`client_id`",
        ),
    ] {
        let error = build(&variables, Some(&file)).unwrap_err();
        assert!(error.is_broken());
        assert!(error.to_string().contains(present) && error.to_string().contains(absent), "{error}");
    }
}

#[test]
fn w22_a_variable_that_is_set_and_empty_is_named() {
    for name in [ID.0, SECRET.0, IDENTITY.0, "GREENNODE_IDENTITY_ENDPOINT", "GREENNODE_IAM_TOKEN_ENDPOINT"] {
        for empty in ["", "  "] {
            let mut variables = vec![ID, SECRET, IDENTITY];
            variables.retain(|(given, _)| *given != name);
            variables.push((name, empty));
            let error = build(&variables, Some(&full_file())).unwrap_err();
            assert!(error.is_broken() && error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_never_quoted() {
    for (file, words) in [
        ("{\"client_id\": \"hunter2", ".greennode.json is not JSON"),
        ("hunter2", ".greennode.json is not JSON"),
        ("", ".greennode.json is not JSON"),
        ("[\"hunter2\"]", "not a JSON object"),
        ("\"hunter2\"", "not a JSON object"),
        ("{\"client_id\": 7, \"client_secret\": \"hunter2\"}", "`client_id` in .greennode.json is not a string"),
        (
            "{\"client_id\": \"x\", \"client_secret\": [\"hunter2\"]}",
            "`client_secret` in .greennode.json is not a string",
        ),
        ("{\"client_id\": \"x\", \"client_secret\": \"\"}", "`client_secret` in .greennode.json is empty"),
        ("{\"client_id\": \"x:y\", \"client_secret\": \"hunter2\"}", "colon"),
        ("{\"client_id\": \"x\", \"client_secret\": \"hunter2\\n\"}", "line ends"),
        ("{\"client_id\": \"x\", \"client_secret\": \"hunter2\", \"agent_identity\": \"a.b\"}", "agent identity"),
        ("{\"client_id\": \"x\", \"client_secret\": \"hunter2\"}", "GREENNODE_AGENT_IDENTITY"),
        (&format!("{{\"x\": \"{}\"}}", "hunter2 ".repeat(9000)), ".greennode.json cannot be read"),
    ] {
        let error = build(&[], Some(file)).unwrap_err();
        assert!(error.is_broken(), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some());
    }
    // What is not needed is not read.
    build(&[ID, SECRET, IDENTITY], Some("hunter2")).unwrap();
}

#[test]
fn nothing_at_all_is_missing_and_names_all_three_ways() {
    for file in [None, Some("{}")] {
        let error = build(&[], file).unwrap_err();
        assert!(error.is_missing());
        let text = error.to_string();
        assert!(
            ["GREENNODE_CLIENT_ID", "GREENNODE_CLIENT_SECRET", ".greennode.json", "with_client_credentials"]
                .iter()
                .all(|way| text.contains(way)),
            "{text}"
        );
    }
    assert!(IdentityClient::from_environment(&Environment::of([] as [(&str, &str); 0])).unwrap_err().is_missing());
    assert!(AgentBase::builder().build().unwrap_err().is_missing());
    let client = IdentityClient::from_environment(&Environment::of([ID, SECRET, IDENTITY])).unwrap();
    assert_eq!(client.platform().name, "agentbase");
}

#[test]
fn w39_the_defaults_are_the_production_hosts() {
    let client = IdentityClient::from_environment(&Environment::of([ID, SECRET, IDENTITY])).unwrap();
    assert_eq!(client.platform().endpoint, "https://agentbase.api.vngcloud.vn/identity");
    // The other default shows when it cannot go with a loopback endpoint.
    let local = ("GREENNODE_IDENTITY_ENDPOINT", "http://127.0.0.1:1/identity");
    assert!(build(&[ID, SECRET, IDENTITY, local], None).unwrap_err().is_broken());
}

#[test]
fn w39_credentials_for_this_machine_do_not_go_to_production() {
    let identity = ("GREENNODE_IDENTITY_ENDPOINT", "http://127.0.0.1:8080/identity");
    let iam = ("GREENNODE_IAM_TOKEN_ENDPOINT", "http://localhost:8080/accounts-api/v2/auth/token");
    for one in [identity, iam] {
        let error = build(&[ID, SECRET, IDENTITY, one], None).unwrap_err();
        assert!(error.is_broken() && error.hint().unwrap().contains("both or neither"), "{error}");
    }
    build(&[ID, SECRET, IDENTITY, identity, iam], None).unwrap();
    build(&[ID, SECRET, IDENTITY, ("GREENNODE_IDENTITY_ENDPOINT", "https://gateway.example.com/identity")], None)
        .unwrap();
    for bad in ["http://agentbase.example.com/", "agentbase", "https://u:hunter2@h.example.com/"] {
        let error = build(&[ID, SECRET, IDENTITY, ("GREENNODE_IDENTITY_ENDPOINT", bad)], None).unwrap_err();
        assert!(error.to_string().contains("GREENNODE_IDENTITY_ENDPOINT"), "{error}");
    }
    // A file in a working directory cannot say where credentials go.
    let mut file: serde_json::Value = serde_json::from_str(&full_file()).unwrap();
    file["identity_endpoint"] = json!("https://evil.example.com/");
    file["GREENNODE_IAM_TOKEN_ENDPOINT"] = json!("https://evil.example.com/");
    let shown = format!("{:?}", build(&[], Some(&file.to_string())).unwrap());
    assert!(!shown.contains("evil"), "{shown}");
}

#[test]
fn managing_needs_no_agent_identity() {
    let builder = AgentBase::builder().with_client_credentials("id", "hunter2");
    let management: Management = builder.build_management().unwrap();
    assert_eq!(management.source(), CredentialSource::Code);
    for (id, secret) in [("", "hunter2"), ("id", ""), ("id", " hunter2"), ("i:d", "hunter2")] {
        let error = AgentBase::builder().with_client_credentials(id, secret).build_management().unwrap_err();
        assert!(error.is_broken() && error.to_string().contains("given in code"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    let builder = AgentBase::builder().with_client_credentials("id", "hunter2").with_agent_identity("agent-1");
    assert!(!format!("{builder:?}").contains("hunter2"));
}

/// What is logged while something is built.
fn logged(variables: &[(&str, &str)], directory: &TempDir) -> String {
    let captured = Captured::default();
    let environment = Environment::of(variables.iter().copied()).with_directory(directory.path());
    let _listening = captured.listen("info");
    AgentBase::from_environment(&environment).unwrap();
    let text = captured.text();
    assert!(!text.contains("hunter2") && !text.contains("default-user-1"), "{text}");
    text
}

#[test]
fn w38_a_default_user_is_not_used_and_that_is_said_once() {
    let mut file: serde_json::Value = serde_json::from_str(&full_file()).unwrap();
    file["agent_user_id"] = json!("default-user-1");
    let directory = directory(&file.to_string());
    assert_eq!(logged(&[], &directory).matches("agent_user_id").count(), 1);
    let variables = [ID, SECRET, IDENTITY, ("agent_user_id", "default-user-1")];
    assert_eq!(logged(&variables, &directory).matches("agent_user_id").count(), 1);
}

#[cfg(unix)]
#[test]
fn w36_a_secret_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = directory(&full_file());
    for (mode, warned) in [(0o644, true), (0o640, true), (0o604, true), (0o600, false)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path().join(".greennode.json"), permissions).unwrap();
        assert_eq!(logged(&[], &directory).contains("chmod 600"), warned, "{mode:o}");
    }
}
