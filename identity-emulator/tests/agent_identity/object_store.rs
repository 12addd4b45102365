//! The object store, by URLs that `rusty-s3` signs, and by headers.

use std::time::Duration;

use reqwest::Method;
use rusty_s3::actions::{CreateBucket, DeleteObject, GetObject, ListObjectsV2, PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use secrecy::ExposeSecret as _;

use crate::support::{AGENT, Bench, Key, read};

fn bucket(bench: &Bench, name: &str) -> Bucket {
    let endpoint = bench.emulator.agent_identity().object_store().parse().unwrap();
    Bucket::new(endpoint, UrlStyle::Path, name.to_owned(), "cn-beijing").unwrap()
}

fn credentials(key: &Key) -> Credentials {
    Credentials::new_with_token(&key.id, key.secret.expose_secret(), key.token.clone().unwrap())
}

/// The start of the bench's clock.
fn now() -> jiff::Timestamp {
    crate::support::START.parse().unwrap()
}

async fn send<'a>(bench: &Bench, method: Method, action: &impl S3Action<'a>, body: &'static str) -> (u16, String) {
    let url = action.sign_with_time(Duration::from_secs(600), &now());
    let answer = bench.http.request(method, url).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn code(answer: &str) -> &str {
    answer.split("<Code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default()
}

async fn role(bench: &Bench, policy: Option<&str>) -> Key {
    let token = bench.token_for(AGENT, "alice").await;
    let more: Vec<_> = policy.map(|policy| ("Policy", policy)).into_iter().collect();
    bench.sts(&token, &more).await
}

#[tokio::test]
async fn objects_are_put_listed_read_and_deleted_with_the_roles_credentials() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &[]).await;
    let (known, store) =
        (credentials(&role(&bench, None).await), bucket(&bench, bench.emulator.agent_identity().bucket()));
    for key in ["plain.txt", "notes/ä b+c&~*.txt", "notes/2"] {
        let (status, answer) = send(&bench, Method::PUT, &PutObject::new(&store, Some(&known), key), "content").await;
        assert_eq!(status, 200, "{key}: {answer}");
        assert_eq!(
            send(&bench, Method::GET, &GetObject::new(&store, Some(&known), key), "").await,
            (200, "content".to_owned())
        );
    }
    let mut list = ListObjectsV2::new(&store, Some(&known));
    list.with_prefix("notes/");
    let (status, answer) = send(&bench, Method::GET, &list, "").await;
    assert!(
        status == 200
            && answer.contains("<Key>notes/2</Key>")
            && answer.contains("<Key>notes/%C3%A4%20b%2Bc%26~%2A.txt</Key>"),
        "{answer}"
    );
    let listed: Vec<_> =
        ListObjectsV2::parse_response(&answer).unwrap().contents.into_iter().map(|item| item.key).collect();
    assert_eq!(listed, ["notes/2", "notes/ä b+c&~*.txt"]);
    let url = GetObject::new(&store, Some(&known), "plain.txt").sign_with_time(Duration::from_secs(60), &now());
    let part = bench.http.get(url).header("range", "bytes=1-3").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "ont"));
    assert_eq!(send(&bench, Method::DELETE, &DeleteObject::new(&store, Some(&known), "plain.txt"), "").await.0, 204);
    let (status, answer) = send(&bench, Method::GET, &GetObject::new(&store, Some(&known), "plain.txt"), "").await;
    assert_eq!((status, code(&answer)), (404, "NoSuchKey"));
    let other = bucket(&bench, "another-bucket");
    let (status, answer) = send(&bench, Method::GET, &GetObject::new(&other, Some(&known), "x"), "").await;
    assert_eq!((status, code(&answer)), (404, "NoSuchBucket"));
    assert_eq!(send(&bench, Method::PUT, &CreateBucket::new(&other, &known), "").await.0, 200);
    assert_eq!(send(&bench, Method::PUT, &PutObject::new(&other, Some(&known), "x"), "1").await.0, 200);
    assert_eq!(bench.emulator.counters().count("object_store_put"), 4);
}

#[tokio::test]
async fn nobody_else_gets_in() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &[]).await;
    let key = role(&bench, None).await;
    let store = bucket(&bench, "agent-bucket");
    let account = Credentials::new(&bench.key.id, bench.key.secret.expose_secret());
    let wrong = Key { secret: "another".into(), ..key.clone() };
    let mixed = Key { token: Some("CAISother".to_owned()), ..key.clone() };
    let stranger = Key { id: "STS.stranger".to_owned(), ..key.clone() };
    for (known, expected) in [
        (account, (403, "AccessDenied")),
        (credentials(&wrong), (403, "SignatureDoesNotMatch")),
        (credentials(&mixed), (400, "InvalidToken")),
        (credentials(&stranger), (403, "InvalidAccessKeyId")),
    ] {
        let (status, answer) = send(&bench, Method::GET, &ListObjectsV2::new(&store, Some(&known)), "").await;
        assert_eq!((status, code(&answer)), expected);
    }
    let known = credentials(&key);
    let (status, answer) = send(&bench, Method::GET, &ListObjectsV2::new(&store, None), "").await;
    assert_eq!((status, code(&answer)), (403, "AccessDenied"), "anonymous");
    let put = PutObject::new(&store, Some(&known), "one").sign_with_time(Duration::from_secs(600), &now());
    let moved = put.as_str().replace("/one?", "/two?");
    let (status, answer) = read(bench.http.put(moved).body("x").send().await.unwrap()).await;
    assert_eq!((status, code(answer.as_str().unwrap())), (403, "SignatureDoesNotMatch"), "for another object");
    bench.emulator.advance_clock(Duration::from_secs(601));
    let (status, answer) = read(bench.http.put(put).body("x").send().await.unwrap()).await;
    assert_eq!((status, code(answer.as_str().unwrap())), (403, "AccessDenied"), "the URL is over");
    bench.emulator.advance_clock(Duration::from_secs(3600));
    let later = now().checked_add(jiff::SignedDuration::from_secs(4201)).unwrap();
    let url = ListObjectsV2::new(&store, Some(&known)).sign_with_time(Duration::from_secs(60), &later);
    let (status, answer) = read(bench.http.get(url).send().await.unwrap()).await;
    assert_eq!((status, code(answer.as_str().unwrap())), (400, "ExpiredToken"), "the credentials are over");
}

#[tokio::test]
async fn a_session_policy_narrows_the_role() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &[]).await;
    let all = credentials(&role(&bench, None).await);
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:GetObject"],"Resource":["acs:oss:*:*:agent-bucket/open/*"]}]}"#;
    let narrow = credentials(&role(&bench, Some(policy)).await);
    let store = bucket(&bench, "agent-bucket");
    for key in ["open/a", "closed/a"] {
        assert_eq!(send(&bench, Method::PUT, &PutObject::new(&store, Some(&all), key), "x").await.0, 200);
    }
    assert_eq!(send(&bench, Method::GET, &GetObject::new(&store, Some(&narrow), "open/a"), "").await.0, 200);
    for (status, answer) in [
        send(&bench, Method::GET, &GetObject::new(&store, Some(&narrow), "closed/a"), "").await,
        send(&bench, Method::PUT, &PutObject::new(&store, Some(&narrow), "open/a"), "y").await,
        send(&bench, Method::GET, &ListObjectsV2::new(&store, Some(&narrow)), "").await,
    ] {
        assert_eq!((status, code(&answer)), (403, "AccessDenied"));
    }
}
