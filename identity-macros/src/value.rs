//! Reads the value of one argument, and refuses a literal that the platform would refuse.

use std::{fmt::Display, time::Duration};

use identity_grammar::{
    Flow, check_name, check_policy, check_return_url, check_scope, check_session_name, parse_duration, parse_flow,
    parse_session_duration,
};
use syn::{Expr, ExprLit, ExprPath, Ident, Lit, LitStr};

use crate::{
    arguments::{Flag, Length, List, Text, Value, Wait},
    errors::Errors,
    name::{Kind, Name},
};

/// How `custom_parameters` is written.
pub(crate) const PAIRS: &str =
    "`custom_parameters` is a list of pairs: write `custom_parameters = [(\"name\", \"value\")]`";

/// Reads the value of the argument `name`; `None` if it was refused.
pub(crate) fn read(kind: Kind, name: Name, expression: Expr, errors: &mut Errors) -> Option<Value> {
    match name {
        Name::Provider => text(name, expression, check_name, errors).map(Value::Text),
        Name::CallbackUrl => text(name, expression, check_return_url, errors).map(Value::Text),
        Name::CustomState => text(name, expression, |state| check_custom_state(kind, state), errors).map(Value::Text),
        Name::UserId => text(name, expression, check_user_id, errors).map(Value::Text),
        Name::Into => parameter(&expression, errors).map(Value::Parameter),
        Name::AuthFlow => flow(kind, &expression, errors),
        Name::Audience => text(name, expression, check_audience, errors).map(Value::Text),
        Name::Session => text(name, expression, check_session_name, errors).map(Value::Text),
        Name::Policy => text(name, expression, check_policy, errors).map(Value::Text),
        Name::Scopes => scopes(expression, errors).map(Value::Scopes),
        Name::CustomParameters => parameters(expression, errors).map(Value::Parameters),
        Name::ForceDelegation | Name::ForceAuthentication => flag(name, expression, errors).map(Value::Flag),
        Name::OnAuthUrl | Name::OnError => function(name, expression, errors).map(Value::Function),
        Name::Context | Name::Client => Some(Value::Expression(expression)),
        Name::Timeout => {
            let example = "`timeout` has a unit: write `timeout = \"90s\"` or an expression of type `Duration`";
            duration(name, expression, parse_duration, example, errors).map(Value::Duration)
        }
        Name::SessionDuration => {
            let example =
                "`session_duration` has a unit: write `session_duration = \"15m\"` or an expression of type `Duration`";
            duration(name, expression, parse_session_duration, example, errors).map(Value::Duration)
        }
        Name::Wait => wait(&expression, errors).map(Value::Wait),
        Name::Crate => crate_path(expression, errors).map(Value::Crate),
    }
}

/// Looks through parentheses, and through the invisible group that a `macro_rules!` fragment such as `$name:expr` leaves.
fn peel(expression: &Expr) -> &Expr {
    match expression {
        Expr::Group(group) => peel(&group.expr),
        Expr::Paren(paren) => peel(&paren.expr),
        other => other,
    }
}

fn literal(expression: &Expr) -> Option<&Lit> {
    match peel(expression) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

fn literal_text(expression: &Expr) -> Option<&LitStr> {
    match literal(expression)? {
        Lit::Str(text) => Some(text),
        _ => None,
    }
}

fn text<E: Display>(
    name: Name,
    expression: Expr,
    check: impl Fn(&str) -> Result<(), E>,
    errors: &mut Errors,
) -> Option<Text> {
    match literal(&expression) {
        None => Some(Text::Expression(expression)),
        Some(Lit::Str(text)) => match check(&text.value()) {
            Ok(()) => Some(Text::Literal(text.clone())),
            Err(refusal) => {
                errors.at(text.span(), format!("`{name}`: {refusal}"));
                None
            }
        },
        Some(other) => {
            errors.under(
                other,
                format!("`{name}` is a string: write `{name} = \"…\"` or an expression of type `&str` or `String`"),
            );
            None
        }
    }
}

/// Lengths of AgentBase's `customState`.
fn check_custom_state(kind: Kind, state: &str) -> Result<(), String> {
    let max = match kind {
        Kind::ApiKey => 50,
        _ => 100,
    };
    match state.chars().count() {
        0 => Err("the state is empty; remove it or write something".into()),
        length if length > max => Err(format!("the state has {length} characters; 1 to {max} are allowed")),
        _ => Ok(()),
    }
}

fn check_user_id(user: &str) -> Result<(), &'static str> {
    if user.trim().is_empty() {
        return Err("the user id is empty; name the user, or remove it to take the user of the request's context");
    }
    Ok(())
}

