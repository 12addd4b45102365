//! Documents by which a cloud vouches for a machine: PKCS#7 (RFC 5652), contract section 5.2.
//!
//! Who signs them is told by the seed. The contract does not say what is in them; here it is what the cloud documents of its instance
//! identity: `instance-id`, and in `audience` the text that the metadata service was asked with.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfo};
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::attr::Attributes;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::der::{Decode as _, Encode as _};

use super::error::IdaasError;
use super::federation::certificates;
use crate::core::Core;

/// As long as the vendor's packages keep a document, in seconds; and by how much clocks may differ.
const LIFETIME: i64 = 3600;
const SKEW: i64 = 60;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A digest, with the signatures over it: RSA, and EC on P-256. SHA-1 is none of them.
type Hash = (ObjectIdentifier, &'static digest::Algorithm, [(ObjectIdentifier, &'static dyn VerificationAlgorithm); 2]);

const HASHES: [Hash; 3] = [
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
        &digest::SHA256,
        [
            (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), &signature::RSA_PKCS1_2048_8192_SHA256),
            (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), &signature::ECDSA_P256_SHA256_ASN1),
        ],
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
        &digest::SHA384,
        [
            (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), &signature::RSA_PKCS1_2048_8192_SHA384),
            (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), &signature::ECDSA_P256_SHA384_ASN1),
        ],
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        &digest::SHA512,
        [
            (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), &signature::RSA_PKCS1_2048_8192_SHA512),
            (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"), &signature::ECDSA_P256_SHA512_ASN1),
        ],
    ),
];

/// Whether these are certificates that documents can be verified with.
pub(crate) fn is_signer(pem: &str) -> bool {
    let parsed = |der: &CertificateDer<'_>| Certificate::from_der(der).is_ok();
    certificates(pem).is_some_and(|signers| !signers.is_empty() && signers.iter().all(parsed))
}

/// Whether one of these certificates signed this document, about this machine, for this instance, within the hour.
pub(super) fn check(core: &Core, document: &str, (signers, machine): (&str, &str)) -> Result<(), IdaasError> {
    let refused = |description| Err(IdaasError::client(description));
    let now = core.clock.now().as_second();
    let signers = certificates(signers).unwrap_or_default();
    let signers: Vec<_> = signers.iter().filter_map(|signer| Certificate::from_der(signer).ok()).collect();
    let Some(document) = SignedDocument::parse(document) else {
        return refused("the attested document is no PKCS#7 with its content in it");
    };
    if !signers.iter().filter(|signer| is_valid(signer, now)).any(|signer| document.is_by(signer).is_some()) {
        return refused("no certificate that is trusted for it signed the attested document");
    }
    let content: Value = serde_json::from_slice(&document.content).unwrap_or_default();
    if content["instance-id"].as_str() != Some(machine) {
        return refused("the attested document is about another machine");
    }
    let audience: Value =
        content["audience"].as_str().map(serde_json::from_str).and_then(Result::ok).unwrap_or_default();
    if audience["aud"].as_str() != Some(core.idaas.instance.as_str()) {
        return refused("the attested document is for another instance");
    }
    let is_fresh = |at: i64| (now - LIFETIME..=now + SKEW).contains(&at);
    if !audience["signingTime"].as_i64().is_some_and(is_fresh) {
        return refused("the attested document is older than an hour, or of the future: check the clock");
    }
    Ok(())
}

fn is_valid(signer: &Certificate, now: i64) -> bool {
    let validity = signer.tbs_certificate().validity();
    let [from, until] = [validity.not_before, validity.not_after].map(|at| at.to_unix_duration().as_secs());
    u64::try_from(now).is_ok_and(|now| (from..=until).contains(&now))
}

/// A document whose content is in it. Nothing of that is true before its signature was verified.
struct SignedDocument {
    content: Vec<u8>,
    kind: ObjectIdentifier,
    signer: SignerInfo,
}

impl SignedDocument {
    /// White space may stand in it: the metadata service breaks its lines.
    fn parse(text: &str) -> Option<Self> {
        let text: String = text.split_ascii_whitespace().collect();
        let outer = ContentInfo::from_der(&STANDARD.decode(text).ok()?).ok()?;
        let data: SignedData = (outer.content_type == SIGNED_DATA).then_some(outer.content)?.decode_as().ok()?;
        let content: OctetString = data.encap_content_info.econtent?.decode_as().ok()?;
        // One signer: a second one would be somebody whom nobody looked at.
        let mut signers = data.signer_infos.0.into_vec().into_iter();
        let signer = signers.next().filter(|_| signers.next().is_none())?;
        Some(Self { content: content.as_bytes().to_vec(), kind: data.encap_content_info.econtent_type, signer })
    }

    /// Section 5.4: with attributes those are signed, and one of them is the digest of the content.
    fn is_by(&self, signer: &Certificate) -> Option<()> {
        let (_, hash, signatures) = HASHES.iter().find(|(hash, ..)| *hash == self.signer.digest_alg.oid)?;
        let key = signer.tbs_certificate().subject_public_key_info();
        let named = self.signer.signature_algorithm.oid;
        // The bare name of RSA leaves the digest to the signer's own field.
        let of_kind = |(name, _): &&(ObjectIdentifier, _)| *name == named || (named == RSA && *name == signatures[0].0);
        let (_, algorithm) = signatures.iter().find(of_kind)?;
        let message = match &self.signer.signed_attrs {
            None => self.content.clone(),
            Some(attributes) => {
                let kind: ObjectIdentifier = only(attributes, CONTENT_TYPE)?.decode_as().ok()?;
                let told: OctetString = only(attributes, MESSAGE_DIGEST)?.decode_as().ok()?;
                let same = told.as_bytes() == digest::digest(hash, &self.content).as_ref();
                (kind == self.kind && same).then_some(())?;
                attributes.to_der().ok()?
            }
        };
        algorithm.verify_sig(&key.to_der().ok()?, &message, self.signer.signature.as_bytes()).ok()
    }
}

/// The one value of the one attribute of this type.
fn only(attributes: &Attributes, kind: ObjectIdentifier) -> Option<x509_cert::der::Any> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == kind);
    let attribute = found.next().filter(|_| found.next().is_none())?;
    let mut values = attribute.values.iter();
    values.next().filter(|_| values.next().is_none()).cloned()
}
