//! Credentials of others that count as the application's: contract sections 5.2 to 5.4.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Map, Value};
use url::Url;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::client::{ID_TOKEN_BEARER, PKCS7_BEARER, X509_BEARER};
use super::error::IdaasError;
use super::jws::{Compact, is_for, seconds, text};
use super::{assertion, attested};
use crate::core::Core;
use crate::provider::Parameters;
use crate::vault::{Application, Trust};

/// More certificates than any chain has.
const CERTIFICATES: usize = 8;

/// Whether this assertion of this kind is one that the named credential trusts.
pub(super) async fn check(
    core: &Core,
    application: &Application,
    form: &Parameters,
    (kind, token): (&str, &str),
) -> Result<(), IdaasError> {
    if ![ID_TOKEN_BEARER, X509_BEARER, PKCS7_BEARER].contains(&kind) {
        return Err(IdaasError::invalid("this client_assertion_type is not known"));
    }
    let name = "application_federated_credential_name";
    let name = form.get(name)?.ok_or_else(|| IdaasError::missing(name))?;
    let credential = application.federated.iter().find(|known| known.name == name);
    let credential =
        credential.ok_or_else(|| IdaasError::client("the application has no federated credential of this name"))?;
    match (&credential.trust, kind) {
        (Trust::Oidc { issuer, audience, subject }, ID_TOKEN_BEARER) => {
            // The vendor's packages send the file as it is, with the newline at its end.
            oidc(core, token.trim(), issuer, (audience, subject)).await
        }
        (Trust::Certificates { roots, dns_name }, X509_BEARER) => {
            certificate(core, application, form, token, (roots, dns_name))
        }
        (Trust::Attested { certificates, machine }, PKCS7_BEARER) => {
            attested::check(core, token, (certificates, machine))
        }
        _ => Err(IdaasError::client("the federated credential is of another kind than client_assertion_type")),
    }
}

/// A token of somebody else's issuer, whose keys are fetched anew each time: they may have changed.
async fn oidc(core: &Core, token: &str, issuer: &str, (audience, subject): (&str, &str)) -> Result<(), IdaasError> {
    let refused = |description| Err(IdaasError::client(description));
    let Some(token) = Compact::parse(token) else { return refused("the federated token is no JWT") };
    // Nobody is asked for keys on the token's own word.
    if token.claimed_issuer() != Some(issuer) {
        return refused("the federated token is of another issuer");
    }
    let keys = keys_of(core, issuer).await?;
    let Some(claims) = token.by_set(&keys) else { return refused("no key of the issuer signed the federated token") };
    if !is_live(claims, core.clock.now().as_second()) {
        return refused("the federated token has expired or is not valid yet");
    }
    if !is_for(claims, audience) {
        return refused("the federated token is for another audience");
    }
    if text(claims, "sub") != Some(subject) {
        return refused("the federated token is about another subject");
    }
    Ok(())
}

fn is_live(claims: &Map<String, Value>, now: i64) -> bool {
    seconds(claims, "exp").is_some_and(|end| now < end) && seconds(claims, "nbf").is_none_or(|from| from <= now)
}

async fn keys_of(core: &Core, issuer: &str) -> Result<Value, IdaasError> {
    let unreachable = |_| IdaasError::client("the keys of the federated issuer could not be fetched");
    let parse = |url: &str| Url::parse(url).map_err(|_| IdaasError::client("the federated issuer names no keys"));
    let document = parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
    let named = core.engine.fetch(&document).await.map_err(unreachable)?;
    // A document that names another issuer is not this issuer's (OpenID Connect Discovery section 4.3).
    if named["issuer"].as_str() != Some(issuer) {
        return Err(IdaasError::client("the discovery document is of another issuer"));
    }
    let keys = parse(named["jwks_uri"].as_str().unwrap_or_default())?;
    core.engine.fetch(&keys).await.map_err(unreachable)
}

/// An assertion signed with the key of a certificate that leads to a trusted root.
fn certificate(
    core: &Core,
    application: &Application,
    form: &Parameters,
    token: &str,
    (roots, dns_name): (&str, &str),
) -> Result<(), IdaasError> {
    let refused =
        || IdaasError::client("the certificate does not lead to a trusted root, or is not this application's");
    let leaf = form.get("client_x509")?.ok_or_else(|| IdaasError::missing("client_x509"))?;
    let chain = certificates(form.get("client_x509_chain")?.unwrap_or_default()).ok_or_else(refused)?;
    let roots = certificates(roots).ok_or_else(refused)?;
    let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).map_err(|_| refused())?;
    let leaf = EndEntityCert::try_from(&leaf).map_err(|_| refused())?;
    let anchors: Vec<_> = roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
    let now = u64::try_from(core.clock.now().as_second()).map_err(|_| refused())?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    let name = ServerName::try_from(dns_name).map_err(|_| refused())?;
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &chain, now, KeyUsage::client_auth(), None, None)
        .map_err(|_| refused())?;
    leaf.verify_is_valid_for_subject_name(&name).map_err(|_| refused())?;
    let unsigned = || IdaasError::client("the certificate's key did not make this assertion");
    let token = Compact::parse(token).ok_or_else(unsigned)?;
    let claims = token.by_key(leaf.subject_public_key_info().as_ref()).ok_or_else(unsigned)?;
    assertion::check(core, claims, &application.id)
}

/// `None` if one of them is none, or there are too many.
pub(super) fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).take(CERTIFICATES + 1).collect();
    certificates.ok().filter(|certificates| certificates.len() <= CERTIFICATES)
}
