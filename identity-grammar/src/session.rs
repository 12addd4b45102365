//! What temporary credentials of a role are asked with: how long, under which name, and with which policy.

use std::time::Duration;

use crate::Violation;

/// The shortest and the longest session of a role: a quarter of an hour and an hour, in which every role allows.
pub const SESSION_DURATIONS: std::ops::RangeInclusive<Duration> = Duration::from_secs(900)..=Duration::from_secs(3600);

/// Longer policies are refused by RAM.
const MAX_POLICY: usize = 2048;

/// Checks how long a session of a role is to last: whole seconds, 900 to 3600.
///
/// # Errors
/// A [`Violation`] that names the range.
pub fn check_session_duration(duration: Duration) -> Result<(), Violation> {
    if SESSION_DURATIONS.contains(&duration) && duration.subsec_nanos() == 0 {
        return Ok(());
    }
    Err(Violation::new(
        "a session of a role lasts a whole number of seconds, from 15 minutes (\"15m\") to one hour (\"1h\")",
    ))
}

/// Reads a whole number with a unit, `s`, `m` or `h`: `"900s"`, `"30m"`, `"1h"`.
///
/// # Errors
/// A [`Violation`] that shows the form, or names the range.
pub fn parse_session_duration(text: &str) -> Result<Duration, Violation> {
    let form = || Violation::new("write a whole number and a unit, `s`, `m` or `h`: \"30m\"");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| form())?;
    let seconds = match unit {
        "s" => number,
        "m" => number.saturating_mul(60),
        "h" => number.saturating_mul(3600),
        _ => return Err(form()),
    };
    let duration = Duration::from_secs(seconds);
    check_session_duration(duration).map(|()| duration)
}

/// Checks the name of a session of a role, as RAM allows it: 2 to 64 characters of `A-Z a-z 0-9 . @ - _`.
///
/// # Errors
/// A [`Violation`] that says what is wrong with the name.
pub fn check_session_name(name: &str) -> Result<(), Violation> {
    if let Some(bad) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !".@-_".contains(*c)) {
        return Err(Violation::new(format!(
            "the session name has the character {bad:?}; such names are made of ASCII letters, digits and `.` `@` `-` `_`"
        )));
    }
    if (2..=64).contains(&name.len()) {
        return Ok(());
    }
    Err(Violation::new(format!("the session name has {} characters; 2 to 64 are allowed", name.len())))
}

/// Checks a policy that narrows what temporary credentials allow: a JSON object of at most 2048 bytes. What it says is for the
/// platform to judge.
///
/// # Errors
/// A [`Violation`] that says where it is no JSON. The policy is not quoted.
pub fn check_policy(policy: &str) -> Result<(), Violation> {
    if policy.len() > MAX_POLICY {
        return Err(Violation::new(format!("the policy has {} bytes; at most {MAX_POLICY} are allowed", policy.len())));
    }
    match serde_json::from_str::<serde_json::Value>(policy) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(Violation::new("the policy is JSON, but no object; write {\"Version\":\"1\",\"Statement\":[…]}")),
        Err(error) => {
            Err(Violation::new(format!("the policy is not JSON (line {}, column {})", error.line(), error.column())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_seconds_in_range() {
        for (text, seconds) in [("900s", 900), ("15m", 900), ("60m", 3600), ("1h", 3600)] {
            assert_eq!(parse_session_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in [
            "",
            "900",
            "899s",
            "14m",
            "2h",
            "61m",
            "3601s",
            "900000ms",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse_session_duration(bad).is_err(), "{bad}");
        }
        assert!(check_session_duration(Duration::from_millis(900_500)).is_err());
    }

    #[test]
    fn names_and_policies() {
        for name in ["ab", "agent@example.com", &"x".repeat(64)] {
            assert_eq!(check_session_name(name), Ok(()));
        }
        for bad in ["", "a", "a b", "a/b", "ä-ö", &"x".repeat(65)] {
            assert!(check_session_name(bad).is_err(), "{bad}");
        }
        assert_eq!(check_policy(r#" {"Version":"1","Statement":[]} "#), Ok(()));
        for bad in ["", "{", "[]", "1", "{}x", "{'a':1}", &format!("{{\"a\":\"{}\"}}", "x".repeat(2048))] {
            assert!(check_policy(bad).is_err(), "{bad}");
        }
        assert!(!check_policy("{\"a\": hunter2}").unwrap_err().to_string().contains("hunter2"));
    }
}