fn check_audience(audience: &str) -> Result<(), &'static str> {
    if audience.trim().is_empty() {
        return Err("the audience is empty; name for whom the token is meant, or remove it");
    }
    Ok(())
}

fn parameter(expression: &Expr, errors: &mut Errors) -> Option<Ident> {
    if let Expr::Path(path) = peel(expression)
        && let Some(ident) = path.path.get_ident().filter(|_| path.qself.is_none())
    {
        if ident == "self" {
            errors.at(ident.span(), "`self` cannot be injected; name a parameter");
            return None;
        }
        return Some(ident.clone());
    }
    if let Some(text) = literal_text(expression)
        && let Ok(ident) = text.parse::<Ident>()
    {
        errors.at(text.span(), format!("write the name without quotes: `into = {ident}`"));
        // The parameter is known all the same, so the function can be emitted without it.
        return Some(ident);
    }
    errors.under(expression, "`into` is the name of a parameter: `into = key`");
    None
}

fn flow(kind: Kind, expression: &Expr, errors: &mut Errors) -> Option<Value> {
    let Some(text) = literal_text(expression) else {
        errors.under(
            expression,
            "`auth_flow` must be a literal, so that it can be checked: \"M2M\" or \"USER_FEDERATION\"; for a flow chosen at run time use the client's own methods",
        );
        return None;
    };
    match parse_flow(&text.value()) {
        Ok(Flow::OnBehalfOf) if kind != Kind::AccessToken => {
            errors.at(
                text.span(),
                "only access tokens can be obtained by exchange; write \"M2M\" for the agent itself or \"USER_FEDERATION\" for a user",
            );
            None
        }
        Ok(flow) => Some(Value::Flow(flow)),
        Err(refusal) => {
            errors.at(text.span(), format!("`auth_flow`: {refusal}"));
            None
        }
    }
}

fn scopes(expression: Expr, errors: &mut Errors) -> Option<List<Text>> {
    if let Some(text) = literal(&expression) {
        errors.under(text, "`scopes` is a list: write `scopes = [\"…\"]`");
        return None;
    }
    let Expr::Array(array) = peel(&expression) else {
        return Some(List::Expression(expression));
    };
    if array.elems.is_empty() {
        errors.under(array, "`scopes` is empty; name at least one scope");
        return None;
    }
    let mut seen = Vec::new();
    let mut items = Vec::new();
    let mut refused = false;
    for item in &array.elems {
        let Some(scope) = text(Name::Scopes, item.clone(), check_scope, errors) else {
            refused = true;
            continue;
        };
        if let Text::Literal(literal) = &scope {
            if seen.contains(&literal.value()) {
                errors.at(literal.span(), "the scope is given twice; keep one");
                refused = true;
            }
            seen.push(literal.value());
        }
        items.push(scope);
    }
    (!refused).then_some(List::Items(items))
}

