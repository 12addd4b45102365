//! What good expansions look like.

use quote::quote;

use super::{access_token, api_key, function, pretty, pretty_method, sts_credentials, workload_token};

/// A snapshot without the expression that made it, which is in this file.
macro_rules! snapshot {
    ($value:expr) => {{
        let value = $value;
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(value) });
    }};
}

#[test]
fn free_function() {
    snapshot!(pretty(api_key(quote!(provider_name = "openai-key"), &function())));
}

#[test]
fn every_argument_of_an_api_key() {
    snapshot!(pretty(api_key(
        quote!(
            into = key,
            provider_name = provider(),
            auth_flow = "USER_FEDERATION",
            callback_url = "https://agent.example.com/back",
            on_auth_url = self::notify,
            force_delegation = true,
            custom_state = format!("{prompt}"),
            user_id = &payload.user,
            context = request.context(),
            client = shared::CLIENT.get(),
            timeout = "90s",
            wait = "poll",
            on_error = AgentError::credential,
            crate = renamed,
        ),
        &quote!(
            /// Documented.
            #[must_use]
            pub(crate) async fn answer(prompt: &str, mut key: ApiKey, payload: Payload) -> String {
                prompt.to_owned()
            }
        ),
    )));
}

#[test]
fn every_argument_of_an_access_token() {
    snapshot!(pretty(access_token(
        quote!(
            provider_name = "google",
            auth_flow = "USER_FEDERATION",
            scopes = ["read", WRITE],
            force_authentication = is_stale(&day),
            custom_parameters = [("access_type", "offline"), ("login_hint", hint)],
            timeout = Duration::from_secs(5)
        ),
        &quote!(
            async fn agenda(day: Date, access_token: AccessToken) -> Result<(), AgentError> {
                Ok(())
            }
        ),
    )));
}

#[test]
fn every_argument_of_sts_credentials() {
    snapshot!(pretty(sts_credentials(
        quote!(
            into = keys,
            session_duration = "15m",
            policy = r#"{"Version":"1","Statement":[]}"#,
            role_session_name = name_of(&day),
            auth_flow = "USER_FEDERATION",
            user_id = user,
            client = storage,
            on_error = refuse
        ),
        &quote!(
            async fn report(day: Date, keys: &StsCredentials) -> Response {
                Response::new(keys)
            }
        ),
    )));
}

#[test]
fn a_workload_token_and_a_token_on_behalf_of_a_user() {
    snapshot!(pretty(workload_token(
        quote!(),
        &quote!(
            #[requires_access_token(provider_name = "crm", auth_flow = "ON_BEHALF_OF", scopes = ["read"], audience = "crm")]
            #[requires_sts_credentials(session_duration = LENGTH)]
            async fn call(
                context: RequestContext,
                workload_token: WorkloadToken,
                access_token: AccessToken,
                sts_credentials: StsCredentials,
            ) -> Result<(), AgentError> {
                Ok(())
            }
        ),
    )));
}

#[test]
fn method_with_its_own_context() {
    snapshot!(pretty_method(&access_token(
        quote!(provider_name = "google", auth_flow = "USER_FEDERATION", scopes = SCOPES, custom_parameters = extra()),
        &quote!(
            pub async fn agenda(
                &mut self,
                context: &mut RequestContext,
                access_token: AccessToken,
            ) -> Result<Vec<Event>> {
                self.list(access_token).await
            }
        ),
    )));
}

#[test]
fn generics_and_lifetimes() {
    snapshot!(pretty(api_key(
        quote!(provider_name = "openai-key"),
        &quote!(
            async fn ask<'a, T: Model, const N: usize>(
                model: &'a T,
                tags: [&'a str; N],
                api_key: &ApiKey,
            ) -> Result<&'a str>
            where
                T: Send + Sync,
            {
                model.ask(tags, api_key).await
            }
        ),
    )));
}

#[test]
fn pattern_with_inject() {
    snapshot!(pretty(api_key(
        quote!(provider_name = "openai-key", user_id = user),
        &quote!(
            async fn answer(
                Payload { user, prompt }: Payload,
                #[inject]
                #[expect(unused)]
                Key(key): Key,
            ) -> Result<()> {
                #![expect(clippy::unused_async)]
                Ok(())
            }
        ),
    )));
}

#[test]
fn native_async_trait_impl() {
    let method = api_key(
        quote!(provider_name = "openai-key"),
        &quote!(
            async fn answer(&self, prompt: &str, api_key: ApiKey) -> Result<String, Self::Error> {
                todo!()
            }
        ),
    );
    snapshot!(pretty(quote!(impl Answer for Agent { #method })));
}

#[test]
fn output_of_async_trait() {
    snapshot!(pretty_method(&api_key(
        quote!(provider_name = "openai-key", client = self.client),
        &quote!(
            #[allow(clippy::type_complexity)]
            fn answer<'life0, 'life1, 'life2, 'async_trait>(
                &'life0 self,
                prompt: &'life1 str,
                api_key: &'life2 ApiKey,
            ) -> ::core::pin::Pin<
                Box<
                    dyn ::core::future::Future<Output = Result<String, AgentError>>
                        + ::core::marker::Send
                        + 'async_trait,
                >,
            >
            where
                'life0: 'async_trait,
                'life1: 'async_trait,
                'life2: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async move {
                    let __self = self;
                    let __ret: Result<String, AgentError> = { Ok(prompt.to_owned()) };
                    __ret
                })
            }
        ),
    )));
}

#[test]
fn stacked_attributes_are_fetched_together() {
    snapshot!(pretty(api_key(
        quote!(provider_name = "openai-key", user_id = &user),
        &quote!(
            #[first]
            #[identity_client::requires_access_token(
                provider_name = "google", auth_flow = "M2M", scopes = ["read"], on_error = respond
            )]
            #[second]
            #[requires_api_key(provider_name = name(&user), into = backup)]
            async fn answer(api_key: ApiKey, user: User, access_token: AccessToken, backup: ApiKey) -> Response {
                respond_with(api_key, access_token, backup)
            }
        ),
    )));
}
