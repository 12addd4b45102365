#![deny(warnings)]

use std::{error::Error as StdError, time::Duration};

use identity_client::{
    AccessToken, ApiKey, Error, IdentityClient, PendingAuthorization, RequestContext, User, requires_access_token,
    requires_api_key,
};

async fn notify(pending: PendingAuthorization) -> Result<(), Box<dyn StdError + Send + Sync>> {
    drop(pending);
    Ok(())
}

fn notify_sync(pending: PendingAuthorization) {
    drop(pending);
}

fn failed(error: Error) -> Result<(), String> {
    Err(error.to_string())
}

#[requires_api_key(
    provider_name = "mail-key",
    into = key,
    auth_flow = "USER_FEDERATION",
    callback_url = "https://agent.example.com/back",
    on_auth_url = notify,
    force_delegation = true,
    custom_state = "s",
    user_id = "user-7",
    context = &request,
    client = client,
    timeout = "90s",
    wait = "poll",
    on_error = failed,
    crate = ::identity_client,
)]
async fn literals(request: RequestContext, client: &IdentityClient, key: ApiKey) -> Result<(), String> {
    drop((request, client.clone(), key));
    Ok(())
}

struct Settings {
    provider: String,
    back: String,
    fresh: bool,
    patience: Duration,
    extra: Vec<(String, String)>,
}

#[requires_access_token(
    provider_name = settings.provider,
    auth_flow = "USER_FEDERATION",
    scopes = ["openid", settings.provider],
    callback_url = settings.back,
    on_auth_url = self::notify_sync,
    force_authentication = settings.fresh,
    custom_state = format!("{}-{}", settings.provider, 1),
    custom_parameters = settings.extra,
    user_id = user,
    context = request,
    timeout = settings.patience * 2,
)]
async fn expressions(
    settings: &Settings,
    user: Option<User>,
    request: &mut RequestContext,
    access_token: AccessToken,
) -> Result<(), Error> {
    drop((user, request.clone(), access_token));
    Ok(())
}

#[requires_access_token(
    provider_name = name().await,
    auth_flow = "USER_FEDERATION",
    scopes = ["openid"],
    custom_parameters = [("access_type", "offline"), ("login_hint", hint)],
    timeout = patience()?,
)]
async fn awaits_and_fails(hint: String, access_token: AccessToken) -> Result<(), Error> {
    drop((hint, access_token));
    Ok(())
}

async fn name() -> String {
    "drive".to_owned()
}

fn patience() -> Result<Duration, Error> {
    Ok(Duration::from_secs(1))
}

#[requires_api_key(provider_name = "mail-key", wait = "return")]
async fn at_once(api_key: ApiKey) -> Result<(), Error> {
    drop(api_key);
    Ok(())
}

fn main() {
    let settings = Settings {
        provider: "drive".to_owned(),
        back: "https://agent.example.com/back".to_owned(),
        fresh: false,
        patience: Duration::from_secs(1),
        extra: Vec::new(),
    };
    drop(expressions(&settings, None, &mut RequestContext::new()));
    drop(awaits_and_fails(String::new()));
    drop(at_once());
    let _ = literals;
}