fn parameters(expression: Expr, errors: &mut Errors) -> Option<List<(Text, Text)>> {
    if let Some(text) = literal(&expression) {
        errors.under(text, PAIRS);
        return None;
    }
    let Expr::Array(array) = peel(&expression) else {
        return Some(List::Expression(expression));
    };
    let mut seen = Vec::new();
    let mut items = Vec::new();
    let mut refused = false;
    for item in &array.elems {
        let pair = match peel(item) {
            Expr::Tuple(pair) if pair.elems.len() == 2 => pair,
            // A constant or a call that gives a pair: let the compiler see the list as it is.
            Expr::Path(_) | Expr::Call(_) | Expr::MethodCall(_) | Expr::Macro(_) => {
                return Some(List::Expression(expression));
            }
            other => {
                errors.under(other, PAIRS);
                return None;
            }
        };
        let mut halves = pair.elems.iter().cloned();
        let (Some(key), Some(value)) = (halves.next(), halves.next()) else { continue };
        let key = text(Name::CustomParameters, key, check_parameter_name, errors);
        let value = text(Name::CustomParameters, value, |_| Ok::<_, String>(()), errors);
        let (Some(key), Some(value)) = (key, value) else {
            refused = true;
            continue;
        };
        if let Text::Literal(literal) = &key {
            if seen.contains(&literal.value()) {
                errors.at(literal.span(), "the parameter is given twice; keep one");
                refused = true;
            }
            seen.push(literal.value());
        }
        items.push((key, value));
    }
    (!refused).then_some(List::Items(items))
}

fn check_parameter_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name of the parameter is empty");
    }
    Ok(())
}

fn flag(name: Name, expression: Expr, errors: &mut Errors) -> Option<Flag> {
    match literal(&expression) {
        None => Some(Flag::Expression(expression)),
        Some(Lit::Bool(flag)) => Some(Flag::Literal(flag.value)),
        Some(other) => {
            errors.under(other, format!("`{name}` is `true`, `false` or an expression of type `bool`"));
            None
        }
    }
}

fn function(name: Name, expression: Expr, errors: &mut Errors) -> Option<ExprPath> {
    match peel(&expression) {
        Expr::Path(path) => Some(path.clone()),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.parse::<syn::Path>().is_ok() => {
            errors.at(text.span(), format!("write the path without quotes: `{name} = {}`", text.value()));
            None
        }
        Expr::Closure(_) => {
            errors.under(expression, format!("`{name}` is the path of a function; give the closure a name: `fn …`"));
            None
        }
        _ => {
            errors.under(expression, format!("`{name}` is the path of a function: `{name} = my_function`"));
            None
        }
    }
}

fn duration<E: Display>(
    name: Name,
    expression: Expr,
    parse: impl Fn(&str) -> Result<Duration, E>,
    example: &str,
    errors: &mut Errors,
) -> Option<Length> {
    match literal(&expression) {
        None => Some(Length::Expression(expression)),
        Some(Lit::Str(text)) => match parse(&text.value()) {
            Ok(duration) => Some(Length::Milliseconds(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))),
            Err(refusal) => {
                errors.at(text.span(), format!("`{name}`: {refusal}"));
                None
            }
        },
        Some(other) => {
            errors.under(other, example);
            None
        }
    }
}

fn wait(expression: &Expr, errors: &mut Errors) -> Option<Wait> {
    match literal_text(expression).map(LitStr::value).as_deref() {
        Some("poll") => Some(Wait::Poll),
        Some("return") => Some(Wait::Return),
        _ => {
            errors.under(
                expression,
                "`wait` must be a literal: \"poll\" waits until the user has agreed, \"return\" gives the error with the pending authorization at once",
            );
            None
        }
    }
}

fn crate_path(expression: Expr, errors: &mut Errors) -> Option<syn::Path> {
    match peel(&expression) {
        Expr::Path(ExprPath { qself: None, path, .. }) if path.segments.iter().all(|one| one.arguments.is_none()) => {
            Some(path.clone())
        }
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.parse::<syn::Path>().is_ok() => {
            errors.at(text.span(), format!("write the path without quotes: `crate = {}`", text.value()));
            None
        }
        _ => {
            errors.under(
                expression,
                "`crate` is the path of the `identity-client` crate, as you renamed it: `crate = renamed`",
            );
            None
        }
    }
}
