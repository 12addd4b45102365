//! Every recorded exchange of the vendor's own client: the request is accepted as it was sent, and the answer has the recorded status and members.
//!
//! Response halves of the recording are synthetic, scripted by the recorder. Where a script contradicts the contract, [`contract`] says
//! what is expected instead, and why.

use std::collections::BTreeMap;

use identity_emulator::Fault;
use reqwest::{Method, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{Bench, IDENTITY, RETURN_URL, location, merged, text};

const DELEGATED_ID: &str = "30000000-0000-4000-8000-000000000003";
const OAUTH_ID: &str = "40000000-0000-4000-8000-000000000004";
const SESSION_ID: &str = "50000000-0000-4000-8000-000000000005";

#[derive(Clone)]
struct Row {
    op: String,
    request: Value,
    status: u16,
    answer: Value,
}

fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/wire/greennode.jsonl");
    let recording = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        Row {
            op: text(&row, "op"),
            request: row["request"].take(),
            status: u16::try_from(row["response"]["status"].as_u64().unwrap()).unwrap(),
            answer: row["response"]["body"].take(),
        }
    };
    recording.lines().map(row).collect()
}

/// What the contract wants where the recorder's script has something else.
fn contract(row: &Row) -> (u16, Value) {
    let asked = json!({ "authorizationUrl": "", "sessionId": "", "status": "IN_PROGRESS" });
    let forced = row.request["body"]["forceAuthentication"] == true || row.request["body"]["forceDelegation"] == true;
    match row.op.as_str() {
        // Forced means that the user is asked, whatever is stored: section 6.
        "get_3lo_token" | "flow.delegated_forced" if forced => (200, asked),
        // Unmodelled; the browser has to get back to the application somehow: section 5.5.
        "handle_oauth2_callback" => (302, Value::Null),
        // The same answer as in flow.oauth2_3lo_polling.
        "flow.oauth2_3lo_poll_error_swallowed" if row.answer["status"] == "COMPLETED" => {
            (200, merged(row.answer.clone(), json!({ "sessionId": "" })))
        }
        _ => (row.status, row.answer.clone()),
    }
}

/// Recorded failures that nothing in the request brings about: these are scripted.
fn scripted(row: &Row) -> bool {
    match row.op.as_str() {
        "error.401.create_agent_identity" | "error.409.create_agent_identity" | "error.iam_401" => false,
        // Nobody can refuse before they were asked.
        "flow.delegated_failed_at_once" => row.answer["status"] == "FAILED",
        "flow.oauth2_3lo_poll_error_swallowed" => row.status == 404,
        op => op.starts_with("error."),
    }
}

/// One emulator with what the recorder's stub knew.
struct Stage {
    bench: Bench,
    delegated_id: String,
    oauth_id: String,
    /// Of the session that was opened last.
    session_id: String,
    link: String,
}

impl Stage {
    async fn set(op: &str) -> Self {
        let bench = Bench::start().await;
        if !op.starts_with("create_agent_identity") && !op.starts_with("error.4") && !op.starts_with("error.5")
            || op.starts_with("error.409")
        {
            bench.identity().await;
        }
        if op != "create_api_key_provider" {
            bench.static_key("demo-key", "synthetic-static-key").await;
        }
        let mut stage = Self {
            bench,
            delegated_id: String::new(),
            oauth_id: String::new(),
            session_id: String::new(),
            link: String::new(),
        };
        if op != "create_delegated_api_key_provider" {
            stage.delegated_id = text(&stage.bench.delegated("demo-delegated").await, "id");
        }
        if op != "create_oauth2_provider" {
            stage.oauth_id = text(&stage.bench.oauth("demo-oauth").await, "id");
        }
        match op {
            "get_delegated_api_key_for_agent_identity" | "flow.delegated_immediate" => {
                stage.ask_key().await;
                stage.act(true).await;
            }
            "flow.oauth2_3lo_immediate" => {
                stage.ask_token().await;
                stage.act(true).await;
            }
            "authorize_delegated_api_key" => stage.ask_key().await,
            "handle_oauth2_callback" | "redirect_to_provider_authorize" => stage.ask_token().await,
            "error.401.create_agent_identity" => stage.bench.emulator.revoke_iam_tokens(),
            _ => {}
        }
        stage
    }

