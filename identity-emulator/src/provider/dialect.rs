//! In what providers differ from each other.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::store::Issued;
use super::{BuiltInProvider, TokenInfo};
use crate::agentkit::Signer;
use crate::oauth::{OAuthFailure, random_token};

/// In what one provider differs from the plain one.
#[derive(Clone)]
pub(super) enum Dialect {
    /// The words of the standards, opaque tokens, PKCE always.
    Plain,
    /// The scope rules and error codes of Feishu.
    Feishu,
    /// A platform's user pool: signed tokens, PKCE for those who use it.
    UserPool(Arc<Signer>),
}

impl Dialect {
    /// Between the issuer and the name of an endpoint.
    pub(super) fn below(&self) -> &'static str {
        match self {
            Self::Plain | Self::Feishu => "",
            Self::UserPool(_) => "oauth/",
        }
    }

    pub(super) fn requires_pkce(&self) -> bool {
        !matches!(self, Self::UserPool(_))
    }

    /// What the person is told instead of being asked, when a scope is none here.
    pub(super) fn scope_complaint(&self, scopes: &[String]) -> Option<String> {
        let Self::Feishu = self else { return None };
        let wrong = scopes.iter().find(|scope| !is_feishu_scope(scope))?;
        Some(format!(
            "The scope {wrong} is incorrect (error code 20043). Feishu has scopes of its own, such as docx:document:readonly."
        ))
    }

    /// What the person is told when the address to return to is not registered.
    pub(super) fn redirect_complaint(&self) -> &'static str {
        match self {
            Self::Feishu => {
                "The redirect_uri is illegal (error code 20029): it is not in the application's list of redirect URLs."
            }
            Self::Plain | Self::UserPool(_) => "The address to return to is not registered for this application.",
        }
    }

    pub(super) fn refreshes(&self, scopes: &[String]) -> bool {
        !matches!(self, Self::Feishu) || scopes.iter().any(|scope| scope == OFFLINE)
    }
}

const OFFLINE: &str = "offline_access";

/// Scopes of Feishu name an application and what may be done with it: `docx:document:readonly`, `drive:drive`.
fn is_feishu_scope(scope: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.'))
    };
    scope == OFFLINE || (scope.contains(':') && scope.split(':').all(word))
}

impl BuiltInProvider {
    /// A new access token for this.
    pub(super) fn mint(&self, info: &TokenInfo) -> Result<SecretString, OAuthFailure> {
        let Dialect::UserPool(signer) = &self.dialect else { return random_token() };
        let mut claims = self.claims(info.subject.as_deref(), info.expires_at.as_second());
        claims["client_id"] = (*self.client_id).into();
        claims["jti"] = crate::random::uuid().into();
        claims["scope"] = info.scopes.join(" ").into();
        signer.sign(&claims).ok_or(OAuthFailure::Unequipped("the token could not be signed"))
    }

    /// Whom the token of an exchange names; only a user pool knows its own tokens again.
    pub(super) fn subject_of(&self, token: &str) -> Option<String> {
        let Dialect::UserPool(signer) = &self.dialect else { return None };
        let claims = signer.claims(token)?;
        let is_ours = claims.get("iss").and_then(Value::as_str) == Some(self.issuer());
        let holds = claims.get("exp").and_then(Value::as_i64).is_some_and(|end| self.now().as_second() < end);
        let subject = claims.get("sub").and_then(Value::as_str).filter(|_| is_ours && holds)?;
        Some(subject.to_owned())
    }

    /// As [`mint`](Self::mint), for what is exchanged: for this audience, and with the client as the one who acts.
    pub(super) fn mint_exchanged(
        &self,
        info: &TokenInfo,
        audience: Option<&str>,
    ) -> Result<SecretString, OAuthFailure> {
        let failed = OAuthFailure::Unequipped("the token could not be signed");
        let Dialect::UserPool(signer) = &self.dialect else { return Err(failed) };
        let mut claims = self.claims(info.subject.as_deref(), info.expires_at.as_second());
        claims["client_id"] = (*self.client_id).into();
        claims["act"] = json!({ "sub": &*self.client_id });
        claims["jti"] = crate::random::uuid().into();
        claims["scope"] = info.scopes.join(" ").into();
        if let Some(audience) = audience {
            claims["aud"] = audience.into();
        }
        signer.sign(&claims).ok_or(failed)
    }

    /// The ID token that goes with what was issued, if one does.
    pub(super) fn id_token(&self, issued: &Issued) -> Option<SecretString> {
        let Dialect::UserPool(signer) = &self.dialect else { return None };
        let subject = issued.subject.as_deref().filter(|_| issued.scopes.iter().any(|scope| scope == "openid"))?;
        let lifetime = i64::try_from(self.token_lifetime.as_secs()).ok()?;
        let mut claims = self.claims(Some(subject), self.now().as_second().saturating_add(lifetime));
        if let Some(nonce) = &issued.nonce {
            claims["nonce"] = nonce.as_str().into();
        }
        signer.sign(&claims)
    }

    fn claims(&self, subject: Option<&str>, end: i64) -> Value {
        json!({
            "iss": self.issuer(),
            "sub": subject.unwrap_or(&self.client_id),
            "aud": &*self.client_id,
            "iat": self.now().as_second(),
            "exp": end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feishu_knows_its_own_scopes_only() {
        for good in ["docx:document:readonly", "drive:drive", "docs:document.content:read", "offline_access"] {
            assert!(is_feishu_scope(good), "{good}");
        }
        for bad in ["openid", "profile", "email", "repo", "https://www.googleapis.com/auth/drive", "a:", ":", ""] {
            assert!(!is_feishu_scope(bad), "{bad}");
        }
    }
}
