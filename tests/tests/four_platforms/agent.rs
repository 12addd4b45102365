//! An agent as its author writes it. Where its credentials are kept, and who may call it, is configured, and nowhere in here.

use identity_client::{
    AccessToken, ApiKey, Environment, Error, IdentityClient, RequestContext, SessionBinding, User,
    inbound::TokenVerifier, requires_access_token, requires_api_key,
};
use identity_runtime::{AgentApp, CustomJwtLayer, ReturnUrlRouter};
use identity_tests::Anything;
use serde::{Deserialize, Serialize};

/// What it is asked.
#[derive(Deserialize)]
pub(crate) struct Question {
    customer: String,
}

/// What it answers. A real one would say what the services said; this one shows what it would have called them with.
#[derive(Serialize)]
pub(crate) struct Answer {
    customer: String,
    asked_by: String,
    model_key: String,
    user_token: String,
    own_token: String,
}

#[requires_api_key(provider_name = "openai-key")]
#[requires_access_token(provider_name = "crm-oauth", auth_flow = "USER_FEDERATION", scopes = ["contacts.read"])]
async fn look_up(
    question: Question,
    context: RequestContext,
    api_key: ApiKey,
    access_token: AccessToken,
) -> Result<Answer, Error> {
    Ok(Answer {
        customer: question.customer,
        asked_by: context.user().map(User::id).unwrap_or_default().to_owned(),
        model_key: api_key.expose_secret().to_owned(),
        user_token: access_token.expose_secret().to_owned(),
        own_token: own_token(&context).await?.expose_secret().to_owned(),
    })
}

#[requires_access_token(provider_name = "reports-oauth", auth_flow = "M2M", scopes = ["reports.write"])]
async fn own_token(context: &RequestContext, access_token: AccessToken) -> Result<AccessToken, Error> {
    Ok(access_token)
}

/// What an operator sets beside the platform's own variables.
pub(crate) struct Settings {
    /// Whose tokens callers show, of which clients, and for whom they must be.
    pub(crate) discovery_url: String,
    pub(crate) allowed_clients: Vec<String>,
    pub(crate) allowed_audiences: Vec<String>,
    /// Where users come back to after a consent; nowhere on a platform that sends nobody back.
    pub(crate) consent_url: Option<String>,
}

/// The agent, ready to serve, with the client that it uses.
pub(crate) fn build(environment: &Environment, settings: &Settings) -> Result<(AgentApp, IdentityClient), Anything> {
    let callers = callers(settings)?;
    let client = IdentityClient::builder().with_platform_from(environment)?;
    let app = AgentApp::builder(look_up).with_inbound(CustomJwtLayer::new([callers.clone()])?);
    let (app, client) = if let Some(url) = &settings.consent_url {
        let binding = SessionBinding::new();
        let client = client.with_session_binding(binding.clone()).build()?;
        (app.with_consent_routes(pages(binding, callers), url), client)
    } else {
        (app, client.accept_unbound_consent("the platform sends nobody back").build()?)
    };
    Ok((app.with_client(client.clone()).build()?, client))
}

fn callers(settings: &Settings) -> Result<TokenVerifier, Anything> {
    // Some platforms want to see the token with which the user called.
    let mut verifier = TokenVerifier::discovery(&settings.discovery_url)?.with_kept_token(true);
    for client in &settings.allowed_clients {
        verifier = verifier.with_allowed_client(client);
    }
    for audience in &settings.allowed_audiences {
        verifier = verifier.with_audience(audience);
    }
    if settings.allowed_audiences.is_empty() {
        verifier = verifier.with_any_audience();
    }
    Ok(verifier.build()?)
}

/// The pages of a consent, for people whose browser shows the session of the front end: here, its token in a cookie.
fn pages(binding: SessionBinding, callers: TokenVerifier) -> ReturnUrlRouter {
    let signed_in = move |parts: &http::request::Parts| {
        let cookies = parts.headers.get(http::header::COOKIE).and_then(|cookies| cookies.to_str().ok());
        let session =
            cookies.and_then(|cookies| cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session=")));
        let (session, callers) = (session.map(str::to_owned), callers.clone());
        async move { User::from_verified_token(&callers.verify(&session?).await.ok()?).ok() }
    };
    ReturnUrlRouter::new(binding, signed_in).dangerously_use_insecure_cookies_on_loopback()
}
