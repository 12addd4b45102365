//! The function under the attributes: its signature is understood, its body is carried along untouched.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, FnArg, Ident, ItemFn, Meta, Pat, Signature, Token, Type, Visibility,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
};

use crate::{errors::Errors, name::Kind};

/// The argument of an attribute that another one has collected.
pub(crate) const COLLECTED: &str = "__identity_collected";

/// The first words of items that are no functions.
const ITEMS: [&str; 13] = [
    "impl",
    "trait",
    "struct",
    "enum",
    "union",
    "mod",
    "static",
    "type",
    "use",
    "const",
    "extern",
    "unsafe",
    "macro_rules",
];

const REMEDY: &str = "this attribute goes on an `async fn` with a body";

/// A function, a method or a trait method.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    /// `;`
    Missing(Token![;]),
    /// `{ … }`: kept as tokens, so that a half-typed body does not take the function away from the editor.
    Present(Group),
}

/// What was written about another credential of the same function.
pub(crate) struct Sibling {
    pub(crate) kind: Kind,
    pub(crate) path: syn::Path,
    /// `None` if they could not be found, which has been reported.
    pub(crate) arguments: Option<TokenStream>,
}

impl Sibling {
    /// Where the attribute is shown.
    pub(crate) fn span(&self) -> Span {
        self.path.segments.last().map_or_else(Span::call_site, |last| last.ident.span())
    }

    /// Names the attribute once more, where it expands to nothing: without that its import would be unused.
    pub(crate) fn mention(&self) -> TokenStream {
        let (span, path) = (Span::mixed_site(), &self.path);
        let collected = Ident::new(COLLECTED, span);
        quote_spanned!(span=> #[#path(#collected)] const _: () = ();)
    }
}

impl Function {
    /// Reads a function.
    ///
    /// # Errors
    /// What the item is instead, and where the attribute goes.
    pub(crate) fn parse(kind: Kind, item: TokenStream) -> syn::Result<Self> {
        let parser = |input: ParseStream<'_>| {
            let attributes = input.call(Attribute::parse_outer)?;
            let visibility = input.parse()?;
            refuse_other_items(kind, input)?;
            let signature = input.parse()?;
            let body = if input.peek(Token![;]) {
                Body::Missing(input.parse()?)
            } else {
                Body::Present(braces(input.parse()?)?)
            };
            Ok(Self { attributes, visibility, signature, body })
        };
        parser.parse2(item)
    }

    /// Takes the attributes for further credentials out, so that all are fetched in one call.
    pub(crate) fn take_siblings(&mut self, errors: &mut Errors) -> Vec<Sibling> {
        let mut siblings = Vec::new();
        for attribute in std::mem::take(&mut self.attributes) {
            let Some(kind) = Kind::of_path(attribute.path()) else {
                self.attributes.push(attribute);
                continue;
            };
            let path = attribute.path().clone();
            let arguments = match attribute.meta {
                Meta::Path(_) => Some(TokenStream::new()),
                Meta::List(list) => Some(list.tokens),
                Meta::NameValue(pair) => {
                    errors.under(pair.eq_token, format!("write the arguments in parentheses: `{}`", kind.example()));
                    None
                }
            };
            siblings.push(Sibling { kind, path, arguments });
        }
        siblings
    }

    /// Takes every `#[inject]` out and gives the positions of the parameters that had one.
    pub(crate) fn take_inject_marks(&mut self, errors: &mut Errors) -> Vec<(usize, Span)> {
        let mut marked = Vec::new();
        for (index, input) in self.signature.inputs.iter_mut().enumerate() {
            let attributes = match input {
                FnArg::Receiver(receiver) => &mut receiver.attrs,
                FnArg::Typed(typed) => &mut typed.attrs,
            };
            let Some(mark) = attributes.iter().find(|one| one.path().is_ident("inject")).cloned() else { continue };
            attributes.retain(|one| !one.path().is_ident("inject"));
            if matches!(input, FnArg::Receiver(_)) {
                errors.under(&mark, "`self` cannot be injected; mark another parameter");
                continue;
            }
            if !matches!(mark.meta, Meta::Path(_)) {
                errors.under(&mark.meta, "`#[inject]` takes no arguments");
            }
            let span = mark.path().segments.last().map_or_else(Span::call_site, |last| last.ident.span());
            marked.push((index, span));
        }
        marked
    }

    /// The parameters that have a plain name, in order.
    pub(crate) fn named_parameters(&self) -> impl Iterator<Item = (usize, &Ident)> {
        self.signature.inputs.iter().enumerate().filter_map(|(index, input)| match input {
            FnArg::Typed(typed) => Some((index, plain_name(&typed.pat)?)),
            FnArg::Receiver(_) => None,
        })
    }

    /// Removes parameters from the signature.
    pub(crate) fn remove_parameters(&mut self, remove: &[usize]) {
        let inputs = std::mem::take(&mut self.signature.inputs);
        self.signature.inputs = inputs
            .into_pairs()
            .enumerate()
            .filter(|(index, _)| !remove.contains(index))
            .map(|(_, pair)| pair)
            .collect::<Punctuated<_, _>>();
    }

