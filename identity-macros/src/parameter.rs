//! Which parameter takes which credential.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{FnArg, GenericParam, Ident, Pat, PatType, Type};

use crate::{
    arguments::Arguments,
    errors::Errors,
    function::{Function, peel_type, plain_name},
    name::Name,
};

/// The position of the parameter that each request fills; `None` where that could not be decided, which has been reported.
pub(crate) fn choose(
    function: &Function,
    requests: &[Arguments],
    marked: &[(usize, Span)],
    errors: &mut Errors,
) -> Vec<Option<usize>> {
    let mut chosen = vec![None; requests.len()];
    let mut marks: Vec<_> = marked.to_vec();
    // First the names that were written out.
    for (request, slot) in requests.iter().zip(&mut chosen) {
        if let Some(ident) = request.parameter() {
            *slot = find(function, ident);
            match *slot {
                Some(index) => marks.retain(|(marked, _)| *marked != index),
                None => errors.at(ident.span(), format!("no parameter is called `{ident}`; {}", existing(function))),
            }
        }
    }
    let mut open: Vec<usize> = (0..requests.len()).filter(|one| !requests[*one].mentions(Name::Into)).collect();
    // With fewer marks than requests, a default name decides before a mark does.
    if marks.len() < open.len() || marks.len() > 1 {
        open.retain(|one| {
            chosen[*one] = find_text(function, requests[*one].kind.default_parameter())
                .filter(|index| marks.iter().all(|(marked, _)| marked != index));
            chosen[*one].is_none()
        });
    }
    match (open.as_slice(), marks.as_slice()) {
        (_, []) => {
            for one in open {
                missing(function, &requests[one], errors);
            }
        }
        ([one], [(index, _)]) => chosen[*one] = Some(*index),
        ([], [.., (_, span)]) => errors.at(
            *span,
            "every credential already has its parameter; remove this `#[inject]`, or add an attribute for another credential",
        ),
        (_, [.., (_, span)]) => errors.at(
            *span,
            "it is not clear which credential goes here; name each parameter with `into = …` in its attribute",
        ),
    }
    refuse_shared(function, requests, &mut chosen, errors);
    for slot in &mut chosen {
        *slot = slot.filter(|index| is_fit(function, *index, errors));
    }
    chosen
}

fn find(function: &Function, ident: &Ident) -> Option<usize> {
    find_text(function, &ident.to_string())
}

/// Names are compared as text: a function made by `macro_rules!` has parameters of another hygiene than the attribute.
fn find_text(function: &Function, name: &str) -> Option<usize> {
    function.named_parameters().find(|(_, ident)| *ident == name).map(|(index, _)| index)
}

fn missing(function: &Function, request: &Arguments, errors: &mut Errors) {
    let (name, ty) = (request.kind.default_parameter(), request.kind.default_type());
    errors.at(
        function.signature.ident.span(),
        format!(
            "no parameter takes the credential of `{}`: add `{name}: {ty}`, or name one with `into = …` or `#[inject]`; {}",
            request.kind.attribute(),
            existing(function)
        ),
    );
}

fn existing(function: &Function) -> String {
    let names: Vec<_> = function.named_parameters().map(|(_, ident)| format!("`{ident}`")).collect();
    match names.as_slice() {
        [] => "the function has no named parameter".into(),
        names => format!("the function has {}", names.join(", ")),
    }
}

fn refuse_shared(function: &Function, requests: &[Arguments], chosen: &mut [Option<usize>], errors: &mut Errors) {
    for later in 1..chosen.len() {
        let Some(index) = chosen[later] else { continue };
        if chosen[..later].contains(&Some(index)) {
            let name = function.named_parameters().find(|(at, _)| *at == index);
            let name = name.map_or_else(|| "the parameter".into(), |(_, ident)| format!("`{ident}`"));
            let span = requests[later].parameter().map_or(requests[later].span, Ident::span);
            errors.at(
                span,
                format!("{name} already takes another credential; name another parameter for this one with `into = …`"),
            );
            chosen[later] = None;
        }
    }
}

/// Whether the parameter can become a local variable of the body.
fn is_fit(function: &Function, index: usize, errors: &mut Errors) -> bool {
    let Some(FnArg::Typed(PatType { attrs, ty, .. })) = function.signature.inputs.get(index) else { return false };
    if let Some(cfg) = attrs.iter().find(|one| one.path().is_ident("cfg") || one.path().is_ident("cfg_attr")) {
        errors.under(cfg, "the injected parameter cannot be conditional; put the `cfg` on the function");
        return false;
    }
    if let Type::Reference(reference) = peel_type(ty)
        && let Some(lifetime) = reference.lifetime.as_ref().filter(|one| one.ident != "_" && !is_generated(&one.ident))
    {
        errors.under(
            lifetime,
            "the credential lives only as long as this call, so a reference to it cannot have a named lifetime; remove the lifetime, or take the credential by value",
        );
        return false;
    }
    if let Some(word) = find_word(ty.to_token_stream(), &|word| word == "impl") {
        errors.at(word.span(), "the injected parameter cannot be `impl Trait`, since no caller passes a value that decides the type; write the type that implements the trait");
        return false;
    }
    let elsewhere: TokenStream = function
        .signature
        .inputs
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index)
        .map(|(_, input)| input.to_token_stream())
        .collect();
    for parameter in &function.signature.generics.params {
        let name = match parameter {
            GenericParam::Type(one) => &one.ident,
            GenericParam::Const(one) => &one.ident,
            GenericParam::Lifetime(_) => continue, // inferred
        };
        if let Some(word) = find_word(ty.to_token_stream(), &|word| word == name)
            && find_word(elsewhere.clone(), &|word| word == name).is_none()
        {
            errors.at(
                word.span(),
                format!(
                    "no caller passes the injected parameter, so nothing decides `{name}`; give it a concrete type"
                ),
            );
            return false;
        }
    }
    true
}

/// `#[async_trait]` names an elided lifetime `'life0`, `'life1`, …
fn is_generated(lifetime: &Ident) -> bool {
    lifetime.to_string().strip_prefix("life").is_some_and(|number| number.parse::<u16>().is_ok())
}

fn find_word(tokens: TokenStream, is_it: &dyn Fn(&Ident) -> bool) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) => is_it(&word).then_some(word),
        TokenTree::Group(group) => find_word(group.stream(), is_it),
        _ => None,
    })
}

/// The handler's own `RequestContext`, among the parameters that callers pass.
///
/// A type of that name with generic arguments is somebody else's (rmcp has one).
pub(crate) fn context(function: &Function, injected: &[Option<usize>], errors: &mut Errors) -> Option<Ident> {
    let mut contexts = function.signature.inputs.iter().enumerate().filter_map(|(index, input)| match input {
        FnArg::Typed(typed) if !injected.contains(&Some(index)) && is_context(&typed.ty) => match typed.pat.as_ref() {
            Pat::Wild(_) => None,
            pattern => plain_name(pattern),
        },
        _ => None,
    });
    let first = contexts.next()?;
    if let Some(second) = contexts.next() {
        errors.at(
            second.span(),
            format!("two parameters are a `RequestContext`; say whose credential is meant with `context = {first}` or `context = {second}`"),
        );
    }
    Some(first.clone())
}

fn is_context(ty: &Type) -> bool {
    match peel_type(ty) {
        Type::Reference(reference) => is_context(&reference.elem),
        Type::Path(path) => {
            path.path.segments.last().is_some_and(|last| last.ident == "RequestContext" && last.arguments.is_none())
        }
        _ => false,
    }
}
