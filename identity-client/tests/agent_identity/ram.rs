//! RAM as its public reference shows it: what is asked, and what is read from the answers of its examples.

use identity_client::{
    ErrorKind, Flow,
    agent_identity::{Management, NewOAuth2Provider, OAuth2Config},
};
use serde_json::{Value, json};

use crate::support::{Reply, Server, refused};

const DOCUMENT: &str =
    r#"{ "Statement": [{ "Action": ["oss:*"], "Effect": "Allow", "Resource": ["acs:oss:*:*:*"]}], "Version": "1"}"#;

async fn server() -> (Server, Management) {
    let server = Server::new(|seen| {
        let version = |id: &str, is_default: bool| json!({ "VersionId": id, "IsDefaultVersion": is_default });
        let answer = match seen.action() {
            "GetRole" => json!({ "Role": {
                "RoleName": "ECSAdmin", "Arn": "acs:ram::1:role/ECSAdmin", "Description": "for machines",
                "AssumeRolePolicyDocument": DOCUMENT, "MaxSessionDuration": 3600,
            } }),
            "ListPoliciesForRole" => json!({ "Policies": { "Policy": [
                { "PolicyName": "OSS-Administrator", "PolicyType": "Custom", "DefaultVersion": "v1" },
                { "PolicyName": "AliyunOSSFullAccess", "PolicyType": "System", "DefaultVersion": "v1" },
            ] } }),
            "GetPolicy" => json!({
                "Policy": { "PolicyName": "OSS-Administrator", "PolicyDocument": "N/A", "Description": "for files" },
                "DefaultPolicyVersion": { "VersionId": "v1", "IsDefaultVersion": true, "PolicyDocument": DOCUMENT },
            }),
            "ListPolicyVersions" => {
                json!({ "PolicyVersions": { "PolicyVersion": [version("v1", false), version("v3", true), version("v2", false)] } })
            }
            "UpdateRole" | "CreatePolicyVersion" | "DeletePolicyVersion" | "DeletePolicy" => json!({ "RequestId": "r" }),
            _ => return None,
        };
        Some(Reply::json(200, &answer))
    })
    .await;
    let management = server.platform().management().clone();
    (server, management)
}

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

#[tokio::test]
async fn roles_and_policies_are_read_with_their_documents() {
    let (_server, management) = server().await;
    let ram = management.ram();
    let role = ram.role("ECSAdmin").await.unwrap();
    assert_eq!((role.arn.as_deref(), role.trust), (Some("acs:ram::1:role/ECSAdmin"), Some(document())));
    assert_eq!(role.description.as_deref(), Some("for machines"));
    let policy = ram.policy("OSS-Administrator").await.unwrap();
    assert_eq!((policy.document, policy.description.as_deref()), (Some(document()), Some("for files")));
    let attached = ram.policies_of_role("ECSAdmin").await.unwrap();
    let attached: Vec<_> = attached.iter().map(|policy| (policy.name.as_str(), policy.is_system)).collect();
    assert_eq!(attached, [("OSS-Administrator", false), ("AliyunOSSFullAccess", true)]);
}

#[tokio::test]
async fn documents_are_replaced() {
    let (server, management) = server().await;
    let ram = management.ram();
    ram.replace_trust("ECSAdmin", &document()).await.unwrap();
    let sent = server.asked("UpdateRole")[0].parameters();
    assert_eq!(sent["RoleName"], "ECSAdmin");
    assert_eq!(sent["NewAssumeRolePolicyDocument"], document().to_string());
    ram.replace_policy("OSS-Administrator", &document()).await.unwrap();
    let sent = server.asked("CreatePolicyVersion")[0].parameters();
    let expected = [
        ("PolicyDocument", document().to_string()),
        ("PolicyName", "OSS-Administrator".to_owned()),
        ("RotateStrategy", "DeleteOldestNonDefaultVersionWhenLimitExceeded".to_owned()),
        ("SetAsDefault", "true".to_owned()),
    ];
    assert!(sent.into_iter().eq(expected.map(|(name, value)| (name.to_owned(), value))));
}

