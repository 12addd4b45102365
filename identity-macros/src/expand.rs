//! From an attribute and an item to the item without its credential parameters.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, ExprPath, FnArg, Ident, ItemFn, Pat, ReturnType, Type};

use crate::{
    arguments::{Argument, Arguments},
    boxed,
    errors::Errors,
    function::{Body, COLLECTED, Function, Sibling, is_item, peel_type},
    name::{Kind, Name},
    need::{self, Slots, at, located},
    parameter,
};

/// Expands one attribute, together with the attributes for further credentials below it.
pub(crate) fn expand(kind: Kind, attribute: TokenStream, item: &TokenStream) -> TokenStream {
    if attribute.to_string() == COLLECTED {
        return TokenStream::new();
    }
    let mut errors = Errors::default();
    let mut function = match Function::parse(kind, item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            let item = Some(item).filter(|item| is_item((*item).clone()));
            let errors = errors.into_compile_errors();
            return quote!(#item #errors);
        }
    };
    let mut requests = vec![Arguments::parse(kind, Span::call_site(), attribute, &mut errors)];
    let siblings = function.take_siblings(&mut errors);
    let mentions: TokenStream = siblings.iter().map(Sibling::mention).collect();
    for sibling in siblings {
        let span = sibling.span();
        if let Some(arguments) = sibling.arguments {
            requests.push(Arguments::parse(sibling.kind, span, arguments, &mut errors));
        }
    }
    let marked = function.take_inject_marks(&mut errors);
    let chosen = parameter::choose(&function, &requests, &marked, &mut errors);
    let shape = Shape::of(&function, &mut errors);
    let on_error = agree(Name::OnError, requests.iter().filter_map(Arguments::on_error), &mut errors);
    let crate_path = agree(Name::Crate, requests.iter().filter_map(Arguments::crate_path), &mut errors);
    let context = if requests.iter().all(|request| request.mentions(Name::Context)) {
        None
    } else {
        parameter::context(&function, &chosen, &mut errors)
    };
    let failure = Failure::of(&function, &shape, &requests, on_error, &mut errors);

    let injected = take_parameters(&mut function, &chosen, &shape);
    if !errors.is_empty() {
        let function = without_credentials(&function, &shape, &injected, &mentions);
        let errors = errors.into_compile_errors();
        return quote!(#function #errors);
    }
    let krate = Ident::new("__identity_client", Span::mixed_site());
    let prelude = prelude(&Parts {
        requests: &requests,
        injected: &injected,
        failure: &failure,
        krate: &krate,
        crate_path,
        context,
    });
    shape.insert(&function, &quote!(#mentions #prelude))
}

/// How the function runs its body.
enum Shape {
    /// `async fn`.
    Async,
    /// `fn` that ends in `Box::pin(async move { … })`.
    Boxed,
    /// Neither; reported.
    Unfit,
}

impl Shape {
    fn of(function: &Function, errors: &mut Errors) -> Self {
        let signature = &function.signature;
        if let Body::Missing(semi) = &function.body {
            errors.under(semi, "only a function with a body can fetch a credential; put the attribute on the implementation, and declare the method here without the credential");
        } else if let Some(constness) = &signature.constness {
            errors.under(constness, "a `const fn` cannot wait for a credential; make it an `async fn`");
        } else if let Some(abi) = &signature.abi {
            errors.under(abi, "an `extern` function cannot wait for a credential; make it an `async fn`, and let the `extern` function call it");
        } else if let Some(variadic) = &signature.variadic {
            errors.under(
                variadic,
                "a function with variable arguments cannot wait for a credential; make it an `async fn` without `...`",
            );
        } else if signature.asyncness.is_some() {
            return Self::Async;
        } else if function.to_item().is_ok_and(|mut item| boxed::is_boxed(&mut item)) {
            return Self::Boxed;
        } else {
            errors.under(
                signature.fn_token,
                "fetching a credential is asynchronous: make this an `async fn`; if `#[tokio::main]` or `#[tokio::test]` is above, move this attribute above it",
            );
        }
        Self::Unfit
    }

    fn insert(&self, function: &Function, prelude: &TokenStream) -> TokenStream {
        match self {
            Self::Boxed => match function.to_item().map(|item: ItemFn| boxed::insert(item, prelude)) {
                Ok(Some(tokens)) => tokens,
                // Not reached: `Shape::of` has seen the same body. The plain function is the honest rest.
                _ => function.to_tokens(),
            },
            Self::Async | Self::Unfit => function.to_tokens_with(prelude),
        }
    }
}

/// What happens when a credential cannot be had.
enum Failure {
    /// `return path(error)`.
    Function(ExprPath),
    /// `return fail(error)`, decided by the return type. Inside a boxed future that type has to be spelled out.
    ReturnType { span: Span, spelled: Option<TokenStream> },
}

impl Failure {
    fn of(
        function: &Function,
        shape: &Shape,
        requests: &[Arguments],
        on_error: Option<&ExprPath>,
        errors: &mut Errors,
    ) -> Self {
        if let Some(path) = on_error {
            return Self::Function(path.clone());
        }
        let signature = &function.signature;
        let written = match (shape, &signature.output) {
            (Shape::Boxed, _) => boxed::output(signature),
            (_, ReturnType::Type(_, ty)) => Some(ty.as_ref()),
            (_, ReturnType::Default) => None,
        };
        let span = written.map_or_else(|| at(&signature.ident), at);
        let spelled = written.filter(|_| matches!(shape, Shape::Boxed)).map(ToTokens::to_token_stream);
        // A function of another shape has its own error, and a broken `on_error` too.
        if matches!(shape, Shape::Unfit) || requests.iter().any(|request| request.mentions(Name::OnError)) {
            return Self::ReturnType { span, spelled };
        }
        match written.map(peel_type) {
            Some(Type::ImplTrait(opaque)) => errors.under(
                opaque,
                "the macro cannot make a value of an `impl` type when fetching fails; name a function that does with `on_error = …`, or return `Result<impl …, E>`",
            ),
            Some(Type::Tuple(unit)) if unit.elems.is_empty() => errors.at(span, NOTHING_RETURNED),
            None if matches!(shape, Shape::Async) => errors.at(span, NOTHING_RETURNED),
            _ => {}
        }
        Self::ReturnType { span, spelled }
    }

    /// Every token is shown at what decides: the return type, or the path. A mismatch then points there.
    fn tokens(&self, krate: &Ident, error: &Ident) -> TokenStream {
        match self {
            Self::Function(path) => {
                let span = at(path);
                quote_spanned!(span=> return #path(#error))
            }
            Self::ReturnType { span, spelled } => {
                let span = *span;
                let (krate, error) = (located(krate, span), located(error, span));
                let spelled = spelled.as_ref().map(|ty| quote_spanned!(span=> ::<#ty>));
                quote_spanned!(span=> return #krate::__private::fail #spelled (#error))
            }
        }
    }
}

const NOTHING_RETURNED: &str = "this function returns nothing, so a failure to fetch the credential would be lost; return `Result<(), E>` with `E: From<identity_client::Error>`, or name a function that takes the error with `on_error = …`";

/// All credentials of a function are fetched in one call, so some arguments are said for all of them.
fn agree<'a, T: ToTokens + 'a>(
    name: Name,
    said: impl Iterator<Item = (&'a Argument, &'a T)>,
    errors: &mut Errors,
) -> Option<&'a T> {
    let mut first: Option<&T> = None;
    for (argument, value) in said {
        match first {
            None => first = Some(value),
            Some(first) if first.to_token_stream().to_string() == value.to_token_stream().to_string() => {}
            Some(_) => errors.at(
                argument.ident.span(),
                format!("another attribute of this function has another `{name}`; the credentials are fetched in one call, so say it once"),
            ),
        }
    }
    first
}

/// A parameter that has become a local variable.
struct Injected {
    /// Which request fills it.
    request: usize,
    attributes: Vec<Attribute>,
    pattern: Pat,
    ty: TokenStream,
    span: Span,
}

fn take_parameters(function: &mut Function, chosen: &[Option<usize>], shape: &Shape) -> Vec<Injected> {
    let mut injected = Vec::new();
    for (request, index) in chosen.iter().enumerate() {
        let Some(FnArg::Typed(parameter)) = index.and_then(|index| function.signature.inputs.get(index)).cloned()
        else {
            continue;
        };
        let ty = match shape {
            Shape::Boxed => boxed::elide_lifetimes(&mut function.signature, &parameter.ty),
            Shape::Async | Shape::Unfit => parameter.ty.to_token_stream(),
        };
        let span = at(&parameter.ty);
        injected.push(Injected { request, attributes: parameter.attrs, pattern: *parameter.pat, ty, span });
    }
    function.remove_parameters(&chosen.iter().flatten().copied().collect::<Vec<_>>());
    injected
}

/// What is emitted beside errors: callers and the body still see the names and types that they would have seen.
fn without_credentials(
    function: &Function,
    shape: &Shape,
    injected: &[Injected],
    mentions: &TokenStream,
) -> TokenStream {
    if injected.is_empty() && mentions.is_empty() {
        return function.to_tokens();
    }
    let span = Span::mixed_site();
    let bindings = injected.iter().map(|Injected { attributes, pattern, ty, .. }| {
        quote_spanned!(span=> #(#attributes)* let #pattern: #ty = __identity_missing();)
    });
    let missing =
        (!injected.is_empty()).then(|| quote_spanned!(span=> const fn __identity_missing<T>() -> T { loop {} }));
    let prelude = quote_spanned! {span=>
        #mentions
        #missing
        #(#bindings)*
    };
    shape.insert(function, &prelude)
}

struct Parts<'a> {
    requests: &'a [Arguments],
    injected: &'a [Injected],
    failure: &'a Failure,
    krate: &'a Ident,
    crate_path: Option<&'a syn::Path>,
    context: Option<Ident>,
}

fn prelude(parts: &Parts<'_>) -> TokenStream {
    let Parts { requests, injected, failure, krate, crate_path, context } = parts;
    let span = Span::mixed_site();
    let path = crate_path.map_or_else(|| quote_spanned!(span=> ::identity_client), ToTokens::to_token_stream);
    let error = Ident::new("__identity_error", span);
    let failed = failure.tokens(krate, &error);
    let fetched: Vec<_> =
        (0..requests.len()).map(|index| Ident::new(&format!("__identity_fetched_{index}"), span)).collect();

    let mut slots = Slots::default();
    let needs: Vec<_> =
        requests.iter().map(|request| need::need(request, krate, context.as_ref(), &mut slots)).collect();
    let all = slots.around(quote_spanned! {span=>
        match #krate::__private::fetch([#(#needs),*]).await {
            ::core::result::Result::Ok(__identity_fetched) => __identity_fetched,
            ::core::result::Result::Err(#error) => #failed,
        }
    });
    let bindings = injected.iter().map(|Injected { request, attributes, pattern, ty, span: shown }| {
        let convert = match requests[*request].kind {
            Kind::ApiKey => Ident::new("api_key_parameter", *shown),
            Kind::AccessToken => Ident::new("access_token_parameter", *shown),
            Kind::StsCredentials => Ident::new("sts_credentials_parameter", *shown),
            Kind::WorkloadToken => Ident::new("workload_token_parameter", *shown),
        };
        let krate = located(krate, *shown);
        let fetched = located(&fetched[*request], *shown);
        let converted = quote_spanned!(*shown=> #krate::__private::#convert(&#fetched));
        quote_spanned! {span=>
            #(#attributes)*
            let #pattern: #ty = match #converted {
                ::core::result::Result::Ok(__identity_parameter) => __identity_parameter,
                ::core::result::Result::Err(#error) => #failed,
            };
        }
    });
    quote_spanned! {span=>
        use #path as #krate;
        let [#(#fetched),*] = #all;
        #(#bindings)*
    }
}
