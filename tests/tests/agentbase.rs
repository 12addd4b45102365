//! AgentBase end to end: the client against the emulator over real connections. Tests named `w…` are the reference SDK's faults
//! that could be ours.

use std::time::Duration;

use futures_util::future::join_all;
use identity_client::{
    AccessToken, Error, ErrorKind, IdentityClient, PendingAuthorization, RequestContext, User, Wait,
};
use identity_emulator::{Emulator, Fault, Human};
use identity_tests::{AGENT, Anything, DELEGATED_PROVIDER, KEY, KEY_PROVIDER, OAUTH_PROVIDER, RETURN_URL, Stage};

const STATIC_KEY: &str = "get_api_key_for_agent_identity";

#[tokio::test]
async fn static_key_and_machine_token() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    assert_eq!(stage.client.api_key(KEY_PROVIDER).for_agent().await?.expose_secret(), KEY);
    let token = stage.client.access_token(OAUTH_PROVIDER).with_scopes(["contacts.read"]).await?;
    assert!(!token.expose_secret().is_empty());
    assert_eq!((stage.count(STATIC_KEY), stage.count("get_m2m_token"), stage.count("provider_token")), (1, 1, 1));
    for _ in 0..10 {
        stage.client.api_key(KEY_PROVIDER).for_agent().await?;
        stage.client.access_token(OAUTH_PROVIDER).with_scopes(["contacts.read"]).await?;
    }
    assert_eq!(
        stage.emulator.counters().total(),
        3,
        "w23: steady state asks nothing: key, token, and the provider's own"
    );
    Ok(())
}

/// W1, W7: a sync handler that makes a runtime for each call; connections of a runtime that is gone must not hurt.
#[test]
fn w1_w7_one_client_over_many_runtimes() -> Result<(), Anything> {
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let builder = IdentityClient::builder().with_unknown_lifetime(Duration::ZERO);
    let stage = server.block_on(Stage::with(Emulator::builder(), builder))?;
    for call in 1..=10 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let key = runtime.block_on(stage.client.api_key(KEY_PROVIDER).for_agent().into_future())?;
        assert_eq!((key.expose_secret(), stage.count(STATIC_KEY)), (KEY, call));
    }
    Ok(())
}

/// W2, W25: a service token that is renewed disturbs nobody; a burst of cold calls asks IAM once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w2_w25_renewal_in_a_burst_loses_no_request() -> Result<(), Anything> {
    let builder = IdentityClient::builder().with_unknown_lifetime(Duration::ZERO);
    let stage = Stage::with(Emulator::builder(), builder).await?;
    for number in 0..40 {
        stage.agentbase.api_key_providers().create(&format!("key-{number}"), "sk-of-many").await?;
    }
    stage.emulator.counters().reset();
    for _ in 0..3 {
        stage
            .emulator
            .faults()
            .add(Fault::on_operation("get_api_key_for_agent_identity").delay(Duration::from_millis(50)).times(20));
        let asking = async || {
            let calls = (0..40).map(|number| stage.client.api_key(format!("key-{number}")).for_agent().into_future());
            join_all(calls).await.into_iter().collect::<Result<Vec<_>, Error>>()
        };
        let (first, (), second) = tokio::join!(
            asking(),
            async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                stage.emulator.revoke_iam_tokens();
            },
            async {
                tokio::time::sleep(Duration::from_millis(15)).await;
                asking().await
            }
        );
        assert_eq!((first?.len(), second?.len()), (40, 40));
    }
    assert!(stage.count("iam_token") <= 6, "{} renewals", stage.count("iam_token"));
    Ok(())
}

#[tokio::test]
async fn w3_a_401_renews_the_service_token_once_and_repeats() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.client.api_key(KEY_PROVIDER).for_agent().await?;
    stage.emulator.revoke_iam_tokens();
    stage.client.forget_all();
    stage.emulator.counters().reset();
    stage.client.api_key(KEY_PROVIDER).for_agent().await?;
    assert_eq!((stage.count("iam_token"), stage.count(STATIC_KEY)), (1, 2));
    // Refused again and again: one renewal, one repetition, then the truth.
    stage.client.forget_all();
    stage.emulator.counters().reset();
    stage.emulator.faults().add(Fault::on_operation(STATIC_KEY).status(401).times(5));
    let error = stage.client.api_key(KEY_PROVIDER).for_agent().await.err().ok_or("401 is no credential")?;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthenticated, Some(401)));
    assert_eq!((stage.count("iam_token"), stage.count(STATIC_KEY)), (1, 2));
    Ok(())
}

