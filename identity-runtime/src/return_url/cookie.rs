//! Cookies that only the browser which got them can show.

use http::{HeaderMap, header::COOKIE};

/// A cookie of this host alone, out of the reach of scripts.
pub(crate) struct Cookie {
    name: String,
    secure: bool,
}

impl Cookie {
    /// That of a consent, which shows that the browser which comes back is the one that set out. One cookie a consent, so that
    /// two at once do not overwrite each other.
    pub(crate) fn new(handle: &str, secure: bool) -> Self {
        let tag: String = handle.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(16).collect();
        Self::named(&format!("consent-{tag}"), secure)
    }

    pub(crate) fn named(name: &str, secure: bool) -> Self {
        // `__Host-`: no other host, not even a subdomain, can set it (RFC 6265bis section 4.1.3.2).
        let prefix = if secure { "__Host-" } else { "" };
        Self { name: format!("{prefix}{name}"), secure }
    }

    #[cfg(feature = "login")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn set(&self, value: &str) -> String {
        self.line(&self.name, value, 3600)
    }

    #[cfg(feature = "login")]
    pub(crate) fn set_for(&self, value: &str, seconds: u64) -> String {
        self.line(&self.name, value, seconds)
    }

    pub(crate) fn removed(&self) -> String {
        self.line(&self.name, "", 0)
    }

    /// Removes another one that has the same attributes.
    #[cfg(feature = "login")]
    pub(crate) fn removed_as(&self, name: &str) -> String {
        self.line(name, "", 0)
    }

    fn line(&self, name: &str, value: &str, max_age: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
    }

    /// Its value in a request; none if there are several, for then somebody else has set one.
    pub(crate) fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut values = self.values(headers);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    #[cfg(feature = "login")]
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        self.values(headers).next().is_some()
    }

    fn values<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == self.name).map(|(_, value)| value)
    }
}
