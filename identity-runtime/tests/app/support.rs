//! An app on a free port, and a caller of it.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use identity_runtime::{AgentApp, AgentAppBuilder, Shutdown};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) type Anything = Box<dyn std::error::Error + Send + Sync>;

/// Far more than anything here takes, so that a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) server: JoinHandle<io::Result<()>>,
    http: reqwest::Client,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.finish();
        self.server.abort();
    }
}

pub(crate) async fn serve(app: AgentAppBuilder) -> Result<Served, Anything> {
    start(app.build()?).await
}

async fn start(app: AgentApp) -> Result<Served, Anything> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (address, shutdown) = (listener.local_addr()?, app.shutdown());
    let server = tokio::spawn(app.serve(listener, std::future::pending()));
    Ok(Served { address, shutdown, server, http: caller() })
}

impl Served {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn post(&self, payload: &Value) -> reqwest::RequestBuilder {
        self.http.post(self.url("/invocations")).json(payload)
    }

    pub(crate) async fn health(&self) -> Result<Value, Anything> {
        Ok(self.http.get(self.url("/health")).send().await?.json().await?)
    }

    /// A connection with a request on it, to be read or dropped by hand.
    pub(crate) async fn connect(&self, payload: &Value, accept: &str) -> Result<TcpStream, Anything> {
        let body = payload.to_string();
        let mut connection = TcpStream::connect(self.address).await?;
        let head = format!(
            "POST /invocations HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: {accept}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.write_all(head.as_bytes()).await?;
        Ok(connection)
    }
}

/// Slow to make, so the calls of a test share one.
#[expect(clippy::disallowed_methods, reason = "a caller of the agent, which is not the platform's client")]
pub(crate) fn caller() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap_or_default()
}

/// Reads until the text is there.
pub(crate) async fn read_until(connection: &mut TcpStream, wanted: &str) -> Result<String, Anything> {
    let mut seen = Vec::new();
    let mut buffer = [0_u8; 4096];
    while !String::from_utf8_lossy(&seen).contains(wanted) {
        let count = within(connection.read(&mut buffer)).await??;
        if count == 0 {
            return Err(format!("the connection ended before {wanted:?}").into());
        }
        seen.extend_from_slice(&buffer[..count]);
    }
    Ok(String::from_utf8(seen)?)
}

pub(crate) async fn within<F: Future>(future: F) -> Result<F::Output, Anything> {
    Ok(tokio::time::timeout(PATIENCE, future).await?)
}

/// The error of a body in the contract's form, and its code.
pub(crate) fn error(body: &Value) -> Result<(&str, &str, &str), Anything> {
    let keys: Vec<_> = body.as_object().ok_or("no object")?.keys().map(String::as_str).collect();
    assert_eq!(keys, ["details", "error", "error_type"], "{body}");
    let text = |value: &'static str| body.pointer(value).and_then(Value::as_str).ok_or("no text");
    Ok((text("/error")?, text("/error_type")?, text("/details/code")?))
}

pub(crate) fn nothing() -> Value {
    json!({})
}
