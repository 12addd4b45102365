use identity_client::agent_identity::{
    ApiKeyCredentialProvider, AttachedPolicy, IdentityProvider, OAuth2CredentialProvider, RamPolicy, RamRole,
    WorkloadIdentity,
};
use serde_json::json;

use super::*;

const KEY: &str = "hunter2-api-key";
const SECRET: &str = "hunter2-client-secret";

fn sample() -> Sample {
    Sample {
        names: Names::of("demo"),
        discovery_url: "https://idp.example.com/.well-known/openid-configuration".to_owned(),
        audience: vec!["app-1".to_owned(), "app-2".to_owned()],
        return_urls: vec!["https://app.example.com/callback".to_owned()],
        vendor: "AliyunOAuth2".to_owned(),
        client_id: "client-1".to_owned(),
        client_secret: Some(SECRET.into()),
        api_key: Some(KEY.into()),
    }
}

fn arn(rest: &str) -> String {
    format!("acs:agentidentity:cn-beijing:1000000000000001:{rest}")
}

/// All of it, as it should be.
fn whole() -> Found {
    let (sample, ours) = (sample(), Some(MARK.to_owned()));
    let mut issuer = IdentityProvider::default();
    (issuer.discovery_url, issuer.allowed_audience) =
        (Some(sample.discovery_url), sample.audience.into_iter().rev().collect());
    issuer.description.clone_from(&ours);
    let mut key = ApiKeyCredentialProvider::default();
    key.arn = Some(arn("tokenvault/default/apikeycredentialprovider/demo-weather"));
    key.description.clone_from(&ours);
    let mut oauth2 = OAuth2CredentialProvider::default();
    oauth2.arn = Some(arn("tokenvault/default/oauth2credentialprovider/demo-mcp"));
    (oauth2.credential_provider_vendor, oauth2.client_id) = (Some(sample.vendor), Some(sample.client_id));
    oauth2.oauth_type = Some("USER_FEDERATION".to_owned());
    oauth2.description.clone_from(&ours);
    let mut workload = WorkloadIdentity::default();
    workload.arn = Some(arn("workloadidentitydirectory/default/workloadidentity/demo"));
    workload.identity_provider_name = Some("demo-users".to_owned());
    workload.allowed_return_urls = sample.return_urls;
    workload.session_binding_enabled = Some(true);
    workload.role_arn = Some("acs:ram::1000000000000001:role/AgentIdentityRole-demo".to_owned());
    workload.description.clone_from(&ours);
    let mut found = Found {
        identity_provider: Some(issuer),
        api_key_provider: Some(key),
        oauth2_provider: Some(oauth2),
        workload: Some(workload),
        ..Found::default()
    };
    let arns = Arns::of(&sample.names, &found);
    assert!(arns.are_known());
    let mut role = RamRole::default();
    role.arn = Some("acs:ram::1000000000000001:role/AgentIdentityRole-demo".to_owned());
    (role.trust, role.description) = (Some(arns.trust()), ours.clone());
    let mut policy = RamPolicy::default();
    (policy.document, policy.description) = (Some(arns.permissions()), ours);
    (found.role, found.policy) = (Some(role), Some(policy));
    found.attached = vec![attached(&sample.names.policy)];
    found
}

fn attached(name: &str) -> AttachedPolicy {
    let mut attached = AttachedPolicy::default();
    attached.name = name.to_owned();
    attached
}

fn to_prepare(found: &Found) -> Plan {
    Plan::to_prepare(&sample(), found)
}

fn work(plan: &Plan) -> Vec<Thing> {
    plan.work().map(|step| step.thing).collect()
}

fn shown(plan: &Plan) -> String {
    let lines: Vec<String> = plan.steps.iter().map(Step::to_string).collect();
    lines.join("\n") + "\n"
}