#[tokio::test]
async fn w4_what_is_no_credential_is_never_handed_out() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    for body in [
        "{}",
        "",
        "null",
        r#"{"apikey":null}"#,
        r#"{"apikey":""}"#,
        r#"{"apikey":"  "}"#,
        r#"{"apiKey":"x"}"#,
        "<html>login</html>",
        "[]",
        "7",
    ] {
        stage
            .emulator
            .faults()
            .add(Fault::on_operation(STATIC_KEY).status(200).header("content-type", "application/json").body(body));
        let error = stage.client.api_key(KEY_PROVIDER).for_agent().await.err().ok_or(body)?;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn w5_the_service_account_alone_is_enough_and_its_token_alone_is_sent() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.client.api_key(KEY_PROVIDER).for_agent().await?;
    let requests = stage.emulator.requests();
    let request = requests.iter().rfind(|request| request.operation == STATIC_KEY).ok_or("not recorded")?;
    assert_eq!(request.headers["authorization"], "Bearer");
    assert!(!request.headers.keys().any(|name| name.starts_with("x-greennode")));
    Ok(())
}

#[tokio::test]
async fn w6_a_return_url_in_the_context_leaves_a_static_key_static() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let context = RequestContext::new().with_user(User::asserted("alice")?).with_return_url(RETURN_URL)?;
    let key = context.scope(stage.client.api_key(KEY_PROVIDER).into_future()).await?;
    assert_eq!(key.expose_secret(), KEY);
    assert_eq!(stage.count("get_delegated_api_key_for_agent_identity"), 0);
    Ok(())
}

#[tokio::test]
async fn w8_w9_w10_reading_never_writes() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let calls = (0..16).map(|_| stage.client.api_key(KEY_PROVIDER).into_future());
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let writes = ["create_agent_identity", "update_agent_identity", "create_api_key_provider"];
    assert!(writes.iter().all(|operation| stage.count(operation) == 0));
    let used = stage.emulator.requests();
    let path = &used.iter().rfind(|request| request.operation == STATIC_KEY).ok_or("not recorded")?.path;
    assert!(path.contains(AGENT) && !path.contains("default-workload"), "{path}");
    Ok(())
}

#[tokio::test]
async fn w11_force_without_a_return_url_is_refused_before_anything_is_sent() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let alice = User::asserted("alice")?;
    let error = stage
        .client
        .api_key(DELEGATED_PROVIDER)
        .for_user(&alice)
        .with_force(true)
        .await
        .err()
        .ok_or("no return URL")?;
    assert_eq!((error.kind(), stage.emulator.counters().total()), (ErrorKind::InvalidRequest, 0));
    assert!(error.to_string().contains("return URL"), "{error}");
    Ok(())
}

#[tokio::test]
async fn w15_w17_what_fails_is_told_as_it_is() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    for (status, kind) in [
        (403, ErrorKind::PermissionDenied),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (302, ErrorKind::Protocol),
    ] {
        for operation in ["get_delegated_api_key_provider", "get_api_key_provider", STATIC_KEY] {
            stage.client.forget_all();
            stage.emulator.faults().add(Fault::on_operation(operation).status(status).times(3));
            let error =
                stage.client.api_key(KEY_PROVIDER).await.err().ok_or_else(|| format!("{operation} {status}"))?;
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{operation}: {error}");
            stage.emulator.faults().clear();
        }
    }
    let error = stage.client.api_key("no-such-key").await.err().ok_or("there is none")?;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`no-such-key`"), "{error}");
    Ok(())
}

