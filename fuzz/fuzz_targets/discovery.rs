#![no_main]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{LazyLock, Mutex},
    thread,
    time::Duration,
};

use identity_client::{HttpOptions, RetryPolicy, inbound::TokenVerifier};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// Signed by nobody, of any issuer: it makes the verifier ask for keys.
const HEADER: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ";

static DOCUMENT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static ORIGIN: LazyLock<String> = LazyLock::new(serve);
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

/// Answers every request, whatever its path, with the document.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || listener.incoming().flatten().for_each(|visitor| drop(answer(visitor))));
    format!("http://{address}")
}

fn answer(mut visitor: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 2048];
    let _ = visitor.read(&mut request)?;
    let body = DOCUMENT.lock().expect("nobody panics with it").clone();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    visitor.write_all(head.as_bytes())?;
    visitor.write_all(&body)
}

// `ORIGIN` stands for the origin of the issuer, as it cannot be known when a document is made.
fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    *DOCUMENT.lock().expect("nobody panics with it") = text.replace("ORIGIN", &ORIGIN).into_bytes();
    let options = HttpOptions::new()
        .with_attempt_timeout(Duration::from_secs(2))
        .with_retry(RetryPolicy::new().with_max_attempts(1));
    let verifier = TokenVerifier::issuer(ORIGIN.as_str())
        .with_any_audience()
        .with_http(options)
        .build()
        .expect("a loopback issuer");
    let claims = base64url(&format!(r#"{{"iss":"{}"}}"#, *ORIGIN));
    let outcome = RUNTIME.block_on(verifier.verify(&format!("{HEADER}.{claims}.AAAA")));
    assert!(outcome.is_err(), "nobody signed it");
});

fn base64url(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for index in 0..=three.len() {
            encoded.push(char::from(LETTERS[(bits >> (18 - 6 * index)) as usize & 63]));
        }
    }
    encoded
}
