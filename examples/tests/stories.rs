//! Every example, run as a program with nobody at the keyboard: it ends well and tells its story.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use identity_client::agent_identity::{
    AgentIdentity, Management, NewIdentityProvider, NewWorkloadIdentity, Ram, WorkloadIdentityUpdate,
};
use identity_emulator::{Emulator, Fault};
use secrecy::ExposeSecret as _;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

type Anything = Box<dyn std::error::Error>;

const LONGEST: Duration = Duration::from_secs(60);

/// `cargo test` builds the examples beside the tests.
fn program(name: &str) -> Result<PathBuf, Anything> {
    let test = std::env::current_exe()?;
    let program = test.ancestors().nth(2).ok_or("a test lies in a folder")?.join("examples").join(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("{} is missing; run `cargo build -p identity-examples --examples` first", program.display()).into())
}

/// Runs an example where no configuration of a platform reaches it.
async fn run(name: &str, arguments: &[&str]) -> Result<Output, Anything> {
    let folder = tempfile::tempdir()?;
    let mut example = Command::new(program(name)?);
    example.args(arguments).env_clear().current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    Ok(timeout(LONGEST, example.output()).await??)
}

/// The example succeeds and its output has these lines in this order; a line is given by how it begins.
async fn tells(name: &str, arguments: &[&str], story: &[&str]) -> Result<String, Anything> {
    let output = run(name, arguments).await?;
    let (told, complaint) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{}: {told}{complaint}", output.status);
    let mut lines = told.lines();
    for expected in story {
        assert!(lines.any(|line| line.starts_with(expected)), "no line `{expected}…` in its place in:\n{told}");
    }
    assert!(!told.contains("unexpected"), "{told}");
    Ok(told)
}

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

/// The sample on an emulator of this test, each run a process of its own.
struct Prepared {
    emulator: Emulator,
    management: Management,
    folder: tempfile::TempDir,
}

const API_KEY: &str = "hunter2-sample-api-key";
const CLIENT_SECRET: &str = "hunter2-sample-client-secret";

impl Prepared {
    async fn new() -> Result<Self, Anything> {
        let emulator = Emulator::builder().start().await?;
        let access = emulator.agent_identity();
        let management = AgentIdentity::builder()
            .with_access_key(access.access_key_id(), access.access_key_secret().clone())
            .with_control_endpoint(access.endpoint())
            .with_data_endpoint(access.endpoint())
            .with_ram_endpoint(access.endpoint())
            .build_management()?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("secret"), format!("{CLIENT_SECRET}\n"))?;
        Ok(Self { emulator, management, folder })
    }

    /// What it says, and whether it ends well. No secret is ever said.
    async fn run(&self, name: &str, arguments: &[&str]) -> Result<(bool, String), Anything> {
        let mut example = Command::new(program(name)?);
        let access = self.emulator.agent_identity();
        let secret = access.access_key_secret().expose_secret();
        example.args(arguments).env_clear().current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        for variable in ["AGENT_IDENTITY_ENDPOINT", "AGENT_IDENTITY_DATA_ENDPOINT", "ALIBABA_CLOUD_RAM_ENDPOINT"] {
            example.env(variable, access.endpoint());
        }
        example.env("ALIBABA_CLOUD_ACCESS_KEY_ID", access.access_key_id());
        example.env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret).env("SAMPLE_API_KEY", API_KEY);
        let output = timeout(LONGEST, example.output()).await??;
        let said = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
        assert!(![API_KEY, CLIENT_SECRET, secret].iter().any(|secret| said.contains(secret)), "{said}");
        Ok((output.status.success(), said))
    }

    async fn prepare(&self, more: &[&str]) -> Result<(bool, String), Anything> {
        let usual = ["--audience", "app-1", "--client-id", "client-1", "--client-secret-file", "secret"];
        self.run("prepare", &[&usual, more].concat()).await
    }

    /// Which operations changed something since the last time that this was asked.
    fn writes(&self) -> Vec<&'static str> {
        let counters = self.emulator.counters();
        let reads = ["get_", "list_", "ram_get_", "ram_list_"];
        let writes =
            counters.all().into_keys().filter(|name| !reads.iter().any(|read| name.starts_with(read))).collect();
        counters.reset();
        writes
    }
}

/// The lines of a plan that are work.
fn work(said: &str) -> Vec<&str> {
    said.lines().filter(|line| ["+ ", "~ ", "- ", "! "].iter().any(|mark| line.starts_with(mark))).collect()
}

