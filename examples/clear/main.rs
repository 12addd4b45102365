//! Deletes what `prepare` made on Alibaba Cloud Agent Identity, a plan shown first: `cargo run --example clear`.
//!
//! The last that was made goes first. What is gone already is no error, and what is described otherwise than `prepare` does it is
//! somebody else's and stays. Unlike with the vendor's script, the role and its policy go, too, and a workload identity that
//! somebody else bound to the identity provider is not deleted but named.
//!
//! Without an AccessKey in the environment (`ALIBABA_CLOUD_ACCESS_KEY_ID` and so on) all this happens on an emulator in this process,
//! where there is something to delete only after a preparation. With one, the plan is shown, and carried out with `-- --apply` or
//! after a `y` at the terminal. The arguments that give names are those of `prepare`: `--workload` and so on.

use identity_examples::{
    Failure, arguments,
    sample::{Consent, Goal, Names, OF_CLEAR, Place, Sample, leftovers, reach, say},
};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), OF_CLEAR)?;
    let names = Names::from_arguments();
    let place = Place::find().await?;
    let management = &place.management;
    let goal = Goal::Cleared(Box::new(names.clone()));
    if place.emulator.is_some() {
        say("no AccessKey of Alibaba Cloud is configured: on an emulator in this process, which ends with it")?;
        reach(&Goal::Prepared(Box::new(Sample::made_up(names.clone())?)), management, Consent::Given).await?;
        say("and back:")?;
        reach(&goal, management, Consent::Given).await?;
        say(format_args!("{} things are left on the emulator", leftovers(management, &names).await?))?;
        return Ok(());
    }
    say(place.description())?;
    reach(&goal, management, Consent::from_arguments()).await?;
    Ok(())
}
