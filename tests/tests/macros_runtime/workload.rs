//! STS credentials, workload tokens and tokens by exchange.

use std::time::Duration;

use identity_client::{
    AccessToken, ApiKey, CredentialKind, CredentialRequest, Error, ErrorKind, FromStsCredentials, IdentityClient,
    RequestContext, StsCredentials, User, WorkloadToken, requires_access_token, requires_api_key,
    requires_sts_credentials, requires_workload_token,
};

use crate::platform::{Vault, secret};

struct Storage(String);

impl FromStsCredentials<'_> for Storage {
    fn from_sts_credentials(credentials: &StsCredentials) -> Result<Self, Error> {
        Ok(Self(format!("{} {}", credentials.access_key_id(), credentials.expose_security_token())))
    }
}

#[requires_sts_credentials(into = storage, session_duration = "15m", policy = r#"{"Version":"1"}"#)]
async fn report(context: &RequestContext, storage: Storage) -> Result<String, Error> {
    Ok(storage.0)
}

#[requires_workload_token]
async fn token_length(context: &RequestContext, workload_token: &WorkloadToken) -> Result<usize, Error> {
    Ok(workload_token.expose_secret().len())
}

#[requires_sts_credentials(auth_flow = "USER_FEDERATION")]
async fn of_a_user(context: &RequestContext, sts_credentials: StsCredentials) -> Result<String, Error> {
    Ok(sts_credentials.access_key_id().to_owned())
}

#[requires_sts_credentials(user_id = user)]
async fn of_whoever_is_named(
    context: &RequestContext,
    user: Option<User>,
    sts_credentials: StsCredentials,
) -> Result<String, Error> {
    Ok(sts_credentials.access_key_id().to_owned())
}

#[requires_sts_credentials(session_duration = length, policy = policy, role_session_name = name)]
async fn shaped(
    context: &RequestContext,
    length: Duration,
    policy: &str,
    name: &str,
    sts_credentials: StsCredentials,
) -> Result<(), Error> {
    drop(sts_credentials);
    Ok(())
}

#[requires_api_key(provider_name = "openai-key", auth_flow = "M2M")]
#[requires_sts_credentials]
#[requires_access_token(provider_name = "crm", auth_flow = "ON_BEHALF_OF", scopes = ["read"], audience = "crm-app")]
#[requires_workload_token]
async fn everything(
    context: &RequestContext,
    workload_token: WorkloadToken,
    access_token: AccessToken,
    api_key: ApiKey,
    sts_credentials: StsCredentials,
) -> Result<[usize; 4], Error> {
    let secrets = [
        api_key.expose_secret(),
        sts_credentials.expose_access_key_secret(),
        access_token.expose_secret(),
        workload_token.expose_secret(),
    ];
    Ok(secrets.map(str::len))
}

#[tokio::test]
async fn they_are_injected_and_kept() {
    let vault = Vault::new();
    let context = vault.context();
    for _ in 0..2 {
        assert_eq!(report(&context).await.unwrap(), "STS.id SECRET-SECURITY-TOKEN");
        assert_eq!(token_length(&context).await.unwrap(), secret("workload-identity").len());
    }
    assert_eq!(vault.asked().len(), 2, "{:?}", vault.asked());
}

#[tokio::test]
async fn they_are_the_contexts_users_and_never_fall_back_to_the_agent() {
    let vault = Vault::new();
    let client = vault.client();
    let nobody = RequestContext::new().with_client(client.clone());
    assert_eq!(of_a_user(&nobody).await.unwrap_err().kind(), ErrorKind::UserMissing);
    assert_eq!(of_whoever_is_named(&nobody, None).await.unwrap_err().kind(), ErrorKind::UserMissing);
    assert!(vault.asked().is_empty());
    let alice = User::asserted("alice").unwrap();
    let context = RequestContext::new().with_client(client).with_user(alice.clone());
    of_a_user(&context).await.unwrap();
    token_length(&context).await.unwrap();
    of_whoever_is_named(&nobody, Some(alice)).await.unwrap();
    let asked = vault.asked();
    assert!(asked.len() == 2 && asked.iter().all(|line| line.contains("for alice")), "{asked:?}");
}

#[tokio::test]
async fn values_are_checked_before_anything_is_asked() {
    let vault = Vault::new();
    let context = vault.context();
    let good = (Duration::from_secs(900), "{}", "agent-1");
    shaped(&context, good.0, good.1, good.2).await.unwrap();
    assert_eq!(vault.asked().len(), 1);
    for (length, policy, name) in [
        (Duration::from_secs(899), good.1, good.2),
        (Duration::from_secs(3601), good.1, good.2),
        (Duration::from_millis(900_001), good.1, good.2),
        (good.0, "no json", good.2),
        (good.0, good.1, "a b"),
    ] {
        let error = shaped(&context, length, policy, name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    }
    assert_eq!(vault.asked().len(), 1);
}

#[tokio::test]
async fn all_four_stack_and_are_fetched_in_one_call() {
    let vault = Vault::new();
    let context = vault.context().with_user(User::asserted("alice").unwrap());
    let lengths = ["openai-key", "runtime-role", "crm", "workload-identity"].map(|name| secret(name).len());
    assert_eq!(everything(&context).await.unwrap(), lengths);
    assert_eq!(vault.asked().len(), 4);
}

/// A platform that says nothing of them.
#[derive(Debug)]
struct Plain(identity_client::AgentIdentityName);

impl identity_client::Platform for Plain {
    fn describe(&self) -> identity_client::Description<'_> {
        identity_client::Description { name: "plain", endpoint: "https://plain.example.com", agent_identity: &self.0 }
    }

    fn capabilities(&self) -> identity_client::Capabilities {
        identity_client::Capabilities::none()
    }

    fn check(&self, _: &CredentialRequest) -> Result<(), Error> {
        Ok(())
    }

    async fn api_key_flow(&self, _: &identity_client::ProviderName) -> Result<identity_client::Flow, Error> {
        Ok(identity_client::Flow::MachineToMachine)
    }

    async fn acquire(
        &self,
        request: &CredentialRequest,
    ) -> Result<identity_client::Acquired<identity_client::Issued>, Error> {
        assert_eq!(request.credential(), CredentialKind::ApiKey, "nothing else may be asked of it");
        Ok(identity_client::Acquired::Ready(identity_client::Issued::api_key("k".into())))
    }

    async fn poll(
        &self,
        _: &identity_client::PendingAuthorization,
    ) -> Result<identity_client::Polled<identity_client::Issued>, Error> {
        Err(Error::from_platform(ErrorKind::Unsupported, "no consent here"))
    }
}

#[tokio::test]
async fn a_platform_without_them_is_not_asked() {
    let plain = Plain(identity_client::AgentIdentityName::new("agent-1").unwrap());
    let client = IdentityClient::builder().with_platform(plain).build().unwrap();
    let alice = User::asserted("alice").unwrap();
    client.api_key("p").await.unwrap();
    for error in [
        client.sts_credentials().await.map(drop),
        client.workload_token().for_user(&alice).await.map(drop),
        client.access_token("p").on_behalf_of(&alice).await.map(drop),
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
