//! Credentials of others: a cluster's tokens, certificates, attested documents.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity_emulator::{Emulator, Seed};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::{APP, Bench, Key, START, assertion, http, refused};

const CLIENT: (u16, &str) = (401, "invalid_client");
const SUBJECT: &str = "system:serviceaccount:default:agent";
const CLOUD: &str = include_str!("../../../tests/fixtures/pkcs7/rsa.cert.pem");
const OTHER_CLOUD: &str = include_str!("../../../tests/fixtures/pkcs7/ec.cert.pem");

macro_rules! document {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/pkcs7/", $name, ".p7"))
    };
}

/// Somebody else's issuer.
struct Cluster {
    issuer: String,
    keys: Arc<Mutex<Value>>,
    server: JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Cluster {
    async fn start(key: &Key) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(json!({ "keys": [key.jwk("one")] })));
        let document = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(move || async move { Json(document) }))
            .route(
                "/keys",
                get(|State(keys): State<Arc<Mutex<Value>>>| async move { Json(keys.lock().unwrap().clone()) }),
            )
            .with_state(Arc::clone(&keys));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, keys, server }
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.issuer, "sub": SUBJECT, "aud": ["idaas", "other"], "iat": START, "exp": START + 3600 })
    }

    async fn bench(&self) -> Bench {
        let credential = json!({ "name": "cluster", "issuer": self.issuer, "audience": "idaas", "subject": SUBJECT });
        let machine = json!({ "name": "machine", "attested_by": CLOUD, "machine": "i-synthetic0001" });
        Bench::with(json!({ "federated_credentials": [credential, machine] }), &json!({})).await
    }
}

async fn ask(bench: &Bench, name: &str, kind: &str, token: &str) -> (u16, Value) {
    let kind = format!("urn:cloud:idaas:params:oauth:client-assertion-type:{kind}-bearer");
    let fields = [
        ("application_federated_credential_name", name),
        ("client_assertion_type", &kind),
        ("client_assertion", token),
    ];
    bench.ask(&fields).await
}

#[tokio::test]
async fn a_clusters_token_counts_while_it_is_for_us_about_us_and_live() {
    for key in [Key::rsa(), Key::ec()] {
        let cluster = Cluster::start(&key).await;
        let bench = cluster.bench().await;
        let header = json!({ "kid": "one" });
        let token = key.jwt(header.clone(), &cluster.claims());
        // The file is sent as it is, again and again.
        for sent in [token.clone(), format!("{token}\n")] {
            let (status, answer) = ask(&bench, "cluster", "id-token", &sent).await;
            assert_eq!(status, 200, "{answer}");
        }
        for (claim, value, says) in [
            ("iss", json!("http://127.0.0.1:1"), "another issuer"),
            ("sub", json!("system:serviceaccount:default:other"), "another subject"),
            ("aud", json!("kubernetes"), "another audience"),
            ("exp", json!(START - 1), "expired"),
            ("exp", Value::Null, "expired"),
            ("nbf", json!(START + 600), "not valid yet"),
        ] {
            let mut claims = cluster.claims();
            claims[claim] = value;
            let answer = ask(&bench, "cluster", "id-token", &key.jwt(header.clone(), &claims)).await;
            let description = refused(answer, CLIENT);
            assert!(description.contains(says), "{claim}: {description}");
        }
        let unnamed = key.jwt(json!({ "kid": "two" }), &cluster.claims());
        let forged = Key::ec().jwt(header.clone(), &cluster.claims());
        for token in [unnamed, forged] {
            assert!(refused(ask(&bench, "cluster", "id-token", &token).await, CLIENT).contains("no key"));
        }
        refused(ask(&bench, "nobody", "id-token", &token).await, CLIENT);
        refused(ask(&bench, "machine", "id-token", &token).await, CLIENT);
    }
}

#[tokio::test]
async fn the_clusters_keys_change() {
    let (old, new) = (Key::ec(), Key::ec());
    let cluster = Cluster::start(&old).await;
    let bench = cluster.bench().await;
    let (first, second) =
        (old.jwt(json!({ "kid": "one" }), &cluster.claims()), new.jwt(json!({ "kid": "two" }), &cluster.claims()));
    assert_eq!(ask(&bench, "cluster", "id-token", &first).await.0, 200);
    refused(ask(&bench, "cluster", "id-token", &second).await, CLIENT);
    *cluster.keys.lock().unwrap() = json!({ "keys": [new.jwk("two")] });
    assert_eq!(ask(&bench, "cluster", "id-token", &second).await.0, 200);
    refused(ask(&bench, "cluster", "id-token", &first).await, CLIENT);
}

/// When the documents were made.
const SIGNED_AT: i64 = 1_800_000_000;

/// An instance that trusts this cloud's word about this machine, at this time.
async fn attesting(instance: &str, cloud: &str, machine: &str, at: i64) -> Bench {
    let credential = json!({ "name": "machine", "attested_by": cloud, "machine": machine });
    let permissions = json!({ "https://api.example.com": ["read:file"] });
    let application = json!({ "client_id": APP, "federated_credentials": [credential], "permissions": permissions });
    let seed = json!({ "idaas": { "instance": instance, "applications": [application] } });
    let builder = Emulator::builder().with_seed(Seed::from_json(&seed.to_string()).unwrap());
    let builder = builder.with_start_time(jiff::Timestamp::from_second(at).unwrap());
    Bench { emulator: builder.start().await.unwrap(), http: http() }
}

