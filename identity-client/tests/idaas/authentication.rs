//! Every other way to authenticate: what it reads, where it asks, and what it sends.

use std::time::SystemTime;

use identity_client::{
    Clock as _, Environment, Error, ErrorKind, IdentityClient,
    idaas::{AUTHORIZATION_SERVER, ClientAuthentication, IdaasBuilder, SecretSource},
};
use serde_json::{Value, json};

use crate::support::{INSTANCE, ManualClock, Reply, SCOPE, Seen, Server, client, issue};

async fn ask(builder: IdaasBuilder) -> Result<(), Error> {
    own(&client(builder.build().unwrap())).await
}

async fn own(client: &IdentityClient) -> Result<(), Error> {
    client.access_token(AUTHORIZATION_SERVER).with_scopes([SCOPE]).await.map(drop)
}

async fn server() -> Server {
    Server::raw(|seen| if seen.is_token() { Reply::json(200, &issue("t", 60)) } else { Reply::text(404, "") }).await
}

#[tokio::test]
async fn w14_a_federated_token_is_read_anew_and_without_what_stands_around_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let server = server().await;
    for authentication in [
        ClientAuthentication::federated_token_file("fed_oidc", &path),
        ClientAuthentication::federated_token_file_in("fed_oidc", "TOKEN_FILE"),
    ] {
        let environment = Environment::of([("TOKEN_FILE", path.to_str().unwrap())]);
        let client = client(
            server.builder().with_environment(&environment).with_authentication(authentication).build().unwrap(),
        );
        let error = own(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigurationMissing, "{error}");
        for (content, sent) in [("eyJ.one.sig\n", "eyJ.one.sig"), (" eyJ.two.sig\r\n", "eyJ.two.sig")] {
            std::fs::write(&path, content).unwrap();
            client.forget_all();
            own(&client).await.unwrap();
            let calls = server.token_calls();
            let form = calls.last().unwrap().form();
            assert_eq!(form["client_assertion"], sent);
            assert_eq!(form["application_federated_credential_name"], "fed_oidc");
            assert_eq!(
                form["client_assertion_type"],
                "urn:cloud:idaas:params:oauth:client-assertion-type:id-token-bearer"
            );
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn w12_a_key_from_a_variable_may_have_lost_its_line_ends_and_one_that_is_none_is_named() {
    let pem = include_str!("../../../tests/fixtures/keys/ec256.sec1.pem");
    let server = server().await;
    let by = |pem: String| {
        let environment = Environment::of([("ENV_PRIVATE_KEY", pem)]);
        let key = ClientAuthentication::private_key_jwt(SecretSource::variable("ENV_PRIVATE_KEY"));
        ask(server.builder().with_environment(&environment).with_authentication(key))
    };
    by(pem.replace('\n', "\\n")).await.unwrap();
    by(pem.replace('\n', " ")).await.unwrap();
    let error = by("hunter2".to_owned()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigurationBroken);
    assert!(error.to_string().contains("ENV_PRIVATE_KEY") && !error.to_string().contains("hunter2"), "{error}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn w10_w34_an_ecs_document_is_made_for_each_request_and_its_place_can_be_changed() {
    let metadata = Server::raw(|seen| {
        if seen.method == "PUT" {
            Reply::text(200, "synthetic-metadata-token\n")
        } else {
            Reply::text(200, "MIIsynthetic\nPKCS7+attested/\r\ndocument==\n")
        }
    })
    .await;
    let server = server().await;
    let clock = ManualClock::new();
    let ecs = ClientAuthentication::alibaba_ecs("fed_pkcs7").with_metadata_endpoint(metadata.origin()).unwrap();
    let client = client(server.builder().with_authentication(ecs).with_clock(clock.clone()).build().unwrap());
    own(&client).await.unwrap();
    clock.advance(4000);
    client.forget_all();
    own(&client).await.unwrap();
    let form = server.token_calls()[1].form();
    assert_eq!(form["client_assertion"], "MIIsyntheticPKCS7+attested/document==");
    assert_eq!(form["application_federated_credential_name"], "fed_pkcs7");
    assert_eq!(form["client_assertion_type"], "urn:cloud:idaas:params:oauth:client-assertion-type:pkcs7-bearer");
    let seen = metadata.seen();
    assert_eq!(seen.len(), 4);
    assert_eq!((seen[2].path.as_str(), seen[2].body.as_str()), ("/latest/api/token", ""));
    assert_eq!(seen[2].headers["x-aliyun-ecs-metadata-token-ttl-seconds"], "3600");
    assert_eq!(seen[3].path, "/latest/dynamic/instance-identity/pkcs7");
    assert_eq!(seen[3].headers["x-aliyun-ecs-metadata-token"], "synthetic-metadata-token");
    let audience: Value = serde_json::from_str(&seen[3].query["audience"]).unwrap();
    let now = clock.now().wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(audience, json!({ "aud": INSTANCE, "signingTime": now }));
}

#[tokio::test]
async fn other_machines_vouch_too_and_one_that_does_not_is_named() {
    let metadata = Server::raw(|seen| match seen.path.as_str() {
        "/latest/api/token" => Reply::text(200, "aws-token"),
        "/latest/dynamic/instance-identity/rsa2048" if seen.headers["x-aws-ec2-metadata-token"] == "aws-token" => {
            Reply::text(200, "MIIaws\n")
        }
        "/computeMetadata/v1/instance/service-accounts/default/identity"
            if seen.headers["metadata-flavor"] == "Google" =>
        {
            Reply::text(200, "eyJ.google.sig")
        }
        _ => Reply::text(404, ""),
    })
    .await;
    for (authentication, sent) in
        [(ClientAuthentication::aws_ec2("fed"), "MIIaws"), (ClientAuthentication::google_vm("fed"), "eyJ.google.sig")]
    {
        let server = server().await;
        let authentication = authentication.with_metadata_endpoint(metadata.origin()).unwrap();
        ask(server.builder().with_authentication(authentication)).await.unwrap();
        assert_eq!(server.token_calls()[0].form()["client_assertion"], sent);
    }
    let query = &metadata.seen().pop().unwrap().query;
    assert_eq!((query["audience"].as_str(), query["format"].as_str()), ("alibaba-cloud-idaas-v2", "full"));

    let nowhere = Server::raw(|_| Reply::text(404, "<html>")).await;
    let server = server().await;
    let ecs = ClientAuthentication::alibaba_ecs("fed").with_metadata_endpoint(nowhere.origin()).unwrap();
    let error = ask(server.builder().with_authentication(ecs)).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthenticated, Some(404)));
    assert!(error.hint().unwrap().contains("ECS"), "{error}");
    assert!(server.seen().is_empty());
    ClientAuthentication::kubernetes("fed").with_metadata_endpoint("https://h/").unwrap_err();
    ClientAuthentication::aws_ec2("fed").with_metadata_endpoint("http://example.com/").unwrap_err();
}

#[tokio::test]
async fn the_token_endpoint_is_discovered_once_and_only_at_its_issuer() {
    let issuer_of = |seen: &Seen| format!("http://{}/api/v2/iauths_system/oauth2", seen.headers["host"]);
    let mut down = true;
    let server = Server::raw(move |seen| {
        let issuer = issuer_of(seen);
        if seen.is_token() {
            return Reply::json(200, &issue("t", 60));
        }
        assert_eq!(seen.path, "/api/v2/iauths_system/oauth2/.well-known/openid-configuration");
        if std::mem::take(&mut down) {
            return Reply::text(503, "");
        }
        Reply::json(
            200,
            &json!({ "issuer": issuer, "token_endpoint": format!("{issuer}/token"), "jwks_uri": "https://x/" }),
        )
    })
    .await;
    let issuer = format!("{}/api/v2/iauths_system/oauth2", server.origin());
    let discovered = |issuer: String| {
        identity_client::idaas::Idaas::builder()
            .with_instance_id(INSTANCE)
            .with_client_id("app_1")
            .with_issuer(issuer)
            .with_authentication(ClientAuthentication::client_secret_post(SecretSource::given("s")))
            .with_http(identity_client::HttpOptions::new().with_retry(crate::support::quick(1)))
    };
    let client = client(discovered(issuer.clone()).build().unwrap());
    let error = own(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let asked =
        (0..5).map(|index| {
            let client = client.clone();
            async move {
                client.access_token(AUTHORIZATION_SERVER).with_scopes([format!("https://a|{index}")]).await.map(drop)
            }
        });
    for asked in futures_util::future::join_all(asked).await {
        asked.unwrap();
    }
    assert_eq!((server.calls().len(), server.token_calls().len()), (2, 5));

    let good = |issuer: &str| json!({ "issuer": issuer, "token_endpoint": format!("{issuer}/token") });
    let wrong: [fn(&str) -> Value; 5] = [
        |issuer| json!({ "issuer": format!("{issuer}/"), "token_endpoint": format!("{issuer}/token") }),
        |issuer| json!({ "issuer": issuer, "token_endpoint": "https://elsewhere.example.com/token" }),
        |issuer| json!({ "issuer": issuer, "token_endpoint": "http://127.0.0.1:1/token" }),
        |issuer| json!({ "issuer": issuer, "token_endpoint": "" }),
        |issuer| json!({ "issuer": issuer }),
    ];
    for document in wrong.into_iter().map(Some).chain([None]) {
        let server = Server::raw(move |seen| {
            if seen.is_token() {
                return Reply::json(200, &issue("t", 60));
            }
            let issuer = issuer_of(seen);
            Reply::json(200, &document.map_or_else(|| good(&issuer), |document| document(&issuer)))
        })
        .await;
        let asked = ask(discovered(format!("{}/api/v2/iauths_system/oauth2", server.origin()))).await;
        assert_eq!(asked.is_ok(), document.is_none(), "{asked:?}");
        assert_eq!(server.token_calls().len(), usize::from(document.is_none()));
        if let Err(error) = asked {
            assert!(matches!(error.kind(), ErrorKind::Protocol | ErrorKind::ConfigurationBroken), "{error}");
        }
    }
}
