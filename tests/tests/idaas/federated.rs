//! Credentials of others that count as the application's: a cluster's token from a file, a private authority's certificate, a
//! cloud's word for the machine.

use std::{collections::BTreeMap, path::Path, time::Duration};

use axum::{
    Router,
    extract::Query,
    http::{HeaderMap, StatusCode},
    routing::{get, put},
};
use identity_client::{
    Environment, ErrorKind, IdentityClient, SecretString,
    idaas::{ClientAuthentication, SecretSource},
};
use identity_emulator::Emulator;
use identity_tests::Anything;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{APP, READ, Stage, own};

const POD: &str = "system:serviceaccount:default:agent";

/// Another issuer, which has discovery and keys: an emulator stands in for the cluster. Its tokens are about whom it is told.
struct Cluster(Emulator);

impl Cluster {
    async fn start() -> Result<Self, Anything> {
        Ok(Self(Emulator::builder().start().await?))
    }

    async fn stage(&self) -> Result<Stage, Anything> {
        let issuer = self.0.idaas().issuer().to_owned();
        let credential = json!({ "name": "cluster", "issuer": issuer, "audience": "idaas", "subject": POD });
        Stage::with(&json!({ "federated_credentials": [credential] }), &json!({})).await
    }

    /// As a cluster writes it into the pod.
    async fn write(&self, path: &Path, subject: &str) -> Result<(), Anything> {
        let token = self.0.idaas_user_token(subject, "idaas|any", Duration::from_secs(3600)).await?;
        Ok(std::fs::write(path, format!("{}\n", token.expose_secret()))?)
    }
}

async fn works(stage: &Stage, client: &IdentityClient) -> Result<(), Anything> {
    client.forget_all();
    let token = own(client, READ).await?;
    assert_eq!(stage.claims(&token, READ).await?.subject(), Some(APP));
    let exchanged = own(client, READ).for_user(&stage.user("alice").await?).await?;
    assert_eq!(stage.claims(&exchanged, READ).await?.subject(), Some("alice"));
    Ok(())
}

async fn is_refused(client: &IdentityClient, says: &str) -> Result<(), Anything> {
    client.forget_all();
    let error = own(client, READ).await.err().ok_or("that is nobody's credential")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthenticated, Some("invalid_client")), "{error}");
    assert!(error.to_string().contains(says), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_token_file_is_read_again_when_it_has_changed() -> Result<(), Anything> {
    let cluster = Cluster::start().await?;
    let stage = cluster.stage().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("token");
    cluster.write(&path, POD).await?;
    let by_path = stage.client_by(ClientAuthentication::federated_token_file("cluster", &path))?;
    works(&stage, &by_path).await?;
    let environment = Environment::of([("TOKEN_PATH", path.to_str().ok_or("a path")?)]);
    let named = ClientAuthentication::federated_token_file_in("cluster", "TOKEN_PATH");
    let named = stage.unproven().with_environment(&environment).with_authentication(named).build()?;
    let by_variable = stage.client_of(named)?;
    works(&stage, &by_variable).await?;

    cluster.write(&path, "system:serviceaccount:default:other").await?;
    for client in [&by_path, &by_variable] {
        is_refused(client, "another subject").await?;
    }
    // The cluster has new keys, and the file a token by the newest.
    cluster.0.rotate_idaas_keys().await?;
    cluster.write(&path, POD).await?;
    stage.pass(6);
    for client in [&by_path, &by_variable] {
        works(&stage, client).await?;
    }
    std::fs::remove_file(&path)?;
    by_path.forget_all();
    let error = own(&by_path, READ).await.err().ok_or("the file is gone")?;
    assert_eq!(error.kind(), ErrorKind::ConfigurationMissing, "{error}");
    Ok(())
}

#[tokio::test]
async fn another_issuers_token_and_another_credential_are_refused() -> Result<(), Anything> {
    let (cluster, other) = (Cluster::start().await?, Cluster::start().await?);
    let stage = cluster.stage().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("token");
    other.write(&path, POD).await?;
    is_refused(&stage.client_by(ClientAuthentication::federated_token_file("cluster", &path))?, "another issuer")
        .await?;
    cluster.write(&path, POD).await?;
    is_refused(&stage.client_by(ClientAuthentication::federated_token_file("nobody", &path))?, "of this name").await
}

/// A private authority, and a leaf of it for this name.
struct Authority {
    root: String,
    leaf: String,
    key: String,
}

fn authority(name: &str) -> Result<Authority, Anything> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
    let root = params.self_signed(&root_key)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
    let issuer = Issuer::from_params(&params, &root_key);
    let leaf = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &issuer)?;
    Ok(Authority { root: root.pem(), leaf: leaf.pem(), key: key.serialize_pem() })
}

