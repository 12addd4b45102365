//! What stands between the parentheses of an attribute.

use identity_grammar::Flow;
use proc_macro2::{Span, TokenTree};
use syn::{
    Expr, ExprPath, Ident, LitStr, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use crate::{
    errors::Errors,
    name::{Kind, Name},
    value,
};

/// One attribute with the arguments that could be understood. What could not is in the [`Errors`].
pub(crate) struct Arguments {
    pub(crate) kind: Kind,
    /// Where the attribute stands.
    pub(crate) span: Span,
    /// In the order in which they were written, which is the order in which they are evaluated.
    pub(crate) list: Vec<Argument>,
    /// Every name that was written, also of arguments that could not be understood.
    written: Vec<Name>,
}

/// One `name = value`.
pub(crate) struct Argument {
    pub(crate) name: Name,
    pub(crate) ident: Ident,
    pub(crate) value: Value,
}

/// The value of an argument, as far as a macro can know it.
pub(crate) enum Value {
    /// `provider_name`, `callback_url`, `custom_state`, `user_id`, `audience`, `role_session_name`, `policy`.
    Text(Text),
    /// `into`.
    Parameter(Ident),
    /// `auth_flow`.
    Flow(Flow),
    /// `scopes`.
    Scopes(List<Text>),
    /// `custom_parameters`.
    Parameters(List<(Text, Text)>),
    /// `force_delegation`, `force_authentication`.
    Flag(Flag),
    /// `on_auth_url`, `on_error`.
    Function(ExprPath),
    /// `context`, `client`.
    Expression(Expr),
    /// `timeout`, `session_duration`.
    Duration(Length),
    /// `wait`.
    Wait(Wait),
    /// `crate`.
    Crate(syn::Path),
}

pub(crate) enum Text {
    Literal(LitStr),
    Expression(Expr),
}

pub(crate) enum List<T> {
    Items(Vec<T>),
    Expression(Expr),
}

pub(crate) enum Flag {
    Literal(bool),
    Expression(Expr),
}

pub(crate) enum Length {
    Milliseconds(u64),
    Expression(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Poll,
    Return,
}

impl Arguments {
    /// Reads the tokens of one attribute. Never gives up: a broken argument is reported and left out.
    pub(crate) fn parse(kind: Kind, span: Span, tokens: proc_macro2::TokenStream, errors: &mut Errors) -> Self {
        let mut arguments = Self { kind, span, list: Vec::new(), written: Vec::new() };
        let mut unknown = false;
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                match arguments.parse_one(input, errors) {
                    Ok(Some(argument)) => arguments.list.push(argument),
                    Ok(None) => {}
                    Err(Mistake { error, hides_name }) => {
                        unknown |= hides_name;
                        errors.push(error);
                        skip_to_comma(input);
                    }
                }
                if input.is_empty() {
                    break;
                }
                if let Err(error) = input.parse::<Token![,]>() {
                    errors.at(error.span(), "put a comma between two arguments");
                    skip_to_comma(input);
                    input.parse::<Option<Token![,]>>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        if !unknown {
            arguments.require(errors);
        }
        arguments.refuse_combinations(errors);
        arguments
    }

    fn parse_one(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> Result<Option<Argument>, Mistake> {
        if input.peek(syn::Lit) {
            let message = format!("arguments have names; write `provider_name = …` as in `{}`", self.kind.example());
            return Err(Mistake::nameless(input.error(message)));
        }
        let Ok(ident) = input.call(Ident::parse_any) else {
            let message = format!("expected an argument `name = value` as in `{}`", self.kind.example());
            return Err(Mistake::nameless(input.error(message)));
        };
        let name = Name::find(self.kind, &ident.to_string())
            .map_err(|message| Mistake::nameless(syn::Error::new(ident.span(), message)))?;
        let repeated = self.written.contains(&name);
        self.written.push(name);
        if input.parse::<Token![=]>().is_err() {
            return Err(Mistake::from(syn::Error::new(ident.span(), format!("write `{name} = …`"))));
        }
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Mistake::from(syn::Error::new(ident.span(), format!("`{name}` has no value"))));
        }
        if name == Name::CustomParameters && input.fork().parse::<Expr>().is_err() {
            // The dictionary of Python, most likely: the parser's own words would speak of blocks and semicolons.
            let value: TokenTree = input.parse()?;
            return Err(Mistake::from(syn::Error::new_spanned(value, value::PAIRS)));
        }
        let expression: Expr = input.parse()?;
        if repeated {
            errors.at(ident.span(), format!("`{name}` is given twice; keep one"));
            return Ok(None);
        }
        let value = value::read(self.kind, name, expression, errors);
        Ok(value.map(|value| Argument { name, ident, value }))
    }

    fn require(&self, errors: &mut Errors) {
        let missing: Vec<_> = Name::required(self.kind)
            .iter()
            .filter(|name| !self.written.contains(name))
            .map(|name| format!("`{name}`"))
            .collect();
        if let [leading @ .., last] = missing.as_slice() {
            let names = if leading.is_empty() { last.clone() } else { format!("{} and {last}", leading.join(", ")) };
            let attribute = self.kind.attribute();
            errors.at(self.span, format!("`{attribute}` needs {names}, as in `{}`", self.kind.example()));
        }
    }

    fn refuse_combinations(&self, errors: &mut Errors) {
        let on_behalf = self.list.iter().any(|argument| matches!(argument.value, Value::Flow(Flow::OnBehalfOf)));
        if let Some(audience) = self.get(Name::Audience).filter(|_| !on_behalf && self.get(Name::AuthFlow).is_some()) {
            errors.at(
                audience.ident.span(),
                "`audience` is for tokens on behalf of a user; remove it, or write `auth_flow = \"ON_BEHALF_OF\"`",
            );
        }
        if self.list.iter().any(|argument| matches!(argument.value, Value::Flow(Flow::MachineToMachine))) {
            for argument in self.list.iter().filter(|argument| argument.name.is_for_users()) {
                errors.at(
                    argument.ident.span(),
                    format!(
                        "with `auth_flow = \"M2M\"` the agent asks for itself and no user is involved; remove `{}` or write `auth_flow = \"USER_FEDERATION\"`",
                        argument.name
                    ),
                );
            }
            return;
        }
        for argument in self.list.iter().filter(|argument| on_behalf && argument.name.is_for_consent()) {
            errors.at(
                argument.ident.span(),
                format!(
                    "with `auth_flow = \"ON_BEHALF_OF\"` nobody is asked to agree; remove `{}` or write `auth_flow = \"USER_FEDERATION\"`",
                    argument.name
                ),
            );
        }
        let returns = self.list.iter().any(|argument| matches!(argument.value, Value::Wait(Wait::Return)));
        if returns && let Some(timeout) = self.list.iter().find(|argument| argument.name == Name::Timeout) {
            errors.at(timeout.ident.span(), "`wait = \"return\"` does not wait, so there is no time to limit; remove `timeout`, or write `wait = \"poll\"`");
        }
    }

    /// Whether the argument was written at all, also if its value could not be understood.
    pub(crate) fn mentions(&self, name: Name) -> bool {
        self.written.contains(&name)
    }

    fn get(&self, name: Name) -> Option<&Argument> {
        self.list.iter().find(|argument| argument.name == name)
    }

    /// The parameter named by `into`.
    pub(crate) fn parameter(&self) -> Option<&Ident> {
        match &self.get(Name::Into)?.value {
            Value::Parameter(ident) => Some(ident),
            _ => None,
        }
    }

    /// The function named by `on_error`.
    pub(crate) fn on_error(&self) -> Option<(&Argument, &ExprPath)> {
        let argument = self.get(Name::OnError)?;
        match &argument.value {
            Value::Function(path) => Some((argument, path)),
            _ => None,
        }
    }

    /// The path given by `crate`.
    pub(crate) fn crate_path(&self) -> Option<(&Argument, &syn::Path)> {
        let argument = self.get(Name::Crate)?;
        match &argument.value {
            Value::Crate(path) => Some((argument, path)),
            _ => None,
        }
    }
}

/// A broken argument.
struct Mistake {
    error: syn::Error,
    /// We cannot tell which argument was meant, so none can be called missing.
    hides_name: bool,
}

impl Mistake {
    fn nameless(error: syn::Error) -> Self {
        Self { error, hides_name: true }
    }
}

impl From<syn::Error> for Mistake {
    fn from(error: syn::Error) -> Self {
        Self { error, hides_name: false }
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // A token tree can always be read from input that is not at its end.
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
