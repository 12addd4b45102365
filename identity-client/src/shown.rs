//! What of a platform's answer may stand in an error: codes and messages, never a body, and nothing of what was hidden.

/// Longer texts are not messages but pages, traces or dumps.
const MAX_TEXT: usize = 200;
const MAX_CODE: usize = 64;
/// A word this long that mixes letters and digits is rather a key or a token than a word.
const TOKEN_LIKE: usize = 20;

/// A code of a platform's, `[A-Za-z0-9_.-]{1,64}`, unless it repeats something hidden.
pub(crate) fn shown_code(code: &str, hidden: &[&str]) -> Option<String> {
    let shaped = (1..=MAX_CODE).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    (shaped && !repeats(code, hidden)).then(|| code.to_owned())
}

/// A message of a platform's, without what looks like a secret; nothing if it repeats something hidden or is no message.
pub(crate) fn shown_text(text: &str, hidden: &[&str]) -> Option<String> {
    let text = text.trim();
    let printable = !text.is_empty() && text.chars().count() <= MAX_TEXT && !text.chars().any(is_unprintable);
    if !printable || repeats(text, hidden) {
        return None;
    }
    let mut shown = String::with_capacity(text.len());
    for part in text.split_inclusive(|c| !is_token_char(c)) {
        let (word, separator) = match part.char_indices().next_back() {
            Some((at, last)) if !is_token_char(last) => part.split_at(at),
            _ => (part, ""),
        };
        shown.push_str(if is_token_like(word) { "…" } else { word });
        shown.push_str(separator);
    }
    Some(shown)
}

/// Control characters, and those that turn or hide the text around them.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+' | '=')
}

fn is_token_like(word: &str) -> bool {
    word.len() >= TOKEN_LIKE
        && word.bytes().any(|b| b.is_ascii_digit())
        && word.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Whether a text repeats something hidden. What is very short is looked for as a word, else every text would repeat it.
fn repeats(text: &str, hidden: &[&str]) -> bool {
    hidden.iter().filter(|hidden| !hidden.is_empty()).any(|&hidden| {
        if hidden.len() >= 6 {
            return text.contains(hidden);
        }
        text.split_whitespace()
            .any(|word| word == hidden || word.trim_matches(|c: char| !c.is_alphanumeric()) == hidden)
    })
}
