//! What a client needs that signs by hand.

use aws_lc_rs::digest;
use secrecy::SecretString;

/// With what a request is signed.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    pub(crate) token: Option<String>,
}

/// The names of headers, and the lines that are signed of them.
pub(crate) fn canonical(headers: &[(&'static str, String)]) -> (String, String) {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (names.join(";"), lines.concat())
}

pub(crate) fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}