#[tokio::test]
async fn a_certificate_counts_if_it_leads_to_the_root_and_its_key_signs() -> Result<(), Anything> {
    let name = "agent.example.com";
    let (known, foreign) = (authority(name)?, authority(name)?);
    let credential = json!({ "name": "pca", "roots": known.root, "dns_name": name });
    let stage = Stage::with(&json!({ "federated_credentials": [credential] }), &json!({})).await?;
    let by = |key: &str, certificates: &Authority| {
        let key = SecretSource::given(SecretString::from(key));
        stage.client_by(ClientAuthentication::private_certificate("pca", key, &certificates.leaf, &certificates.root))
    };
    works(&stage, &by(&known.key, &known)?).await?;
    is_refused(&by(&foreign.key, &foreign)?, "trusted root").await?;
    is_refused(&by(&foreign.key, &known)?, "key did not make").await
}

const CLOUD: &str = include_str!("../../fixtures/pkcs7/rsa.cert.pem");
const DOCUMENT: &str = include_str!("../../fixtures/pkcs7/rsa.attributes.p7");
/// When the cloud has signed it.
const SIGNED_AT: i64 = 1_800_000_000;

/// The metadata service of a machine of that cloud. It has one document, and gives it to who asks for this instance.
async fn metadata() -> Result<(String, tokio::task::JoinHandle<()>), Anything> {
    let token = async |headers: HeaderMap| {
        let is_so = headers.get("x-aliyun-ecs-metadata-token-ttl-seconds").is_some_and(|value| value == "3600");
        if is_so { Ok("metadata-token") } else { Err(StatusCode::BAD_REQUEST) }
    };
    let document = async |headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>| {
        let asked: serde_json::Value =
            query.get("audience").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let knows = headers.get("x-aliyun-ecs-metadata-token").is_some_and(|value| value == "metadata-token");
        let fits = knows && asked["aud"] == "idaas_stage" && asked["signingTime"].is_u64();
        if fits { Ok(DOCUMENT) } else { Err(StatusCode::FORBIDDEN) }
    };
    let router = Router::new()
        .route("/latest/api/token", put(token))
        .route("/latest/dynamic/instance-identity/pkcs7", get(document));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
    Ok((origin, server))
}

#[tokio::test]
async fn a_cloud_vouches_for_the_machine_that_the_agent_runs_on() -> Result<(), Anything> {
    let (origin, server) = metadata().await?;
    for (machine, is_known) in [("i-synthetic0001", true), ("i-synthetic0002", false)] {
        let credential = json!({ "name": "ecs", "attested_by": CLOUD, "machine": machine });
        let builder = Emulator::builder().with_start_time(jiff::Timestamp::from_second(SIGNED_AT + 10)?);
        let stage = Stage::on(builder, &json!({ "federated_credentials": [credential] }), &json!({})).await?;
        let by = |credential: &str| {
            let authentication = ClientAuthentication::alibaba_ecs(credential).with_metadata_endpoint(&origin)?;
            stage.client_by(authentication)
        };
        if !is_known {
            is_refused(&by("ecs")?, "another machine").await?;
            continue;
        }
        let client = by("ecs")?;
        let machine = own(&client, READ).await?;
        let exchanged = own(&client, READ).for_user(&stage.user("alice").await?).await?;
        assert_ne!(machine.expose_secret(), exchanged.expose_secret());
        is_refused(&by("nobody")?, "of this name").await?;
        // The service hands out the old document still.
        stage.emulator.advance_clock(Duration::from_secs(3700));
        is_refused(&client, "older than an hour").await?;
    }
    server.abort();
    Ok(())
}
