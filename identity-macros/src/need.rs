//! The expression that says what to fetch: one `Need` a credential.

use identity_grammar::Flow;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Ident, spanned::Spanned};

use crate::{
    arguments::{Argument, Arguments, Flag, Length, List, Text, Value, Wait},
    name::{Kind, Name},
};

/// The user's expressions, in source order. Each is evaluated once, before anything is asked, and lives until the answer.
#[derive(Default)]
pub(crate) struct Slots(Vec<(Ident, Expr)>);

impl Slots {
    /// The name of a reference to the value of `expression`.
    fn take(&mut self, expression: &Expr) -> Ident {
        let name = Ident::new(&format!("__identity_argument_{}", self.0.len()), at(expression));
        self.0.push((name.clone(), expression.clone()));
        name
    }

    /// `body` in the scope of the references; `body` itself if there are none.
    ///
    /// A `match` and not `let`s: what a temporary lends stays alive until the end of `body`.
    pub(crate) fn around(self, body: TokenStream) -> TokenStream {
        if self.0.is_empty() {
            return body;
        }
        let span = Span::mixed_site();
        let (names, expressions): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
        quote_spanned!(span=> match (#(&(#expressions),)*) { (#(#names,)*) => #body })
    }
}

/// Our hygiene, shown where the user wrote `tokens`.
pub(crate) fn at(tokens: &impl Spanned) -> Span {
    Span::mixed_site().located_at(tokens.span())
}

/// The same name, shown elsewhere.
pub(crate) fn located(ident: &Ident, span: Span) -> Ident {
    Ident::new(&ident.to_string(), Span::mixed_site().located_at(span))
}

/// `Need::api_key("…").with_…`, with everything that was written and the handler's own context.
pub(crate) fn need(request: &Arguments, krate: &Ident, context: Option<&Ident>, slots: &mut Slots) -> TokenStream {
    let span = Span::mixed_site();
    let mut provider = (span, TokenStream::new());
    let mut steps = TokenStream::new();
    for argument in &request.list {
        match (argument.name, &argument.value) {
            (Name::Provider, Value::Text(name)) => provider = (name.shown(), text(name, slots)),
            _ => steps.extend(step(argument, krate, slots)),
        }
    }
    if let Some(context) = context.filter(|_| !request.mentions(Name::Context)) {
        steps.extend(quote_spanned! {span=>
            .with_context(#krate::__private::context(&#context))
        });
    }
    let (shown, provider) = provider;
    let krate = located(krate, shown);
    let constructor = match request.kind {
        Kind::ApiKey => quote_spanned!(shown=> #krate::__private::Need::api_key),
        Kind::AccessToken => quote_spanned!(shown=> #krate::__private::Need::access_token),
        Kind::StsCredentials => quote_spanned!(shown=> #krate::__private::Need::sts_credentials),
        Kind::WorkloadToken => quote_spanned!(shown=> #krate::__private::Need::workload_token),
    };
    quote_spanned!(shown=> #constructor(#provider) #steps)
}

impl Text {
    fn shown(&self) -> Span {
        match self {
            Self::Literal(_) => Span::mixed_site(),
            Self::Expression(expression) => at(expression),
        }
    }
}

fn step(argument: &Argument, krate: &Ident, slots: &mut Slots) -> TokenStream {
    let span = Span::mixed_site();
    match &argument.value {
        Value::Flow(Flow::MachineToMachine) => {
            quote_spanned!(span=> .with_flow(#krate::__private::Flow::MachineToMachine))
        }
        Value::Flow(Flow::UserFederation) => quote_spanned!(span=> .with_flow(#krate::__private::Flow::UserFederation)),
        Value::Flow(Flow::OnBehalfOf) => quote_spanned!(span=> .with_flow(#krate::__private::Flow::OnBehalfOf)),
        Value::Scopes(list) => {
            let list = scopes(list, krate, slots);
            quote_spanned!(span=> .with_scopes(#list))
        }
        Value::Parameters(list) => {
            let list = parameters(list, krate, slots);
            quote_spanned!(span=> .with_custom_parameters(#list))
        }
        Value::Flag(Flag::Literal(flag)) => quote_spanned!(span=> .with_force(#flag)),
        Value::Flag(Flag::Expression(expression)) => {
            let shown = at(expression);
            let flag = typed(expression, &quote_spanned!(shown=> ::core::primitive::bool), slots);
            quote_spanned!(span=> .with_force(#flag))
        }
        Value::Duration(length) => {
            let length = match length {
                Length::Milliseconds(milliseconds) => {
                    let milliseconds = proc_macro2::Literal::u64_unsuffixed(*milliseconds);
                    quote_spanned!(span=> ::core::time::Duration::from_millis(#milliseconds))
                }
                Length::Expression(expression) => {
                    let shown = at(expression);
                    typed(expression, &quote_spanned!(shown=> ::core::time::Duration), slots)
                }
            };
            if argument.name == Name::SessionDuration {
                quote_spanned!(span=> .with_session_duration(#length))
            } else {
                quote_spanned!(span=> .with_timeout(#length))
            }
        }
        Value::Wait(Wait::Poll) => quote_spanned!(span=> .with_wait(#krate::__private::Wait::Poll)),
        Value::Wait(Wait::Return) => quote_spanned!(span=> .with_wait(#krate::__private::Wait::Return)),
        Value::Text(value) => {
            let span = value.shown();
            let krate = located(krate, span);
            let value = text(value, slots);
            match argument.name {
                Name::CallbackUrl => quote_spanned!(span=> .with_callback_url(#value)),
                Name::CustomState => quote_spanned!(span=> .with_custom_state(#value)),
                Name::Audience => quote_spanned!(span=> .with_audience(#value)),
                Name::Session => quote_spanned!(span=> .with_session_name(#value)),
                Name::Policy => quote_spanned!(span=> .with_policy(#value)),
                _ => quote_spanned!(span=> .with_user(#krate::__private::user(#value))),
            }
        }
        Value::Expression(expression) => {
            let slot = slots.take(expression);
            let span = at(expression);
            let krate = located(krate, span);
            if argument.name == Name::Client {
                quote_spanned!(span=> .with_client(#krate::__private::client(#slot)))
            } else {
                quote_spanned!(span=> .with_context(#krate::__private::context(#slot)))
            }
        }
        Value::Function(path) if argument.name == Name::OnAuthUrl => {
            let span = at(path);
            let krate = located(krate, span);
            quote_spanned!(span=> .with_prompt(&#krate::__private::prompt(#path)))
        }
        // These shape the function, not the request.
        Value::Function(_) | Value::Parameter(_) | Value::Crate(_) => TokenStream::new(),
    }
}

fn text(text: &Text, slots: &mut Slots) -> TokenStream {
    match text {
        Text::Literal(literal) => literal.to_token_stream(),
        Text::Expression(expression) => slots.take(expression).into_token_stream(),
    }
}

/// An item of a list, where a literal and a `String` may stand side by side.
fn item(item: &Text, slots: &mut Slots) -> TokenStream {
    match item {
        Text::Literal(literal) => literal.to_token_stream(),
        Text::Expression(expression) => {
            let slot = slots.take(expression);
            let span = at(expression);
            quote_spanned!(span=> ::core::convert::AsRef::<::core::primitive::str>::as_ref(#slot))
        }
    }
}

/// A copy of the value, with a mismatch of its type shown at the user's expression and nowhere else.
fn typed(expression: &Expr, ty: &TokenStream, slots: &mut Slots) -> TokenStream {
    let slot = slots.take(expression);
    let span = at(expression);
    quote_spanned!(span=> { let #slot: #ty = *#slot; #slot })
}

fn scopes(list: &List<Text>, krate: &Ident, slots: &mut Slots) -> TokenStream {
    let span = Span::mixed_site();
    match list {
        List::Items(items) => {
            let items = items.iter().map(|one| item(one, slots));
            quote_spanned!(span=> &[#(#items),*])
        }
        List::Expression(expression) => {
            let slot = slots.take(expression);
            let span = at(expression);
            let krate = located(krate, span);
            quote_spanned!(span=> &#krate::__private::scopes(#slot))
        }
    }
}

fn parameters(list: &List<(Text, Text)>, krate: &Ident, slots: &mut Slots) -> TokenStream {
    let span = Span::mixed_site();
    match list {
        List::Items(items) => {
            let items = items.iter().map(|(key, value)| {
                let (key, value) = (item(key, slots), item(value, slots));
                quote_spanned!(span=> (#key, #value))
            });
            quote_spanned!(span=> &[#(#items),*])
        }
        List::Expression(expression) => {
            let slot = slots.take(expression);
            let span = at(expression);
            let krate = located(krate, span);
            quote_spanned!(span=> &#krate::__private::parameters(#slot))
        }
    }
}
