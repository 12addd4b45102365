//! The whole story in a browser: somebody signs in to `login_app`, asks the agent of `agent_server`, agrees when the agent needs it,
//! and sees the answer go on.

use std::{collections::BTreeMap, future::pending, path::PathBuf, process::Stdio, time::Duration};

use identity_client::{
    Environment,
    login::{AgentTarget, RelyingParty},
};
use identity_examples::Chat;
use identity_runtime::LoginClient;
use identity_tests::Anything;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    ALLOW,
    chromium::{Browser, browsing},
    visitor::http,
};

const LOGIN_FIELD: &str = "input[name=login]";
const PROMPT: &str = "#prompt";

/// An example, running as a program, which ends with the test.
struct Program {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(name: &str, arguments: &[&str]) -> Result<Self, Anything> {
        let test = std::env::current_exe()?;
        let program: PathBuf = test.ancestors().nth(2).ok_or("a test lies in a folder")?.join("examples").join(name);
        let mut process = Command::new(&program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                format!("{}: {error}; run `cargo build -p identity-examples --examples` first", program.display())
            })?;
        let lines = BufReader::new(process.stdout.take().ok_or("no standard output")?).lines();
        Ok(Self { _process: process, lines })
    }

    async fn line(&mut self) -> Result<String, Anything> {
        let line = timeout(Duration::from_secs(30), self.lines.next_line()).await??;
        Ok(line.ok_or("the program ended")?)
    }
}

/// The agent as a program, and the front end in this process.
struct Scene {
    _agent: Program,
    agent: String,
    issuer: String,
    front_end: String,
    server: JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Scene {
    async fn new() -> Result<Self, Anything> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let front_end = format!("http://{}", listener.local_addr()?);
        let mut program = Program::start("agent_server", &["--any-port", "--front-end", &front_end])?;
        let mut variables = BTreeMap::new();
        while let line = program.line().await?
            && !line.starts_with("cargo run")
        {
            let pair = line.strip_prefix("export ").and_then(|line| line.split_once('='));
            variables.extend(pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let environment = Environment::of(variables.clone());
        let login = LoginClient::builder(RelyingParty::from_environment(&environment)?.build()?);
        let login = login.dangerously_use_insecure_cookies_on_loopback().build()?;
        let agent = AgentTarget::from_environment(&environment)?;
        let (issuer, url) = (login.party().issuer().to_owned(), agent.endpoint().to_string());
        let chat = Chat::new(login, agent)?;
        let server = tokio::spawn(async move { drop(chat.serve(listener, pending()).await) });
        Ok(Self { _agent: program, agent: url.trim_end_matches('/').to_owned(), issuer, front_end, server })
    }
}

async fn sign_in(browser: &Browser, name: &str) -> Result<(), Anything> {
    browser.fill(LOGIN_FIELD, name).await?;
    browser.click(ALLOW).await
}

async fn ask(browser: &Browser, question: &str) -> Result<(), Anything> {
    browser.tab_to(PROMPT).await?;
    browser.type_keys(question).await?;
    browser.press_enter().await
}

#[tokio::test]
async fn who_is_not_signed_in_is_refused_by_the_front_end_and_by_the_agent() -> Result<(), Anything> {
    let scene = Scene::new().await?;
    let http = http()?;
    let question = r#"{"prompt":"hello"}"#;
    let post = |url: String| http.post(url).header("content-type", "application/json").body(question);
    let agent = post(format!("{}/invocations", scene.agent)).send().await?;
    assert_eq!((agent.status().as_u16(), agent.headers()["www-authenticate"].to_str()?), (401, "Bearer"));
    let forged =
        post(format!("{}/invocations", scene.agent)).bearer_auth("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.").send().await?;
    assert_eq!(forged.status().as_u16(), 401);
    assert_eq!(post(format!("{}/ask", scene.front_end)).send().await?.status().as_u16(), 401);
    let page = http.get(&scene.front_end).header("accept", "text/html").send().await?;
    assert_eq!((page.status().as_u16(), page.headers()["location"].to_str()?), (303, "/login?return_to=%2F"));
    Ok(())
}

#[tokio::test]
async fn a_user_signs_in_asks_agrees_and_sees_the_answer_go_on() -> Result<(), Anything> {
    let scene = Scene::new().await?;
    browsing(async |browser| {
        browser.open(&scene.front_end).await?;
        browser.arrive(&scene.issuer).await?;
        browser.find(LOGIN_FIELD).await?;
        browser.picture("front-end-1-sign-in").await?;
        sign_in(browser, "sofia").await?;
        browser.arrive(&scene.front_end).await?;
        browser.find(PROMPT).await?;
        browser.picture("front-end-2-signed-in").await?;

        ask(browser, "How are you?").await?;
        browser.find(".turn:nth-child(1)[data-done=answered]").await?;
        assert!(browser.text().await?.contains("the company's key"), "{}", browser.text().await?);

        ask(browser, "Am I free in my calendar tomorrow?").await?;
        let link = browser.find(".consent a").await?;
        let place = link.attr("href").await?.ok_or("a link has a place")?;
        assert!(place.starts_with(&format!("{}/consent/start/", scene.agent)), "{place}");
        browser.picture("front-end-3-consent-needed").await?;
        link.click().await?;
        browser.go_to_tab(true).await?;
        agree(browser, &scene).await?;
        browser.go_to_tab(false).await?;
        browser.find(".turn:nth-child(2)[data-done=answered]").await?;
        assert!(browser.text().await?.contains("you are free at ten"), "{}", browser.text().await?);
        browser.picture("front-end-6-answered").await?;

        // What was agreed to once is not asked again.
        ask(browser, "And in my calendar the day after?").await?;
        browser.find(".turn:nth-child(3)[data-done=answered]").await?;
        assert_eq!(browser.text().await?.matches("needs your consent").count(), 1);

        browser.click("#sign-out").await?;
        browser.arrive(&scene.issuer).await?;
        browser.open(&scene.front_end).await?;
        browser.arrive(&scene.issuer).await?;
        Ok(())
    })
    .await
}

/// The agent's own pages: they know nobody yet, so the user signs in there, too, and then agrees at the provider.
async fn agree(browser: &Browser, scene: &Scene) -> Result<(), Anything> {
    browser.arrive(&scene.issuer).await?;
    sign_in(browser, "sofia").await?;
    // Its page lists scopes, too.
    browser.leave(&scene.issuer).await?;
    let provider = browser.find("ul li code").await?;
    assert!(provider.text().await?.contains("calendar.readonly"), "the provider says what for");
    browser.picture("front-end-4-consent").await?;
    sign_in(browser, "sofia-there").await?;
    browser.arrive(&format!("{}/consent/return", scene.agent)).await?;
    assert!(browser.text().await?.contains("is connected"), "{}", browser.text().await?);
    browser.picture("front-end-5-connected").await
}

#[tokio::test]
async fn login_app_alone_brings_its_own_agent() -> Result<(), Anything> {
    let mut program = Program::start("login_app", &["--any-port"])?;
    let line = program.line().await?;
    let front_end = line.split(' ').nth(1).ok_or("no address")?.to_owned();
    browsing(async |browser| {
        browser.open(&front_end).await?;
        browser.find(LOGIN_FIELD).await?;
        sign_in(browser, "tom").await?;
        browser.arrive(&front_end).await?;
        ask(browser, "How are you?").await?;
        browser.find(".turn[data-done=answered]").await?;
        Ok(())
    })
    .await
}
