//! Expansions on `proc_macro2` types: what good ones look like, and what bad ones say and still emit.

mod refusals;
mod snapshots;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{File, Item};

use crate::{expand::expand, name::Kind};

fn api_key(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    expand(Kind::ApiKey, arguments, item)
}

fn access_token(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    expand(Kind::AccessToken, arguments, item)
}

fn sts_credentials(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    expand(Kind::StsCredentials, arguments, item)
}

fn workload_token(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    expand(Kind::WorkloadToken, arguments, item)
}

/// Pretty-prints items that stand in a module.
fn pretty(tokens: TokenStream) -> String {
    let file: File = syn::parse2(tokens).unwrap();
    let errors = file.items.iter().filter(|item| matches!(item, Item::Macro(_))).count();
    assert_eq!(errors, 0, "a good expansion reports nothing");
    prettyplease::unparse(&file)
}

/// Pretty-prints a method by standing it in an `impl` block.
fn pretty_method(tokens: &TokenStream) -> String {
    pretty(quote!(impl Agent { #tokens }))
}

/// The messages of a bad expansion, and what is emitted beside them.
fn messages(tokens: TokenStream) -> (Vec<String>, String) {
    let mut file: File = syn::parse2(tokens).unwrap();
    let (errors, items): (Vec<_>, Vec<_>) = file.items.into_iter().partition(
        |item| matches!(item, Item::Macro(one) if one.mac.path.segments.last().unwrap().ident == "compile_error"),
    );
    let errors = errors.into_iter().map(|error| {
        let Item::Macro(error) = error else { unreachable!() };
        error.mac.parse_body::<syn::LitStr>().unwrap().value()
    });
    file.items = items;
    (errors.collect(), prettyplease::unparse(&file))
}

fn only_message(tokens: TokenStream) -> String {
    let (mut messages, _) = messages(tokens);
    assert_eq!(messages.len(), 1, "{messages:#?}");
    messages.remove(0)
}

fn function() -> TokenStream {
    quote!(
        async fn answer(prompt: &str, api_key: ApiKey) -> Result<String, AgentError> {
            Ok(prompt.to_owned())
        }
    )
}

fn federated() -> TokenStream {
    quote!(
        async fn agenda(access_token: AccessToken) -> Result<(), AgentError> {
            Ok(())
        }
    )
}