#[tokio::test]
async fn w18_every_way_to_fail_is_one_typed_error() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let ask = || stage.client.api_key(KEY_PROVIDER).for_agent().into_future();
    let faults = stage.emulator.faults();
    faults.add(Fault::on_operation(STATIC_KEY).reset().times(3));
    assert_eq!(ask().await.err().map(|error| error.kind()), Some(ErrorKind::Transport));
    faults.clear();
    faults.add(Fault::on_operation(STATIC_KEY).status(200).body(vec![b'x'; 200]).cut_body_after(10).times(3));
    assert_eq!(ask().await.err().map(|error| error.kind()), Some(ErrorKind::Transport));
    faults.clear();
    faults.add(Fault::on_operation(STATIC_KEY).status(200).body(vec![b'x'; 3 << 20]).times(3));
    assert_eq!(ask().await.err().map(|error| error.kind()), Some(ErrorKind::Protocol), "an endless body is cut off");
    faults.clear();
    assert!(ask().await.is_ok());
    Ok(())
}

#[tokio::test]
async fn w19_no_user_is_its_own_error() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let error = stage.client.api_key(DELEGATED_PROVIDER).await.err().ok_or("nobody is named")?;
    assert_eq!(error.kind(), ErrorKind::UserMissing);
    Ok(())
}

#[tokio::test]
async fn w21_passing_failures_are_retried_and_retry_after_is_honoured() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.client.api_key(KEY_PROVIDER).for_agent().await?;
    for status in [429, 500, 502, 503, 504, 408] {
        stage.client.forget_all();
        stage.emulator.faults().add(Fault::on_operation(STATIC_KEY).status(status).times(2));
        stage.client.api_key(KEY_PROVIDER).for_agent().await?;
    }
    // Three tries and no more.
    stage.client.forget_all();
    stage.emulator.counters().reset();
    stage.emulator.faults().add(Fault::on_operation(STATIC_KEY).status(500).times(9));
    assert!(stage.client.api_key(KEY_PROVIDER).for_agent().await.is_err());
    assert_eq!(stage.count(STATIC_KEY), 3);
    stage.emulator.faults().clear();
    stage.client.forget_all();
    stage.emulator.faults().add(Fault::on_operation(STATIC_KEY).status(503).header("retry-after", "1"));
    let begun = tokio::time::Instant::now();
    stage.client.api_key(KEY_PROVIDER).for_agent().await?;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // A wish that does not fit into the deadline is told, not waited for.
    stage.client.forget_all();
    stage.emulator.faults().add(Fault::on_operation(STATIC_KEY).status(429).header("retry-after", "3600"));
    let error = stage.client.api_key(KEY_PROVIDER).for_agent().await.err().ok_or("one hour")?;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    Ok(())
}

#[tokio::test]
async fn std_http_01_creating_is_never_repeated_blindly() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    for fault in [
        Fault::on_operation("create_api_key_provider").status(503),
        Fault::on_operation("create_api_key_provider").reset(),
    ] {
        stage.emulator.counters().reset();
        stage.emulator.faults().add(fault);
        let created = stage.agentbase.api_key_providers().create("another-key", "sk-1").await;
        assert!(created.is_err());
        assert_eq!(stage.count("create_api_key_provider"), 1);
    }
    Ok(())
}