    async fn ask_key(&mut self) {
        let (_, asked) = self.bench.ask_key("demo-delegated", json!({})).await;
        self.remember(&asked);
    }

    async fn ask_token(&mut self) {
        let (_, asked) = self.bench.ask_token("demo-oauth", json!({})).await;
        self.remember(&asked);
    }

    fn remember(&mut self, answer: &Value) {
        if answer["authorizationUrl"].is_string() && answer["sessionId"].is_string() {
            (self.session_id, self.link) = (text(answer, "sessionId"), text(answer, "authorizationUrl"));
        }
    }

    /// The person does what they were asked.
    async fn act(&self, approve: bool) {
        if self.link.contains("/oauth2/authorize") {
            let callback = self.bench.consent(&self.link, if approve { "allow" } else { "deny" }).await;
            location(&self.bench.http.get(callback).send().await.unwrap());
        } else if approve {
            let body = json!({ "apikey": "synthetic-delegated-key" });
            assert_eq!(self.bench.http.post(&self.link).json(&body).send().await.unwrap().status(), 200);
        } else {
            let page = self.bench.http.get(&self.link).send().await.unwrap();
            let cookie = crate::support::cookie(&page);
            let html = page.text().await.unwrap();
            let field = |name| crate::support::field(&html, name);
            let body =
                crate::support::form(&[("state", &field("state")), ("csrf", &field("csrf")), ("decision", "deny")]);
            let request = self.bench.http.post(&self.link).header("content-type", "application/x-www-form-urlencoded");
            location(&request.header("cookie", cookie).body(body).send().await.unwrap());
        }
    }

    /// The URL as recorded, with this emulator's ids, state and code in place of the recorder's.
    async fn url(&self, row: &Row) -> String {
        let path =
            text(&row.request, "path").replace(DELEGATED_ID, &self.delegated_id).replace(OAUTH_ID, &self.oauth_id);
        let own = match row.op.as_str() {
            "authorize_delegated_api_key" => self.link.clone(),
            "handle_oauth2_callback" => self.bench.consent(&self.link, "allow").await,
            _ => String::new(),
        };
        let own: Vec<(String, String)> = match own.parse::<url::Url>() {
            Ok(url) => url.query_pairs().into_owned().collect(),
            Err(_) => Vec::new(),
        };
        let recorded = row.request["query"].as_object().unwrap().iter().map(|(name, value)| {
            let value = value.as_str().unwrap();
            let value = match (name.as_str(), value) {
                ("state" | "code", _) => &own.iter().find(|(own, _)| own == name).unwrap().1,
                ("sessionId", SESSION_ID) => self.session_id.as_str(),
                _ => value,
            };
            (name.clone(), value.to_owned())
        });
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(recorded).finish();
        let origin = self.bench.url("").replace("/identity", "");
        if query.is_empty() { format!("{origin}{path}") } else { format!("{origin}{path}?{query}") }
    }

    async fn replay(&mut self, row: &Row) -> Response {
        let method: Method = text(&row.request, "method").parse().unwrap();
        let mut request = self.bench.http.request(method, self.url(row).await);
        for name in ["accept", "content-type"] {
            if let Some(value) = row.request["headers"][name].as_str() {
                request = request.header(name, value);
            }
        }
        let agentbase = self.bench.emulator.agentbase();
        let secret = if row.op == "error.iam_401" { "wrong" } else { agentbase.client_secret().expose_secret() };
        request = match row.request["headers"]["authorization"].as_str().unwrap() {
            scheme if scheme.starts_with("Basic") => request.basic_auth(agentbase.client_id(), Some(secret)),
            _ => request.bearer_auth(&self.bench.bearer),
        };
        let body = match &row.request["body"] {
            Value::Null => None,
            Value::String(form) => Some(form.clone()),
            json => Some(json.to_string().replace(SESSION_ID, &self.session_id)),
        };
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.unwrap()
    }

