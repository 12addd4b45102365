use identity_client::agent_identity::{
    ApiKeyCredentialProvider, Application, ApplicationScope, AttachedPolicy, IdentityProvider,
    OAuth2CredentialProvider, RamPolicy, RamRole, WorkloadIdentity,
};
use serde_json::json;

use super::*;
use crate::sample::{APPLICATION_MARK, desired::Registration};

const KEY: &str = "hunter2-api-key";
const SECRET: &str = "hunter2-client-secret";

const CALLBACK: &str = "https://agentidentitydata.cn-beijing.aliyuncs.com/oauth2/callback/1";

/// With an audience and a client that somebody else registered.
fn sample() -> Sample {
    Sample {
        names: Names::of("demo"),
        discovery_url: "https://idp.example.com/.well-known/openid-configuration".to_owned(),
        audience: Some(vec!["app-1".to_owned(), "app-2".to_owned()]),
        sign_in_urls: vec!["https://app.example.com/".to_owned()],
        return_urls: vec!["https://app.example.com/callback".to_owned()],
        vendor: "AliyunOAuth2".to_owned(),
        client: Some(Client { id: "client-1".to_owned(), secret: Some(SECRET.into()), is_public: false }),
        machine: None,
        api_key: Some(KEY.into()),
        replaces_secrets: false,
    }
}

/// With two applications of its own, and a client at DingTalk.
fn registering() -> Sample {
    let machine = Machine::at_dingtalk("key-1", SECRET.into(), "corp-1");
    Sample { audience: None, client: None, machine: Some(machine), ..sample() }
}

fn application(id: &str, registration: &Registration, urls: &[&str]) -> Application {
    let mut application = Application::default();
    (application.id, application.display_name) = (id.to_owned(), Some(APPLICATION_MARK.to_owned()));
    application.kind = Some(registration.kind.to_string());
    application.protocol_version = Some(Registration::PROTOCOL.to_owned());
    application.redirect_uris = urls.iter().map(|&url| url.to_owned()).collect();
    application.scopes = registration
        .scopes
        .iter()
        .map(|&name| {
            let mut scope = ApplicationScope::default();
            (scope.name, scope.required) = (name.to_owned(), true);
            scope
        })
        .collect();
    application
}

/// All of it, as it should be.
fn registered() -> Found {
    let mut found = whole();
    found.sign_in_application = Some(application("41", &Registration::SIGN_IN, &["https://app.example.com/"]));
    found.mcp_application = Some(application("42", &Registration::MCP, &[CALLBACK]));
    found.identity_provider.as_mut().unwrap().allowed_audience = vec!["41".to_owned()];
    let provider = found.oauth2_provider.as_mut().unwrap();
    (provider.client_id, provider.callback_url) = (Some("42".to_owned()), Some(CALLBACK.to_owned()));
    let mut machine = OAuth2CredentialProvider::default();
    machine.arn = Some(arn("tokenvault/default/oauth2credentialprovider/demo-dingtalk"));
    (machine.credential_provider_vendor, machine.client_id) =
        (Some(Machine::VENDOR.to_owned()), Some("key-1".to_owned()));
    (machine.oauth_type, machine.description) = (Some("M2M".to_owned()), Some(MARK.to_owned()));
    found.machine_provider = Some(machine);
    found.policy.as_mut().unwrap().document = Some(Arns::of(&registering(), &found).permissions());
    found
}

fn arn(rest: &str) -> String {
    format!("acs:agentidentity:cn-beijing:1000000000000001:{rest}")
}