#[tokio::test]
async fn prepare_shows_its_plan_applies_it_once_and_repairs_what_is_gone() -> Result<(), Anything> {
    let sample = Prepared::new().await?;
    let (ended_well, said) = sample.prepare(&[]).await?;
    assert!(ended_well && work(&said).len() == 8, "{said}");
    assert!(said.ends_with("nothing was changed; to carry this out, add `-- --apply`\n"), "{said}");
    assert_eq!(sample.writes(), [""; 0], "a plan writes nothing");

    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well && said.contains("8/8 created") && said.contains("all is as it should be"), "{said}");
    assert!(said.contains("export AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME='sample-agent'"), "{said}");
    assert_eq!(sample.writes().len(), 8);
    let workload = sample.management.workload_identities().get("sample-agent").await?;
    let role = sample.management.ram().role("AgentIdentityRole-sample-agent").await?;
    assert_eq!((workload.role_arn, workload.session_binding_enabled), (role.arn, Some(true)));
    assert_eq!(role.trust, workload.arn.as_deref().map(Ram::trust_of_workload));

    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well && work(&said).is_empty() && said.contains("nothing to do"), "{said}");
    assert_eq!(sample.writes(), [""; 0]);

    sample.management.api_key_credential_providers().delete("sample-agent-weather", None).await?;
    let policy = "AgentIdentityPolicy-AgentIdentityRole-sample-agent";
    sample.management.ram().detach_policy(policy, false, "AgentIdentityRole-sample-agent").await?;
    let mut update = WorkloadIdentityUpdate::default();
    update.allowed_return_urls = Some(vec!["https://elsewhere.example.com/".to_owned()]);
    sample.management.workload_identities().update("sample-agent", update).await?;
    sample.writes();
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well && said.contains("3/3 created attachment"), "{said}");
    assert!(said.contains(r#"return URLs: ["https://elsewhere.example.com/"] -> ["http://localhost:8090/callback"]"#));
    let repairs = ["create_api_key_credential_provider", "ram_attach_policy_to_role", "update_workload_identity"];
    assert_eq!(sample.writes(), repairs);
    Ok(())
}

#[tokio::test]
async fn clear_deletes_what_prepare_made_and_nothing_else() -> Result<(), Anything> {
    let sample = Prepared::new().await?;
    let foreign = NewWorkloadIdentity::new("another-agent")?;
    sample.management.workload_identities().create(foreign).await?;
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well, "{said}");
    // Then the policy has two versions.
    let (ended_well, said) = sample.prepare(&["--api-key-provider", "another-key", "--apply"]).await?;
    assert!(ended_well && said.contains("updated RAM policy"), "{said}");
    sample.writes();

    let (ended_well, said) = sample.run("clear", &[]).await?;
    assert!(ended_well && work(&said).len() == 7 && sample.writes().is_empty(), "{said}");
    sample.management.oauth2_credential_providers().delete("sample-agent-mcp", None).await?;
    let (ended_well, said) = sample.run("clear", &["--apply"]).await?;
    assert!(ended_well && said.contains("= OAuth 2.0 provider sample-agent-mcp: it is gone"), "{said}");
    assert!(said.contains("6/6 deleted identity provider sample-agent-users"), "{said}");
    let (ended_well, said) = sample.run("clear", &["--api-key-provider", "another-key", "--apply"]).await?;
    assert!(ended_well && work(&said) == ["- delete API key provider another-key"], "{said}");
    sample.writes();
    let (ended_well, said) = sample.run("clear", &["--apply"]).await?;
    assert!(ended_well && said.ends_with("nothing to do\n") && sample.writes().is_empty(), "{said}");

    let (_, said) = sample.run("clear", &["--workload", "another-agent", "--apply"]).await?;
    assert!(said.contains("= workload identity another-agent: it is left alone"), "{said}");
    assert!(sample.management.workload_identities().get("another-agent").await.is_ok());
    Ok(())
}

#[tokio::test]
async fn prepare_stops_where_it_must_and_goes_on_from_there() -> Result<(), Anything> {
    let sample = Prepared::new().await?;
    let (ended_well, said) = sample.run("prepare", &["--audience", "app-1", "--client-id", "client-1"]).await?;
    assert!(ended_well && said.contains("the client's secret is missing: set SAMPLE_CLIENT_SECRET"), "{said}");
    let bare = ["--audience", "app-1", "--client-id", "client-1", "--apply"];
    let (ended_well, said) = sample.run("prepare", &bare).await?;
    assert!(!ended_well && said.contains("nothing was changed: the client's secret is missing"), "{said}");
    let (ended_well, said) = sample.run("prepare", &["--apply"]).await?;
    assert!(!ended_well && said.contains("--audience is missing"), "{said}");
    assert_eq!(sample.writes(), [""; 0]);

    let providers = sample.management.identity_providers();
    let foreign = NewIdentityProvider::new("sample-agent-users", "https://idp.example.com/", ["app-0"])?;
    providers.create(foreign).await?;
    sample.writes();
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(!ended_well && said.contains("! identity provider sample-agent-users: there is one"), "{said}");
    assert_eq!(sample.writes(), [""; 0]);
    providers.delete("sample-agent-users").await?;

    sample.emulator.faults().add(Fault::on_operation("ram_create_role").status(403).times(1));
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(!ended_well && said.contains("4/8 created workload identity sample-agent\n"), "{said}");
    assert!(said.contains("4 of 8 steps are done and stay, this one failed; run this again to go on"), "{said}");
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well && work(&said).len() == 4 && said.contains("all is as it should be"), "{said}");
    Ok(())
}

#[tokio::test]
async fn prepare_and_clear_without_an_account() -> Result<(), Anything> {
    let story =
        ["no AccessKey", "+ create identity provider", "8/8 created", "once more:", "= identity", "nothing to do"];
    tells("prepare", &[], &story).await?;
    let story = ["no AccessKey", "8/8 created", "and back:", "- delete attachment", "7/7 deleted", "0 things are left"];
    tells("clear", &[], &story).await.map(drop)
}
