//! The records of the developer API. Every field of an answer can be missing.

use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::wire::or_default;

/// A hosted credential.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct HostedCredential {
    /// Its id, `cred_…`.
    pub credential_id: Option<String>,
    /// The identifier that it is asked for by.
    pub credential_identifier: Option<String>,
    /// Its name.
    pub credential_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// `api_key` or `oauth_client`.
    pub credential_type: Option<String>,
    /// `llm` or `saas`.
    pub credential_scenario_label: Option<String>,
    /// `system_init` or `user_custom`.
    pub credential_creation_type: Option<String>,
    /// `enabled` or `disabled`.
    pub status: Option<String>,
    /// With whom it is shared.
    pub credential_sharing_scope: Option<String>,
    /// What it belongs to.
    pub credential_subject_type: Option<String>,
    /// The id of what it belongs to.
    pub credential_subject_id: Option<String>,
    /// Its id elsewhere.
    pub credential_external_id: Option<String>,
    /// The one account that may use it, if there is one.
    pub exclusive_user_id: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "millis")]
    pub create_time: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "millis")]
    pub update_time: Option<SystemTime>,
    credential_content: Option<CredentialContent>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialContent {
    api_key_content: Option<ApiKeyContent>,
    oauth_client_content: Option<OAuthClient>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiKeyContent {
    api_key: Option<SecretString>,
}

/// The client of an OAuth server, kept as a credential.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OAuthClient {
    /// Its id there.
    pub client_id: Option<String>,
    /// Its secret there.
    pub client_secret: Option<SecretString>,
}

impl HostedCredential {
    /// The key, if it is one.
    #[must_use]
    pub fn api_key(&self) -> Option<&SecretString> {
        self.credential_content.as_ref()?.api_key_content.as_ref()?.api_key.as_ref()
    }

    /// The client, if it is one.
    #[must_use]
    pub fn oauth_client(&self) -> Option<&OAuthClient> {
        self.credential_content.as_ref()?.oauth_client_content.as_ref()
    }
}

/// A token that IDaaS keeps: one of a third party's OAuth server, or a JWT that it signed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AuthenticationToken {
    /// Its id, `atntkn_…`.
    pub authentication_token_id: Option<String>,
    /// `oauth_access_token` or `jwt`.
    pub authentication_token_type: Option<String>,
    /// The id of the provider that it is of, `atp_…`.
    pub credential_provider_id: Option<String>,
    /// `application` or `custom`.
    pub consumer_type: Option<String>,
    /// Who uses it.
    pub consumer_id: Option<String>,
    /// `application`.
    pub creator_type: Option<String>,
    /// Who had it made.
    pub creator_id: Option<String>,
    /// Whether it was revoked.
    #[serde(deserialize_with = "or_default")]
    pub revoked: bool,
    /// When it was made.
    #[serde(deserialize_with = "millis")]
    pub create_time: Option<SystemTime>,
    /// When it was last changed.
    #[serde(deserialize_with = "millis")]
    pub update_time: Option<SystemTime>,
    /// Until when it is good.
    #[serde(deserialize_with = "millis")]
    pub expiration_time: Option<SystemTime>,
    pub(crate) jwt_content: Option<JwtContent>,
    pub(crate) oauth_access_token_content: Option<OAuthContent>,
    pub(crate) oauth_authorization_session: Option<ConsentSession>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JwtContent {
    pub(crate) jwt_value: Option<SecretString>,
    pub(crate) derived_short_token: Option<SecretString>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OAuthContent {
    pub(crate) access_token_value: Option<SecretString>,
    pub(crate) token_type: Option<String>,
    pub(crate) scope: Option<String>,
}

impl AuthenticationToken {
    /// The JWT, if it is one and the operation gives it.
    #[must_use]
    pub fn jwt(&self) -> Option<&SecretString> {
        self.jwt_content.as_ref()?.jwt_value.as_ref()
    }

    /// The short token that stands for the JWT, if one was asked for.
    #[must_use]
    pub fn short_token(&self) -> Option<&SecretString> {
        self.jwt_content.as_ref()?.derived_short_token.as_ref()
    }
}

/// A user's consent at a third party, as IDaaS sees it.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ConsentSession {
    /// Its id.
    pub session_id: Option<String>,
    /// What it is asked for by: `urn:ietf:params:oauth:request_uri:` and its id.
    pub session_uri: Option<String>,
    /// Where the user agrees, while that is missing.
    pub authorization_url: Option<String>,
    /// How far it is.
    pub session_status: Option<SessionStatus>,
    /// The provider that it is with.
    pub credential_provider_identifier: Option<String>,
    /// For whom the token will be.
    pub consumer_id: Option<String>,
    /// The token, once there is one.
    pub authentication_token_id: Option<String>,
    /// Why it failed.
    pub error_code: Option<String>,
    pub(crate) error_description: Option<String>,
    /// When it ends.
    #[serde(deserialize_with = "millis")]
    pub expiration_time: Option<SystemTime>,
}

impl std::fmt::Debug for ConsentSession {
    /// Whoever has the URL or the session can meddle with the consent.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsentSession")
            .field("session_status", &self.session_status)
            .field("credential_provider_identifier", &self.credential_provider_identifier)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}

