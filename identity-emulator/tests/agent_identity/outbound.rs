//! Credentials for agents, and whose they are.

use std::time::Duration;

use identity_emulator::Human;
use serde_json::{Value, json};

use crate::support::{AGENT, Bench, CONTROL, DATA, Draft, Key, RETURN_URL, location, parameter, text};

const BOUND: [(&str, &str); 2] =
    [("AllowedResourceOAuth2ReturnURLs", r#"["https://app.example.com/bound"]"#), ("SessionBindingEnabled", "True")];

const TRUST: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}"#;
const OTHER: &str = r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"sts:AssumeRole"}]}"#;

fn ask<'a>(token: &'a str, provider: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("WorkloadAccessToken", token), ("ResourceCredentialProviderName", provider), ("Scopes", r#"["read"]"#)]
}

async fn ask_with(bench: &Bench, token: &str, more: &[(&str, &str)]) -> Value {
    bench.done(DATA, "GetResourceOAuth2Token", &[&ask(token, "calendar"), more].concat()).await
}

#[tokio::test]
async fn keys_come_from_the_vault_that_was_named_and_to_the_agent_that_signed() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &[]).await;
    bench.agent("other-agent", &[]).await;
    bench.done(CONTROL, "CreateTokenVault", &[("TokenVaultName", "side")]).await;
    for (vault, key) in [("default", "key-of-default"), ("side", "key-of-side")] {
        let parameters = [("APIKeyCredentialProviderName", "weather"), ("APIKey", key), ("TokenVaultName", vault)];
        let answer = bench.done(CONTROL, "CreateAPIKeyCredentialProvider", &parameters).await;
        assert!(!answer.to_string().contains(key));
    }
    let token = bench.token_for(AGENT, "alice").await;
    let sts = bench.sts(&token, &[]).await;
    let base = [("WorkloadAccessToken", token.as_str()), ("ResourceCredentialProviderName", "weather")];
    for (more, expected) in [(vec![], "key-of-default"), (vec![("TokenVaultName", "side")], "key-of-side")] {
        let draft = Draft::new(DATA, "GetResourceAPIKey", &[base.as_slice(), &more].concat());
        assert_eq!(bench.signed(draft, &sts).await.1["APIKey"], expected);
    }
    let others = bench.token_for("other-agent", "alice").await;
    let stolen = [("WorkloadAccessToken", others.as_str()), ("ResourceCredentialProviderName", "weather")];
    for draft in [
        Draft::new(DATA, "GetResourceAPIKey", &stolen),
        Draft::new(DATA, "GetWorkloadAccessToken", &[("WorkloadIdentityName", AGENT)]),
        Draft::new(CONTROL, "ListWorkloadIdentities", &[]),
    ] {
        let (status, answer) = bench.signed(draft, &sts).await;
        assert_eq!((status, text(&answer, "Code").as_str()), (403, "NoPermission"));
        assert!(answer["AccessDeniedDetail"]["AuthAction"].is_string());
    }
    let missing = [("WorkloadAccessToken", token.as_str()), ("ResourceCredentialProviderName", "nowhere")];
    let expected = (404, "EntityNotExists.APIKeyCredentialProvider".to_owned());
    assert_eq!(bench.refused(DATA, "GetResourceAPIKey", &missing).await, expected);
    bench.emulator.advance_clock(Duration::from_secs(301));
    let late = Draft { date: "2025-12-01T08:05:01Z".to_owned(), ..Draft::new(DATA, "GetResourceAPIKey", &base) };
    assert_eq!(bench.signed(late, &sts).await.1["Code"], "InvalidParameter.WorkloadAccessToken");
}

