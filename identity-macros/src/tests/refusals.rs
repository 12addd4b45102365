//! What bad attributes say, and what is still emitted.

use quote::quote;

use super::{
    access_token, api_key, federated, function, messages, only_message, pretty, sts_credentials, workload_token,
};

#[test]
fn recovery_keeps_names_and_types_but_not_the_parameter() {
    let (messages, rest) = messages(api_key(quote!(provider_nmae = "openai-key"), &function()));
    assert_eq!(messages, ["`requires_api_key` has no argument `provider_nmae`; did you mean `provider_name`?"]);
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(rest) });
}

#[test]
fn a_half_typed_body_stays_as_it_is() {
    let expanded = api_key(
        quote!(provider_name = "openai-key"),
        &quote!(
            async fn answer(api_key: ApiKey) -> Result<(), E> {
                api_key.
            }
        ),
    );
    assert!(expanded.to_string().contains("{ api_key . }"), "{expanded}");
}

#[test]
fn an_item_that_is_no_function_is_emitted_unchanged() {
    for (item, place) in [
        (
            quote!(
                struct Agent {
                    api_key: String,
                }
            ),
            "`struct`",
        ),
        (
            quote!(
                pub enum Agent {
                    A,
                }
            ),
            "`enum`",
        ),
        (quote!(impl Agent { fn f() {} }), "methods"),
        (
            quote!(
                trait Agent {
                    fn f();
                }
            ),
            "methods",
        ),
        (
            quote!(
                const KEY: u8 = 1;
            ),
            "`const`",
        ),
        (
            quote!(
                static KEY: u8 = 1;
            ),
            "`static`",
        ),
        (
            quote!(
                type Key = u8;
            ),
            "`type`",
        ),
        (
            quote!(
                mod keys {}
            ),
            "`mod`",
        ),
        (
            quote!(
                use a::b;
            ),
            "`use`",
        ),
    ] {
        let expanded = api_key(quote!(nonsense), &item);
        assert!(expanded.to_string().starts_with(&item.to_string()), "{expanded}");
        let message = only_message(expanded);
        assert!(message.contains(place), "{message}");
    }
}

#[test]
fn variable_arguments_are_refused() {
    let item = quote!(
        unsafe fn answer(api_key: ApiKey, mut rest: ...) -> Result<(), E> {
            Ok(())
        }
    );
    let message = only_message(api_key(quote!(provider_name = "openai-key"), &item));
    assert!(message.contains("without `...`"), "{message}");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let (messages, _) = messages(access_token(
        quote!(
            provider_name = "a b",
            auth_flow = "m2m",
            scopes = ["x y", "ok", "ok"],
            timeout = 5,
            retries = 3,
            into = nobody
        ),
        &federated(),
    ));
    assert_eq!(messages.len(), 7, "{messages:#?}");
}

#[test]
fn a_mistake_does_not_hide_the_next_argument() {
    for broken in [
        quote!(provider_name "x", callback_url = "http://example.com"),
        quote!(provider_name = , callback_url = "http://example.com"),
        quote!("x", callback_url = "http://example.com"),
        quote!(provider_name = "x" 5 6, callback_url = "http://example.com"),
        quote!(= , callback_url = "http://example.com"),
    ] {
        let (messages, _) = messages(api_key(broken.clone(), &function()));
        assert_eq!(messages.len(), 2, "{broken}: {messages:#?}");
        assert!(messages[1].contains("plain http"), "{messages:#?}");
    }
}

#[test]
fn missing_arguments_are_one_mistake() {
    assert!(only_message(api_key(quote!(), &function())).contains("needs `provider_name`, as in"));
    let message = only_message(access_token(quote!(), &federated()));
    assert!(message.contains("needs `provider_name`, `auth_flow` and `scopes`, as in"), "{message}");
    let message = only_message(access_token(quote!(provider_name = "x", scopes = ["a"]), &federated()));
    assert!(message.contains("needs `auth_flow`, as in"), "{message}");
}

