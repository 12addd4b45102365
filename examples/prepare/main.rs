//! Makes what the vendor's sample application needs on Alibaba Cloud Agent Identity, a plan shown first: `cargo run --example prepare`.
//!
//! Two OAuth applications (one with which users sign in, one with which the agent asks them for tokens for MCP servers), an identity
//! provider for the first, an API key provider, an OAuth 2.0 provider for the second, one more for tokens of the agent's own if
//! there is an application at DingTalk, a workload identity, and the RAM role that it takes. The role trusts that workload identity
//! alone, and its policy allows to fetch the credentials of those providers and nothing else.
//!
//! Without an AccessKey in the environment (`ALIBABA_CLOUD_ACCESS_KEY_ID` and so on) all this happens on an emulator in this process.
//! With one, the plan is shown, and carried out with `--apply` or after a `y` at the terminal:
//!
//! ```sh
//! export SAMPLE_API_KEY=...
//! cargo run --example prepare -- --apply
//! ```
//!
//! | argument | default |
//! | --- | --- |
//! | `--audience A,B` | an application that is registered; else the client ids of those that sign users in |
//! | `--client-id ID` | an application that is registered; else the client with which the agent gets users' tokens |
//! | `--public-client` | the client of `--client-id` has a secret |
//! | `--api-key-file FILE`, `--client-secret-file FILE` | the variables `SAMPLE_API_KEY` and `SAMPLE_CLIENT_SECRET`; `-` is standard input |
//! | `--replace-secrets` | secrets that the platform has stay; with it they become those that are given |
//! | `--vendor NAME` | `AliyunOAuth2`; one whose endpoints the platform knows |
//! | `--discovery-url URL` | that of Alibaba Cloud's own sign-in |
//! | `--sign-in-urls A,B` | `http://localhost:8090`, the sample's front end |
//! | `--return-urls A,B` | `http://localhost:8090/callback`, the sample's backend |
//! | `--workload NAME` | `sample-agent`; all other names follow from it |
//! | `--sign-in-application`, `--mcp-application`, `--identity-provider`, `--role`, `--policy`, `--api-key-provider`, `--oauth2-provider`, `--machine-provider NAME` | names of their own |
//!
//! `DINGTALK_APP_KEY`, `DINGTALK_APP_SECRET` and `DINGTALK_CORP_ID`, all three or none, are the application at DingTalk.
//!
//! What is there is compared and, where it differs, changed; what somebody else made is never touched. After a failure run it again:
//! it goes on from there. What a step needs of one before, such as a client id that is made up then, it looks up.

use identity_examples::{
    Failure, arguments,
    sample::{Consent, Goal, Names, OF_CLEAR, OF_PREPARE, Place, Sample, exports, reach, say},
};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &[OF_CLEAR, OF_PREPARE].concat())?;
    let names = Names::from_arguments();
    let place = Place::find().await?;
    let management = &place.management;
    if place.emulator.is_some() {
        say("no AccessKey of Alibaba Cloud is configured: on an emulator in this process, which ends with it")?;
        let goal = Goal::Prepared(Box::new(Sample::made_up(names)?));
        reach(&goal, management, Consent::Given).await?;
        say("once more:")?;
        reach(&goal, management, Consent::Given).await?;
        return Ok(());
    }
    say(place.description())?;
    let sample = Sample::from_arguments()?;
    if reach(&Goal::Prepared(Box::new(sample.clone())), management, Consent::from_arguments()).await? {
        for line in exports(management, &sample).await? {
            say(line)?;
        }
    }
    Ok(())
}
