//! A missing consent, in the words of the Model Context Protocol.
//!
//! | the client | gets |
//! | --- | --- |
//! | can show a URL, protocol up to 2025-11-25 | an elicitation; the call goes on once the user has agreed. If that takes too long: error -32042, which is the same as data |
//! | can show a URL, protocol 2026-07-28 | a result that requires input; the same call, sent again with the answer, goes on once the user has agreed |
//! | cannot | a tool error whose text has the link and says what to do |
//!
//! The link is that of the session binding, so it is of use to its user alone. What a client sends back is nothing that a consent
//! follows from: that the user has agreed is for the platform and the binding to say.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use identity_client::{Error, ErrorKind, PendingAuthorization, Prompt, PromptError, SessionBinding, User, Wait};
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ElicitRequest, ElicitRequestParams,
        ElicitationAction, ErrorCode, InputRequest, InputRequests, InputRequiredResult, ProtocolVersion,
        RequestStateCodec, SealOptions,
    },
    service::RequestContext,
};
use serde_json::json;

/// MCP 2025-11-25, `URLElicitationRequiredError`.
const URL_ELICITATION_REQUIRED: ErrorCode = ErrorCode(-32042);

/// How long a client may take to send a call again.
const STATE_LIFETIME: Duration = Duration::from_secs(600);

tokio::task_local! {
    /// Whose call this is.
    static CALLER: Arc<Caller>;
}

/// Makes links, and seals what a client must bring back.
#[derive(Clone)]
pub(crate) struct Consents {
    /// Where the routes of the session binding are, without a slash at the end.
    pub(crate) place: Arc<str>,
    pub(crate) states: RequestStateCodec,
}

/// Tells the caller of a tool where its user agrees.
pub(crate) struct Caller {
    way: Way,
    peer: Peer<RoleServer>,
    consents: Consents,
    tool: String,
    /// What a state of this call is good for: this user, tool and arguments.
    bound_to: Vec<u8>,
    declined: AtomicBool,
    waits: AtomicBool,
}

enum Way {
    Elicits,
    /// The caller's user says to have opened these.
    RequiresInput(HashSet<String>),
    Text,
}

impl Caller {
    /// # Errors
    /// If the call brings the state of another one, of another user's, or a stale one.
    pub(crate) fn new(
        user: &User,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
        consents: &Consents,
    ) -> Result<Self, ErrorData> {
        let arguments = request.arguments.clone().unwrap_or_default();
        let mut caller = Self {
            way: Way::Text,
            peer: context.peer.clone(),
            consents: consents.clone(),
            tool: request.name.to_string(),
            bound_to: json!([user.id(), request.name, arguments]).to_string().into_bytes(),
            declined: AtomicBool::new(false),
            waits: AtomicBool::new(false),
        };
        let elicits = context.client_capabilities().and_then(|client| client.elicitation);
        if elicits.is_some_and(|modes| modes.url.is_some()) {
            let is_stateless = context.protocol_version().is_some_and(|own| own >= ProtocolVersion::V_2026_07_28);
            caller.way = if is_stateless { caller.input(request)? } else { Way::Elicits };
        }
        Ok(caller)
    }

    /// What the user did with the links of the call before this one.
    fn input(&self, request: &CallToolRequestParams) -> Result<Way, ErrorData> {
        let Some(state) = &request.request_state else { return Ok(Way::RequiresInput(HashSet::new())) };
        let shown: Vec<String> = self.consents.states.open_json_with(state, &self.bound_to).map_err(|_| {
            ErrorData::invalid_params("the request state is not of this call; call without it, to begin anew", None)
        })?;
        let answers = request.input_responses.as_ref();
        let action = |handle: &String| answers?.get(handle)?.get("action")?.as_str();
        if shown.iter().any(|handle| action(handle).is_some_and(|action| action != "accept")) {
            self.declined.store(true, Ordering::Relaxed);
        }
        Ok(Way::RequiresInput(shown.into_iter().filter(|handle| action(handle) == Some("accept")).collect()))
    }

    /// Runs a call for this caller.
    pub(crate) fn scope<F: Future>(self: Arc<Self>, call: F) -> impl Future<Output = F::Output> {
        CALLER.scope(self, call)
    }

    fn link(&self, pending: &PendingAuthorization) -> Option<(String, String)> {
        let handle = SessionBinding::handle(pending)?;
        Some((format!("{}/start/{handle}", self.consents.place), handle))
    }

