//! With which key a call is signed: sources, the runtime's file, the assumed role.

use std::{fs, time::Duration};

use identity_client::{
    Environment, ErrorKind, HttpOptions, User,
    agentkit::{AgentKit, AgentKitBuilder, Trouble},
};
use serde_json::json;

use crate::support::{ACCESS_KEY, ManualClock, ROLE, Reply, SECRET_KEY, Server, assumed, client, ok, quick, refused};

async fn vault() -> Server {
    let mut number = 0;
    Server::new(move |seen| {
        if seen.action() == "AssumeRole" {
            number += 1;
            return ok(&assumed(number));
        }
        ok(&json!({ "ApiKey": "SYNTHETIC-API-KEY" }))
    })
    .await
}

async fn denying() -> Server {
    Server::new(|seen| match seen.action() {
        "AssumeRole" => refused(403, "NoPermission", "You have no permission for this action."),
        _ => ok(&json!({ "ApiKey": "SYNTHETIC-API-KEY" })),
    })
    .await
}

/// The key without the client's cache.
async fn ask(agentkit: &AgentKit) -> Result<identity_client::ApiKey, identity_client::Error> {
    client(agentkit.clone()).api_key("weather_key").for_agent().await
}

fn of_environment(server: &Server, variables: &[(&str, &str)]) -> AgentKitBuilder {
    AgentKit::builder()
        .with_environment(&Environment::of(variables.iter().copied()))
        .with_workload_name("my-agent")
        .with_endpoint(server.origin())
        .with_http(HttpOptions::new().with_retry(quick(1)))
}