#[test]
fn without_a_user_nothing_is_asked_of_a_user() {
    for argument in [
        quote!(user_id = "u"),
        quote!(callback_url = "https://example.com"),
        quote!(on_auth_url = notify),
        quote!(force_delegation = true),
        quote!(custom_state = "s"),
        quote!(timeout = "1s"),
        quote!(wait = "poll"),
    ] {
        let message = only_message(api_key(quote!(provider_name = "x", auth_flow = "M2M", #argument), &function()));
        assert!(message.contains("`auth_flow = \"M2M\"`"), "{message}");
    }
    for argument in [quote!(force_authentication = true), quote!(custom_parameters = [("a", "b")])] {
        let arguments = quote!(provider_name = "x", scopes = ["a"], auth_flow = "M2M", #argument);
        let message = only_message(access_token(arguments, &federated()));
        assert!(message.contains("`auth_flow = \"M2M\"`"), "{message}");
    }
}

#[test]
fn a_dictionary_of_custom_parameters_is_told_its_form() {
    for dictionary in [quote!({"prompt": "consent"}), quote!([{"prompt": "consent"}]), quote!({ prompt: "consent" })] {
        let arguments = quote!(provider_name = "x", scopes = ["a"], auth_flow = "USER_FEDERATION");
        let message = only_message(access_token(quote!(#arguments, custom_parameters = #dictionary), &federated()));
        assert_eq!(
            message,
            "`custom_parameters` is a list of pairs: write `custom_parameters = [(\"name\", \"value\")]`"
        );
    }
}

#[test]
fn custom_state_is_shorter_for_api_keys() {
    let fifty_one = "s".repeat(51);
    let message = only_message(api_key(quote!(provider_name = "x", custom_state = #fifty_one), &function()));
    assert!(message.contains("1 to 50"), "{message}");
    let hundred = "ß".repeat(100);
    let flow = quote!(provider_name = "x", scopes = ["a"], auth_flow = "USER_FEDERATION");
    pretty(access_token(quote!(#flow, custom_state = #hundred), &federated()));
    let more = "s".repeat(101);
    assert!(only_message(access_token(quote!(#flow, custom_state = #more), &federated())).contains("1 to 100"));
}

fn token_below() -> proc_macro2::TokenStream {
    quote!(#[requires_access_token(provider_name = "y", auth_flow = "M2M", scopes = ["a"])])
}

#[test]
fn marks_and_names_find_their_parameters() {
    let token = token_below();
    let by_default = quote!(provider_name = "x");
    let by_name = quote!(provider_name = "x", into = k);
    for (arguments, item, left) in [
        // One mark, two credentials: the default name, or `into`, decides for the other one.
        (&by_default, quote!(#token async fn f(api_key: ApiKey, #[inject] t: AccessToken) -> R { g() }), "f()"),
        (&by_name, quote!(#token async fn f(k: ApiKey, #[inject] t: AccessToken) -> R { g() }), "f()"),
        // A mark on the parameter that `into` names says the same thing twice.
        (
            &by_name,
            quote!(
                async fn f(#[inject] k: ApiKey) -> R {
                    g()
                }
            ),
            "f()",
        ),
        // A mark wins over the default name.
        (
            &by_default,
            quote!(
                async fn f(#[inject] k: ApiKey, api_key: u8) -> R {
                    g()
                }
            ),
            "f(api_key: u8)",
        ),
        (
            &by_default,
            quote!(
                async fn f(n: u8, #[inject] _: ApiKey) -> R {
                    g()
                }
            ),
            "f(n: u8)",
        ),
    ] {
        let expanded = pretty(api_key(arguments.clone(), &item));
        assert!(expanded.contains(&format!("async fn {left} -> R")), "{expanded}");
    }
}

#[test]
fn an_unclear_choice_is_refused() {
    let token = token_below();
    let again = quote!(#[requires_api_key(provider_name = "y")]);
    let by_default = quote!(provider_name = "x");
    let by_name = quote!(provider_name = "x", into = k);
    for (arguments, item, expected) in [
        (
            &by_default,
            quote!(#token async fn f(#[inject] k: ApiKey, #[inject] t: AccessToken) -> R { g() }),
            "not clear",
        ),
        (
            &by_default,
            quote!(
                async fn f(#[inject] k: ApiKey, #[inject] t: ApiKey) -> R {
                    g()
                }
            ),
            "not clear",
        ),
        (
            &by_name,
            quote!(
                async fn f(k: ApiKey, #[inject] t: ApiKey) -> R {
                    g()
                }
            ),
            "already",
        ),
        (
            &by_name,
            quote!(
                async fn f(api_key: ApiKey) -> R {
                    g()
                }
            ),
            "the function has `api_key`",
        ),
        (
            &by_default,
            quote!(
                async fn f(key: ApiKey, n: u8) -> R {
                    g()
                }
            ),
            "the function has `key`, `n`",
        ),
        (
            &by_default,
            quote!(
                async fn f() -> R {
                    g()
                }
            ),
            "no named parameter",
        ),
        (&by_default, quote!(#again async fn f(api_key: ApiKey) -> R { g() }), "another credential"),
    ] {
        let (messages, rest) = messages(api_key(arguments.clone(), &item));
        assert_eq!(messages.len(), 1, "{messages:#?}");
        assert!(messages[0].contains(expected), "{messages:#?}");
        assert!(!rest.contains("#[inject]") && !rest.contains("provider_name"), "{rest}");
    }
}

#[test]
fn one_function_for_errors_and_one_crate() {
    let below = quote!(#[requires_api_key(provider_name = "y", into = b, on_error = two, crate = one)]);
    let item = quote!(#below async fn f(a: ApiKey, b: ApiKey) -> u8 { 1 });
    let message = only_message(api_key(quote!(provider_name = "x", into = a, on_error = one, crate = one), &item));
    assert!(message.contains("another `on_error`"), "{message}");
}

#[test]
fn a_foreign_request_context_is_left_alone() {
    let rmcp = quote!(
        async fn f(context: RequestContext<RoleServer>, api_key: ApiKey) -> R {
            g()
        }
    );
    assert!(!pretty(api_key(quote!(provider_name = "x"), &rmcp)).contains("with_context"));
    let given = quote!(
        async fn f(a: RequestContext, b: RequestContext, api_key: ApiKey) -> R {
            g()
        }
    );
    assert!(pretty(api_key(quote!(provider_name = "x", context = a), &given)).contains("with_context"));
    assert!(only_message(api_key(quote!(provider_name = "x"), &given)).contains("`context = b`"));
}

#[test]
fn literals_of_a_session_are_checked_with_the_rule_of_the_run_time() {
    let item = quote!(
        async fn report(sts_credentials: StsCredentials) -> Result<(), AgentError> {
            Ok(())
        }
    );
    for (arguments, expected) in [
        (quote!(session_duration = "14m"), "15 minutes"),
        (quote!(session_duration = "2h"), "one hour"),
        (quote!(session_duration = "900"), "a whole number and a unit"),
        (quote!(session_duration = 900), "has a unit"),
        (quote!(policy = "{"), "is not JSON (line 1, column 1)"),
        (quote!(policy = "[]"), "no object"),
        (quote!(policy = 1), "is a string"),
        (quote!(role_session_name = "a"), "2 to 64"),
        (quote!(role_session_name = "a b"), "' '"),
        (quote!(provider_name = "p"), "STS credentials have none"),
        (quote!(scopes = ["a"]), "STS credentials have none"),
        (quote!(timeout = "9s"), "`requires_api_key` and `requires_access_token`"),
        (quote!(duration_seconds = 900), "`session_duration = \"15m\"`"),
        (quote!(auth_flow = "ON_BEHALF_OF"), "only access tokens"),
        (quote!(auth_flow = "M2M", user_id = user), "no user is involved"),
    ] {
        let message = only_message(sts_credentials(arguments, &item));
        assert!(message.contains(expected), "{message}");
    }
    pretty(sts_credentials(quote!(session_duration = "1h", role_session_name = "agent@1", policy = "{}"), &item));
}

#[test]
fn a_workload_token_takes_little_and_an_exchange_asks_nobody() {
    let item = quote!(
        async fn call(workload_token: WorkloadToken) -> Result<(), AgentError> {
            Ok(())
        }
    );
    for arguments in [quote!(policy = "{}"), quote!(session_duration = "15m"), quote!(role_session_name = "ab")] {
        let message = only_message(workload_token(arguments, &item));
        assert!(message.contains("a workload token has none"), "{message}");
    }
    let exchange = quote!(provider_name = "x", auth_flow = "ON_BEHALF_OF", scopes = ["a"]);
    for argument in
        [quote!(on_auth_url = tell), quote!(callback_url = "https://a.example.com/"), quote!(wait = "return")]
    {
        let message = only_message(access_token(quote!(#exchange, #argument), &federated()));
        assert!(message.contains("nobody is asked to agree"), "{message}");
    }
    pretty(access_token(quote!(#exchange, audience = "crm", user_id = user), &federated()));
    let federation = quote!(provider_name = "x", auth_flow = "USER_FEDERATION", scopes = ["a"]);
    assert!(only_message(access_token(quote!(#federation, audience = "crm"), &federated())).contains("ON_BEHALF_OF"));
    assert!(only_message(access_token(quote!(#exchange, audience = " "), &federated())).contains("empty"));
    let key = quote!(provider_name = "x", auth_flow = "ON_BEHALF_OF");
    assert!(only_message(api_key(key, &function())).contains("only access tokens"));
}