#[test]
fn nothing_is_there_so_everything_is_made_in_order_and_no_secret_is_shown() {
    use Thing::*;
    let plan = to_prepare(&Found::default());
    let order = [IdentityProvider, ApiKeyProvider, OAuth2Provider, Workload, Role, Policy, Attachment, Binding];
    assert_eq!(work(&plan), order);
    let shown = shown(&plan);
    assert!(shown.lines().all(|line| line.starts_with("+ create ")), "{shown}");
    assert!(!shown.contains("hunter2") && !format!("{plan:?} {:?}", sample()).contains("hunter2"), "{shown}");
}

#[test]
fn everything_is_there_so_nothing_is_done() {
    let plan = to_prepare(&whole());
    assert_eq!(work(&plan), []);
    assert!(!plan.is_refused() && shown(&plan).lines().all(|line| line.starts_with("= ")), "{}", shown(&plan));
}

#[test]
fn what_is_gone_is_made_again_and_nothing_else() {
    let gone = |change: fn(&mut Found)| {
        let mut found = whole();
        change(&mut found);
        work(&to_prepare(&found))
    };
    assert_eq!(gone(|found| found.identity_provider = None), [Thing::IdentityProvider]);
    assert_eq!(gone(|found| found.api_key_provider = None), [Thing::ApiKeyProvider]);
    assert_eq!(gone(|found| found.oauth2_provider = None), [Thing::OAuth2Provider]);
    assert_eq!(gone(|found| found.workload = None), [Thing::Workload, Thing::Binding]);
    assert_eq!(gone(|found| found.policy = None), [Thing::Policy]);
    assert_eq!(gone(|found| found.attached.clear()), [Thing::Attachment]);
    let role = |found: &mut Found| (found.role, found.attached) = (None, Vec::new());
    assert_eq!(gone(role), [Thing::Role, Thing::Attachment]);
}

