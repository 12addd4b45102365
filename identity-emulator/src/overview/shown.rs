//! How values look on the page.

use jiff::Timestamp;
use url::Url;

use crate::html::Markup;

/// Longer texts are cut: a user id has no bound of its own.
const LONGEST: usize = 120;

/// Text on one line, cut, without characters that would hide or reorder others.
pub(super) fn line(text: &str) -> String {
    let mut characters = text.chars();
    let mut line: String = characters.by_ref().take(LONGEST).map(visible).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

fn visible(character: char) -> char {
    let reorders =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if reorders || character.is_control() { '\u{fffd}' } else { character }
}

/// A URL up to its query, without user name and password: all of these may hold a secret.
pub(super) fn url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "(not a URL)".to_owned() };
    // These cannot be set, and need not be, where there is no host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let more = if url.query().is_some() { "?…" } else { "" };
    url.set_query(None);
    format!("{}{more}", line(url.as_str()))
}

/// A moment, to the second.
pub(super) fn moment(at: Timestamp) -> Markup {
    Markup::new("<time datetime=\"")
        .text(format_args!("{at:.0}"))
        .raw("\">")
        .text(at.strftime("%Y-%m-%d %H:%M:%S UTC"))
        .raw("</time>")
}

/// How long ago that was, in the largest unit that fits.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn long_and_odd_text_is_tamed() {
        assert_eq!(line("plain"), "plain");
        assert_eq!(line("a\nb\u{202e}c"), "a\u{fffd}b\u{fffd}c");
        let shown = line(&"ä".repeat(LONGEST + 1));
        assert!(shown.ends_with("ä…") && shown.chars().count() == LONGEST + 1);
        assert_eq!(line(&"ä".repeat(LONGEST)), "ä".repeat(LONGEST));
    }

    #[test]
    fn urls_lose_what_may_be_secret() {
        for (text, expected) in [
            ("https://a.example/cb", "https://a.example/cb"),
            ("https://user:hush@a.example/cb?key=hush#hush", "https://a.example/cb?…"),
            ("my-app:/done?x", "my-app:/done?…"),
            ("mailto:a@b.example", "mailto:a@b.example"),
            ("hush", "(not a URL)"),
        ] {
            assert_eq!(url(text), expected);
        }
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, expected) in
            [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min"), (7_200, "2 h"), (200_000, "2 d")]
        {
            let now = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            assert_eq!(age(Timestamp::UNIX_EPOCH, now), expected);
        }
    }
}
