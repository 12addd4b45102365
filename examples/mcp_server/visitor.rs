//! Those who come to the server: a client of the protocol, and the person who sits before it.

use std::sync::{Arc, Mutex, PoisonError};

use identity_emulator::Human;
use identity_examples::{Visitor, without_redirects};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt as _, ErrorData, RoleClient,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
        ElicitationCapability, Implementation, ProtocolVersion, UrlElicitationCapability,
    },
    service::{RequestContext, RunningService},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use url::Url;

use crate::{AnyError, server::Server};

pub(crate) type Session = RunningService<RoleClient, Host>;

/// The program that talks to the server for its user.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) person: Person,
    /// Whether it can show a link.
    pub(crate) shows_links: bool,
    /// What it was asked to show: the words and the link.
    shown: Arc<Mutex<Vec<(String, String)>>>,
}

impl Host {
    pub(crate) fn new(person: Person, shows_links: bool) -> Self {
        Self { person, shows_links, shown: Arc::default() }
    }

    pub(crate) fn shown(&self) -> Vec<(String, String)> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a session with this version of the protocol.
    pub(crate) async fn connect(self, server: &Server, version: ProtocolVersion) -> Result<Session, AnyError> {
        let token = server.sign_in.token(&self.person.user, &server.mcp)?;
        let config = StreamableHttpClientTransportConfig::with_uri(server.mcp.as_str()).auth_header(token);
        let transport = StreamableHttpClientTransport::with_client(without_redirects()?, config);
        let lifecycle = if version.has_initialize() {
            ClientLifecycleMode::Initialize
        } else {
            ClientLifecycleMode::Discover { preferred_versions: vec![version] }
        };
        Ok(self.serve_with_lifecycle(transport, lifecycle).await?)
    }
}

impl ClientHandler for Host {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.shows_links {
            capabilities.elicitation = Some(ElicitationCapability::new().with_url(UrlElicitationCapability::new()));
        }
        ClientConfig::new(capabilities, Implementation::new("example-host", "1.0.0"))
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    /// Accepting means that the user wants to open the link, not that they are done.
    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::UrlElicitationParams { message, url, .. } = request else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).push((message, url.clone()));
        if self.person.does == Human::Deny {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        }
        let person = self.person.clone();
        tokio::spawn(async move { person.open(&url).await });
        Ok(ElicitResult::new(ElicitationAction::Accept))
    }
}

/// A call of the tool `agenda`.
pub(crate) fn agenda() -> CallToolRequestParams {
    let arguments = serde_json::Map::from_iter([("day".to_owned(), "2026-11-22".into())]);
    CallToolRequestParams::new("agenda").with_arguments(arguments)
}

/// A user with a browser that is signed in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) does: Human,
    session: String,
}

impl Person {
    pub(crate) fn new(user: &str, does: Human, server: &Server) -> Result<Self, AnyError> {
        let session = server.sign_in.token(user, &server.site)?;
        Ok(Self { user: user.to_owned(), does, session })
    }

    /// Opens a link, and agrees where asked. Nobody does unless it is scripted: then you do.
    pub(crate) async fn open(&self, link: &str) -> Result<(), AnyError> {
        if self.does != Human::Approve {
            return Ok(());
        }
        let mut browser = Visitor::new(&self.user)?;
        browser.set_cookie(&Url::parse(link)?, "session", &self.session);
        browser.open(link).await.map(drop)
    }
}