    async fn check(&mut self, row: &Row) {
        let polls = row.request["body"]["sessionId"].is_string();
        if polls && !scripted(row) && row.answer["status"] != "IN_PROGRESS" {
            self.act(row.answer["status"] != "FAILED").await;
        }
        if scripted(row) {
            let fault = Fault::on_path(text(&row.request, "method").parse().unwrap(), text(&row.request, "path"))
                .status(row.status);
            let fault = match &row.answer {
                Value::String(text) => fault.body(text.clone()),
                json => fault.json(json),
            };
            self.bench.emulator.faults().add(fault);
        }
        let response = self.replay(row).await;
        let (status, mut answer) = crate::support::read(response).await;
        let (expected_status, expected) = contract(row);
        assert_eq!(status, expected_status, "{}: {answer}", row.op);
        self.remember(&answer);
        if let Some(page) = answer.as_object_mut().filter(|page| page.contains_key("content")) {
            // Besides the recorded SDK's "page" the docs' name for the same: section 3.1.
            assert_eq!(page.remove("number"), page.get("page").cloned());
        }
        let (members, expected) = (shape(&answer), shape(&expected));
        assert_eq!(members.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{}: {answer}", row.op);
        for (path, kind) in &members {
            // Every response field is nullable: section 5.
            let alike = *kind == "null" || expected[path] == "null" || *kind == expected[path];
            assert!(alike, "{} {path}: {kind} instead of {}", row.op, expected[path]);
        }
    }
}

/// Paths of all members, with their types.
fn shape(value: &Value) -> BTreeMap<String, &'static str> {
    fn kind(value: &Value) -> &'static str {
        match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        }
    }
    fn walk(path: &str, value: &Value, into: &mut BTreeMap<String, &'static str>) {
        into.insert(path.to_owned(), kind(value));
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    walk(&format!("{path}/{name}"), value, into);
                }
            }
            // Objects only: how many texts a list of texts has is no part of the shape.
            Value::Array(items) => {
                items.iter().filter(|item| item.is_object()).for_each(|item| walk(&format!("{path}/*"), item, into));
            }
            _ => {}
        }
    }
    let mut members = BTreeMap::new();
    walk("", value, &mut members);
    members
}

#[tokio::test]
async fn every_recorded_exchange_is_answered_as_recorded() {
    let rows = rows();
    assert_eq!(rows.len(), 96, "the recording has changed: look at the new rows");
    for group in rows.chunk_by(|left, right| left.op == right.op && left.op.starts_with("flow.")) {
        let mut stage = Stage::set(&group[0].op).await;
        for row in group {
            stage.check(row).await;
        }
        assert_eq!(stage.bench.emulator.faults().remaining(), 0, "{}", group[0].op);
    }
}

/// Every recorded request counts under the operation that it was recorded as.
#[tokio::test]
async fn operations_are_recognised() {
    for row in rows().iter().filter(|row| !row.op.starts_with("flow.") && !row.op.starts_with("error.")) {
        let stage = &mut Stage::set(&row.op).await;
        stage.bench.emulator.counters().reset();
        stage.replay(row).await;
        let operation = row.op.split('.').next().unwrap();
        assert_eq!(
            stage.bench.emulator.counters().count(operation),
            1,
            "{}: {:?}",
            row.op,
            stage.bench.emulator.counters()
        );
    }
}

#[test]
fn the_fixed_values_of_the_recording_are_those_of_the_tests() {
    let texts = rows().iter().map(|row| row.request.to_string()).collect::<String>();
    for value in [IDENTITY, RETURN_URL, SESSION_ID, DELEGATED_ID, OAUTH_ID] {
        assert!(texts.contains(value), "{value}");
    }
}