    /// The function as it is.
    pub(crate) fn to_tokens(&self) -> TokenStream {
        self.with_body(&match &self.body {
            Body::Missing(semi) => semi.to_token_stream(),
            Body::Present(body) => body.to_token_stream(),
        })
    }

    /// The function with `prelude` in front of its body, which stays a block of its own: `use Enum::*` in it must not reach
    /// the prelude, nor the prelude's names the body.
    pub(crate) fn to_tokens_with(&self, prelude: &TokenStream) -> TokenStream {
        let Body::Present(body) = &self.body else { return self.to_tokens() };
        let (inner_attributes, statements) = split_inner_attributes(body.stream());
        self.with_body(&block_in_front(prelude, &statements, body.span(), &inner_attributes))
    }

    /// The same function with its body understood, where the body must be searched.
    pub(crate) fn to_item(&self) -> syn::Result<ItemFn> {
        syn::parse2(self.to_tokens())
    }

    fn with_body(&self, body: &TokenStream) -> TokenStream {
        let Self { attributes, visibility, signature, .. } = self;
        quote!(#(#attributes)* #visibility #signature #body)
    }
}

/// `{ prelude { statements } }`.
///
/// Both pairs of braces are ours, shown at the user's: with the user's own span the inner pair is reported as unused, and with
/// our edition the outer block drops what its last expression borrowed before it drops the credential, in every edition.
pub(crate) fn block_in_front(
    prelude: &TokenStream,
    statements: &TokenStream,
    user_braces: Span,
    inner_attributes: &[Attribute],
) -> TokenStream {
    let span = Span::mixed_site().located_at(user_braces);
    let mut inner = Group::new(Delimiter::Brace, statements.clone());
    inner.set_span(span);
    let mut outer = Group::new(Delimiter::Brace, quote!(#(#inner_attributes)* #prelude #inner));
    outer.set_span(span);
    outer.into_token_stream()
}

/// Inner attributes may only stand at the start of a function's body, not of a block within it.
fn split_inner_attributes(body: TokenStream) -> (Vec<Attribute>, TokenStream) {
    let parser = |input: ParseStream<'_>| Ok((Attribute::parse_inner(input)?, input.parse()?));
    parser.parse2(body.clone()).unwrap_or((Vec::new(), body))
}

/// The name of a parameter `name: T` or `mut name: T`.
pub(crate) fn plain_name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(pattern) if pattern.subpat.is_none() => Some(&pattern.ident),
        _ => None,
    }
}

/// The type without parentheses and invisible groups around it.
pub(crate) fn peel_type(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel_type(&group.elem),
        Type::Paren(paren) => peel_type(&paren.elem),
        other => other,
    }
}

/// The `{ … }` of a body, also from a `macro_rules!` fragment `$body:block`, which has an invisible group around it.
fn braces(token: TokenTree) -> syn::Result<Group> {
    let span = token.span();
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(group),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => braces(syn::parse2(group.stream())?),
        _ => Err(syn::Error::new(span, REMEDY)),
    }
}

/// The first word tells what the item is.
fn refuse_other_items(kind: Kind, input: ParseStream<'_>) -> syn::Result<()> {
    let ahead = input.fork();
    let word = ahead.call(Ident::parse_any).map_err(|_| input.error(REMEDY))?;
    let attribute = kind.attribute();
    let advice = match word.to_string().as_str() {
        "impl" => format!("`{attribute}` goes on the methods of an `impl` block, one by one"),
        "trait" => format!("`{attribute}` goes on the methods of a trait that have a body, one by one"),
        // `const X: T = …;` has a name where `const fn` has a keyword, `async move {}` a keyword where `async fn` has `fn`.
        "const" | "async" | "unsafe" | "extern" | "fn" if starts_a_function(input) => return Ok(()),
        word if ITEMS.contains(&word) => format!("`{attribute}` goes on an `async fn` with a body, not on `{word}`"),
        _ => format!("`{attribute}` goes on an `async fn` with a body, not on an expression; give the closure a name"),
    };
    Err(syn::Error::new(word.span(), advice))
}

fn starts_a_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    while !ahead.peek(Token![fn]) {
        if ahead.peek(syn::LitStr) {
            // The ABI of an `extern "C" fn`.
            if ahead.parse::<syn::LitStr>().is_err() {
                return false;
            }
        } else {
            match ahead.call(Ident::parse_any) {
                Ok(word) if ["const", "async", "unsafe", "extern"].iter().any(|qualifier| word == qualifier) => {}
                _ => return false,
            }
        }
    }
    true
}

/// Whether the tokens are an item, beside which another item may stand. A closure or a block is none.
pub(crate) fn is_item(tokens: TokenStream) -> bool {
    let parser = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let is_function = starts_a_function(input);
        let word = input.call(Ident::parse_any)?.to_string();
        input.parse::<TokenStream>()?;
        Ok(is_function || ITEMS.contains(&word.as_str()))
    };
    parser.parse2(tokens).unwrap_or(false)
}
