//! Hundreds of users at once, with the feature `peers` two thousand: half hand over a key, some decline, some never answer. Each handler gets its own user's
//! credential or its own error.

use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use identity_client::{Error, ErrorKind, IdentityClient, PendingAuthorization, RequestContext, User, requires_api_key};
use identity_emulator::Emulator;
use identity_tests::{Anything, RETURN_URL, Stage};

const USERS: usize = if cfg!(feature = "peers") { 2000 } else { 400 };

/// Two thousand need a while in the test profile.
const PATIENCE: Duration = Duration::from_secs(if cfg!(feature = "peers") { 60 } else { 12 });

#[requires_api_key(provider_name = "personal-key", auth_flow = "USER_FEDERATION", timeout = PATIENCE, on_auth_url = person)]
async fn whose(context: &RequestContext, api_key: identity_client::ApiKey) -> Result<String, Error> {
    Ok(api_key.expose_secret().to_owned())
}

/// What the person with this id does with the link.
enum Does {
    Enters,
    Declines,
    Nothing,
}

fn does(user: &str) -> Does {
    match user.rsplit('-').next().and_then(|number| number.parse::<usize>().ok()).map(|number| number % 8) {
        Some(0..4) => Does::Enters,
        Some(4..6) => Does::Declines,
        _ => Does::Nothing,
    }
}

async fn person(pending: PendingAuthorization) -> Result<(), Anything> {
    // So many people do not open a connection in the same instant, and a listener's queue is short.
    static AT_ONCE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(100);
    let _turn = AT_ONCE.acquire().await?;
    let user = pending.user().id().to_owned();
    let link = pending.authorization_url().to_owned();
    let browser = browser()?;
    match does(&user) {
        Does::Enters => {
            let body = serde_json::json!({ "apikey": format!("key-of-{user}") }).to_string();
            browser
                .post(link)
                .header("content-type", "application/json")
                .body(body)
                .send()
                .await?
                .error_for_status()?;
        }
        Does::Declines => {
            let page = browser.get(&link).send().await?.error_for_status()?;
            let cookie =
                page.headers().get("set-cookie").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let page = page.text().await?;
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("csrf", &hidden(&page, "csrf"))
                .append_pair("state", &hidden(&page, "state"))
                .append_pair("decision", "deny")
                .finish();
            let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
            let form = browser.post(link).header("content-type", "application/x-www-form-urlencoded").body(form);
            form.header("cookie", cookie).send().await?;
        }
        Does::Nothing => {}
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a person's browser, one for all of them")]
fn browser() -> reqwest::Result<reqwest::Client> {
    static BROWSER: std::sync::OnceLock<reqwest::Client> = std::sync::OnceLock::new();
    if let Some(browser) = BROWSER.get() {
        return Ok(browser.clone());
    }
    let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    Ok(BROWSER.get_or_init(|| browser).clone())
}

fn hidden(page: &str, name: &str) -> String {
    let field = page.split(&format!("name=\"{name}\"")).nth(1).unwrap_or_default();
    field.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

/// The process's memory, in MiB: the emulator's, too.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_users_at_once_get_their_own() -> Result<(), Anything> {
    let stage = Stage::with(Emulator::builder(), IdentityClient::builder()).await?;
    let before = memory();
    let begun = tokio::time::Instant::now();
    let calls: Vec<_> = (0..USERS)
        .map(|number| {
            let client = stage.client.clone();
            tokio::spawn(async move {
                let user = format!("user-{number}");
                let context = RequestContext::new().with_client(client).with_user(User::asserted(&user)?);
                let got = whose(&context.with_return_url(RETURN_URL)?).await;
                Ok::<_, Error>((user, got))
            })
        })
        .collect();
    let mut outcomes: HashMap<&str, usize> = HashMap::new();
    for call in join_all(calls).await {
        let (user, got) = call??;
        let outcome = match (does(&user), got) {
            (Does::Enters, Ok(key)) if key == format!("key-of-{user}") => "own key",
            (Does::Declines, Err(error)) if error.kind() == ErrorKind::AuthorizationDenied => "declined",
            (Does::Nothing, Err(error)) if error.kind() == ErrorKind::AuthorizationTimedOut => {
                let pending = error.pending().ok_or("a time-out returns its pending")?;
                assert_eq!(pending.user().id(), user);
                "timed out"
            }
            (_, got) => {
                let cause = got.as_ref().err().and_then(std::error::Error::source).map(|cause| format!("{cause:?}"));
                return Err(format!("{user}: {got:?} {cause:?}").into());
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    let expected = HashMap::from([("own key", USERS / 2), ("declined", USERS / 4), ("timed out", USERS / 4)]);
    assert_eq!(outcomes, expected);
    let asked = stage.count("get_delegated_api_key_for_agent_identity");
    eprintln!(
        "{USERS} users in {:?}: {asked} questions, {} service tokens, {} MiB more",
        begun.elapsed(),
        stage.count("iam_token"),
        memory().saturating_sub(before)
    );
    assert!(stage.count("iam_token") <= 1);
    // One to begin, at most one each gap of the wait, and one to collect.
    assert!(asked <= USERS as u64 * 18, "{asked} questions");
    Ok(())
}

/// Silence while a consent is waited for costs nothing once the callers are gone.
#[tokio::test]
async fn abandoned_waits_leave_no_poller_behind() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    let user = User::asserted("user-7")?;
    let context =
        RequestContext::new().with_client(stage.client.clone()).with_user(user).with_return_url(RETURN_URL)?;
    let call = tokio::spawn(async move { whose(&context).await });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    call.abort();
    let _ = call.await;
    let asked = stage.emulator.counters().total();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(stage.emulator.counters().total(), asked);
    Ok(())
}