/// Documents that OpenSSL signed.
#[tokio::test]
async fn an_attested_document_counts_for_one_machine_at_one_instance_for_an_hour() {
    let both = format!("{CLOUD}{OTHER_CLOUD}");
    let bench = attesting("idaas_stage", &both, "i-synthetic0001", SIGNED_AT + 10).await;
    for document in [
        document!("rsa.attributes"),
        document!("rsa.plain"),
        document!("rsa.sha512"),
        document!("ec.attributes"),
        document!("ec.plain"),
    ] {
        // With the line breaks that a metadata service sends, and without.
        for sent in [document.to_owned(), document.split_whitespace().collect()] {
            let (status, answer) = ask(&bench, "machine", "pkcs7", &sent).await;
            assert_eq!(status, 200, "{answer}");
        }
    }
    for (document, says) in [
        (document!("rsa.detached"), "no PKCS#7"),
        ("MIIsyntheticPKCS7", "no PKCS#7"),
        (document!("two-signers"), "no PKCS#7"),
        (document!("rsa.sha1"), "no certificate"),
    ] {
        let description = refused(ask(&bench, "machine", "pkcs7", document).await, CLIENT);
        assert!(description.contains(says), "{document:.20}: {description}");
    }
    for (instance, cloud, machine, at, says) in [
        ("idaas_stage", OTHER_CLOUD, "i-synthetic0001", SIGNED_AT, "no certificate"),
        ("idaas_stage", CLOUD, "i-synthetic0002", SIGNED_AT, "another machine"),
        ("idaas_other", CLOUD, "i-synthetic0001", SIGNED_AT, "another instance"),
        ("idaas_stage", CLOUD, "i-synthetic0001", SIGNED_AT + 3700, "older than an hour"),
        ("idaas_stage", CLOUD, "i-synthetic0001", SIGNED_AT - 100, "of the future"),
        ("idaas_stage", CLOUD, "i-synthetic0001", 5_000_000_000, "no certificate"),
    ] {
        let bench = attesting(instance, cloud, machine, at).await;
        let description = refused(ask(&bench, "machine", "pkcs7", document!("rsa.attributes")).await, CLIENT);
        assert!(description.contains(says), "{says}: {description}");
    }
}

#[tokio::test]
async fn no_byte_of_what_was_attested_or_of_the_signature_can_be_changed() {
    let bench = attesting("idaas_stage", CLOUD, "i-synthetic0001", SIGNED_AT).await;
    let decoded = |document: &str| STANDARD.decode(document.split_whitespace().collect::<String>()).unwrap();
    for whole in [decoded(document!("rsa.plain")), decoded(document!("rsa.attributes"))] {
        assert_eq!(ask(&bench, "machine", "pkcs7", &STANDARD.encode(&whole)).await.0, 200);
        let content = whole.windows(9).position(|window| window == b"{\"zone-id").unwrap();
        // RSA-2048 signs last.
        for place in (content..content + 150).chain(whole.len() - 256..whole.len()).step_by(5) {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            let answer = ask(&bench, "machine", "pkcs7", &STANDARD.encode(&changed)).await;
            assert!(refused(answer, CLIENT).contains("no certificate"), "{place}");
        }
    }
    let unknown = [("client_assertion_type", "urn:example:unknown"), ("client_assertion", "x")];
    refused(bench.ask(&unknown).await, (400, "invalid_request"));
}

/// A certificate authority and a leaf of it.
struct Authority {
    root: String,
    leaf: String,
    key: Key,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let root = params.self_signed(&root_key).unwrap();
    let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let issuer = Issuer::from_params(&params, &root_key);
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&leaf_key, &issuer).unwrap();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(algorithm, &leaf_key.serialize_der()).unwrap();
    Authority { root: root.pem(), leaf: leaf.pem(), key: Key::Ec(key) }
}

#[tokio::test]
async fn a_certificate_that_leads_to_the_root_and_the_key_in_it() {
    let (known, foreign, misnamed) =
        (authority("agent.example.com"), authority("agent.example.com"), authority("other.example.com"));
    let roots = format!("{}{}", known.root, misnamed.root);
    let credential = json!({ "name": "pca", "roots": roots, "dns_name": "agent.example.com" });
    let bench = Bench::with(json!({ "federated_credentials": [credential] }), &json!({})).await;
    let endpoint = bench.endpoint();
    let bench = &bench;
    let ask = |token: String, leaf: String, chain: String| async move {
        let kind = "urn:cloud:idaas:params:oauth:client-assertion-type:x509-jwt-bearer";
        let fields = [
            ("application_federated_credential_name", "pca"),
            ("client_assertion_type", kind),
            ("client_assertion", token.as_str()),
            ("client_x509", &leaf),
            ("client_x509_chain", &chain),
        ];
        bench.ask(&fields).await
    };
    let made = |authority: &Authority, number| authority.key.jwt(json!({}), &assertion(&endpoint, number));
    let token = made(&known, 1);
    let (status, answer) = ask(token.clone(), known.leaf.clone(), known.root.clone()).await;
    assert_eq!(status, 200, "{answer}");
    refused(ask(token, known.leaf.clone(), known.root.clone()).await, CLIENT);
    for (token, leaf, chain) in [
        (made(&foreign, 2), &foreign.leaf, &foreign.root),
        (made(&misnamed, 3), &misnamed.leaf, &misnamed.root),
        (made(&foreign, 4), &known.leaf, &known.root),
        (made(&known, 5), &"no certificate".to_owned(), &known.root),
    ] {
        refused(ask(token, leaf.clone(), chain.clone()).await, CLIENT);
    }
    let mut claims = assertion(&endpoint, 6);
    claims["sub"] = "app_other".into();
    assert!(
        refused(ask(known.key.jwt(json!({}), &claims), known.leaf.clone(), known.root.clone()).await, CLIENT)
            .contains("client id")
    );
    assert_eq!(bench.emulator.idaas().client_id(), APP);
}
