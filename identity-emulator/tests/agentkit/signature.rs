//! Who may call: every way in which a signature does not hold, with its documented error.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::support::{AGENT, Bench, Draft, Key, read, refusal, text};

async fn refused(bench: &Bench, draft: Draft<'_>, key: &Key) -> (u16, String) {
    let (status, answer) = bench.signed(draft, key).await;
    let (status, code, message) = refusal(status, &answer);
    for secret in [key.secret.expose_secret(), key.token.as_deref().unwrap_or("no token")] {
        assert!(!message.contains(secret), "{message}");
    }
    (status, code)
}

fn listing<'a>() -> Draft<'a> {
    Draft::id("ListWorkloadIdentities", &json!({ "PageNumber": 1, "PageSize": 10 }))
}

#[tokio::test]
async fn keys_that_are_unknown_or_wrong() {
    let bench = Bench::start().await;
    let unknown = Key { id: "AKLTunknown".to_owned(), ..bench.key.clone() };
    assert_eq!(refused(&bench, listing(), &unknown).await, (401, "InvalidAccessKey".to_owned()));
    let wrong = Key { secret: SecretString::from("wrong"), ..bench.key.clone() };
    assert_eq!(refused(&bench, listing(), &wrong).await, (401, "SignatureDoesNotMatch".to_owned()));
    let foreign = Key { token: Some("STSforeign".to_owned()), ..bench.key.clone() };
    assert_eq!(refused(&bench, listing(), &foreign).await, (401, "InvalidSecretToken".to_owned()));
    let unknown = Key { id: "AKTPunknown".to_owned(), ..foreign };
    assert_eq!(refused(&bench, listing(), &unknown).await, (401, "InvalidAccessKey".to_owned()));
    assert_eq!(bench.signed(listing(), &bench.key).await.0, 200);
}

#[tokio::test]
async fn a_request_counts_for_fifteen_minutes_either_way() {
    let bench = Bench::start().await;
    for (date, status) in [
        ("20260102T025000Z", 200),
        ("20260102T024900Z", 403),
        ("20260102T031700Z", 200),
        ("20260102T032000Z", 403),
        ("20250102T030405Z", 403),
    ] {
        let (found, answer) = bench.signed(Draft { date, ..listing() }, &bench.key).await;
        assert_eq!(found, status, "{date}: {answer}");
        if status == 403 {
            assert_eq!(refusal(found, &answer).1, "InvalidTimestamp");
            assert_eq!(answer["ResponseMetadata"]["Error"]["CodeN"], 100_006);
        }
    }
    bench.emulator.advance_clock(Duration::from_secs(16 * 60));
    assert_eq!(refused(&bench, listing(), &bench.key).await, (403, "InvalidTimestamp".to_owned()));
}

/// Changes a draft or the headers that were signed for it.
type Change = fn(&mut Draft<'_>, &mut Vec<(&'static str, String)>);

