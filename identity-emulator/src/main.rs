//! `identity-emulator serve`: the emulator as a program.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use identity_emulator::{Emulator, EmulatorError, Human, ProviderHandle, Seed};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Managed agent-identity platforms on your own machine.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGINT or SIGTERM.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Serve {
    /// Loopback address and port; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keep the vault in this directory, encrypted. Its key lives at IDENTITY_EMULATOR_KEY_FILE, else at
    /// identity-emulator/key under XDG_CONFIG_HOME or ~/.config.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Start with the identities and providers in this JSON file.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// What the person does when asked: manual, approve, deny or approve-after=N (after N polls).
    #[arg(long, default_value = "manual")]
    human: Human,
    /// How long an IAM token counts.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    iam_token_lifetime: u64,
    /// The issuer of IDaaS as clients know it, when it is not where the emulator serves it: that of a TLS proxy, say.
    #[arg(long, value_name = "URL")]
    idaas_issuer: Option<url::Url>,
    /// Announce an access token of IDaaS with which this user calls an agent, counting for an hour. May be given several times.
    #[arg(long, value_name = "USER")]
    idaas_user: Vec<String>,
    /// What those tokens are for: the agent's audience and permission.
    #[arg(long, value_name = "SCOPE", default_value = "https://agent.example.com|agent.access")]
    idaas_user_scope: String,
    /// Write the configuration with which clients of IDaaS find it to this new file. It holds no secret.
    #[arg(long, value_name = "FILE")]
    idaas_config: Option<PathBuf>,
    /// Print one JSON object on the first line instead of text.
    #[arg(long)]
    json: bool,
}

