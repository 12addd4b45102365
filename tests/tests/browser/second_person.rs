//! A link that reaches somebody else: a session binding in a real browser, against a certified OpenID provider.

use std::time::Duration;

use identity_client::{
    AccessToken, Error, ErrorKind, IdentityClient, PendingAuthorization, RequestContext, SessionBinding, User,
};
use identity_emulator::Emulator;
use identity_tests::{Anything, Stage};

use crate::{
    agree,
    application::SignedInApplication,
    chromium::browsing,
    openid::OpenIdProvider,
    profile, refused,
    stage::{OPENID, all_shown_to, lead_back_to, link_shown_to, register, show},
};

struct Bound {
    stage: Stage,
    application: SignedInApplication,
    openid: OpenIdProvider,
}

impl Bound {
    async fn new() -> Result<Self, Anything> {
        let binding = SessionBinding::new();
        let application = SignedInApplication::start(&binding).await?;
        let client = IdentityClient::builder().with_session_binding(binding);
        let stage = Stage::with(Emulator::builder(), client).await?;
        lead_back_to(&stage, &application.return_url()).await?;
        let openid = OpenIdProvider::start(&[]).await?;
        register(&stage, &openid).await?;
        Ok(Self { stage, application, openid })
    }

    async fn profile_of(&self, user: &str) -> Result<AccessToken, Error> {
        let user = User::asserted(user)?;
        let request = self.stage.client.access_token(OPENID).with_scopes(["openid", "profile"]).for_user(&user);
        let request = request.with_return_url(self.application.return_url()).on_auth_url(show);
        request.with_timeout(Duration::from_secs(40)).await
    }

    /// The link that the application shows this user.
    async fn start_link(&self, user: &str) -> Result<String, Anything> {
        link_shown_to(user).await?;
        let shown: Vec<PendingAuthorization> = all_shown_to(user);
        let handle = shown.last().and_then(SessionBinding::handle).ok_or("a bound consent has a handle")?;
        Ok(self.application.start_link(&handle))
    }
}

#[tokio::test]
async fn bind_01_a_second_person_who_opens_the_link_gives_nothing_away() -> Result<(), Anything> {
    let scene = Bound::new().await?;
    browsing(async |victim| {
        let in_the_browser = async {
            // The attacker passes on the provider's link itself, past the page that would have stopped it.
            let link = link_shown_to("mallory").await?;
            victim.open(&scene.application.session_of("victoria")).await?;
            agree(victim, &scene.application.return_url(), &link, "victoria-there", "second-person").await?;
            let said = victim.text().await?;
            assert!(!said.contains("mallory") && said.contains("not"), "{said}");
            victim.picture("second-person-3-refused").await
        };
        let (outcome, opened) = tokio::join!(scene.profile_of("mallory"), in_the_browser);
        opened?;
        let error = refused(outcome)?;
        assert_eq!(error.kind(), ErrorKind::AuthorizationDenied, "{error}");

        // Nor does the application's own link let her set out for somebody else.
        victim.open(&scene.start_link("mallory").await?).await?;
        assert!(victim.arrive(&scene.application.start_link("")).await.is_ok(), "she stays at the application");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn bind_02_the_user_who_set_out_comes_back_with_the_cookie_and_gets_a_token() -> Result<(), Anything> {
    let scene = Bound::new().await?;
    browsing(async |browser| {
        let in_the_browser = async {
            let link = scene.start_link("ida").await?;
            browser.open(&scene.application.session_of("ida")).await?;
            agree(browser, &scene.application.return_url(), &link, "ida-there", "bound").await?;
            browser.picture("bound-3-connected").await?;
            browser.text().await
        };
        let (token, said) = tokio::join!(scene.profile_of("ida"), in_the_browser);
        let said = said?;
        assert!(said.contains(OPENID), "{said}");
        assert_eq!(scene.openid.introspect(token?.expose_secret()).await?["sub"], "ida-there");
        // The decorated handler finds it too: it is hers now.
        let context = RequestContext::new().with_client(scene.stage.client.clone()).with_user(User::asserted("ida")?);
        profile(&context.with_return_url(scene.application.return_url())?).await?;
        assert_eq!(all_shown_to("ida").len(), 1);
        Ok(())
    })
    .await
}
