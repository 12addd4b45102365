//! The vendor's Python server beside `AgentApp`: the same requests, and the same answers but for [`DIFFERENCES`].

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use identity_client::RequestContext;
use identity_runtime::{AgentApp, Reply, Tasks};
use identity_tests::Anything;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Where the answers differ, and are meant to: case, place, the vendor's, ours. `*` is a value of no account here, `-` is
/// nothing. `identity-runtime/DIFFERENCES.md` says why, case by case.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("every invocation", "/headers/x-greennode-agentbase-request-id", "-", "*"),
    ("every stream", "/headers/cache-control", "-", "\"no-store\""),
    ("every stream", "/headers/content-type", "\"text/event-stream; charset=utf-8\"", "\"text/event-stream\""),
    ("the token of the caller", "/body/authorization", "\"Bearer synthetic\"", "null"),
    ("a user in a header", "/body/user_id", "\"alice\"", "null"),
    ("not JSON", "/body/details/error", "*", "-"),
    ("not JSON", "/body/details/status_code", "400", "-"),
    ("not JSON", "/body/details/code", "-", "\"invalid_json\""),
    ("not JSON", "/body/details/line", "-", "*"),
    ("not JSON", "/body/details/column", "-", "*"),
    ("not JSON", "/body/details/request_id", "-", "*"),
    ("not UTF-8", "/status", "500", "400"),
    ("not UTF-8", "/body/error", "\"Invocation handler failed\"", "\"Invalid JSON in request\""),
    ("not UTF-8", "/body/error_type", "\"GreenNodeRuntimeError\"", "\"GreenNodeRequestError\""),
    ("not UTF-8", "/body/details/duration", "*", "-"),
    ("not UTF-8", "/body/details/code", "-", "\"invalid_json\""),
    ("not UTF-8", "/body/details/line", "-", "*"),
    ("not UTF-8", "/body/details/column", "-", "*"),
    ("not UTF-8", "/body/details/request_id", "-", "*"),
    ("another media type", "/status", "200", "415"),
    ("another media type", "/body", "*", "*"),
    ("a handler that fails", "/body/error", "\"Handler 'handler' execution failed\"", "\"Handler execution failed\""),
    ("a handler that fails", "/body/details/handler_name", "\"handler\"", "-"),
    ("a handler that fails", "/body/details/takes_context", "true", "-"),
    ("a handler that fails", "/body/details/code", "-", "\"handler_failed\""),
    ("a handler that fails", "/body/details/request_id", "-", "*"),
    ("a stream that fails", "/body/1/error", "\"synthetic-secret\"", "\"Handler execution failed\""),
    ("a stream that fails", "/body/1/error_type", "\"ValueError\"", "\"GreenNodeRuntimeError\""),
    ("a stream that fails", "/body/1/details/code", "-", "\"handler_failed\""),
    ("a stream that fails", "/body/1/details/request_id", "-", "*"),
    ("another path", "/headers/content-type", "\"text/plain; charset=utf-8\"", "\"application/json\""),
    ("another path", "/body", "*", "*"),
    ("another method", "/headers/content-type", "\"text/plain; charset=utf-8\"", "\"application/json\""),
    ("another method", "/body", "*", "*"),
    ("ping", "/status", "404", "200"),
    ("ping", "/headers/content-type", "\"text/plain; charset=utf-8\"", "\"application/json\""),
    ("ping", "/body", "*", "*"),
];

/// What makes a connection and says nothing of the contract.
const FRAMING: [&str; 5] = ["date", "server", "content-length", "transfer-encoding", "connection"];

struct Vendor {
    port: u16,
    _process: Child,
}

async fn vendor() -> Result<Vendor, Anything> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/greennode");
    let prepared = Command::new(peers.join("prepare.sh")).kill_on_drop(true).output();
    let prepared = tokio::time::timeout(Duration::from_secs(300), prepared).await??;
    if !prepared.status.success() {
        return Err(String::from_utf8_lossy(&prepared.stderr).into_owned().into());
    }
    let python = String::from_utf8(prepared.stdout)?;
    let scratch = tempfile::tempdir()?;
    let mut process = Command::new(python.trim())
        .arg(peers.join("server.py"))
        .current_dir(scratch.path())
        .env_clear()
        .env("GREENNODE_RUNTIME", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HOME", scratch.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let out = process.stdout.take().ok_or("no output")?;
    let mut lines = BufReader::new(out).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await??.ok_or("the vendor's server did not start")?;
    Ok(Vendor { port: first.trim().parse()?, _process: process })
}

