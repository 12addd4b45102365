#![deny(warnings)]

use identity_client::{AccessToken, ApiKey, Error, PendingAuthorization, RequestContext, requires_access_token, requires_api_key};

fn assert_send<T: Send + 'static>(future: T) -> T {
    future
}

async fn notify(_: PendingAuthorization) {}

#[requires_api_key(provider_name = "openai-key", user_id = user)]
#[requires_access_token(
    provider_name = "drive",
    auth_flow = "USER_FEDERATION",
    scopes = vec![user.clone()],
    on_auth_url = notify,
)]
async fn answer(user: String, context: RequestContext, api_key: ApiKey, access_token: AccessToken) -> Result<(), Error> {
    tokio::task::yield_now().await;
    drop((user, context, api_key, access_token));
    Ok(())
}

fn main() {
    drop(assert_send(answer(String::new(), RequestContext::new())));
}
