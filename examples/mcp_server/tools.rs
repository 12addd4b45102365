//! The tools: what they need is said by attributes, and is no parameter that a model could fill in.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use identity_client::{AccessToken, ApiKey, Error, RequestContext, User, requires_access_token, requires_api_key};
use identity_runtime::InboundUser;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::{tool::ToolCallContext, wrapper::Parameters},
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, InitializeRequestParams,
        InitializeResult,
    },
    schemars, service, tool, tool_handler, tool_router,
};

use crate::consent::{self, Caller, Consents};

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) consents: Consents,
    pub(crate) http: reqwest::Client,
    /// Stands in for the calendar's API: it says whose token it was given.
    pub(crate) calendar: String,
    /// The context of every call, but for its user.
    pub(crate) context: RequestContext,
}

/// One session of a client; with protocol 2026-07-28, one request.
pub(crate) struct Tools {
    shared: Arc<Shared>,
    /// Who began the session. A session id is no credential: nobody else may use it.
    owner: OnceLock<User>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Question {
    /// What the model is asked.
    prompt: String,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Day {
    /// The day, as in 2026-11-22.
    day: String,
}

#[tool_router]
impl Tools {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, owner: OnceLock::new() }
    }

    /// Asks the company's language model.
    #[requires_api_key(provider_name = "openai-key", on_error = consent::answer)]
    #[tool]
    async fn ask_model(
        &self,
        Parameters(question): Parameters<Question>,
        api_key: ApiKey,
    ) -> Result<CallToolResponse, ErrorData> {
        // Here the server would call the model with the key; it never answers with it.
        let (asked, length) = (question.prompt.len(), api_key.expose_secret().len());
        Ok(done(format!("asked {asked} bytes with a key of {length} characters")))
    }

    /// Reads the calendar of the user who calls.
    #[requires_access_token(
        provider_name = "calendar-oauth",
        auth_flow = "USER_FEDERATION",
        scopes = ["calendar.read"],
        on_error = consent::answer
    )]
    #[tool]
    async fn agenda(
        &self,
        Parameters(day): Parameters<Day>,
        access_token: AccessToken,
    ) -> Result<CallToolResponse, ErrorData> {
        match self.whose_calendar(&access_token).await {
            Ok(owner) => Ok(done(format!("the calendar of {owner} has nothing on {}", day.day))),
            Err(error) => consent::answer(error),
        }
    }
}

impl Tools {
    async fn whose_calendar(&self, access_token: &AccessToken) -> Result<String, Error> {
        let silent = |_| Error::conversion("the calendar does not answer");
        let mut request = self.shared.http.get(&self.shared.calendar).build().map_err(silent)?;
        access_token.apply(&mut request)?;
        let answer = self.shared.http.execute(request).await.map_err(silent)?;
        if answer.status() == http::StatusCode::UNAUTHORIZED {
            return Err(Error::credential_rejected(access_token));
        }
        let account: serde_json::Value = answer.json().await.map_err(silent)?;
        Ok(account["sub"].as_str().unwrap_or("nobody").to_owned())
    }

    /// The user that the request was verified to come from: the one who began the session, or nobody gets in.
    fn user(&self, context: &service::RequestContext<RoleServer>) -> Result<User, ErrorData> {
        let request = context.extensions.get::<http::request::Parts>();
        let InboundUser(user) = request
            .and_then(|request| request.extensions.get())
            .ok_or_else(|| ErrorData::invalid_request("the token of the request names no user", None))?;
        if self.owner.get_or_init(|| user.clone()) != user {
            return Err(ErrorData::invalid_request("the session is another user's; begin one of your own", None));
        }
        Ok(user.clone())
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: service::RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.user(&context)?;
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: service::RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let user = self.user(&context)?;
        let caller = Arc::new(Caller::new(&user, &request, &context, &self.shared.consents)?);
        let own = self.shared.context.clone().with_user(user).with_prompt(Arc::clone(&caller) as _);
        let call = ToolCallContext::new(self, request, context);
        caller.scope(own.scope(async { Self::tool_router().call(call).await })).await
    }
}

fn done(text: impl Into<Cow<'static, str>>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text.into())]).into()
}
