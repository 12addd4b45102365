//! Several credentials of one handler, fetched at once by its attributes.

use identity_client::{AccessToken, Error, IdentityClient, PendingAuthorization, User, requires_access_token};

use crate::support::{Fake, Script, secs, user};

fn quietly(_: PendingAuthorization) {}

#[requires_access_token(
    provider_name = "google", auth_flow = "USER_FEDERATION", scopes = ["read"],
    into = one, client = client, user_id = who, on_auth_url = quietly
)]
#[requires_access_token(
    provider_name = "google", auth_flow = "USER_FEDERATION", scopes = ["write"],
    into = two, client = client, user_id = who, on_auth_url = quietly
)]
async fn both(client: &IdentityClient, who: &User, one: AccessToken, two: AccessToken) -> Result<(), Error> {
    drop((one, two));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_consent_for_several_handlers_is_kept_for_each_unless_its_user_was_forgotten_meanwhile() -> Result<(), Error>
{
    let (fake, alice) = (Fake::new(), user("alice"));
    let client = fake.client();
    let consent = || {
        fake.then(Script::NeedsConsent).then(Script::NeedsConsent).then(Script::NeedsConsent);
        fake.then_poll(Script::Slowly(secs(5))).then_poll(Script::Issue(Some(secs(1000))));
    };
    consent();
    both(&client, &alice).await?;
    both(&client, &alice).await?;
    assert_eq!(fake.acquired(), 3);
    client.forget_user(&alice);
    consent();
    let (ended, ()) = tokio::join!(both(&client, &alice), async {
        tokio::time::sleep(secs(3)).await;
        client.forget_user(&alice);
    });
    ended?;
    assert_eq!(fake.acquired(), 6);
    both(&client, &alice).await?;
    assert_eq!(fake.acquired(), 8, "nothing of it was kept");
    Ok(())
}

#[requires_access_token(
    provider_name = "google", auth_flow = "USER_FEDERATION", scopes = ["read"],
    into = one, client = client, user_id = "alice", on_auth_url = quietly
)]
#[requires_access_token(
    provider_name = "google", auth_flow = "USER_FEDERATION", scopes = ["read"],
    into = two, client = client, user_id = "bob", on_auth_url = quietly
)]
async fn of_two(client: &IdentityClient, one: AccessToken, two: AccessToken) -> Result<[String; 2], Error> {
    Ok([one, two].map(|token| token.expose_secret().to_owned()))
}

#[tokio::test(start_paused = true)]
async fn two_users_in_one_handler_agree_each_for_themselves() -> Result<(), Error> {
    let fake = Fake::new();
    let client = fake.client();
    for _ in 0..2 {
        fake.then(Script::NeedsConsent).then_poll(Script::Issue(None));
    }
    let [one, two] = of_two(&client).await?;
    assert!(one.contains(".alice.") && two.contains(".bob."), "{one} {two}");
    assert_eq!((fake.acquired(), fake.polled()), (2, 2));
    Ok(())
}
