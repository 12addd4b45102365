//! The cookie that shows that the browser which comes back is the one that set out.

use http::{HeaderMap, header::COOKIE};

/// One cookie a consent, so that two at once do not overwrite each other.
pub(crate) struct Cookie {
    name: String,
    secure: bool,
}

impl Cookie {
    pub(crate) fn new(handle: &str, secure: bool) -> Self {
        // `__Host-`: no other host, not even a subdomain, can set it (RFC 6265bis section 4.1.3.2).
        let prefix = if secure { "__Host-" } else { "" };
        let tag: String = handle.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(16).collect();
        Self { name: format!("{prefix}consent-{tag}"), secure }
    }

    pub(crate) fn set(&self, value: &str) -> String {
        self.line(value, 3600)
    }

    pub(crate) fn removed(&self) -> String {
        self.line("", 0)
    }

    fn line(&self, value: &str, max_age: u32) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", self.name)
    }

    /// Its value in a request; none if there are several, for then somebody else has set one.
    pub(crate) fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == self.name).map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }
}
