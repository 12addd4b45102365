//! Every example, run as a program with nobody at the keyboard: it ends well and tells its story.

mod common;

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use common::{Anything, LONGEST, program, run, tells};

#[tokio::test]
async fn quickstart() -> Result<(), Anything> {
    let story = [
        "1. GREENNODE_CLIENT_ID is not set, so an emulator",
        "2. registered",
        "   first call",
        "   it made ",
        "   second call",
        "   it made 0 requests",
        "3. ",
    ];
    tells("quickstart", &[], &story).await.map(drop)
}

/// What an example is told that it does not know must not be ignored: it would wait for a person, or do what nobody asked for.
#[tokio::test]
async fn examples_tell_what_they_take() -> Result<(), Anything> {
    let output = run("user_consent", &["--hman", "approve"]).await?;
    let complaint = String::from_utf8(output.stderr)?;
    assert!(!output.status.success() && complaint.contains("no argument `--hman`; it takes --human"), "{complaint}");
    let output = run("user_consent", &["--human", "aprove"]).await?;
    let complaint = String::from_utf8(output.stderr)?;
    assert!(!output.status.success() && complaint.starts_with("Error: `--human aprove`: expected"), "{complaint}");
    let output = run("user_consent", &["--help"]).await?;
    let told = String::from_utf8(output.stdout)?;
    assert!(output.status.success() && told.contains("\nArguments, after `--`: --human SCRIPT\n"), "{told}");
    Ok(())
}

#[tokio::test]
async fn api_key() -> Result<(), Anything> {
    let story =
        ["the key was rotated", "first try:  the service refused the API key", "second try: the model answered"];
    tells("api_key", &[], &story).await.map(drop)
}

#[tokio::test]
async fn m2m_token() -> Result<(), Anything> {
    let story = ["the service answers: 200", "the provider was asked for 1 token"];
    tells("m2m_token", &[], &story).await.map(drop)
}

