//! Checks that follow from standards, by the ids of `STANDARDS.md`: those that no crate can make alone.

use std::{path::Path, time::Duration};

use identity_client::{
    Error, ErrorKind, HttpOptions, IdentityClient, PendingAuthorization, RetryPolicy, User, Wait, agentbase::AgentBase,
};
use identity_emulator::{Emulator, Fault};
use identity_tests::{AGENT, Anything, KEY_PROVIDER, OAUTH_PROVIDER, RETURN_URL, Stage};
use serde_json::json;
use tokio::time::Instant;

const STATIC_KEY: &str = "get_api_key_for_agent_identity";
const USER_TOKEN: &str = "get_3lo_token";

/// The lines of the client's and the macros' own sources that are code: no comments, nothing below `#[cfg(test)]`.
fn code() -> Result<Vec<(String, String)>, Anything> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let mut folders = vec![root.join("identity-client/src"), root.join("identity-macros/src")];
    let mut lines = Vec::new();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files += 1;
                let name = path.strip_prefix(root)?.display().to_string();
                let text = std::fs::read_to_string(&path)?;
                let code = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
                let code = code.filter(|line| !line.trim_start().starts_with("//"));
                lines.extend(code.map(|line| (name.clone(), line.to_ascii_lowercase())));
            }
        }
    }
    assert!(files > 40 && lines.len() > 3_000, "{files} files, {} lines: is this the right folder?", lines.len());
    Ok(lines)
}

/// The lines that hold one of the words.
fn holding<'a>(code: &'a [(String, String)], words: &[&str]) -> Vec<(&'a str, &'a str)> {
    let hits = code.iter().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    hits.map(|(file, line)| (file.as_str(), line.trim())).collect()
}

/// A client must not look into access tokens. Base64 writes Basic headers, assertions and the random texts of a login, and reads the
/// client's own key. What callers bring is another matter: the folder that verifies it knows no credential and no platform.
#[test]
fn std_9068_01_no_code_decodes_an_outbound_token() -> Result<(), Anything> {
    let (inbound, code): (Vec<_>, Vec<_>) =
        code()?.into_iter().partition(|(file, _)| file.starts_with("identity-client/src/inbound/"));
    assert!(inbound.len() > 1_000, "{} lines", inbound.len());
    assert_eq!(holding(&inbound, &["credential::", "platform::", "client::", "cache::"]), []);
    // A client that shows a key writes a JWT and reads PEM; it reads nothing that a platform issued.
    let key = "identity-client/src/idaas/key.rs";
    let homes = ["basic.rs", "idaas/assertion.rs", "idaas/key.rs", "login/attempt.rs"];
    let home = |file: &str| homes.iter().any(|home| file == format!("identity-client/src/{home}"));
    let base64 = holding(&code, &["base64", "url_safe"]);
    assert!(!base64.is_empty() && base64.iter().all(|(file, _)| home(file)), "{base64:?}");
    let decoding = holding(&code, &[".decode(", "decode_slice", "decode_vec"]);
    assert!(decoding.len() == 1 && decoding[0].0 == key && decoding[0].1.contains("text.as_bytes()"), "{decoding:?}");
    let parts = holding(&code, &["jsonwebtoken", "jwt", "split('.')", "split(\".\")"]);
    // Names on the wires of AgentKit and Agent Identity: actions and fields that a user's token is passed on in, a field of the
    // inbound configuration, and an error code.
    let names = [
        "\"getworkloadaccesstokenforjwt\"",
        "rename = \"jwtauthconfig\"",
        "rename = \"userjwt\"",
        "\"invalidparameter.jsonwebtoken\"",
    ];
    let homes = ["identity-client/src/agentkit/", "identity-client/src/agent_identity/"];
    let of_wire = |line: &str| names.iter().any(|name| line.contains(name) && !line.replace(name, "").contains("jwt"));
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(file, line)| !(homes.iter().any(|home| file.starts_with(home)) && of_wire(line)))
        // IDaaS signs JWTs on request, which are passed on as they are; and assertions are JWTs that the client signs.
        .filter(|(file, line)| !file.starts_with("identity-client/src/idaas/") || line.contains("split"))
        .collect();
    assert_eq!(parts, []);
    Ok(())
}

