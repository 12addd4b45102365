//! The binary: its announcement, its end, and what survives a kill.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

use crate::support::{RETURN_URL, http, read, text};

/// A running binary, killed at the latest when the test ends.
struct Program {
    child: Child,
    announced: Value,
    /// A file, because nobody reads along: a full pipe would stop the program.
    log: NamedTempFile,
}

impl Program {
    fn start(arguments: &[&str], key: &Path) -> Self {
        Self::run(&mut command(arguments, key))
    }

    fn run(command: &mut Command) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut child = command.stderr(log.reopen().unwrap()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let announced =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("the first line is one JSON object: {line:?}"));
        Self { child, announced, log }
    }

    /// SIGTERM or SIGINT, by the tool that every Unix has.
    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn end(mut self, name: &str) -> (Option<i32>, String) {
        self.signal(name);
        let code = self.child.wait().unwrap().code();
        let log = std::fs::read_to_string(self.log.path()).unwrap();
        (code, log)
    }

    fn base(&self) -> String {
        format!("{}/api/v1", text(&self.announced["agentbase"], "identity_url"))
    }

    async fn bearer(&self, http: &Client) -> String {
        let agentbase = &self.announced["agentbase"];
        let request = http
            .post(text(agentbase, "token_url"))
            .basic_auth(text(agentbase, "client_id"), Some(text(agentbase, "client_secret")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        text(&read(request.send().await.unwrap()).await.1, "access_token")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str], key: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_identity-emulator"));
    command.arg("serve").args(arguments).env("IDENTITY_EMULATOR_KEY_FILE", key).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end and answers exit code and log.
fn failing(arguments: &[&str], key: &Path) -> (Option<i32>, String) {
    let output = command(arguments, key).output().unwrap();
    assert!(output.stdout.is_empty(), "nothing is announced");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn place() -> (TempDir, PathBuf, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (data, key) = (root.path().join("data"), root.path().join("key"));
    (root, data, key)
}

#[tokio::test]
async fn announces_itself_in_one_json_line_and_ends_cleanly_on_a_signal() {
    let (_root, _, key) = place();
    for signal in ["TERM", "INT"] {
        let program = Program::start(&["--json", "--listen", "127.0.0.1:0"], &key);
        for (dialect, members) in [
            ("agentbase", ["identity_url", "token_url", "client_id", "client_secret"]),
            ("provider", ["authorization_url", "token_url", "client_id", "client_secret"]),
        ] {
            let announced = program.announced[dialect].as_object().unwrap();
            let mut names: Vec<&str> = announced.keys().map(String::as_str).collect();
            names.sort_unstable();
            let mut members = members;
            members.sort_unstable();
            assert_eq!(names, members);
        }
        let http = http();
        let bearer = program.bearer(&http).await;
        let secret = text(&program.announced["agentbase"], "client_secret");
        let (code, log) = program.end(signal);
        assert_eq!(code, Some(0), "{signal}: {log}");
        assert!(!log.contains(&bearer) && !log.contains(&secret), "{log}");
    }
    assert!(!key.exists(), "no data directory, no key");
}

#[tokio::test]
async fn even_the_most_talkative_log_holds_no_secret() {
    let (_root, data, key) = place();
    let arguments = ["--json", "--human", "approve", "--data-dir", data.to_str().unwrap()];
    let program = Program::run(command(&arguments, &key).env("RUST_LOG", "trace"));
    let http = http();
    let bearer = program.bearer(&http).await;
    let post = async |path: &str, body: Value| {
        let request = http.post(format!("{}{path}", program.base())).bearer_auth(&bearer).json(&body);
        let (status, answer) = read(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let mut secrets = vec![bearer.clone(), "hush-static-key".to_owned()];
    let provider = program.announced["provider"].clone();
    secrets.extend([text(&provider, "client_secret"), text(&program.announced["agentbase"], "client_secret")]);
    post("/agent-identities", json!({ "name": "demo-agent", "allowedReturnUrls": [RETURN_URL] })).await;
    post("/outbound-auth/api-key-providers", json!({ "name": "demo-key", "apikey": "hush-static-key" })).await;
    post("/outbound-auth/delegated-api-key-providers", json!({ "name": "demo-delegated" })).await;
    let registration = json!({
        "name": "demo-oauth", "clientId": provider["client_id"], "clientSecret": provider["client_secret"],
        "authorizationUrl": provider["authorization_url"], "tokenUrl": provider["token_url"],
    });
    post("/outbound-auth/oauth2-providers", registration).await;
    let ask = json!({ "agentUserId": "user-123", "returnUrl": RETURN_URL, "scopes": ["openid"] });
    for (path, credential) in [
        ("/outbound-auth/delegated-api-key-providers/demo-delegated/agent-identities/demo-agent/api-key", "apikey"),
        ("/outbound-auth/oauth2-providers/demo-oauth/agent-identities/demo-agent/tokens/3lo", "accessToken"),
    ] {
        post(path, ask.clone()).await;
        secrets.push(text(&post(path, ask.clone()).await, credential));
    }
    let m2m = "/outbound-auth/oauth2-providers/demo-oauth/agent-identities/demo-agent/tokens/m2m";
    secrets.push(text(&post(m2m, ask).await, "accessToken"));
    let (code, log) = program.end("TERM");
    assert_eq!(code, Some(0));
    assert!(log.contains("TRACE") && log.contains("audit"), "{log}");
    for (index, secret) in secrets.iter().enumerate() {
        assert!(!log.contains(secret), "secret {index} is in the log");
    }
    for parameter in ["state=", "code=", "code_verifier"] {
        let line = log.lines().find(|line| line.contains(parameter));
        assert_eq!(line, None, "{parameter}");
    }
}

#[test]
fn announces_itself_readably_with_lines_for_a_shell() {
    let (root, _, key) = place();
    let config = root.path().join("client-config.json");
    let mut child = command(&["--idaas-config", config.to_str().unwrap()], &key).spawn().unwrap();
    let mut exports = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(export) = line.strip_prefix("export ") {
            let (name, value) = export.split_once('=').unwrap();
            exports.push((name.to_owned(), value.to_owned()));
        }
        if line.starts_with("export CLOUD_IDAAS_CONFIG_PATH") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let names: Vec<_> = exports.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "GREENNODE_CLIENT_ID",
        "GREENNODE_CLIENT_SECRET",
        "GREENNODE_IDENTITY_ENDPOINT",
        "GREENNODE_IAM_TOKEN_ENDPOINT",
        "VOLCENGINE_ACCESS_KEY",
        "VOLCENGINE_SECRET_KEY",
        "RUNTIME_IAM_ROLE_TRN",
        "VEIDENTITY_REGION",
        "VEIDENTITY_ENDPOINT",
        "VEIDENTITY_CALLBACK_URL",
        "IDENTITY_OPENAPI_HOST",
        "IDENTITY_OPENAPI_SCHEME",
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "AGENT_IDENTITY_REGION_ID",
        "AGENT_IDENTITY_ENDPOINT",
        "AGENT_IDENTITY_DATA_ENDPOINT",
        "ALIBABA_CLOUD_RAM_ENDPOINT",
        "ALIBABA_CLOUD_IMS_ENDPOINT",
        "IDAAS_CLIENT_SECRET",
        "CLOUD_IDAAS_CONFIG_PATH",
    ];
    assert_eq!(names, expected);
    let written = std::fs::read_to_string(&config).unwrap();
    assert!(written.contains("IDAAS_CLIENT_SECRET"), "{written}");
    let secret = &exports.iter().find(|(name, _)| *name == "IDAAS_CLIENT_SECRET").unwrap().1;
    assert!(!written.contains(secret.trim_matches('\'')), "the secret stays in its variable");
    let (code, log) = failing(&["--idaas-config", config.to_str().unwrap()], &key);
    assert_eq!(code, Some(1));
    assert!(log.contains("not there yet"), "{log}");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), written, "what is there is left alone");
}

#[test]
fn refuses_what_it_should_with_advice() {
    let (root, data, key) = place();
    let (code, log) = failing(&["--listen", "0.0.0.0:0"], &key);
    assert_eq!(code, Some(1));
    assert!(log.contains("127.0.0.1"), "{log}");
    let seed = root.path().join("seed.json");
    std::fs::write(&seed, r#"{"agentbase":{"client_secret":"hush","client_id":"id","oops":1}}"#).unwrap();
    let (code, log) = failing(&["--seed", seed.to_str().unwrap()], &key);
    assert_eq!(code, Some(1));
    assert!(log.contains("unknown key \"oops\"") && !log.contains("hush"), "{log}");
    let (code, log) = failing(&["--data-dir", data.to_str().unwrap()], &data.join("key"));
    assert_eq!(code, Some(1));
    assert!(log.contains("IDENTITY_EMULATOR_KEY_FILE"), "{log}");
    let (code, _) = failing(&["--human", "sometimes"], &key);
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn starts_from_a_seed_and_keeps_it() {
    let (root, data, key) = place();
    let seed = root.path().join("seed.json");
    let body = json!({ "agentbase": {
        "client_id": "seeded-id", "client_secret": "seeded-secret",
        "identities": [{ "name": "demo-agent", "description": "seeded", "allowed_return_urls": ["https://app.example.com/callback"] }],
        "api_key_providers": [{ "name": "demo-key", "apikey": "seeded-key" }],
        "delegated_api_key_providers": [{ "name": "demo-delegated" }],
        "oauth2_providers": [{ "name": "demo-oauth", "builtin": true }],
    }});
    std::fs::write(&seed, body.to_string()).unwrap();
    let data = data.to_str().unwrap();
    let http = http();
    let mut ids = Vec::new();
    for arguments in
        [vec!["--json", "--data-dir", data, "--seed", seed.to_str().unwrap()], vec!["--json", "--data-dir", data]]
    {
        let program = Program::start(&arguments, &key);
        assert_eq!(program.announced["agentbase"]["client_id"], "seeded-id", "kept after the seed is gone");
        let bearer = program.bearer(&http).await;
        let get = async |path: &str| {
            let request = http.get(format!("{}{path}", program.base())).bearer_auth(&bearer);
            read(request.send().await.unwrap()).await
        };
        let key_path = "/outbound-auth/api-key-providers/demo-key/agent-identities/demo-agent/api-key";
        assert_eq!(get(key_path).await, (200, json!({ "apikey": "seeded-key" })));
        let (_, provider) = get("/outbound-auth/oauth2-providers/demo-oauth").await;
        assert_eq!(provider["tokenUrl"], program.announced["provider"]["token_url"], "follows the port");
        ids.push(provider["id"].clone());
        let m2m = "/outbound-auth/oauth2-providers/demo-oauth/agent-identities/demo-agent/tokens/m2m";
        let request =
            http.post(format!("{}{m2m}", program.base())).bearer_auth(&bearer).json(&json!({ "scopes": ["read"] }));
        assert_eq!(read(request.send().await.unwrap()).await.0, 200);
        assert_eq!(program.end("TERM").0, Some(0));
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn two_processes_cannot_share_a_data_directory() {
    let (_root, data, key) = place();
    let data = data.to_str().unwrap();
    let first = Program::start(&["--json", "--data-dir", data], &key);
    let (code, log) = failing(&["--data-dir", data], &key);
    assert_eq!(code, Some(1));
    assert!(log.contains("in use"), "{log}");
    assert_eq!(first.end("TERM").0, Some(0));
}

/// Writes until the program is killed under it; answers what was acknowledged.
async fn write_until_killed(mut program: Program, round: usize, http: &Client) -> Vec<(String, String)> {
    let bearer = program.bearer(http).await;
    let url = format!("{}/outbound-auth/api-key-providers", program.base());
    let writers = (0..4).map(|writer| {
        let (http, url, bearer) = (http.clone(), url.clone(), bearer.clone());
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for index in 0.. {
                let (name, key) =
                    (format!("key-{round}-{writer}-{index}"), format!("plain-secret-{round}-{writer}-{index}"));
                let request = http.post(&url).bearer_auth(&bearer).json(&json!({ "name": name, "apikey": key }));
                match request.send().await {
                    Ok(response) if response.status() == 200 => acknowledged.push((name, key)),
                    Ok(response) => panic!("{}", response.status()),
                    Err(_) => break,
                }
            }
            acknowledged
        })
    });
    let writers: Vec<_> = writers.collect();
    // Another moment each round, so that kills hit different steps of a write.
    tokio::time::sleep(Duration::from_millis(40 + 7 * round as u64)).await;
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed() {
    let (_root, data, key) = place();
    let directory = data.to_str().unwrap();
    let http = http();
    let mut acknowledged = Vec::new();
    for round in 0..12 {
        let program = Program::start(&["--json", "--data-dir", directory], &key);
        acknowledged.extend(write_until_killed(program, round, &http).await);
    }
    assert!(acknowledged.len() > 20, "only {} writes: the test proves little", acknowledged.len());

    let program = Program::start(&["--json", "--data-dir", directory], &key);
    let bearer = program.bearer(&http).await;
    let identity = http.post(format!("{}/agent-identities", program.base())).bearer_auth(&bearer);
    assert_eq!(identity.json(&json!({ "name": "demo-agent" })).send().await.unwrap().status(), 200);
    for (name, expected) in &acknowledged {
        let url =
            format!("{}/outbound-auth/api-key-providers/{name}/agent-identities/demo-agent/api-key", program.base());
        let (status, body) = read(http.get(url).bearer_auth(&bearer).send().await.unwrap()).await;
        assert_eq!((status, body), (200, json!({ "apikey": expected })), "{name}");
    }
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for plain in ["plain-secret", "key-0-0", &text(&program.announced["agentbase"], "client_secret")] {
            assert!(!bytes.windows(plain.len()).any(|window| window == plain.as_bytes()), "{}", path.display());
        }
    }
}
