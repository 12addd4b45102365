//! Signing in at a user pool of AgentKit, and what its tokens are good for at an agent.

use identity_client::{
    ErrorKind, User,
    agentkit::{ClientType, Management, NewUserPool},
    inbound::{RefusalCode, TokenVerifier},
    login::{CallbackParameters, LoginFailure, RelyingParty, SignedIn},
};
use identity_emulator::Emulator;
use identity_tests::Anything;

use crate::{
    person::{allow, without_redirects},
    platform,
};

const CALLBACK: &str = "http://127.0.0.1:9/callback";

struct Pool {
    _emulator: Emulator,
    management: Management,
    uid: String,
    issuer: String,
    discovery: String,
}

impl Pool {
    async fn start() -> Result<Self, Anything> {
        let emulator = Emulator::builder().start().await?;
        let management = platform(&emulator)?.management().clone();
        let pool = management.user_pools().create(&NewUserPool::new("users")?).await?;
        let (Some(uid), Some(issuer), Some(discovery)) = (pool.uid, pool.issuer_url, pool.discovery_url) else {
            return Err("a pool is an issuer".into());
        };
        Ok(Self { _emulator: emulator, management, uid, issuer, discovery })
    }

    /// A client of the pool, made by the management API.
    async fn client(&self, name: &str) -> Result<RelyingParty, Anything> {
        let clients = self.management.user_pools().clients(&self.uid)?;
        let id =
            clients.create(name, ClientType::WebApplication, &[CALLBACK]).await?.uid.ok_or("a client has an id")?;
        let secret = clients.get(&id).await?.client_secret.ok_or("a client has a secret")?;
        Ok(RelyingParty::builder(&*self.issuer, id, CALLBACK).with_client_secret(secret).build()?)
    }
}

async fn sign_in(party: &RelyingParty, login: &str) -> Result<SignedIn, Anything> {
    let departure = party.begin().await?;
    let back = allow(&without_redirects()?, departure.authorization_url(), login).await?;
    Ok(party.finish(&departure.attempt, &CallbackParameters::parse(back.query().unwrap_or_default())?).await?)
}

/// Discovery, PKCE, state, nonce and ID token are checked by the login itself; here it is that the pool has them right.
#[tokio::test]
async fn a_user_signs_in_at_the_pool_and_stays_signed_in() -> Result<(), Anything> {
    let pool = Pool::start().await?;
    let party = pool.client("web").await?;
    let signed_in = sign_in(&party, "alice").await?;
    assert_eq!(signed_in.user, User::asserted("alice")?);
    let refresh = signed_in.tokens.refresh_token.as_ref().ok_or("the pool gives refresh tokens")?;
    let renewed = party.refresh(&signed_in.user, refresh).await?;
    assert_ne!(renewed.access_token.expose_secret(), signed_in.tokens.access_token.expose_secret());
    let used = party.refresh(&signed_in.user, refresh).await.err().ok_or("a refresh token is good once")?;
    assert_eq!(used.kind(), ErrorKind::AuthorizationExpired, "{used}");

    let (first, second) = (party.begin().await?, party.begin().await?);
    let back = allow(&without_redirects()?, first.authorization_url(), "alice").await?;
    let parameters = CallbackParameters::parse(back.query().unwrap_or_default())?;
    let refused = party.finish(&second.attempt, &parameters).await.err().ok_or("that is another attempt's answer")?;
    assert!(matches!(refused, LoginFailure::UnknownState), "{refused}");
    Ok(())
}

/// W32: the reference middleware takes the tokens of any client of the pool.
#[tokio::test]
async fn w32_the_preset_takes_tokens_of_the_allowed_client_and_of_no_other_of_the_pool() -> Result<(), Anything> {
    let pool = Pool::start().await?;
    let (web, other) = (pool.client("web").await?, pool.client("other").await?);
    let verifier =
        TokenVerifier::volcengine_user_pool(&pool.discovery)?.with_allowed_client(web.client_id()).build()?;
    let good = sign_in(&web, "alice").await?;
    let claims = verifier.verify(good.tokens.access_token.expose_secret()).await?;
    assert_eq!(User::from_verified_token(&claims)?, good.user);
    let foreign = sign_in(&other, "alice").await?;
    let refusal =
        verifier.verify(foreign.tokens.access_token.expose_secret()).await.err().ok_or("another client's token")?;
    assert_eq!(refusal.code(), RefusalCode::AudienceMismatch);
    let strangers = Pool::start().await?;
    let party = strangers.client("web").await?;
    let foreign = sign_in(&party, "alice").await?;
    let refusal = verifier.verify(foreign.tokens.access_token.expose_secret()).await.err();
    assert!(refusal.is_some(), "another pool's token");
    Ok(())
}