#[tokio::test]
async fn mcp_client() -> Result<(), Anything> {
    let told = tells("mcp_client", &[], &["1. the MCP server at ", "2. ", "3. "]).await?;
    assert!(told.contains(" answers 401 ") && told.contains(" and none failed"), "{told}");
    let tokens = told.lines().find_map(|line| line.strip_prefix("3. ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(tokens.is_some_and(|tokens| tokens > 1), "the session outlives a token: {told}");
    Ok(())
}

#[tokio::test]
async fn mcp_server() -> Result<(), Anything> {
    let link = "   http://localhost:";
    let story = [
        "1. the MCP server at ",
        "2. alice",
        "   the tool answers: asked 5 bytes",
        "   the user sees: `calendar-oauth`",
        link,
        "   the tool answers: the calendar of alice",
        "3. bob",
        "   the user sees: `calendar-oauth`",
        link,
        "   the tool answers: the calendar of bob",
        "4. carol",
        "   the tool fails: `calendar-oauth`",
        "   the tool answers: the calendar of carol",
    ];
    let told = tells("mcp_server", &["--human", "approve"], &story).await?;
    assert!(!told.contains("sk-example") && !told.contains("sessionId"), "{told}");
    let declined = "   the tool fails: The user declined";
    let story = ["2. alice", declined, "3. bob", declined, "4. carol", "   the tool fails: `calendar-oauth`"];
    tells("mcp_server", &["--human", "deny"], &story).await.map(drop)
}

#[tokio::test]
async fn manage() -> Result<(), Anything> {
    let story = ["updated example-agent", "rotated the key", "creating it again: ", "26 agent identities"];
    tells("manage", &[], &story).await.map(drop)
}

#[tokio::test]
async fn user_consent() -> Result<(), Anything> {
    let story = [
        "1. alice must agree; please open",
        "   http://127.0.0.1:",
        "2. alice agreed, and the handler looked",
        "3. the next call asks nobody",
    ];
    tells("user_consent", &["--human", "approve"], &story).await.map(drop)
}

#[tokio::test]
async fn feishu_document() -> Result<(), Anything> {
    let story = [
        "1. no VOLCENGINE_* variables",
        "   its document API answers 401 ",
        "2. alice must agree; please open",
        "   http://127.0.0.1:",
        "3. alice agreed, and the document has 33 words, beginning \"Minutes of ",
        "4. the next call asks nobody: 33 words",
        "   Feishu's imitation was asked for 1 token",
    ];
    tells("feishu_document", &["--human", "approve"], &story).await?;
    let absent = run("feishu_document", &["--human", "approve", "--document", "doxcnAnother"]).await?;
    let complaint = String::from_utf8(absent.stderr)?;
    assert!(!absent.status.success() && complaint.contains("there is no such document"), "{complaint}");
    Ok(())
}

#[tokio::test]
async fn weather() -> Result<(), Anything> {
    let story = [
        "1. no AGENT_IDENTITY_* variables",
        "   the weather service answers 401 ",
        "2. the agent knows that in Beijing it has 23 °C",
        "3. and in Hangzhou 19 °C",
        "   Agent Identity was asked for 1 key",
    ];
    let told = tells("weather", &[], &story).await?;
    assert!(!told.contains("wk-"), "the key is never shown: {told}");
    Ok(())
}

#[tokio::test]
async fn schedule() -> Result<(), Anything> {
    let story = [
        "1. no AGENT_IDENTITY_* variables",
        "2. today alice has",
        "   09:30 stand-up",
        "   14:00 dentist",
        "3. today bob has",
        "   11:00 piano lesson",
        "4. a session for alice does not open bob's: the object store answers 403 Forbidden, \"AccessDenied\"",
        "   the role was assumed 2 times",
    ];
    let told = tells("schedule", &[], &story).await?;
    assert!(!told.contains("STS.") && !told.contains("CAIS"), "{told}");
    Ok(())
}

#[tokio::test]
async fn object_storage() -> Result<(), Anything> {
    let story = [
        "1. no AGENT_IDENTITY_* variables",
        "2. the agent has put reports/monday.txt and reports/tuesday.txt",
        "3. and reads on Monday's: 12 tickets",
        "   for all of it the role was assumed 1 time",
        "4. sixteen minutes later, whoever kept the credentials is told: the service refused the STS credentials",
        "5. a handler gets others, and reads on Tuesday's: 9 tickets",
        "   the role was assumed 2 times",
    ];
    let told = tells("object_storage", &[], &story).await?;
    assert!(!told.contains("STS.") && !told.contains("CAIS"), "{told}");
    Ok(())
}

#[tokio::test]
async fn user_pool_login() -> Result<(), Anything> {
    let story = [
        "1. no VOLCENGINE_* variables",
        "2. the user pool example-users",
        "3. Open http://127.0.0.1:",
        "4. alice signs in at the pool and sees her chat page",
        "   she asks, and reads: You asked “How are you?”",
        "   she asks for her calendar, agrees, and reads: I looked into your calendar",
        "5. her token of another client of the pool: 401 Unauthorized, invalid_token",
        "6. she signs out, and the page answers 303",
    ];
    tells("user_pool_login", &["--any-port", "--human", "approve"], &story).await.map(drop)
}

/// What it prints is what `login_app` needs to sign in at the pool.
#[tokio::test]
async fn user_pool_login_prints_the_settings_of_login_app() -> Result<(), Anything> {
    let (_pool, told) = serving("user_pool_login", "3. Open").await?;
    let settings = told.iter().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    let mut settings: Vec<_> = settings.map(|(name, value)| (name, value.trim_matches('\''))).collect();
    let names: Vec<_> = settings.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "OAUTH2_ISSUER_URI",
            "OAUTH2_CLIENT_ID",
            "OAUTH2_CLIENT_SECRET",
            "OAUTH2_REDIRECT_URI",
            "OAUTH2_SCOPES",
            "AGENT_NAME",
            "AGENT_ENDPOINT",
        ]
    );
    // A free port, for several tests may run on this machine.
    settings.retain(|(name, _)| *name != "OAUTH2_REDIRECT_URI");
    settings.push(("OAUTH2_REDIRECT_URI", "http://127.0.0.1:0/callback"));
    let (_app, told) = serving_with("login_app", &settings, "Open http://127.0.0.1:").await?;
    let origin = told[0].split(' ').nth(1).ok_or("no address")?;
    let page = http()?.get(format!("{origin}/login")).header("host", "127.0.0.1:0").send().await?;
    let (place, issuer) = (page.headers()["location"].to_str()?, settings[0].1);
    assert!(place.starts_with(&format!("{issuer}/oauth/authorize?response_type=code&")), "{place}");
    assert!(place.contains("&scope=openid+profile+email&"), "{place}");
    Ok(())
}

#[tokio::test]
async fn idaas_agent() -> Result<(), Anything> {
    for (access, acts_for, key_of, orders_of) in
        [("Machine", "itself", "the agent", "everybody"), ("Human", "its callers", "alice", "alice")]
    {
        let intro = format!("   app_example_agent acts for {acts_for} (ACCESS_IDENTITY {access})");
        let (key, orders) = (
            format!("   the service outside was asked with the key of {key_of}"),
            format!("   the internal service told 3 times of the orders of {orders_of}, asked by app_example_agent"),
        );
        let story = [
            "1. no configuration of IDaaS",
            &intro,
            "2. the agent answers 401 to a caller without a token",
            "   401 to a token for another agent, 403 to one without",
            "3. alice asks with the token of her sign-in: 200",
            &key,
            &orders,
            "   IDaaS has issued 2 tokens so far",
            "4. the instance has a new signing key; alice asks again with the token of her sign-in: 200",
            &key,
            &orders,
        ];
        let told = tells("idaas_agent", &["--access", access], &story).await?;
        assert!(!told.contains("synthetic-key") && !told.contains("eyJ"), "no secret is shown: {told}");
    }
    let output = run("idaas_agent", &["--access", "Nobody"]).await?;
    let complaint = String::from_utf8(output.stderr)?;
    assert!(!output.status.success() && complaint.contains("neither `Machine` nor `Human`"), "{complaint}");
    Ok(())
}

