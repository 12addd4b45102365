//! Under construction.

mod arguments;
mod boxed;
mod errors;
mod expand;
mod function;
mod name;
mod need;
mod parameter;
#[cfg(test)]
mod tests;
mod value;

use proc_macro::TokenStream;

use crate::name::Kind;

/// Under construction.
#[proc_macro_attribute]
pub fn requires_api_key(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::ApiKey, arguments.into(), &item.into()).into()
}

/// Under construction.
#[proc_macro_attribute]
pub fn requires_access_token(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::AccessToken, arguments.into(), &item.into()).into()
}
