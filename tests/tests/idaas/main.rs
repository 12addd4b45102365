//! The client against the emulator's IDaaS: another program's reading of the same contract, every proof and token verified.

mod authentication;
#[expect(dead_code, reason = "shared with tests that need more of it")]
#[path = "../../../identity-client/tests/common/captured.rs"]
mod captured;
mod configuration;
mod consent;
mod federated;
mod machines;
mod minted;
mod open_api;
mod rotation;
mod served;
mod users;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use identity_client::{
    AccessToken, AccessTokenRequest, Clock, HttpOptions, IdentityClient, Moment, SystemClock, User,
    idaas::{AUTHORIZATION_SERVER, ClientAuthentication, Idaas, IdaasBuilder, SecretSource},
    inbound::{TokenVerifier, TokenVerifierBuilder, VerifiedClaims},
};
use identity_emulator::{Emulator, EmulatorBuilder, Seed};
use identity_tests::{Anything, fast_retry};
use serde_json::{Value, json};

pub(crate) const APP: &str = "app_agent";
/// With characters that encoding would change.
pub(crate) const SECRET: &str = "CS%2Bsynthetic+secret/0001=";
pub(crate) const PAM: &str = "urn:cloud:idaas:pam";
/// An internal service, and what may be done there.
pub(crate) const READ: &str = "https://orders.example.com|read";
pub(crate) const WRITE: &str = "https://orders.example.com|write";
/// What users call the agent with.
pub(crate) const ACCESS: &str = "https://agent.example.com|agent.access";

/// A clock that the test moves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Later(Arc<AtomicU64>);

impl Clock for Later {
    fn now(&self) -> Moment {
        let (now, later) = (SystemClock.now(), Duration::from_secs(self.0.load(Ordering::SeqCst)));
        Moment { wall: now.wall + later, steady: now.steady + later }
    }
}

/// An emulator with one application, and the clock of whoever talks to it.
pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    clock: Later,
}

impl Stage {
    pub(crate) async fn new() -> Result<Self, Anything> {
        Self::with(&json!({}), &json!({})).await
    }

    /// With what else the application has, and what else there is.
    pub(crate) async fn with(application: &Value, rest: &Value) -> Result<Self, Anything> {
        Self::on(Emulator::builder(), application, rest).await
    }

    pub(crate) async fn on(builder: EmulatorBuilder, application: &Value, rest: &Value) -> Result<Self, Anything> {
        let mut agent = json!({
            "client_id": APP,
            "client_secret": SECRET,
            "permissions": { PAM: [".all"], "https://orders.example.com": ["read", "write"] },
        });
        let mut idaas = json!({ "instance": "idaas_stage" });
        for (whole, part) in [(&mut agent, application), (&mut idaas, rest)] {
            let members = part.as_object().cloned().unwrap_or_default();
            whole.as_object_mut().ok_or("an object")?.extend(members);
        }
        let others = idaas["applications"].as_array().cloned().unwrap_or_default();
        idaas["applications"] = [vec![agent], others].concat().into();
        let seed = Seed::from_json(&json!({ "idaas": idaas }).to_string())?;
        Ok(Self { emulator: builder.with_seed(seed).start().await?, clock: Later::default() })
    }

    /// All but how the agent authenticates.
    pub(crate) fn unproven(&self) -> IdaasBuilder {
        let handle = self.emulator.idaas();
        Idaas::builder()
            .with_instance_id(handle.instance_id())
            .with_client_id(APP)
            .with_token_endpoint(handle.token_endpoint())
            .with_developer_api_endpoint(handle.developer_api_endpoint())
            .with_open_api_endpoint(handle.open_api_endpoint())
            .with_clock(self.clock.clone())
            .with_http(HttpOptions::new().with_retry(fast_retry()))
    }

    pub(crate) fn client_by(&self, authentication: ClientAuthentication) -> Result<IdentityClient, Anything> {
        self.client_of(self.unproven().with_authentication(authentication).build()?)
    }

    pub(crate) fn idaas(&self) -> Result<Idaas, Anything> {
        let secret = ClientAuthentication::client_secret_basic(SecretSource::given(SECRET));
        Ok(self.unproven().with_authentication(secret).build()?)
    }

    pub(crate) fn client_of(&self, idaas: Idaas) -> Result<IdentityClient, Anything> {
        Ok(IdentityClient::builder().with_platform(idaas).with_clock(self.clock.clone()).build()?)
    }

    pub(crate) fn client(&self) -> Result<IdentityClient, Anything> {
        self.client_of(self.idaas()?)
    }

    /// Both sides are older by this.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
        self.emulator.advance_clock(Duration::from_secs(seconds));
    }

    /// A user whose token counts for an hour.
    pub(crate) async fn user(&self, name: &str) -> Result<User, Anything> {
        let token = self.emulator.idaas_user_token(name, ACCESS, Duration::from_secs(3600)).await?;
        Ok(User::asserted(name)?.with_token(token)?)
    }

    /// As a service of the instance verifies what it is called with.
    pub(crate) fn verifier(&self, scope: &str) -> TokenVerifierBuilder {
        let handle = self.emulator.idaas();
        TokenVerifier::alibaba_idaas(handle.issuer()).with_required_scope(scope).with_clock(self.clock.clone())
    }

    pub(crate) async fn claims(&self, token: &AccessToken, scope: &str) -> Result<VerifiedClaims, Anything> {
        let verifier = self.verifier(scope).build()?;
        Ok(verifier.verify(token.expose_secret()).await.map_err(|refusal| refusal.code().as_str())?)
    }

    pub(crate) fn count(&self, operation: &str) -> u64 {
        self.emulator.counters().count(operation)
    }
}

/// A token of IDaaS itself, for the agent unless a user is named.
pub(crate) fn own(client: &IdentityClient, scope: &str) -> AccessTokenRequest {
    client.access_token(AUTHORIZATION_SERVER).with_scopes([scope])
}

/// Waits for what happens behind a call.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> Result<bool, Anything>) -> Result<(), Anything> {
    let waiting = async {
        while !is_so().await? {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, Anything>(())
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await?
}
