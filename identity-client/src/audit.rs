//! A receipt for each release of a credential.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{credential::CredentialKind, error::ErrorKind};

/// Who got which credential for whom, and how it went. It holds no secret and no URL.
///
/// A user id is personal data: what keeps receipts must be kept accordingly.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Receipt<'a> {
    /// When, in seconds since 1970-01-01 UTC.
    #[serde(serialize_with = "epoch_seconds")]
    pub at: SystemTime,
    /// The platform, for example `agentbase`.
    pub platform: &'a str,
    /// The agent's identity there.
    pub agent_identity: &'a str,
    /// The user on whose behalf, or nothing for the agent itself.
    pub user: Option<&'a str>,
    /// The provider.
    pub provider: &'a str,
    /// Which kind of credential.
    pub credential: CredentialKind,
    /// `M2M`, `USER_FEDERATION` or `ON_BEHALF_OF`.
    pub flow: &'a str,
    /// The scopes asked for.
    pub scopes: &'a [&'a str],
    /// Where it came from.
    pub source: Source,
    /// How it went.
    pub outcome: Outcome,
    /// Whether the consent behind a released credential was shown to be its user's own; nothing if none was released.
    pub bound: Option<Bound>,
    /// How long the caller waited, in milliseconds.
    #[serde(rename = "waited_ms", serialize_with = "milliseconds")]
    pub waited: Duration,
    /// The id of the request that the agent was serving.
    pub request_id: Option<&'a str>,
}

/// Where a credential came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// From the client's own cache.
    Cache,
    /// From the platform.
    Platform,
}

/// How a request for a credential went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It was handed out.
    Released,
    /// The user must agree first.
    ConsentRequired,
    /// It was refused, or something failed.
    Failed(#[serde(serialize_with = "kind_name")] ErrorKind),
}

/// Whether the consent behind a credential was shown to be that of the user whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bound {
    /// Nobody was asked: it is the agent's own, or the platform held it already.
    NotNeeded,
    /// Its user came back from the consent, see [`SessionBinding`](crate::SessionBinding).
    Confirmed,
    /// The platform itself checks who agrees.
    ByPlatform,
    /// Nobody checked who agreed.
    Unbound,
}

impl Bound {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::Confirmed => "confirmed",
            Self::ByPlatform => "by_platform",
            Self::Unbound => "unbound",
        }
    }
}

fn epoch_seconds<S: serde::Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

fn milliseconds<S: serde::Serializer>(waited: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn kind_name<S: serde::Serializer>(kind: &ErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{kind:?}"))
}

/// Keeps receipts.
///
/// Called on the caller's task for every release, from the cache too, so it must be quick and must not block for long.
pub trait AuditSink: fmt::Debug + Send + Sync + 'static {
    /// Keeps one receipt. A sink that cannot must say so by its own means; the credential is released all the same.
    fn record(&self, receipt: &Receipt<'_>);
}

/// Receipts as JSON lines in a file that only its owner can read.
#[derive(Debug)]
pub struct JsonLinesAudit {
    file: Mutex<fs::File>,
}

impl JsonLinesAudit {
    /// Appends to this file, and makes it with mode 0600 if it is not there.
    ///
    /// # Errors
    /// If the file cannot be opened, or if others may read it (on Unix).
    pub fn append_to(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            if file.metadata()?.permissions().mode() & 0o077 != 0 {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "the audit file names users, and others may read it; chmod it to 600",
                ));
            }
        }
        Ok(Self { file: Mutex::new(file) })
    }
}

impl AuditSink for JsonLinesAudit {
    fn record(&self, receipt: &Receipt<'_>) {
        let written = serde_json::to_vec(receipt).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            // One write a line, so that processes which share the file do not mix their lines.
            self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
        });
        if let Err(error) = written {
            tracing::error!(target: "identity_client::audit", %error, "a receipt could not be written");
        }
    }
}

/// Receipts as `tracing` events of level INFO and target `identity_client::audit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingAudit;

impl AuditSink for TracingAudit {
    fn record(&self, receipt: &Receipt<'_>) {
        let outcome = match receipt.outcome {
            Outcome::Released => "released".to_owned(),
            Outcome::ConsentRequired => "consent_required".to_owned(),
            Outcome::Failed(kind) => format!("failed: {kind:?}"),
        };
        tracing::info!(
            target: "identity_client::audit",
            platform = receipt.platform,
            agent_identity = receipt.agent_identity,
            user = receipt.user,
            provider = receipt.provider,
            credential = receipt.credential.as_str(),
            flow = receipt.flow,
            scopes = receipt.scopes.join(" "),
            source = match receipt.source { Source::Cache => "cache", Source::Platform => "platform" },
            outcome,
            bound = receipt.bound.map(Bound::as_str),
            waited_ms = u64::try_from(receipt.waited.as_millis()).unwrap_or(u64::MAX),
            request_id = receipt.request_id,
            "credential requested"
        );
    }
}
