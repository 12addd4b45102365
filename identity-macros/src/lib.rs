//! Under construction.
use proc_macro::TokenStream;

/// Under construction.
#[proc_macro_attribute]
pub fn requires_api_key(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// Under construction.
#[proc_macro_attribute]
pub fn requires_access_token(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}
