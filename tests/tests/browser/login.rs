//! `LoginClient` at a certified OpenID provider.

use axum::{Router, routing::get};
use identity_client::login::RelyingParty;
use identity_runtime::{LoginClient, LoginSession};
use identity_tests::Anything;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    SUBMIT,
    chromium::browsing,
    openid::{CLIENT, OpenIdProvider},
    visitor::Visitor,
};

struct FrontEnd {
    openid: OpenIdProvider,
    origin: String,
    server: JoinHandle<()>,
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FrontEnd {
    async fn start(options: &[&str]) -> Result<Self, Anything> {
        let openid = OpenIdProvider::start(options).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let party = RelyingParty::builder(openid.issuer(), CLIENT.0, format!("{origin}/callback"));
        let party = party.with_client_secret(CLIENT.1).build()?;
        let login = LoginClient::builder(party).dangerously_use_insecure_cookies_on_loopback().build()?;
        let app =
            Router::new().route("/", get(home)).route("/who", get(who)).merge(login.router()).layer(login.layer());
        let server = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self { openid, origin, server })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    async fn who(&self, visitor: &mut Visitor) -> Result<String, Anything> {
        Ok(visitor.get(&self.url("/who")).await?.text().await?)
    }

    async fn is_refused(&self, visitor: &mut Visitor, url: &str, status: u16) -> Result<(), Anything> {
        assert_eq!(visitor.get(url).await?.status().as_u16(), status);
        assert_eq!(self.who(visitor).await?, "nobody");
        Ok(())
    }
}

async fn home(session: LoginSession) -> axum::response::Html<String> {
    let (user, csrf) = (session.user().id(), session.csrf_token());
    axum::response::Html(format!(
        "<!doctype html><html lang=en><title>Home</title><h1>Hello {user}</h1><form method=post action=/logout>\
         <input type=hidden name=csrf_token value=\"{csrf}\"><button id=out>Sign out</button></form>"
    ))
}

/// The token too: this application is a test.
async fn who(session: Option<LoginSession>) -> String {
    let Some(session) = session else { return "nobody".to_owned() };
    match session.access_token().await {
        Ok(token) => format!("{} {}", session.user().id(), token.expose_secret()),
        Err(error) => format!("error {:?}", error.kind()),
    }
}

#[tokio::test]
async fn a_user_signs_in_with_a_token_and_an_answer_is_good_once() -> Result<(), Anything> {
    let front_end = FrontEnd::start(&[]).await?;
    let mut visitor = Visitor::new()?;
    let place = visitor.next(&front_end.url("/login")).await?;
    let back = visitor.agree(&place, "lena", &front_end.url("/callback")).await?;
    let mut stranger = Visitor::new()?;
    front_end.is_refused(&mut stranger, &back, 400).await?;
    assert_eq!(visitor.next(&back).await?, front_end.url("/"));
    let who = front_end.who(&mut visitor).await?;
    let token = who.strip_prefix("lena ").ok_or_else(|| format!("it is {who}"))?;
    let told = front_end.openid.introspect(token).await?;
    assert_eq!((told["active"].as_bool(), told["sub"].as_str()), (Some(true), Some("lena")));
    // Once more: the attempt is over, and nothing is sent.
    assert_eq!(visitor.get(&back).await?.status().as_u16(), 400);
    assert_eq!(front_end.openid.count("POST /token").await?, 1);
    assert!(front_end.who(&mut visitor).await?.starts_with("lena "), "the session goes on");
    Ok(())
}

#[tokio::test]
async fn an_answer_with_another_state_issuer_or_nonce_signs_nobody_in() -> Result<(), Anything> {
    let front_end = FrontEnd::start(&[]).await?;
    let callback = front_end.url("/callback");
    let change = |url: &str, name: &str, value: &str| -> Result<String, Anything> {
        let mut url = url::Url::parse(url)?;
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let changed = pairs.into_iter().map(|(of, old)| if of == name { (of, value.to_owned()) } else { (of, old) });
        let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(changed).finish();
        url.set_query(Some(&query));
        Ok(url.into())
    };
    let mut visitor = Visitor::new()?;
    let place = visitor.next(&front_end.url("/login")).await?;
    let back = visitor.agree(&place, "lena", &callback).await?;
    assert!(back.contains("iss="), "the provider names itself: {back}");
    front_end.is_refused(&mut visitor, &change(&back, "state", &"A".repeat(43))?, 400).await?;
    front_end.is_refused(&mut visitor, &change(&back, "iss", "https://evil.example.com")?, 400).await?;
    assert_eq!(front_end.openid.count("POST /token").await?, 0);

    // A code of an authorization request that somebody else has begun: its nonce is not of this login.
    let place = visitor.next(&front_end.url("/login")).await?;
    let back = visitor.agree(&change(&place, "nonce", "forged")?, "lena", &callback).await?;
    front_end.is_refused(&mut visitor, &back, 502).await?;
    assert_eq!(front_end.openid.count("POST /token").await?, 1);

    // PKCE: a code of another challenge.
    let place = visitor.next(&front_end.url("/login")).await?;
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let back = visitor.agree(&change(&place, "code_challenge", challenge)?, "lena", &callback).await?;
    front_end.is_refused(&mut visitor, &back, 502).await
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_with_rotating_refresh_tokens() -> Result<(), Anything> {
    // Always due for renewal: it lives shorter than it takes to ask again, even on a fast machine.
    let front_end = FrontEnd::start(&["--access-ttl", "1"]).await?;
    let mut visitor = Visitor::new()?;
    let place = visitor.next(&front_end.url("/login")).await?;
    let back = visitor.agree(&place, "nora", &front_end.url("/callback")).await?;
    visitor.next(&back).await?;
    let mut last = String::new();
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let who = front_end.who(&mut visitor).await?;
        assert!(who.starts_with("nora ") && who != last, "{who}");
        last = who;
    }
    assert_eq!(front_end.openid.count("POST /token").await?, 4);
    Ok(())
}

#[tokio::test]
async fn in_a_browser_a_user_signs_in_and_out_here_and_there() -> Result<(), Anything> {
    let front_end = FrontEnd::start(&[]).await?;
    browsing(async |browser| {
        browser.open(&front_end.origin).await?;
        browser.fill("input[name=login]", "olga").await?;
        browser.fill("input[name=password]", "any password").await?;
        browser.click(SUBMIT).await?;
        browser.find(crate::CONSENT).await?;
        browser.click(SUBMIT).await?;
        browser.arrive(&front_end.origin).await?;
        assert!(browser.text().await?.contains("Hello olga"));

        browser.click("#out").await?;
        browser.arrive(&format!("{}/session/end", front_end.openid.issuer())).await?;
        browser.picture("sign-out-at-the-issuer").await?;
        browser.click("button[name=logout]").await?;
        browser.arrive(&format!("{}/session/end/success", front_end.openid.issuer())).await?;
        // Signed out at both: the issuer asks who it is.
        browser.open(&front_end.origin).await?;
        browser.find("input[name=login]").await?;
        Ok(())
    })
    .await
}
