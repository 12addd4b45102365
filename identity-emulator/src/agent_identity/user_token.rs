//! Tokens about users, verified against the keys of the issuer that the agent trusts: contract section 5.2.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::Url;

use super::error::ApiError;
use crate::core::Core;
use crate::user::User;
use crate::vault::{BoundAgent, TrustedIssuer};

/// No token is longer.
const LONGEST: usize = 16 * 1024;
/// How far the clocks of issuers may be from ours, in seconds.
const SKEW: i64 = 60;
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Whom a token names.
pub(super) struct Known {
    pub(super) user: User,
    /// As the API shows them.
    pub(super) claims: Value,
    pub(super) end: Timestamp,
}

fn refused(why: &'static str) -> ApiError {
    ApiError::bad("InvalidParameter.JsonWebToken", why)
}

/// A token, taken apart but not believed.
struct Parts<'a> {
    signed: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn read(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= LONGEST)?;
        let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.'))?;
        let object = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { signed, header: object(header)?, claims: object(claims)?, signature })
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn moment(&self, claim: &str) -> Option<i64> {
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second does not matter")]
        self.claims.get(claim).and_then(Value::as_f64).map(|seconds| seconds as i64)
    }

    fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Whom the token names; the agent's own issuer must have signed it, for one of its audiences, and it must hold now.
pub(super) async fn verify(core: &Core, agent: &BoundAgent, token: &str) -> Result<Known, ApiError> {
    let issuer = {
        let state = core.vault.read();
        let name = agent.issuer.as_deref();
        let name =
            name.ok_or_else(|| refused("The workload identity has no identity provider; update it to name one."))?;
        Arc::clone(state.issuer(name).map_err(|refusal| ApiError::about("IdentityProvider", refusal))?)
    };
    let parts = Parts::read(token).ok_or_else(|| refused("The user token is not a signed JSON Web Token."))?;
    // What can be refused without asking anybody is refused first.
    let end = check(&parts, &issuer, core.clock.now().as_second())?;
    let keys = keys(core, &issuer, &parts).await?;
    if !is_signed(&parts, &keys) {
        return Err(refused("The signature of the user token is by no key of its issuer."));
    }
    let subject = parts.text("sub").filter(|sub| !sub.chars().any(char::is_control));
    let subject = subject.ok_or_else(|| refused("The user token names no subject."))?;
    let by = parts.text("iss").unwrap_or_default();
    let mut claims = json!({
        "Issuer": by, "Subject": subject,
        // A list inside a text: contract section 3.
        "Audiences": json!(parts.audiences()).to_string(),
    });
    if let Some(id) = parts.text("jti") {
        claims["JTI"] = id.into();
    }
    let end = Timestamp::from_second(end).unwrap_or(Timestamp::MAX);
    Ok(Known { user: User::vouched(subject, by), claims, end })
}

/// Times and audience; answers the end.
fn check(parts: &Parts<'_>, issuer: &TrustedIssuer, now: i64) -> Result<i64, ApiError> {
    let end = parts.moment("exp").ok_or_else(|| refused("The user token has no end."))?;
    if now >= end.saturating_add(SKEW) {
        return Err(refused("The user token has expired."));
    }
    let begins = |claim| parts.moment(claim).is_some_and(|at| at > now.saturating_add(SKEW));
    if begins("nbf") || begins("iat") {
        return Err(refused("The user token does not hold yet."));
    }
    let audiences = parts.audiences();
    if !issuer.audiences.iter().any(|allowed| audiences.contains(&allowed.as_str())) {
        return Err(refused("The audience of the user token is none of the identity provider's."));
    }
    Ok(end)
}

/// The issuer's keys, of whoever the discovery document says that the issuer is; the token must be by just that one.
async fn keys(core: &Core, issuer: &TrustedIssuer, parts: &Parts<'_>) -> Result<Vec<Value>, ApiError> {
    let unreachable = || {
        let message = "The discovery document of the identity provider or its keys could not be fetched.";
        ApiError::bad("InvalidOAuthDiscoveryURL", message)
    };
    let url: Url = issuer.discovery_url.parse().map_err(|_| unreachable())?;
    let document = core.engine.fetch(&url).await.map_err(|_| unreachable())?;
    let text = |member: &str| document.get(member).and_then(Value::as_str);
    // OpenID Connect Discovery 1.0 section 4.3: what is at an issuer's address speaks for that issuer only.
    let named = text("issuer").filter(|named| {
        issuer.discovery_url.strip_suffix(DISCOVERY).is_none_or(|base| base == named.trim_end_matches('/'))
    });
    if named.is_none() || parts.text("iss") != named {
        return Err(refused("The user token is not by the workload identity's identity provider."));
    }
    let address: Option<Url> = text("jwks_uri").and_then(|url| url.parse().ok());
    let keys = core.engine.fetch(&address.ok_or_else(unreachable)?).await.map_err(|_| unreachable())?;
    Ok(keys.get("keys").and_then(Value::as_array).cloned().unwrap_or_default())
}

fn is_signed(parts: &Parts<'_>, keys: &[Value]) -> bool {
    if parts.header.contains_key("crit") {
        return false;
    }
    let Some(algorithm) = parts.header.get("alg").and_then(Value::as_str) else { return false };
    let wanted = parts.header.get("kid");
    let fits = |key: &&Value| {
        let says = |member: &str, expected: &str| key.get(member).is_none_or(|value| value == expected);
        wanted.is_none_or(|id| key.get("kid") == Some(id)) && says("alg", algorithm) && says("use", "sig")
    };
    keys.iter().filter(fits).take(16).any(|key| verifies(parts, algorithm, key).is_some())
}

fn verifies(parts: &Parts<'_>, algorithm: &str, key: &Value) -> Option<()> {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
    let is = |member: &str, expected: &str| (key.get(member)?.as_str()? == expected).then_some(());
    let (message, signature) = (parts.signed.as_bytes(), parts.signature.as_slice());
    let rsa = match algorithm {
        "RS256" => Some(&RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Some(&RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Some(&RSA_PKCS1_2048_8192_SHA512),
        "PS256" => Some(&RSA_PSS_2048_8192_SHA256),
        _ => None,
    };
    if let Some(parameters) = rsa {
        is("kty", "RSA")?;
        let key = RsaPublicKeyComponents { n: member("n")?, e: member("e")? };
        return key.verify(parameters, message, signature).ok();
    }
    if algorithm == "EdDSA" {
        is("crv", "Ed25519")?;
        return UnparsedPublicKey::new(&ED25519, member("x")?).verify(message, signature).ok();
    }
    let (curve, parameters) = match algorithm {
        "ES256" => ("P-256", &ECDSA_P256_SHA256_FIXED),
        "ES384" => ("P-384", &ECDSA_P384_SHA384_FIXED),
        _ => return None,
    };
    is("crv", curve)?;
    let point = [&[4], member("x")?.as_slice(), member("y")?.as_slice()].concat();
    UnparsedPublicKey::new(parameters, point).verify(message, signature).ok()
}