/// How far a consent is. One that is not known here is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum SessionStatus {
    /// `pending`: the user has not agreed yet.
    Pending,
    /// `callback_received`: the user has agreed, the token is being fetched.
    CallbackReceived,
    /// `completed`: the token is there.
    Completed,
    /// `failed`: the user or the third party said no.
    Failed,
    /// `expired`: it ended unused.
    Expired,
    /// Another one.
    Other(String),
}

impl From<String> for SessionStatus {
    fn from(text: String) -> Self {
        match text.as_str() {
            "pending" => Self::Pending,
            "callback_received" => Self::CallbackReceived,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "expired" => Self::Expired,
            _ => Self::Other(text),
        }
    }
}

/// Temporary keys of a role at a cloud.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CloudRoleCredential {
    /// The id of the account in IDaaS.
    pub cloud_account_id: Option<String>,
    /// Which cloud, for example `alibaba_cloud`.
    pub cloud_account_vendor_type: Option<String>,
    /// The id of the role in IDaaS.
    pub cloud_account_role_id: Option<String>,
    /// The name of the role.
    pub cloud_account_role_name: Option<String>,
    /// The name of the role at its cloud.
    pub cloud_account_role_external_id: Option<String>,
    #[serde(rename = "cloudAccountRoleAccessCredential")]
    pub(crate) credential: Option<RoleAccess>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RoleAccess {
    access_credential_expires_at: Option<u64>,
    alibaba_cloud_sts_token: Option<AlibabaKeys>,
    aws_sts_token: Option<AwsKeys>,
    tencent_cloud_sts_token: Option<TencentKeys>,
}

/// Temporary keys for Alibaba Cloud.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AlibabaKeys {
    /// The AccessKey's id.
    pub access_key_id: String,
    /// The AccessKey's secret.
    pub access_key_secret: SecretString,
    /// The token that goes with both.
    pub security_token: SecretString,
}

/// Temporary keys for AWS.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AwsKeys {
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: SecretString,
    /// The token that goes with both.
    pub session_token: SecretString,
}

/// Temporary keys for Tencent Cloud.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TencentKeys {
    /// The key's id.
    pub tmp_secret_id: String,
    /// The key's secret.
    pub tmp_secret_key: SecretString,
    /// The token that goes with both.
    pub token: SecretString,
}

impl CloudRoleCredential {
    /// Until when the keys are good.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        let seconds = self.credential.as_ref()?.access_credential_expires_at?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// The keys, if the role is one of Alibaba Cloud.
    #[must_use]
    pub fn alibaba(&self) -> Option<&AlibabaKeys> {
        self.credential.as_ref()?.alibaba_cloud_sts_token.as_ref()
    }

    /// The keys, if the role is one of AWS.
    #[must_use]
    pub fn aws(&self) -> Option<&AwsKeys> {
        self.credential.as_ref()?.aws_sts_token.as_ref()
    }

    /// The keys, if the role is one of Tencent Cloud.
    #[must_use]
    pub fn tencent(&self) -> Option<&TencentKeys> {
        self.credential.as_ref()?.tencent_cloud_sts_token.as_ref()
    }
}

/// Unix milliseconds. One that cannot be read counts as missing: it must not cost the whole record.
fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    let millis = value.as_ref().and_then(Value::as_u64).map(Duration::from_millis);
    Ok(millis.and_then(|millis| SystemTime::UNIX_EPOCH.checked_add(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_can_be_missing_null_or_unknown() {
        for text in
            ["{}", r#"{"createTime":null,"credentialContent":null,"status":null}"#, r#"{"createTime":"soon","x":1}"#]
        {
            let credential: HostedCredential = serde_json::from_str(text).unwrap();
            assert!(credential.create_time.is_none() && credential.api_key().is_none());
        }
        let token: AuthenticationToken = serde_json::from_str(r#"{"revoked":null,"jwtContent":{}}"#).unwrap();
        assert!(!token.revoked && token.jwt().is_none());
        let session: ConsentSession = serde_json::from_str(r#"{"sessionStatus":"hibernating"}"#).unwrap();
        assert_eq!(session.session_status, Some(SessionStatus::Other("hibernating".to_owned())));
        let role: CloudRoleCredential =
            serde_json::from_str(r#"{"cloudAccountRoleAccessCredential":{"accessCredentialExpiresAt":60}}"#).unwrap();
        assert_eq!(role.expires_at(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60)));
        assert!(role.alibaba().is_none() && role.aws().is_none() && role.tencent().is_none());
    }

    #[test]
    fn w22_no_record_prints_a_secret() {
        let text = r#"{"credentialContent":{"apiKeyContent":{"apiKey":"hunter2"},"oauthClientContent":{"clientSecret":"hunter2"}},
            "jwtContent":{"jwtValue":"hunter2","derivedShortToken":"hunter2"},
            "oauthAccessTokenContent":{"accessTokenValue":"hunter2"},
            "oauthAuthorizationSession":{"authorizationUrl":"https://h/?hunter2","sessionUri":"hunter2"}}"#;
        let credential: HostedCredential = serde_json::from_str(text).unwrap();
        let token: AuthenticationToken = serde_json::from_str(text).unwrap();
        assert!(credential.api_key().is_some() && credential.oauth_client().is_some() && token.jwt().is_some());
        let shown = format!("{credential:?} {token:?} {token:#?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