/// Everything that was signed, changed after it was.
#[tokio::test]
async fn what_was_signed_must_be_what_arrives() {
    let bench = Bench::start().await;
    let host = bench.host();
    let changes: [(&str, Change); 6] = [
        ("body", |draft, _| draft.body = json!({ "PageNumber": 1, "PageSize": 11 }).to_string()),
        ("action", |draft, _| draft.action = "ListUserPools"),
        ("content type", |_, headers| headers[0].1 = "application/json; charset=utf-8".to_owned()),
        ("signature", |_, headers| {
            let value = &mut headers.last_mut().unwrap().1;
            let last = if value.ends_with('0') { "1" } else { "0" };
            value.replace_range(value.len() - 1.., last);
        }),
        ("region", |_, headers| {
            let value = &mut headers.last_mut().unwrap().1;
            *value = value.replace("cn-beijing", "cn-shanghai");
        }),
        ("signed headers", |_, headers| {
            let value = &mut headers.last_mut().unwrap().1;
            *value = value.replace("content-type;host;", "content-type;");
        }),
    ];
    for (what, change) in changes {
        let mut draft = listing();
        let mut headers = draft.signed(&bench.key, &host);
        change(&mut draft, &mut headers);
        let (status, answer) = read(bench.send(draft, &headers).await).await;
        assert_eq!(refusal(status, &answer).1, "SignatureDoesNotMatch", "{what}");
        assert_eq!(status, 401, "{what}");
    }
    // A body that fits its hash, but not the signature.
    let draft = listing();
    let mut headers = draft.signed(&bench.key, &host);
    let other = Draft { body: "{}".to_owned(), ..listing() };
    headers[2] = other.signed(&bench.key, &host)[2].clone();
    let (status, answer) = read(bench.send(other, &headers).await).await;
    assert_eq!((status, refusal(status, &answer).1.as_str()), (401, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn headers_that_are_missing_or_malformed() {
    let bench = Bench::start().await;
    let host = bench.host();
    for (from, to, status, code) in [
        ("HMAC-SHA256 ", "AWS4-HMAC-SHA256 ", 400, "InvalidAuthorization"),
        ("Credential=", "Kredential=", 400, "InvalidAuthorization"),
        ("/request", "/requests", 400, "InvalidCredential"),
        (", Signature=", ", Signatur=", 401, "MissingSignature"),
        ("/id/request", "/cis_test/request", 404, "ServiceNotFound"),
        ("/20260102/", "/20260103/", 403, "InvalidTimestamp"),
    ] {
        let draft = listing();
        let mut headers = draft.signed(&bench.key, &host);
        let value = &mut headers.last_mut().unwrap().1;
        *value = value.replace(from, to);
        let (found, answer) = read(bench.send(draft, &headers).await).await;
        assert_eq!((found, refusal(found, &answer).1.as_str()), (status, code), "{to}");
    }
    let draft = listing();
    let headers: Vec<_> = draft.signed(&bench.key, &host);
    let (found, answer) = read(bench.send(draft, &headers[..headers.len() - 1]).await).await;
    assert_eq!((found, refusal(found, &answer).1.as_str()), (401, "MissingAuthenticationToken"));
    let draft = listing();
    let without_date: Vec<_> = headers.iter().filter(|(name, _)| *name != "x-date").cloned().collect();
    let (found, answer) = read(bench.send(draft, &without_date).await).await;
    assert_eq!((found, refusal(found, &answer).1.as_str()), (400, "MissingRequestInfo"));
}

#[tokio::test]
async fn actions_belong_to_a_service_and_a_version() {
    let bench = Bench::start().await;
    for draft in [
        Draft { version: "2023-10-01", ..listing() },
        Draft { service: "sts", ..listing() },
        Draft::id("DeleteEverything", &json!({})),
        Draft::id("AssumeRole", &json!({})),
    ] {
        let what = (draft.action, draft.version, draft.service);
        let found = refused(&bench, draft, &bench.key).await;
        assert_eq!(found, (404, "InvalidActionOrVersion".to_owned()), "{what:?}");
    }
}

async fn assumed(bench: &Bench, role: &str) -> (u16, Value) {
    let pairs = [("RoleTrn", role), ("RoleSessionName", "session"), ("DurationSeconds", "900")];
    bench.signed(Draft::sts("AssumeRole", &pairs), &bench.key).await
}

#[tokio::test]
async fn a_role_session_signs_until_it_expires() {
    let bench = Bench::start().await;
    let (status, answer) = assumed(&bench, bench.emulator.agentkit().role_trn()).await;
    assert_eq!(status, 200, "{answer}");
    let credentials = &answer["Result"]["Credentials"];
    assert_eq!(text(credentials, "CurrentTime")[..18], *"2026-01-02T11:04:0");
    assert!(text(credentials, "ExpiredTime").ends_with("+08:00"));
    let key = Key {
        id: text(credentials, "AccessKeyId"),
        secret: text(credentials, "SecretAccessKey").into(),
        token: Some(text(credentials, "SessionToken")),
    };
    // The role names the workload: contract section 3.3.
    let (status, answer) = bench.signed(Draft::id("GetWorkloadAccessToken", &json!({})), &key).await;
    assert_eq!(status, 200, "{answer}");
    let found = bench.done("GetWorkloadIdentity", json!({ "Name": "EmulatedRuntimeRole" })).await;
    assert_eq!(found["WorkloadPoolName"], "default");
    let bare = Key { token: None, ..key.clone() };
    assert_eq!(refused(&bench, listing(), &bare).await, (401, "InvalidSecretToken".to_owned()));
    let other = bench.emulator.open_role_session("other", Duration::from_secs(60));
    let mixed = Key { token: Some(other.session_token().expose_secret().to_owned()), ..key.clone() };
    assert_eq!(refused(&bench, listing(), &mixed).await, (401, "InvalidSecretToken".to_owned()));
    let role = bench.emulator.agentkit().role_trn().to_owned();
    let pairs = [("RoleTrn", role.as_str()), ("RoleSessionName", "again")];
    let again = bench.signed(Draft::sts("AssumeRole", &pairs), &key).await;
    assert_eq!(refusal(again.0, &again.1).1, "NoPermission", "a session breeds no sessions");
    bench.emulator.advance_clock(Duration::from_secs(901));
    let late = Draft { date: "20260102T031907Z", ..listing() };
    assert_eq!(refused(&bench, late, &key).await, (401, "InvalidSecretToken".to_owned()));
}

#[tokio::test]
async fn only_known_roles_can_be_assumed_and_a_plain_key_names_no_workload() {
    let bench = Bench::start().await;
    let (status, answer) = assumed(&bench, "trn:iam::2100000000:role/SomebodyElse").await;
    assert_eq!((status, refusal(status, &answer).1.as_str()), (403, "NoPermission"));
    for (action, body) in [
        ("GetWorkloadAccessTokenForUserId", json!({ "UserId": "user-0001" })),
        ("GetWorkloadAccessToken", json!({})),
        ("GetWorkloadAccessToken", json!({ "Name": AGENT })),
    ] {
        let (status, code, message) = bench.refused(action, body).await;
        assert_eq!((status, code.as_str(), message.as_str()), (400, "InvalidParameter", "Name is missing or invalid"));
    }
}
