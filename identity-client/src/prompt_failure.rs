//! What a prompt failed with, fit for a log.

use std::{error::Error as StdError, fmt};

use crate::consent::PromptError;

/// The words of a prompt's error and its causes, with every URL cut down to its host: an error of an HTTP client tends to
/// name the URL it was about, and that may be the authorization URL.
pub(crate) struct PromptFailure(String);

impl PromptFailure {
    pub(crate) fn of(error: &PromptError) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let words = error.to_string();
            if !text.ends_with(&words) {
                text = format!("{text}: {words}");
            }
            cause = error.source();
        }
        Self(without_urls(&text))
    }
}

impl fmt::Display for PromptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PromptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for PromptFailure {}

/// Keeps of each URL what comes before its path.
fn without_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ')' | ']' | '}' | ',');
        let url = &after[..after.find(ends).unwrap_or(after.len())];
        let host = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        out.push_str(host.rsplit('@').next().unwrap_or_default());
        if host.len() < url.len() {
            out.push_str("/…");
        }
        rest = &after[url.len()..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w34_a_url_in_a_prompts_error_is_cut_down_to_its_host() {
        for (text, kept) in [
            ("no chat", "no chat"),
            (
                "error for url (https://idp.example.com/a?state=secret): reset",
                "error for url (https://idp.example.com/…): reset",
            ),
            ("https://u:secret@h.example.com/secret", "https://h.example.com/…"),
            ("two: http://a/secret?x, \"https://b#secret\"", "two: http://a/…, \"https://b/…\""),
            ("ends with ://", "ends with ://"),
            ("https://bücher.example/secret wide", "https://bücher.example/… wide"),
        ] {
            assert_eq!(without_urls(text), kept);
        }
    }
}
