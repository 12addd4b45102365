//! People in front of browsers: they sign in at a user pool of the emulator, agree and refuse.

use identity_client::User;
use identity_emulator::{Emulator, EmulatorBuilder, Seed};
use identity_tests::Anything;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::visitor::{Visitor, http, place};

/// The client at the pool of which users bring their ID tokens.
pub(crate) const CLIENT: &str = "web-client";
const SECRET: &str = "synthetic-secret";
const CALLBACK: &str = "http://127.0.0.1:8082/callback";

/// An emulator with a user pool.
pub(crate) fn with_pool() -> Result<EmulatorBuilder, Anything> {
    let client = json!({ "name": "web", "client_id": CLIENT, "client_secret": SECRET, "callback_urls": [CALLBACK] });
    let seed = json!({ "agentkit": { "user_pools": [{ "name": "users", "clients": [client] }] } });
    Ok(Emulator::builder().with_seed(Seed::from_json(&seed.to_string())?))
}

/// Who issues the tokens of the pool's users.
pub(crate) fn issuer(emulator: &Emulator) -> Result<String, Anything> {
    Ok(emulator.user_pool_issuer("users").ok_or("there is no pool")?)
}

/// The pool as an outside provider: its client's id and secret, and the two endpoints.
pub(crate) fn pool_client(issuer: &str) -> [String; 4] {
    [CLIENT.to_owned(), SECRET.to_owned(), format!("{issuer}/oauth/authorize"), format!("{issuer}/oauth/token")]
}

/// The user with the ID token of a sign-in.
pub(crate) async fn signed_in(issuer: &str, name: &str) -> Result<User, Anything> {
    let [client, secret, authorize, token] = pool_client(issuer);
    let pairs = [("response_type", "code"), ("client_id", &*client), ("redirect_uri", CALLBACK), ("scope", "openid")];
    let back = decide(&mut Visitor::new()?, Url::parse_with_params(&authorize, pairs)?.as_str(), name, "allow").await?;
    let code = parameter(&back, "code")?;
    let pairs = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", code.as_str())];
    let form: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let request = http()?.post(token).basic_auth(client, Some(secret)).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(User::asserted(name)?.with_token(answer["id_token"].as_str().ok_or("no ID token")?)?)
}

/// Follows a link to the page of the provider and presses a button there; where that sends the browser.
pub(crate) async fn decide(visitor: &mut Visitor, link: &str, login: &str, decision: &str) -> Result<String, Anything> {
    let mut page = visitor.get(link).await?;
    for _ in 0..5 {
        if !page.status().is_redirection() {
            break;
        }
        page = visitor.get(&place(&page)?).await?;
    }
    let (here, html) = (page.url().clone(), page.error_for_status()?.text().await?);
    let between = |before: &str| html.split_once(before).and_then(|(_, rest)| rest.split('"').next());
    let action = here.join(&between("action=\"").ok_or("no form")?.replace("&amp;", "&"))?;
    let interaction = between("name=\"interaction\" value=\"").ok_or("no interaction")?;
    let form = [("interaction", interaction), ("login", login), ("decision", decision)];
    place(&visitor.send(action.as_str(), Some(&form)).await?)
}

pub(crate) fn parameter(url: &str, name: &str) -> Result<String, Anything> {
    let url = Url::parse(url)?;
    let value = url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    Ok(value.ok_or_else(|| format!("no {name}"))?)
}
