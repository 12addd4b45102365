//! `prepare` and `clear`, each run as a program: against an emulator of the test, or without an account.

mod common;

use std::process::Stdio;

use identity_client::agent_identity::{
    Management, NewIdentityProvider, NewWorkloadIdentity, Ram, WorkloadIdentityUpdate,
};
use identity_emulator::{Emulator, Fault};
use identity_examples::sample::management_at;
use secrecy::ExposeSecret as _;
use tokio::{process::Command, time::timeout};

use common::{Anything, LONGEST, program, tells};

/// The sample on an emulator of this test, each run a process of its own.
struct Prepared {
    emulator: Emulator,
    management: Management,
    folder: tempfile::TempDir,
}

const API_KEY: &str = "hunter2-sample-api-key";
const CLIENT_SECRET: &str = "hunter2-sample-client-secret";

impl Prepared {
    async fn new() -> Result<Self, Anything> {
        let emulator = Emulator::builder().start().await?;
        let management = management_at(&emulator)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("secret"), format!("{CLIENT_SECRET}\n"))?;
        Ok(Self { emulator, management, folder })
    }

    async fn run(&self, name: &str, arguments: &[&str]) -> Result<(bool, String), Anything> {
        self.run_with(name, arguments, &[]).await
    }

    /// What it says, and whether it ends well. No secret is ever said.
    async fn run_with(
        &self,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<(bool, String), Anything> {
        let mut example = Command::new(program(name)?);
        let access = self.emulator.agent_identity();
        let secret = access.access_key_secret().expose_secret();
        example.args(arguments).env_clear().current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        let planes = ["AGENT_IDENTITY_ENDPOINT", "AGENT_IDENTITY_DATA_ENDPOINT"];
        for variable in planes.into_iter().chain(["ALIBABA_CLOUD_RAM_ENDPOINT", "ALIBABA_CLOUD_IMS_ENDPOINT"]) {
            example.env(variable, access.endpoint());
        }
        example.envs(variables.iter().copied());
        example.env("ALIBABA_CLOUD_ACCESS_KEY_ID", access.access_key_id());
        example.env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret).env("SAMPLE_API_KEY", API_KEY);
        let output = timeout(LONGEST, example.output()).await??;
        let said = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
        assert!(![API_KEY, CLIENT_SECRET, secret].iter().any(|secret| said.contains(secret)), "{said}");
        Ok((output.status.success(), said))
    }

    async fn prepare(&self, more: &[&str]) -> Result<(bool, String), Anything> {
        let usual = ["--audience", "app-1", "--client-id", "client-1", "--client-secret-file", "secret"];
        self.run("prepare", &[&usual, more].concat()).await
    }

    /// Which operations changed something since the last time that this was asked.
    fn writes(&self) -> Vec<&'static str> {
        let counters = self.emulator.counters();
        let reads = ["get_", "list_", "ram_get_", "ram_list_", "ims_get_", "ims_list_"];
        let writes =
            counters.all().into_keys().filter(|name| !reads.iter().any(|read| name.starts_with(read))).collect();
        counters.reset();
        writes
    }
}

/// The lines of a plan that are work.
fn work(said: &str) -> Vec<&str> {
    said.lines().filter(|line| ["+ ", "~ ", "- ", "! "].iter().any(|mark| line.starts_with(mark))).collect()
}