#[tokio::test]
async fn w7_a_role_that_cannot_be_assumed_is_the_error_and_nothing_is_done_as_somebody_else() {
    let server = denying().await;
    let agentkit = server.builder().with_role(ROLE).build().unwrap();
    let error = ask(&agentkit).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status(), error.code()),
        (ErrorKind::PermissionDenied, Some(403), Some("NoPermission"))
    );
    let Some(Trouble::AssumeRoleDenied { role, access_key_end, source_of_key }) = Trouble::of(&error) else {
        panic!("{error}")
    };
    assert_eq!((role.as_str(), access_key_end.as_str(), source_of_key.as_str()), (ROLE, "0000", "given in code"));
    assert!(
        !error.to_string().contains(ACCESS_KEY) && error.hint().unwrap().contains("STSAssumeRoleAccess"),
        "{error}"
    );
    assert_eq!(server.seen().len(), 1, "nothing but STS was asked");
    // And STS is left alone for a while.
    ask(&agentkit).await.unwrap_err();
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn w8_a_role_is_assumed_once_and_renewed_early() {
    let server = vault().await;
    let clock = ManualClock::new();
    let agentkit = server.builder().with_role(ROLE).with_clock(clock.clone()).build().unwrap();
    for _ in 0..3 {
        ask(&agentkit).await.unwrap();
    }
    assert_eq!(server.asked("AssumeRole").len(), 1);
    clock.advance(3600 - 301);
    ask(&agentkit).await.unwrap();
    assert_eq!(server.asked("AssumeRole").len(), 1);
    clock.advance(2);
    ask(&agentkit).await.unwrap();
    assert_eq!(server.asked("AssumeRole").len(), 2, "renewed before it ends");
    assert_eq!(server.asked("GetResourceApiKey").last().unwrap().access_key(), "AKTPTEMPORARY0002");
    let form = &server.asked("AssumeRole")[0];
    assert_eq!(form.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(
        form.body,
        "RoleSessionName=identity-client&RoleTrn=trn%3Aiam%3A%3A2100000000%3Arole%2FSyntheticRuntimeRole"
    );
    assert_eq!(form.query["Version"], "2018-01-01");
    assert!(form.headers["authorization"].contains("/cn-beijing/sts/request"));
}

#[tokio::test]
async fn w8_many_calls_at_once_assume_it_once() {
    let server = vault().await;
    let agentkit = server.builder().with_role(ROLE).build().unwrap();
    let asked = (0..20).map(|_| {
        let agentkit = agentkit.clone();
        tokio::spawn(async move { ask(&agentkit).await.map(drop) })
    });
    for asked in asked.collect::<Vec<_>>() {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(server.asked("AssumeRole").len(), 1);
    assert_eq!(server.asked("GetWorkloadAccessToken").len(), 1, "and one workload token serves all");
}

#[tokio::test]
async fn w9_the_end_of_a_role_is_read_with_its_offset() {
    // The answer's times are `+08:00`. Taken for UTC, the role would seem to live eight hours longer.
    let server = vault().await;
    let clock = ManualClock::new();
    let agentkit = server.builder().with_role(ROLE).with_clock(clock.clone()).build().unwrap();
    ask(&agentkit).await.unwrap();
    clock.advance(2 * 3600);
    ask(&agentkit).await.unwrap();
    assert_eq!(server.asked("AssumeRole").len(), 2);
}

#[tokio::test]
async fn w10_a_key_that_was_given_is_never_replaced_by_the_runtime_s_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credential");
    fs::write(
        &file,
        json!({ "access_key_id": "AKOTHER", "secret_access_key": "other", "session_token": "t" }).to_string(),
    )
    .unwrap();
    let server = vault().await;
    ask(&server.builder().with_iam_file(&file).build().unwrap()).await.unwrap();
    let variables = [("VOLCENGINE_ACCESS_KEY", ACCESS_KEY), ("VOLCENGINE_SECRET_KEY", SECRET_KEY)];
    ask(&of_environment(&server, &variables).with_iam_file(&file).build().unwrap()).await.unwrap();
    for seen in server.seen() {
        assert_eq!(seen.access_key(), ACCESS_KEY);
    }
}

#[tokio::test]
async fn w11_w12_the_file_is_read_whole_and_again_when_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credential");
    let write = |number: u32| {
        let text = json!({ "access_key_id": format!("AKFILE{number}"), "secret_access_key": "s", "session_token": format!("t{number}") });
        fs::write(&file, text.to_string()).unwrap();
        let later = std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + u64::from(number));
        fs::File::open(&file).unwrap().set_modified(later).unwrap();
    };
    write(1);
    let server = vault().await;
    let agentkit = of_environment(&server, &[]).with_iam_file(&file).build().unwrap();
    ask(&agentkit).await.unwrap();
    write(2);
    ask(&agentkit).await.unwrap();
    let used: Vec<_> = server
        .asked("GetResourceApiKey")
        .iter()
        .map(|seen| (seen.access_key().to_owned(), seen.headers["x-security-token"].clone()))
        .collect();
    assert_eq!(used, [("AKFILE1".to_owned(), "t1".to_owned()), ("AKFILE2".to_owned(), "t2".to_owned())]);
    assert_eq!(server.asked("AssumeRole").len(), 0, "no `role_trn` is needed");
    fs::write(&file, "{").unwrap();
    let error = ask(&agentkit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigurationBroken);
}

