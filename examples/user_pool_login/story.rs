//! What alice does when nobody is at the keyboard, and what does not get in.

use http::header::ACCEPT;
use identity_client::{
    agentkit::{ClientType, Management},
    login::{AgentTarget, CallbackParameters, RelyingParty},
};
use identity_examples::{Visitor, attribute};
use serde_json::{Value, json};
use url::Url;

use crate::{Anything, POOL};

/// An application that is not the chat page; nobody listens there.
const ELSEWHERE: &str = "http://127.0.0.1:9/callback";

pub(crate) async fn tell(
    management: &Management,
    party: &RelyingParty,
    page: &str,
    agent: &str,
) -> Result<(), Anything> {
    let mut alice = Visitor::new("alice")?;
    let arrival = alice.open(page).await?;
    let shown = attribute(&arrival.page, "<strong id=\"user\">").is_some() || arrival.page.contains(">alice<");
    println!("4. alice signs in at the pool and sees {}", if shown { "her chat page" } else { "something unexpected" });
    let csrf = attribute(&arrival.page, "data-csrf=\"").ok_or("the page has no form")?;
    println!("   she asks, and reads: {}", ask(&mut alice, page, &csrf, "How are you?").await?);
    println!(
        "   she asks for her calendar, agrees, and reads: {}",
        ask(&mut alice, page, &csrf, "And my calendar?").await?
    );

    let stranger = stranger(management, party, &mut alice).await?;
    let agent = AgentTarget::new(agent)?.invocations();
    let knock = alice.http().post(agent).bearer_auth(&stranger).json(&json!({ "prompt": "hello" })).send().await?;
    let (status, answer) = (knock.status(), knock.json::<Value>().await?);
    println!(
        "5. her token of another client of the pool: {status}, {}",
        answer["details"]["code"].as_str().unwrap_or("unexpected")
    );

    alice.submit(&Url::parse(page)?.join("/logout")?, &[("csrf_token", &csrf)]).await?;
    let request = alice.http().get(page).header(ACCEPT, "text/html");
    let answer = alice.send(&Url::parse(page)?, request).await?;
    println!("6. she signs out, and the page answers {}", answer.status());
    Ok(())
}

/// What the page's script does: asks, opens the link that the agent needs a consent from, and puts the pieces together.
async fn ask(alice: &mut Visitor, page: &str, csrf: &str, prompt: &str) -> Result<String, Anything> {
    let place = Url::parse(page)?.join("/ask")?;
    let request = alice.http().post(place.clone()).header("x-csrf-token", csrf).header(ACCEPT, "text/event-stream");
    let mut answer = alice.send(&place, request.json(&json!({ "prompt": prompt }))).await?.error_for_status()?;
    let (mut rest, mut text) = (String::new(), String::new());
    while let Some(piece) = answer.chunk().await? {
        rest.push_str(std::str::from_utf8(&piece)?);
        while let Some((block, after)) = rest.split_once("\n\n") {
            let data = block.lines().filter_map(|line| line.strip_prefix("data:")).collect::<String>();
            if let Ok(event) = serde_json::from_str::<Value>(&data) {
                text.push_str(event["text"].as_str().unwrap_or_default());
                for pending in event["pending"].as_array().into_iter().flatten() {
                    alice.open(pending["authorization_url"].as_str().ok_or("a consent without a link")?).await?;
                }
            }
            rest = after.to_owned();
        }
    }
    Ok(text)
}

/// A genuine token of alice's from the same pool, for an application that the agent does not know.
async fn stranger(management: &Management, party: &RelyingParty, alice: &mut Visitor) -> Result<String, Anything> {
    let pool = management.user_pools().find(POOL).await?.and_then(|pool| pool.uid).ok_or("the pool is gone")?;
    let clients = management.user_pools().clients(&pool)?;
    let made = clients.create("another-application", ClientType::WebApplication, &[ELSEWHERE]).await?;
    let id = made.uid.ok_or("the client has no id")?;
    let secret = clients.get(&id).await?.client_secret.ok_or("the client has no secret")?;
    let other = RelyingParty::builder(party.issuer(), id, ELSEWHERE).with_client_secret(secret).build()?;
    let departure = other.begin().await?;
    let back = alice.open_until(departure.authorization_url(), ELSEWHERE).await?.url;
    let parameters = CallbackParameters::parse(back.query().unwrap_or_default())?;
    let signed_in = other.finish(&departure.attempt, &parameters).await?;
    Ok(signed_in.tokens.access_token.expose_secret().to_owned())
}