#[tokio::test]
async fn prepare_shows_its_plan_applies_it_once_and_repairs_what_is_gone() -> Result<(), Anything> {
    let sample = Prepared::new().await?;
    let (ended_well, said) = sample.prepare(&[]).await?;
    assert!(ended_well && work(&said).len() == 8, "{said}");
    assert!(said.ends_with("nothing was changed; to carry this out, add `-- --apply`\n"), "{said}");
    assert_eq!(sample.writes(), [""; 0], "a plan writes nothing");

    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well && said.contains("8/8 created") && said.contains("all is as it should be"), "{said}");
    assert!(said.contains("export AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME='sample-agent'"), "{said}");
    assert_eq!(sample.writes().len(), 8);
    let workload = sample.management.workload_identities().get("sample-agent").await?;
    let role = sample.management.ram().role("AgentIdentityRole-sample-agent").await?;
    assert_eq!((workload.role_arn, workload.session_binding_enabled), (role.arn, Some(true)));
    assert_eq!(role.trust, workload.arn.as_deref().map(Ram::trust_of_workload));

    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well && work(&said).is_empty() && said.contains("nothing to do"), "{said}");
    assert_eq!(sample.writes(), [""; 0]);

    sample.management.api_key_credential_providers().delete("sample-agent-weather", None).await?;
    let policy = "AgentIdentityPolicy-AgentIdentityRole-sample-agent";
    sample.management.ram().detach_policy(policy, false, "AgentIdentityRole-sample-agent").await?;
    let mut update = WorkloadIdentityUpdate::default();
    update.allowed_return_urls = Some(vec!["https://elsewhere.example.com/".to_owned()]);
    sample.management.workload_identities().update("sample-agent", update).await?;
    sample.writes();
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well && said.contains("3/3 created attachment"), "{said}");
    assert!(said.contains(r#"return URLs: ["https://elsewhere.example.com/"] -> ["http://localhost:8090/callback"]"#));
    let repairs = ["create_api_key_credential_provider", "ram_attach_policy_to_role", "update_workload_identity"];
    assert_eq!(sample.writes(), repairs);
    Ok(())
}

const DINGTALK_SECRET: &str = "hunter2-sample-dingtalk-secret";
const DINGTALK: [(&str, &str); 3] =
    [("DINGTALK_APP_KEY", "key-1"), ("DINGTALK_APP_SECRET", DINGTALK_SECRET), ("DINGTALK_CORP_ID", "corp-1")];

#[tokio::test]
async fn prepare_registers_what_it_is_not_given_and_every_part_knows_the_others() -> Result<(), Anything> {
    let sample = Prepared::new().await?;
    let (ended_well, said) = sample.run_with("prepare", &["--apply"], &DINGTALK).await?;
    assert!(ended_well && said.contains("11/11 created binding") && said.contains("all is as it should be"), "{said}");
    assert!(!said.contains(DINGTALK_SECRET), "{said}");
    let applications = sample.management.applications().list().await?;
    let application =
        |name: &str| applications.iter().find(|one| one.name.as_deref() == Some(name)).ok_or("no application");
    let (sign_in, mcp) = (application("sample-agent-sign-in")?, application("sample-agent-mcp")?);
    assert_eq!((sign_in.kind.as_deref(), mcp.kind.as_deref()), (Some("WebApp"), Some("NativeApp")));
    assert_eq!(sign_in.redirect_uris, ["http://localhost:8090"]);
    assert!(mcp.scopes.iter().any(|scope| scope.name == "/acs/mcp-server" && scope.required));
    let users = sample.management.identity_providers().get("sample-agent-users").await?;
    assert_eq!(users.allowed_audience, [sign_in.id.as_str()]);
    let providers = sample.management.oauth2_credential_providers();
    let provider = providers.get("sample-agent-mcp", None).await?;
    assert_eq!(provider.client_id.as_deref(), Some(mcp.id.as_str()));
    assert_eq!(provider.callback_url.as_slice(), mcp.redirect_uris, "the two agree on one callback");
    let machine = providers.get("sample-agent-dingtalk", None).await?;
    assert_eq!((machine.client_id.as_deref(), machine.oauth_type.as_deref()), (Some("key-1"), Some("M2M")));
    for told in [&sign_in.id, &mcp.id] {
        assert!(
            said.contains(&format!("with which users sign in: {}", sign_in.id)) && said.contains(told.as_str()),
            "{said}"
        );
    }
    let policy = sample.management.ram().policy("AgentIdentityPolicy-AgentIdentityRole-sample-agent").await?;
    let document = policy.document.ok_or("no document")?.to_string();
    assert!(machine.arn.is_some_and(|arn| document.contains(&arn)), "{document}");
    sample.writes();

    let (ended_well, said) = sample.run("prepare", &["--apply"]).await?;
    assert!(ended_well && said.contains("nothing to do") && sample.writes().is_empty(), "{said}");
    let (ended_well, said) = sample.run_with("prepare", &["--apply", "--replace-secrets"], &DINGTALK).await?;
    assert!(ended_well && said.contains("2/2 updated machine-to-machine provider"), "{said}");
    assert_eq!(sample.writes(), ["update_api_key_credential_provider", "update_oauth2_credential_provider"]);

    // Somebody deletes both applications: the provider's callback stays, for users have agreed there.
    for id in [&sign_in.id, &mcp.id] {
        sample.management.applications().delete(id).await?;
    }
    sample.writes();
    let (ended_well, said) = sample.run("prepare", &["--apply"]).await?;
    assert!(ended_well && said.contains("4/4 updated OAuth 2.0 provider"), "{said}");
    let writes = ["ims_create_application", "update_identity_provider", "update_oauth2_credential_provider"];
    assert_eq!(sample.writes(), writes);
    let again = providers.get("sample-agent-mcp", None).await?;
    assert!(again.callback_url == provider.callback_url && again.client_id != provider.client_id);
    let registered = sample.management.applications().get(&again.client_id.ok_or("no client")?).await?;
    assert_eq!(again.callback_url.as_slice(), registered.redirect_uris);

    let (ended_well, said) = sample.run("clear", &["--apply"]).await?;
    assert!(ended_well && said.contains("10/10 deleted sign-in application"), "{said}");
    assert!(sample.management.applications().list().await?.is_empty());
    assert!(providers.get("sample-agent-dingtalk", None).await.is_err());
    Ok(())
}

#[tokio::test]
async fn clear_names_the_agents_of_others_instead_of_deleting_them() -> Result<(), Anything> {
    let sample = Prepared::new().await?;
    let (ended_well, said) = sample.run("prepare", &["--apply"]).await?;
    assert!(ended_well, "{said}");
    let other = NewWorkloadIdentity::new("billing")?.with_identity_provider("sample-agent-users");
    sample.management.workload_identities().create(other).await?;
    sample.writes();
    let (ended_well, said) = sample.run("clear", &["--apply"]).await?;
    assert!(!ended_well && said.contains(r#"the workload identities ["billing"] take its users, too"#), "{said}");
    assert_eq!(sample.writes(), [""; 0]);
    sample.management.workload_identities().delete("billing").await?;
    let (ended_well, said) = sample.run("clear", &["--apply"]).await?;
    assert!(ended_well && said.contains("nothing of it is left"), "{said}");
    Ok(())
}

#[tokio::test]
async fn clear_deletes_what_prepare_made_and_nothing_else() -> Result<(), Anything> {
    let sample = Prepared::new().await?;
    let foreign = NewWorkloadIdentity::new("another-agent")?;
    sample.management.workload_identities().create(foreign).await?;
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well, "{said}");
    // Then the policy has two versions.
    let (ended_well, said) = sample.prepare(&["--api-key-provider", "another-key", "--apply"]).await?;
    assert!(ended_well && said.contains("updated RAM policy"), "{said}");
    sample.writes();

    let (ended_well, said) = sample.run("clear", &[]).await?;
    assert!(ended_well && work(&said).len() == 7 && sample.writes().is_empty(), "{said}");
    sample.management.oauth2_credential_providers().delete("sample-agent-mcp", None).await?;
    let (ended_well, said) = sample.run("clear", &["--apply"]).await?;
    assert!(ended_well && said.contains("= OAuth 2.0 provider sample-agent-mcp: it is gone"), "{said}");
    assert!(said.contains("6/6 deleted identity provider sample-agent-users"), "{said}");
    let (ended_well, said) = sample.run("clear", &["--api-key-provider", "another-key", "--apply"]).await?;
    assert!(ended_well && work(&said) == ["- delete API key provider another-key"], "{said}");
    sample.writes();
    let (ended_well, said) = sample.run("clear", &["--apply"]).await?;
    assert!(ended_well && said.ends_with("nothing to do\n") && sample.writes().is_empty(), "{said}");

    let (_, said) = sample.run("clear", &["--workload", "another-agent", "--apply"]).await?;
    assert!(said.contains("= workload identity another-agent: it is left alone"), "{said}");
    assert!(sample.management.workload_identities().get("another-agent").await.is_ok());
    Ok(())
}

#[tokio::test]
async fn prepare_stops_where_it_must_and_goes_on_from_there() -> Result<(), Anything> {
    let sample = Prepared::new().await?;
    let (ended_well, said) = sample.run("prepare", &["--audience", "app-1", "--client-id", "client-1"]).await?;
    assert!(ended_well && said.contains("the client's secret is missing: set SAMPLE_CLIENT_SECRET"), "{said}");
    let bare = ["--audience", "app-1", "--client-id", "client-1", "--apply"];
    let (ended_well, said) = sample.run("prepare", &bare).await?;
    assert!(!ended_well && said.contains("nothing was changed: the client's secret is missing"), "{said}");
    for (arguments, why) in [
        (&["--apply", "--vendor", "FeiShuOAuth2"][..], "--client-id is missing: a client of FeiShuOAuth2"),
        (&["--apply", "--client-secret-file", "secret"], "--client-id is missing: which client is it"),
        (
            &["--apply", "--discovery-url", "https://idp.example.com/x"],
            "--audience is missing: for whom are the tokens of",
        ),
        (&["--apply", "--audience", " , "], "--audience names no client id"),
        (&["--apply", "--workloda", "other"], "this example has no argument `--workloda`"),
    ] {
        let (ended_well, said) = sample.run("prepare", arguments).await?;
        assert!(!ended_well && said.contains(why), "{said}");
    }
    let half = [("DINGTALK_APP_KEY", "key-1"), ("DINGTALK_CORP_ID", "corp-1")];
    let (ended_well, said) = sample.run_with("prepare", &["--apply"], &half).await?;
    assert!(!ended_well && said.contains("not set: DINGTALK_APP_SECRET; an application at DingTalk"), "{said}");
    assert_eq!(sample.writes(), [""; 0]);

    let providers = sample.management.identity_providers();
    let foreign = NewIdentityProvider::new("sample-agent-users", "https://idp.example.com/", ["app-0"])?;
    providers.create(foreign).await?;
    sample.writes();
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(!ended_well && said.contains("! identity provider sample-agent-users: there is one"), "{said}");
    assert_eq!(sample.writes(), [""; 0]);
    providers.delete("sample-agent-users").await?;

    sample.emulator.faults().add(Fault::on_operation("ram_create_role").status(403).times(1));
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(!ended_well && said.contains("4/8 created workload identity sample-agent\n"), "{said}");
    assert!(said.contains("4 of 8 steps are done and stay, this one failed; run this again to go on"), "{said}");
    let (ended_well, said) = sample.prepare(&["--apply"]).await?;
    assert!(ended_well && work(&said).len() == 4 && said.contains("all is as it should be"), "{said}");
    Ok(())
}

#[tokio::test]
async fn prepare_and_clear_without_an_account() -> Result<(), Anything> {
    let story =
        ["no AccessKey", "+ create sign-in application", "11/11 created", "once more:", "= identity", "nothing to do"];
    tells("prepare", &[], &story).await?;
    let story =
        ["no AccessKey", "11/11 created", "and back:", "- delete attachment", "10/10 deleted", "0 things are left"];
    tells("clear", &[], &story).await.map(drop)
}
