//! Makes what the vendor's sample application needs on Alibaba Cloud Agent Identity, a plan shown first: `cargo run --example prepare`.
//!
//! An identity provider, an API key provider, an OAuth 2.0 provider, a workload identity, and the RAM role that it takes. The role
//! trusts that workload identity alone, and its policy allows to fetch the credentials of those two providers and nothing else.
//!
//! Without an AccessKey in the environment (`ALIBABA_CLOUD_ACCESS_KEY_ID` and so on) all this happens on an emulator in this process.
//! With one, the plan is shown, and carried out with `--apply` or after a `y` at the terminal:
//!
//! ```sh
//! export SAMPLE_API_KEY=... SAMPLE_CLIENT_SECRET=...
//! cargo run --example prepare -- --audience 4012345678901234567 --client-id 4012345678901234568 --apply
//! ```
//!
//! | argument | default |
//! | --- | --- |
//! | `--audience A,B` | none: the client id of the application that signs the users in |
//! | `--client-id ID` | none: the client with which the agent gets users' tokens |
//! | `--api-key-file FILE`, `--client-secret-file FILE` | the variables `SAMPLE_API_KEY` and `SAMPLE_CLIENT_SECRET`; `-` is standard input |
//! | `--vendor NAME` | `AliyunOAuth2`; one whose endpoints the platform knows |
//! | `--discovery-url URL` | that of Alibaba Cloud's own sign-in |
//! | `--return-urls A,B` | `http://localhost:8090/callback`, the sample's backend |
//! | `--workload NAME` | `sample-agent`; all other names follow from it |
//! | `--identity-provider`, `--role`, `--policy`, `--api-key-provider`, `--oauth2-provider NAME` | names of their own |
//!
//! What is there is compared and, where it differs, changed; what somebody else made is never touched. After a failure run it again:
//! it goes on from there. The vendor's script also registers the two OAuth applications; here they are given by their client ids.

use identity_examples::sample::{Consent, Goal, Names, Place, Sample, exports, reach, say};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = Place::find().await?;
    let management = &place.management;
    if place.emulator.is_some() {
        say("no AccessKey of Alibaba Cloud is configured: on an emulator in this process, which ends with it")?;
        let goal = Goal::Prepared(Box::new(Sample::made_up()?));
        reach(&goal, management, Consent::Given).await?;
        say("once more:")?;
        reach(&goal, management, Consent::Given).await?;
        return Ok(());
    }
    say(place.description())?;
    let goal = Goal::Prepared(Box::new(Sample::from_arguments()?));
    if reach(&goal, management, Consent::from_arguments()).await? {
        for line in exports(management, &Names::from_arguments()).await? {
            say(line)?;
        }
    }
    Ok(())
}