#[tokio::test]
async fn delegated_api_key() -> Result<(), Anything> {
    let story = [
        "1. alice must enter a key; please open",
        "   http://127.0.0.1:",
        "2. alice entered it, and the handler asked",
        "3. the next call asks nobody",
    ];
    let told = tells("delegated_api_key", &["--human", "approve"], &story).await?;
    assert!(!told.contains("synthetic-key-"), "the key is never shown: {told}");
    Ok(())
}

/// Starts an example that serves until it is ended, and reads its lines up to one that begins like this.
async fn serving(name: &str, last: &str) -> Result<(Child, Vec<String>), Anything> {
    serving_with(name, &[], last).await
}

/// The same with these variables.
async fn serving_with(name: &str, variables: &[(&str, &str)], last: &str) -> Result<(Child, Vec<String>), Anything> {
    let folder = tempfile::tempdir()?;
    let mut example = Command::new(program(name)?);
    example
        .arg("--any-port")
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut process = example.kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(process.stdout.take().ok_or("no standard output")?).lines();
    let reading = async {
        let mut told = Vec::new();
        while let Some(line) = lines.next_line().await? {
            told.push(line);
            if told.last().is_some_and(|line| line.starts_with(last)) {
                return Ok::<_, Anything>(told);
            }
        }
        Err(format!("no line `{last}…` in {told:?}").into())
    };
    let told = timeout(LONGEST, reading).await??;
    Ok((process, told))
}

#[tokio::test]
async fn agent_server() -> Result<(), Anything> {
    let (_process, told) = serving("agent_server", "cargo run").await?;
    let invocations = told[0].rsplit(' ').next().ok_or("no address")?.trim_end_matches('.').to_owned();
    let variables: Vec<_> = told.iter().filter_map(|line| line.strip_prefix("export ")?.split('=').next()).collect();
    assert_eq!(
        variables,
        ["OAUTH2_ISSUER_URI", "OAUTH2_CLIENT_ID", "OAUTH2_CLIENT_SECRET", "OAUTH2_REDIRECT_URI", "AGENT_ENDPOINT"]
    );
    let answer = http()?.post(invocations).body(r#"{"prompt":"hello"}"#).send().await?;
    assert_eq!((answer.status().as_u16(), answer.headers()["www-authenticate"].to_str()?), (401, "Bearer"));
    Ok(())
}

#[tokio::test]
async fn login_app() -> Result<(), Anything> {
    let (_process, told) = serving("login_app", "Open http://127.0.0.1:").await?;
    let origin = told[0].split(' ').nth(1).ok_or("no address")?;
    let http = http()?;
    let page = http.get(origin).header("accept", "text/html").send().await?;
    assert_eq!((page.status().as_u16(), page.headers()["location"].to_str()?), (303, "/login?return_to=%2F"));
    let page = http.get(format!("{origin}/login")).send().await?;
    assert!(page.headers()["location"].to_str()?.contains("/oauth/authorize?response_type=code&client_id=chat&"));
    let page = http.post(format!("{origin}/ask")).body(r#"{"prompt":"hello"}"#).send().await?;
    assert_eq!(page.status().as_u16(), 401);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "somebody who calls what the examples serve")]
fn http() -> Result<reqwest::Client, Anything> {
    Ok(reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(LONGEST).build()?)
}

#[tokio::test]
async fn resume() -> Result<(), Anything> {
    let story =
        ["1. process ", "   http://127.0.0.1:", "2. what is pending", "3. process ", "4. alice agreed: it has a token"];
    let told = tells("resume", &["--human", "approve"], &story).await?;
    let mut processes = told.lines().filter_map(|line| line.split_once(". process ")?.1.split(' ').next());
    assert_ne!(processes.next(), processes.next(), "two processes: {told}");
    Ok(())
}

#[tokio::test]
async fn a_user_who_refuses_ends_the_example_with_a_reason() -> Result<(), Anything> {
    for name in ["user_consent", "delegated_api_key", "resume"] {
        let output = run(name, &["--human", "deny"]).await?;
        let complaint = String::from_utf8(output.stderr)?;
        assert!(
            !output.status.success() && complaint.contains("the user or the outside provider said no"),
            "{name}: {complaint}"
        );
    }
    Ok(())
}