#[test]
fn std_9700_01_no_password_and_no_implicit_grant_can_be_asked_for() -> Result<(), Anything> {
    let code = code()?;
    // What a client that AgentKit registers is for: these two lines of that file, and no other grant or response type.
    let registration = "identity-client/src/agentkit/client_registration.rs";
    let registered = holding(&code, &["=> (&["]).into_iter().filter(|(file, _)| *file == registration);
    assert_eq!(
        registered.map(|(_, line)| line).collect::<Vec<_>>(),
        [
            "flow::machinetomachine => (&[\"client_credentials\"], &[]),",
            "_ => (&[\"authorization_code\", \"refresh_token\"], &[\"code\"]),",
        ]
    );
    let grants = holding(&code, &["grant_type", "granttype"]).into_iter().filter(|(file, _)| *file != registration);
    let grants: Vec<_> = grants.collect();
    let allowed = [
        "grant_type=client_credentials",
        "(\"grant_type\", client_credentials)",
        "\"grant_type\", token_exchange)",
        "\"granttype\", token_exchange)",
        "grant_type=authorization_code",
        "grant_type=refresh_token",
    ];
    assert!(
        !grants.is_empty() && grants.iter().all(|(_, line)| allowed.iter().any(|grant| line.contains(grant))),
        "{grants:?}"
    );
    // The authorization request of a consent is the platform's; the client looks at its URL and makes none. That of a login asks
    // for a code, and parameters of the application cannot change that.
    let responses = holding(&code, &["response_type"]).into_iter().filter(|(file, _)| *file != registration);
    let responses: Vec<_> = responses.collect();
    let of_login = |file: &str, line: &str| match file.strip_prefix("identity-client/src/login/") {
        Some("party.rs") => line == ".append_pair(\"response_type\", \"code\")",
        Some("builder.rs") => line == "\"response_type\",",
        _ => false,
    };
    let fine = |file: &str, line: &str| file.ends_with("/authorization_url.rs") || of_login(file, line);
    assert!(responses.iter().all(|(file, line)| fine(file, line)), "{responses:?}");
    assert_eq!(holding(&code, &["\"password\"", "implicit", "ropc"]), []);
    for flow in ["PASSWORD", "IMPLICIT", "password", "token"] {
        assert!(identity_grammar::parse_flow(flow).is_err(), "{flow}");
    }
    Ok(())
}

/// One machine decides when to ask; no platform waits or loops by itself.
#[test]
fn std_8628_05_one_machine_drives_every_poll() -> Result<(), Anything> {
    let code = code()?;
    let sleeping = holding(&code, &["sleep(", "sleep_until(", "interval("]);
    let home =
        |file: &str| ["waiting.rs", "transport.rs"].iter().any(|home| file == format!("identity-client/src/{home}"));
    assert!(!sleeping.is_empty() && sleeping.iter().all(|(file, _)| home(file)), "{sleeping:?}");
    let machine = holding(&code, &["pollmachine::new"]);
    assert_eq!(machine.iter().map(|(file, _)| *file).collect::<Vec<_>>(), ["identity-client/src/waiting.rs"]);
    Ok(())
}

fn user_token(stage: &Stage, user: &User) -> identity_client::AccessTokenRequest {
    stage.client.access_token(OAUTH_PROVIDER).with_scopes(["calendar"]).for_user(user).with_return_url(RETURN_URL)
}

#[tokio::test]
async fn std_8628_04_an_unknown_error_ends_the_polling_with_its_code() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let alice = User::asserted("alice")?;
    for status in [400, 403, 409, 418] {
        stage.client.forget_all();
        let faults = stage.emulator.faults();
        let counters = stage.emulator.counters();
        let tell = move |_: PendingAuthorization| {
            counters.reset();
            let body = json!({ "code": "quota_of_the_moon", "message": "no" });
            faults.add(Fault::on_operation(USER_TOKEN).status(status).json(&body).times(9));
        };
        let error = user_token(&stage, &alice).on_auth_url(tell).await.err().ok_or("nobody agreed")?;
        assert_eq!((error.status(), error.code()), (Some(status), Some("quota_of_the_moon")), "{error}");
        assert!(!error.is_retryable());
        assert_eq!(stage.count(USER_TOKEN), 1, "{status} ends it at once");
        stage.emulator.faults().clear();
    }
    Ok(())
}

#[tokio::test]
async fn std_8628_04_the_end_of_the_wait_cuts_a_question_in_flight() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let faults = stage.emulator.faults();
    let tell = move |_: PendingAuthorization| {
        faults.add(Fault::on_operation(USER_TOKEN).delay(Duration::from_secs(20)).times(9));
    };
    let begun = Instant::now();
    let request = user_token(&stage, &User::asserted("alice")?).on_auth_url(tell);
    let error = request.with_timeout(Duration::from_secs(2)).await.err().ok_or("nobody agreed")?;
    assert_eq!(error.kind(), ErrorKind::AuthorizationTimedOut);
    assert!(error.pending().is_some() && stage.count(USER_TOKEN) == 2, "it was under way, and can be resumed");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    Ok(())
}

