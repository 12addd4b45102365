//! Who gets in, and who does not.

use std::time::Duration;

use identity_emulator::{Emulator, Fault};
use secrecy::SecretString;

use crate::support::{AGENT, Bench, CONTROL, DATA, Draft, Key, START, read, text};

fn draft() -> Draft {
    Draft::new(DATA, "GetWorkloadAccessToken", &[("WorkloadIdentityName", AGENT)])
}

async fn verdict(bench: &Bench, draft: Draft, headers: &[(&'static str, String)]) -> (u16, String) {
    let (status, answer) = read(bench.send(draft, headers).await).await;
    (status, answer["Code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_way_of_not_being_who_one_says_has_its_error() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &[]).await;
    let host = bench.host();
    let good = draft();
    let headers = good.signed(&bench.key, &host);
    assert_eq!(verdict(&bench, good.clone(), &headers).await, (200, String::new()));
    assert_eq!(verdict(&bench, good, &headers).await, (400, "SignatureNonceUsed".to_owned()), "replayed");

    let wrong = Key { secret: SecretString::from("another"), ..bench.key.clone() };
    assert_eq!(bench.signed(draft(), &wrong).await.1["Code"], "SignatureDoesNotMatch");
    let stranger = Key { id: "LTAIstranger".to_owned(), ..bench.key.clone() };
    let (status, answer) = bench.signed(draft(), &stranger).await;
    assert_eq!((status, text(&answer, "Code").as_str()), (404, "InvalidAccessKeyId.NotFound"));

    let tampered = draft();
    let headers = tampered.signed(&bench.key, &host);
    let tampered = Draft { body: "WorkloadIdentityName=other-agent".to_owned(), ..tampered };
    assert_eq!(verdict(&bench, tampered, &headers).await, (400, "SignatureDoesNotMatch".to_owned()));

    for (date, code) in [
        ("2025-12-01T07:44:00Z", "InvalidTimeStamp.Expired"),
        ("2025-12-01T08:17:00Z", "InvalidTimeStamp.Expired"),
        ("20251201T080000Z", "InvalidTimeStamp.Format"),
    ] {
        let skewed = Draft { date: date.to_owned(), ..draft() };
        assert_eq!(bench.signed(skewed, &bench.key).await.1["Code"], code, "{date}");
    }
    let unsigned = draft();
    let headers: Vec<_> =
        unsigned.signed(&bench.key, &host).into_iter().filter(|(name, _)| *name != "authorization").collect();
    assert_eq!(verdict(&bench, unsigned, &headers).await, (400, "IncompleteSignature".to_owned()));
    let sneaked = draft();
    let mut headers = sneaked.signed(&bench.key, &host);
    headers.push(("x-acs-extra", "not signed".to_owned()));
    assert_eq!(verdict(&bench, sneaked, &headers).await, (400, "IncompleteSignature".to_owned()));
}

#[tokio::test]
async fn temporary_credentials_end_and_go_together() {
    let bench = Bench::start().await;
    bench.agent(AGENT, &[]).await;
    let made = bench.emulator.open_sts_session("Other", Duration::from_secs(600));
    let token = secrecy::ExposeSecret::expose_secret(made.session_token()).to_owned();
    let key = Key { id: made.access_key().to_owned(), secret: made.secret_key().clone(), token: Some(token) };
    assert_eq!(bench.signed(draft(), &key).await.0, 200);
    for (token, code) in
        [(None, "MissingSecurityToken"), (Some("CAISwrong"), "InvalidSecurityToken.MismatchWithAccessKey")]
    {
        let key = Key { token: token.map(str::to_owned), ..key.clone() };
        assert_eq!(bench.signed(draft(), &key).await.1["Code"], code);
    }
    bench.emulator.advance_clock(Duration::from_secs(601));
    let later = Draft { date: "2025-12-01T08:10:01Z".to_owned(), ..draft() };
    let (status, answer) = bench.signed(later, &key).await;
    assert_eq!((status, text(&answer, "Code").as_str()), (400, "InvalidSecurityToken.Expired"));
    assert!(START < "2025-12-01T08:10:01Z");
}

#[tokio::test]
async fn what_is_not_emulated_says_so_and_throttling_waits_in_milliseconds() {
    let bench = Bench::start().await;
    for (version, action, expected) in [
        (CONTROL, "CreateUserPool", (400, "UnsupportedOperation.NotEmulated")),
        (CONTROL, "AttachPolicySetToGateway", (400, "UnsupportedOperation.NotEmulated")),
        (CONTROL, "ListRoleAssignments", (400, "UnsupportedOperation.NotEmulated")),
        (CONTROL, "MakeCoffee", (404, "InvalidAction.NotFound")),
        (DATA, "CreateWorkloadIdentity", (404, "InvalidAction.NotFound")),
        ("1999-01-01", "GetRole", (400, "InvalidVersion")),
    ] {
        let (status, code) = bench.refused(version, action, &[]).await;
        assert_eq!((status, code.as_str()), expected, "{action}");
    }
    let fault = Fault::on_operation("list_workload_identities").throttled(Duration::from_millis(1500));
    bench.emulator.faults().add(fault);
    let draft = Draft::new(CONTROL, "ListWorkloadIdentities", &[]);
    let headers = draft.signed(&bench.key, &bench.host());
    let answer = bench.send(draft, &headers).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["x-acs-retry-after"].to_str().unwrap()), (429, "1500"));
    assert_eq!(read(answer).await.1["Code"], "Throttling.User");
    bench.done(CONTROL, "ListWorkloadIdentities", &[]).await;
    assert_eq!(bench.emulator.counters().count("list_workload_identities"), 2);
}

#[tokio::test]
async fn a_restart_keeps_the_objects_and_the_tokens() {
    let (data, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let builder = || Emulator::builder().with_data_dir(data.path()).with_key_file(keys.path().join("key"));
    let bench = Bench::with(builder()).await;
    bench.agent(AGENT, &[]).await;
    let parameters = [("APIKeyCredentialProviderName", "weather"), ("APIKey", "synthetic-key-kept")];
    bench.done(CONTROL, "CreateAPIKeyCredentialProvider", &parameters).await;
    let token = bench.token_for(AGENT, "alice").await;
    bench.emulator.shutdown().await;
    for file in std::fs::read_dir(data.path()).unwrap().filter_map(Result::ok).filter(|file| file.path().is_file()) {
        let content = std::fs::read(file.path()).unwrap();
        assert!(!content.windows(18).any(|part| part == b"synthetic-key-kept"), "the snapshot is encrypted");
    }
    let bench = Bench::with(builder()).await;
    let parameters = [("WorkloadAccessToken", token.as_str()), ("ResourceCredentialProviderName", "weather")];
    assert_eq!(bench.done(DATA, "GetResourceAPIKey", &parameters).await["APIKey"], "synthetic-key-kept");
    let page = bench.http.get(bench.emulator.overview_url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(AGENT) && page.contains("weather") && !page.contains("synthetic-key-kept"));
}