    async fn tell(&self, pending: PendingAuthorization) -> Result<(), PromptError> {
        let (url, handle) = self.link(&pending).ok_or("the client was built without the session binding")?;
        match &self.way {
            Way::Text => {}
            Way::RequiresInput(_) if self.declined.load(Ordering::Relaxed) => return Err("the user declined".into()),
            Way::RequiresInput(opened) => self.waits.store(opened.contains(&handle), Ordering::Relaxed),
            Way::Elicits => {
                // Not `elicit_url`, which would parse the URL and write it anew.
                let answer = self.peer.create_elicitation(question(&pending, url, handle)).await?;
                if answer.action != ElicitationAction::Accept {
                    self.declined.store(true, Ordering::Relaxed);
                    return Err("the user declined".into());
                }
                self.waits.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// The projection of an error to what this caller understands.
    fn answer(&self, error: &Error) -> Result<CallToolResponse, ErrorData> {
        if self.declined.load(Ordering::Relaxed) {
            return Ok(failed("The user declined. Do not call again unless the user wants it.".to_owned()));
        }
        let own: Vec<_> = error.pendings().iter().filter_map(|own| Some((own, self.link(own)?))).collect();
        if own.is_empty() {
            return Ok(failed(error.to_string()));
        }
        let questions =
            own.into_iter().map(|(pending, (url, handle))| (handle.clone(), question(pending, url, handle)));
        match self.way {
            Way::Elicits => {
                let data = json!({ "elicitations": questions.map(|(_, question)| question).collect::<Vec<_>>() });
                let message = "the user must agree first; call again afterwards";
                Err(ErrorData::new(URL_ELICITATION_REQUIRED, message, Some(data)))
            }
            Way::RequiresInput(_) => {
                let ask = |question| InputRequest::Elicitation(ElicitRequest::new(question));
                let asked: InputRequests = questions.map(|(handle, question)| (handle, ask(question))).collect();
                let seal = SealOptions::new().associated_data(&self.bound_to).ttl(STATE_LIFETIME);
                let state = self.consents.states.seal_json_with(&asked.keys().collect::<Vec<_>>(), &seal);
                let state = state.map_err(|_| ErrorData::internal_error("the request state cannot be sealed", None))?;
                Ok(InputRequiredResult::new(Some(asked), Some(state)).into())
            }
            Way::Text => {
                Ok(failed(questions.map(|(_, question)| self.in_words(&question)).collect::<Vec<_>>().join("\n")))
            }
        }
    }

    fn in_words(&self, question: &ElicitRequestParams) -> String {
        let ElicitRequestParams::UrlElicitationParams { message, url, .. } = question else { return String::new() };
        format!("{message} Ask the user to open {url} and then call `{}` again.", self.tool)
    }
}

impl Prompt for Caller {
    fn show(&self, pending: PendingAuthorization) -> BoxFuture<'_, Result<(), PromptError>> {
        Box::pin(self.tell(pending))
    }

    /// Whether the user was seen to set out, so that it is worth waiting.
    fn then(&self) -> Wait {
        if self.waits.load(Ordering::Relaxed) { Wait::Poll } else { Wait::Return }
    }
}

/// What the user is asked. The host of the page where the provider asks stands apart from the link, as a user should see it.
fn question(pending: &PendingAuthorization, url: String, handle: String) -> ElicitRequestParams {
    let host = pending.authorization_host().unwrap_or_default();
    let scopes = pending.scopes().iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    let message =
        format!("`{}` must be allowed to give access to {scopes}; you are asked at {host}.", pending.provider());
    ElicitRequestParams::UrlElicitationParams { meta: None, message, url, elicitation_id: handle }
}

fn failed(text: String) -> CallToolResponse {
    CallToolResult::error(vec![ContentBlock::text(text)]).into()
}

/// What a tool returns when its credential cannot be had: for `on_error`.
#[expect(clippy::needless_pass_by_value, reason = "`on_error` gives the error away")]
pub(crate) fn answer(error: Error) -> Result<CallToolResponse, ErrorData> {
    let answer = CALLER.try_with(|caller| caller.answer(&error));
    answer.unwrap_or_else(|_| Ok(failed(Error::from_platform(ErrorKind::UserMissing, "nobody calls").to_string())))
}
