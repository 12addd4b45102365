//! No secret in any `Debug`, `Display`, error chain, log line or receipt: everything that could print is made to print.

use identity_client::{
    Acquired, Error, ErrorKind, IdentityClient, JsonLinesAudit, PendingAuthorization, RequestContext, TracingAudit,
    Wait,
};

use crate::{
    captured::Captured,
    support::{Fake, HandClock, Script, secs, settle, user},
};

/// The parts that the fake makes its secrets, links and sessions of.
const SECRETS: [&str; 3] = ["secret.", "secret-session", "/consent?"];

async fn everything(client: &IdentityClient, fake: &Fake, clock: &HandClock, captured: &Captured) {
    let alice = user("alice-of-wonderland");
    let context =
        RequestContext::new().with_user(alice.clone()).with_request_id("req-1").with_session_id("conversation-9");
    captured.debug(&client);
    captured.debug(&context);
    let key = client.api_key("openai-key").for_agent().await.unwrap();
    captured.debug(&key);
    captured.error(&Error::credential_rejected(&key));
    let token = client.access_token("crm").with_scopes(["read"]).await.unwrap();
    captured.debug(&token);
    captured.debug(&Acquired::Ready(token));
    captured.debug(&client.access_token("crm").with_scopes(["read"]).source().unwrap());
    captured.debug(&client.access_token("crm").for_user(&alice));
    let credentials = client.sts_credentials().for_user(&alice).with_policy("{\"secret.policy\":1}").await.unwrap();
    captured.debug(&credentials);
    captured.debug(&client.sts_credentials().with_policy("{\"secret.policy\":1}"));
    captured.error(&Error::credential_rejected(&credentials));
    let workload = client.workload_token().for_agent().await.unwrap();
    captured.debug(&workload);
    captured.error(&Error::credential_rejected(&workload));
    fake.then(Script::NeedsConsent);
    let calendar = || {
        let request = client.access_token("google").with_scopes(["calendar"]).with_context(context.clone());
        request
            .for_user(&alice)
            .with_custom_state("secret-session-state")
            .with_custom_parameter("login_hint", "alice-of-wonderland")
            .with_return_url("https://app.example.com/consent?back=1")
    };
    let acquired = calendar().acquire().await.unwrap();
    captured.debug(&acquired);
    let Acquired::NeedsConsent(pending) = acquired else { panic!("consent is missing") };
    captured.debug(pending.parts());
    captured.debug(&client.resume::<identity_client::AccessToken>(pending));
    captured.error(&calendar().with_wait(Wait::Return).await.unwrap_err());
    captured.error(&calendar().on_auth_url(|_: PendingAuthorization| ()).with_timeout(secs(9)).await.unwrap_err());
    fake.then_poll(Script::Issue(Some(secs(100))));
    captured.debug(&calendar().await.unwrap());
    clock.advance(secs(95));
    fake.then(Script::Fail(ErrorKind::Unavailable));
    captured.debug(&calendar().await.unwrap());
    settle().await;
    clock.advance(secs(10));
    fake.then(Script::Fail(ErrorKind::PermissionDenied));
    captured.error(&calendar().await.unwrap_err());
    fake.then(Script::Secret(" "));
    captured.error(&client.api_key("blank-key").for_agent().await.unwrap_err());
}

#[test]
fn w31_w32_w33_w34_nothing_prints_a_secret() {
    let captured = Captured::default();
    {
        let _listening = captured.listen("trace");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let fake = Fake::new();
        let clock = HandClock::new();
        let client = fake.builder().with_clock(clock.clone()).with_audit(TracingAudit).build().unwrap();
        runtime.block_on(everything(&client, &fake, &clock, &captured));
    }
    // Spans, receipts, events, and the messages of errors.
    captured.check(
        &SECRETS,
        &[
            "asked of the fake",
            "identity_client.acquire",
            "credential requested",
            "could not be renewed",
            "waiting for a user",
            "the service refused",
        ],
    );
    let text = captured.text();
    // A user is named in receipts only.
    for line in text.lines().filter(|line| line.contains("alice-of-wonderland")) {
        assert!(line.contains("credential requested"), "{line}");
    }
}

#[test]
fn receipts_are_json_lines_without_secrets_in_a_private_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let fake = Fake::new();
    let clock = HandClock::new();
    let audit = JsonLinesAudit::append_to(&path).unwrap();
    let client = fake.builder().with_clock(clock.clone()).with_audit(audit).build().unwrap();
    runtime.block_on(everything(&client, &fake, &clock, &Captured::default()));
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{text}");
    }
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = &lines[0];
    assert_eq!(
        (
            &first["platform"],
            &first["agent_identity"],
            &first["provider"],
            &first["credential"],
            &first["flow"],
            &first["source"],
            &first["outcome"]
        ),
        (
            &"fake".into(),
            &"agent-1".into(),
            &"openai-key".into(),
            &"api_key".into(),
            &"M2M".into(),
            &"platform".into(),
            &"released".into()
        )
    );
    assert!(first["user"].is_null() && first["at"].as_f64().unwrap() > 1.7e9);
    assert!(lines.iter().any(|line| line["user"] == "alice-of-wonderland" && line["outcome"] == "consent_required"));
    assert!(lines.iter().any(|line| line["source"] == "cache"));
    assert!(lines.iter().any(|line| line["outcome"]["failed"] == "PermissionDenied"));
    assert!(lines.iter().any(|line| line["request_id"] == "req-1"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(JsonLinesAudit::append_to(&path).is_err());
    }
}