#[tokio::test]
async fn a_bound_consent_counts_when_the_application_has_said_for_whom() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &BOUND).await;
    bench.provider("calendar", "USER_FEDERATION").await;
    let (alice, bob) = (bench.token_for(AGENT, "alice").await, bench.token_for(AGENT, "bob").await);
    let expected = (400, "MissingParameter.ResourceOAuth2ReturnURL".to_owned());
    assert_eq!(bench.refused(DATA, "GetResourceOAuth2Token", &ask(&alice, "calendar")).await, expected);
    let foreign = [ask(&alice, "calendar"), vec![("ResourceOAuth2ReturnURL", "https://evil.example.com/")]].concat();
    let expected = (400, "Missmatch.ResourceOAuth2ReturnURL".to_owned());
    assert_eq!(bench.refused(DATA, "GetResourceOAuth2Token", &foreign).await, expected);

    let base = [("ResourceOAuth2ReturnURL", RETURN_URL), ("CustomState", "chat 1/é"), ("ForceAuthentication", "False")];
    let asked = ask_with(&bench, &alice, &base).await;
    assert_eq!(asked["SessionStatus"], "IN_PROGRESS");
    let (link, uri) = (text(&asked, "AuthorizationURL"), text(&asked, "SessionURI"));
    let back = bench.decide(&link, "alice", "allow").await;
    assert_eq!(bench.http.get(&link).send().await.unwrap().status(), 404, "the link works once");
    let landed = location(&bench.http.get(&back).send().await.unwrap());
    assert!(landed.starts_with(RETURN_URL));
    assert_eq!(parameter(&landed, "state").as_deref(), Some("chat 1/é"));
    assert_eq!(parameter(&landed, "session_uri").as_deref(), Some(uri.as_str()));
    assert_eq!(bench.http.get(&back).send().await.unwrap().status(), 404, "so does the state");

    let poll = [base.as_slice(), &[("SessionURI", uri.as_str())]].concat();
    assert_eq!(ask_with(&bench, &alice, &poll).await["SessionStatus"], "IN_PROGRESS", "nobody has vouched yet");
    for (identifier, expected) in [
        (json!({ "UserId": "bob" }), (403, "Forbidden.UserIdentifier")),
        (json!({}), (400, "InvalidParameter.UserIdentifier")),
        (json!({ "UserId": "alice", "UserJWT": "x" }), (400, "InvalidParameter.UserIdentifier")),
    ] {
        let parameters = [("SessionURI", uri.as_str()), ("UserIdentifier", &identifier.to_string())];
        let (status, code) = bench.refused(DATA, "CompleteResourceTokenAuth", &parameters).await;
        assert_eq!((status, code.as_str()), expected);
    }
    let other = [base.as_slice(), &[("SessionURI", uri.as_str())]].concat();
    let other = [ask(&bob, "calendar"), other].concat();
    let expected = (404, "EntityNotExists.Session".to_owned());
    assert_eq!(bench.refused(DATA, "GetResourceOAuth2Token", &other).await, expected, "the session is alice's");
    let parameters = [("SessionURI", uri.as_str()), ("UserIdentifier", r#"{"UserId":"alice"}"#)];
    for _ in 0..2 {
        bench.done(DATA, "CompleteResourceTokenAuth", &parameters).await;
    }
    let released = ask_with(&bench, &alice, &poll).await;
    assert!(released["ExpiresIn"].as_i64().unwrap() > 3000);
    let again = ask_with(&bench, &alice, &base).await;
    assert_eq!(again["AccessToken"], released["AccessToken"], "kept for the user");
    assert!(ask_with(&bench, &bob, &base).await["AccessToken"].is_null(), "and for nobody else");
    let forced = [base[0], ("ForceAuthentication", "True")];
    assert!(ask_with(&bench, &alice, &forced).await["AuthorizationURL"].is_string());
    assert!(ask_with(&bench, &alice, &base).await["AccessToken"].is_null(), "forced: the old token is gone");
}

#[tokio::test]
async fn too_early_a_confirmation_is_told_and_refusals_end_the_session() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &BOUND).await;
    bench.provider("calendar", "USER_FEDERATION").await;
    let alice = bench.token_for(AGENT, "alice").await;
    let base = [("ResourceOAuth2ReturnURL", RETURN_URL)];
    let asked = ask_with(&bench, &alice, &base).await;
    let uri = text(&asked, "SessionURI");
    let confirm = [("SessionURI", uri.as_str()), ("UserIdentifier", r#"{"UserId":"alice"}"#)];
    let expected = (400, "InvalidParameter.SessionURI".to_owned());
    assert_eq!(bench.refused(DATA, "CompleteResourceTokenAuth", &confirm).await, expected);
    let back = bench.decide(&text(&asked, "AuthorizationURL"), "alice", "deny").await;
    let landed = location(&bench.http.get(&back).send().await.unwrap());
    assert_eq!(parameter(&landed, "error").as_deref(), Some("access_denied"));
    let poll = [base[0], ("SessionURI", uri.as_str())];
    assert_eq!(ask_with(&bench, &alice, &poll).await["SessionStatus"], "FAILED");
    assert_eq!(bench.refused(DATA, "CompleteResourceTokenAuth", &confirm).await.0, 404);
}

#[tokio::test]
async fn without_binding_and_list_the_scripted_person_is_enough_and_machines_need_none() {
    let bench = Bench::with_human(Human::ApproveAfter(1)).await;
    bench.agent(AGENT, &[]).await;
    bench.provider("calendar", "USER_FEDERATION").await;
    bench.provider("service", "M2M").await;
    let alice = bench.token_for(AGENT, "alice").await;
    let asked = ask_with(&bench, &alice, &[]).await;
    let uri = text(&asked, "SessionURI");
    assert_eq!(ask_with(&bench, &alice, &[("SessionURI", &uri)]).await["SessionStatus"], "IN_PROGRESS");
    assert!(ask_with(&bench, &alice, &[("SessionURI", &uri)]).await["AccessToken"].is_string());
    let plain = bench.plain_token(AGENT).await;
    let answer = bench.done(DATA, "GetResourceOAuth2Token", &ask(&plain, "service")).await;
    assert!(answer["AccessToken"].is_string() && answer["SessionURI"].is_null());
    let expected = (400, "InvalidParameter.WorkloadAccessToken".to_owned());
    assert_eq!(bench.refused(DATA, "GetResourceOAuth2Token", &ask(&plain, "calendar")).await, expected);
    let mixed = [ask(&alice, "service"), vec![("OAuth2Flow", "USER_FEDERATION")]].concat();
    let expected = (400, "InvalidParameter.OAuth2Flow".to_owned());
    assert_eq!(bench.refused(DATA, "GetResourceOAuth2Token", &mixed).await, expected);
}

#[tokio::test]
async fn roles_are_taken_by_token_alone_and_within_bounds() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &[]).await;
    bench.done(CONTROL, "CreateWorkloadIdentity", &[("WorkloadIdentityName", "without-role")]).await;
    let token = bench.token_for(AGENT, "alice").await;
    let (_, answer) = bench.assume(&token, &[("DurationSeconds", "900")]).await;
    assert_eq!(answer["Credentials"]["Expiration"].as_str().unwrap().get(..16), Some("2025-12-01T08:15"));
    assert_eq!(answer["WorkloadContextInfo"]["UserContext"]["UserId"], "alice");
    let roleless = bench.plain_token("without-role").await;
    for (token, more, code) in [
        (roleless.as_str(), vec![], "MissingRoleArn"),
        ("a.b.c.d.e", vec![], "InvalidParameter.WorkloadAccessToken"),
        (&token, vec![("DurationSeconds", "899")], "InvalidParameter.DurationSeconds"),
        (&token, vec![("DurationSeconds", "43201")], "InvalidParameter.DurationSeconds"),
        (&token, vec![("RoleSessionName", "a b")], "InvalidParameter.RoleSessionName"),
        (&token, vec![("Policy", r#"{"Statement":[{"Effect":"Allow"}]}"#)], "InvalidParameter.Policy"),
    ] {
        let (status, answer) = bench.assume(token, &more).await;
        assert_eq!((status, text(&answer, "Code").as_str()), (400, code));
    }
    // Deleted and made again: what the one before was given is worth nothing.
    bench.done(CONTROL, "DeleteWorkloadIdentity", &[("WorkloadIdentityName", AGENT)]).await;
    bench.agent(AGENT, &[]).await;
    assert_eq!(bench.assume(&token, &[]).await.1["Code"], "InvalidParameter.WorkloadAccessToken");
}

#[tokio::test]
async fn what_a_preparation_makes_of_ram_can_be_cleared_away() {
    let bench = Bench::start().await;
    let ram = |action: &'static str, more: Vec<(&'static str, &'static str)>| {
        let bench = &bench;
        async move { bench.call(crate::support::RAM, action, &more).await }
    };
    let role = ("RoleName", "AgentIdentityRole-demo");
    let policy = ("PolicyName", "AgentIdentityPolicy-demo");
    let attached = vec![role, policy, ("PolicyType", "Custom")];
    for (action, more, expected) in [
        ("GetRole", vec![role], (404, "EntityNotExist.Role")),
        ("CreateRole", vec![role, ("AssumeRolePolicyDocument", TRUST)], (200, "")),
        ("CreateRole", vec![role, ("AssumeRolePolicyDocument", TRUST)], (409, "EntityAlreadyExists.Role")),
        ("CreatePolicy", vec![policy, ("PolicyDocument", TRUST)], (200, "")),
        ("AttachPolicyToRole", attached.clone(), (200, "")),
        ("AttachPolicyToRole", attached.clone(), (409, "EntityAlreadyExists.Role.Policy")),
        ("DeleteRole", vec![role], (409, "DeleteConflict.Role.Policy")),
        (
            "UpdateRole",
            vec![role, ("NewAssumeRolePolicyDocument", "{}")],
            (400, "InvalidParameter.NewAssumeRolePolicyDocument"),
        ),
        ("CreatePolicyVersion", vec![policy, ("PolicyDocument", OTHER), ("SetAsDefault", "true")], (200, "")),
        ("DeletePolicy", vec![policy], (409, "DeleteConflict.Policy.Version")),
        ("DeletePolicyVersion", vec![policy, ("VersionId", "v2")], (409, "DeleteConflict.PolicyVersion.Default")),
        ("DeletePolicyVersion", vec![policy, ("VersionId", "v1")], (200, "")),
        ("DeletePolicyVersion", vec![policy, ("VersionId", "v1")], (404, "EntityNotExist.Policy.Version")),
        ("DeletePolicy", vec![policy], (409, "DeleteConflict.Policy.Role")),
        ("DetachPolicyFromRole", attached, (200, "")),
        ("DeletePolicy", vec![policy], (200, "")),
        ("GetRole", vec![role], (200, "")),
        ("DeleteRole", vec![role], (200, "")),
        ("DeleteRole", vec![role], (404, "EntityNotExist.Role")),
    ] {
        let (status, answer) = ram(action, more).await;
        assert_eq!((status, answer["Code"].as_str().unwrap_or_default()), expected, "{action}");
    }
}

#[tokio::test]
async fn what_ram_has_is_shown_as_it_is_now() {
    let bench = Bench::start().await;
    let (role, policy, kind) = (("RoleName", "role-1"), ("PolicyName", "policy-1"), ("PolicyType", "Custom"));
    let ram = async |action: &str, more: &[(&str, &str)]| {
        let (status, answer) = bench.call(crate::support::RAM, action, more).await;
        assert_eq!(status, 200, "{action}: {answer}");
        answer
    };
    ram("CreateRole", &[role, ("AssumeRolePolicyDocument", TRUST), ("Description", "one")]).await;
    let updated = ram("UpdateRole", &[role, ("NewAssumeRolePolicyDocument", OTHER)]).await;
    let shown = ram("GetRole", &[role]).await;
    assert_eq!(updated["Role"]["AssumeRolePolicyDocument"], OTHER);
    assert_eq!(shown["Role"], updated["Role"]);
    assert_eq!(shown["Role"]["Description"], "one", "what is left out stays");
    assert_eq!(ram("ListPoliciesForRole", &[role]).await["Policies"]["Policy"], serde_json::json!([]));

    ram("CreatePolicy", &[policy, ("PolicyDocument", TRUST)]).await;
    ram("AttachPolicyToRole", &[role, policy, kind]).await;
    let attached = ram("ListPoliciesForRole", &[role]).await;
    let attached = &attached["Policies"]["Policy"][0];
    assert_eq!((&attached["PolicyName"], &attached["PolicyType"]), (&policy.1.into(), &kind.1.into()));

    for _ in 0..6 {
        let rotates = ("RotateStrategy", "DeleteOldestNonDefaultVersionWhenLimitExceeded");
        ram("CreatePolicyVersion", &[policy, ("PolicyDocument", OTHER), ("SetAsDefault", "true"), rotates]).await;
    }
    let found = ram("GetPolicy", &[policy, kind]).await;
    assert_eq!(
        (&found["Policy"]["DefaultVersion"], &found["DefaultPolicyVersion"]["VersionId"]),
        (&"v7".into(), &"v7".into())
    );
    assert_eq!(found["DefaultPolicyVersion"]["PolicyDocument"], OTHER);
    let versions = ram("ListPolicyVersions", &[policy, kind]).await;
    let versions = versions["PolicyVersions"]["PolicyVersion"].as_array().unwrap().clone();
    let named: Vec<_> = versions.iter().filter_map(|version| version["VersionId"].as_str()).collect();
    assert_eq!(named, ["v3", "v4", "v5", "v6", "v7"]);
    let more = [policy, ("PolicyDocument", OTHER)];
    let (status, answer) = bench.call(crate::support::RAM, "CreatePolicyVersion", &more).await;
    assert_eq!((status, answer["Code"].as_str()), (409, Some("LimitExceeded.Policy.Version")));
}

#[tokio::test]
async fn keys_of_another_emulator_are_nobodys() {
    let (one, other) = (Bench::start().await, Bench::start().await);
    one.agent(AGENT, &[]).await;
    other.agent(AGENT, &[]).await;
    let token = one.token_for(AGENT, "alice").await;
    assert_eq!(other.assume(&token, &[]).await.1["Code"], "InvalidParameter.WorkloadAccessToken");
    let key: Key = one.sts(&token, &[]).await;
    let draft = Draft::new(DATA, "GetResourceAPIKey", &[]);
    assert_eq!(other.signed(draft, &key).await.1["Code"], "InvalidAccessKeyId.NotFound");
}