/// 401 of a service: forgotten, fetched once, and not again and again. Anything else, a 403 say, is nothing to tell the client,
/// and the credential stays.
#[tokio::test]
async fn std_6750_04_a_refused_credential_is_fetched_once_more() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let token = || stage.client.access_token(OAUTH_PROVIDER).with_scopes(["contacts.read"]).into_future();
    let first = token().await?;
    assert_eq!((token().await?.expose_secret(), stage.count("get_m2m_token")), (first.expose_secret(), 1));
    for _ in 0..10 {
        assert_eq!(Error::credential_rejected(&first).kind(), ErrorKind::Unauthenticated);
    }
    let second = token().await?;
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert_eq!(stage.count("get_m2m_token"), 2);
    drop(Error::credential_rejected(&second));
    let error = token().await.err().ok_or("refused twice within a minute")?;
    assert_eq!((error.kind(), stage.count("get_m2m_token")), (ErrorKind::Unauthenticated, 2));
    Ok(())
}

#[tokio::test]
async fn std_http_02_a_redirect_of_either_service_is_not_followed() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let elsewhere = Emulator::builder().start().await?;
    let target = elsewhere.agentbase().token_url().to_owned();
    for status in [301, 302, 303, 307, 308] {
        for operation in ["iam_token", STATIC_KEY] {
            let agentbase = Stage::agentbase(&stage.emulator)?;
            let client = IdentityClient::builder().with_platform(agentbase).build()?;
            stage.emulator.faults().add(Fault::on_operation(operation).status(status).header("location", &target));
            let error = client.api_key(KEY_PROVIDER).for_agent().await.err().ok_or("a redirect is no key")?;
            assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(status)), "{operation}: {error}");
        }
    }
    assert_eq!(elsewhere.counters().total(), 0);
    Ok(())
}

/// The deadline is the caller's, not that of each request that a call is made of.
#[tokio::test]
async fn std_http_01_one_deadline_holds_for_a_call_and_the_tokens_that_it_needs() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let access = stage.emulator.agentbase();
    let deadline = Duration::from_millis(1_500);
    let late = |operation: &str| Fault::on_operation(operation).delay(Duration::from_secs(1));
    let late_401 = late(STATIC_KEY).status(401).json(&json!({}));
    for faults in [vec![late("iam_token"), late(STATIC_KEY)], vec![late_401, late("iam_token").times(2)]] {
        let agentbase = AgentBase::builder()
            .with_client_credentials(access.client_id(), access.client_secret().clone())
            .with_agent_identity(AGENT)
            .with_identity_endpoint(access.identity_url())
            .with_iam_token_endpoint(access.token_url())
            .with_http(HttpOptions::new().with_retry(RetryPolicy::new().with_deadline(deadline)))
            .build()?;
        let client = IdentityClient::builder().with_platform(agentbase).build()?;
        for fault in faults {
            stage.emulator.faults().add(fault);
        }
        let begun = Instant::now();
        let error = client.api_key(KEY_PROVIDER).for_agent().await.err().ok_or("one second and one more")?;
        let took = begun.elapsed();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!((deadline..deadline + Duration::from_millis(450)).contains(&took), "{took:?}");
        stage.emulator.faults().clear();
    }
    Ok(())
}

/// RFC 9126 and MCP: what the platform gives is what the user gets, and nobody else opens it.
#[tokio::test]
async fn std_9126_03_an_authorization_url_is_passed_on_as_it_is_and_never_fetched() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let alice = User::asserted("alice")?;
    let elsewhere = Emulator::builder().start().await?;
    let base = elsewhere.provider().authorization_url().to_owned();
    for url in [
        format!("{base}?client_id=a&request_uri=urn%3aexample%3A1&x=%7e+%20&&y="),
        "HTTPS://IDP.example.com:443/a/../b?client_id=a#part".to_owned(),
        "https://idp.example.com".to_owned(),
    ] {
        stage.client.forget_all();
        let body = json!({ "authorizationUrl": url, "sessionId": "session-1", "status": "IN_PROGRESS" });
        stage.emulator.faults().add(Fault::on_operation(USER_TOKEN).status(200).json(&body));
        let error = user_token(&stage, &alice).with_wait(Wait::Return).await.err().ok_or("nobody agreed")?;
        assert_eq!(error.pending().ok_or("no pending")?.authorization_url(), url);
    }
    let links = ["redirect_to_provider_authorize", "delegated_key_form", "provider"];
    assert!(links.iter().all(|link| stage.count(link) == 0) && elsewhere.counters().total() == 0);
    Ok(())
}