/// W27: two hundred users who do not answer cost no thread and keep nobody from an answer.
#[tokio::test(flavor = "current_thread")]
async fn w27_waiting_users_keep_nobody_from_an_answer() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let waiting: Vec<_> = (0..200)
        .map(|number| {
            let client = stage.client.clone();
            tokio::spawn(async move {
                let user = User::asserted(format!("user-{number}"))?;
                let request = client.api_key(DELEGATED_PROVIDER).for_user(&user).with_return_url(RETURN_URL);
                request.on_auth_url(|_: PendingAuthorization| ()).await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let key =
        tokio::time::timeout(Duration::from_secs(5), stage.client.api_key(KEY_PROVIDER).for_agent().into_future())
            .await??;
    assert_eq!(key.expose_secret(), KEY);
    assert!(waiting.iter().all(|call| !call.is_finished()));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

#[tokio::test]
async fn w38_w41_each_client_and_each_user_has_its_own() -> Result<(), Anything> {
    let one = Stage::new().await?;
    let two = Stage::new().await?;
    two.agentbase.api_key_providers().rotate(KEY_PROVIDER, "sk-of-another-tenant").await?;
    let ask = async |stage: &Stage| {
        let context = RequestContext::new().with_client(stage.client.clone());
        let request = stage.client.api_key(KEY_PROVIDER).for_agent();
        context.scope(request.into_future()).await
    };
    assert_eq!(ask(&one).await?.expose_secret(), KEY);
    assert_eq!(ask(&two).await?.expose_secret(), "sk-of-another-tenant");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_agrees_and_the_waiting_call_goes_on() -> Result<(), Anything> {
    let stage = Stage::with(Emulator::builder().with_human(Human::ApproveAfter(1)), IdentityClient::builder()).await?;
    let (alice, bob) = (User::asserted("alice")?, User::asserted("bob")?);
    let token = |user: &User| {
        let request = stage.client.access_token(OAUTH_PROVIDER).with_scopes(["calendar"]).for_user(user);
        request.with_return_url(RETURN_URL).on_auth_url(|_: PendingAuthorization| ()).into_future()
    };
    let key = |user: &User| {
        let request = stage.client.api_key(DELEGATED_PROVIDER).for_user(user).with_return_url(RETURN_URL);
        request.on_auth_url(|_: PendingAuthorization| ()).into_future()
    };
    let (alices_token, bobs_token, alices_key, bobs_key) =
        tokio::join!(token(&alice), token(&bob), key(&alice), key(&bob));
    assert_ne!(alices_token?.expose_secret(), bobs_token?.expose_secret());
    assert_ne!(alices_key?.expose_secret(), bobs_key?.expose_secret());
    stage.emulator.counters().reset();
    token(&alice).await?;
    key(&bob).await?;
    assert_eq!(stage.emulator.counters().total(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w16_a_user_who_refuses_ends_the_call_at_once() -> Result<(), Anything> {
    let stage = Stage::with(Emulator::builder().with_human(Human::Deny), IdentityClient::builder()).await?;
    let alice = User::asserted("alice")?;
    let begun = tokio::time::Instant::now();
    let request = stage.client.access_token(OAUTH_PROVIDER).with_scopes(["calendar"]).for_user(&alice);
    let error =
        request.with_return_url(RETURN_URL).on_auth_url(|_: PendingAuthorization| ()).await.err().ok_or("refused")?;
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied, "{error}");
    let request = stage.client.api_key(DELEGATED_PROVIDER).for_user(&alice).with_return_url(RETURN_URL);
    let error = request.on_auth_url(|_: PendingAuthorization| ()).await.err().ok_or("refused")?;
    assert_eq!(error.kind(), ErrorKind::AuthorizationDenied, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    Ok(())
}

#[tokio::test]
async fn a_pending_consent_survives_the_process() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let alice = User::asserted("alice")?;
    let request = stage
        .client
        .access_token(OAUTH_PROVIDER)
        .with_scopes(["calendar"])
        .for_user(&alice)
        .with_return_url(RETURN_URL);
    let error = request.with_wait(Wait::Return).await.err().ok_or("consent is missing")?;
    let kept = serde_json::to_string(error.pending().ok_or("no pending")?)?;
    let access = stage.emulator.agentbase();
    assert!(!kept.contains(secret(&access)), "a pending holds no secret");
    stage.emulator.set_human(Human::ApproveAfter(1));
    let elsewhere = IdentityClient::builder().with_platform(Stage::agentbase(&stage.emulator)?).build()?;
    let pending: PendingAuthorization = serde_json::from_str(&kept)?;
    let token: AccessToken = elsewhere.resume(pending).await?;
    assert!(!token.expose_secret().is_empty());
    Ok(())
}

fn secret(access: &identity_emulator::AgentBaseHandle) -> &str {
    use secrecy::ExposeSecret as _;
    access.client_secret().expose_secret()
}

/// RFC 9068: whatever a token looks like, it is handed on as it is.
#[tokio::test]
async fn std_9068_01_an_opaque_token_goes_through_unread() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    for token in ["%00\u{7f}!not-a-jwt", "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.", "a.b.c", "…"] {
        stage.client.forget_all();
        let body = serde_json::json!({ "accessToken": token, "tokenType": "Bearer" });
        stage.emulator.faults().add(Fault::on_operation("get_m2m_token").status(200).json(&body));
        let got = stage.client.access_token(OAUTH_PROVIDER).with_scopes(["a"]).await?;
        assert_eq!(
            (got.expose_secret(), got.expires_at()),
            (token, None),
            "std_9068_02: nothing is taken from the token"
        );
    }
    Ok(())
}

#[tokio::test]
async fn std_9700_05_the_scopes_asked_for_are_the_scopes_declared() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.client.access_token(OAUTH_PROVIDER).with_scopes(["write", "read"]).await?;
    let requests = stage.emulator.requests();
    let request = requests.iter().rfind(|request| request.operation == "get_m2m_token").ok_or("not recorded")?;
    assert_eq!(request.body.expose_json(), Some(serde_json::json!({ "scopes": ["write", "read"] })));
    Ok(())
}

mod together {
    //! Stacked attributes that need one user's consent: asked once, with the scopes merged.

    use std::sync::{Arc, Mutex};

    use identity_client::{
        AccessToken, ApiKey, Error, ErrorKind, IdentityClient, PendingAuthorization, RequestContext, User,
        requires_access_token, requires_api_key,
    };
    use identity_emulator::{Emulator, Human};
    use identity_tests::{Anything, RETURN_URL, Stage};

    #[requires_access_token(provider_name = "crm-oauth", auth_flow = "USER_FEDERATION", scopes = ["calendar", "openid"], into = calendar)]
    #[requires_access_token(provider_name = "crm-oauth", auth_flow = "USER_FEDERATION", scopes = ["mail", "openid"], into = mail)]
    #[requires_api_key(provider_name = "personal-key", auth_flow = "USER_FEDERATION")]
    async fn assistant(
        context: &RequestContext,
        calendar: AccessToken,
        mail: AccessToken,
        api_key: ApiKey,
    ) -> Result<(AccessToken, AccessToken, ApiKey), Error> {
        Ok((calendar, mail, api_key))
    }

    fn context(client: &IdentityClient) -> Result<RequestContext, Error> {
        let context = RequestContext::new().with_client(client.clone()).with_user(User::asserted("alice")?);
        context.with_return_url(RETURN_URL)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_user_is_asked_once_for_all_scopes_of_a_provider() -> Result<(), Anything> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&told);
        let client = IdentityClient::builder().on_auth_url(move |pending: PendingAuthorization| {
            let mut scopes: Vec<_> = pending.scopes().iter().map(ToString::to_string).collect();
            scopes.sort();
            seen.lock().map_err(|_| "poisoned")?.push((pending.provider().to_string(), scopes.join(" ")));
            Ok::<(), &str>(())
        });
        let stage = Stage::with(Emulator::builder().with_human(Human::ApproveAfter(1)), client).await?;
        let context = context(&stage.client)?;
        let (calendar, mail, key) = assistant(&context).await?;
        let mut told = told.lock().map_err(|_| "poisoned")?.clone();
        told.sort();
        let expected = [("crm-oauth", "calendar mail openid"), ("personal-key", "")];
        assert_eq!(told, expected.map(|(provider, scopes)| (provider.to_owned(), scopes.to_owned())));
        assert_eq!(calendar.expose_secret(), mail.expose_secret());
        stage.emulator.counters().reset();
        let again = assistant(&context).await?;
        assert_eq!((again.2.expose_secret(), stage.emulator.counters().total()), (key.expose_secret(), 0));
        // A service refuses one of them: that one is fetched again, and nobody is asked.
        drop(Error::credential_rejected(&again.0));
        assistant(&context).await?;
        assert_eq!(stage.count("get_3lo_token"), 1);
        Ok(())
    }

    #[tokio::test]
    async fn what_is_missing_is_one_error_with_every_consent() -> Result<(), Anything> {
        let stage = Stage::new().await?;
        let context = context(&stage.client)?;
        let error = assistant(&context).await.err().ok_or("nobody has agreed")?;
        assert_eq!(error.kind(), ErrorKind::AuthorizationRequired);
        let mut pendings: Vec<_> =
            error.pendings().iter().map(|pending| (pending.provider().to_string(), pending.scopes().len())).collect();
        pendings.sort();
        assert_eq!(pendings, [("crm-oauth".to_owned(), 3), ("personal-key".to_owned(), 0)]);
        // Asking again shows the same links.
        let again = assistant(&context).await.err().ok_or("nobody has agreed")?;
        assert_eq!(error.pendings(), again.pendings());
        Ok(())
    }
}
