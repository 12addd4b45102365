#![deny(warnings)]

use identity_client::{ApiKey, Error, requires_api_key};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::wrapper::Parameters,
    model::{CallToolResult, ContentBlock},
    schemars,
    service::RequestContext,
    tool, tool_handler, tool_router,
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Question {
    prompt: String,
}

struct Agent;

fn failed(error: Error) -> Result<CallToolResult, ErrorData> {
    Err(ErrorData::internal_error(error.to_string(), None))
}

#[tool_router]
impl Agent {
    /// Answers a question.
    #[requires_api_key(provider_name = "openai-key", on_error = failed)]
    #[tool]
    async fn answer(
        &self,
        Parameters(question): Parameters<Question>,
        context: RequestContext<RoleServer>,
        api_key: ApiKey,
    ) -> Result<CallToolResult, ErrorData> {
        drop(context);
        let text = format!("{}{}", question.prompt, api_key.expose_secret().len());
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
    }
}

#[tool_handler]
impl ServerHandler for Agent {}

fn main() {
    let tool = Agent::answer_tool_attr();
    let schema = serde_json::to_string(&tool).unwrap_or_default();
    assert!(schema.contains("prompt"), "{schema}");
    assert!(!schema.to_lowercase().contains("key"), "{schema}");
    assert_eq!(Agent::tool_router().list_all().len(), 1);
}