/// How long the announced tokens of users count.
const USER_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(arguments) = Arguments::parse().command;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    match serve(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    #[error("cannot write to standard output or listen for signals: {0}")]
    System(#[from] io::Error),
    #[error("cannot write the configuration of IDaaS to the new file {file}: {error}; name one that is not there yet")]
    IdaasConfig { file: String, error: io::Error },
}

async fn serve(arguments: Serve) -> Result<(), Failure> {
    // Before anything is announced: whoever reads the announcement may signal at once.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut builder = Emulator::builder()
        .with_listen(arguments.listen)
        .with_human(arguments.human)
        .with_iam_token_lifetime(Duration::from_secs(arguments.iam_token_lifetime));
    if let Some(issuer) = arguments.idaas_issuer.clone() {
        builder = builder.with_idaas_issuer(issuer);
    }
    if let Some(directory) = &arguments.data_dir {
        builder = builder.with_data_dir(directory);
    }
    if let Some(file) = &arguments.seed {
        builder = builder.with_seed(Seed::from_file(file).map_err(EmulatorError::from)?);
    }
    let emulator = builder.start().await?;
    let mut users = Vec::new();
    for user in &arguments.idaas_user {
        let token = emulator.idaas_user_token(user, &arguments.idaas_user_scope, USER_TOKEN_LIFETIME).await?;
        users.push((user.clone(), token));
    }
    if let Some(file) = &arguments.idaas_config {
        let written =
            File::create_new(file).and_then(|mut new| new.write_all(emulator.idaas().client_config().as_bytes()));
        written.map_err(|error| Failure::IdaasConfig { file: file.display().to_string(), error })?;
    }
    announce(&emulator, &users, &arguments)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    emulator.shutdown().await;
    Ok(())
}

/// The one place where secrets are shown: the service account exists to be given to a client.
fn announce(emulator: &Emulator, users: &[(String, SecretString)], arguments: &Serve) -> io::Result<()> {
    let (agentbase, agentkit, provider) = (emulator.agentbase(), emulator.agentkit(), emulator.provider());
    let idaas = emulator.idaas();
    let agent_identity = emulator.agent_identity();
    let mut output = io::stdout().lock();
    if arguments.json {
        let line = json!({
            "agentbase": {
                "identity_url": agentbase.identity_url(),
                "token_url": agentbase.token_url(),
                "client_id": agentbase.client_id(),
                "client_secret": agentbase.client_secret().expose_secret(),
            },
            "agentkit": {
                "endpoint": agentkit.endpoint(),
                "region": agentkit.region(),
                "callback_url": agentkit.callback_url(),
                "access_key": agentkit.access_key(),
                "secret_key": agentkit.secret_key().expose_secret(),
                "role_trn": agentkit.role_trn(),
            },
            "idaas": {
                "instance_id": idaas.instance_id(),
                "issuer": idaas.issuer(),
                "token_endpoint": idaas.token_endpoint(),
                "developer_api_endpoint": idaas.developer_api_endpoint(),
                "open_api_endpoint": idaas.open_api_endpoint(),
                "client_id": idaas.client_id(),
                "client_secret": idaas.client_secret().expose_secret(),
                "user_tokens": users.iter()
                    .map(|(user, token)| (user.clone(), token.expose_secret().into()))
                    .collect::<serde_json::Map<_, _>>(),
            },
            "agent_identity": {
                "endpoint": agent_identity.endpoint(),
                "region": agent_identity.region(),
                "account_id": agent_identity.account_id(),
                "access_key_id": agent_identity.access_key_id(),
                "access_key_secret": agent_identity.access_key_secret().expose_secret(),
                "object_store": agent_identity.object_store(),
                "bucket": agent_identity.bucket(),
            },
            "provider": described(&provider),
            "feishu": described(&emulator.feishu()),
        });
        writeln!(output, "{line}")?;
    } else {
        writeln!(output, "GreenNode AgentBase is emulated at {}", agentbase.identity_url())?;
        writeln!(output, "IAM tokens come from {}", agentbase.token_url())?;
        writeln!(output, "Volcengine Agent Identity (AgentKit) is emulated at {}", agentkit.endpoint())?;
        writeln!(output, "Alibaba Cloud IDaaS is emulated at {}, instance {}", idaas.issuer(), idaas.instance_id())?;
        writeln!(output, "Alibaba Cloud Agent Identity is emulated at {}", agent_identity.endpoint())?;
        writeln!(output, "An object store for its temporary credentials is at {}", agent_identity.object_store())?;
        writeln!(output, "A built-in OAuth2 provider is at {}", provider.authorization_url())?;
        writeln!(output, "An imitation of Feishu is at {}", emulator.feishu().authorization_url())?;
        writeln!(output, "What it holds and what has happened is shown at {}", emulator.overview_url())?;
        writeln!(
            output,
            "\n# Set those of one platform. With several, IDENTITY_PLATFORM chooses: agentbase, agentkit, agent-identity or idaas."
        )?;
        for (head, variables) in [
            ("GreenNode AgentBase; set GREENNODE_AGENT_IDENTITY to the agent's name too", agentbase.variables()),
            (
                "AgentKit; set VEIDENTITY_WORKLOAD_NAME to the agent's name too, or act as this role",
                agentkit.variables(),
            ),
            (
                "Agent Identity; set AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME to the agent's name too",
                agent_identity.variables(),
            ),
            ("IDaaS", idaas.variables()),
        ] {
            writeln!(output, "\n# {head}")?;
            export(&mut output, &variables)?;
        }
        match &arguments.idaas_config {
            Some(file) => export(&mut output, &[("CLOUD_IDAAS_CONFIG_PATH", absolute(file)?)])?,
            None => writeln!(output, "# IDaaS needs a file besides: serve with --idaas-config FILE")?,
        }
        for (user, token) in users {
            // Escaped: a line break in a name must not begin a command.
            writeln!(output, "# {} calls an agent with {}", user.escape_debug(), token.expose_secret())?;
        }
    }
    output.flush()
}

fn export(output: &mut impl io::Write, variables: &[(&str, String)]) -> io::Result<()> {
    for (name, value) in variables {
        writeln!(output, "export {name}={}", quoted(value))?;
    }
    Ok(())
}

fn absolute(file: &Path) -> io::Result<String> {
    Ok(std::path::absolute(file)?.display().to_string())
}

fn described(provider: &ProviderHandle) -> serde_json::Value {
    json!({
        "authorization_url": provider.authorization_url(),
        "token_url": provider.token_url(),
        "client_id": provider.client_id(),
        "client_secret": provider.client_secret().expose_secret(),
    })
}

/// A word that a shell reads back as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
