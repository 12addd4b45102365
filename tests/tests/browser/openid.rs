//! The certified OpenID provider of `peers/oidc-provider`, as a process of the test.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use identity_client::agentbase::OAuth2Client;
use identity_tests::Anything;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::OnceCell,
    time::timeout,
};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/oidc-provider");
const FILES: [&str; 3] = ["package.json", "package-lock.json", "server.mjs"];
const CLIENT: (&str, &str) = ("web-confidential", "web-confidential-secret");

/// The running provider. It ends with the test: by id when it is dropped, by itself when its standard input closes.
pub(super) struct OpenIdProvider {
    _process: Child,
    issuer: String,
    control: String,
    http: reqwest::Client,
}

impl OpenIdProvider {
    pub(super) async fn start(options: &[&str]) -> Result<Self, Anything> {
        let folder = installed().await?;
        let mut process = Command::new("node")
            .arg("server.mjs")
            .args(["--quiet", "--exit-on-stdin-close", "--max-seconds", "300"])
            .args(options)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("node does not start ({error}); see peers/README.md"))?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no standard output")?).lines();
        let line = timeout(Duration::from_secs(30), lines.next_line()).await??.ok_or("the provider ended at once")?;
        let ready: Value = serde_json::from_str(&line)?;
        let text = |name: &str| ready[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}"));
        Ok(Self { issuer: text("issuer")?, control: text("control")?, _process: process, http: http()? })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Registers another client (RFC 7591), and gives its id.
    pub(super) async fn register(&self, metadata: &Value) -> Result<String, Anything> {
        let sent = self.http.post(format!("{}/reg", self.issuer)).json(metadata).send().await?;
        let (status, answer) = (sent.status(), sent.bytes().await?);
        let answer: Value = serde_json::from_slice(&answer)?;
        let id = answer["client_id"].as_str().map(str::to_owned);
        id.ok_or_else(|| format!("{status}: {}", answer["error_description"]).into())
    }

    /// The client registered there, as AgentBase wants to know it.
    pub(super) fn client(&self) -> Result<OAuth2Client, Anything> {
        let at = |path: &str| format!("{}{path}", self.issuer);
        Ok(OAuth2Client::new(CLIENT.0, CLIENT.1.to_owned(), at("/auth"), at("/token"))?)
    }

    /// Registers a redirect URI for the client, as an operator does by hand.
    pub(super) async fn allow_redirect(&self, uri: &str) -> Result<(), Anything> {
        let body = json!({ "client_id": CLIENT.0, "uri": uri });
        let sent = self.http.post(format!("{}/redirect-uri", self.control)).json(&body).send().await?;
        sent.error_for_status()?;
        Ok(())
    }

    /// What the provider itself says about a token: RFC 7662.
    pub(super) async fn introspect(&self, token: &str) -> Result<Value, Anything> {
        let form: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
        let request =
            self.http.post(format!("{}/token/introspection", self.issuer)).basic_auth(CLIENT.0, Some(CLIENT.1));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// How often its token endpoint was asked.
    pub(super) async fn token_requests(&self) -> Result<u64, Anything> {
        let answer = self.http.get(format!("{}/counts", self.control)).send().await?.bytes().await?;
        Ok(serde_json::from_slice::<Value>(&answer)?["POST /token"].as_u64().unwrap_or_default())
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own questions to a peer on loopback")]
fn http() -> Result<reqwest::Client, Anything> {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(builder.timeout(Duration::from_secs(10)).build()?)
}

/// Where the provider is installed, below the target directory: once for each state of its files.
async fn installed() -> Result<&'static Path, Anything> {
    static INSTALLED: OnceCell<PathBuf> = OnceCell::const_new();
    INSTALLED.get_or_try_init(install).await.map(PathBuf::as_path)
}

async fn install() -> Result<PathBuf, Anything> {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut hasher = DefaultHasher::new();
    for file in FILES {
        fs::read(Path::new(SOURCE).join(file))?.hash(&mut hasher);
    }
    let folder = base.join(format!("oidc-provider-{:016x}", hasher.finish()));
    if folder.is_dir() {
        return Ok(folder);
    }
    let fresh = tempfile::tempdir_in(base)?;
    for file in FILES {
        fs::copy(Path::new(SOURCE).join(file), fresh.path().join(file))?;
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(fresh.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status();
    let status = timeout(Duration::from_secs(180), npm).await??;
    if !status.success() {
        return Err(format!("npm ci: {status}; see peers/README.md").into());
    }
    match fs::rename(fresh.path(), &folder) {
        // Another process of these tests was faster.
        Err(error) if !folder.is_dir() => {
            Err(io::Error::other(format!("cannot keep the installation: {error}")).into())
        }
        _ => Ok(folder),
    }
}