/// The handler of `server.py`, once more.
async fn ours() -> Result<u16, Anything> {
    let tasks = Tasks::new();
    let (begin, open) = (tasks.clone(), Arc::new(Mutex::new(Vec::new())));
    let handler = move |payload: Value, context: RequestContext| {
        let (begin, open) = (begin.clone(), Arc::clone(&open));
        async move {
            let items = payload["items"].as_array().cloned().unwrap_or_default();
            let secret = || std::io::Error::other("synthetic-secret");
            match payload["do"].as_str() {
                Some("context") => {
                    return Ok(Reply::json(&json!({
                        "session_id": context.session_id(),
                        "user_id": context.user().map(identity_client::User::id),
                        "tenant": context.custom_header("x-greennode-agentbase-custom-tenant"),
                        "authorization": context.custom_header("authorization"),
                    })));
                }
                Some("stream") => return Ok(Reply::events(stream::iter(items))),
                Some("broken stream") => {
                    let items = stream::iter(items.into_iter().map(Ok)).chain(stream::iter([Err(secret())]));
                    return Ok(Reply::try_events(items));
                }
                Some("fail") => return Err(secret()),
                Some("begin task") => {
                    let task = begin.track("index").map_err(std::io::Error::other)?;
                    open.lock().unwrap_or_else(PoisonError::into_inner).push(task);
                }
                Some("end task") => drop(open.lock().unwrap_or_else(PoisonError::into_inner).pop()),
                _ => {}
            }
            Ok(Reply::json(&payload))
        }
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let app = AgentApp::builder(handler).with_tasks(tasks).build()?;
    tokio::spawn(app.serve(listener, std::future::pending()));
    Ok(port)
}

#[expect(clippy::disallowed_methods, reason = "a caller of both servers, which carries no credential")]
fn caller() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()
}

/// An answer as one JSON value: status, headers without framing, body.
async fn answer(request: reqwest::RequestBuilder) -> Result<Value, Anything> {
    let mut answer = request.send().await?;
    let status = answer.status().as_u16();
    let headers: BTreeMap<String, String> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !FRAMING.contains(&name.as_str()))
        .map(|(name, value)| Ok::<_, Anything>((name.to_string(), value.to_str()?.to_owned())))
        .collect::<Result<_, _>>()?;
    let mut bytes = Vec::new();
    // How the vendor's server ends a stream that failed is up to the timing of its connection.
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(bytes)?;
    let of = headers.get("content-type").map(String::as_str).unwrap_or_default();
    let body = if of.starts_with("text/event-stream") {
        let blocks = text.split_terminator("\n\n").map(|block| block.trim_start_matches("data: "));
        Value::Array(blocks.map(serde_json::from_str).collect::<Result<_, _>>()?)
    } else if of == "application/json" && !text.is_empty() {
        serde_json::from_str(&text)?
    } else {
        Value::String(text)
    };
    Ok(json!({ "status": status, "headers": headers, "body": body }))
}

/// Where two values differ, as places with both; an absent value is `-`.
fn compare(place: &str, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Vec<(String, String, String)>) {
    let members = |value: Option<&Value>| -> Option<BTreeMap<String, Value>> {
        match value? {
            Value::Object(map) => Some(map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()),
            Value::Array(list) => {
                Some(list.iter().enumerate().map(|(i, value)| (i.to_string(), value.clone())).collect())
            }
            _ => None,
        }
    };
    let is_container = |value: Option<&Value>| value.is_none_or(|value| value.is_object() || value.is_array());
    if theirs != ours && is_container(theirs) && is_container(ours) {
        let (theirs, ours) = (members(theirs).unwrap_or_default(), members(ours).unwrap_or_default());
        let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
        for name in names {
            compare(&format!("{place}/{name}"), theirs.get(name), ours.get(name), found);
        }
    } else if theirs != ours {
        let shown = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), Value::to_string);
        found.push((place.to_owned(), shown(theirs), shown(ours)));
    }
}

