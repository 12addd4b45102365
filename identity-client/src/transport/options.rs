//! How a platform is reached: times, TLS, proxy, and the client that is built of them. Redirects are never followed.

use std::{fmt, time::Duration};

use http::HeaderValue;

use crate::{error::BuildError, retry::RetryPolicy};

/// How a platform is reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    connect_timeout: Duration,
    attempt_timeout: Duration,
    pub(super) retry: RetryPolicy,
    roots: Vec<Vec<u8>>,
    proxy: Option<String>,
    product: Option<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(15),
            retry: RetryPolicy::default(),
            roots: Vec::new(),
            proxy: None,
            product: None,
        }
    }
}

impl HttpOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For connecting, TLS included. Default: 5 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For one try, from connecting to the end of the body. Default: 15 s.
    #[must_use]
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How often and how long is tried. Default: 3 tries, 30 s in all.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Trusts only the certificates given with this method, instead of those of the operating system. One PEM certificate
    /// each time.
    #[must_use]
    pub fn with_root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Goes through this HTTP proxy, with https: what is plain http does not leave this machine, or the metadata service of its
    /// cloud, and goes to no proxy. Default: none, whatever the environment says: a variable must not decide where credentials
    /// travel.
    #[must_use]
    pub fn with_proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// What the agent calls itself in `User-Agent`, for example `my-agent/1.2`.
    #[must_use]
    pub fn with_product(mut self, product: impl Into<String>) -> Self {
        self.product = Some(product.into());
        self
    }

    pub(super) fn client(&self) -> Result<reqwest::Client, BuildError> {
        let broken = |what: &str| BuildError::broken(what.to_owned(), "see `HttpOptions`");
        let product = self.product.as_deref().map_or_else(String::new, |product| format!(" {product}"));
        let user_agent = HeaderValue::try_from(format!("identity-client/{}{product}", env!("CARGO_PKG_VERSION")))
            .map_err(|_| broken("the product name cannot stand in a User-Agent header"))?;
        #[cfg(all(feature = "rustls-no-provider", not(any(feature = "rustls-tls", feature = "native-tls"))))]
        check_provider()?;
        #[expect(clippy::disallowed_methods, reason = "the one place that builds the client")]
        let mut builder = reqwest::Client::builder()
            .user_agent(user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .timeout(self.attempt_timeout)
            .pool_idle_timeout(Duration::from_secs(60));
        if let Some(proxy) = &self.proxy {
            // A tunnel hides what goes through it; a plain request would be the proxy's to read.
            let proxy = reqwest::Proxy::https(proxy).map_err(|_| broken("the proxy is not a URL"))?;
            builder = builder.proxy(proxy);
        }
        trust(builder, &self.roots)?.build().map_err(|error| {
            BuildError::broken("the HTTP client cannot be built", "see its cause: mostly TLS roots that cannot be read")
                .with_source(error.without_url())
        })
    }
}

impl fmt::Debug for HttpOptions {
    /// A proxy URL can hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("retry", &self.retry)
            .field("roots", &self.roots.len())
            .field("proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

/// reqwest would panic instead.
#[cfg(all(feature = "rustls-no-provider", not(any(feature = "rustls-tls", feature = "native-tls"))))]
fn check_provider() -> Result<(), BuildError> {
    if rustls::crypto::CryptoProvider::get_default().is_some() {
        return Ok(());
    }
    Err(BuildError::missing(
        "no TLS crypto provider is installed in this process",
        "install one before the client is built, for example `rustls::crypto::ring::default_provider().install_default()`, or use the feature `rustls-tls`",
    ))
}

#[cfg(any(feature = "rustls-tls", feature = "rustls-no-provider", feature = "native-tls"))]
fn trust(builder: reqwest::ClientBuilder, roots: &[Vec<u8>]) -> Result<reqwest::ClientBuilder, BuildError> {
    if roots.is_empty() {
        return Ok(builder);
    }
    let certificates =
        roots.iter().map(|pem| reqwest::Certificate::from_pem(pem)).collect::<Result<Vec<_>, _>>().map_err(|_| {
            BuildError::broken(
                "a root certificate is not PEM",
                "give the text from -----BEGIN CERTIFICATE----- to its end",
            )
        })?;
    Ok(builder.tls_certs_only(certificates))
}

#[cfg(not(any(feature = "rustls-tls", feature = "rustls-no-provider", feature = "native-tls")))]
fn trust(builder: reqwest::ClientBuilder, roots: &[Vec<u8>]) -> Result<reqwest::ClientBuilder, BuildError> {
    if roots.is_empty() {
        return Ok(builder);
    }
    Err(BuildError::broken(
        "root certificates were given, but no TLS is compiled in",
        "enable the feature `rustls-tls`",
    ))
}