#[tokio::test]
async fn w11_the_file_s_own_role_is_assumed_if_it_has_no_session_token() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credential");
    let content = json!({ "access_key_id": "AKFILE", "secret_access_key": "s", "role_trn": ROLE, "expired_time": "2099-01-01T08:00:00+08:00" });
    fs::write(&file, content.to_string()).unwrap();
    let server = vault().await;
    ask(&of_environment(&server, &[]).with_iam_file(&file).build().unwrap()).await.unwrap();
    assert_eq!(server.asked("AssumeRole")[0].access_key(), "AKFILE");
    assert_eq!(server.asked("GetResourceApiKey")[0].access_key(), "AKTPTEMPORARY0001");
    fs::write(&file, r#"{"access_key_id":"AKFILE","secret_access_key":"s","expired_time":"2020-01-01T00:00:00Z"}"#)
        .unwrap();
    let agentkit = of_environment(&server, &[]).with_iam_file(&file).build().unwrap();
    assert_eq!(ask(&agentkit).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn wl_03_an_iam_file_that_cannot_be_used_is_named_and_never_quoted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credential");
    let server = vault().await;
    for content in [
        r#"{"access_key_id":"AKFILE","secret_access_key":"hunter2"#,
        r#"{"secret_access_key":"hunter2"}"#,
        r#"{"access_key_id":"AKFILE","secret_access_key":["hunter2"]}"#,
        r#"{"access_key_id":"AKFILE","secret_access_key":"hunter2\n"}"#,
        r#"["hunter2"]"#,
    ] {
        fs::write(&file, content).unwrap();
        let agentkit = of_environment(&server, &[]).with_iam_file(&file).build().unwrap();
        let error = ask(&agentkit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigurationBroken, "{content}");
        assert!(error.to_string().contains("the runtime's IAM file") && error.hint().is_some(), "{error}");
        assert!(!format!("{error} {error:?} {agentkit:?}").contains("hunter2"), "{error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_session_token_that_is_over_is_renewed_once() {
    let mut refusals = 1;
    let mut number = 0;
    let server = Server::new(move |seen| {
        if seen.action() == "AssumeRole" {
            number += 1;
            return ok(&assumed(number));
        }
        if refusals > 0 {
            refusals -= 1;
            return refused(401, "InvalidSecretToken", "expired");
        }
        ok(&json!({ "ApiKey": "SYNTHETIC-API-KEY" }))
    })
    .await;
    let agentkit = server.builder().with_role(ROLE).build().unwrap();
    ask(&agentkit).await.unwrap();
    let used: Vec<_> = server.asked("GetResourceApiKey").iter().map(|seen| seen.access_key().to_owned()).collect();
    assert_eq!(used, ["AKTPTEMPORARY0001", "AKTPTEMPORARY0002"]);

    let server = Server::new(|_| refused(401, "InvalidAccessKey", "no")).await;
    let error = ask(&server.agentkit()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(server.asked("GetResourceApiKey").len(), 1, "a key that cannot be renewed is not tried again");
    assert!(error.hint().unwrap().contains("given in code"), "{error}");
}

#[tokio::test]
async fn w6_without_a_name_and_a_role_nothing_is_sent() {
    let server = vault().await;
    let variables = [("VOLCENGINE_ACCESS_KEY", ACCESS_KEY), ("VOLCENGINE_SECRET_KEY", SECRET_KEY)];
    let builder = || AgentKit::builder().with_environment(&Environment::of(variables)).with_endpoint(server.origin());
    let error = ask(&builder().build().unwrap()).await.unwrap_err();
    assert_eq!(Trouble::of(&error), Some(&Trouble::WorkloadNameUnresolved), "{error}");
    assert!(server.seen().is_empty());
    // The credentials of a role name it.
    ask(&builder().with_role(ROLE).build().unwrap()).await.unwrap();
    assert_eq!(server.asked("GetWorkloadAccessToken")[0].body, "{}");
}

#[tokio::test]
async fn w19_a_slow_platform_blocks_nobody_else() {
    let server = Server::new(|_| ok(&json!({ "ApiKey": "k" })).late(Duration::from_millis(300))).await;
    let agentkit = server.agentkit();
    let asking = tokio::spawn(async move { ask(&agentkit).await });
    let mut turns = 0;
    while !asking.is_finished() {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(turns > 10, "{turns}");
    asking.await.unwrap().unwrap();
    let broken = Server::raw(|_| Reply::Reset).await;
    let user = User::asserted("u").unwrap();
    let error = client(broken.agentkit()).access_token("p").for_user(&user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
}

#[tokio::test]
async fn an_emulator_that_has_ended_is_told_from_a_broken_network() {
    // Bound and not listening: it refuses, and nobody else gets the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let origin = format!("http://{}", socket.local_addr().unwrap());
    let server = Server::new(|_| ok(&json!({}))).await;
    let error = ask(&server.builder().with_endpoint(&origin).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.hint().unwrap().contains("on this machine still runs"), "{error}");
}