/// All of it, as it should be.
fn whole() -> Found {
    let (sample, ours) = (sample(), Some(MARK.to_owned()));
    let desired = sample.clone();
    let mut issuer = IdentityProvider::default();
    (issuer.discovery_url, issuer.allowed_audience) =
        (Some(sample.discovery_url), sample.audience.into_iter().flatten().rev().collect());
    issuer.description.clone_from(&ours);
    let mut key = ApiKeyCredentialProvider::default();
    key.arn = Some(arn("tokenvault/default/apikeycredentialprovider/demo-weather"));
    key.description.clone_from(&ours);
    let mut oauth2 = OAuth2CredentialProvider::default();
    oauth2.arn = Some(arn("tokenvault/default/oauth2credentialprovider/demo-mcp"));
    (oauth2.credential_provider_vendor, oauth2.client_id) =
        (Some(sample.vendor), sample.client.map(|client| client.id));
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
    let arns = Arns::of(&desired, &found);
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
    let client = sample().client.map(|client| Client { secret: None, ..client });
    let bare = Sample { api_key: None, client, ..sample() };
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

#[test]
fn two_applications_are_registered_first_and_what_they_make_up_is_known_later() {
    use Thing::*;
    let plan = Plan::to_prepare(&registering(), &Found::default());
    let order = [
        SignInApplication,
        McpApplication,
        IdentityProvider,
        ApiKeyProvider,
        OAuth2Provider,
        MachineProvider,
        Workload,
        Role,
        Policy,
        Attachment,
        Binding,
    ];
    assert_eq!(work(&plan), order);
    let shown = shown(&plan);
    for line in [
        "create sign-in application demo-sign-in: WebApp, scopes",
        "create identity provider demo-users: tokens of https://idp.example.com/.well-known/openid-configuration for the sign-in application (known after it is made)\n",
        "create OAuth 2.0 provider demo-mcp: AliyunOAuth2, client the MCP application (known after it is made) without a secret,",
        "create machine-to-machine provider demo-dingtalk: DingTalkOAuth2, client \"key-1\" with its secret at https://api.dingtalk.com/v1.0/oauth2/corp-1/token, M2M\n",
        "GetResourceOAuth2Token of demo-mcp and demo-dingtalk, as demo\n",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    assert_eq!(plan.lacks().count(), 0, "a registered client has no secret");
    assert!(!shown.contains("hunter2") && !format!("{:?}", registering()).contains("hunter2"));
}

#[test]
fn with_its_applications_it_is_whole_too() {
    let plan = Plan::to_prepare(&registering(), &registered());
    assert_eq!(work(&plan), [], "{}", shown(&plan));
    assert!(shown(&plan).contains("= MCP application demo-mcp: as it should be; its client id is \"42\"\n"));
    let without = Sample { machine: None, ..registering() };
    let plan = Plan::to_prepare(&without, &registered());
    assert_eq!(work(&plan), [], "what was made with variables that are no longer set stays, {}", shown(&plan));
}

#[test]
fn an_application_that_is_gone_is_registered_again_and_those_that_name_it_follow() {
    let mut found = registered();
    (found.sign_in_application, found.mcp_application) = (None, None);
    let plan = Plan::to_prepare(&registering(), &found);
    let things = [Thing::SignInApplication, Thing::McpApplication, Thing::IdentityProvider, Thing::OAuth2Provider];
    assert_eq!(work(&plan), things);
    let shown = shown(&plan);
    for line in [
        &format!(
            "+ create MCP application demo-mcp: NativeApp, scopes [\"/acs/mcp-server\", \"aliuid\", \"openid\", \"profile\"], back to [\"{CALLBACK}\"]\n"
        ),
        "    audience: \"41\" -> known after it is made\n",
        "    client: \"42\" -> known after it is made\n",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
}

#[test]
fn an_application_that_differs_is_changed_where_it_can_be() {
    let change = |change: fn(&mut Application)| {
        let mut found = registered();
        change(found.mcp_application.as_mut().unwrap());
        Plan::to_prepare(&registering(), &found)
    };
    for (plan, line) in [
        (change(|it| it.redirect_uris.clear()), format!("    redirect URIs: [] -> [{CALLBACK:?}]")),
        (
            change(|it| drop(it.scopes.remove(0))),
            r#"    scopes: ["aliuid", "openid", "profile"] -> ["/acs/mcp-server""#.to_owned(),
        ),
        (change(|it| it.scopes[0].required = false), r#"    required scopes: ["aliuid""#.to_owned()),
    ] {
        assert_eq!(work(&plan), [Thing::McpApplication]);
        assert!(shown(&plan).contains(&line), "{line} is not in\n{}", shown(&plan));
    }
    for plan in [
        change(|it| it.kind = Some("WebApp".to_owned())),
        change(|it| it.protocol_version = Some("2.0".to_owned())),
        change(|it| it.display_name = Some("Somebody else's".to_owned())),
    ] {
        assert!(plan.is_refused(), "{}", shown(&plan));
    }
}

#[test]
fn secrets_are_replaced_only_when_that_is_asked_for() {
    let replacing = Sample { replaces_secrets: true, ..registering() };
    let plan = Plan::to_prepare(&replacing, &registered());
    assert_eq!(work(&plan), [Thing::ApiKeyProvider, Thing::MachineProvider]);
    assert!(shown(&plan).contains("    key: not shown -> the one that is given\n"), "{}", shown(&plan));
    assert_eq!(work(&Plan::to_prepare(&replacing.keeping_secrets(), &registered())), []);
    let with_client = Sample { replaces_secrets: true, ..sample() };
    assert_eq!(work(&Plan::to_prepare(&with_client, &whole())), [Thing::ApiKeyProvider, Thing::OAuth2Provider]);
    let bare = Sample { api_key: None, ..replacing };
    assert!(Plan::to_prepare(&bare, &registered()).lacks().next().unwrap().contains("SAMPLE_API_KEY"));
}

#[test]
fn clearing_takes_the_applications_last_and_stops_for_others_who_use_the_identity_provider() {
    use Thing::*;
    let names = sample().names;
    let all = [
        Attachment,
        Policy,
        Role,
        Workload,
        MachineProvider,
        OAuth2Provider,
        ApiKeyProvider,
        IdentityProvider,
        McpApplication,
        SignInApplication,
    ];
    assert_eq!(work(&Plan::to_clear(&names, &registered())), all);
    let mut found = registered();
    found.sign_in_application.as_mut().unwrap().display_name = Some("Somebody else's".to_owned());
    assert!(!work(&Plan::to_clear(&names, &found)).contains(&SignInApplication));
    found.other_workloads = vec!["billing".to_owned()];
    let plan = Plan::to_clear(&names, &found);
    assert!(
        plan.is_refused()
            && shown(&plan).contains("! identity provider demo-users: the workload identities [\"billing\"]")
    );
    found.identity_provider = None;
    assert!(!Plan::to_clear(&names, &found).is_refused());
}