#[tokio::test]
async fn a_policy_goes_after_its_other_versions() {
    let (server, management) = server().await;
    management.ram().delete_policy("OSS-Administrator").await.unwrap();
    let asked: Vec<_> =
        server.seen().iter().map(|seen| (seen.action().to_owned(), seen.parameters().remove("VersionId"))).collect();
    let version = |id: &str| ("DeletePolicyVersion".to_owned(), Some(id.to_owned()));
    let expected =
        [("ListPolicyVersions".to_owned(), None), version("v1"), version("v2"), ("DeletePolicy".to_owned(), None)];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_document_that_is_none_is_nothing_and_a_list_that_is_none_is_an_error() {
    let server = Server::new(|seen| {
        let answer = match seen.action() {
            "GetRole" => json!({ "Role": { "AssumeRolePolicyDocument": "N/A" } }),
            _ => json!({ "RequestId": "r" }),
        };
        Some(Reply::json(200, &answer))
    })
    .await;
    let ram = server.platform().management().ram();
    assert_eq!(ram.role("ECSAdmin").await.unwrap().trust, None);
    assert_eq!(ram.policies_of_role("ECSAdmin").await.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(ram.delete_policy("p").await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn of_a_client_the_id_is_read_and_not_the_secret() {
    let server = Server::new(|_| {
        let client = json!({ "ClientId": "client-1", "ClientSecret": "hunter2-secret" });
        let config = json!({ "CustomOAuth2ProviderConfig": client });
        Some(Reply::json(200, &json!({ "OAuth2CredentialProvider": { "OAuth2ProviderConfig": config } })))
    })
    .await;
    let providers = server.platform().management().oauth2_credential_providers();
    let provider = providers.get("p", None).await.unwrap();
    assert_eq!(provider.client_id.as_deref(), Some("client-1"));
    assert!(!format!("{provider:?}").contains("hunter2"));
}

#[tokio::test]
async fn whoever_may_not_is_told_who_said_so_and_what_would_help() {
    let server = Server::new(|_| Some(refused(403, "NoPermission"))).await;
    let management = server.platform().management().clone();
    let told = |error: identity_client::Error| format!("{error} / {}", error.hint().unwrap());
    for (error, who, policy) in [
        (management.ram().role("r").await.unwrap_err(), "Alibaba Cloud RAM says", "AliyunRAMFullAccess"),
        (management.applications().list().await.unwrap_err(), "Alibaba Cloud IMS says", "AliyunRAMFullAccess"),
        (
            management.workload_identities().get("w").await.unwrap_err(),
            "Alibaba Cloud Agent Identity says",
            "with AliyunAgentIdentityFullAccess",
        ),
    ] {
        let told = told(error);
        assert!(told.contains(who) && told.contains(policy), "{told}");
    }
}

#[tokio::test]
async fn a_token_vault_that_has_no_name_is_refused_before_anything_is_sent() {
    let server = Server::new(|_| None).await;
    let config = OAuth2Config::known("client-1");
    let new = NewOAuth2Provider::new("p", "AliyunOAuth2", config).unwrap().with_token_vault("no name");
    let providers = server.platform().management().oauth2_credential_providers();
    assert_eq!(providers.create(new).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_vendor_with_a_token_endpoint_of_each_tenant() {
    let server = Server::new(|_| Some(Reply::json(200, &json!({ "OAuth2CredentialProvider": {} })))).await;
    let config = OAuth2Config::known_at("key-1", "https://api.dingtalk.com/v1.0/oauth2/corp-1/token").unwrap();
    let new = NewOAuth2Provider::new("p", "DingTalkOAuth2", config.with_client_secret("hunter2")).unwrap();
    let providers = server.platform().management().oauth2_credential_providers();
    providers.create(new.with_flow(Flow::MachineToMachine)).await.unwrap();
    let sent = server.asked("CreateOAuth2CredentialProvider")[0].form();
    let included = json!({
        "ClientId": "key-1", "ClientSecret": "hunter2", "TokenEndpoint": "https://api.dingtalk.com/v1.0/oauth2/corp-1/token",
    });
    let config: Value = serde_json::from_str(&sent["OAuth2ProviderConfig"]).unwrap();
    assert_eq!((config, sent["OAuthType"].as_str()), (json!({ "IncludedOAuth2ProviderConfig": included }), "M2M"));
    assert!(OAuth2Config::known_at("key-1", "http://api.dingtalk.com/token").is_err());
}