#[test]
fn what_differs_is_changed_and_both_values_are_shown() {
    let mut found = whole();
    let issuer = found.identity_provider.as_mut().unwrap();
    issuer.allowed_audience = vec!["app-1".to_owned()];
    issuer.discovery_url = Some("https://else\u{1b}[2J.example.com".to_owned());
    let workload = found.workload.as_mut().unwrap();
    workload.session_binding_enabled = Some(false);
    workload.role_arn = Some("acs:ram::1000000000000001:role/other".to_owned());
    found.oauth2_provider.as_mut().unwrap().client_id = Some("client-0".to_owned());
    let plan = to_prepare(&found);
    assert_eq!(work(&plan), [Thing::IdentityProvider, Thing::OAuth2Provider, Thing::Workload, Thing::Binding]);
    let shown = shown(&plan);
    for line in [
        "~ update identity provider demo-users\n",
        r#"    discovery document: "https://else\u{1b}[2J.example.com" -> "https://idp.example.com"#,
        r#"    audience: ["app-1"] -> ["app-1", "app-2"]"#,
        r#"    client: "client-0" -> "client-1""#,
        "    session binding: off -> on\n",
        r#"    role: "acs:ram::1000000000000001:role/other" -> "acs:ram::1000000000000001:role/AgentIdentityRole-demo""#,
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
}

#[test]
fn documents_that_allow_something_else_are_replaced() {
    let mut found = whole();
    found.role.as_mut().unwrap().trust = Some(identity_client::agent_identity::Ram::trust_of_workloads());
    found.policy.as_mut().unwrap().document.as_mut().unwrap()["Statement"][0]["Resource"] = json!(["*"]);
    assert_eq!(work(&to_prepare(&found)), [Thing::Role, Thing::Policy]);
    let other = arn("workloadidentitydirectory/default/workloadidentity/demo").replace("0001", "0002");
    let mut found = whole();
    found.role.as_mut().unwrap().trust = Some(identity_client::agent_identity::Ram::trust_of_workload(&other));
    assert_eq!(work(&to_prepare(&found)), [Thing::Role], "the ARN is known, so the account counts");
    found.workload = None;
    assert_eq!(work(&to_prepare(&found)), [Thing::Workload, Thing::Binding], "as far as can be told by now");
    found.role.as_mut().unwrap().trust =
        Some(identity_client::agent_identity::Ram::trust_of_workload(&format!("{other}2")));
    assert_eq!(work(&to_prepare(&found)), [Thing::Workload, Thing::Role, Thing::Binding]);
}

#[test]
fn what_somebody_else_made_is_refused_and_never_cleared() {
    type Described = fn(&mut Found) -> &mut Option<String>;
    let all: [(Described, Thing); 6] = [
        (|found| &mut found.identity_provider.as_mut().unwrap().description, Thing::IdentityProvider),
        (|found| &mut found.api_key_provider.as_mut().unwrap().description, Thing::ApiKeyProvider),
        (|found| &mut found.oauth2_provider.as_mut().unwrap().description, Thing::OAuth2Provider),
        (|found| &mut found.workload.as_mut().unwrap().description, Thing::Workload),
        (|found| &mut found.role.as_mut().unwrap().description, Thing::Role),
        (|found| &mut found.policy.as_mut().unwrap().description, Thing::Policy),
    ];
    for (description, thing) in all {
        for other in [None, Some(String::new()), Some(format!("{MARK}, or so"))] {
            let mut found = whole();
            *description(&mut found) = other;
            let plan = to_prepare(&found);
            assert!(plan.is_refused(), "{thing}");
            let refused: Vec<_> = plan
                .steps
                .iter()
                .filter(|step| matches!(step.action, Action::Refuse(_)))
                .map(|step| step.thing)
                .collect();
            assert_eq!(refused, [thing]);
            let plan = Plan::to_clear(&sample().names, &found);
            assert!(!plan.is_refused() && !work(&plan).contains(&thing), "{}", shown(&plan));
        }
    }
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let mut found = whole();
    found.oauth2_provider.as_mut().unwrap().oauth_type = Some("M2M".to_owned());
    let plan = to_prepare(&found);
    assert!(plan.is_refused());
    assert!(
        shown(&plan).contains(r#"! OAuth 2.0 provider demo-mcp: its flow is "M2M", should be "USER_FEDERATION" and"#)
    );
}

#[test]
fn a_secret_is_needed_only_for_what_is_made() {
    let bare = Sample { api_key: None, client_secret: None, ..sample() };
    assert_eq!(Plan::to_prepare(&bare, &whole()).lacks().count(), 0);
    let mut found = whole();
    found.api_key_provider = None;
    let plan = Plan::to_prepare(&bare, &found);
    let lacks: Vec<_> = plan.lacks().collect();
    assert!(
        lacks.len() == 1 && lacks[0].contains("SAMPLE_API_KEY") && lacks[0].contains("--api-key-file"),
        "{lacks:?}"
    );
    found.oauth2_provider.as_mut().unwrap().client_id = Some("client-0".to_owned());
    assert_eq!(Plan::to_prepare(&bare, &found).lacks().count(), 2, "another client has another secret");
}

#[test]
fn clearing_goes_backwards_and_knows_what_is_gone() {
    use Thing::*;
    let names = sample().names;
    let plan = Plan::to_clear(&names, &whole());
    assert_eq!(work(&plan), [Attachment, Policy, Role, Workload, OAuth2Provider, ApiKeyProvider, IdentityProvider]);
    assert_eq!(work(&Plan::to_clear(&names, &Found::default())), []);
    let mut found = whole();
    (found.role, found.attached) = (None, Vec::new());
    assert_eq!(
        work(&Plan::to_clear(&names, &found)),
        [Policy, Workload, OAuth2Provider, ApiKeyProvider, IdentityProvider]
    );
}

#[test]
fn a_role_to_which_more_was_attached_is_kept_in_use_and_not_cleared() {
    let mut found = whole();
    found.attached.push(attached("read-the-files"));
    let plan = to_prepare(&found);
    assert_eq!(work(&plan), []);
    assert!(shown(&plan).contains("read-the-files"), "it is told");
    assert!(Plan::to_clear(&sample().names, &found).is_refused());
}
