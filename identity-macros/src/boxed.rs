//! What `#[async_trait]` and rmcp's `#[tool]` make of an `async fn`: a plain function that ends in `Box::pin(async move { … })`.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Expr, ExprAsync, GenericArgument, GenericParam, Ident, ItemFn, PathArguments, ReturnType, Signature, Stmt, Type,
    TypeParamBound, WherePredicate,
};

use crate::function::{block_in_front, peel_type};

/// Whether the body ends in `Box::pin(async move { … })`.
pub(crate) fn is_boxed(item: &mut ItemFn) -> bool {
    boxed_block(item).is_some()
}

/// Puts `prelude` first in the boxed block. `None` if there is no such block.
pub(crate) fn insert(mut item: ItemFn, prelude: &TokenStream) -> Option<TokenStream> {
    let future = boxed_block(&mut item)?;
    let statements = &future.block.stmts;
    let braces = future.block.brace_token.span.join();
    let block = block_in_front(prelude, &quote!(#(#statements)*), braces, &[]);
    future.block = syn::parse2(block).ok()?;
    Some(item.into_token_stream())
}

fn boxed_block(item: &mut ItemFn) -> Option<&mut ExprAsync> {
    let Some(Stmt::Expr(Expr::Call(call), None)) = item.block.stmts.last_mut() else { return None };
    let Expr::Path(function) = call.func.as_ref() else { return None };
    let mut names = function.path.segments.iter().rev().map(|segment| &segment.ident);
    if names.next()? != "pin" || names.next()? != "Box" {
        return None;
    }
    match call.args.first_mut()? {
        Expr::Async(future) if future.capture.is_some() => Some(future),
        _ => None,
    }
}

/// `T` of `-> Pin<Box<dyn Future<Output = T> + …>>`.
pub(crate) fn output(signature: &Signature) -> Option<&Type> {
    let ReturnType::Type(_, pinned) = &signature.output else { return None };
    let boxed = only_argument(pinned, "Pin")?;
    let Type::TraitObject(object) = peel_type(only_argument(boxed, "Box")?) else { return None };
    object.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last().filter(|last| last.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
            _ => None,
        })
    })
}

fn only_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = peel_type(ty) else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

/// Gives the type of an injected parameter its elided lifetimes back, and drops them from the signature.
///
/// `#[async_trait]` names each elided lifetime `'life0`, `'life1`, …, declares it and bounds it. One that came from the
/// parameter we remove would make the method differ from its trait, and outlive the credential, which lives in the call.
pub(crate) fn elide_lifetimes(signature: &mut Signature, ty: &Type) -> TokenStream {
    let declared: Vec<Ident> = signature
        .generics
        .lifetimes()
        .map(|parameter| parameter.lifetime.ident.clone())
        .filter(|name| {
            let name = name.to_string();
            name.strip_prefix("life")
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        })
        .collect();
    let mut elided = Vec::new();
    let ty = elide(ty.to_token_stream(), &declared, &mut elided);
    let generics = &mut signature.generics;
    generics.params = std::mem::take(&mut generics.params)
        .into_iter()
        .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(one) if elided.contains(&one.lifetime.ident)))
        .collect();
    if let Some(clause) = &mut generics.where_clause {
        clause.predicates = std::mem::take(&mut clause.predicates)
            .into_iter()
            .filter(|one| !matches!(one, WherePredicate::Lifetime(one) if elided.contains(&one.lifetime.ident)))
            .collect();
    }
    ty
}

fn elide(tokens: TokenStream, declared: &[Ident], elided: &mut Vec<Ident>) -> TokenStream {
    let mut after_quote = false;
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => {
                let mut inner = proc_macro2::Group::new(group.delimiter(), elide(group.stream(), declared, elided));
                inner.set_span(group.span());
                after_quote = false;
                TokenTree::Group(inner)
            }
            TokenTree::Ident(name) if after_quote && declared.contains(&name) => {
                after_quote = false;
                let anonymous = Ident::new("_", name.span());
                elided.push(name);
                TokenTree::Ident(anonymous)
            }
            other => {
                after_quote = matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '\'');
                other
            }
        })
        .collect()
}
