//! The agent itself. Nothing in it knows how it authenticates, or how a user is shown to IDaaS.

use identity_client::{
    ApiKey, RequestContext, TokenSource, idaas::AUTHORIZATION_SERVER, requires_access_token, requires_api_key,
};
use identity_examples::{IdaasGround, without_redirects};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::AnyError;

/// How many turns a conversation has.
const TURNS: usize = 3;

/// What the agent is asked.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    prompt: String,
}

/// What it found out.
#[derive(Debug, Serialize)]
struct Thoughts {
    model: String,
    weather: Value,
    orders: Vec<Value>,
}

/// Where the services are.
pub(crate) struct Places {
    pub(crate) orders: String,
    pub(crate) weather: String,
}

pub(crate) struct Agent {
    is_human: bool,
    model_key: String,
    external_key: String,
    service_scope: String,
    places: Places,
    http: reqwest::Client,
}

impl Agent {
    pub(crate) fn new(ground: &IdaasGround, places: Places) -> Result<Self, AnyError> {
        Ok(Self {
            is_human: ground.is_human,
            model_key: ground.names.model_key.clone(),
            external_key: ground.names.external_key.clone(),
            service_scope: ground.names.service_scope.clone(),
            places,
            http: without_redirects()?,
        })
    }

    /// The entrypoint. The user of the context is the one whom the layer in front has verified.
    pub(crate) async fn answer(&self, question: Question, context: RequestContext) -> Result<Value, AnyError> {
        let (model, weather) = self.think(&question.prompt, &context).await?;
        let orders = if self.is_human { self.for_caller(&context).await? } else { self.for_itself(&context).await? };
        Ok(serde_json::to_value(Thoughts { model, weather, orders })?)
    }

    /// Keys without a flow are whose `ACCESS_IDENTITY` says.
    #[requires_api_key(provider_name = &self.model_key, into = model_key)]
    #[requires_api_key(provider_name = &self.external_key, into = external_key)]
    async fn think(
        &self,
        prompt: &str,
        context: &RequestContext,
        model_key: ApiKey,
        external_key: ApiKey,
    ) -> Result<(String, Value), AnyError> {
        // Here it would ask a model with `model_key.expose_secret()`.
        let letters = model_key.expose_secret().len();
        let model =
            format!("thought about {} words with a key of {letters} letters", prompt.split_whitespace().count());
        Ok((model, self.get(&self.places.weather, external_key.expose_secret()).await?))
    }

    #[requires_access_token(provider_name = AUTHORIZATION_SERVER, auth_flow = "M2M", scopes = [&self.service_scope], into = tokens)]
    async fn for_itself(&self, context: &RequestContext, tokens: TokenSource) -> Result<Vec<Value>, AnyError> {
        self.converse(&tokens).await
    }

    #[requires_access_token(provider_name = AUTHORIZATION_SERVER, auth_flow = "ON_BEHALF_OF", scopes = [&self.service_scope], into = tokens)]
    async fn for_caller(&self, context: &RequestContext, tokens: TokenSource) -> Result<Vec<Value>, AnyError> {
        self.converse(&tokens).await
    }

    /// However long it takes: a token is taken for each call, and none is kept in a tool beyond its life.
    async fn converse(&self, tokens: &TokenSource) -> Result<Vec<Value>, AnyError> {
        let mut heard = Vec::new();
        for _ in 0..TURNS {
            let token = tokens.token().await?;
            heard.push(self.get(&self.places.orders, token.expose_secret()).await?);
        }
        Ok(heard)
    }

    async fn get(&self, url: &str, bearer: &str) -> Result<Value, AnyError> {
        Ok(self.http.get(url).bearer_auth(bearer).send().await?.error_for_status()?.json().await?)
    }
}
