//! An emulator with one agent and one key, and a client of it.

use identity_client::agentbase::{AgentBase, NewIdentity};
use identity_emulator::Emulator;
use tokio::runtime::Runtime;

/// The provider of the one key.
pub(crate) const PROVIDER: &str = "openai-key";
/// The one agent.
pub(crate) const AGENT: &str = "bench-agent";

/// Makes the agent and the key.
pub(crate) fn set_up(runtime: &Runtime, emulator: &Emulator) -> AgentBase {
    let access = emulator.agentbase();
    let agentbase = AgentBase::builder()
        .with_client_credentials(access.client_id(), access.client_secret().clone())
        .with_agent_identity(AGENT)
        .with_identity_endpoint(access.identity_url())
        .with_iam_token_endpoint(access.token_url())
        .build()
        .unwrap();
    runtime.block_on(async {
        agentbase.identities().create(NewIdentity::new(AGENT).unwrap()).await.unwrap();
        agentbase.api_key_providers().create(PROVIDER, "sk-0123456789").await.unwrap();
    });
    agentbase
}
