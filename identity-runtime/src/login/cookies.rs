//! The cookies of a login: one for each attempt, and those that the session is split into.

use http::{HeaderMap, header::COOKIE};

use crate::return_url::cookie::Cookie;

/// Browsers take 4,096 bytes for name, value and attributes of one cookie (RFC 6265 section 6.1).
const PIECE: usize = 3_800;
/// Together they must pass through proxies that take 16 KiB of headers.
pub(super) const MOST_PIECES: usize = 3;
/// More attempts at once than one browser has tabs for a login.
const MOST_ATTEMPTS: usize = 8;

/// How the cookies of one application are called. Cookies know no ports, so on one machine the port tells applications apart.
#[derive(Debug, Clone)]
pub(super) struct Names {
    suffix: String,
    secure: bool,
}

impl Names {
    pub(super) fn new(port: Option<u16>, secure: bool) -> Self {
        Self { suffix: port.map(|port| format!("-{port}")).unwrap_or_default(), secure }
    }

    /// That of the attempt with this state. Its first 72 bits tell attempts apart; the rest keeps it secret.
    pub(super) fn attempt(&self, state: &str) -> Cookie {
        let tag: String = state.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(12).collect();
        Cookie::named(&format!("{}{tag}", self.attempt_stem()), self.secure)
    }

    fn attempt_stem(&self) -> String {
        format!("login{}.", self.suffix)
    }

    fn piece(&self, index: usize) -> Cookie {
        Cookie::named(&format!("session{}.{index}", self.suffix), self.secure)
    }

    /// The lines that set a session; `None` if it is too long. What an earlier, longer one has left in the browser goes.
    pub(super) fn set_session(&self, sealed: &str, max_age: u64, headers: &HeaderMap) -> Option<Vec<String>> {
        let count = sealed.len().div_ceil(PIECE);
        if count == 0 || count > MOST_PIECES {
            return None;
        }
        // Sealed text is ASCII.
        let pieces = (0..count).map(|index| &sealed[index * PIECE..sealed.len().min((index + 1) * PIECE)]);
        let lines = pieces.enumerate().map(|(index, piece)| {
            let value = if index == 0 { format!("{count}{piece}") } else { piece.to_owned() };
            self.piece(index).set_for(&value, max_age)
        });
        Some(lines.chain(self.removed_from(count, headers)).collect())
    }

    /// The lines that remove a session.
    pub(super) fn remove_session(&self, headers: &HeaderMap) -> Vec<String> {
        self.removed_from(0, headers).collect()
    }

    fn removed_from(&self, first: usize, headers: &HeaderMap) -> impl Iterator<Item = String> {
        let pieces = (first..MOST_PIECES).map(|index| self.piece(index));
        pieces.filter(|piece| piece.is_in(headers)).map(|piece| piece.removed())
    }

    /// The sealed session of a request.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<String> {
        let first = self.piece(0);
        let value = first.value(headers)?;
        let count = value.chars().next()?.to_digit(10)? as usize;
        if !(1..=MOST_PIECES).contains(&count) {
            return None;
        }
        let mut sealed = value[1..].to_owned();
        for index in 1..count {
            sealed.push_str(self.piece(index).value(headers)?);
        }
        Some(sealed)
    }

    /// The lines that make room for one more attempt: those beyond the limit go, whichever they are.
    pub(super) fn make_room(&self, headers: &HeaderMap) -> Vec<String> {
        let stem = Cookie::named(&self.attempt_stem(), self.secure);
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let names =
            lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('=')).map(|pair| pair.0);
        let attempts: Vec<_> = names.filter(|name| name.starts_with(stem.name())).collect();
        let excess = (attempts.len() + 1).saturating_sub(MOST_ATTEMPTS);
        // Browsers send what is older first (RFC 6265 section 5.4).
        attempts.iter().take(excess).map(|name| stem.removed_as(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[String]) -> HeaderMap {
        let pairs: Vec<_> = lines.iter().map(|line| line.split(';').next().unwrap()).collect();
        HeaderMap::from_iter([(COOKIE, pairs.join("; ").parse().unwrap())])
    }

    #[test]
    fn a_session_is_split_and_put_together() {
        let names = Names::new(None, true);
        for length in [1, PIECE, PIECE + 1, MOST_PIECES * PIECE] {
            let sealed: String = "abcdefghij".chars().cycle().take(length).collect();
            let lines = names.set_session(&sealed, 60, &HeaderMap::new()).unwrap();
            assert!(lines.iter().all(|line| line.len() <= 4096), "{length}");
            assert!(lines.iter().all(|line| line.starts_with("__Host-session.")
                && line.contains("; Secure")
                && line.contains("; HttpOnly")
                && line.contains("; SameSite=Lax")
                && line.contains("; Max-Age=60;")
                && line.contains("; Path=/;")
                && !line.contains("Domain")));
            assert_eq!(names.session(&headers(&lines)), Some(sealed));
        }
        assert!(names.set_session(&"x".repeat(MOST_PIECES * PIECE + 1), 60, &HeaderMap::new()).is_none());
        assert!(names.set_session("", 60, &HeaderMap::new()).is_none());
    }

    #[test]
    fn an_attempt_is_for_its_own_host_over_https_and_for_no_script() {
        let line = Names::new(Some(8443), true).attempt("state-1").set_for("x", 600);
        assert_eq!(line, "__Host-login-8443.state-1=x; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure");
    }

    #[test]
    fn what_a_longer_session_left_is_removed() {
        let names = Names::new(Some(8082), false);
        let long = headers(&names.set_session(&"x".repeat(2 * PIECE + 5), 60, &HeaderMap::new()).unwrap());
        let lines = names.set_session("short", 60, &long).unwrap();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("session-8082.1=;") && lines[1].contains("Max-Age=0"));
        assert_eq!(names.remove_session(&long).len(), 3);
        assert!(names.remove_session(&HeaderMap::new()).is_empty());
    }

    #[test]
    fn what_is_incomplete_or_there_twice_is_no_session() {
        let names = Names::new(None, true);
        let with = |cookies: &str| HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())]);
        for bad in [
            "__Host-session.0=2abc",
            "__Host-session.0=",
            "__Host-session.0=0abc",
            "__Host-session.0=9abc",
            "__Host-session.0=é",
            "__Host-session.0=1a; __Host-session.0=1b",
            "session.0=1abc",
        ] {
            assert_eq!(names.session(&with(bad)), None, "{bad}");
        }
        assert_eq!(names.session(&with("__Host-session.0=1abc")).as_deref(), Some("abc"));
    }

    #[test]
    fn a_browser_keeps_few_attempts() {
        let names = Names::new(None, true);
        let attempts = |count: usize| {
            let lines: Vec<_> =
                (0..count).map(|index| names.attempt(&format!("state-{index:06}")).set_for("x", 60)).collect();
            headers(&lines)
        };
        assert!(names.make_room(&attempts(MOST_ATTEMPTS - 1)).is_empty());
        let removed = names.make_room(&attempts(MOST_ATTEMPTS + 2));
        assert_eq!(removed.len(), 3);
        assert!(
            removed[0].starts_with("__Host-login.state-000000=; ") && removed[0].contains("Max-Age=0"),
            "{removed:?}"
        );
    }
}
