//! How long to wait for a person, as written in an attribute: `"90s"`.

use std::time::Duration;

use crate::Violation;

/// The longest wait for a person that can be asked for: one hour. No platform keeps a consent session longer than that.
pub const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Reads a whole number with a unit, `ms`, `s`, `m` or `h`: `"500ms"`, `"90s"`, `"2m"`. Above zero, at most [`MAX_WAIT`].
///
/// # Errors
/// A [`Violation`] that shows the form to write.
pub fn parse_duration(text: &str) -> Result<Duration, Violation> {
    let form = || Violation::new("write a whole number and a unit, `ms`, `s`, `m` or `h`: \"90s\"");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| form())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(form()),
    };
    match millis.map(Duration::from_millis) {
        Some(Duration::ZERO) => {
            Err(Violation::new("the duration is zero; write `wait = \"return\"` not to wait at all"))
        }
        Some(duration) if duration <= MAX_WAIT => Ok(duration),
        _ => Err(Violation::new("the duration is longer than one hour, which no consent session outlives")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1h"), Ok(MAX_WAIT));
    }

    #[test]
    fn refuses_everything_else() {
        for bad in
            ["", "s", "90", "90 s", "-1s", "1.5s", "0s", "61m", "2h", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
