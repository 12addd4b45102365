//! Consent in a real browser: Chromium goes from the emulator's link over a certified OpenID provider's pages, or the emulator's own, and
//! back to the application, while a handler waits. See `peers/README.md` for what must be installed.

mod application;
mod chromium;
mod client_authentication;
mod front_end;
mod login;
mod openid;
mod second_person;
mod stage;
mod visitor;

use std::time::{Duration, Instant};

use chromium::{Browser, browsing};
use identity_client::{
    AccessToken, ApiKey, Error, ErrorKind, PendingAuthorization, RequestContext, User, requires_access_token,
    requires_api_key,
};
use identity_tests::{Anything, DELEGATED_PROVIDER, OAUTH_PROVIDER};
use openid::OpenIdProvider;
use stage::{OPENID, Scene, all_shown_to, link_shown_to, show};

const CONSENT: &str = "input[name=prompt][value=consent]";
const SUBMIT: &str = "button[type=submit]";
const CANCEL: &str = "a[href$='/abort']";
const KEY_FIELD: &str = "input[name=apikey]";
const ALLOW: &str = "button[value=allow]";
const DENY: &str = "button[value=deny]";
const BACK: &str = "Back in the application";

#[requires_access_token(
    provider_name = OPENID,
    auth_flow = "USER_FEDERATION",
    scopes = ["openid", "profile"],
    custom_state = "of the application",
    on_auth_url = show,
    timeout = "45s",
)]
async fn profile(context: &RequestContext, access_token: AccessToken) -> Result<AccessToken, Error> {
    Ok(access_token)
}

#[requires_access_token(
    provider_name = OAUTH_PROVIDER,
    auth_flow = "USER_FEDERATION",
    scopes = ["contacts.read", "calendar"],
    on_auth_url = show,
    timeout = "45s",
)]
async fn contacts(context: &RequestContext, access_token: AccessToken) -> Result<AccessToken, Error> {
    Ok(access_token)
}

#[requires_api_key(
    provider_name = DELEGATED_PROVIDER,
    auth_flow = "USER_FEDERATION",
    on_auth_url = show,
    timeout = "45s",
)]
async fn personal_key(context: &RequestContext, api_key: ApiKey) -> Result<ApiKey, Error> {
    Ok(api_key)
}

/// From the emulator's link to the provider's question whether to agree. `picture` names the pictures taken on the way.
async fn sign_in(browser: &Browser, link: &str, name: &str, picture: &str) -> Result<(), Anything> {
    browser.open(link).await?;
    browser.fill("input[name=login]", name).await?;
    browser.fill("input[name=password]", "any password").await?;
    browser.picture(&format!("{picture}-1-sign-in")).await?;
    browser.click(SUBMIT).await?;
    browser.find(CONSENT).await?;
    browser.picture(&format!("{picture}-2-consent")).await
}

async fn agree(browser: &Browser, return_url: &str, link: &str, name: &str, picture: &str) -> Result<(), Anything> {
    sign_in(browser, link, name, picture).await?;
    browser.click(SUBMIT).await?;
    browser.arrive(return_url).await?;
    Ok(())
}

fn refused<T>(outcome: Result<T, Error>) -> Result<Error, Anything> {
    outcome.err().ok_or_else(|| "there is a credential".into())
}

#[tokio::test]
async fn a_user_agrees_and_the_handler_goes_on_with_a_token_of_theirs() -> Result<(), Anything> {
    let openid = OpenIdProvider::start(&[]).await?;
    let scene = Scene::with(&openid).await?;
    let context = scene.context("anna")?;
    browsing(async |browser| {
        let link = async || link_shown_to("anna").await;
        let in_the_browser =
            async { agree(browser, &scene.application.return_url, &link().await?, "anna-there", "openid").await };
        let (token, agreed) = tokio::join!(profile(&context), in_the_browser);
        agreed?;
        let told = openid.introspect(token?.expose_secret()).await?;
        assert_eq!((told["active"].as_bool(), told["sub"].as_str()), (Some(true), Some("anna-there")));
        assert_eq!(
            (told["scope"].as_str(), told["client_id"].as_str()),
            (Some("openid profile"), Some("web-confidential"))
        );

        assert!(browser.text().await?.contains(BACK));
        let landed = browser.arrive(&scene.application.return_url).await?;
        let state = landed.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
        assert_eq!(state.as_deref(), Some("of the application"));
        assert!(!landed.query_pairs().any(|(name, _)| name == "code" || name == "iss"), "{landed}");
        browser.picture("openid-3-back").await?;

        // The link has done its work.
        browser.open(&link().await?).await?;
        assert!(browser.text().await?.contains("was used already"), "{}", browser.text().await?);
        browser.picture("openid-4-same-link-again").await
    })
    .await
}

