//! The engine against sockets that misbehave. Against a provider that behaves: see the provider's tests.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;

const ID: &str = "a:b";
const SECRET: &str = "p@s:s %é";

/// Answers each connection with the same bytes and hands out the requests that came.
struct Wire {
    registration: ProviderRegistration,
    requests: tokio::sync::mpsc::UnboundedReceiver<String>,
    task: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn wire(answer: impl Into<String>, then_hang: bool) -> Wire {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = sender.send(request_of(&mut socket).await);
            let _ = socket.write_all(answer.as_bytes()).await;
            if then_hang {
                open.push(socket);
            }
        }
    });
    let registration = ProviderRegistration {
        client_id: ID.to_owned(),
        client_secret: SecretString::from(SECRET),
        authorization_url: base.join("/authorize").unwrap(),
        token_url: base.join("/token?tenant=t").unwrap(),
    };
    Wire { registration, requests, task }
}

async fn request_of(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        match socket.read(&mut buffer).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn granted() -> String {
    http("200 OK", "", r#"{"access_token":"t-1","token_type":"bearer","expires_in":"60"}"#)
}

fn impatient() -> OAuthEngine {
    let quick = Duration::from_millis(300);
    OAuthEngine::with_limits(Limits { connect: quick, total: quick, body: 1000 }).unwrap()
}

#[test]
fn limits_are_pinned() {
    assert_eq!((LIMITS.connect.as_secs(), LIMITS.total.as_secs(), LIMITS.body), (5, 15, 262_144));
}

#[tokio::test]
async fn std_6749_01_wire_has_the_encoded_basic_credential() {
    let mut wire = wire(granted(), false).await;
    let scopes = ["read".to_owned(), "write".to_owned()];
    let grant = OAuthEngine::new().unwrap().client_credentials(&wire.registration, &scopes).await.unwrap();
    assert_eq!((grant.access_token.expose_secret(), grant.expires_in), ("t-1", Some(Duration::from_secs(60))));
    assert_eq!(grant.scope.as_deref(), Some("read write"));
    let request = wire.requests.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token?tenant=t HTTP/1.1\r\n"), "{head}");
    // base64 of a%3Ab:p%40s%3As+%25%C3%A9, computed independently.
    assert!(head.contains("authorization: Basic YSUzQWI6cCU0MHMlM0FzKyUyNSVDMyVBOQ=="), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
    assert_eq!(body, "grant_type=client_credentials&scope=read+write");
}

#[tokio::test]
async fn std_6749_02_one_authentication_and_nothing_secret_in_the_uri() {
    let mut wire = wire(granted(), false).await;
    let engine = OAuthEngine::new().unwrap();
    let callback = Url::parse("http://127.0.0.1:1/cb").unwrap();
    let verifier = SecretString::from("verifier-value");
    engine.exchange_code(&wire.registration, &callback, "code-value", &verifier).await.unwrap();
    engine.refresh(&wire.registration, &SecretString::from("refresh-value"), &[]).await.unwrap();
    for fields in [
        "grant_type=authorization_code&code=code-value&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&code_verifier=verifier-value",
        "grant_type=refresh_token&refresh_token=refresh-value",
    ] {
        let request = wire.requests.recv().await.unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, fields);
        assert!(!body.contains("client_secret") && !body.contains("client_assertion"));
        assert_eq!(head.to_ascii_lowercase().matches("\r\nauthorization:").count(), 1);
        let uri = head.lines().next().unwrap();
        assert!(["-value", "p@s", "p%40s"].iter().all(|secret| !uri.contains(secret)), "{uri}");
    }
}

#[tokio::test]
async fn refresh_keeps_the_old_token_unless_there_is_a_new_one() {
    let engine = OAuthEngine::new().unwrap();
    let old = SecretString::from("old");
    let same = wire(granted(), false).await;
    let grant = engine.refresh(&same.registration, &old, &[]).await.unwrap();
    assert_eq!(grant.refresh_token.unwrap().expose_secret(), "old");
    assert_eq!(grant.scope, None);
    let body = r#"{"access_token":"t","token_type":"bearer","refresh_token":"new"}"#;
    let rotating = wire(http("200 OK", "", body), false).await;
    let grant = engine.refresh(&rotating.registration, &old, &["a".to_owned()]).await.unwrap();
    assert_eq!(grant.refresh_token.unwrap().expose_secret(), "new");
    assert_eq!(grant.scope.as_deref(), Some("a"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut target = wire(granted(), false).await;
    let location = format!("location: {}\r\n", target.registration.token_url);
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let wire = wire(http(status, &location, ""), false).await;
        let failure = OAuthEngine::new().unwrap().client_credentials(&wire.registration, &[]).await.unwrap_err();
        assert!(matches!(failure, OAuthFailure::BadAnswer(_)), "{failure}");
    }
    assert!(target.requests.try_recv().is_err());
}

#[tokio::test]
async fn refusals_keep_status_and_code_but_no_secret() {
    let engine = OAuthEngine::new().unwrap();
    let empty = wire(http("401 Unauthorized", "", ""), false).await;
    let failure = engine.client_credentials(&empty.registration, &[]).await.unwrap_err();
    assert_eq!(failure, OAuthFailure::RefusedByProvider { status: 401, code: None, description: None });
    for echo in [SECRET, "p%40s%3As+%25%C3%A9", "YSUzQWI6cCU0MHMlM0FzKyUyNSVDMyVBOQ=="] {
        let body = format!(r#"{{"error":"invalid_client","error_description":"no such client: {echo}"}}"#);
        let telltale = wire(http("400 Bad Request", "", &body), false).await;
        let failure = engine.client_credentials(&telltale.registration, &[]).await.unwrap_err();
        let code = Some("invalid_client".to_owned());
        assert_eq!(failure, OAuthFailure::RefusedByProvider { status: 400, code, description: None });
    }
    let body = r#"{"error":"invalid_grant","error_description":"token old-refresh is dead"}"#;
    let telltale = wire(http("400 Bad Request", "", body), false).await;
    let failure = engine.refresh(&telltale.registration, &SecretString::from("old-refresh"), &[]).await.unwrap_err();
    assert!(!format!("{failure:?} {failure}").contains("old-refresh"));
}

#[tokio::test]
async fn a_large_answer_is_cut_off() {
    let body = format!(r#"{{"access_token":"t","token_type":"bearer","x":"{}"}}"#, "x".repeat(1000));
    let large = wire(http("200 OK", "", &body), false).await;
    let failure = impatient().client_credentials(&large.registration, &[]).await.unwrap_err();
    assert!(matches!(failure, OAuthFailure::BadAnswer(text) if text.contains("larger")), "{failure}");
}

#[tokio::test]
async fn silence_a_cut_answer_and_a_closed_port_are_unreachable() {
    let silent = wire("", true).await;
    let failure = impatient().client_credentials(&silent.registration, &[]).await.unwrap_err();
    assert_eq!(failure, OAuthFailure::Unreachable("did not answer in time"));
    let stalled = wire("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"access", true).await;
    let failure = impatient().client_credentials(&stalled.registration, &[]).await.unwrap_err();
    assert_eq!(failure, OAuthFailure::Unreachable("did not answer in time"));
    let cut = wire("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"access", false).await;
    let failure = OAuthEngine::new().unwrap().client_credentials(&cut.registration, &[]).await.unwrap_err();
    assert_eq!(failure, OAuthFailure::Unreachable("broke off the exchange"));
    let mut closed = cut.registration.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    closed.token_url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    drop(listener);
    let failure = OAuthEngine::new().unwrap().client_credentials(&closed, &[]).await.unwrap_err();
    assert_eq!(failure, OAuthFailure::Unreachable("could not be reached"));
    assert!(!failure.to_string().contains("127.0.0.1"));
}

#[tokio::test]
async fn nothing_is_sent_for_a_request_that_cannot_be_right() {
    let mut wire = wire(granted(), false).await;
    let engine = OAuthEngine::new().unwrap();
    let callback = Url::parse("http://127.0.0.1:1/cb").unwrap();
    let verifier = SecretString::from("v");
    let failure = engine.exchange_code(&wire.registration, &callback, "", &verifier).await.unwrap_err();
    assert!(matches!(failure, OAuthFailure::InvalidRequest(_)));
    let failure = engine.refresh(&wire.registration, &SecretString::from(""), &[]).await.unwrap_err();
    assert!(matches!(failure, OAuthFailure::InvalidRequest(_)));
    let failure = engine.client_credentials(&wire.registration, &["two words".to_owned()]).await.unwrap_err();
    assert!(matches!(failure, OAuthFailure::InvalidRequest(_)));
    let mut outside = wire.registration.clone();
    outside.token_url = Url::parse("http://198.51.100.1/token").unwrap();
    let failure = engine.client_credentials(&outside, &[]).await.unwrap_err();
    assert!(matches!(failure, OAuthFailure::InvalidRegistration(_)));
    assert!(wire.requests.try_recv().is_err());
}
