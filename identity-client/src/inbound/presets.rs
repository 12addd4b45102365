//! Whose tokens: any OpenID issuer, and what is known of the platforms' own.

use secrecy::SecretString;

use super::{
    algorithm::Algorithm,
    builder::{Keys, TokenVerifierBuilder},
    issuer::WELL_KNOWN,
    verifier::TokenVerifier,
};
use crate::error::BuildError;

impl TokenVerifier {
    /// Access tokens of an OpenID issuer, for example `https://id.example.com`, exactly as its tokens have it.
    ///
    /// Name the audience with [`with_audience`](TokenVerifierBuilder::with_audience).
    ///
    /// ```
    /// # use identity_client::inbound::TokenVerifier;
    /// let verifier = TokenVerifier::issuer("https://id.example.com")
    ///     .with_audience("https://agent.example.com")
    ///     .with_required_scope("agent.invoke")
    ///     .build()?;
    /// # Ok::<(), identity_client::BuildError>(())
    /// ```
    #[must_use]
    pub fn issuer(issuer: impl Into<String>) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), Keys::Discovered(None))
    }

    /// ID tokens of an OpenID issuer for this client: for a login, with [`verify_id_token`](Self::verify_id_token).
    #[must_use]
    pub fn id_tokens(issuer: impl Into<String>, client_id: impl Into<String>) -> TokenVerifierBuilder {
        Self::issuer(issuer).for_id_tokens(client_id)
    }

    /// As [`issuer`](Self::issuer), by the URL of the discovery document; the issuer is what stands before
    /// `/.well-known/openid-configuration`, unless [`with_issuer`](TokenVerifierBuilder::with_issuer) says otherwise.
    ///
    /// # Errors
    /// For a URL that does not end so.
    pub fn discovery(url: impl AsRef<str>) -> Result<TokenVerifierBuilder, BuildError> {
        let url = url.as_ref().trim();
        let issuer = url.strip_suffix(WELL_KNOWN).ok_or_else(|| {
            BuildError::broken(
                "the discovery URL does not end with `/.well-known/openid-configuration`",
                "give the whole URL, or the issuer with `TokenVerifier::issuer` and the URL with `with_discovery_url`",
            )
        })?;
        Ok(Self::issuer(issuer).with_discovery_url(url))
    }

    /// As [`issuer`](Self::issuer), with keys at hand: see [`with_fixed_keys`](TokenVerifierBuilder::with_fixed_keys).
    #[must_use]
    pub fn fixed_keys(issuer: impl Into<String>, jwks: impl Into<String>) -> TokenVerifierBuilder {
        Self::issuer(issuer).with_fixed_keys(jwks)
    }

    /// Access tokens that are signed with a secret shared with the issuer, with HS256 unless told otherwise. Whoever can verify
    /// can also sign: prefer published keys.
    #[must_use]
    pub fn shared_secret(issuer: impl Into<String>, secret: SecretString) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), Keys::Secret(secret)).with_algorithms([Algorithm::Hs256])
    }

    /// Access tokens of a Volcengine user pool, by the `DiscoveryUrl` that `GetUserPool` answers: RS256; `aud` and `client_id` are
    /// the client, so the allowed clients must be named.
    ///
    /// For the ID tokens of a client add [`for_id_tokens`](TokenVerifierBuilder::for_id_tokens). If the document names another issuer
    /// than its URL says, give the pool's `IssuerUrl` with [`with_issuer`](TokenVerifierBuilder::with_issuer).
    ///
    /// # Errors
    /// As [`discovery`](Self::discovery).
    pub fn volcengine_user_pool(discovery_url: impl AsRef<str>) -> Result<TokenVerifierBuilder, BuildError> {
        let builder = Self::discovery(discovery_url)?;
        Ok(builder.with_algorithms([Algorithm::Rs256]).with_clients_as_audiences())
    }

    /// The same by region (for example `cn-beijing`) and pool id. Prefer the URL: the form of it is the vendor's to change.
    ///
    /// # Errors
    /// For names that are not letters, digits and hyphens.
    pub fn volcengine_user_pool_in(
        region: impl AsRef<str>,
        pool_id: impl AsRef<str>,
    ) -> Result<TokenVerifierBuilder, BuildError> {
        let (region, pool_id) = (label(region.as_ref(), "the region")?, label(pool_id.as_ref(), "the user pool id")?);
        // https://userpool-<uid>.userpool.auth.id.<region>.volces.com serves discovery, tokens and keys.
        Self::volcengine_user_pool(format!(
            "https://userpool-{pool_id}.userpool.auth.id.{region}.volces.com{WELL_KNOWN}"
        ))
    }

    /// Access tokens of an Alibaba Cloud IDaaS instance, whose issuer is `https://{domain}/api/v2/iauths_system/oauth2`: RS256, and
    /// required scopes in the form `audience|permission` in which clients ask for them. The audience is then checked as well.
    ///
    /// In the token `aud` has the audience and `scope` the bare permission; the whole form is understood, too. The user carries the
    /// token, for which the platform `idaas` gives others in exchange.
    ///
    /// ```
    /// # use identity_client::inbound::TokenVerifier;
    /// let verifier = TokenVerifier::alibaba_idaas("https://example.aliyunidaas.com/api/v2/iauths_system/oauth2")
    ///     .with_required_scope("https://agent.example.com|agent.access")
    ///     .build()?;
    /// # Ok::<(), identity_client::BuildError>(())
    /// ```
    #[must_use]
    pub fn alibaba_idaas(issuer: impl Into<String>) -> TokenVerifierBuilder {
        Self::issuer(issuer).with_algorithms([Algorithm::Rs256]).with_permissions().with_kept_token(true)
    }

    /// ID tokens of Alibaba Cloud OAuth (`https://oauth.aliyun.com`) for this application: RS256.
    #[must_use]
    pub fn alibaba_oauth(client_id: impl Into<String>) -> TokenVerifierBuilder {
        Self::id_tokens("https://oauth.aliyun.com", client_id).with_algorithms([Algorithm::Rs256])
    }
}

/// A part of a host name, so that it cannot lead to another host.
fn label<'a>(text: &'a str, what: &str) -> Result<&'a str, BuildError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.is_empty() || text.len() > 63 || !text.bytes().all(fits) {
        return Err(BuildError::broken(
            format!("{what} is no part of a host name"),
            "give letters, digits and hyphens",
        ));
    }
    Ok(text)
}