#[tokio::test]
async fn a_user_who_refuses_ends_the_wait_at_once() -> Result<(), Anything> {
    let openid = OpenIdProvider::start(&[]).await?;
    let scene = Scene::with(&openid).await?;
    let context = scene.context("berta")?;
    browsing(async |browser| {
        let in_the_browser = async {
            sign_in(browser, &link_shown_to("berta").await?, "berta", "openid-refused").await?;
            browser.click(CANCEL).await?;
            let landed = browser.arrive(&scene.application.return_url).await?;
            Ok::<_, Anything>((landed, now()))
        };
        let waiting = async { (profile(&context).await, now()) };
        let ((outcome, ended), in_the_browser) = tokio::join!(waiting, in_the_browser);
        let (landed, refused_at) = in_the_browser?;
        assert_eq!(refused(outcome)?.kind(), ErrorKind::AuthorizationDenied);
        // "At once" is with the next question, and questions are at most 5 s apart.
        assert!(ended.saturating_duration_since(refused_at) < Duration::from_secs(6));
        assert!(landed.query_pairs().any(|pair| pair == ("error".into(), "access_denied".into())), "{landed}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_closed_tab_times_out_and_can_be_resumed() -> Result<(), Anything> {
    let openid = OpenIdProvider::start(&[]).await?;
    let scene = Scene::with(&openid).await?;
    let user = User::asserted("clara")?;
    browsing(async |browser| {
        let request = scene.stage.client.access_token(OPENID).with_scopes(["openid", "profile"]).for_user(&user);
        let request = request.with_return_url(scene.application.return_url.as_str()).on_auth_url(show);
        let in_the_browser = async {
            sign_in(browser, &link_shown_to("clara").await?, "clara", "openid-closed").await?;
            browser.open("about:blank").await
        };
        let (outcome, left) = tokio::join!(request.with_timeout(Duration::from_secs(3)).into_future(), in_the_browser);
        left?;
        let error = refused(outcome)?;
        assert_eq!(error.kind(), ErrorKind::AuthorizationTimedOut, "{error}");
        let pending: PendingAuthorization = error.pending().ok_or("no pending")?.clone();

        // The user is signed in there by now; the provider asks for consent alone.
        browser.open(pending.authorization_url()).await?;
        browser.find(CONSENT).await?;
        browser.click(SUBMIT).await?;
        browser.arrive(&scene.application.return_url).await?;
        let token: AccessToken = scene.stage.client.resume(pending).await?;
        assert_eq!(openid.introspect(token.expose_secret()).await?["sub"], "clara");
        Ok(())
    })
    .await
}

/// The provider ends the whole grant when a refresh token is used twice, so a third token proves that the second came with a new one
/// and that it was kept.
#[tokio::test]
async fn an_ended_token_is_refreshed_without_the_user() -> Result<(), Anything> {
    let openid = OpenIdProvider::start(&["--access-ttl", "7"]).await?;
    let scene = Scene::with(&openid).await?;
    let context = scene.context("dora")?;
    browsing(async |browser| {
        let in_the_browser = async {
            agree(browser, &scene.application.return_url, &link_shown_to("dora").await?, "dora", "openid-refresh").await
        };
        let (token, agreed) = tokio::join!(profile(&context), in_the_browser);
        agreed?;
        let mut last = token?;
        for refreshes in 1..=2 {
            tokio::time::sleep(Duration::from_secs(8)).await;
            assert_eq!(openid.introspect(last.expose_secret()).await?["active"], false);
            scene.stage.client.forget(&last);
            let next = profile(&context).await?;
            assert_ne!(next.expose_secret(), last.expose_secret());
            let told = openid.introspect(next.expose_secret()).await?;
            assert_eq!((told["active"].as_bool(), told["sub"].as_str()), (Some(true), Some("dora")));
            assert_eq!(openid.count("POST /token").await?, 1 + refreshes);
            last = next;
        }
        assert_eq!(all_shown_to("dora").len(), 1, "the user was asked once");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_key_is_handed_over_with_the_keyboard_alone() -> Result<(), Anything> {
    let scene = Scene::new().await?;
    let context = scene.context("emma")?;
    browsing(async |browser| {
        let in_the_browser = async {
            let link = link_shown_to("emma").await?;
            browser.open(&link).await?;
            browser.find(KEY_FIELD).await?;
            browser.picture("key-1-empty").await?;
            browser.tab_to(KEY_FIELD).await?;
            browser.type_keys("sk-typed-by-emma").await?;
            browser.picture("key-2-typed").await?;
            browser.tab_to(ALLOW).await?;
            browser.picture("key-3-focus").await?;
            browser.press_enter().await?;
            browser.arrive(&scene.application.return_url).await?;
            assert!(browser.text().await?.contains(BACK));
            browser.open(&link).await?;
            assert!(browser.text().await?.contains("was used already"));
            browser.picture("key-4-same-link-again").await
        };
        let (key, done) = tokio::join!(personal_key(&context), in_the_browser);
        done?;
        assert_eq!(key?.expose_secret(), "sk-typed-by-emma");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_enter_key_in_the_field_hands_the_key_over_and_a_key_can_be_declined() -> Result<(), Anything> {
    let scene = Scene::new().await?;
    let (frieda, gerda) = (scene.context("frieda")?, scene.context("gerda")?);
    browsing(async |browser| {
        let in_the_browser = async {
            browser.open(&link_shown_to("frieda").await?).await?;
            browser.tab_to(KEY_FIELD).await?;
            browser.type_keys("sk-typed-by-frieda").await?;
            browser.press_enter().await?;
            browser.arrive(&scene.application.return_url).await?;

            browser.open(&link_shown_to("gerda").await?).await?;
            browser.find(KEY_FIELD).await?;
            browser.tab_to(DENY).await?;
            browser.press_enter().await?;
            browser.arrive(&scene.application.return_url).await
        };
        let (friedas, gerdas, landed) = tokio::join!(personal_key(&frieda), personal_key(&gerda), in_the_browser);
        let landed = landed?;
        assert_eq!(friedas?.expose_secret(), "sk-typed-by-frieda");
        assert_eq!(refused(gerdas)?.kind(), ErrorKind::AuthorizationDenied);
        assert!(landed.query_pairs().any(|pair| pair == ("error".into(), "access_denied".into())), "{landed}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_emulators_own_provider_works_with_the_keyboard_alone() -> Result<(), Anything> {
    let scene = Scene::new().await?;
    let context = scene.context("hanna")?;
    browsing(async |browser| {
        let in_the_browser = async {
            browser.open(&link_shown_to("hanna").await?).await?;
            browser.find("input[name=login]").await?;
            browser.picture("built-in-1-consent").await?;
            browser.tab_to("input[name=login]").await?;
            browser.type_keys("hanna").await?;
            browser.tab_to(ALLOW).await?;
            browser.picture("built-in-2-focus").await?;
            browser.press_enter().await?;
            browser.arrive(&scene.application.return_url).await
        };
        let (token, arrived) = tokio::join!(contacts(&context), in_the_browser);
        arrived?;
        assert!(!token?.expose_secret().is_empty());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_link_that_never_was_leads_to_a_page_that_says_so() -> Result<(), Anything> {
    let scene = Scene::new().await?;
    let platform = scene.stage.emulator.agentbase();
    browsing(async |browser| {
        for (name, path) in [
            ("consent", "oauth2/authorize?sessionId=00000000-0000-4000-8000-000000000000"),
            ("callback", "oauth2/callback/00000000-0000-4000-8000-000000000000?code=a&state=b"),
            ("key", "api-key/delegate/00000000-0000-4000-8000-000000000000?state=b"),
        ] {
            browser.open(&format!("{}/{path}", platform.identity_url())).await?;
            assert!(browser.text().await?.contains("start again"), "{name}: {}", browser.text().await?);
            browser.picture(&format!("dead-link-{name}")).await?;
        }
        Ok(())
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "a test measures real time")]
fn now() -> Instant {
    Instant::now()
}
