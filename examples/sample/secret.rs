//! Where the sample's secrets come from: never an argument, which every user of the machine can read.

use std::{fs::File, io::Read};

use identity_client::Error;
use secrecy::SecretString;

use crate::{Anything, argument};

/// A variable, and an argument that names a file.
pub(crate) type Place = (&'static str, &'static str);

pub(crate) const API_KEY: Place = ("SAMPLE_API_KEY", "--api-key-file");
pub(crate) const CLIENT_SECRET: Place = ("SAMPLE_CLIENT_SECRET", "--client-secret-file");

/// Longer than this is something else.
const LONGEST: u64 = 64 * 1024;

/// How to give it.
pub(crate) fn how((variable, file): Place) -> String {
    format!("set {variable}, or name a file with {file} (`-` is standard input)")
}

/// The one in the file that the argument names, else in the variable.
pub(crate) fn given((variable, file): Place) -> Result<Option<SecretString>, Anything> {
    let text = match argument(file) {
        Some(path) if path == "-" => read(std::io::stdin().lock()).map_err(|error| format!("{file} -: {error}"))?,
        Some(path) => File::open(&path).and_then(read).map_err(|error| format!("{file} {path}: {error}"))?,
        None => match from_environment(variable) {
            Some(text) => text,
            None => return Ok(None),
        },
    };
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() { Ok(None) } else { Ok(Some(SecretString::from(secret))) }
}

fn read(from: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    from.take(LONGEST).read_to_string(&mut text).map(|_| text)
}

#[expect(clippy::disallowed_methods, reason = "the variables of these two examples, which no client reads")]
pub(crate) fn from_environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

/// A random UUID (version 4).
pub(crate) fn uuid() -> Result<String, Error> {
    let bits = random_bits()? & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

/// One that nobody knows.
pub(crate) fn random() -> Result<SecretString, Error> {
    Ok(format!("{:032x}", random_bits()?).into())
}

fn random_bits() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::conversion("the system gives no random bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}