/// Finds every difference that is not meant, and every one that is meant and not there.
fn judge(case: &str, theirs: &Value, ours: &Value, wrong: &mut Vec<String>) {
    let mut found = Vec::new();
    compare("", Some(theirs), Some(ours), &mut found);
    let is_stream =
        theirs.pointer("/headers/content-type").and_then(Value::as_str).is_some_and(|of| of.starts_with("text/event"));
    let is_invocation = ours.pointer("/headers/x-greennode-agentbase-request-id").is_some();
    let mut meant: Vec<_> = DIFFERENCES
        .iter()
        .filter(|(of, ..)| {
            *of == case || (is_invocation && *of == "every invocation") || (is_stream && *of == "every stream")
        })
        .collect();
    let fits = |row: &str, value: &str| row == value || (row == "*" && value != "-");
    for (place, theirs, ours) in found {
        // A body that differs as a whole differs in its members, too.
        let index = meant.iter().position(|(_, at, vendor, own)| {
            let is_whole = *vendor == "*" && *own == "*" && place.starts_with(&format!("{at}/"));
            is_whole || (*at == place && fits(vendor, &theirs) && fits(own, &ours))
        });
        match index.map(|index| (index, meant[index])) {
            Some((index, (_, at, ..))) if *at == place => drop(meant.remove(index)),
            Some(_) => {}
            None => wrong.push(format!("{case}: {place}: the vendor {theirs}, ours {ours}")),
        }
    }
    meant.retain(|(_, _, vendor, own)| !(*vendor == "*" && *own == "*"));
    wrong.extend(meant.iter().map(|(_, place, ..)| format!("{case}: {place} is meant to differ and does not")));
}

fn cases(caller: &reqwest::Client, port: u16) -> Vec<(&'static str, reqwest::RequestBuilder)> {
    let invoke = || caller.post(format!("http://127.0.0.1:{port}/invocations"));
    let get = |path: &str| caller.get(format!("http://127.0.0.1:{port}{path}"));
    let raw = |body: &'static [u8]| invoke().header("content-type", "application/json").body(body);
    let named = "X-GreenNode-AgentBase-";
    let context = || invoke().json(&json!({ "do": "context" }));
    vec![
        ("an object", invoke().json(&json!({ "do": "echo", "value": [1, 2.5, true, null, "ü 🌍"] }))),
        ("a list", invoke().json(&json!([1, "two"]))),
        ("a text", invoke().json(&"grüße")),
        ("null", invoke().json(&Value::Null)),
        ("a number", invoke().json(&7)),
        ("a media type with parameters", invoke().header("content-type", "application/json; charset=utf-8").body("{}")),
        ("a context of nothing", context()),
        (
            "ids",
            context()
                .header(format!("{named}Request-Id"), "request-1")
                .header(format!("{named}Session-Id"), "session-1"),
        ),
        ("a custom header", context().header(format!("{named}Custom-Tenant"), "acme")),
        ("a header that means nothing", context().header("X-Tenant", "acme")),
        ("the token of the caller", context().bearer_auth("synthetic")),
        ("a user in a header", context().header(format!("{named}User-Id"), "alice")),
        ("a stream", invoke().json(&json!({ "do": "stream", "items": [1, "a\nb", { "c": null }, "ü"] }))),
        ("an empty stream", invoke().json(&json!({ "do": "stream", "items": [] }))),
        ("a stream that fails", invoke().json(&json!({ "do": "broken stream", "items": [1] }))),
        ("a handler that fails", invoke().json(&json!({ "do": "fail" }))),
        ("not JSON", raw(b"{not json")),
        ("not UTF-8", raw(b"\"\xff\"")),
        ("another media type", invoke().header("content-type", "text/plain").body("{}")),
        ("another path", get("/nowhere")),
        ("another method", get("/invocations")),
        ("ping", get("/ping")),
        ("health", get("/health")),
        ("a task is begun", invoke().json(&json!({ "do": "begin task" }))),
        ("health of a busy agent", get("/health")),
        ("a task is ended", invoke().json(&json!({ "do": "end task" }))),
        ("health of an agent that is done", get("/health")),
        ("HEAD of health", caller.head(format!("http://127.0.0.1:{port}/health"))),
    ]
}

/// A time, which is no two servers' own.
fn without_time(mut answer: Value) -> Value {
    if let Some(time) = answer.pointer_mut("/body/time_of_last_update") {
        assert!(time.is_u64(), "{time} is not seconds since 1970");
        *time = json!(0);
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_server_and_ours_answer_alike() -> Result<(), Anything> {
    let vendor = vendor().await?;
    let (caller, port) = (caller()?, ours().await?);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::from(["every invocation", "every stream"]);
    for ((case, theirs), (_, own)) in cases(&caller, vendor.port).into_iter().zip(cases(&caller, port)) {
        seen.insert(case);
        judge(case, &without_time(answer(theirs).await?), &without_time(answer(own).await?), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (case, ..) in DIFFERENCES {
        assert!(seen.contains(case), "no request for {case}");
    }
    Ok(())
}

#[test]
fn every_difference_is_documented() -> Result<(), Anything> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../identity-runtime/DIFFERENCES.md");
    let text = std::fs::read_to_string(path)?;
    for (case, ..) in DIFFERENCES {
        assert!(text.contains(&format!("| {case} |")), "{case} is not in the table");
    }
    Ok(())
}
