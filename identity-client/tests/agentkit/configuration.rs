//! Where everything comes from, and what is said if it cannot be used.

use std::time::Duration;

use identity_client::{
    BuildError, Environment,
    agentkit::{AgentKit, Cloud, CredentialSource},
};

const KEYS: [(&str, &str); 2] = [("VOLCENGINE_ACCESS_KEY", "AKLT1"), ("VOLCENGINE_SECRET_KEY", "hunter2-secret")];

fn from(variables: &[(&str, &str)]) -> Result<AgentKit, BuildError> {
    AgentKit::from_environment(&Environment::of(variables.iter().copied()))
}

fn with(extra: &[(&str, &str)]) -> Result<AgentKit, BuildError> {
    from(&[&KEYS[..], extra].concat())
}

#[test]
fn id_and_secret_are_from_one_place_and_empty_is_not_absent() {
    assert!(from(&[]).unwrap_err().is_missing());
    for (variables, named) in [
        (&[KEYS[0]][..], "VOLCENGINE_SECRET_KEY"),
        (&[KEYS[1]], "VOLCENGINE_ACCESS_KEY"),
        (&[KEYS[0], ("VOLCENGINE_SECRET_KEY", " ")], "VOLCENGINE_SECRET_KEY"),
        (&[("VOLCENGINE_SESSION_TOKEN", "t")], "VOLCENGINE_SESSION_TOKEN"),
        (&[KEYS[0], KEYS[1], ("VEIDENTITY_REGION", "")], "VEIDENTITY_REGION"),
        (&[KEYS[0], ("VOLCENGINE_SECRET_KEY", "hunter2\n")], "from VOLCENGINE_ACCESS_KEY"),
        (&[KEYS[0], KEYS[1], ("CLOUD_PROVIDER", "azure")], "CLOUD_PROVIDER"),
    ] {
        let error = from(variables).unwrap_err();
        assert!(error.is_broken() && error.to_string().contains(named), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn what_is_given_in_code_comes_first() {
    let environment = Environment::of([("VOLCENGINE_ACCESS_KEY", "half a pair")]);
    let given = AgentKit::builder().with_access_key("AK", "SK").with_environment(&environment).build().unwrap();
    assert_eq!(given.management().source(), CredentialSource::Code);
    assert_eq!(with(&[]).unwrap().management().source(), CredentialSource::Environment);
    let byteplus = [
        ("AGENTKIT_CLOUD_PROVIDER", "byteplus"),
        ("CLOUD_PROVIDER", "volcengine"),
        ("VEIDENTITY_REGION", "ap-southeast-1"),
        ("BYTEPLUS_ACCESS_KEY", "AK"),
        ("BYTEPLUS_SECRET_KEY", "SK"),
    ];
    let agentkit = with(&byteplus).unwrap();
    assert_eq!(agentkit.management().source(), CredentialSource::BytePlusEnvironment);
    assert!(format!("{agentkit:?}").contains("https://id.ap-southeast-1.byteplusapi.com"), "{agentkit:?}");
    assert!(
        AgentKit::builder().with_access_key("AK", "SK").with_cloud(Cloud::BytePlus).build().unwrap_err().is_missing()
    );
}

#[test]
fn the_region_decides_the_callback_and_nothing_else_becomes_part_of_a_host() {
    let agentkit = with(&[("REGION", "cn-shanghai")]).unwrap();
    let callback = "https://auth.id.cn-shanghai.volces.com/api/v1/oauth2callback";
    assert_eq!(agentkit.management().callback_url(), Some(callback));
    assert_eq!(
        with(&[("VEIDENTITY_REGION", "ap-1"), ("REGION", "cn-shanghai")]).unwrap().management().callback_url(),
        None
    );
    for region in ["evil.example.com/", "cn beijing", "-", "CN-BEIJING", "a@b"] {
        assert!(with(&[("VEIDENTITY_REGION", region)]).unwrap_err().is_broken(), "{region}");
    }
    assert_eq!(agentkit.agent_identity().as_str(), "caller-role");
}

#[test]
fn endpoints_are_https_and_both_or_none_on_this_machine() {
    let local = ("VEIDENTITY_ENDPOINT", "http://127.0.0.1:9");
    with(&[local]).unwrap();
    with(&[local, ("VEIDENTITY_STS_ENDPOINT", "http://127.0.0.1:8")]).unwrap();
    for bad in [
        &[local, ("VEIDENTITY_STS_ENDPOINT", "https://sts.volcengineapi.com")][..],
        &[("VEIDENTITY_STS_ENDPOINT", "http://127.0.0.1:8")],
        &[("VEIDENTITY_ENDPOINT", "http://id.example.com")],
        &[("VEIDENTITY_ENDPOINT", "https://user:hunter2@id.example.com")],
        &[("RUNTIME_IAM_ROLE_TRN", "a role")],
        &[("VEIDENTITY_WORKLOAD_NAME", "a/b")],
        &[("VEIDENTITY_WORKLOAD_POOL", "a b")],
    ] {
        let error = with(bad).unwrap_err();
        assert!(error.is_broken() && error.hint().is_some() && !error.to_string().contains("hunter2"), "{error}");
    }
    assert_eq!(with(&[local]).unwrap().management().callback_url(), None, "an emulator's is not known");
}

#[test]
fn a_redirect_url_in_code_is_refused_where_it_leads_nowhere() {
    let builder = || AgentKit::builder().with_access_key("AK", "SK");
    for url in ["https://sd1.apigateway-cn-beijing.volceapi.com/cb", "http://127.0.0.1:8082/callback"] {
        assert!(builder().with_redirect_url(url).build().unwrap_err().is_broken(), "{url}");
    }
    builder().with_redirect_url("https://auth.id.cn-beijing.volces.com/api/v1/oauth2callback").build().unwrap();
    assert!(builder().with_token_duration(Duration::from_secs(59)).build().unwrap_err().is_broken());
    assert!(builder().with_role("").build().unwrap_err().is_broken());
}
