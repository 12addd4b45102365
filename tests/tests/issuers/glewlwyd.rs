//! Tokens of Glewlwyd, an OpenID provider in C whose issuer has a path.

use std::{process::Stdio, time::Duration};

use identity_client::inbound::TokenVerifier;
use identity_runtime::CustomJwtLayer;
use identity_tests::Anything;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Mutex, RwLock},
    time::timeout,
};

use crate::{
    agent::{AUDIENCE, Agent, reason, refused, unauthenticated, verifier, welcome},
    forgery::{part, with, with_another_signature},
    openid::{http, post_form},
    rotation::{Issuer, rotate_under_load},
};

const PORTAL: (&str, &str) = ("portal", "portal-test-secret");
const STRANGER: (&str, &str) = ("stranger", "stranger-test-secret");

/// The running provider. It ends when its standard input closes, which is when this is dropped.
struct Glewlwyd {
    _process: Child,
    administrator: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    issuer: String,
    http: reqwest::Client,
    /// It has no answer for clients while it loads its keys anew.
    serving: RwLock<()>,
}

impl Glewlwyd {
    async fn start() -> Result<Self, Anything> {
        let mut process = Command::new("python3")
            .args([concat!(env!("CARGO_MANIFEST_DIR"), "/peers/glewlwyd/peer.py"), "300"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3 does not start ({error}); see peers/README.md"))?;
        let input = process.stdin.take().ok_or("no standard input")?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no standard output")?).lines();
        let ready = timeout(Duration::from_secs(60), output.next_line()).await??;
        let ready: Value = serde_json::from_str(&ready.ok_or("Glewlwyd did not start; see peers/README.md")?)?;
        assert_eq!(ready["audience"], AUDIENCE);
        let issuer = ready["issuer"].as_str().ok_or("no issuer")?.to_owned();
        let administrator = Mutex::new((input, output));
        Ok(Self { _process: process, administrator, issuer, http: http()?, serving: RwLock::new(()) })
    }

    fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer)
    }

    /// A machine's own token; `form` says more about it.
    async fn token_of(&self, client: (&str, &str), form: &[(&str, &str)]) -> Result<String, Anything> {
        let _serving = self.serving.read().await;
        let form = [&[("grant_type", "client_credentials")], form].concat();
        let answer = post_form(&self.http, &format!("{}/token", self.issuer), client, &form).await?;
        Ok(answer["access_token"].as_str().ok_or_else(|| format!("no token: {}", answer["error"]))?.to_owned())
    }
}

impl Issuer for Glewlwyd {
    async fn token(&self) -> Result<String, Anything> {
        self.token_of(PORTAL, &[("scope", "read"), ("resource", AUDIENCE)]).await
    }

    async fn rotate(&self) -> Result<(), Anything> {
        let _alone = self.serving.write().await;
        let (input, output) = &mut *self.administrator.lock().await;
        input.write_all(b"rotate\n").await?;
        input.flush().await?;
        let done = timeout(Duration::from_secs(30), output.next_line()).await??;
        done.map(drop).ok_or_else(|| "Glewlwyd has ended".into())
    }
}

#[tokio::test]
async fn who_may_call_is_let_in_by_name_and_nobody_else() -> Result<(), Anything> {
    let provider = Glewlwyd::start().await?;
    let agent = Agent::start(&provider.discovery(), &[PORTAL.0], &[AUDIENCE]).await?;
    assert_eq!(agent.call(None).await?, unauthenticated());
    let token = provider.token().await?;
    assert_eq!((&part(&token, 0)?["typ"], &part(&token, 0)?["alg"]), (&"at+jwt".into(), &"ES256".into()));
    assert_eq!(agent.call(Some(&token)).await?, welcome(PORTAL.0));

    let judge = verifier(&provider.discovery(), &[PORTAL.0], AUDIENCE)?;
    for (bad, code) in [
        // Real, of the same issuer, for the same audience.
        (provider.token_of(STRANGER, &[("scope", "read"), ("resource", AUDIENCE)]).await?, "client_not_allowed"),
        (with(&token, 1, "sub", "root")?, "signature_invalid"),
        (with_another_signature(&token)?, "signature_invalid"),
        (with(&token, 0, "alg", "ES384")?, "key_unfit"),
    ] {
        assert_eq!(agent.call(Some(&bad)).await?, refused(), "{code}");
        assert_eq!(reason(&judge, &bad).await, Some(code));
    }
    assert_eq!(agent.call(Some(&token)).await?, welcome(PORTAL.0), "the good one still is");
    Ok(())
}

/// Asked without `resource`, it writes the scopes into `aud`, all in one text: no audience that a service could have. That is refused,
/// and an agent that is to take such tokens says so.
#[tokio::test]
async fn a_token_for_nobody_in_particular_is_taken_only_where_that_is_configured() -> Result<(), Anything> {
    let provider = Glewlwyd::start().await?;
    let token = provider.token_of(PORTAL, &[("scope", "read write")]).await?;
    assert_eq!(part(&token, 1)?["aud"], "read write");
    let agent = Agent::start(&provider.discovery(), &[PORTAL.0], &[AUDIENCE]).await?;
    assert_eq!(agent.call(Some(&token)).await?, refused());
    let judge = verifier(&provider.discovery(), &[PORTAL.0], AUDIENCE)?;
    assert_eq!(reason(&judge, &token).await, Some("audience_mismatch"));
    // One of the scopes is not the audience either.
    let agent = Agent::start(&provider.discovery(), &[PORTAL.0], &["read"]).await?;
    assert_eq!(agent.call(Some(&token)).await?, refused());

    let any = Agent::start(&provider.discovery(), &[PORTAL.0], &[]).await?;
    assert_eq!(any.call(Some(&token)).await?, welcome(PORTAL.0));
    let stranger = provider.token_of(STRANGER, &[("scope", "read write")]).await?;
    assert_eq!(any.call(Some(&stranger)).await?, refused(), "the client still counts");
    // The scope is what such a token is for, so it is asked for beside.
    let scoped = TokenVerifier::discovery(provider.discovery())?.with_any_audience().with_allowed_client(PORTAL.0);
    let scoped = scoped.with_required_scope("write").build()?;
    let agent = Agent::behind(CustomJwtLayer::new([scoped.clone()])?).await?;
    assert_eq!(agent.call(Some(&token)).await?, welcome(PORTAL.0));
    let reader = provider.token_of(PORTAL, &[("scope", "read")]).await?;
    let answer = agent.call(Some(&reader)).await?;
    assert_eq!(answer.challenge.as_deref(), Some("Bearer error=\"insufficient_scope\", scope=\"write\""));
    assert_eq!((answer.status, reason(&scoped, &reader).await), (403, Some("scope_missing")));
    Ok(())
}

/// The new key is also of another curve, and signs with another algorithm.
#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_and_no_good_token_is_refused() -> Result<(), Anything> {
    let provider = Glewlwyd::start().await?;
    let agent = Agent::start(&provider.discovery(), &[PORTAL.0], &[AUDIENCE]).await?;
    let load = rotate_under_load(&provider, &agent, &welcome(PORTAL.0)).await?;
    load.check();
    assert_eq!(part(&provider.token().await?, 0)?["alg"], "ES384");
    Ok(())
}
