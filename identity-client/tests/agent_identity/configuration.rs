//! Variables, the vendor's file, and what is refused before anything is sent.

use std::fs;

use identity_client::{Environment, IdentityClient, Platform as _, agent_identity::AgentIdentity};

const KEYS: [(&str, &str); 2] = [("ALIBABA_CLOUD_ACCESS_KEY_ID", "id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret")];

fn build(more: &[(&str, &str)]) -> Result<AgentIdentity, identity_client::BuildError> {
    AgentIdentity::from_environment(&Environment::of(KEYS.into_iter().chain(more.iter().copied())))
}

fn broken(more: &[(&str, &str)]) -> String {
    let error = build(more).err().unwrap();
    assert!(error.is_broken(), "{error}");
    error.to_string()
}

const NAME: (&str, &str) = ("AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME", "workload-demo");

#[test]
fn region_and_endpoints() {
    let at = |more: &[(&str, &str)]| {
        let all: Vec<_> = more.iter().copied().chain([NAME]).collect();
        build(&all).unwrap().describe().endpoint.to_owned()
    };
    assert_eq!(at(&[]), "https://agentidentitydata.cn-beijing.aliyuncs.com");
    assert_eq!(
        at(&[("AGENT_IDENTITY_REGION_ID", "cn-hangzhou")]),
        "https://agentidentitydata.cn-hangzhou.aliyuncs.com"
    );
    assert_eq!(
        at(&[("AGENT_IDENTITY_DATA_ENDPOINT", "agentidentitydata-vpc.cn-beijing.aliyuncs.com")]),
        "https://agentidentitydata-vpc.cn-beijing.aliyuncs.com"
    );
    for region in ["", "CN", "a.b", "evil.example.com/", "x@y"] {
        assert!(!broken(&[NAME, ("AGENT_IDENTITY_REGION_ID", region)]).is_empty());
    }
    assert!(broken(&[NAME, ("AGENT_IDENTITY_DATA_ENDPOINT", "http://example.com")]).contains("plain http"));
    assert!(broken(&[NAME, ("AGENT_IDENTITY_DATA_ENDPOINT", "http://127.0.0.1:1")]).contains("one is on this machine"));
    assert!(broken(&[NAME, ("AGENT_IDENTITY_USE_STS", "True")]).contains("neither `true` nor `false`"));
}

#[test]
fn the_name_comes_from_the_variable_then_from_the_file_which_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(".config.json");
    let environment = |more: &[(&str, &str)]| {
        Environment::of(KEYS.into_iter().chain(more.iter().copied())).with_directory(directory.path())
    };
    let error = AgentIdentity::from_environment(&environment(&[])).err().unwrap();
    assert!(error.is_broken() && error.to_string().contains("none is created for you"), "{error}");
    for damaged in ["{\"workload_identity_name\": \"x", "[]", "hunter2"] {
        fs::write(&file, damaged).unwrap();
        let error = AgentIdentity::from_environment(&environment(&[])).err().unwrap();
        assert!(error.is_broken() && !error.to_string().contains("hunter2"), "W10: {error}");
    }
    let text = "{\"workload_identity_name\": \"of-the-file\", \"more\": 1}\n";
    fs::write(&file, text).unwrap();
    let platform = AgentIdentity::from_environment(&environment(&[])).unwrap();
    assert_eq!(platform.workload_identity().as_str(), "of-the-file");
    let platform = AgentIdentity::from_environment(&environment(&[NAME])).unwrap();
    assert_eq!(platform.workload_identity().as_str(), "workload-demo");
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "W9");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn nothing_configured_is_missing_and_a_runtime_token_is_enough() {
    let off = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    let error = AgentIdentity::from_environment(&Environment::of([off, NAME])).err().unwrap();
    assert!(error.is_missing(), "{error}");
    // That there may be a metadata service, nobody has configured.
    let error = AgentIdentity::from_environment(&Environment::of([] as [(&str, &str); 0])).err().unwrap();
    assert!(error.is_missing() && error.to_string().contains("which workload identity"), "{error}");
    for said in [("ALIBABA_CLOUD_ECS_METADATA", "role"), ("AGENT_IDENTITY_REGION_ID", "cn-hangzhou")] {
        assert!(AgentIdentity::from_environment(&Environment::of([said])).err().unwrap().is_broken());
    }
    let token = ("AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN", "hunter2.a.b.c.d");
    let platform = AgentIdentity::from_environment(&Environment::of([off, token])).unwrap();
    assert_eq!(platform.source(), None);
    assert!(!format!("{platform:?}").contains("hunter2"));
}

#[test]
fn the_environment_chooses_the_platform() {
    let variables: Vec<_> = KEYS.into_iter().chain([NAME, ("IDENTITY_PLATFORM", "agent-identity")]).collect();
    let client = IdentityClient::from_environment(&Environment::of(variables)).unwrap();
    assert_eq!(client.platform().name, "agent-identity");
    let capabilities = client.capabilities();
    assert!(capabilities.sts_credentials && capabilities.workload_tokens && capabilities.on_behalf_of);
    assert!(capabilities.consent_completion && !capabilities.delegated_api_keys && !capabilities.session_binding);
}
